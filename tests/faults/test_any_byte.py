"""Any byte of any input file may be wrong: the right value comes out, or one short sentence that names the file.

The right value is that of an independent reading of the changed file: where its library reads the values of the whole
file, so must the suite; where the library reads other values (nothing in the file says that they are wrong), the suite
may give their number or refuse them.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tomllib

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from tests.support.fault_inputs import (
    DIM,
    FRAMES,
    QUERY,
    QUERY_FRAMES,
    TRAIN,
    class_ids,
    declaration,
    make_dataset,
    multi_hot,
    write_virtual,
)
from tests.support.mutations import call, fields, mutations

N, BITS = 40, 16
SHORT, LONG = 20, 400
COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "print_blob": False,
          "phases": (Phase.generate,)}  # fmt: skip


def both_lengths(test):
    """Give a property its short form and, by the marker ``slow``, its long one."""
    form = pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.slow)
    return pytest.mark.parametrize("examples", form)(test)


def hold(examples, strategy, check):
    """Check a property on so many draws."""
    run = settings(max_examples=examples, derandomize=examples == SHORT, **COMMON)(given(strategy)(check))
    run()


def average_precision(codes, labels, k=20):
    """Return mAP@k of a database that is its own query set, ties by row, divided by k."""
    codes = np.where(codes > 0, 1, -1).astype(int)
    values = []
    for row in range(len(codes)):
        order = np.argsort(-(codes @ codes[row]), kind="stable")[:k]
        hits = (labels[order].astype(int) @ labels[row].astype(int)) > 0
        values.append(float((np.cumsum(hits) / np.arange(1, len(order) + 1) * hits).sum()) / k)
    return float(np.mean(values))


CODES = np.where(np.random.default_rng(0).random((N, BITS)) > 0.5, 1, -1).astype(np.int8)
LABELS = multi_hot(class_ids(N))


def read_array(path):
    """Return the array of a file as numpy or scipy read it, or None."""
    try:
        if path.suffix == ".mat":
            arrays = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
            return np.asarray(arrays["labels"] if "labels" in arrays else next(iter(arrays.values())))
        loaded = np.load(path, allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
    except Exception:  # these libraries raise almost anything
        return None


def same(values, expected):
    return values is not None and values.shape == expected.shape and np.array_equal(values, expected)


WRITERS = {
    "codes.npy": lambda path: np.save(path, CODES),
    "codes.npz": lambda path: np.savez_compressed(path, codes=CODES),
    "plain.npz": lambda path: np.savez(path, codes=CODES),
    "labels.npy": lambda path: np.save(path, LABELS),
    "labels.npz": lambda path: np.savez(path, labels=LABELS),
    "labels.mat": lambda path: savemat(path, {"labels": LABELS.astype(float)}, do_compression=True),
    "plain.mat": lambda path: savemat(path, {"labels": LABELS}),
}


@both_lengths
@pytest.mark.parametrize("name", WRITERS)
def test_codes_and_labels(tmp_path, name, examples):
    np.save(tmp_path / "codes.npy", CODES)
    np.save(tmp_path / "labels.npy", LABELS)
    path, whole = tmp_path / name, CODES if name in ("codes.npy", "codes.npz", "plain.npz") else LABELS
    WRITERS[name](path)
    data = path.read_bytes()
    files = {"codes": tmp_path / "codes.npy", "labels": tmp_path / "labels.npy"}
    files["codes" if whole is CODES else "labels"] = path
    out = tmp_path / "out.json"

    def check(mutation):
        path.write_bytes(mutation.apply(data))
        out.unlink(missing_ok=True)
        outcome = call(
            *("evaluate", "--self", "--database-codes", files["codes"], "--database-labels", files["labels"]),
            *("--k", 20, "--json", out),
        )
        if outcome.code == 2:
            assert name in outcome.sentence()
            return
        assert outcome.code == 0
        values = read_array(path)
        if values is None:
            raise AssertionError("a file that its own library cannot read gave a number")
        found = json.loads(out.read_text())["metrics"]["map@20"]
        if same(values, whole):
            assert found == pytest.approx(average_precision(CODES, LABELS), abs=1e-12)
        elif whole is CODES and values.ndim == 2 and values.shape[0] == N and set(np.unique(values)) <= {-1, 1}:
            assert found == pytest.approx(average_precision(values, LABELS), abs=1e-12)
        elif whole is LABELS and values.shape == LABELS.shape and set(np.unique(values)) <= {0, 1}:
            assert found == pytest.approx(average_precision(CODES, values), abs=1e-12)

    hold(examples, mutations(0.2), check)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A dataset folder, a model of it, and the codes of its queries."""
    root = tmp_path_factory.mktemp("trained")
    folder = make_dataset(root / "plain")
    words = ("run", "--methods", "lsh", "--datasets", folder, "--bits", BITS, "--no-page", "--device", "cpu")
    assert call(*words, "--results", root / "results", "--cache", root / "cache").code == 0
    (model,) = (root / "results").rglob("model.pt")
    encode = ("encode", "--method", "lsh", "--checkpoint", model, "--features", folder / "query.h5", "--device", "cpu")
    assert call(*encode, "--out", root / "codes.npz", "--cache", root / "cache").code == 0
    return folder, model, np.load(root / "codes.npz")["codes"], root / "results"


