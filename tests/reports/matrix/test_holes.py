"""What is missing, broken or not comparable is shown as such, and stops nothing."""

import math

import pytest

from benchmark.records.expected import ExpectedCell
from reports import page
from reports.drawing import style
from reports.matrix.grouping import build
from reports.matrix.holes import holes
from reports.matrix.rows import NO_RECORD
from reports.scores.tables import mean, table
from tests.support.fakes import make, metrics, store
from tests.support.pages import Page, built, rows_of, shown


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    monkeypatch.setattr("reports.scores.curves.draw", lambda *_: None)


def rows(groups):
    return [row.label for row in groups[0].rows]


def test_failed_cell_shows_reason_and_command(tmp_path):
    failed = make("itq", bits=16, failed="matrix is\nsingular <here>")
    _, parsed = built(tmp_path, make(bits=16), failed)
    cells = rows_of(parsed.maps("UCF101")[0])["ITQ"]
    assert len(cells) == 1 and cells[0]["colspan"] == "8" and "bad" in cells[0]["class"]
    assert cells[0]["text"] == "failedmatrix is singular <here>"
    missing = next(t for t in parsed.tables if t["caption"].startswith("Cells that failed"))
    assert [c["text"] for c in missing["rows"][1]] == [
        "ITQ", "UCF101", "16", "0", "RuntimeError in fit: matrix is singular <here>",
        "python -m benchmark run --methods itq --datasets ucf101 --bits 16 --seeds 0",
    ]  # fmt: skip
    assert "1 done, 1 failed" in parsed.text


def test_a_failed_seed_beside_a_good_one_is_told(tmp_path):
    good = make("itq", bits=16, seed=0)
    _, parsed = built(tmp_path, good, make("itq", bits=16, seed=1, failed="no memory"))
    cell = rows_of(parsed.maps("UCF101")[0])["ITQ"][0]
    assert cell["text"] == f"{good.metrics['field'].metrics['map@5']:.3f} seed 1 failedn=1"


def test_cells_that_others_have_are_not_run(tmp_path):
    records = [make(bits=16), make(bits=32), make("lsh", bits=16), make(dataset="moving_digits", bits=16)]
    _, parsed = built(tmp_path, *records)
    hole = rows_of(parsed.maps("UCF101")[0])["LSH"][8]
    command = "python -m benchmark run --methods lsh --datasets ucf101 --bits 32 --seeds 0"
    assert (hole["text"], hole["class"]) == (f"— not run {command}", "first hole none")
    assert [c["text"] for c in rows_of(parsed.maps("Moving digits")[0])["LSH"]] == [
        "— not run python -m benchmark run --methods lsh --datasets moving_digits --bits 16 --seeds 0"
    ]
    missing = next(t for t in parsed.tables if t["caption"].startswith("Cells that were not run"))
    told = {(r[0]["text"], r[1]["text"]): (r[2]["text"], r[3]["text"], r[5]["text"]) for r in missing["rows"][1:]}
    assert told == {
        ("LSH", "UCF101"): (
            "32", "0", "python -m benchmark run --methods lsh --datasets ucf101 --bits 32 --seeds 0",
        ),
        ("LSH", "Moving digits"): (
            "16", "0", "python -m benchmark run --methods lsh --datasets moving_digits --bits 16 --seeds 0",
        ),
    }  # fmt: skip
    assert "4 done, 0 failed , 0 damaged , 2 not run" in parsed.text


def test_expected_cells_are_shown_with_their_reason(tmp_path):
    expected = [
        ExpectedCell(identity=make(bits=16).identity),
        ExpectedCell(identity=make("sh", bits=16, seed=3).identity, reason="needs package X"),
        ExpectedCell(identity=make(dataset="yfcc").identity, command="get yfcc"),
    ]
    _, parsed = built(tmp_path, make(bits=16), expected=expected)
    missing = next(t for t in parsed.tables if t["caption"].startswith("Cells that were not run"))
    told = [[c["text"] for c in row] for row in missing["rows"][1:]]
    command = "python -m benchmark run --methods sh --datasets ucf101 --bits 16 --seeds 3"
    assert ["SH", "UCF101", "16", "3", "needs package X", command] in told
    assert rows_of(parsed.maps("UCF101")[0])["SH"][0]["text"] == f"— not runneeds package X {command}"
    assert ["ConMH", "yfcc", "64", "0", NO_RECORD, "get yfcc"] in told
    assert "No cell of this dataset has been measured." in parsed.text


