// Copies and files of a table as it is shown: its rows, columns, order and marks.
const Exports = (() => {
  const KINDS = { csv: "CSV", tex: "LaTeX", md: "Markdown" };
  const LATEX = {
    "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", $: "\\$", "#": "\\#", _: "\\_", "{": "\\{", "}": "\\}", "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}", "±": "$\\pm$", "×": "$\\times$", "·": "$\\cdot$", "—": "--", "–": "--", "→": "$\\to$", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
  };
  const latexText = (text) => [...text].map((letter) => LATEX[letter] ?? letter).join("");
  const csvText = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const words = (element) => element.textContent.replace(/\s+/g, " ").trim();

  function read(table) {
    const heads = [...table.querySelectorAll("thead th[data-k]")].filter(Tables.shown);
    const columns = heads.map((head) => ({ bits: head.dataset.bits, cut: head.dataset.k }));
    const rows = [...table.tBodies[0].rows].filter(Tables.shown).map((row) => ({ label: words(row.cells[0]), cells: cells(row, columns) }));
    const foot = [...table.tFoot.rows[0].cells].filter((cell) => cell.dataset.k && Tables.shown(cell)).map(words);
    return { about: words(Object.assign(document.createElement("p"), { textContent: table.dataset.about })), columns, rows, foot };
  }

  function cells(row, columns) {
    return columns.map(({ bits, cut }, at) => {
      const own = row.querySelector(`td[data-bits="${bits}"][data-k="${cut}"]`);
      if (!own) {
        const hole = row.querySelector(`td.hole[data-bits="${bits}"]`);
        return { hole: hole?.dataset.state ?? "not run", opens: at === 0 || columns[at - 1].bits !== bits };
      }
      const { v, d, n, l, h } = own.dataset;
      const mark = ["best", "second"].find((name) => own.classList.contains(name)) ?? "";
      return { text: words(own.querySelector("a") ?? own), under: (own.querySelector("small")?.textContent ?? "").replace("– ", "–"), mark, v, d, n, l, h };
    });
  }

  const span = (columns, bits) => columns.filter((column) => column.bits === bits).length;
  const lengths = (columns) => [...new Set(columns.map((column) => column.bits))];
  const cutName = (cut) => (cut === "full" ? "full" : `@${cut}`);

  // Means are unrounded; what stands below the numbers on the page stands beside them here.
  function csv({ columns, rows, foot }) {
    const extra = { deviation: [["deviation", "d"], ["n", "n"]], interval: [["low", "l"], ["high", "h"]], nothing: [] }[View.radio("under")];
    const head = ["method", ...columns.flatMap(({ bits, cut }) => {
      const name = `${bits} bits mAP${cut === "full" ? "" : `@${cut}`}`;
      return [name, ...extra.map(([word]) => `${name} ${word}`)];
    })];
    const lines = rows.map(({ label, cells: entries }) => [label, ...entries.flatMap((cell) => [cell.hole ?? cell.v ?? "", ...extra.map(([, key]) => cell[key] ?? "")])]);
    lines.push(["ceiling", ...foot.flatMap((text) => [text, ...extra.map(() => "")])]);
    return [head, ...lines].map((line) => line.map(csvText).join(",")).join("\n") + "\n";
  }

  function latex({ about, columns, rows, foot }) {
    const groups = lengths(columns);
    const lines = [`% ${about}`, `\\begin{tabular}{l${"r".repeat(columns.length)}}`, "\\toprule"];
    lines.push(` & ${groups.map((bits) => `\\multicolumn{${span(columns, bits)}}{c}{${bits} bits}`).join(" & ")} \\\\`);
    let at = 2;
    lines.push(groups.map((bits) => {
      const rule = `\\cmidrule(lr){${at}-${at + span(columns, bits) - 1}}`;
      at += span(columns, bits);
      return rule;
    }).join(" "));
    lines.push(`method & ${columns.map(({ cut }) => (cut === "full" ? "mAP" : `@${cut}`)).join(" & ")} \\\\`, "\\midrule");
    for (const { label, cells: entries } of rows) {
      const parts = entries.flatMap((cell, place) => latexCell(cell, columns, place));
      lines.push(`${[latexText(label), ...parts].join(" & ")} \\\\`);
    }
    lines.push("\\midrule", `${["ceiling", ...foot.map(latexText)].join(" & ")} \\\\`, "\\bottomrule", "\\end{tabular}");
    return lines.join("\n") + "\n";
  }

  function latexCell(cell, columns, place) {
    if (cell.hole) return cell.opens ? [`\\multicolumn{${span(columns, columns[place].bits)}}{c}{\\textit{${latexText(cell.hole)}}}`] : [];
    const text = latexText(cell.text);
    const marked = cell.mark === "best" ? `\\textbf{${text}}` : cell.mark ? `\\underline{${text}}` : text;
    return [cell.under ? `${marked} {\\scriptsize ${latexText(cell.under)}}` : marked];
  }

  function markdown({ about, columns, rows, foot }) {
    const piped = (parts) => `| ${parts.map((part) => part.replaceAll("|", "\\|")).join(" | ")} |`;
    const text = (cell) => {
      if (cell.hole) return cell.opens ? cell.hole : "";
      const marked = cell.mark === "best" ? `**${cell.text}**` : cell.mark ? `<u>${cell.text}</u>` : cell.text;
      return `${marked} ${cell.under}`.trim();
    };
    const lines = [about, "", piped(["method", ...columns.map(({ bits, cut }) => `${bits} bits ${cutName(cut)}`)]), piped(["---", ...columns.map(() => "---:")])];
    for (const { label, cells: entries } of rows) lines.push(piped([label, ...entries.map(text)]));
    lines.push(piped(["ceiling", ...foot]));
    return lines.join("\n") + "\n";
  }

  function make(table, kind) {
    return { csv, tex: latex, md: markdown }[kind](read(table));
  }

  function save(name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    View.say(`${name} saved`);
  }

  function start() {
    for (const tools of document.querySelectorAll("[data-tools]")) {
      const table = document.getElementById(tools.dataset.tools);
      for (const [verb, word] of [["copy", "Copy what is shown as"], ["save", "save it as"]]) {
        tools.append(Object.assign(document.createElement("span"), { textContent: word }));
        for (const [kind, name] of Object.entries(KINDS)) {
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
          button.setAttribute("aria-label", `${verb} what is shown as ${name}`);
          button.dataset[verb] = kind;
          button.addEventListener("click", () => (verb === "copy" ? View.copy(make(table, kind), name) : save(`${table.id}.${kind}`, make(table, kind))));
          tools.append(button);
        }
      }
      tools.hidden = false;
    }
  }

  return { start };
})();
