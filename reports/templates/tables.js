// Tables: filter, sort, marks of best and second among the rows that are shown, and what stands below a number.
const Tables = (() => {
  const under = new Map();
  const order = new Map();
  const all = () => document.querySelectorAll("table.map");
  const shown = (element) => !element.classList.contains("gone");
  const number = (cell) => (cell?.dataset.v ? Number(cell.dataset.v) : NaN);

  function hide() {
    const out = View.filter();
    for (const element of document.querySelectorAll("main [data-row], main [data-bits], main [data-k], main [data-dataset]")) {
      element.classList.toggle("gone", out(element.dataset));
    }
    for (const article of document.querySelectorAll("article[data-method]")) {
      const rows = [...article.querySelectorAll("[data-row]")];
      article.classList.toggle("gone", rows.length > 0 && !rows.some(shown));
    }
    for (const table of all()) {
      for (const wide of table.querySelectorAll("thead th[colspan], td.hole")) {
        const columns = table.querySelectorAll(`thead th[data-k][data-bits="${wide.dataset.bits}"]`);
        wide.colSpan = Math.max(1, [...columns].filter(shown).length);
      }
      for (const row of table.rows) edge(row);
    }
    const preset = View.radio("protocol");
    for (const panel of document.querySelectorAll("[data-preset]")) {
      panel.classList.toggle("off", preset !== "all" && panel.dataset.preset !== preset);
    }
  }

  // The first shown column of a code length carries the line that separates it from the one before.
  function edge(row) {
    let last = null;
    for (const cell of row.cells) {
      if (!cell.dataset.bits || !shown(cell)) continue;
      cell.classList.toggle("first", cell.dataset.bits !== last);
      last = cell.dataset.bits;
    }
  }

  function value(row, key) {
    if (key === "method") return row.cells[0].textContent.trim();
    const [bits, cut] = key.split("@");
    return number(row.querySelector(`td[data-bits="${bits}"][data-k="${cut}"]`));
  }

  function sort() {
    const { sort: key, order: way } = View.state;
    const sign = way === "asc" ? 1 : -1;
    for (const table of all()) {
      const body = table.tBodies[0];
      if (!order.has(table)) order.set(table, [...body.rows]);
      const rows = [...order.get(table)];
      const keys = new Map(rows.map((row) => [row, key ? value(row, key) : 0]));
      if (key === "method") rows.sort((a, b) => sign * keys.get(a).localeCompare(keys.get(b)));
      else if (key) rows.sort((a, b) => Number.isNaN(keys.get(a)) - Number.isNaN(keys.get(b)) || sign * (keys.get(a) - keys.get(b)) || 0);
      body.append(...rows);
      for (const head of table.querySelectorAll("th[data-k], th[data-sort]")) {
        const own = head.dataset.sort ?? `${head.dataset.bits}@${head.dataset.k}`;
        if (own === key) head.setAttribute("aria-sort", way === "asc" ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      }
    }
  }

  // A column with fewer than two numbers has no marks, and one with two best has no second.
  function mark() {
    for (const table of all()) {
      for (const cell of table.querySelectorAll("tr.gone > td[data-v]")) place(cell, "");
      const rows = [...table.tBodies[0].rows].filter((row) => shown(row) && !row.classList.contains("selected-on-test"));
      for (const head of table.querySelectorAll("thead th[data-k]")) {
        const cells = rows.map((row) => row.querySelector(`td[data-bits="${head.dataset.bits}"][data-k="${head.dataset.k}"]`)).filter((cell) => cell?.dataset.v);
        const [best, second] = [...new Set(cells.map(number))].sort((a, b) => b - a);
        const tied = cells.filter((cell) => number(cell) === best).length > 1;
        for (const cell of cells) {
          const is = cells.length < 2 ? "" : number(cell) === best ? "best" : number(cell) === second && !tied ? "second" : "";
          place(cell, is);
        }
      }
    }
  }

  function place(cell, is) {
    cell.classList.toggle("best", is === "best");
    cell.classList.toggle("second", is === "second");
    cell.querySelector(":scope > .mark")?.remove();
    if (is) cell.querySelector("a")?.after(Object.assign(document.createElement("span"), { className: "unseen mark", textContent: ` ${is}` }));
  }

  function below() {
    const kind = View.radio("under");
    for (const cell of document.querySelectorAll("table.map td[data-v]")) {
      let small = cell.querySelector("small");
      if (!under.has(cell)) under.set(cell, small?.textContent ?? "");
      const rest = under.get(cell).match(/stale|n=\d+/g)?.join(" ") ?? "";
      const interval = cell.dataset.l ? `${Number(cell.dataset.l).toFixed(3)}– ${Number(cell.dataset.h).toFixed(3)}` : "no interval";
      const text = { deviation: under.get(cell), interval: `${interval} ${rest}`.trim(), nothing: rest }[kind];
      if (!small && text) cell.append((small = document.createElement("small")));
      if (small) small.textContent = text;
    }
  }

  function heads() {
    for (const head of document.querySelectorAll("table.map th[data-k], table.map th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.title = "sort";
      button.addEventListener("click", () => cycle(head.dataset.sort ?? `${head.dataset.bits}@${head.dataset.k}`));
      head.append(button);
    }
  }

  // Numbers start with the largest, names with A; the third press gives the order of the page back.
  function cycle(key) {
    const { state } = View;
    const [first, second] = key === "method" ? ["asc", "desc"] : ["desc", "asc"];
    if (state.sort !== key) Object.assign(state, { sort: key, order: first });
    else if (state.order === first) state.order = second;
    else Object.assign(state, { sort: "", order: "desc" });
    View.changed();
    View.say(state.sort ? `sorted by ${key.replace("@", " bits, K = ")}, ${state.order === "asc" ? "ascending" : "descending"}` : "order of the page");
  }

  function start() {
    heads();
    View.on(() => { hide(); sort(); mark(); below(); });
  }

  return { start, shown };
})();
