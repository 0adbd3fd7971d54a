"""The gallery against a brute-force reading of its own rule, and what it says where files are missing."""

import re

import numpy as np
import pytest

from benchmark.evaluation.hamming import pack, unpack
from benchmark.records import facts, record
from benchmark.records.store import scan
from reports import page
from reports.codes import gallery, gallery_queries
from reports.codes.album import Album
from reports.context import PageContext
from reports.matrix import choice
from reports.matrix import grouping as matrix
from reports.matrix.stored import Stored
from tests.support.beside import folder_of, keep_facts, png, put_beside
from tests.support.fakes import make, store

N, Q, BITS, CLASSES = 40, 24, 16, 4


def one_hot(n, classes=CLASSES):
    return np.eye(classes, dtype=np.uint8)[np.arange(n) % classes]


def values(n, seed, zeros=0.0):
    rng = np.random.default_rng(seed)
    return rng.choice([-1, 1], size=(n, BITS)) * (rng.random((n, BITS)) >= zeros)


def precision(seed):
    return np.random.default_rng([7, seed]).choice([0, 0.2, 0.5, 1.0], size=Q)


class World:
    """A results folder with some methods on one dataset, and everything beside the records."""

    def __init__(self, root, methods=("conmh", "itq", "lsh"), zeros=0.0, classes=None, labels=None, **facts_of):
        self.results = root / "results"
        self.records = [make(method, bits=BITS) for method in methods]
        store(self.results, *self.records)
        self.labels = labels or {"database": one_hot(N), "query": one_hot(Q)}
        self.place = keep_facts(self.results, self.records[0], self.labels, classes, **facts_of)
        n, q = len(self.labels["database"]), len(self.labels["query"])
        self.database = [values(n, 10 + i, zeros) for i in range(len(methods))]
        same = facts_of.get("self_retrieval", False)
        self.query = [self.database[i] if same else values(q, 20 + i, zeros) for i in range(len(methods))]
        self.ap = [precision(i)[:q] for i in range(len(methods))]
        for i, item in enumerate(self.records):
            put_beside(self.results, item, self.database[i], self.query[i], self.ap[i])

    def gallery(self, pictures=lambda name, fingerprint, split, row: None):
        """Return the section and the names of the figures that it writes."""
        found = scan(self.results)
        (group,) = matrix.build(found.records)
        context = PageContext(matrix.methods([group]), Stored(self.results, found.folders), pictures, None)
        return gallery.section(group, context), list(context.files)

    def page(self, pictures=lambda *of: None, out="out"):
        path = page.build(self.results, self.results.parent / out, pictures=pictures)
        return path.read_text(encoding="utf-8")


def every(name, fingerprint, split, row):
    return png(row + 1000 * (split == "query"))


def brute_force_choice(ap, answerable):
    mean = [sum(float(a[q]) for a in ap) / len(ap) for q in range(len(answerable))]
    ranked = sorted((q for q in range(len(answerable)) if answerable[q]), key=lambda q: (-round(mean[q], 9), q))
    count = min(6, len(ranked))
    chosen = [ranked[round(i * (len(ranked) - 1) / (count - 1))] for i in range(count)]
    apart = {q: max(a[q] for a in ap) - min(a[q] for a in ap) for q in ranked if q not in chosen}
    return chosen, sorted(apart, key=lambda q: (-round(apart[q], 9), q))[:2]


def test_queries_are_those_of_the_rule(tmp_path):
    world = World(tmp_path)
    blocks = world.gallery()[0].blocks
    ranked, split = brute_force_choice(world.ap, [True] * Q)
    assert [block.row for block in blocks] == ranked + split
    assert len(set(ranked + split)) == 8
    assert [block.why for block in blocks[:6]] == [f"rank {1 + round(i * 23 / 5)} of 24" for i in range(6)]
    assert blocks[5].failure and blocks[6].why == "methods disagree"
    for block in blocks:
        assert [line.ap for line in block.lines] == [f"{a[block.row]:.3f}" for a in world.ap]


