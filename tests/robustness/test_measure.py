"""Robustness of one cell: the same queries for all methods, one read, and losses that are told truly."""

import json

import numpy as np
import pytest
import torch

from benchmark.compute.encoding import encode_split
from benchmark.errors import BadInput
from benchmark.evaluation.hamming import pack, unpack
from benchmark.evaluation.protocol import KS, PRESETS
from benchmark.evaluation.statistics import bootstrap_interval
from benchmark.interfaces.method import Method
from benchmark.interfaces.run import Run
from benchmark.interfaces.videos import FrameShape, MemoryVideos
from benchmark.records import robustness as robustness_file
from benchmark.records.robustness import Condition, conditions
from benchmark.robustness import measure
from tests.reference.plain_metrics import plain_metrics

SHAPE, BITS = FrameShape(6, 8), 12
UNIT = np.full(SHAPE.dim, 0.5)


class Pooled(Method):
    """Blind to order: the mean frame on random directions. ``seen`` keeps what it was given."""

    title = paper = "none"

    def __init__(self, aware=False, seed=0):
        super().__init__(BITS, SHAPE, None, Run(seed=0, device=torch.device("cpu")))
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(SHAPE.dim, BITS, generator=generator, dtype=torch.float64)
        self.frames = torch.linspace(-1, 2, SHAPE.frames, dtype=torch.float64) if aware else torch.ones(SHAPE.frames)
        self.seen = []

    def fit(self, train):
        pass

    def encode(self, frames):
        self.seen.append(frames.clone())
        return (frames.double() * self.frames[:, None]).mean(1) @ self.weight

    def state(self):
        return {"weight": self.weight}

    def load(self, state):
        self.weight = state["weight"]


class Counted(MemoryVideos):
    """Counts how often each row is read."""

    def __init__(self, values):
        super().__init__(values)
        self.reads = np.zeros(len(values), int)

    def _gather(self, rows, views):
        np.add.at(self.reads, rows, 1)
        return super()._gather(rows, views)


class Data:
    """Just what ``measure`` asks of a dataset."""

    def __init__(self, queries=150, database=90, self_retrieval=False):
        rng = np.random.default_rng(1)
        middle = rng.normal(size=(3, *SHAPE))
        self.self_retrieval = self_retrieval
        self.parts = {}
        for name, n in {"train": 60, "database": database, "query": queries}.items():
            classes = np.arange(n) % 3
            values = (middle[classes] + 1.2 * rng.normal(size=(n, *SHAPE))).astype(np.float32)
            self.parts[name] = Counted(values), np.eye(3, dtype=np.uint8)[classes]
        if self_retrieval:
            self.parts["query"] = self.parts["database"]

    def split(self, name):
        return self.parts[name][0]

    def labels(self, name):
        return self.parts[name][1]


def measured(method, data):
    codes = {name: encode_split(method, data.split(name)) for name in ("database", "query")}
    method.seen.clear()
    data.split("query").reads[:] = 0
    return measure.measure(method, data, codes, PRESETS, UNIT), codes


def test_clean_codes_are_the_codes_of_the_cell_and_queries_are_read_once():
    method, data = Pooled(aware=True), Data()
    asked = [measure.CLEAN, *conditions()]
    codes = measure.encode_perturbed(method, data.split("query"), asked, UNIT)
    assert (data.split("query").reads == 1).all()
    stored = encode_split(method, data.split("query"))
    assert codes[0].packed.tobytes() == stored.packed.tobytes() and codes[0].nonzero is None
    assert len(codes) == 21 and all(made.n == 150 for made in codes)
    zero = [Condition(name, 0.0) for name in ("drop", "shuffle", "reverse", "crop", "noise")]
    for made in measure.encode_perturbed(method, data.split("query"), zero, UNIT):
        assert made.packed.tobytes() == stored.packed.tobytes()


def test_all_methods_meet_the_same_queries():
    first, second, data = Pooled(), Pooled(aware=True, seed=5), Data()
    measured(first, data), measured(second, data)
    assert len(first.seen) == len(second.seen) == 2 * 21
    assert all(torch.equal(a, b) for a, b in zip(first.seen, second.seen, strict=True))


def test_a_method_that_is_blind_to_order_loses_exactly_nothing_to_another_order():
    found, _ = measured(Pooled(), Data())
    for item in found.perturbed:
        if item.perturbation in ("shuffle", "reverse"):
            assert item.map == found.clean
            assert all((loss.mean, loss.low, loss.high) == (0, 0, 0) for loss in item.loss.values())
    lost = {item.perturbation: item.loss["field"].mean for item in found.perturbed}
    assert lost["drop"] > 0.01 and lost["noise"] > 0.005


def test_a_method_that_looks_at_order_loses():
    found, _ = measured(Pooled(aware=True), Data())
    lost = {(item.perturbation, item.strength): item.loss["strict"] for item in found.perturbed}
    assert lost["reverse", 1.0].low > 0.01 and lost["shuffle", 1.0].low > 0.01
    assert lost["shuffle", 0.25].mean < lost["shuffle", 1.0].mean


