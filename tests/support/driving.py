"""What the page of the tests in a browser shows, and how they drive it."""

from playwright.sync_api import expect

from tests.support.beside import measured
from tests.support.fakes import METHODS, make

MAP = "#map-ucf101-field"
FILLED = [
    measured(method, bits, seed, dataset=dataset)
    for dataset in ("ucf101", "moving_digits")
    for method in METHODS
    for bits in (16, 32, 64)
    for seed in (0, 1)
]
RECORDS = [
    *(record for record, _ in FILLED),
    make("bth", bits=16, failed="it ran out of 5 % & more_of $ {all}"),
    make("new_one", bits=32, title="New|One"),
]


def column(shown, bits=64, k=20, table=MAP):
    """Labels and numbers of a column in the order in which they stand."""
    script = """([table, bits, k]) => [...document.querySelectorAll(`${table} tbody tr`)]
        .filter((row) => row.offsetParent).map((row) => [row.cells[0].textContent.trim(),
            row.querySelector(`td[data-bits="${bits}"][data-k="${k}"] a`)?.textContent ?? null])"""
    return [tuple(pair) for pair in shown.evaluate(script, [table, str(bits), str(k)])]


def heads(shown, table=MAP):
    script = """(table) => [...document.querySelectorAll(`${table} thead th[data-k]`)]
        .filter((head) => head.offsetParent).map((head) => `${head.dataset.bits}@${head.dataset.k}`)"""
    return shown.evaluate(script, table)


def choose(shown, name, *values):
    shown.locator("#choose").evaluate("(details) => { details.open = true; }")
    for box in shown.locator(f'#view input[name="{name}"]').all():
        box.set_checked(box.get_attribute("value") in values)


def copied(shown, kind, table=MAP):
    shown.locator(f'[data-tools="{table[1:]}"] [data-copy="{kind}"]').click()
    expect(shown.locator("#status")).to_contain_text("copied")
    return shown.evaluate("navigator.clipboard.readText()")
