"""The README's promises: its example method works as it stands, and its commands are those of the parser."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from benchmark.catalogue import registry
from benchmark.cli import parser
from benchmark.paths import ROOT
from benchmark.publish.cards import describe_methods, markdown_cards

README = ROOT / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_example_method_is_one_file_that_works(tiny, cache_root, tmp_path):
    (code,) = [block for block in blocks("python") if "(Method)" in block]
    assert len(code.splitlines()) <= 35
    copy = tmp_path / "checkout"
    for room in ("benchmark", "methods", "datasets", "reports"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "html"))
    (copy / "methods" / "my_method.py").write_text(code)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmark",
            "run",
            "--methods",
            "my_method",
            "random",
            "--datasets",
            tiny,
            "--bits",
            "16",
        ],
        cwd=copy,
        env={**os.environ, "VIDEO_HASHING_CACHE": str(cache_root)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    scores = {m: float(v) for m, v in re.findall(r"(\w+) on tiny, 16 bits, seed 0: mAP@5 ([\d.]+)", done.stdout)}
    assert scores["my_method"] > scores["random"] + 0.2


def commands():
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words[:3] == ["python", "-m", "benchmark"]:
                    yield words[3:]


def test_every_command_of_the_readme_is_understood():
    found = list(commands())
    assert len(found) >= 8
    for words in found:
        parser().parse_args(words)


@pytest.mark.parametrize("name", ["methods", "datasets"])
def test_every_guest_is_in_the_readme(name):
    text = README.read_text(encoding="utf-8")
    assert not [guest for guest in getattr(registry, name)() if f"`{guest}`" not in text]


def test_the_cards_are_those_that_the_command_prints():
    shown = re.search(r"<!-- cards -->\n(.*?)<!-- end of cards -->", README.read_text(encoding="utf-8"), re.DOTALL)
    cards = describe_methods(count=True)
    assert shown and shown.group(1) == markdown_cards(cards) + "\n"
    assert all(card.cost for card in cards)
