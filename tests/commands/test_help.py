"""Help answers at once: no verb loads what only its work needs, and each says what it does."""

import subprocess
import sys

import pytest

from benchmark.cli import VERBS, main, parser
from benchmark.paths import ROOT

HEAVY = {"torch", "numpy", "sklearn", "matplotlib", "numba", "pandas", "scipy", "h5py", "av", "rich"}
"""Not pydantic, which takes a tenth of a second: the options of a run are declared in one model of it."""


def test_help_of_every_verb_answers_without_heavy_imports():
    code = (
        "import sys\n"
        "from benchmark.cli import VERBS, parser\n"
        "parser().format_help()\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_only_the_verb_that_is_called_is_loaded():
    code = (
        "import sys\n"
        "from benchmark.cli import parser\n"
        "parser(['status', '--json'])\n"
        "print(*sorted(name for name in sys.modules if name.startswith('benchmark.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["benchmark.commands.shared", "benchmark.commands.status"], done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m benchmark {verb} ")


def test_the_list_of_verbs_says_what_each_does():
    text = " ".join(parser(()).format_help().split())
    assert all(" ".join(verb.help.split()) in text for verb in VERBS.values())


def test_commands_import_no_other_command():
    files = sorted((ROOT / "benchmark" / "commands").glob("*.py"))
    assert {file.stem for file in files} == {"__init__", "options", "shared", *(verb.file for verb in VERBS.values())}
    names = [verb.file for verb in VERBS.values()]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not [name for name in names if f"benchmark.commands.{name}" in text], file.name
        assert not [name for name in names if f"benchmark.commands import {name}" in text], file.name
