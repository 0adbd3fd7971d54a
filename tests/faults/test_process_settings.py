"""No phase leaves a setting of the process changed: threads, generators, precision, environment, figures."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.fault_inputs import make_dataset

SETTINGS = '''
import json, locale, os, random, signal, sys, warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from threadpoolctl import threadpool_info


def settings():
    """Return the settings of this process by name."""
    generators = {
        "torch generator": torch.get_rng_state().numpy().tobytes().hex()[:4000],
        "numpy generator": repr(np.random.get_state()[1:3]),
        "generator": repr(random.getstate())[:4000],
    }
    with ThreadPoolExecutor(1) as pool:  # torch hands what any thread set last to threads that start later
        later = pool.submit(torch.get_num_threads).result()
    found = {
        **generators,
        "threads": torch.get_num_threads(),
        "threads of a new thread": later,
        "interop threads": torch.get_num_interop_threads(),
        **{pool["filepath"]: pool["num_threads"] for pool in threadpool_info()},
        "default dtype": str(torch.get_default_dtype()),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "filling": torch.utils.deterministic.fill_uninitialized_memory,
        "cudnn benchmark": torch.backends.cudnn.benchmark,
        "products": str(torch.backends.mkldnn.matmul.fp32_precision),
        "matmul precision": torch.get_float32_matmul_precision(),
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "signals": [repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
        "numpy errors": dict(np.geterr()),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
        "warnings": [repr(item) for item in warnings.filters],
    }
    if "numba" in sys.modules:
        import numba
        found["numba threads"] = numba.get_num_threads()
        found["numba cache"] = numba.core.config.CACHE_DIR
    if "matplotlib" in sys.modules:
        import matplotlib
        found["figures"] = {key: repr(value) for key, value in dict.items(matplotlib.rcParams)}
    if hasattr(os, "sched_getaffinity"):
        found["cores"] = sorted(os.sched_getaffinity(0))
    mask = os.umask(0)
    os.umask(mask)
    found["umask"] = mask
    return found


def differences(before, after):
    return {name: [str(before.get(name))[:200], str(value)[:200]] for name, value in after.items()
            if name in before and before[name] != value}
'''

PHASES = (
    SETTINGS
    + """
from benchmark.cli import main
steps = json.loads(sys.argv[1])
changed = {}
# Packages that are imported for the first time set variables and filters of their own: all of it happens here.
for words in steps.values():
    assert main(words["warm"]) == 0, words
torch.use_deterministic_algorithms(False)
torch.utils.deterministic.fill_uninitialized_memory = True
for name, words in steps.items():
    before = settings()
    code = main(words["again"])
    assert code == 0, (name, code)
    changed[name] = differences(before, settings())
print("\\n" + json.dumps(changed))
"""
)

FIRST = (
    SETTINGS
    + """
from benchmark.cli import main
assert main(sys.argv[1:]) == 0
with ThreadPoolExecutor(1) as pool:
    later = pool.submit(torch.get_num_threads).result()
print("\\n" + json.dumps([torch.get_num_threads(), later]))
"""
)


def in_its_own_process(root, script, *words, threads="2"):
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(root)}
    environment.pop("VIDEO_HASHING_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], cwd=root, env=environment, capture_output=True, text=True,
        timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-400:] + done.stderr[-1500:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_first_run_has_the_threads_of_the_second(root, tmp_path):
    recorded = []
    for turn in ("first", "second"):
        seen = in_its_own_process(
            root, FIRST, "run", "--methods", "lsh", "--datasets", "moving_digits", "--bits", 16, "--subset", 240,
            "--no-page", "--results", tmp_path / turn, "--cache", tmp_path / "cache",
        )  # fmt: skip
        (path,) = (tmp_path / turn).rglob("record.json")
        recorded.append([json.loads(path.read_text())["environment"]["threads"], *seen])
    assert recorded == [[2, 2, 2], [2, 2, 2]]


@pytest.fixture(scope="module")
def changes(root, tmp_path_factory):
    work = tmp_path_factory.mktemp("phases")
    folder = make_dataset(work / "plain")
    common = ["--cache", work / "cache"]

    def run(method, turn, *more):
        results = work / f"results-{method}-{turn}"
        return ["run", "--methods", method, "--datasets", folder, "--bits", 16, "--no-page", "--device", "cpu",
                "--results", results, "--cache", work / f"cache-{turn}", *more]  # fmt: skip

    epochs = ("--epochs", 1)
    names = {"lsh": (), "itq": (), "sh": (), "conmh": ("--set", "conmh.size=mini", *epochs), "mcmsh": epochs}
    steps = {method: {turn: run(method, turn, *more) for turn in ("warm", "again")} for method, more in names.items()}
    kept = work / "results-lsh-warm"
    for name, words in {
        "robustness": ["robustness", "--results", kept, "--rerun", "--no-page", "--datasets", folder, *common],
        "report": ["report", "--results", kept, "--out", work / "html", *common],
        "status": ["status", "--results", kept],
    }.items():
        steps[name] = {"warm": words, "again": words}
    steps["convert"] = {
        turn: ["convert", "--dataset", folder, "--out", work / f"out-{turn}", *common] for turn in ("warm", "again")
    }
    told = json.dumps(steps, default=str)
    return in_its_own_process(root, PHASES, json.dumps({
        name: {turn: [str(word) for word in words] for turn, words in turns.items()}
        for name, turns in json.loads(told).items()
    }))  # fmt: skip


NAMES = ("lsh", "itq", "sh", "conmh", "mcmsh", "robustness", "report", "status", "convert")


@pytest.mark.parametrize("phase", NAMES)
def test_a_phase_leaves_every_setting_as_it_was(changes, phase):
    assert changes[phase] == {}
