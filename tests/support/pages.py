"""A page that was built, read back: its tables, references, ids and words."""

import re
from contextlib import contextmanager
from html.parser import HTMLParser
from unittest import mock

from matplotlib.figure import Figure

from reports import page
from tests.support.fakes import store


class Page(HTMLParser):
    """Collects tables as lists of rows of cell texts, references, ids and all visible text."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.references, self.ids, self.words, self.tags, self.stack = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.references += [
            attrs[name] for name in ("src", "href", "xlink:href", "srcset", "action") if attrs.get(name)
        ]
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag == "table":
            self.tables.append({"class": attrs.get("class"), "caption": "", "rows": []})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in ("td", "th"):
            marks = {"best", "second"} & set((attrs.get("class") or "").split())
            self.tables[-1]["rows"][-1].append({"text": "", "marks": marks, "strong": False, **attrs})
        if tag not in ("meta", "input", "br", "path", "use", "link"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] in ("style", "script"):
            return
        self.words.append(data)
        if "caption" in self.stack:
            self.tables[-1]["caption"] += data
        elif "td" in self.stack or "th" in self.stack:
            cell = self.tables[-1]["rows"][-1][-1]
            cell["text"] += data
            cell["strong"] |= "strong" in self.stack

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def maps(self, title):
        return [t for t in self.tables if t["class"] == "map" and t["caption"].startswith(f"mAP@K on {title}")]


def rows_of(table):
    return {row[0]["text"]: row[1:] for row in table["rows"][2:]}


def shown(cell):
    """The number of a cell as the page shows it, without what stands under it."""
    return re.match(r"[\d.]+", cell["text"]).group()


def built(root, *records, expected=()):
    path = page.build(store(root / "results", *records), root / "out", expected)
    return path, Page(path.read_text(encoding="utf-8"))


@contextmanager
def plain_figures():
    """Write every figure as an empty drawing for the length of the block: drawing takes most of a page's time."""

    def written(self, out, **more):
        out.write(b'<svg viewBox="0 0 100 100"><g id="x">\n</g></svg>')

    with mock.patch.object(Figure, "savefig", written):
        yield
