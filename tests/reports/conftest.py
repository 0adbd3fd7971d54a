"""A page with four methods on two datasets, and a browser that shows it."""

import os

import numpy as np
import pytest

from reports import page as report
from tests.support import browser
from tests.support.beside import codes, keep_facts, perturbed, png, put, without_pdf
from tests.support.driving import FILLED, RECORDS
from tests.support.fakes import store


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    path = browser.find()
    if path is None:
        if os.environ.get(browser.REQUIRED):
            pytest.fail("no Chromium; 'python tests/support/browser.py' installs one")
        pytest.skip("no Chromium; 'python tests/support/browser.py' installs one")
    with sync_api.sync_playwright() as started:
        running = started.chromium.launch(executable_path=path, args=browser.SWITCHES)
        yield running
        running.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    old = {r.key for r in RECORDS if r.identity.method == "sh"}
    cards = {"conmh": [("paper", ["A paper"]), ("cost", ["little"])]}
    results = put(store(root / "results", *RECORDS), *FILLED)
    fill(results)
    with without_pdf():
        path = report.build(
            results,
            root / "out",
            stale=lambda record: record.key in old,
            cards=cards,
            pictures=lambda name, fingerprint, split, row: png(row) if name == "ucf101" else None,
        )
    return path.as_uri()


def fill(results):
    """Write codes and robustness of 64 bits, and the facts of both datasets: 60 videos of 8 classes, 40 as queries."""
    rng = np.random.default_rng(3)
    classes = np.arange(60) % 8
    labels = (classes[:, None] == np.arange(8)).astype(np.uint8)
    middle = rng.normal(size=(8, 64))
    for record, arrays in FILLED:
        if record.identity.bits == 64:
            perturbed(results, record, arrays)
            values = middle[classes] + 1.5 * rng.normal(size=(60, 64))
            codes(results, record, values, values[:40] + rng.normal(size=(40, 64)))
            keep_facts(results, record, {"database": labels, "query": labels[:40]})


@pytest.fixture
def open_page(chromium, address):
    """Open the page with a query; every message of the console and every request but for the page is a failure."""
    opened, noise = [], []

    def opener(query="", **options):
        context = chromium.new_context(viewport={"width": 1300, "height": 900}, **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        shown = context.new_page()
        shown.on("console", lambda message: noise.append(message.text))
        shown.on("pageerror", lambda error: noise.append(str(error)))
        shown.on("request", lambda request: request.is_navigation_request() or noise.append(request.url[:100]))
        shown.goto(address + query)
        opened.append(context)
        return shown

    yield opener
    for context in opened:
        context.close()
    assert noise == []