FEATURES = {
    "contiguous": {},
    "chunks": {"chunks": (8, FRAMES, DIM)},
    "checked": {"chunks": (8, FRAMES, DIM), "compression": "gzip", "fletcher32": True},
    "latest": {"libver": "latest", "chunks": (8, FRAMES, DIM), "compression": "lzf", "fletcher32": True},
}


@both_lengths
@pytest.mark.parametrize("layout", FEATURES)
def test_features(tmp_path, trained, layout, examples):
    _, model, codes, _ = trained
    path, storage = tmp_path / "odd.h5", dict(FEATURES[layout])
    with h5py.File(path, "w", libver=storage.pop("libver", None)) as file:
        file.create_dataset("feats", data=QUERY_FRAMES, **storage)
    data, out = path.read_bytes(), tmp_path / "out.npz"

    def check(mutation):
        path.unlink()
        path.write_bytes(mutation.apply(data))
        out.unlink(missing_ok=True)
        words = ("encode", "--method", "lsh", "--checkpoint", model, "--features", path, "--device", "cpu")
        outcome = call(*words, "--out", out, "--cache", tmp_path / "cache")
        if outcome.code == 2:
            assert "odd.h5" in outcome.sentence()
            return
        assert outcome.code == 0
        with h5py.File(path, "r", locking=False) as file:
            values = file["feats"][:]
        found = np.load(out)["codes"]
        assert len(found) == len(values)
        rows = min(len(values), QUERY)
        if values.shape[1:] == QUERY_FRAMES.shape[1:]:
            untouched = (values[:rows] == QUERY_FRAMES[:rows]).all(axis=(1, 2))
            assert np.array_equal(found[:rows][untouched], codes[:rows][untouched])

    hold(examples, mutations(0.15), check)


@both_lengths
def test_checkpoints(tmp_path, trained, examples):
    folder, model, codes, _ = trained
    path, data, out = tmp_path / "odd.pt", model.read_bytes(), tmp_path / "out.npz"

    def check(mutation):
        path.write_bytes(mutation.apply(data))
        out.unlink(missing_ok=True)
        words = ("encode", "--method", "lsh", "--checkpoint", path, "--features", folder / "query.h5")
        outcome = call(*words, "--out", out, "--cache", tmp_path / "cache", "--device", "cpu")
        if outcome.code == 2:
            assert "odd.pt" in outcome.sentence()
        else:  # an archive has a checksum of every part: damage cannot pass unseen
            assert outcome.code == 0
            assert np.array_equal(np.load(out)["codes"], codes)

    hold(examples, mutations(), check)


def run_words(folder, root):
    return ("run", "--methods", "lsh", "--datasets", folder, "--bits", BITS, "--no-page", "--device", "cpu",
            "--results", root / "results", "--cache", root / "cache")  # fmt: skip


def score(root):
    """Return mAP@20 and the fingerprint of the only record, and take the results away."""
    (path,) = (root / "results").rglob("record.json")
    record = json.loads(path.read_text())
    shutil.rmtree(root / "results")
    return record["metrics"]["field"]["metrics"]["map@20"], record["data"]["fingerprint"]


@both_lengths
@pytest.mark.parametrize("by", ["bytes", "fields"])
def test_declarations(tmp_path, by, examples):
    folder = make_dataset(tmp_path / "plain")
    path, text = folder / "dataset.toml", 'title = "One"\nclasses = ["a", "b", "c", "d"]\n' + declaration("plain")
    path.write_text(text)
    assert call(*run_words(folder, tmp_path)).code == 0
    whole = score(tmp_path)

    def check(content):
        changed = content.encode() if isinstance(content, str) else content.apply(text.encode())
        path.write_bytes(changed)
        outcome = call(*run_words(folder, tmp_path))
        if outcome.code == 2:
            shutil.rmtree(tmp_path / "results", ignore_errors=True)
            sentence = outcome.sentence()
            assert "dataset.toml" in sentence or folder.name in sentence
            return
        assert outcome.code == 0
        found = score(tmp_path)
        if tomllib.loads(changed.decode("utf-8-sig")) == tomllib.loads(text):
            assert found == whole

    hold(examples, mutations() if by == "bytes" else fields(text, " "), check)


GROUPS = "split,row,group\n" + "".join(f"train,{row},g{row // 2}\n" for row in range(TRAIN))
GROUPS += "".join(f"query,{row},q{row}\n" for row in range(QUERY))


def partition(text):
    """Return the groups of the rows of each split, as sets; None where a line is not whole."""
    found = {}
    for line in csv.DictReader(io.StringIO(text, newline="")):
        if line.get("split") is None or line.get("row") is None or line.get("group") is None:
            return None
        found.setdefault((line["split"].strip(), line["group"].strip()), set()).add(line["row"].strip())
    return {frozenset({(split, row) for row in rows}) for (split, _), rows in found.items()}


