"""The parts of the gate: the part of a dataset, spreads and tolerances, verdicts, files."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.data.subset import random_rows, sized_part
from benchmark.errors import BadInput
from benchmark.interfaces.videos import MemoryVideos
from benchmark.regression import baseline, plan, spreads
from benchmark.regression.cells import CheckOutcome
from benchmark.regression.compare import compare, judged
from benchmark.regression.numbers import Number, named
from benchmark.regression.spreads import Spread, Spreads, Tolerance, Way, measured, tolerance
from benchmark.regression.table import verdict

TOML = 'dataset = "d"\nbits = [16]\nseed = 0\nepochs = 2\n[part]\ntrain = 4\ndatabase = 4\nquery = 2\n'
MADE = {"date": "2026-01-01"}


def held(score=0.5, loss=2.0, balance=0.1):
    return {
        "map": {"field": {"map@5": score}},
        "codes": {"bit_balance": balance, "distinct_codes": 100.0},
        "losses": {"train": {"total": [loss, loss / 2]}},
    }


def number(kind="map", value=0.5, direction=1, group="mAP@5 field"):
    return Number(group, group, kind, direction, value)


def measured_spreads(**spread):
    return Spreads(check={}, made={}, ways=[], methods={"m": {"mAP@5 field": Spread(**spread)}})


@pytest.fixture
def asked(tmp_path):
    (tmp_path / plan.FILE).write_text(TOML)
    return plan.read(tmp_path)


def test_random_rows_are_sorted_unique_and_a_function_of_seed_and_split():
    rows = random_rows(100, 30, 0, "train")
    assert len(rows) == 30 and (np.diff(rows) > 0).all() and rows.max() < 100
    np.testing.assert_array_equal(rows, random_rows(100, 30, 0, "train"))
    assert not np.array_equal(rows, random_rows(100, 30, 1, "train"))
    assert not np.array_equal(rows, random_rows(100, 30, 0, "query"))
    np.testing.assert_array_equal(random_rows(5, 30, 0, "train"), np.arange(5))


def test_spreads_are_largest_movements_and_the_deviation_of_seeds():
    def table(score, loss):
        return {("m", 16): named(held(score, loss))}

    again = [
        (Way("a", "rounding"), table(0.51, 2.0)),
        (Way("b", "rounding"), table(0.48, 2.02)),
        (Way("c", "bf16"), table(0.55, 2.2)),
        (Way("d", "seeds", seed=1), table(0.6, 2.0)),
        (Way("e", "seeds", seed=2), table(0.7, 2.0)),
    ]
    found = measured(table(0.5, 2.0), again)["m"]
    assert found["mAP@5 field"].rounding == pytest.approx(0.02)
    assert found["mAP@5 field"].bf16 == pytest.approx(0.05)
    assert found["mAP@5 field"].seeds == pytest.approx(0.1)
    assert found["loss train/total"].rounding == pytest.approx(0.01)  # a share of the value
    assert found["loss train/total"].bf16 == pytest.approx(0.1)


def test_a_tolerance_is_a_multiple_of_the_spread_with_a_floor():
    wide = measured_spreads(rounding=0.01, bf16=0.02, seeds=0.04)
    assert tolerance(wide, "m", number()) == Tolerance(0.06, pytest.approx(0.12), 0.04)
    still = measured_spreads()
    assert tolerance(still, "m", number()) == Tolerance(spreads.FLOORS["map"], spreads.LEAP)
    loss = number("loss", 200.0, 0, "loss train/total")
    assert tolerance(still, "m", loss).band == pytest.approx(200 * spreads.FLOORS["loss"])
    assert tolerance(still, "m", number(value=0.01)).band == pytest.approx(0.01 * spreads.SMALL)


def test_a_method_that_was_never_measured_has_the_widest_tolerance():
    wide = measured_spreads(rounding=0.01, bf16=0.02)
    assert tolerance(wide, "new", number()) == tolerance(wide, "m", number())


@pytest.mark.parametrize(
    ("kind", "direction", "now", "expected"),
    [
        ("map", 1, 0.49, "within"),
        ("map", 1, 0.47, "fell"),
        ("map", 1, 0.53, "better"),
        ("map", 1, 0.61, "suspicious"),
        ("map", 1, float("nan"), "fell"),
        ("codes", -1, 0.53, "worse"),
        ("codes", -1, 0.2, "better"),
        ("loss", 0, 0.53, "left its band"),
        ("loss", 0, 0.47, "left its band"),
    ],
)
def test_verdicts(kind, direction, now, expected):
    assert judged(number(kind, 0.5, direction), now, Tolerance(0.02, 0.1)) == expected


def outcome(numbers=None, **named_words):
    return CheckOutcome("m", 16, numbers, config={"width": 8}, data="f", **named_words)


def found(asked, tmp_path, now, before=None):
    baseline.write(tmp_path, asked, [before or outcome(held())], MADE)
    return compare(asked, [now], baseline.read_all(tmp_path), measured_spreads())


def test_equal_numbers_pass_and_improvements_do_not_fail(asked, tmp_path):
    findings = found(asked, tmp_path, outcome(held()))
    assert len(findings) == 5 and all(finding.verdict == "within" for finding in findings)
    assert verdict(findings) == "check passed: 5 numbers within their tolerance"
    findings = found(asked, tmp_path, outcome(held(score=0.52)))
    assert [f.verdict for f in findings if f.verdict != "within"] == ["better"]
    assert not any(finding.failing for finding in findings)
    assert "check --update" in verdict(findings)


def test_what_fell_left_or_went_fails(asked, tmp_path):
    short = held()
    short["losses"]["train"]["total"] = [2.0]
    longer = held()
    longer["losses"]["train"]["extra"] = [1.0]
    for now, expected in [
        (outcome(held(score=0.4)), "fell"),
        (outcome(held(score=0.9)), "suspicious"),
        (outcome(held(loss=2.01)), "left its band"),
        (outcome(held(balance=0.2)), "worse"),
        (outcome(short), "gone"),
        (outcome(longer), "new"),
        (outcome(problem="it broke"), "failed"),
        (outcome(problem="too few dimensions", skipped=True), "missing"),
    ]:
        findings = found(asked, tmp_path, now)
        assert expected in {finding.verdict for finding in findings if finding.failing}, expected
        assert verdict(findings).startswith("check failed")


def test_other_settings_and_other_data_are_told(asked, tmp_path):
    changed = CheckOutcome("m", 16, held(), config={"width": 16}, data="f")
    (finding,) = [f for f in found(asked, tmp_path, changed) if f.failing]
    assert (finding.verdict, finding.note) == ("other settings", "width 8 -> 16")
    moved = CheckOutcome("m", 16, held(), config={"width": 8}, data="g")
    assert [f.verdict for f in found(asked, tmp_path, moved) if f.failing] == ["other data"]


def test_a_cell_that_cannot_run_and_never_did_is_no_finding(asked, tmp_path):
    assert compare(asked, [outcome(problem="no", skipped=True)], {}, measured_spreads()) == []


def test_baselines_are_canonical_and_read_back(asked, tmp_path):
    baseline.write(tmp_path, asked, [outcome(held())], MADE)
    text = (tmp_path / "m.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (read,) = baseline.read_all(tmp_path).values()
    assert baseline.same_numbers(read, [outcome(held())], asked)
    assert not baseline.same_numbers(read, [outcome(held(score=0.500001))], asked)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOML + "queries = 3\n", "part.queries"),
        (TOML.replace("epochs = 2", "epochs = 0"), "epochs"),
        (TOML.replace("[16]", "[0]"), "--bits"),
        (TOML.replace("= 0", "= "), "not readable TOML"),
        (TOML + "[set.conhm]\nwidth = 1\n", "did you mean 'conmh'?"),
    ],
)
def test_a_wrong_plan_is_refused(tmp_path, text, said):
    (tmp_path / plan.FILE).write_text(text)
    with pytest.raises(BadInput, match=said.replace("?", r"\?")):
        plan.read(tmp_path)


def test_damaged_files_are_refused_with_the_next_step(tmp_path):
    with pytest.raises(BadInput, match="check --measure"):
        spreads.read(tmp_path)
    (tmp_path / "m.json").write_text('{"method": "m"}')
    with pytest.raises(BadInput, match=r"is no baseline.*check --update"):
        baseline.read_all(tmp_path)
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        baseline.read_all(tmp_path)


def test_a_part_of_one_split_that_serves_twice_keeps_labels_and_videos_together():
    videos = MemoryVideos(np.arange(120, dtype=np.float32).reshape(40, 1, 3))
    labels = (np.arange(40)[:, None] % 4 == np.arange(4)).astype(np.uint8)
    whole = SimpleNamespace(
        roots=None, name="d", title="d", source="", protocol={}, official={}, self_retrieval=False,
        split=lambda name: videos, labels=lambda name: labels,
    )  # fmt: skip
    drawn = sized_part(whole, {"train": 9, "database": 12, "query": 5}, 0)
    for name, count in (("train", 9), ("database", 12), ("query", 5)):
        rows = drawn.split(name).take(np.arange(count))[:, 0, 0].numpy().astype(int) // 3
        np.testing.assert_array_equal(drawn.labels(name).argmax(1), rows % 4)
    assert drawn.drawn is None and drawn.subset()