def test_damaged_files_are_named(tmp_path):
    root = store(tmp_path / "results", make(bits=16))
    for name, text in {
        "seed1-a": '{"schema_version": 1,',
        "seed2-b": '{"schema_version": 99}',
        "seed3-c": "[]",
    }.items():
        folder = root / "ucf101" / "conmh" / "16" / name
        folder.mkdir()
        (folder / "record.json").write_text(text)
    parsed = Page(page.build(root, tmp_path / "out").read_text(encoding="utf-8"))
    damaged = next(t for t in parsed.tables if t["caption"].startswith("Files that should be records"))
    told = [[c["text"] for c in row] for row in damaged["rows"][1:]]
    assert [row[0] for row in told] == [f"ucf101/conmh/16/{n}/record.json" for n in ("seed1-a", "seed2-b", "seed3-c")]
    assert "cannot be read" in told[0][1] and "schema version 99" in told[1][1] and "no JSON object" in told[2][1]
    assert "1 done, 0 failed , 3 damaged" in parsed.text
    assert str(tmp_path) not in (tmp_path / "out" / "index.html").read_text()


def test_one_seed_has_no_deviation_and_says_so(tmp_path):
    _, parsed = built(tmp_path, make(bits=16))
    assert "±" not in "".join(c["text"] for c in rows_of(parsed.maps("UCF101")[0])["ConMH"])
    assert "Numbers without ± come from a single seed." in parsed.text
    assert not any(c["marks"] for c in rows_of(parsed.maps("UCF101")[0])["ConMH"]), "a single row is best of nothing"


def test_a_nan_seed_leaves_the_mean_and_lowers_n():
    records = [make(bits=16, seed=s, level=level) for s, level in enumerate((0.5, 0.7, math.nan))]
    found = mean(records, "field", "map@5")
    assert (found.n, found.records) == (2, 3)
    assert found.mean == pytest.approx(0.6 - 0.0055, abs=1e-12)
    assert found.deviation == pytest.approx(0.1 * 2**0.5, abs=1e-12)
    groups = build(records)
    cell = table(groups[0], "field", ["conmh"]).rows[0].cells[0]
    assert cell.under == "±0.141 n=2" and "1 of 3 seeds hold no finite number" in cell.why


def test_variant_budget_and_config_make_rows_of_their_own():
    plain = [make(bits=16, seed=s) for s in (0, 1)]
    budget = [make(bits=16, seed=s, budget={"epochs": 5}) for s in (0, 1)]
    masked = [make(bits=16, config={"epochs": 40, "mask_ratio": 0.75})]
    paper = [make(bits=16, variant="paper")]
    groups = build([*plain, *budget, *masked, *paper])
    assert sorted(rows(groups)) == [
        "ConMH (paper)", "ConMH [epochs 5, mask_ratio 0.5]", "ConMH [mask_ratio 0.5]", "ConMH [mask_ratio 0.75]",
    ]  # fmt: skip
    assert {row.label: len(row.records) for row in groups[0].rows} == {
        "ConMH (paper)": 1, "ConMH [epochs 5, mask_ratio 0.5]": 2, "ConMH [mask_ratio 0.5]": 2,
        "ConMH [mask_ratio 0.75]": 1,
    }  # fmt: skip
    assert rows(build([*plain, *budget])) == ["ConMH", "ConMH [epochs 5]"]


def test_a_budget_of_epochs_is_not_told_of_a_method_without_epochs(tmp_path):
    _, parsed = built(tmp_path, make("lsh", bits=16, budget={"epochs": 5}))
    assert list(rows_of(parsed.maps("UCF101")[0])) == ["LSH", "ceiling"]
    assert "trained under a budget" not in parsed.text
    both = [make("lsh", bits=16), make("lsh", bits=16, budget={"epochs": 5})]
    assert rows(build(both)) == ["LSH", "LSH [epochs 5]"]
    failed = make("lsh", bits=16, budget={"epochs": 5}, failed="no memory")
    assert rows(build([failed])) == ["LSH [epochs 5]"]


def test_other_protocol_options_and_other_data_are_never_averaged():
    other = make(bits=16, seed=1, told="protocol")
    other.metrics["field"].protocol["ties"] = "expected"
    groups = build([make(bits=16, seed=0), other])
    assert rows(groups) == ["ConMH [field.ties expected]", "ConMH [field.ties index]"]
    groups = build([make(bits=16, seed=0), make(bits=16, seed=1, fingerprint="ffffeeee0000")])
    assert [g.label for g in groups] == ["UCF101 [data ffffeeee]", "UCF101 [data ucf101-0]"]
    assert [len(row.records) for g in groups for row in g.rows] == [1, 1]
    assert len({g.slug for g in groups}) == 2


