"""Curves: what is averaged, what is left out, how rows are told apart."""

import json
import math
import re

import numpy as np
import pytest

from reports import page
from reports.drawing import style
from reports.matrix import grouping as matrix
from reports.scores import curves
from tests.support.fakes import make, store
from tests.support.pages import Page, rows_of, shown

NAMES = ["conmh"]
KS = [5, 10, 20, 40, 60, 80, 100]


def only(records, kind, preset="field"):
    (curve,) = curves.curves(matrix.build(records)[0], preset, 16, kind, NAMES)
    return curve


@pytest.mark.parametrize(("kind", "suffix"), [("pr_rank", ""), ("pr_radius", "_micro")])
def test_precision_recall_is_the_mean_over_seeds_at_each_rank_or_radius(kind, suffix):
    records = [make(bits=16, seed=s) for s in (0, 1, 2)]
    curve = only(records, kind, "strict")
    held = [r.metrics["strict"].metrics[kind] for r in records]
    np.testing.assert_allclose(curve.x, np.mean([h[f"recall{suffix}"] for h in held], axis=0), rtol=1e-14)
    np.testing.assert_allclose(curve.y, np.mean([h[f"precision{suffix}"] for h in held], axis=0), rtol=1e-14)


def test_radii_that_retrieve_nothing_are_left_out():
    record = make(bits=16)
    held = record.metrics["field"].metrics["pr_radius"]
    held["precision_micro"][0] = held["precision_micro"][1] = None
    curve = only([record], "pr_radius")
    assert curve.x.tolist() == held["recall_micro"][2:]


def test_map_at_k_has_the_deviation_over_seeds_as_its_band():
    curve = only([make(bits=16, seed=0, level=0.5), make(bits=16, seed=1, level=0.7)], "map_k")
    assert curve.x.tolist() == [5, 10, 20, 40, 60, 80, 100]
    np.testing.assert_allclose(curve.y, 0.6 - 0.0011 * curve.x, atol=1e-12)
    np.testing.assert_allclose(curve.spread, 0.2 / math.sqrt(2), atol=1e-12)
    assert only([make(bits=16)], "map_k").spread is None


def test_the_drawn_line_runs_through_the_points():
    """The first and last point of the path, read back from the SVG, against the axes' limits."""
    group = matrix.build([make(bits=16, level=0.5)])[0]
    svg = curves.draw(group, "field", 16, "map_k", NAMES).svg.decode()
    frame = [float(v) for v in re.search(r'id="patch_2">.*?d="M ([\d.]+) ([\d.]+)', svg, re.DOTALL).groups()]
    corners = re.search(r'id="patch_2">.*?d="(.*?)"', svg, re.DOTALL)[1]
    xs, ys = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", corners), float).T
    assert frame == [xs[0], ys[0]]
    line = re.search(r'<path d="(M [^"]*)" clip-path="[^"]*" style="fill: none; stroke-dasharray|'
                     r'<path d="(M [^"]*)" clip-path="[^"]*" style="fill: none; stroke: #0072b2', svg)  # fmt: skip
    points = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", line[1] or line[2]), float)
    want_x = xs.min() + (xs.max() - xs.min()) * np.array(KS) / 103
    want_y = ys.max() - (ys.max() - ys.min()) * (0.5 - 0.0011 * np.array(KS)) / 1.02
    np.testing.assert_allclose(points, np.array([want_x, want_y]).T, atol=1e-3)


def test_numbers_that_are_none_are_no_numbers(tmp_path):
    broken = make("itq", bits=16)
    for measured in broken.metrics.values():
        measured.metrics.update({"map@5": math.nan, "map@10": None, "map@20": "high", "map@40": math.inf})
        measured.metrics["pr_rank"] = {"rank": [1, 2], "recall": [0.1], "precision": None}
        measured.metrics["pr_radius"] = None
    good = make(bits=16)
    good.metrics["field"].metrics["pr_radius"]["precision_micro"][0] = None
    root = store(tmp_path / "results", good)
    folder = root / "ucf101" / "itq" / "16" / f"seed0-{broken.key}"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(broken.model_dump(mode="python")))
    parsed = Page(page.build(root, tmp_path / "out").read_text(encoding="utf-8"))
    cells = rows_of(parsed.maps("UCF101")[0])["ITQ"]
    assert [c["text"].split()[0] for c in cells[:4]] == ["—"] * 4
    assert shown(cells[4]) == f"{broken.metrics['field'].metrics['map@60']:.3f}"
    assert not any(word in parsed.text.lower().split() for word in ("nan", "inf", "none"))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_lines_stand_out_on_both_grounds_and_rows_differ_by_mark_and_dash():
    for colour in style.PALETTE:
        assert 1.05 / (luminance(colour) + 0.05) >= 3
    for colour in style.DARK:
        assert (luminance(colour) + 0.05) / (luminance("#14171b") + 0.05) >= 3
    names = [f"m{i:02d}" for i in range(24)]
    looks = [style.look(name, names) for name in names]
    assert len({(look.colour, look.marker) for look in looks}) == 24
    assert len({look.marker for look in looks[:8]}) == 8
    first, second = style.look("m03", names), style.look("m03", names, 1)
    assert (first.colour, first.marker) == (second.colour, second.marker)
    assert first.dash != second.dash and second.hollow
