"""A stray or broken file among the guests is a state with its reason, and takes nothing else down."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.support.fault_inputs import make_dataset

SCRIPT = """
import contextlib, io, json, sys, traceback
sys.path.insert(0, sys.argv[1])
from benchmark.cli import main
done = []
for words in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except BaseException:
            code = "traceback " + traceback.format_exc()[-400:]
    done.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""

GUESTS = {
    "._ucf101.py": ("datasets", b"Mac OS X        \0\x05\x16\x07", None),
    ".hidden.py": ("methods", b"raise SystemExit(3)\n", None),
    "copy of itq.py": ("methods", b"import nothing_such\n", None),
    "mine.py": ("methods", b"def x(:\n", "SyntaxError"),
    "mine_too.py": ("methods", b"import no_such_package\n", "no_such_package"),
    "raises.py": ("methods", b"raise RuntimeError('on purpose')\n", "on purpose"),
    "leaves.py": ("methods", b"import sys\nsys.exit(4)\n", "leaves.py"),
    "nothing.py": ("methods", b"X = 1\n", "Method"),
    "bytes.py": ("methods", b"x = '\xff\xfe'\n", "bytes.py"),
    "nulls.py": ("methods", b"x = 1\0\n", "nulls.py"),
    "own.py": ("datasets", b"def x(:\n", "SyntaxError"),
    "absent.py": ("datasets", b"import no_such_package\n", "no_such_package"),
    "set.py": ("datasets", b"1 / 0\n", "division"),
}


@pytest.fixture(scope="module")
def checkout(root, tmp_path_factory):
    target = tmp_path_factory.mktemp("guests") / "checkout"
    target.mkdir()
    for name in ("benchmark", "methods", "datasets", "reports"):
        shutil.copytree(root / name, target / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(root / name, target / name)
    for name, (room, content, _) in GUESTS.items():
        (target / room / name).write_bytes(content)
    (target / "methods" / "folder.py").mkdir()
    return target


@pytest.fixture(scope="module")
def outcomes(checkout, tmp_path_factory, stored_cells):
    """What every verb prints in a checkout with all of these files; one process."""
    work = tmp_path_factory.mktemp("work")
    folder = make_dataset(work / "plain")
    results = work / "results"
    shutil.copytree(stored_cells, results)
    lists = {
        "methods": ["list", "methods"],
        "methods as data": ["list", "methods", "--json"],
        "cards": ["list", "methods", "--verbose"],
        "markdown": ["list", "methods", "--markdown"],
        "datasets": ["list", "datasets"],
        "datasets as data": ["list", "datasets", "--json"],
        "doctor": ["doctor"],
        "run": ["run", "--methods", "lsh", "--datasets", folder, "--bits", 16, "--no-page", "--results", results],
        "run of all": ["run", "--methods", "lsh", "--bits", 16, "--dry-run", "--results", results],
        "status": ["status", "--results", results],
        "report": ["report", "--results", results, "--out", work / "html"],
        "run mine": ["run", "--methods", "mine", "--datasets", folder],
        "run leaves": ["run", "--methods", "leaves", "--datasets", folder],
        "run own": ["run", "--methods", "lsh", "--datasets", "own"],
        "run hidden": ["run", "--methods", ".hidden", "--datasets", folder],
    }
    words = [[str(word) for word in entry] + (["--cache", str(work / "cache")] if entry[0] == "run" else [])
             for entry in lists.values()]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(checkout), json.dumps(words)], capture_output=True, text=True, timeout=400,
        cwd=work, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-800:]
    return dict(zip(lists, json.loads(done.stdout.splitlines()[-1]), strict=True))


WHOLE = ("methods", "cards", "markdown", "datasets", "doctor", "run", "run of all", "status", "report")


@pytest.mark.parametrize("verb", WHOLE)
def test_the_others_are_there(outcomes, verb):
    code, out, err = outcomes[verb]
    assert code == 0, (code, err[-400:])
    if verb in ("methods", "doctor"):
        assert "Spectral Hashing" in out


@pytest.mark.parametrize("name", [name for name, (_, _, reason) in GUESTS.items() if reason])
def test_a_broken_one_is_shown_with_its_reason(outcomes, name):
    room, _, reason = GUESTS[name]
    code, out, _ = outcomes[f"{room} as data"]
    assert code == 0
    (row,) = [row for row in json.loads(out) if row["name"] == name.removesuffix(".py")]
    told = " ".join(str(value) for key, value in row.items() if key in ("unavailable", "reason"))
    assert reason in told or name in told
    assert name in told and len(told) <= 400
    line = next(line for line in outcomes["doctor"][1].splitlines() if f" {name.removesuffix('.py')} " in line)
    assert line.startswith(("--", "!!"))


@pytest.mark.parametrize("name", [name for name, (_, _, reason) in GUESTS.items() if not reason] + ["folder.py"])
def test_a_stray_one_is_no_guest(outcomes, name):
    room = GUESTS.get(name, ("methods",))[0]
    names = {row["name"] for row in json.loads(outcomes[f"{room} as data"][1])}
    assert name.removesuffix(".py") not in names


@pytest.mark.parametrize("verb", ["run mine", "run leaves", "run own", "run hidden"])
def test_asking_for_a_broken_one_is_refused_in_a_sentence(outcomes, verb):
    code, _, err = outcomes[verb]
    assert code == 2
    (line,) = err.strip().splitlines()
    assert line.startswith("error: ") and verb.split()[1].strip(".") in line and len(line) <= 400
