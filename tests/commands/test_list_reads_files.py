"""``list methods`` reads papers from the sources; what only importing a file can tell is left to importing it."""

import subprocess
import sys

import pytest

from benchmark.catalogue import registry, source
from benchmark.paths import ROOT

CLASS = 'class A:\n    paper = "Someone 2020"\n'


@pytest.mark.parametrize(
    ("text", "paper"),
    [
        (f'"""Docstring."""\nimport sys\n{CLASS}', "Someone 2020"),
        (f"import torch\nX = 1\n'''About X.'''\n{CLASS}", "Someone 2020"),
        ('class A:\n    paper: str = "One " "two"\n', "One two"),
        (f"{CLASS}    needs = ('no_such_package',)\n", None),
        (f"{CLASS}    needs = ('sys',)\n", "Someone 2020"),
        (f"import no_such_package\n{CLASS}", None),
        (f"from methods.parts.no_such_part import x\n{CLASS}", None),
        (f"raise RuntimeError\n{CLASS}", None),
        (f"{CLASS}class B(A):\n    paper = 'Other'\n", None),
        ("class A:\n    paper = str(1)\n", None),
        ("class A:\n    pass\n", None),
        ("def x(:\n", None),
        ("x = 1\0\n", None),
    ],
)
def test_a_paper_that_a_file_states(tmp_path, text, paper):
    path = tmp_path / "guest.py"
    path.write_text(text)
    assert source.stated(path, "paper") == paper


def test_every_method_of_the_checkout_states_its_paper():
    assert all(source.stated(entry.path, "paper") for entry in registry.methods().values())


def test_names_are_printed_without_torch():
    code = (
        "import sys\n"
        "from benchmark.cli import main\n"
        "main(['list', 'methods'])\n"
        "sys.exit(', '.join({'torch', 'sklearn', 'scipy', 'numpy', 'numba'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Spectral Hashing" in done.stdout