def test_losses_are_those_of_the_plain_evaluation_and_of_the_common_statistics():
    method, data = Pooled(aware=True), Data(queries=40, database=50)
    found, codes = measured(method, data)
    asked = [measure.CLEAN, *conditions()]
    made = measure.encode_perturbed(method, data.split("query"), asked, UNIT)
    labels = [data.labels(name) for name in ("query", "database")]
    for preset, protocol in PRESETS.items():
        database = unpack(codes["database"])
        plain = [plain_metrics(unpack(query), database, *labels, protocol, KS) for query in made]
        ap = np.stack([per_query[:, KS.index(20)] for _, per_query in plain], axis=1)
        np.testing.assert_allclose(found.precisions[preset], ap, atol=1e-12)
        low, high = bootstrap_interval(ap[:, :1] - ap[:, 1:], seed=0)
        for place, item in enumerate(found.perturbed):
            loss = item.loss[preset]
            assert loss.mean == pytest.approx(plain[0][0]["map@20"] - plain[place + 1][0]["map@20"], abs=1e-12)
            assert (loss.low, loss.high) == pytest.approx((low[place], high[place]), abs=1e-12)
            assert item.map[preset]["map@5"] == pytest.approx(plain[place + 1][0]["map@5"], abs=1e-12)
            assert item.map[preset]["map"] == pytest.approx(plain[place + 1][0]["map"], abs=1e-12)


def test_in_self_retrieval_a_perturbed_query_meets_the_intact_database_with_or_without_its_own_copy():
    method, data = Pooled(aware=True), Data(database=45, self_retrieval=True)
    found, codes = measured(method, data)
    item = found.perturbed[conditions().index(Condition("drop", 0.75))]
    (query,) = measure.encode_perturbed(method, data.split("query"), [Condition("drop", 0.75)], UNIT)
    assert query.packed.tobytes() != codes["query"].packed.tobytes()
    labels = data.labels("database")
    for preset, protocol in PRESETS.items():
        expected, _ = plain_metrics(
            unpack(query), unpack(codes["database"]), labels, labels, protocol, KS, self_retrieval=True
        )
        assert item.map[preset]["map@20"] == pytest.approx(expected["map@20"], abs=1e-12)


@pytest.mark.parametrize("wrong", [1, 3])
def test_codes_that_the_model_does_not_give_again_are_refused(wrong):
    method, data = Pooled(), Data()
    codes = {name: encode_split(method, data.split(name)) for name in ("database", "query")}
    packed = codes["query"].packed.copy()
    packed[:wrong, 0] ^= np.uint64(1)
    with pytest.raises(BadInput, match=rf"is stale: .* found {wrong} of 1800 bits differ; .*--rerun all"):
        measure.measure(method, data, {**codes, "query": codes["query"]._replace(packed=packed)}, PRESETS, UNIT)


def test_an_undecided_bit_is_a_difference():
    values = np.where(np.random.default_rng(0).normal(size=(4, 8)) > 0, 1, -1)
    undecided = values.copy()
    undecided[0, values[0].argmin()] = 0
    measure.check_clean(pack(undecided), pack(undecided))
    with pytest.raises(BadInput, match="1 of 32 bits differ"):
        measure.check_clean(pack(undecided), pack(values))
    with pytest.raises(BadInput, match="4 codes of 8 bits"):
        measure.check_clean(pack(values), pack(values[:3]))


def kept(folder):
    found, codes = measured(Pooled(), Data(queries=20, database=30))
    whole = robustness_file.Robustness(
        key="k", codes=robustness_file.code_digest(codes), settings=robustness_file.settings(), clean=found.clean,
        perturbed=found.perturbed,
    )  # fmt: skip
    robustness_file.write(folder, whole, found.precisions)
    return whole, found


def test_a_file_is_read_as_it_was_written(tmp_path):
    whole, found = kept(tmp_path)
    assert robustness_file.read(tmp_path, "k") == whole
    assert not list(tmp_path.glob(".*")), "nothing of an atomic write is left"
    table = robustness_file.read_precisions(tmp_path, whole, "strict")
    assert (table == found.precisions["strict"]).all() and table.shape == (20, 21)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 2}, "schema version 2; this suite reads up to 1"),
        ({"key": "other"}, "is of another cell"),
        ({"settings": {"recipe": 0}}, "was made with other perturbations"),
        ({"clean": 3}, "does not fit the schema at 'clean'"),
        ({"perturbed": []}, "was made with other perturbations"),
    ],
)
def test_a_file_that_is_not_of_this_cell_and_grid_says_why(tmp_path, change, reason):
    kept(tmp_path)
    path = tmp_path / robustness_file.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert reason in robustness_file.read(tmp_path, "k")


def test_damaged_files_are_told(tmp_path):
    assert robustness_file.read(tmp_path, "k") == "its queries were not perturbed"
    whole, _ = kept(tmp_path)
    (tmp_path / robustness_file.QUERIES).write_bytes(b"PK")
    assert "absent, unreadable" in robustness_file.read_precisions(tmp_path, whole, "field")
    (tmp_path / robustness_file.FILE).write_text("{")
    assert "cannot be read" in robustness_file.read(tmp_path, "k")
