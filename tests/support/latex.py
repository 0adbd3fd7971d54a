"""Reads a LaTeX table with a parser that forgives nothing, since TeX is seldom at hand."""

import re

from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker

RULES = re.compile(r"\\(toprule|midrule|bottomrule)|\\cmidrule\(lr\)\{[\d-]+\}")


def rows(text):
    """Return the rows of the one ``tabular``, each with its cells and the columns that they span; all span as many."""
    nodes, _, _ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    (table,) = [node for node in nodes if isinstance(node, LatexEnvironmentNode)]
    assert table.environmentname == "tabular"
    columns = re.match(r"\\begin\{tabular\}\{([lcr]+)\}", table.latex_verbatim())[1]
    body = "".join(node.latex_verbatim() for node in table.nodelist)
    found = []
    for line in RULES.sub("", body).split("\\\\"):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line)]
        if any(cells):
            spans = [int(wide[1]) if (wide := re.match(r"\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells]
            assert sum(spans) == len(columns), line
            found.append((cells, sum(spans)))
    return found
