"""t-SNE of codes: which videos and cells are drawn, what is kept, and what is said where there is nothing."""

import re

import numpy as np
import pytest

from benchmark.evaluation.hamming import pack
from benchmark.records.store import scan
from reports import page
from reports.codes import embedding, projection, scatter
from reports.matrix import choice
from reports.matrix import grouping as matrix
from reports.matrix.stored import Stored
from tests.support import beside
from tests.support.fakes import make, store

BITS = 64


def one_hot(classes, width):
    return np.eye(width, dtype=np.uint8)[classes]


def values(classes, noise, seed, bits=BITS):
    """Codes around a random code of each class; ``noise`` 0.5 flips every bit with even odds."""
    rng = np.random.default_rng(seed)
    centres = rng.choice([-1, 1], (classes.max() + 1, bits))
    return centres[classes] * np.where(rng.random((len(classes), bits)) < noise, -1, 1)


def folder(root, cells, labels, names=None):
    """Store records with codes; ``cells`` are pairs of a record and its database values, or None for no codes."""
    store(root, *(record for record, _ in cells))
    for record, held in cells:
        if held is not None:
            beside.codes(root, record, held, held[:1])
    if labels is not None:
        beside.keep_facts(root, cells[0][0], labels, names or [f"class {i}" for i in range(labels.shape[1])])
    return root


def drawn(root, cache=None):
    found = scan(root)
    (group,) = matrix.build(found.records)
    return embedding.embeddings(group, Stored(root, found.folders), cache)


def numbers(panel):
    return float(panel.silhouette.replace("−", "-")), float(panel.nearest)


@pytest.fixture
def classes():
    return np.repeat(np.arange(3), 20)


@pytest.fixture
def root(tmp_path, classes):
    """ConMH with classes far apart, LSH with random codes."""
    cells = [(make("conmh"), values(classes, 0.05, 1)), (make("lsh"), values(classes, 0.5, 2))]
    return folder(tmp_path / "results", cells, one_hot(classes, 3))


def test_separated_classes_have_a_higher_number_than_random_codes(root, classes):
    shown = drawn(root)
    assert [panel.label for panel in shown.panels] == ["ConMH", "LSH"]
    apart, mixed = map(numbers, shown.panels)
    assert apart[0] > 0.6 and apart[1] == 1
    assert abs(mixed[0]) < 0.1 and mixed[1] < 0.7
    assert [entry[:2] for entry in shown.legend] == [("class 0", 20), ("class 1", 20), ("class 2", 20)]
    assert not shown.lacking and not shown.reason
    assert "all 3 classes" in shown.about[0] and "seed 0" in shown.about[0]


def naive(held, classes):
    """Silhouette and nearest-neighbour share, one pair of codes at a time; a zero is half a mismatch."""

    def distance(a, c):
        return sum(0.5 if 0 in (x, y) else float(x != y) for x, y in zip(a, c, strict=True))

    n, scores, hits = len(held), [], []
    for i in range(n):
        far = [distance(held[i], held[j]) for j in range(n)]
        by = {c: [far[j] for j in range(n) if classes[j] == c and j != i] for c in set(classes)}
        a = sum(by[classes[i]]) / len(by[classes[i]])
        b = min(sum(d) / len(d) for c, d in by.items() if c != classes[i])
        scores.append((b - a) / max(a, b))
        least = min(far[j] for j in range(n) if j != i)
        near = [classes[j] == classes[i] for j in range(n) if j != i and far[j] == least]
        hits.append(sum(near) / len(near))
    return sum(scores) / n, sum(hits) / n


@pytest.mark.parametrize("zeros", [False, True])
def test_the_numbers_are_those_of_a_loop_over_pairs(zeros):
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [5, 9, 4]).tolist()
    held = rng.choice([-1, 0, 1] if zeros else [-1, 1], (18, 6))
    apart = projection.distances(pack(held))
    want = naive(held.tolist(), classes)
    np.testing.assert_allclose(projection.silhouette(apart, np.array(classes)), want[0], atol=1e-6)
    np.testing.assert_allclose(projection.nearest(apart, np.array(classes)), want[1], atol=1e-12)


def test_what_was_computed_is_kept_by_content(root, tmp_path, classes, monkeypatch):
    first = drawn(root, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    with monkeypatch.context() as patch:
        patch.setattr(projection, "project", lambda *_: pytest.fail("computed again"))
        assert drawn(root, tmp_path / "cache") == first
    beside.codes(root, make("lsh"), values(classes, 0.3, 3), values(classes, 0.3, 3)[:1])
    again = drawn(root, tmp_path / "cache")
    assert again.panels[0] == first.panels[0] and again.panels[1] != first.panels[1]
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no zip"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: np.savez(path, points=np.zeros((3, 2), np.float32), numbers=np.zeros(2)),
        lambda path: np.savez(path, points=np.full((60, 2), np.nan, np.float32), numbers=np.zeros(2)),
        lambda path: np.savez(path, points=np.array([{}], object), numbers=np.zeros(2)),
    ],
)
def test_a_damaged_kept_file_is_made_anew(root, tmp_path, damage):
    cache = tmp_path / "cache"
    first = drawn(root, cache)
    sound = {path: path.read_bytes() for path in cache.iterdir()}
    for path in sound:
        damage(path)
    assert drawn(root, cache) == first
    assert {path: path.read_bytes() for path in cache.iterdir()} == sound


