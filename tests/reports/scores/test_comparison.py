"""Intervals and paired tests of the report against direct calls, and what it says where files are missing."""

import csv
import io
import json

import numpy as np
import pytest

from benchmark.evaluation import statistics
from benchmark.records import record
from benchmark.records.store import scan
from reports import page
from reports.drawing.style import CUTS
from reports.matrix import grouping as matrix
from reports.matrix.stored import Stored
from reports.scores import comparison, comparison_view, tables
from reports.scores.ranks import ranks
from tests.support.beside import folder_of, measured, put
from tests.support.fakes import KS, full_matrix, make, store
from tests.support.pages import Page

COLUMNS = [[*KS, None].index(cut) for cut in CUTS]
AT_20 = CUTS.index(20)


def read(root, preset="field", cache=None):
    found = scan(root)
    (group,) = matrix.build(found.records)
    return group, comparison.compare(group, preset, Stored(root, found.folders), cache)


def seeds_mean(root_pairs, method, bits, preset="field"):
    held = [a[f"ap_{preset}"] for r, a in root_pairs if (r.identity.method, r.identity.bits) == (method, bits)]
    return np.mean(held, axis=0)[:, COLUMNS]


@pytest.fixture(scope="module")
def pairs():
    return [measured(m, b, s) for m in ("conmh", "itq", "lsh", "sh") for b in (16, 64) for s in (0, 1)]


@pytest.fixture(scope="module")
def root(tmp_path_factory, pairs):
    return put(tmp_path_factory.mktemp("comparison") / "results", *pairs)


@pytest.mark.parametrize("preset", ["field", "strict"])
def test_numbers_are_those_of_direct_calls_with_seeds_averaged(root, pairs, preset):
    _, found = read(root, preset)
    assert [length.bits for length in found.lengths] == [16, 64]
    for bits in (16, 64):
        length = found.of(bits)
        assert length.rows == ["ConMH", "ITQ", "LSH", "SH"] and length.absent == {}
        scores = {m: seeds_mean(pairs, m, bits, preset) for m in ("conmh", "itq", "lsh", "sh")}
        for place, table in enumerate(scores.values()):
            low, high = statistics.bootstrap_interval(table, seed=comparison.SEED)
            assert length.mean[place] == pytest.approx(table.mean(axis=0).tolist())
            assert length.low[place] == pytest.approx(low.tolist())
            assert length.high[place] == pytest.approx(high.tolist())
        held = list(scores.values())
        places = [(pair.first, pair.second) for pair in length.pairs]
        assert places == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
        for pair in length.pairs:
            i, j = pair.first, pair.second
            low, high = statistics.bootstrap_interval(held[i] - held[j], seed=comparison.SEED)
            p = statistics.paired_permutation(held[i] - held[j], seed=comparison.SEED)
            want = {"difference": (held[i] - held[j]).mean(axis=0), "low": low, "high": high, "p": p}
            for name, value in want.items():
                assert getattr(pair, name) == pytest.approx(value.tolist(), abs=1e-12), (i, j, name)
        family = np.array([pair.p for pair in length.pairs])
        assert np.array([pair.adjusted for pair in length.pairs]) == pytest.approx(statistics.holm(family))


def test_two_runs_are_equal_and_the_pages_data_is_rounded(root):
    group, found = read(root)
    assert read(root)[1] == found
    brief = comparison_view.script_data(group, found)
    assert brief["labels"] == {"conmh": "ConMH", "itq": "ITQ", "lsh": "LSH", "sh": "SH"}
    assert brief["bits"]["16"]["rows"] == list(brief["labels"]) and brief["cuts"][-2:] == ["100", "full"]
    exact, shown = found.of(16).pairs[0], brief["bits"]["16"]["pairs"]["0,1"]
    for values, name in zip(shown, ("difference", "low", "high", "adjusted"), strict=True):
        assert values == [round(value, 4) for value in getattr(exact, name)]
    assert json.loads(json.dumps(brief)) == brief


