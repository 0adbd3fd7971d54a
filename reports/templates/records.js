// A number leads to its records: every seed of the cell, with settings, environment, commit, times and command.
const Records = (() => {
  const dialog = document.getElementById("record");
  const make = (tag, text = "", name = "") => Object.assign(document.createElement(tag), { textContent: text, className: name });

  // What the number's column is called: preset and place of the cut-off among the values of a record.
  function column(link) {
    const cell = link.closest("td");
    const preset = link.closest("[data-preset]")?.dataset.preset;
    if (!cell?.dataset.k || !preset) return null;
    const cuts = [...document.querySelectorAll('#view input[name="k"]')].map((box) => box.value);
    return { preset, cut: cell.dataset.k, at: cuts.indexOf(cell.dataset.k) };
  }

  function unrounded(row, where) {
    const maps = row.dataset.values.split(";").find((part) => part.startsWith(`${where.preset}:`));
    return maps?.slice(where.preset.length + 1).split(",")[where.at] || "no finite number";
  }

  // The settings of a row are on the page once; a record's card shows them in place of the link to them.
  function whole(list) {
    for (const link of list.querySelectorAll('a[href^="#c-"]')) {
      const settings = document.getElementById(link.hash.slice(1))?.querySelector("p");
      if (settings) link.replaceWith(settings.cloneNode(true));
    }
    return list;
  }

  function entry(row, where) {
    const [method, bits, seed, state, epochs, steps, training, speed, memory, commit, environment, key] = [...row.cells].map((cell) => cell.textContent);
    const section = make("section");
    section.append(make("h3", `Seed ${seed}${state === "done" ? "" : `, ${state}`}`));
    const facts = make("dl", "", "pairs");
    const add = (name, text) => facts.append(make("dt", name), make("dd", text));
    if (where) add(`mAP${where.cut === "full" ? "" : `@${where.cut}`}, ${where.preset}`, unrounded(row, where));
    add("commit", commit);
    add("work", `${epochs} epochs, ${steps} steps; training ${training}; encoding ${speed} videos/s; memory ${memory}`);
    section.append(facts);
    const more = row.nextElementSibling?.querySelector("dl");
    if (more) section.append(whole(more.cloneNode(true)));
    const around = document.getElementById(`e-${environment}`)?.querySelector("dl");
    if (around) {
      const details = make("details");
      details.append(make("summary", `Environment ${environment}`), around.cloneNode(true));
      section.append(details);
    }
    const link = Object.assign(make("a", `Record ${key} in the list`), { href: `#${row.id}` });
    link.addEventListener("click", () => dialog.close());
    section.append(link);
    return { section, title: `${method}, ${bits} bits` };
  }

  function show(row, where = null) {
    const group = row.closest("details").querySelector("summary").textContent.split(":")[0];
    const rows = [...document.querySelectorAll("tr[data-cell]")].filter((other) => other.dataset.cell === row.dataset.cell);
    const entries = rows.map((other) => entry(other, where));
    document.getElementById("record-title").textContent = `${entries[0].title} on ${group}`;
    document.getElementById("record-body").replaceChildren(...entries.map((item) => item.section));
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  function start() {
    document.querySelector("main").addEventListener("click", (event) => {
      const link = event.target.closest?.('a[href^="#r-"]');
      const row = link && document.getElementById(link.hash.slice(1));
      if (!row || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      show(row, column(link));
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  return { start };
})();
