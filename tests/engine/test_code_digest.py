"""What makes a record stale, and what does not."""

import ast

import pytest

from benchmark import environment
from benchmark.registry import ROOT

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
    return ast.unparse(environment._bare(ast.parse(text)))


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
        start = [ROOT / "methods" / f"{method}.py", dataset, *(ROOT / name for name in environment.ENGINE)]
        return {str(path.relative_to(ROOT)) for path in environment._closure(start)}

    assert {"methods/lsh.py", "methods/parts/linear_hash.py", "benchmark/evaluation/ranking.py"} <= files("lsh")
    assert "methods/parts/transformer.py" not in files("lsh") and "methods/parts/transformer.py" in files("conmh")
    assert "benchmark/layout.py" not in files("lsh")
    assert "benchmark/layout.py" in files("lsh", ROOT / "datasets" / "ucf101.py")
    everything = files("chain") | files("lsh", ROOT / "datasets" / "ucf101.py")
    assert not any(name.startswith(("reports/", "benchmark/commands/", "benchmark/previews")) for name in everything)
    assert environment.code_digest("lsh", DATASET) != environment.code_digest("itq", DATASET)
