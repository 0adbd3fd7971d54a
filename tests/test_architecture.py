"""The house: the order of its layers, no circles, who names whom, how long a file may be."""

import re
import subprocess
import sys

import pytest

from tests.support import house

LAYERS = (
    ("__init__", "errors"),
    ("seeds", "progress", "paths"),
    ("files",),
    ("interfaces", "evaluation"),
    ("compute", "data"),
    ("records",),
    ("catalogue", "training", "extraction"),
    ("cells",),
    ("robustness", "regression", "scaling", "publish"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""The rooms of ``benchmark/``, ground first: each imports from itself and from the layers before its own."""

GROUND = ("benchmark.errors", "benchmark.seeds", "benchmark.progress", "benchmark.paths", "benchmark.files")
GUESTS = {
    "methods": ("methods.parts", "benchmark.interfaces", "benchmark.training", *GROUND),
    "datasets": ("datasets.parts", "benchmark.interfaces", "benchmark.data", *GROUND),
    "reports": ("reports", "benchmark.records", "benchmark.evaluation", *GROUND),
}
"""What the rooms around the engine import. Names imported for types only count too: a reader follows them as well."""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("benchmark.publish.page", "reports.page"): "the engine lends the page its cards and has it built",
    ("benchmark.scaling.study", "reports.scaling"): "the figure of growth is drawn by the reports",
}
"""Imports against the rules, (module, imported module), each with its reason."""

TEST_HELPERS = ("tests.support", "tests.reference")


def inside(module, rooms):
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def none_of(faults):
    """Fail with every fault on a line of its own."""
    assert not faults, "\n" + "\n".join(map(str, faults))
    return True


def verbs():
    """Return the modules of the commands that add a verb to the parser."""
    folder = house.files("benchmark/commands")
    return [house.module_name(path) for path in folder if "add_options" in house.functions(path)]


def breaches(folder, is_allowed):
    """Return the imports of a top-level folder that no rule allows, as sentences."""
    return [
        f"{path.relative_to(house.ROOT)}:{found.line} imports {found.module}"
        for path in house.files(folder)
        for found in house.imports(path)
        if not is_allowed(path, found.module) and (house.module_name(path), found.module) not in EXCEPTIONS
    ]


def layer(room):
    """Return the number of a room of the engine, of its name or of its module's."""
    name = room.removeprefix("benchmark").removeprefix(".").split(".")[0] or "__init__"
    return next((number for number, names in enumerate(LAYERS) if name in names), None)


def test_every_room_of_the_engine_has_its_layer():
    missing = {
        house.room(name) for name in house.file_graph() if name.split(".")[0] == "benchmark" and layer(name) is None
    }
    assert not missing


def test_a_room_imports_from_layers_below_its_own():
    def is_allowed(path, module):
        own = house.module_name(path)
        if house.room(module) == house.room(own):
            return True
        above, below = layer(own), layer(module)
        return module.split(".")[0] == "benchmark" and None not in (above, below) and below < above

    assert none_of(breaches("benchmark", is_allowed))


@pytest.mark.parametrize("folder", GUESTS)
def test_guests_and_reports_import_only_what_is_lent_to_them(folder):
    assert house.files(folder)
    assert none_of(breaches(folder, lambda path, module: inside(module, GUESTS[folder])))


def test_commands_do_not_import_each_other():
    assert len(verbs()) >= 8
    assert none_of(breaches("benchmark/commands", lambda path, module: module not in verbs()))


@pytest.mark.parametrize("graph", [house.file_graph, house.room_graph])
def test_there_are_no_circles(graph):
    assert len(graph()) > 10
    assert none_of(house.circles(graph()))


def test_circles_are_seen():
    assert house.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [["a", "b", "c"]]


def test_every_exception_is_still_needed():
    imported = {(house.module_name(p), found.module) for p in house.files(*house.SUITE) for found in house.imports(p)}
    assert set(EXCEPTIONS) <= imported


def test_only_the_ground_lies_flat():
    flat = {"__init__", "__main__", "cli", *LAYERS[0], *LAYERS[1]}
    assert set(house.flat_files("benchmark")) <= flat


def test_the_engine_names_no_guest():
    guests = {name for folder in ("methods", "datasets") for name in house.flat_files(folder)} - {"__init__", "random"}
    assert len(guests) >= 12
    words = re.compile(r"['\"/](" + "|".join(sorted(guests)) + r")['\"./]")
    named = [
        f"{path.relative_to(house.ROOT)}: {match[1]}"
        for path in house.files("benchmark")
        for match in words.finditer(path.read_text(encoding="utf-8"))
    ]
    assert none_of(named)


def test_statistics_are_computed_in_one_place():
    """Deviations, quantiles and tests over seeds or queries; what scales a picture's points is none."""
    words = re.compile(r"\b(stdev|std|nanstd|quantile|percentile|bootstrap|permutation_test|wilcoxon|ttest_\w+)\(")
    users = {
        str(path.relative_to(house.ROOT))
        for path in house.files("benchmark", "reports")
        if words.search(path.read_text(encoding="utf-8"))
    }
    assert users == {"benchmark/evaluation/statistics.py", "reports/codes/projection.py"}


def test_no_source_file_passes_400_lines():
    assert none_of([path for path in house.files(*house.SUITE, "tests") if house.lines(path) > 400])


def test_every_module_says_in_one_line_what_it_is_for():
    faults = [(path, house.docstring_fault(path)) for path in house.files(*house.SUITE, "tests")]
    assert none_of([f"{path.relative_to(house.ROOT)} {fault}" for path, fault in faults if fault])


def test_the_map_of_the_readme_is_that_of_the_docstrings():
    assert house.shown_map() == house.room_map(), "run 'python -m tests.support.house --write'"


def test_test_modules_do_not_import_each_other():
    """Helpers lie in ``tests/support`` and ``tests/reference``; those of the timings lie beside them."""

    def is_allowed(path, module):
        if module.split(".")[0] != "tests" or inside(module, TEST_HELPERS):
            return True
        own_room = house.room(module) == house.room(house.module_name(path)) == "tests.speed"
        return own_room and not module.rpartition(".")[2].startswith("test_")

    assert none_of(breaches("tests", is_allowed))


def test_help_answers_without_heavy_imports():
    code = (
        "import sys\n"
        "from benchmark.cli import parser\n"
        "parser().format_help()\n"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'numba', 'pandas', 'scipy', 'h5py', 'av'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=house.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_no_licence_but_ours():
    names = [p.name for p in house.ROOT.rglob("*LICEN*") if not {".tox", ".venv", "venv"} & set(p.parts)]
    assert names == ["LICENSE"]
    assert (house.ROOT / "LICENSE").read_text().startswith("MIT License")
