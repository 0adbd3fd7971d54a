"""A figure's SVG made fit for the page: small, with ids of its own, in the page's font and colours."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from reports.drawing import canvas, style

USES = re.compile(r"<g( [^>]*)?>\n((?:<use [^>]*/>\n)+)</g>")
GROUP_ENDS = re.compile(r"<g\b|</g>")
OWNER = re.compile(rf' id="{canvas.SERIES}([a-z0-9-]+?)--\d+"')
SPARE = re.compile(r"(\.\d\d)\d+")
GROUND = re.compile(r'<path d="[^"]*" style="fill: none"/>\s*')
"""The grounds of figure and axes, which are transparent."""
LINES = re.compile(r'(<path d="[^"]*") clip-path="[^"]*"(?= style="fill: none)|(?<=<g) clip-path="[^"]*"(?=>\s*<use)')
STEP = re.compile(r"([MLz])(?: (-?[\d.]+) (-?[\d.]+))?")
VIEW = re.compile(r'viewBox="([\d.]+ [\d.]+ [\d.]+) ([\d.]+)"')
POINTS = 72
"""SVG units in an inch, as the figures are written."""
STYLE = re.compile(r' style="([^"]*)"')


@dataclass
class Stylesheet:
    """What the inline figures of a page share: style ``rules`` by class name, and the number of ``figures`` so far."""

    rules: dict[str, str] = field(default_factory=dict)
    figures: int = 0

    def css(self) -> str:
        """Return the rules as a style sheet."""
        return "".join(f".{name}{{{rule}}}\n" for name, rule in sorted(self.rules.items()))


def inline(svg: bytes, described_by: str, stylesheet: Stylesheet, legend_height: float = 0.0) -> str:
    """Return the SVG as an element of a page: no prolog, no namespaces, no references but to itself.

    ``described_by`` is the id of the text that says what is shown.
    ``legend_height``: inches of the legend at the bottom, which is cut off.
    What belongs to a row carries ``data-series``.
    Styles become classes whose rules are added to ``stylesheet``; lines, which end at the axes, are not clipped.
    """
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    head, body = text.split(">", 1)
    if legend_height:
        head, body = _shortened(head, legend_height * POINTS), _without_legend(body)
    body = OWNER.sub(r' data-series="\1"', body)
    head = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", head)
    head = head.replace("<svg", f'<svg role="img" aria-labelledby="{described_by}"', 1)
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", "\n", body.replace("xlink:href", "href"))
    body = LINES.sub(r"\1", body)
    stylesheet.figures += 1
    body = _own_ids(body, f"f{stylesheet.figures}")
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = re.sub(r' d="([^"]*)"', _short_path, body)
    body = re.sub(r' (x|y)="(-?[\d.]+)"', lambda m: f' {m[1]}="{float(m[2]):.1f}"', body)
    body = USES.sub(_style_once, body)
    body = re.sub(r"(font-size: [\d.]+px|font: [\d.]+px)[^;\"]*(; font-family: [^;\"]*)?", _size_only, body)
    body = GROUND.sub("", body)
    body = STYLE.sub(lambda m: _as_class(m[1], stylesheet.rules), _page_colours(_without_idle_groups(body)))
    return f"{head}>{body}".strip()


def _shortened(head: str, by: float) -> str:
    return VIEW.sub(lambda m: f'viewBox="{m[1]} {float(m[2]) - by:g}"', head)


def _without_legend(body: str) -> str:
    """Remove the group of the legend, whatever groups it holds."""
    start = body.find('<g id="legend_1">')
    if start < 0:
        return body
    depth = 0
    for tag in GROUP_ENDS.finditer(body, start):
        depth += 1 if tag[0] == "<g" else -1
        if not depth:
            return body[:start] + body[tag.end() :]
    return body


def _as_class(style_text: str, rules: dict[str, str]) -> str:
    """Return the class that stands for a style, and add its rule."""
    name = "s" + hashlib.blake2b(style_text.encode(), digest_size=3).hexdigest()
    rules[name] = style_text
    return f' class="{name}"'


def _short_path(match: re.Match[str]) -> str:
    """Write a path of lines as steps of a tenth of a point; one with curves keeps its form."""
    steps = STEP.findall(match[1])
    if not steps or set(re.findall(r"[A-Za-z]", match[1])) - set("MLz"):
        short = SPARE.sub(r"\1", " ".join(match[1].split()))
        return f' d="{short}"'
    pieces: list[str] = []
    at = (0, 0)
    for letter, x, y in steps:
        if letter == "z":
            pieces.append("z")
            continue
        to = round(float(x) * 10), round(float(y) * 10)
        move = to if letter == "M" else (to[0] - at[0], to[1] - at[1])
        pieces.append(("M" if letter == "M" else "l") + _pair(*move))
        at = to
    path = "".join(pieces)
    return f' d="{path}"'


def _pair(x: int, y: int) -> str:
    first, second = (f"{value / 10:g}" for value in (x, y))
    return f"{first}{second}" if second.startswith("-") else f"{first} {second}"


def _own_ids(text: str, prefix: str) -> str:
    """Keep the ids that the figure refers to, short and unlike those of other figures; drop the others."""
    used = list(dict.fromkeys(re.findall(r'(?:url\(#|href="#)([^")]+)', text)))
    short = {old: f"{prefix}-{place}" for place, old in enumerate(used)}
    text = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", text)
    return re.sub(r'(url\(#|href="#)([^")]+)', lambda m: m[1] + short[m[2]], text)


def _style_once(match: re.Match[str]) -> str:
    """Move the style that all markers of a line share to their group."""
    styles = set(STYLE.findall(match[2]))
    if len(styles) != 1:
        return match[0]
    return f'<g{match[1] or ""} style="{styles.pop()}">\n{STYLE.sub("", match[2])}</g>'


def _size_only(match: re.Match[str]) -> str:
    return match[1].replace("font:", "font-size:")


def _without_idle_groups(text: str) -> str:
    """Remove groups that have no attribute."""
    pieces: list[str] = []
    opened: list[bool] = []
    for piece in re.split(r"(<g(?: [^>]*)?>|</g>)", text):
        if piece.startswith("<g"):
            opened.append(piece != "<g>")
        if not re.fullmatch(r"<g(?: [^>]*)?>|</g>", piece) or opened[-1]:
            pieces.append(piece)
        if piece == "</g>":
            opened.pop()
    return re.sub(r"\s*\n\s*", "\n", "".join(pieces))


def _page_colours(text: str) -> str:
    """Replace the palette by the page's variables, which differ between light and dark."""
    for place, colour in enumerate(style.PALETTE):
        text = text.replace(colour, f"var(--m{place})")
    for place, colour in enumerate(style.LENGTHS):
        text = text.replace(colour, f"var(--b{place})")
    return text.replace(style.INK, "currentColor").replace(style.GRID, "var(--grid)")