def test_queries_without_a_relevant_video_are_not_asked(tmp_path):
    labels = {"database": one_hot(N), "query": one_hot(Q)}
    labels["query"][::3] = 0
    labels["database"][labels["database"][:, 1] == 1] = 0
    world = World(tmp_path, labels=labels)
    answerable = (labels["query"] @ labels["database"].T).any(axis=1)
    ranked, split = brute_force_choice(world.ap, answerable)
    assert 6 < answerable.sum() < Q
    assert [block.row for block in world.gallery()[0].blocks] == ranked + split


def test_one_method_or_one_query_is_enough():
    one = gallery_queries.choose([np.array([0.5, 1.0, 0.0])], np.array([True, True, True]))
    assert [query.row for query in one] == [1, 0, 2]
    assert [query.row for query in gallery_queries.choose([np.array([0.5, 1.0])], np.array([True, False]))] == [0]
    assert gallery_queries.choose([np.ones(2)], np.zeros(2, bool)) == [] == gallery_queries.choose([], np.ones(2, bool))
    tied = gallery_queries.choose([np.array([0.1, 0.3]), np.array([0.2, 0.0])], np.ones(2, bool))
    assert [query.row for query in tied] == [0, 1]


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_nearest_are_those_of_brute_force(tmp_path, zeros):
    world = World(tmp_path, zeros=zeros)
    halves = 0
    for block in world.gallery()[0].blocks:
        for line, database, query in zip(block.lines, world.database, world.query, strict=True):
            away = [(BITS - int(query[block.row] @ code)) / 2 for code in database]
            nearest = sorted(range(N), key=lambda row, away=away: (away[row], row))[:5]
            assert [card.row for card in line.cards] == nearest
            assert [float(card.distance) for card in line.cards] == [away[row] for row in nearest]
            assert [card.relevant for card in line.cards] == [row % 4 == block.row % 4 for row in nearest]
            halves += sum(card.distance.endswith(".5") for card in line.cards)
    assert (halves > 0) == (zeros > 0)


def test_the_query_itself_is_left_out_in_self_retrieval(tmp_path):
    labels = one_hot(Q)
    labels[5] = 0
    labels = np.concatenate([labels, np.zeros((Q, 1), np.uint8)], axis=1)
    labels[5, CLASSES] = 1
    world = World(tmp_path, labels={"database": labels, "query": labels}, self_retrieval=True)
    blocks = world.gallery(every)[0].blocks
    rows = [block.row for block in blocks]
    assert 5 not in rows, "its only relevant video is itself"
    for block in blocks:
        assert all(card.row != block.row for line in block.lines for card in line.cards)
        for line, codes in zip(block.lines, world.database, strict=True):
            away = ((BITS - codes @ codes[block.row]) / 2).tolist()
            others = sorted((row for row in range(Q) if row != block.row), key=lambda row: (away[row], row))
            assert [card.row for card in line.cards] == others[:5]
    (picture,) = {block.picture.name for block in blocks if block.row == rows[0]}
    assert picture == Album(lambda split, row: every("", "", split, row)).get("database", rows[0]).name


def test_nearest_of_a_database_of_three():
    codes = {"database": pack(values(3, 1)), "query": pack(values(2, 2))}
    rows, away = gallery_queries.nearest(codes, 1, False)
    assert len(rows) == 3 and (np.diff(away) >= 0).all()
    assert unpack(codes["query"]).shape == (2, BITS)


def test_names_of_several_labels():
    classes = ["a", "b", "c", "d"]
    assert gallery_queries.names(classes, np.array([0, 1, 0, 0])) == "b"
    assert gallery_queries.names(classes, np.array([1, 1, 1, 1])) == "a, b +2"
    assert gallery_queries.names(classes, np.array([1, 1, 0, 1]), first=np.array([0, 0, 0, 1])) == "d, a +1"
    assert gallery_queries.names(classes, np.zeros(4, int)) == "no class"