def test_a_missing_or_damaged_or_foreign_file_leaves_its_row_out_and_says_so(tmp_path):
    items = [measured(m, 16, s) for m in ("conmh", "itq", "lsh", "sh", "bth", "pcah") for s in (0, 1)]
    root = put(tmp_path, *items)
    file = {(r.identity.method, r.identity.seed): folder_of(root, r) / record.QUERIES for r, _ in items}
    file["itq", 1].unlink()
    file["lsh", 0].write_bytes(file["lsh", 0].read_bytes()[:-40])
    file["sh", 1].write_bytes(file["conmh", 1].read_bytes())
    put(root, measured("bth", 16, 1, n=41))
    _, found = read(root)
    length = found.of(16)
    assert length.rows == ["ConMH", "pcah"] and [(pair.first, pair.second) for pair in length.pairs] == [(0, 1)]
    assert length.absent == {
        "ITQ": "seed 1: queries.npz is absent, unreadable or without this protocol",
        "LSH": "seed 0: queries.npz is absent, unreadable or without this protocol",
        "SH": "seed 1: queries.npz disagrees with the record's mAP, so it is of another run",
        "bth": "its seeds have 40 and 41 queries",
    }


def test_files_without_a_cut_or_with_nan_are_told_apart(tmp_path):
    (item, arrays), (other, worse) = measured("conmh"), measured("itq")
    arrays |= {"k": np.array([5, 10, 20, 40, 60, 80, 99])}
    worse["ap_field"][3, 2] = np.nan
    _, found = read(put(tmp_path, (item, arrays), (other, worse)))
    assert found.of(16).absent == {
        "ConMH": "seed 0: queries.npz lacks K = 100",
        "ITQ": "seed 0: queries.npz holds no finite numbers",
    }
    assert found.of(16).rows == []


def test_other_numbers_of_queries_and_other_protocols_make_no_pair(tmp_path):
    items = [measured("conmh"), measured("itq"), measured("lsh", n=50), measured("sh")]
    items[3][0].metrics["field"].protocol["denominator"] = "hits"
    _, found = read(put(tmp_path, *items))
    length = found.of(16)
    assert length.rows == ["ConMH", "ITQ", "LSH", "SH"]
    assert [(pair.first, pair.second) for pair in length.pairs] == [(0, 1)]
    table = items[2][1]["ap_field"][:, COLUMNS]
    low, _ = statistics.bootstrap_interval(table, seed=comparison.SEED)
    assert length.low[2] == pytest.approx(low.tolist())


def test_failed_and_missing_cells_are_not_compared(tmp_path):
    root = put(tmp_path, measured("conmh"), measured("conmh", 32))
    store(root, make("itq", bits=16, failed="no memory"))
    _, found = read(root)
    assert [found.of(bits).rows for bits in (16, 32)] == [["ConMH"], ["ConMH"]]
    assert found.of(16).absent == {} and found.of(16).pairs == []


