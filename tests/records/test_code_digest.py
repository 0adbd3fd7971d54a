"""What makes a record stale, and what does not."""

import ast
import shutil

import pytest

from benchmark.data.file_dataset import load_folder
from benchmark.data.subset import reduced
from benchmark.paths import ROOT
from benchmark.records import code_digest

DATASET = ROOT / "datasets" / "moving_digits.py"

SOURCE = '''"""A module."""
class Method:
    """A class."""
    paper = "somewhere"
    choices = ("one", "two")
    size = 3
    cost = 7
    source: str = Field("authors")

    def fit(self):
        """Fit."""
        return self.size + 1  # why
'''


def bare(text):
    return ast.unparse(code_digest._Bare().visit(ast.parse(text)))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# why", "# because", True),
        ('"""Fit."""', '"""Fit it."""', True),
        ('"""A module."""\n', "", True),
        ("size + 1", "(size  +  1)", True),
        ("somewhere", "elsewhere", True),
        ('("one", "two")', '("three",)', True),
        ("size + 1", "size + 2", False),
        ("size = 3", "size = 4", False),
        ("cost = 7", "cost = 8", False),
        ('Field("authors")', 'Field("ours")', False),
        ("return self", "pass; return self", False),
    ],
)
def test_only_what_can_move_a_number_counts(old, new, same):
    assert old in SOURCE
    assert (bare(SOURCE.replace(old, new).replace("self.(size", "(self.size")) == bare(SOURCE)) == same


def test_a_method_s_own_parts_count_and_those_of_others_do_not():
    def files(method, dataset=DATASET):
        return {str(path.relative_to(ROOT)) for path in code_digest.counted_files(method, dataset)}

    assert {"methods/lsh.py", "methods/parts/linear_hash.py", "benchmark/evaluation/ranking.py"} <= files("lsh")
    assert "methods/parts/transformer.py" not in files("lsh") and "methods/parts/transformer.py" in files("conmh")
    assert "benchmark/data/file_dataset.py" not in files("lsh")
    assert "benchmark/data/file_dataset.py" in files("lsh", ROOT / "datasets" / "ucf101.py")
    everything = files("chain") | files("lsh", ROOT / "datasets" / "ucf101.py")
    assert not any(
        name.startswith(("reports/", "benchmark/commands/", "benchmark/publish/previews")) for name in everything
    )
    assert not everything & set(code_digest.UNCOUNTED)
    assert code_digest.code_digest("lsh", DATASET) != code_digest.code_digest("itq", DATASET)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A function that returns the digest of a copy of the sources, with a line added to one of its files."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in code_digest.FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))

    def compute():
        code_digest.code_digest.cache_clear()
        code_digest._source.cache_clear()
        return code_digest.code_digest("conmh", root / "datasets" / "moving_digits.py", root)

    unchanged = compute()

    def digest(file=None, line="MOVED = 1\n"):
        if file is None:
            return unchanged
        text = (root / file).read_text(encoding="utf-8")
        (root / file).write_text(text + line, encoding="utf-8")
        try:
            return compute()
        finally:
            (root / file).write_text(text, encoding="utf-8")

    return digest


@pytest.mark.parametrize(
    "file",
    [
        "benchmark/compute/encoding.py",
        "benchmark/evaluation/ranking.py",
        "benchmark/evaluation/evaluator.py",
        "benchmark/interfaces/videos.py",
        "benchmark/training/loop.py",
        "datasets/moving_digits.py",
        "datasets/parts/rendering.py",
        "methods/conmh.py",
        "methods/parts/masking.py",
    ],
)
def test_what_can_move_a_number_changes_the_digest(checkout, file):
    assert checkout() != checkout(file)


@pytest.mark.parametrize(
    "file",
    [
        "benchmark/__init__.py",
        "benchmark/errors.py",
        "benchmark/progress.py",
        "benchmark/paths.py",
        "benchmark/records/record.py",
        "benchmark/records/store.py",
        "benchmark/records/code_digest.py",
        "benchmark/cells/summary.py",
        "benchmark/records/environment.py",
        "benchmark/cells/executor.py",
        "benchmark/commands/run.py",
        "benchmark/publish/page.py",
        "methods/mcmsh.py",
        "methods/parts/scenes.py",
        "datasets/fcvid.py",
    ],
)
def test_what_can_move_no_number_does_not(checkout, file):
    assert checkout() == checkout(file)


def test_wording_of_errors_and_imports_for_types_do_not_count(checkout):
    assert checkout() == checkout("methods/conmh.py", "if TYPE_CHECKING:\n    from methods.parts import scenes\n")
    assert checkout() != checkout("methods/conmh.py", "from methods.parts import scenes\n")
    assert bare("raise ValueError(f'{n} is wrong', hint='more')") == bare("raise ValueError(f'{n} is bad')")
    assert bare("raise ValueError('wrong')") != bare("raise TypeError('wrong')")
    assert bare("raise Stop('late', 3)") != bare("raise Stop('late', 4)")
    assert bare("if not TYPE_CHECKING:\n    x = 1") != bare("")


def test_a_named_file_that_does_not_exist_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="absent"):
        code_digest.counted_files("absent", DATASET)
    with pytest.raises(FileNotFoundError, match="absent"):
        code_digest.counted_files("lsh", ROOT / "datasets" / "absent.py")
    for names in ("ENGINE", "UNCOUNTED"):
        with monkeypatch.context() as patch:
            patch.setattr(code_digest, names, (*getattr(code_digest, names), "benchmark/absent.py"))
            with pytest.raises(FileNotFoundError, match="absent"):
                code_digest.counted_files("lsh", DATASET)


def test_a_part_of_a_dataset_is_recorded_with_the_file_of_the_whole(tiny, cache_root):
    whole = load_folder(tiny, cache_root)
    part = reduced(whole, 40)
    assert part is not whole
    assert (
        code_digest.source_file(part)
        == code_digest.source_file(whole)
        == ROOT / "benchmark" / "data" / "file_dataset.py"
    )
    assert code_digest.code_identity("lsh", part)["dataset_file"] == "benchmark/data/file_dataset.py"