def test_relevant_is_what_shares_a_class_among_several(tmp_path):
    rng = np.random.default_rng(3)
    labels = {"database": (rng.random((N, 6)) < 0.4).astype(np.uint8), "query": one_hot(Q, 6) | one_hot(Q, 6)[::-1]}
    world = World(tmp_path, labels=labels)
    for block in world.gallery()[0].blocks:
        for card in (card for line in block.lines for card in line.cards):
            shared = labels["query"][block.row] & labels["database"][card.row]
            assert card.relevant == shared.any()
            assert not card.relevant or card.names.split(",")[0].split(" +")[0] == (
                f"class {1 + int(np.flatnonzero(shared)[0])}"
            )


def test_code_length_and_seed_are_stated(tmp_path):
    records = [make("itq", bits=b, seed=s) for b in (16, 64, 128) for s in (0, 1, 2)]
    records += [make("lsh", bits=b, seed=s) for b in (16, 64, 128) for s in (1, 2)]
    (group,) = matrix.build(records)
    assert [r.identity.seed for _, r in choice.one_each(group, 64)] == [1, 1]
    (group,) = matrix.build([make("itq", seed=3), make("itq", seed=4), make("lsh", seed=2), make("sh", seed=9)])
    assert [r.identity.seed for _, r in choice.one_each(group, 64)] == [3, 2, 9]
    found = gallery.section(group, PageContext(["itq", "lsh", "sh"], Stored(tmp_path, {}), every, None))
    assert found.bits == 64 and "as they share none (ITQ 3, LSH 2, SH 9)" in found.seeds
    (group,) = matrix.build([make("itq", bits=16), make("lsh", bits=32)])
    assert gallery.section(group, PageContext(["itq", "lsh"], Stored(tmp_path, {}), every, None)).bits == 32


def test_rows_without_files_say_what_they_lack_and_what_writes_it(tmp_path):
    world = World(tmp_path, methods=("conmh", "itq", "lsh", "sh"))
    (folder_of(world.results, world.records[0]) / record.CODES).unlink()
    (folder_of(world.results, world.records[1]) / record.QUERIES).write_bytes(b"PK\x03\x04 damaged")
    put_beside(world.results, world.records[3], values(N + 1, 1), values(Q, 2), np.ones(Q))
    found, _ = world.gallery()
    assert [line.label for line in found.blocks[0].lines] == ["LSH"]
    lacking = {item.label: item for item in found.lacking}
    assert {label: item.what for label, item in lacking.items()} == {
        "ConMH": "codes", "ITQ": "AP@5 of every query", "SH": "files of the dataset's size",
    }  # fmt: skip
    command = "python -m benchmark run --methods itq --datasets ucf101 --bits 16 --seeds 0 --rerun all"
    assert lacking["ITQ"].command == command and command in world.page()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"<html>"])
def test_without_facts_any_run_of_the_same_cells_writes_them(tmp_path, damage):
    world = World(tmp_path)
    (world.place / facts.LABELS).write_bytes(damage)
    found, figures = world.gallery(every)
    assert found.blocks == [] and figures == []
    assert {item.what for item in found.lacking} == {"names and labels of the dataset"}
    assert not any("--rerun" in item.command for item in found.lacking)
    assert "Rows that cannot be shown here" in world.page(every)
    keep_facts(world.results, world.records[0], world.labels)
    assert len(world.gallery()[0].blocks) == 8


def test_a_dataset_without_a_finished_cell_has_no_gallery(tmp_path):
    store(tmp_path / "results", make(failed="no memory"))
    text = page.build(tmp_path / "results", tmp_path / "out").read_text(encoding="utf-8")
    assert "Five nearest" not in text


def test_each_picture_is_on_the_page_once(tmp_path):
    world = World(tmp_path)
    text = world.page(lambda name, fingerprint, split, row: png(row % 5))
    urls = re.findall(r"url\((data:[^)]*)\)", text)
    assert len(urls) == len(set(urls)) == 5
    head, body = text.split("<body>")
    assert all(url in head and url not in body for url in urls) and "img-src data:" in head
    used = set(re.findall(r'class="pic (p-\w+)"', body))
    assert used == set(re.findall(r"\.(p-\w+)\{--r:2.5;", head))
    assert body.count('role="img" aria-label="frames of') == 8 * (1 + 3 * 5)
    assert "no preview" not in body


