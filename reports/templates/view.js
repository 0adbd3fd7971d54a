"use strict";
// The view is what a reader chose: it lives in the address, so that it can be linked. Without scripts all is shown.
const View = (() => {
  const LISTS = ["datasets", "bits", "k", "methods"];
  const form = document.getElementById("view");
  const state = { sort: "", order: "desc", hide: new Set(), compare: [] };
  const listeners = [];

  const boxes = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
  const radio = (name) => form.querySelector(`input[name="${name}"]:checked`)?.value ?? "all";
  const chosen = (name) => new Set(boxes(name).filter((box) => box.checked).map((box) => box.value));
  const complete = (name) => boxes(name).every((box) => box.checked);

  function read() {
    const parameters = new URLSearchParams(location.search);
    for (const name of LISTS) {
      const values = new Set((parameters.get(name) ?? "").split(","));
      if (boxes(name).some((box) => values.has(box.value))) for (const box of boxes(name)) box.checked = values.has(box.value);
    }
    for (const name of ["protocol", "under"]) {
      const box = boxes(name).find((item) => item.value === parameters.get(name));
      if (box) box.checked = true;
    }
    if (/^(method|\d+@(\d+|full))$/.test(parameters.get("sort") ?? "")) state.sort = parameters.get("sort");
    state.order = parameters.get("order") === "asc" ? "asc" : "desc";
    const slugs = new Set(boxes("methods").map((box) => box.value));
    state.hide = new Set((parameters.get("hide") ?? "").split(",").filter((name) => slugs.has(name)));
    state.compare = (parameters.get("compare") ?? "").split(",").filter((name) => slugs.has(name)).slice(0, 2);
  }

  function query() {
    const words = [];
    for (const name of LISTS) if (!complete(name)) words.push([name, [...chosen(name)].join(",")]);
    for (const name of ["protocol", "under"]) {
      const first = boxes(name)[0];
      if (first && radio(name) !== first.value) words.push([name, radio(name)]);
    }
    if (state.sort) words.push(["sort", state.sort]);
    if (state.sort && state.order === "asc") words.push(["order", "asc"]);
    if (state.hide.size) words.push(["hide", [...state.hide].sort().join(",")]);
    if (state.compare.length === 2) words.push(["compare", state.compare.join(",")]);
    // Commas, @ and the like are allowed in a query, and an address that can be read is worth having.
    return words.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%40", "@")}`).join("&");
  }

  const address = () => `${location.pathname}${query() ? `?${query()}` : ""}${location.hash}`;

  function changed() {
    try {
      history.replaceState(null, "", address());
    } catch {
      // Some browsers forbid it for files; the link can still be copied.
    }
    const partial = LISTS.filter((name) => !complete(name)).map((name) => `${name} ${[...chosen(name)].join(" ")}`);
    document.getElementById("chosen").textContent = partial.length ? partial.join(" · ") : "everything is shown";
    for (const listener of listeners) listener();
  }

  function keepOneChecked(event) {
    const box = event.target;
    if (box.type === "checkbox" && !chosen(box.name).size) box.checked = true;
    changed();
  }

  function all() {
    for (const name of LISTS) for (const box of boxes(name)) box.checked = true;
    for (const name of ["protocol", "under"]) if (boxes(name)[0]) boxes(name)[0].checked = true;
    Object.assign(state, { sort: "", order: "desc", compare: [] });
    state.hide.clear();
    changed();
    say("everything is shown");
  }

  function say(text) {
    const place = document.getElementById("status");
    place.textContent = text;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { place.textContent = ""; }, 4000);
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) return say("the browser does not allow to copy");
    }
    return say(`${what} copied`);
  }

  function start() {
    if (!form) return false;
    form.hidden = false;
    read();
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", keepOneChecked);
    document.getElementById("all").addEventListener("click", all);
    document.getElementById("link").addEventListener("click", () => copy(new URL(address(), location.href).href, "link"));
    return true;
  }

  // Whether what an element stands for is left out: its own data attributes say what it stands for.
  function filter() {
    const shown = Object.fromEntries(LISTS.map((name) => [name, complete(name) ? null : chosen(name)]));
    const out = (set, value) => set !== null && value !== undefined && !set.has(value);
    return (data) => out(shown.datasets, data.dataset) || out(shown.bits, data.bits) || out(shown.k, data.k) || out(shown.methods, data.row);
  }

  return { state, start, changed, radio, filter, say, copy, on: (listener) => listeners.push(listener) };
})();