def test_what_is_cached_is_not_computed_again(root, tmp_path, monkeypatch):
    _, first = read(root, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == "comparison-ucf101-field.json"
    calls = []
    for name in ("resampled_means", "flipped_sums"):
        true = getattr(statistics, name)
        monkeypatch.setattr(statistics, name, lambda *a, true=true, **k: calls.append(1) or true(*a, **k))
    _, second = read(root, cache=tmp_path)
    assert calls == [] and second == first and [length.bits for length in second.lengths] == [16, 64]
    monkeypatch.setattr(comparison, "VERSION", comparison.VERSION + 1)
    assert read(root, cache=tmp_path)[1] == first and len(calls) == 2


def test_other_scores_are_computed_anew(tmp_path):
    root = put(tmp_path / "results", measured("conmh"), measured("itq"))
    _, before = read(root, cache=tmp_path / "cache")
    put(root, measured("itq", table=np.full((40, 8), 0.5)))
    _, after = read(root, cache=tmp_path / "cache")
    assert after == read(root)[1] != before


@pytest.mark.parametrize(
    "damage", [lambda t: "", lambda t: t[:-30], lambda t: t.replace("0.", "1.", 5), lambda t: "[]"]
)
def test_a_damaged_cache_is_made_anew(root, tmp_path, damage):
    _, first = read(root, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_text()
    file.write_text(damage(whole))
    assert read(root, cache=tmp_path)[1] == first
    assert file.read_text() == whole


def test_csv_holds_every_pair_unrounded(root):
    group, found = read(root)
    ((name, text),) = comparison_view.pairs_csv(group, "field", found).items()
    assert name == "tables/pairs-ucf101-field.csv"
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 2 * 6 * len(CUTS)
    line = next(x for x in lines if (x["bits"], x["row"], x["other"], x["k"]) == ("64", "ITQ", "SH", "full"))
    (pair,) = [pair for pair in found.of(64).pairs if (pair.first, pair.second) == (1, 3)]
    names = comparison_view.NUMBERS
    assert [float(line[name]) for name in names] == [getattr(pair, name)[-1] for name in names]


def test_map_csv_holds_intervals_unrounded(root):
    group, found = read(root)
    text = tables.map_csv(group, "field", found.ends)
    line = list(csv.DictReader(io.StringIO(text)))[len(CUTS) * 2 + AT_20]
    assert (line["row"], line["bits"], line["k"]) == ("ITQ", "16", "20")
    length = found.of(16)
    assert (float(line["low"]), float(line["high"])) == (length.low[1][AT_20], length.high[1][AT_20])
    assert float(line["low"]) < float(line["mean"]) < float(line["high"])
    without = list(csv.DictReader(io.StringIO(tables.map_csv(group, "field"))))
    assert {(x["low"], x["high"]) for x in without} == {("", "")}
    assert found.ends("nobody", 16) == [(None, None)] * len(CUTS)


def test_page_shows_the_matrix(root, pairs, tmp_path):
    path = page.build(root, tmp_path)
    parsed = Page(path.read_text(encoding="utf-8"))
    shown = [t for t in parsed.tables if "row less column" in t["caption"]]
    assert len(shown) == 2 * 2 and "field protocol, 16 bits: row less column, 6 pairs." in shown[0]["caption"]
    head, first, second, *_ = shown[0]["rows"]
    assert [cell["text"] for cell in head] == ["mAP@20 less that of", "ConMH", "ITQ", "LSH", "SH"]
    a, b = seeds_mean(pairs, "conmh", 16)[:, AT_20], seeds_mean(pairs, "itq", 16)[:, AT_20]
    gap = f"{a.mean() - b.mean():.3f}"
    assert first[1]["text"] == "" and first[2]["text"].startswith(f"+{gap}p ")
    assert second[1]["text"] == first[2]["text"].replace("+", "−")
    assert first[2]["strong"], "all 40 queries are about 0.1 apart"
    assert "What is resampled: the queries." in parsed.text
    assert "What is not resampled: training, seeds and the database." in parsed.text
    assert "Not compared" not in parsed.text
    assert "tables/pairs-ucf101-field.csv" in parsed.references
    assert (tmp_path / "tables" / "pairs-ucf101-strict.csv").is_file()
    assert all("scope" in row[0] for t in parsed.tables for row in t["rows"] if len(row) > 1)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    page.build(root, tmp_path)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_page_without_files_says_why_nothing_is_compared(tmp_path):
    path = page.build(store(tmp_path / "results", make("conmh", bits=16), make("itq", bits=16)), tmp_path / "out")
    parsed = Page(path.read_text(encoding="utf-8"))
    assert "Not compared, since seed 0: queries.npz is absent" in parsed.text
    assert "ConMH (16 bits); ITQ (16 bits)" in parsed.text
    assert "What is resampled" not in parsed.text and not (tmp_path / "out" / "cache").exists()


def test_ranks_over_two_datasets_count_datasets():
    groups = matrix.build(full_matrix())
    found = ranks(groups, "field")
    assert found.datasets == ["Moving digits", "UCF101"] and found.cells == 6 and found.left_out == []
    assert [row.label for row in found.rows][:2] == ["ConMH", "ITQ"]
    assert sum(row.rank for row in found.rows) == pytest.approx(1 + 2 + 3 + 4)
    assert found.critical == pytest.approx(statistics.critical_difference(4, 2))


def test_ranks_need_two_datasets_with_the_same_two_rows():
    items = [r for r in full_matrix() if r.identity.dataset == "ucf101" or r.identity.method != "lsh"]
    found = ranks(matrix.build(items), "field")
    assert found.left_out == ["LSH"] and found.rows[0].label == "ConMH"
    items = [r for r in full_matrix() if (r.identity.bits == 16) == (r.identity.method == "itq")]
    assert ranks(matrix.build(items), "field") is None
    assert ranks(matrix.build([r for r in full_matrix() if r.identity.dataset == "ucf101"]), "field") is None
    assert ranks([], "field") is None


def test_page_shows_the_ranks(tmp_path):
    path = page.build(store(tmp_path / "results", *full_matrix()[::2]), tmp_path / "out")
    parsed = Page(path.read_text(encoding="utf-8"))
    (table, _) = [t for t in parsed.tables if "Nemenyi" in t["caption"]]
    assert [row[0]["text"] for row in table["rows"]][:2] == ["method", "ConMH"]