@pytest.mark.filterwarnings("error")
def test_constant_codes_have_no_number_and_the_reason_stands_there(tmp_path, classes):
    cells = [(make("conmh"), np.ones((60, BITS))), (make("lsh"), values(classes, 0.1, 1))]
    shown = drawn(folder(tmp_path / "results", cells, one_hot(classes, 3)), tmp_path / "cache")
    constant, other = shown.panels
    assert (constant.silhouette, constant.why) == ("—", "all its codes are the same")
    assert "undefined" in constant.alt and not other.why
    assert drawn(tmp_path / "results", tmp_path / "cache") == shown


@pytest.mark.filterwarnings("error")
def test_few_distinct_codes_and_undecided_bits_are_drawn(tmp_path, classes):
    rng = np.random.default_rng(0)
    two = np.where(np.arange(60)[:, None] % 2, 1, -1) * np.ones((1, BITS))
    cells = [(make("conmh"), two), (make("lsh"), rng.choice([-1, 0, 1], (60, BITS)))]
    shown = drawn(folder(tmp_path / "results", cells, one_hot(classes, 3)))
    assert all(np.isfinite(numbers(panel)).all() and "nan" not in panel.svg for panel in shown.panels)


def test_one_class_has_no_number(tmp_path):
    classes = np.zeros(30, int)
    root = folder(tmp_path / "results", [(make(), values(classes, 0.2, 1))], one_hot(classes, 1), ["all"])
    (panel,) = drawn(root).panels
    assert (panel.silhouette, panel.why) == ("—", "there is one class only")


def test_videos_are_of_the_first_ten_classes_and_bear_one_label():
    rng = np.random.default_rng(0)
    labels = one_hot(np.arange(240) % 12, 12)
    labels[rng.choice(240, 60, replace=False), 11] = 1
    videos = embedding.chosen(labels)
    want = [row for row in range(240) if labels[row].sum() == 1 and labels[row].argmax() < 10]
    assert videos.rows.tolist() == want
    assert videos.classes.tolist() == labels[want].argmax(axis=1).tolist()
    assert videos.left == sum(labels[row].sum() > 1 and labels[row, :10].any() for row in range(240))
    said = embedding.about(64, [make()], videos, 12, 1500)[0]
    assert "the first 10 of 12 classes" in said and f"without {videos.left} that bear several labels" in said


def test_at_most_so_many_points_the_same_each_time():
    labels = one_hot(np.arange(6000) % 4, 4)
    videos = embedding.chosen(labels)
    assert len(videos.rows) == 5000 and videos.eligible == 6000
    assert (np.diff(videos.rows) > 0).all() and (videos.classes == videos.rows % 4).all()
    assert np.array_equal(videos.rows, embedding.chosen(labels).rows)
    said = embedding.about(64, [make()], videos, 4, 1500)[0].replace("\u202f", "")
    assert "5000 of 6000" in said and "shows 1500 of them" in said


def test_the_page_shows_fewer_points_than_the_files(root, monkeypatch):
    whole = drawn(root)
    monkeypatch.setattr(embedding, "MOST_INLINE", 24)
    shown = drawn(root)
    assert shown.figure.svg == whole.figure.svg
    assert all(panel.svg.count("h0") <= 24 < other.svg.count("h0")
               for panel, other in zip(shown.panels, whole.panels, strict=True))  # fmt: skip