@both_lengths
@pytest.mark.parametrize("by", ["bytes", "fields"])
def test_groups(tmp_path, by, examples):
    folder = make_dataset(tmp_path / "plain")
    path = folder / "videos.csv"
    path.write_text(GROUPS)
    words = (*run_words(folder, tmp_path), "--subset", 32)
    assert call(*words).code == 0
    whole = score(tmp_path)

    def check(content):
        changed = content.encode() if isinstance(content, str) else content.apply(GROUPS.encode())
        path.write_bytes(changed)
        outcome = call(*words)
        if outcome.code == 2:
            shutil.rmtree(tmp_path / "results", ignore_errors=True)
            assert "videos.csv" in outcome.sentence()
            return
        assert outcome.code == 0
        found = score(tmp_path)
        read = partition(changed.decode("utf-8-sig"))
        assert read is not None, "a line without all of its fields gave a number"
        if read == partition(GROUPS):
            assert found == whole

    hold(examples, mutations(0.1) if by == "bytes" else fields(GROUPS, ","), check)


@both_lengths
@pytest.mark.parametrize("by", ["bytes", "fields"])
def test_configurations(tmp_path, by, examples):
    folder = make_dataset(tmp_path / "plain")
    text = (
        f'methods = ["lsh"]\ndatasets = [{json.dumps(str(folder))}]\nbits = [16, 32]\nseeds = [0, 1]\n'
        'select = "last"\nsubset = 48\ncurve = [1, "every:2"]\n\n[set.conmh]\nmask_ratio = 0.5\n'
    )
    path = tmp_path / "odd.toml"

    def check(content):
        path.write_bytes(content.encode() if isinstance(content, str) else content.apply(text.encode()))
        words = ("--dry-run", "--results", tmp_path / "results", "--cache", tmp_path / "cache")
        outcome = call("run", "--config", path, *words)
        assert outcome.code in (0, 2)
        if outcome.code == 2:
            outcome.sentence()
        else:
            assert "lsh on plain" in outcome.out

    hold(examples, mutations() if by == "bytes" else fields(text, " "), check)


@both_lengths
@pytest.mark.parametrize("name", ["record.json", "codes.npz", "model.pt", "queries.npz", "dataset.json", "labels.npz"])
def test_stored_files_are_listed(tmp_path, trained, name, examples):
    results = tmp_path / "results"
    shutil.copytree(trained[3], results)
    (path,) = results.rglob(name)
    data = path.read_bytes()

    def check(mutation):
        path.write_bytes(mutation.apply(data))
        outcome = call("status", "--results", results, "--json")
        assert outcome.code == 0
        (row,) = json.loads(outcome.out)
        assert row["state"] in ("done", "stale", "damaged", "failed")
        assert len(row["detail"]) <= 400

    hold(examples, mutations(), check)


@both_lengths
def test_sources_of_a_virtual_data_set(tmp_path, examples):
    folder = make_dataset(tmp_path / "plain", write_virtual)
    assert call(*run_words(folder, tmp_path)).code == 0
    whole = score(tmp_path)
    path = folder / "part1.h5"
    data = path.read_bytes()

    def check(mutation):
        path.unlink()
        path.write_bytes(mutation.apply(data))
        outcome = call(*run_words(folder, tmp_path))
        if outcome.code == 2:
            shutil.rmtree(tmp_path / "results", ignore_errors=True)
            assert "train.h5" in outcome.sentence()
            return
        assert outcome.code == 0
        found = score(tmp_path)
        try:
            with h5py.File(path, "r", locking=False) as file:
                values = file["feats"][:]
        except Exception:
            raise AssertionError("a source that cannot be read gave a number") from None
        if same(values, np.concatenate([np.zeros((0, FRAMES, DIM), "f4"), _second_half()])):
            assert found == whole

    hold(min(examples, 100), mutations(0.1), check)


def _second_half():
    from tests.support.fault_inputs import TRAIN_FRAMES

    return TRAIN_FRAMES[TRAIN // 2 :]


@both_lengths
def test_two_changes_at_once(tmp_path, trained, examples):
    """Damage comes in pairs too: a changed label file and a changed feature file."""
    folder = make_dataset(tmp_path / "plain")
    names = ("train.h5", "train.npy", "query.h5", "query.npy", "dataset.toml")
    contents = {name: (folder / name).read_bytes() for name in names}
    pairs = st.tuples(st.sampled_from(names), mutations(0.2), st.sampled_from(names), mutations(0.2))

    def check(drawn):
        for name in names:
            (folder / name).unlink()
            (folder / name).write_bytes(contents[name])
        for name, mutation in (drawn[:2], drawn[2:]):
            (folder / name).write_bytes(mutation.apply((folder / name).read_bytes()))
        outcome = call(*run_words(folder, tmp_path))
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        if outcome.code == 2:
            sentence = outcome.sentence()
            assert any(name in sentence for name in (*names, folder.name))
        else:
            assert outcome.code in (0, 1)

    hold(min(examples, 150), pairs, check)
