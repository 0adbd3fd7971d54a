"""Cards of methods: what is known, all cells, and what was logged while they trained."""

import math
import re

import numpy as np
import pytest

from benchmark.records.training import StageHistory
from reports import method_cards
from reports.context import PageContext
from reports.matrix import grouping as matrix
from reports.matrix.stored import Stored
from tests.support.fakes import make


def trained(bits=16, seed=0, losses=None, stages=("main",), **changes):
    record = make(bits=bits, seed=seed, **changes)
    held = losses or {"total": [3.0, 2.0, 1.0], "order": [1.0, 0.5, 0.25]}
    record.training.stages = [StageHistory(name=name, epochs=3, steps=9, seconds=1.0, losses=held) for name in stages]
    return record


def articles(tmp_path, *records, cards=None):
    groups = matrix.build(records)
    context = PageContext(matrix.methods(groups), Stored(tmp_path, {}), lambda *_: None, tmp_path)
    return method_cards.articles(groups, cards or {}, context), context, groups


def test_an_article_holds_the_card_every_cell_and_the_settings(tmp_path):
    records = [trained(16, 0, level=0.5), trained(16, 1, level=0.7), make("itq", bits=32)]
    found, context, _ = articles(tmp_path, *records, cards={"conmh": (("paper", ("A paper",)), ("cost", ("little",)))})
    conmh, itq = found
    assert (conmh.title, itq.title) == ("ConMH", "ITQ") and conmh.in_checkout and not itq.in_checkout
    assert conmh.card == [("paper", ["A paper"]), ("cost", ["little"])]
    (row,) = conmh.rows
    assert [(c.bits, c.text, c.n) for c in row.cells] == [(16, "0.578 ±0.141", 2), (32, "not run", 0)]
    assert ("mask_ratio", "0.5") in row.config
    assert [loss.figure.name for loss in conmh.losses] == ["ucf101-conmh-losses"] and itq.losses == []
    assert set(context.files) == {"figures/ucf101-conmh-losses.svg", "figures/ucf101-conmh-losses.pdf"}


def test_each_term_of_each_stage_has_a_panel_and_each_run_a_line(tmp_path):
    records = [trained(bits, seed, stages=("first", "main")) for bits in (16, 32) for seed in (0, 1)]
    _, context, groups = articles(tmp_path, *records)
    svg = context.files["figures/ucf101-conmh-losses.svg"].decode()
    titles = re.findall(r">((?:first|main): \w+)<", svg)
    assert titles == ["first: order", "first: total", "main: order", "main: total"]
    for shade in ("#7fb2d6", "#2f7fb5"):
        lines = re.findall(rf'<path d="M [^"]*" clip-path="[^"]*" style="fill: none; stroke: {shade}', svg)
        assert len(lines) == 4 * 2, "a line per panel and seed"
    alt = method_cards.draw(groups[0], groups[0].rows[0]).alt
    assert "32 bits, seed 0" in alt and "main total 3.000 to 1.000" in alt


@pytest.mark.parametrize("n", [1, 2, 150, 151, 5000])
def test_long_curves_are_thinned_and_keep_their_ends(n):
    at = method_cards.thinned(n)
    assert at[0] == 0 and at[-1] == n - 1 and len(at) == min(n, method_cards.POINTS)
    assert (np.diff(at) > 0).all() and np.diff(at).max(initial=0) <= n / method_cards.POINTS + 1


def test_terms_and_stages_without_numbers_draw_nothing(tmp_path):
    held = {"total": [math.nan, None], "none": [], "order": [1.0, math.inf]}
    record = trained(losses=held)
    record.training.stages.append(StageHistory(name="odd"))
    _, context, groups = articles(tmp_path, record)
    svg = context.files["figures/ucf101-conmh-losses.svg"].decode()
    assert ">order<" in svg and ">total<" not in svg and ">none<" not in svg
    assert "nan" not in method_cards.draw(groups[0], groups[0].rows[0]).alt.lower()