def test_two_methods_of_one_title_can_be_told_apart():
    groups = build([make("a", bits=16, title="Same"), make("b", bits=16, title="Same")])
    assert rows(groups) == ["Same · a", "Same · b"]


def test_ties_share_a_place():
    groups = build([make(m, bits=16, level=v) for m, v in (("a", 0.5), ("b", 0.5), ("c", 0.4))])
    cells = [row.cells[0].place for row in table(groups[0], "field", ["a", "b", "c"]).rows]
    assert cells == ["best", "best", ""]


def test_averaged_versions_of_the_code_are_told(tmp_path):
    newer = make(bits=16, seed=1)
    newer.code["digest"] = "d2"
    _, parsed = built(tmp_path, make(bits=16, seed=0), newer)
    assert "ConMH on UCF101: records of 2 versions of the code are averaged." in parsed.text


def test_budget_is_told(tmp_path):
    _, parsed = built(tmp_path, make(bits=16, budget={"epochs": 5}))
    assert "UCF101: trained under a budget (epochs 5) instead of their own schedules: ConMH [epochs 5]." in parsed.text
    assert "5 (budget)" in [c["text"] for t in parsed.tables for r in t["rows"] for c in r]


def test_a_bare_record_of_an_unknown_method_is_shown(tmp_path):
    bare = make("gone_method", bits=7).model_copy(update={
        "data": None, "code": {}, "environment": {}, "rerun": "", "command": "", "timing": {}, "diagnostics": {},
        "peak_memory_bytes": 0,
    })  # fmt: skip
    bare.metrics = {"house": bare.metrics["field"].model_copy(update={"metrics": metrics(0.3, 7, n=40)})}
    _, parsed = built(tmp_path, bare)
    assert shown(rows_of(parsed.maps("UCF101")[0])["gone_method"][0]) == f"{0.3 - 0.0055:.3f}"
    assert "No record says what these data are." in parsed.text
    assert "python -m benchmark run --methods gone_method --datasets ucf101 --bits 7 --seeds 0" in parsed.text


def test_failures_without_data_join_their_dataset():
    lost = make("lsh", bits=16, failed="no file").model_copy(update={"data": None})
    groups = build([make(bits=16), lost])
    assert len(groups) == 1 and [len(row.failures) for row in groups[0].rows] == [0, 1]


def test_fill_command_follows_the_record():
    stored = "python -m benchmark run --methods conmh:default --datasets ./a b --bits 16 --seeds 0 --set conmh.size=x y"
    record = make(bits=16, budget={"epochs": 3}).model_copy(update={"rerun": stored})
    groups = build([record, make("lsh", bits=64)])
    hole = next(hole for hole in holes(groups[0]) if hole.label == "ConMH [epochs 3]")
    assert (hole.bits, hole.seeds) == ((64,), (0,))
    words = "--datasets './a b' --bits 64 --seeds 0 --epochs 3 --set 'conmh.size=x y'"
    assert hole.command == f"python -m benchmark run --methods conmh {words}"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012 s"), (31.74, "31.7 s"), (600, "10.0 min"), (9000, "2.5 h"), (None, "—")]
)
def test_durations(value, text):
    assert style.seconds(value) == text


def test_a_method_that_no_longer_exists_is_told(tmp_path):
    root = store(tmp_path / "results", make(bits=16), make("gone", bits=16, title="Gone"))
    path = page.build(root, tmp_path / "out", cards={"conmh": [("paper", ["A paper"]), ("cost", ["little"])]})
    text = Page(path.read_text(encoding="utf-8")).text
    assert "Gone gone This checkout has no method of this name, or cannot load it; only its records are shown." in text
    assert text.count("This checkout has no method of this name") == 1 and "A paper" in text


def test_stale_records_are_marked_and_told_with_their_command(tmp_path):
    old, new = make("itq", bits=16), make(bits=16)
    root = store(tmp_path / "results", old, new)
    path = page.build(root, tmp_path / "out", stale=lambda record: record.key == old.key)
    parsed = Page(path.read_text(encoding="utf-8"))
    rows = rows_of(parsed.maps("UCF101")[0])
    assert all("stale" in cell["class"] and cell["text"].endswith(" stale") for cell in rows["ITQ"])
    assert not any("stale" in (cell.get("class") or "") for cell in rows["ConMH"])
    told = next(t for t in parsed.tables if t["caption"].startswith("Stale cells"))
    command = "python -m benchmark run --methods itq --datasets ucf101 --bits 16 --seeds 0 --rerun stale"
    assert [cell["text"] for cell in told["rows"][1]] == ["ITQ", "UCF101", "16", "0", command]
    assert "1 of the done ones stale" in parsed.text
