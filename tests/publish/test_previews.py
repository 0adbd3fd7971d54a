"""Pictures of videos: the geometry of a strip, where thumbnails are looked for, and what stops no report."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmark.catalogue import registry
from benchmark.data.file_dataset import load_folder
from benchmark.files.pictures import GAP, read_frames, strip
from benchmark.paths import Roots
from benchmark.publish.previews import Previews
from benchmark.records import facts
from tests.support.made_datasets import refusal, write_own


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def clip(n, height, width, colour=False):
    """Frames of one level each: the frame's number."""
    frames = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None] * 8, (n, height, width))
    return np.repeat(frames[..., None], 3, axis=3) if colour else frames


@pytest.mark.parametrize(("n", "shown"), [(25, (4, 12, 20)), (6, (1, 3, 5)), (3, (0, 1, 2)), (2, (0, 1)), (1, (0,))])
def test_a_strip_shows_the_middles_of_three_thirds(n, shown):
    pixels = opened(strip(clip(n, 32, 20)))
    assert pixels.shape == (64, 40 * len(shown) + GAP * (len(shown) - 1), 3)
    for place, number in enumerate(shown):
        left = place * (40 + GAP)
        assert (pixels[:, left : left + 40] == 8 * number).all()
        assert (np.abs(pixels[:, left + 40 : left + 40 + GAP].astype(int) - 128) <= 24).all()


def test_small_frames_are_enlarged_by_a_whole_factor_and_keep_every_pixel():
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 10), dtype=np.uint8)
    data = strip(frames)
    assert data.startswith(b"\x89PNG")
    pixels = opened(data)[:, :, 0]
    assert pixels.shape == (60, 3 * 30 + 2 * GAP)
    np.testing.assert_array_equal(pixels[1::3, 1:30:3], frames[0])
    np.testing.assert_array_equal(pixels[:, -30:], frames[2].repeat(3, axis=0).repeat(3, axis=1))


def test_large_frames_are_reduced():
    pixels = opened(strip(clip(9, 120, 160)))
    assert pixels.shape == (48, 3 * 64 + 2 * GAP, 3)
    assert [int(pixels[24, left + 32, 0]) for left in (0, 66, 132)] == [8, 32, 56]


def test_colour_is_a_jpeg_and_few_grey_levels_a_palette():
    data = strip(clip(9, 48, 64, colour=True))
    assert data.startswith(b"\xff\xd8\xff") and opened(data).shape == (48, 196, 3)
    few = np.random.default_rng(0).integers(0, 16, (3, 32, 32), dtype=np.uint8) * 17
    many = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    assert Image.open(io.BytesIO(strip(few))).mode == "P" and Image.open(io.BytesIO(strip(many))).mode == "L"
    assert strip(few) == strip(few)
    np.testing.assert_array_equal(opened(strip(few))[::2, :64:2, 0], few[0])


@pytest.mark.parametrize("wrong", [np.zeros((3, 4, 4)), np.zeros((0, 4, 4), np.uint8), np.zeros((4, 4), np.uint8)])
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(ValueError, match="no pictures"):
        strip(wrong)