def test_relevance_is_told_in_marks_and_words(tmp_path):
    world = World(tmp_path)
    text = world.page()
    cards = [c for block in world.gallery()[0].blocks for line in block.lines for c in line.cards]
    right = sum(card.relevant for card in cards)
    assert 0 < right < len(cards)
    assert text.count('<div class="card good">') == text.count('<span class="unseen">relevant,</span>') == right
    assert text.count('<span class="unseen">not relevant,</span>') == len(cards) - right
    assert text.count(">✗</span>") == len(cards) - right
    assert all(f"<small>video {card.row}</small>" in text for card in cards)
    assert "There are no pictures of these videos here" in text and "no preview" not in text


def test_some_videos_without_a_picture_are_honest_cards(tmp_path):
    world = World(tmp_path)
    text = world.page(lambda name, fingerprint, split, row: every(name, fingerprint, split, row) if row % 2 else None)
    assert '<div class="pic blank">no preview</div>' in text and 'role="img"' in text
    assert not list((tmp_path / "out" / "figures").glob("*top5*")), "a figure needs all of its pictures"


@pytest.mark.parametrize("data", [b"", b"GIF89a", png(1)[:60], b"<svg onload='x'/>"])
def test_a_damaged_picture_is_no_picture(tmp_path, data):
    world = World(tmp_path)
    found, figures = world.gallery(lambda *of: data)
    assert not found.pictured and found.rules == {} and figures == [] and len(found.blocks) == 8


def test_names_of_classes_are_escaped(tmp_path):
    world = World(tmp_path, classes=["<b>bold</b>", 'a "quote"', "c\nd", "</style><script>x"])
    text = world.page(every)
    assert "<b>bold" not in text and "<script>x" not in text and "&lt;b&gt;bold" in text
    assert '"frames of query' in text and "&#34;quote&#34;" in text


def test_pictures_keep_to_the_budget_and_failures_stay(tmp_path, monkeypatch):
    world = World(tmp_path)
    whole = world.gallery(every)[0]
    assert whole.dropped == 0 and len(whole.blocks) == 8
    monkeypatch.setattr(gallery, "BUDGET", sum(map(len, whole.rules.values())) * 4 // 5)
    less = world.gallery(every)[0]
    assert sum(map(len, less.rules.values())) <= gallery.BUDGET
    assert 0 < less.dropped == 8 - len(less.blocks)
    kept = [block.row for block in less.blocks]
    assert kept == [block.row for block in whole.blocks if block.row in kept]
    gone = [block for block in whole.blocks if block.row not in kept]
    assert not any(block.failure for block in gone) and gone[-1].row == whole.blocks[-1].row
    assert f"{less.dropped} queries were left out" in world.page(every)
    monkeypatch.setattr(gallery, "BUDGET", 1)
    none, figures = world.gallery(every)
    assert none.too_large and not none.pictured and not none.rules and len(none.blocks) == 8 and figures
    assert "would make the page too large" in world.page(every)


def test_figures_for_papers_lie_beside_the_page(tmp_path):
    world = World(tmp_path)
    text = world.page(every)
    names = {path.name for path in (tmp_path / "out" / "figures").glob("*top5*")}
    assert names == {f"ucf101-top5-16-{m}.{kind}" for m in ("conmh", "itq", "lsh") for kind in ("svg", "pdf")}
    assert all(f'href="figures/{name}"' in text for name in names)
    drawn = (tmp_path / "out" / "figures" / "ucf101-top5-16-itq.svg").read_text()
    assert drawn.count("<image") == 4 * 6 and "✗ d " in drawn and "query: class" in drawn


def test_two_builds_are_identical_to_the_byte(tmp_path):
    world = World(tmp_path, methods=("itq", "lsh"))
    first, again = world.page(every), world.page(every, out="again")
    assert first == again
    for path in (tmp_path / "out" / "figures").glob("*top5*"):
        assert path.read_bytes() == (tmp_path / "again" / "figures" / path.name).read_bytes()
