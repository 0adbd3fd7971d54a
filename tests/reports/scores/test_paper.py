"""The table for papers: LaTeX and Markdown say what the CSV says, rounded, with the same marks and holes."""

import csv
import io
import re

import pytest

from reports.matrix import grouping as matrix
from reports.scores import paper, tables
from tests.support import latex
from tests.support.fakes import full_matrix, make


@pytest.fixture
def group():
    records = [
        *full_matrix(),
        make("bth", bits=16, failed="it ran out of 5 % & more_of $ {all}"),
        make("new_one|x", bits=32),
    ]
    return next(group for group in matrix.build(records) if group.name == "ucf101")


def numbers(group, preset="field"):
    """Rounded means by row, bits and K, as the CSV holds them."""
    lines = csv.DictReader(io.StringIO(tables.map_csv(group, preset)))
    kept = {}
    for line in lines:
        if line["mean"]:
            kept.setdefault((line["row"], line["bits"]), []).append(f"{float(line['mean']):.3f}")
    return kept


def plain(text):
    text = re.sub(r"\\(?:textbf|underline)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\{\\scriptsize [^{}]*\}", "", text)
    for escaped, symbol in {r"\textbar{}": "|", r"\_": "_", r"\%": "%", r"\&": "&"}.items():
        text = text.replace(escaped, symbol)
    return text.strip()


def test_latex_is_whole_and_says_what_the_csv_says(group):
    text = paper.latex(group, "field", matrix.methods([group]))
    assert len(latex.rows(text)) > 15, "a strict parser reads it, and every row has all columns"
    head, body = text.split(r"\begin{tabular}{lrrrrrrrr}")
    assert all(line.startswith("% ") for line in head.splitlines()) and "subset" in head and "2 seeds" in head
    assert body.rstrip().endswith(r"\end{tabular}")
    assert body.count("{") == body.count("}") and body.count("$") % 2 == 0
    rules = [line for line in body.splitlines() if re.fullmatch(r"\\(toprule|midrule|bottomrule)", line)]
    assert rules == [r"\toprule", *[r"\midrule"] * 4, r"\bottomrule"]
    bits, seen = "", {}
    for line in re.findall(r"^(.*) \\\\$", body, flags=re.MULTILINE):
        length = re.search(r"\{l\}\{(\d+) bits\}", line)
        cells = re.split(r"(?<!\\)&", line)
        if length:
            bits = length[1]
        elif "multicolumn" in line:
            assert len(cells) == 2 and ("not run" in line or "failed" in line)
        else:
            assert len(cells) == 9
            seen[plain(cells[0]), bits] = [plain(cell) for cell in cells[1:]]
    ceiling = seen.pop(("ceiling", "64"))
    assert ceiling[0] == "1.000"
    seen.pop(("method", ""))
    assert seen == numbers(group)


def test_each_column_has_one_best_and_one_second(group):
    text = paper.latex(group, "strict", matrix.methods([group]))
    for block in text.split(r"\midrule")[1:4]:
        assert block.count(r"\textbf") == block.count(r"\underline") == 8


def test_markdown_says_the_same(group):
    text = paper.markdown(group, "field", matrix.methods([group]))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    seen = {}
    for line in rows[2:-1]:
        label, bits, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        assert len(cells) == 8
        if "not run" in cells[0] or cells[0] == "failed":
            assert not any(cells[1:])
        else:
            bare = [re.sub(r"\*\*|</?u>", "", cell).split()[0] for cell in cells]
            seen[label.replace("\\|", "|"), bits] = bare
    assert seen == numbers(group)
    assert all(len(re.split(r"(?<!\\)\|", line)) == 12 for line in rows)
