"""Numbers of the field's public evaluation code, reproduced (golden_metrics.npz)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.evaluation.evaluator import evaluate
from benchmark.evaluation.hamming import distances2, nearest, pack
from benchmark.evaluation.protocol import FIELD, PRESETS
from benchmark.evaluation.results import Result
from tests.reference.plain_metrics import plain_metrics

CASES = ("A_self64_multi", "B_split16_ties", "C_ternary16_self", "D_split32_norel", "E_self64_single")
EXACT = {"rtol": 0, "atol": 1e-12}
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "golden_metrics.npz"


@cache
def load(case: str) -> dict[str, Any]:
    with np.load(GOLDEN, allow_pickle=False) as file:
        fields = {name.split("/")[1]: file[name] for name in file.files if name.startswith(case + "/")}
    for side in ("codes", "labels"):
        fields.setdefault(f"query_{side}", fields[f"db_{side}"])
    return fields


@cache
def run(case: str, ks: tuple[int, ...], **options: str) -> Result:
    g = load(case)
    protocol = PRESETS[FIELD].model_copy(update=options)
    codes, labels = (pack(g["query_codes"]), pack(g["db_codes"])), (g["query_labels"], g["db_labels"])
    return evaluate(*codes, *labels, {"one": protocol}, ks, bool(g["self_retrieval"]))["one"]


def at_k(case: str, **options: str) -> Result:
    return run(case, tuple(load(case)["K"].tolist()), **options)


@pytest.mark.parametrize("case", CASES)
def test_distances_and_order(case: str) -> None:
    g = load(case)
    query, database = pack(g["query_codes"]), pack(g["db_codes"])
    assert np.array_equal(distances2(query, database).T, g["D2"])
    rows, distances = nearest(query, database, database.n)
    assert np.array_equal(rows.T, g["rank"])
    assert np.array_equal(2 * distances.T, np.take_along_axis(g["D2"], g["rank"].astype(int), axis=0))


@pytest.mark.parametrize("case", CASES)
def test_reference_map_at_every_k_and_at_the_whole_database(case: str) -> None:
    g = load(case)
    depth, ks = len(g["db_codes"]), g["K"].tolist()
    result = run(case, (*ks, depth))
    assert list(result.ks) == sorted({*ks, depth})
    for j, k in enumerate(ks):
        assert result.metrics[f"map@{k}"] == pytest.approx(g["mAP_at_K"][j], rel=0, abs=1e-12)
        np.testing.assert_allclose(result.ap[:, j], g["AP_at_K"][j], **EXACT)
        hits = result.metrics[f"precision@{k}"] * k * result.n_query
        assert hits == pytest.approx(g["hits_at_K"][j].sum(), rel=1e-13)
    assert result.metrics[f"map@{depth}"] == pytest.approx(g["mAP_full"], rel=0, abs=1e-12)
    np.testing.assert_allclose(result.ap[:, result.ks.index(depth)], g["AP_full"], **EXACT)


@pytest.mark.parametrize("denominator", ["k", "min", "relevant", "hits"])
@pytest.mark.parametrize("case", CASES)
def test_full_depth_divides_by_the_relevant_items(case: str, denominator: str) -> None:
    g, result = load(case), at_k(case, denominator=denominator)
    assert result.metrics["map"] == pytest.approx(g["alt_mAP_full_div_nrel"], rel=0, abs=1e-12)
    assert result.metrics["ceiling"] == pytest.approx((g["n_relevant"] > 0).mean(), rel=0, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_other_denominators(case: str) -> None:
    g = load(case)
    by_hits, by_min = (at_k(case, denominator=name) for name in ("hits", "min"))
    for j, k in enumerate(g["K"]):
        assert by_hits.metrics[f"map@{k}"] == pytest.approx(g["alt_mAP_div_hits"][j], rel=0, abs=1e-12)
        assert by_min.metrics[f"map@{k}"] == pytest.approx(g["alt_mAP_div_min_K_nrel"][j], rel=0, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_precision_and_recall_at_n(case: str) -> None:
    g = load(case)
    result = run(case, tuple(g["topk"].tolist()))
    curve = result.metrics["pr_rank"]
    for j, k in enumerate(g["topk"]):
        precision, recall = result.metrics[f"precision@{k}"], result.metrics[f"recall@{k}"]
        assert precision == pytest.approx(g["topk_prec_bin"][j], rel=0, abs=1e-12)
        if case == "D_split32_norel":  # the reference divides 0 by 0 here; we leave such a query out
            assert np.isnan(g["topk_rec_bin"][j])
        else:
            assert recall == pytest.approx(g["topk_rec_bin"][j], rel=0, abs=1e-12)
        here = curve["rank"].index(k)
        assert (curve["precision"][here], curve["recall"][here]) == pytest.approx((precision, recall), rel=1e-13)


def test_recall_leaves_out_the_query_without_a_relevant_item() -> None:
    g, result = load("D_split32_norel"), at_k("D_split32_norel")
    some = g["n_relevant"] > 0
    assert some.sum() == len(some) - 1 == result.n_query - result.metrics["queries_without_relevant"]
    for j, k in enumerate(result.ks):
        expected = (g["hits_at_K"][j][some] / g["n_relevant"][some]).mean()
        assert result.metrics[f"recall@{k}"] == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("C")])
def test_curve_by_radius(case: str) -> None:
    g, curve = load(case), at_k(case).metrics["pr_radius"]
    retrieved, found = np.cumsum(g["hist_all"]), np.cumsum(g["hist_rel"])
    assert curve["radius"] == list(range(len(retrieved)))
    precision = np.array(curve["precision_micro"], float)
    assert np.array_equal(np.isnan(precision), retrieved == 0)
    np.testing.assert_allclose(precision[retrieved > 0], (found / retrieved.clip(1))[retrieved > 0], **EXACT)
    np.testing.assert_allclose(curve["recall_micro"], found / g["n_relevant"].sum(), **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_expected_ties_lie_between_best_and_worst_order(case: str) -> None:
    g, index, expected = load(case), at_k(case), at_k(case, ties="expected")
    for j, k in enumerate(index.ks):
        best, worst = g["tie_best_mAP"][j], g["tie_worst_mAP"][j]
        for result in (index, expected):
            assert worst - 1e-12 <= result.metrics[f"map@{k}"] <= best + 1e-12
        if best - worst > 0.01:
            assert worst + 1e-4 < expected.metrics[f"map@{k}"] < best - 1e-4


@pytest.mark.parametrize("case", CASES)
def test_plain_reference_gives_the_golden_numbers_too(case: str) -> None:
    g = load(case)
    codes, labels = (g["query_codes"], g["db_codes"]), (g["query_labels"], g["db_labels"])
    ks, depth = g["K"].tolist(), len(g["db_codes"])
    metrics, ap = plain_metrics(*codes, *labels, PRESETS[FIELD], (*ks, depth), bool(g["self_retrieval"]))
    np.testing.assert_allclose(ap[:, :-2].T, g["AP_at_K"], **EXACT)
    assert metrics[f"map@{depth}"] == pytest.approx(g["mAP_full"], rel=0, abs=1e-12)
    assert metrics["map"] == pytest.approx(g["alt_mAP_full_div_nrel"], rel=0, abs=1e-12)
