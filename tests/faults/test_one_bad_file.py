"""One damaged file of a results folder or of the page never takes the page: it is built, and tells what it lacks."""

import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import BadInput
from benchmark.paths import Roots
from benchmark.publish.previews import Previews
from benchmark.records.robustness import Robustness
from benchmark.records.robustness import read as read_robustness
from benchmark.scaling import store as scaling_store
from reports import page
from reports.codes import gallery_figure
from reports.drawing.canvas import Drawing
from reports.robustness import figure
from reports.scores import curves
from tests.support.fault_inputs import QUERY, TRAIN, make_dataset
from tests.support.mutations import call

CELL = "plain/lsh/16/*/"
TOLD = {
    CELL + "record.json": "What is missing",
    CELL + "codes.npz": "its codes.npz is absent or cannot be read",
    CELL + "queries.npz": "queries.npz is absent, unreadable or without this protocol",
    CELL + "robustness.json": "robustness.json cannot be read",
    CELL + "robustness.npz": "its robustness.npz is absent, cannot be read or is of another run",
    "plain/data-*/dataset.json": "names and labels of the dataset",
    "plain/data-*/labels.npz": "names and labels of the dataset",
}
"""Files of a results folder, and what the page says where one is damaged."""
MADE_AGAIN = (
    "plain/data-*/previews/query-*",
    "html/cache/tsne-*",
    "html/cache/comparison-*",
    "html/cache/robustness-*",
    "html/files.json",
)
"""Files whose damage the page need not mention, as it makes them again."""
DAMAGE = {
    "flip": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "deep": lambda data: b"[" * 100_000,
    "folder": None,
}


def plain_drawing(name, *rest, **more):
    return Drawing(name, b"<svg></svg>", b"%PDF", "")


@pytest.fixture(scope="module", autouse=True)
def without_figures():
    """Figures depend on no file that their tables do not depend on, and take most of a page's time."""
    with (
        mock.patch.object(gallery_figure, "draw", plain_drawing),
        mock.patch.object(figure, "panels", lambda *rest: None),
        mock.patch.object(curves, "figures", lambda *rest, **more: []),
    ):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A results folder of two cells with robustness, pictures and a page, and the root of its data."""
    root = tmp_path_factory.mktemp("whole")
    folder = make_dataset(root / "plain")
    draws = np.random.default_rng(0)
    for split, n in (("train", TRAIN), ("query", QUERY)):
        (folder / "previews" / split).mkdir(parents=True)
        for row in range(n):
            pixels = draws.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "previews" / split / f"{row}.png")
    words = ("--bits", 16, "--device", "cpu", "--robustness", "--results", root / "results", "--cache", root / "cache")
    for method in ("lsh", "random"):
        assert call("run", "--methods", method, "--datasets", folder, "--no-page", *words).code == 0
    build(root / "results", root)
    return root


def build(results, root):
    roots = Roots(data=root / "no-data", cache=root / "cache")
    return page.build(results, results / "html", pictures=Previews(results, roots).picture).read_text(encoding="utf-8")


def damage(path, kind):
    data = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(DAMAGE[kind](data))


@pytest.fixture
def results(whole, tmp_path):
    return shutil.copytree(whole / "results", tmp_path / "results")


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", TOLD)
def test_a_damaged_file_is_told(whole, results, name, kind):
    path = next(results.glob(name))
    damage(path, kind)
    text = build(results, whole)
    # a changed letter may be a title as good as the old one, and archives have bytes that nobody reads
    harmless = kind == "flip" and (path.suffix == ".json" or text == (whole / "results/html/index.html").read_text())
    assert harmless or TOLD[name] in text
    assert "Random" in text


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_can_be_made_again_is(whole, results, kind):
    before = build(results, whole)
    for name in MADE_AGAIN:
        damage(next(results.glob(name)), kind)
    text = build(results, whole)
    notes = "files.json beside this page cannot be written"
    assert (notes in text) is (kind == "folder")
    if kind != "folder":
        assert text == before


LEAVES = (None, "x", 1e300, -1, [], {}, True, 10**30, [1], {"a": 1}, "\x00<b>", 0.5, ...)
"""What a value of a JSON file is replaced by; the last takes it away."""


def places(value, path=()):
    """Yield the place of every value, of lists the first and the last."""
    if path:
        yield path
    ends = [(0, value[0]), (-1, value[-1])] if isinstance(value, list) and value else []
    for key, inner in value.items() if isinstance(value, dict) else ends:
        yield from places(inner, (*path, key))


def changed(content, path, new):
    """Return a copy with another value, or none, at a place."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


@pytest.mark.parametrize("draws", [pytest.param(10, id="short"),
                                   pytest.param(600, id="long", marks=pytest.mark.slow)])  # fmt: skip
@pytest.mark.parametrize("name", ["record.json", "robustness.json", "dataset.json"])
def test_any_value_may_be_another(whole, results, name, draws):
    path = next(results.glob(f"plain/*/{name}" if name == "dataset.json" else CELL + name))
    content = json.loads(path.read_text())
    every = [(place, new) for place in places(content) for new in LEAVES]
    for at in np.random.default_rng(len(name)).choice(len(every), draws, replace=False):
        place, new = every[at]
        path.write_text(json.dumps(changed(content, place, new)))
        try:
            text = build(results, whole)
        except Exception as error:
            raise AssertionError(f"{name}: {place} = {new!r}: {error!r}") from error
        assert "Random" in text, (place, new)


def test_numbers_that_robustness_lacks_are_told(results):
    path = next(results.glob(CELL + "robustness.json"))
    content = json.loads(path.read_text())
    assert isinstance(read_robustness(path.parent, content["key"]), Robustness)
    for place in places(content):
        if place[0] in ("clean", "perturbed"):
            path.write_text(json.dumps(changed(content, place, ...)))
            assert isinstance(read_robustness(path.parent, content["key"]), str), place


@pytest.mark.parametrize("kind", DAMAGE)
def test_measurements_of_scale(tmp_path, kind):
    path = Path(tmp_path / scaling_store.JSON)
    scaling_store.save(tmp_path, [{"identity": {"method": "lsh"}, "phases": {}}], {})
    damage(path, kind)
    with pytest.raises(BadInput, match=r"scaling\.json"):
        scaling_store.load(tmp_path)


@pytest.mark.parametrize("measurements", [3, [1], [{"identity": 3}], [{"identity": {}}]])
def test_measurements_of_another_form(tmp_path, measurements):
    content = {"format": scaling_store.FORMAT, "measurements": measurements}
    (tmp_path / scaling_store.JSON).write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"scaling\.json"):
        scaling_store.load(tmp_path)
