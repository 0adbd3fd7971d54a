"""The house: who imports whom, who names whom, how long a file may be."""

import ast
import re
import subprocess
import sys

import pytest

from benchmark import registry

ALLOWED = {
    "methods": {
        "methods.parts",
        "benchmark.method",
        "benchmark.interfaces",
        "benchmark.stage",
        "benchmark.trained_method",
    },
    "datasets": {"datasets.parts", "benchmark.dataset", "benchmark.features", "benchmark.layout", "benchmark.scalable"},
    "reports": {
        "reports",
        "benchmark.record",
        "benchmark.records",
        "benchmark.facts",
        "benchmark.code_file",
        "benchmark.evaluation",
        "benchmark.robustness_file",
    },
    "benchmark": {"benchmark"},
}
COMMON = {"benchmark.errors", "benchmark.atomic"}
LENT = {"report": {"reports.page"}, "scale": {"reports.scaling"}}
"""What a command may import of the reports."""
ROOMS = tuple(ALLOWED)


def sources(room):
    return sorted((registry.ROOT / room).rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (
                f"{node.module}.{alias.name}" if node.module in (*ROOMS, "methods.parts") else node.module
                for alias in node.names
            )


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    files = sources(room)
    assert files
    wrong = []
    for path in files:
        allowed = ALLOWED[room] | COMMON
        if path.parent == registry.ROOT / "benchmark" / "commands":
            allowed = allowed | LENT.get(path.stem, set())
        for name in imports(path):
            if name.split(".")[0] in ROOMS and not any(name == a or name.startswith(f"{a}.") for a in allowed):
                wrong.append(f"{path.relative_to(registry.ROOT)} imports {name}")
    assert not wrong


def test_the_engine_names_no_guest():
    guests = [*registry.methods(), *registry.datasets()]
    assert len(guests) >= 12
    words = re.compile(r"['\"/](" + "|".join(guests) + r")['\"./]")
    wrong = [
        f"{path.name}: {found.group(1)}"
        for path in sources("benchmark")
        for found in words.finditer(path.read_text(encoding="utf-8"))
        if found.group(1) != "random"
    ]
    assert not wrong


def test_statistics_are_computed_in_one_place():
    """Deviations, quantiles and tests over seeds or queries; what scales a picture's points is none."""
    words = re.compile(r"\b(stdev|std|nanstd|quantile|percentile|bootstrap|permutation_test|wilcoxon|ttest_\w+)\(")
    home = registry.ROOT / "benchmark" / "evaluation" / "statistics.py"
    files = [path for room in ("benchmark", "reports") for path in sources(room)]
    found = {path for path in files if words.search(path.read_text(encoding="utf-8"))}
    assert found == {home, registry.ROOT / "reports" / "projection.py"}


def test_no_source_file_passes_400_lines():
    rooms = (*ROOMS, "tests")
    long = {str(p): n for room in rooms for p in sources(room) if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_help_answers_without_heavy_imports():
    code = (
        "import sys\n"
        "from benchmark.cli import parser\n"
        "parser().format_help()\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'numba', 'pandas', 'scipy', 'h5py', 'av'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=registry.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_no_licence_but_ours():
    names = [p.name for p in registry.ROOT.rglob("*LICEN*") if not {".tox", ".venv", "venv"} & set(p.parts)]
    assert names == ["LICENSE"]
    assert (registry.ROOT / "LICENSE").read_text().startswith("MIT License")