def test_all_methods_show_the_same_videos(root, monkeypatch):
    """Codes that hold the number of their row say which rows were drawn."""
    monkeypatch.setattr(embedding, "MOST", 40)
    numbered = np.pad(((np.arange(60)[:, None] >> np.arange(6)) & 1) * 2 - 1, ((0, 0), (0, BITS - 6)))
    for method in ("conmh", "lsh"):
        beside.codes(root, make(method), numbered, numbered[:1])
    seen = []

    def made(codes, classes, *_):
        seen.extend((held.packed[:, 0].tolist(), classes.tolist()) for held in codes)
        return [projection.Projection(np.zeros((held.n, 2), np.float32), 0.0, 0.0) for held in codes]

    monkeypatch.setattr(projection, "projections", made)
    drawn(root)
    assert len(seen) == 2 and seen[0] == seen[1]
    rows, classes = seen[0]
    assert len(set(rows)) == 40 and classes == [row // 20 for row in rows]


def test_the_length_is_64_bits_or_else_the_longest_that_is_done(tmp_path, classes):
    cells = [(make(bits=bits), values(classes, 0.1, 1, bits)) for bits in (16, 32)]
    shown = drawn(folder(tmp_path / "a", cells, one_hot(classes, 3)))
    assert shown.bits == 32 and "32 bits (no cell of 64 bits is done)" in shown.about[0]
    cells += [(make(bits=bits), values(classes, 0.1, 1, bits)) for bits in (64, 128)]
    assert drawn(folder(tmp_path / "b", cells, one_hot(classes, 3))).bits == 64


def test_the_seed_is_the_lowest_that_all_rows_share():
    def seeds(*held):
        group = matrix.build([make(method, seed=seed) for method, seed in held])[0]
        return [record and record.identity.seed for _, record in choice.one_each(group, BITS)]

    assert seeds(("conmh", 0), ("conmh", 1), ("lsh", 1), ("lsh", 2)) == [1, 1]
    assert seeds(("conmh", 3), ("conmh", 1), ("lsh", 2)) == [1, 2]


def test_rows_on_their_own_seeds_say_so(tmp_path, classes):
    cells = [(make("conmh", seed=0), values(classes, 0.1, 1)), (make("lsh", seed=1), values(classes, 0.4, 1))]
    shown = drawn(folder(tmp_path / "results", cells, one_hot(classes, 3)))
    assert shown.seeds_differ and "no seed is common" in shown.about[0]
    assert [panel.seed for panel in shown.panels] == [0, 1]


def test_what_cannot_be_drawn_has_its_reason(tmp_path, classes):
    held = values(classes, 0.1, 1)
    cells = [(make("conmh"), held), (make("lsh"), None), (make("sh"), held[:50]), (make("itq", bits=32), None)]
    root = folder(tmp_path / "results", cells, one_hot(classes, 3))
    shown = drawn(root)
    assert [panel.label for panel in shown.panels] == ["ConMH"]
    assert dict(shown.lacking) == {
        "LSH": "its codes.npz is absent or cannot be read",
        "SH": "its codes.npz holds 50 codes of 64 bits for 60 videos",
        "ITQ": "no done cell of 64 bits",
    }


def test_without_labels_codes_or_videos_a_sentence_stands_there(tmp_path, classes):
    held = values(classes, 0.1, 1)
    assert drawn(folder(tmp_path / "a", [(make(), held)], None)).reason == embedding.NO_LABELS
    assert "No cell has codes" in drawn(folder(tmp_path / "b", [(make(), None)], one_hot(classes, 3))).reason
    assert "too few" in drawn(folder(tmp_path / "c", [(make(), held)], np.ones((60, 3), np.uint8))).reason
    assert drawn(store(tmp_path / "d", make(failed="no memory"))) is None


def test_inline_dots_lie_where_the_points_are():
    points = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0]])
    text = scatter.inline(points, np.array([0, 0, 0, 0]), "name", "alt")
    steps = np.array(re.findall(r"m(-?\d+) ?(-?\d+)h0", text), int)
    margin = scatter.LARGE[0]
    want = {(margin, 370), (489, 370), (489, 130), (margin, 130)}
    assert {(int(x), int(y)) for x, y in steps.cumsum(axis=0)} <= {(x, y + d) for x, y in want for d in (-1, 0, 1)}
    assert len(steps) == 4


def test_two_builds_give_the_same_bytes_with_and_without_a_cache(root, tmp_path, monkeypatch):
    def built(name):
        path = page.build(root, tmp_path / name)
        return {p.relative_to(path.parent): p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}

    first, second = built("one"), built("two")
    assert first == second == built("one")
    names = {str(name) for name in first if "tsne" in str(name) and "cache" not in str(name)}
    assert names == {"figures/ucf101-64-tsne.svg", "figures/ucf101-64-tsne.pdf"}
    text = (tmp_path / "one" / "index.html").read_text(encoding="utf-8")
    assert text.count('aria-labelledby="alt-ucf101-tsne-') == text.count('id="alt-ucf101-tsne-') == 2
    assert text.count('<figure data-row="') == 2 and "var(--c2)" in text


def test_long_labels_and_names_stay_text(tmp_path, classes):
    cells = [(make(title="<b>" + "long " * 20), values(classes, 0.1, 1))]
    root = folder(tmp_path / "results", cells, one_hot(classes, 3), ["<i>x</i>", "y" * 90, "$z$"])
    text = page.build(root, tmp_path / "out").read_text(encoding="utf-8")
    assert "&lt;i&gt;x" in text and "<i>x" not in text and "y" * 41 not in text