def moving(path, colours):
    frames = [Image.new("RGB", (16, 12), colour) for colour in colours]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **options)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_thumbnails_that_move_have_frames(tmp_path, kind):
    moving(tmp_path / f"0.{kind}", [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    frames = read_frames(tmp_path / f"0.{kind}")
    assert frames.shape == (3, 12, 16, 3) and frames.dtype == np.uint8
    assert [frame[0, 0].tolist() for frame in frames] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_a_still_thumbnail_is_one_frame_and_a_damaged_one_is_none(tmp_path):
    Image.new("L", (8, 6), 9).save(tmp_path / "0.png")
    assert read_frames(tmp_path / "0.png").shape == (1, 6, 8, 3)
    (tmp_path / "0.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    assert read_frames(tmp_path / "0.png") is None
    (tmp_path / "1.jpg").write_text("<html>")
    assert read_frames(tmp_path / "1.jpg") is None


@pytest.fixture
def own(tmp_path):
    folder = write_own(tmp_path / "own")
    for name in ("thumbs", "previews/database"):
        (folder / name).mkdir(parents=True)
    Image.new("RGB", (8, 6), (9, 9, 9)).save(folder / "thumbs" / "v02.jpg")
    Image.new("RGB", (8, 6), (9, 9, 9)).save(folder / "thumbs" / "1.png")
    moving(folder / "previews" / "database" / "3.gif", [(255, 0, 0), (0, 255, 0)])
    return folder


def declare(folder, place, table="[query]"):
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(text.replace(table, f'{table}\npreviews = "{place}"'))
    return folder


def test_a_pattern_or_a_folder_of_thumbnails(own, tmp_path):
    dataset = load_folder(own, tmp_path)
    assert dataset.preview("query", 1) is None, "no default folder for the queries"
    assert dataset.preview("database", 3).shape == (2, 6 * 2, 8 * 2, 3) and dataset.preview("database", 4) is None
    before = dataset.fingerprint
    dataset = load_folder(declare(own, "thumbs/v{row:02d}.jpg"), tmp_path)
    assert dataset.preview("query", 2).shape == (1, 6, 8, 3) and dataset.preview("query", 1) is None
    assert dataset.fingerprint == before, "thumbnails are no data"


def test_a_folder_of_thumbnails(own, tmp_path):
    dataset = load_folder(declare(own, "thumbs"), tmp_path)
    assert dataset.preview("query", 1).shape == (1, 6, 8, 3) and dataset.preview("query", 2) is None


def test_a_dataset_of_the_field_has_a_folder_beside_its_features(own, tmp_path):
    from benchmark.data.file_dataset import FileDataset, Source

    class Made(FileDataset):
        source = "here"
        train_files = Source(("train.h5",), key="vgg")
        database_files = Source(("db_1.h5", "db_2.h5"), ("db.mat",))

        @classmethod
        def default_name(cls):
            return "own"

    dataset = Made(Roots(own.parent, tmp_path))
    assert dataset.self_retrieval and dataset.preview("query", 3).shape == (2, 12, 16, 3)
    assert dataset.preview("train", 3) is None


WRONG = {
    "thums": ("no such folder of thumbnails; found", "/own/thums; correct it, or leave the key out"),
    "thums/{row}.jpg": ("no such folder of thumbnails; found", "/own/thums;"),
    "thumbs/{rwo}.jpg": ('is no pattern of file names; expected one like "thumbs/{row}.jpg", found \'thumbs/{rwo}',),
    "thumbs/{row.jpg": ("is no pattern of file names",),
    "thumbs/{row:x.y}.jpg": ("is no pattern of file names",),
}


@pytest.mark.parametrize("place", WRONG)
def test_wrong_places_are_told_in_one_sentence(own, tmp_path, place):
    told = refusal(load_folder, declare(own, place), tmp_path)
    assert told.startswith(f"{own}/dataset.toml: key 'query.previews': ") and "\n" not in told
    assert all(part in told for part in WRONG[place])


class Counted:
    """Stands for a dataset: counts how often it is opened and asked."""

    def __init__(self, monkeypatch, frames, fingerprint="f" * 32, self_retrieval=False):
        self.name, self.title, self.source, self.classes = "made", "Made", "here", ("a", "b")
        self.fingerprint, self.self_retrieval = fingerprint, self_retrieval
        self.drawn = None
        self.frames, self.opens, self.asked = frames, 0, []
        monkeypatch.setattr(registry, "open_dataset", self.open)

    def labels(self, split):
        return np.eye(2, dtype=np.uint8)

    def open(self, argument, roots):
        self.opens += 1
        if isinstance(self.frames, Exception):
            raise self.frames
        return self

    def preview(self, split, row):
        self.asked.append((split, row))
        return self.frames

    def lend(self, tmp_path, split="query", row=0, fingerprint="f" * 32):
        return Previews(tmp_path, Roots(tmp_path, tmp_path)).picture("made", fingerprint, split, row)


def test_a_picture_is_made_once_and_kept(tmp_path, monkeypatch):
    made = Counted(monkeypatch, clip(5, 32, 32))
    place = facts.keep(tmp_path, made, "made") / "previews"
    lender = Previews(tmp_path, Roots(tmp_path, tmp_path))
    data = [lender.picture("made", "f" * 32, "query", row) for row in (0, 1, 1)]
    assert made.opens == 1 and made.asked == [("query", 0), ("query", 1)]
    assert data[0] == strip(made.frames) == (place / "query-0.png").read_bytes()
    assert sorted(path.name for path in place.iterdir()) == ["query-0.png", "query-1.png"]
    assert made.lend(tmp_path) == data[0] and made.opens == 1, "a kept picture needs no dataset"


def test_a_damaged_picture_is_made_again(tmp_path, monkeypatch):
    made = Counted(monkeypatch, clip(5, 48, 48, colour=True))
    place = facts.keep(tmp_path, made, "made") / "previews"
    data = made.lend(tmp_path)
    assert data == (place / "query-0.jpg").read_bytes()
    for damage in (data[:50], b"", b"<html>"):
        (place / "query-0.jpg").write_bytes(damage)
        assert made.lend(tmp_path) == data == (place / "query-0.jpg").read_bytes()
        (place / "query-0.jpg").write_bytes(damage)
        made.frames = None
        assert made.lend(tmp_path) is None
        made.frames = clip(5, 48, 48, colour=True)


def test_another_content_lends_no_picture(tmp_path, monkeypatch):
    made = Counted(monkeypatch, clip(5, 32, 32))
    facts.keep(tmp_path, made, "made")
    assert made.lend(tmp_path, fingerprint="0" * 32) is None and made.opens == 0, "no facts of that content"
    made.fingerprint = "e" * 32
    assert made.lend(tmp_path) is None and made.opens == 1


@pytest.mark.parametrize(
    "frames", [None, clip(5, 8, 8).astype(float), np.zeros(3, np.uint8), OSError("gone"), RuntimeError("a defect")]
)
def test_what_cannot_be_shown_is_none_and_prints_nothing(tmp_path, monkeypatch, capsys, frames):
    made = Counted(monkeypatch, frames)
    place = facts.keep(tmp_path, made, "made")
    lender = Previews(tmp_path, Roots(tmp_path, tmp_path))
    assert [lender.picture("made", "f" * 32, "database", row) for row in (0, 1)] == [None, None]
    assert made.opens == 1 and not (place / "previews").exists()
    assert capsys.readouterr() == ("", "")


def test_queries_of_self_retrieval_are_videos_of_the_database(tmp_path, monkeypatch):
    made = Counted(monkeypatch, clip(5, 32, 32), self_retrieval=True)
    place = facts.keep(tmp_path, made, "made") / "previews"
    made.lend(tmp_path, "query", 7)
    assert made.asked == [("database", 7)] and (place / "database-7.png").exists()


def test_a_results_folder_that_cannot_be_written_to_still_gives_pictures(tmp_path, monkeypatch):
    made = Counted(monkeypatch, clip(5, 32, 32))
    (facts.keep(tmp_path, made, "made") / "previews").write_text("a file where the folder would be")
    assert made.lend(tmp_path) == strip(made.frames)
