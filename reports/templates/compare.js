// Two methods on the same queries: the difference of their mAP, its interval, and the p-value of the paired test.
const Compare = (() => {
  const forms = [];
  const make = (tag, props = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...children);
    return element;
  };
  const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(3)}`;
  const chance = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);

  function select(data, word, place) {
    const options = Object.entries(data.labels).map(([slug, label]) => make("option", { value: slug, textContent: label }));
    const field = make("select", {}, make("option", { value: "", textContent: "choose" }), ...options);
    field.addEventListener("change", () => {
      const pair = [...(View.state.compare.length === 2 ? View.state.compare : ["", ""])];
      const other = forms.find((form) => form.fields.includes(field)).fields[1 - place].value;
      pair[place] = field.value;
      pair[1 - place] = other;
      View.state.compare = pair.every(Boolean) && pair[0] !== pair[1] ? pair : [];
      if (View.state.compare.length) View.changed();
      else for (const form of forms) form.result.replaceChildren();
    });
    return { field, label: make("label", {}, `${word} `, field) };
  }

  // A pair is stored once, row i less row j; the other way round signs and ends change place.
  function findPair(length, [first, second]) {
    const [i, j] = [length.rows.indexOf(first), length.rows.indexOf(second)];
    const turned = (values) => values.map((value) => -value);
    const [there, back] = [length.pairs[`${i},${j}`], length.pairs[`${j},${i}`]];
    if (there) return { difference: there[0], low: there[1], high: there[2], adjusted: there[3] };
    return back && { difference: turned(back[0]), low: turned(back[2]), high: turned(back[1]), adjusted: back[3] };
  }

  function table({ data, about }, pair) {
    const out = View.filter();
    const at = data.cuts.map((cut, place) => ({ cut, place })).filter(({ cut }) => !out({ k: cut }));
    const cut = ({ cut: name }) => make("th", { scope: "col", textContent: name === "full" ? "full" : `@${name}` });
    const head = make("tr", {}, make("th", { scope: "col", textContent: "bits" }), ...at.map(cut));
    const body = make("tbody");
    for (const [bits, length] of Object.entries(data.bits)) {
      const numbers = out({ bits }) ? null : findPair(length, pair);
      if (!numbers) continue;
      const cells = at.map(({ place }) => make(
        "td", {}, make(numbers.adjusted[place] < 0.05 ? "strong" : "span", { textContent: signed(numbers.difference[place]) }),
        make("small", { textContent: `${signed(numbers.low[place])} to ${signed(numbers.high[place])}` }),
        make("small", { textContent: chance(numbers.adjusted[place]) }),
      ));
      body.append(make("tr", {}, make("th", { scope: "row", textContent: bits }), ...cells));
    }
    const [first, second] = pair.map((slug) => data.labels[slug]);
    const words = `mAP of ${first} less mAP of ${second}, ${about}; 95 % interval of the difference over queries; p of the paired permutation test, `
      + "adjusted by Holm's method for all pairs of this page's table. Bold: p below 0.05.";
    const caption = make("caption", {}, make("span", { textContent: words }));
    const shown = make("div", { className: "scroll", tabIndex: 0, role: "region" }, make("table", { className: "data pairwise" }, caption, make("thead", {}, head), body));
    shown.setAttribute("aria-label", `Difference of ${first} and ${second}, ${about}`);
    return shown;
  }

  function apply() {
    const pair = View.state.compare;
    for (const form of forms) {
      const complete = pair.length === 2 && pair.every((slug) => form.data.labels[slug]);
      if (complete) form.fields.forEach((field, place) => { field.value = pair[place]; });
      if (!pair.length) form.fields.forEach((field) => { field.value = ""; });
      form.result.replaceChildren(...(complete ? [table(form, pair)] : []));
    }
  }

  function start() {
    for (const element of document.querySelectorAll("form.pair")) {
      const data = JSON.parse(element.parentElement.querySelector("script.pairwise").textContent);
      const about = element.parentElement.querySelector("table.map").closest(".scroll").getAttribute("aria-label").replace("mAP of ", "");
      const choices = [select(data, "Compare", 0), select(data, "with", 1)];
      const result = make("div");
      forms.push({ element, data, about, result, fields: choices.map((choice) => choice.field) });
      element.append(...choices.map((choice) => choice.label));
      element.after(result);
      element.hidden = false;
      element.addEventListener("submit", (event) => event.preventDefault());
    }
    View.on(apply);
  }

  return { start };
})();
