// Legends: a press hides or shows a line in all figures, a double press (or Shift and Enter) shows it alone.
const Figures = (() => {
  const buttons = [];

  function apply() {
    const out = View.filter();
    const { hide } = View.state;
    for (const line of document.querySelectorAll("svg [data-series]")) {
      const slug = line.dataset.series;
      line.classList.toggle("gone", hide.has(slug) || out({ row: slug }));
    }
    for (const button of buttons) button.setAttribute("aria-pressed", String(!hide.has(button.dataset.line)));
  }

  function toggle(slug) {
    const { hide } = View.state;
    if (!hide.delete(slug)) hide.add(slug);
    View.changed();
  }

  function isolate(slug) {
    const { hide } = View.state;
    const others = [...new Set(buttons.map((button) => button.dataset.line))].filter((name) => name !== slug);
    const alone = others.every((name) => hide.has(name)) && !hide.has(slug);
    hide.clear();
    if (!alone) for (const name of others) hide.add(name);
    View.changed();
    View.say(alone ? "all lines are shown" : "one line is shown");
  }

  function start() {
    for (const entry of document.querySelectorAll(".legend .entry")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = entry.className;
      Object.assign(button.dataset, entry.dataset);
      button.append(...entry.childNodes);
      button.title = "Press: hide or show. Double press, or Shift and Enter: show alone.";
      button.addEventListener("click", (event) => (event.shiftKey ? isolate(button.dataset.line) : toggle(button.dataset.line)));
      button.addEventListener("dblclick", (event) => event.shiftKey || isolate(button.dataset.line));
      entry.replaceWith(button);
      buttons.push(button);
    }
    View.on(apply);
  }

  return { start };
})();
