"""A figure's SVG made fit for the page: small, with ids of its own, in the page's font and colours."""

from __future__ import annotations

import hashlib
import re

from reports import drawing, style

USES = re.compile(r"<g( [^>]*)?>\n((?:<use [^>]*/>\n)+)</g>")
GROUP_ENDS = re.compile(r"<g\b|</g>")
OWNER = re.compile(rf' id="{drawing.SERIES}([a-z0-9-]+?)--\d+"')
VIEW = re.compile(r'viewBox="([\d.]+ [\d.]+ [\d.]+) ([\d.]+)"')
POINTS = 72
"""SVG units in an inch, as the figures are written."""
STYLE = re.compile(r' style="([^"]*)"')


def inline(svg: bytes, name: str, described_by: str, room: float = 0.0) -> str:
    """Return the SVG as an element of a page: no prolog, no namespaces, no references but to itself.

    ``name`` is unique on the page and keeps ids apart; ``described_by`` is the id of the text that says what is shown.
    ``room`` is the height of the legend in inches, which is cut off. What belongs to a row carries ``data-series``.
    """
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    head, body = text.split(">", 1)
    if room:
        head, body = _shortened(head, room * POINTS), _without_legend(body)
    body = OWNER.sub(r' data-series="\1"', body)
    head = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", head)
    head = head.replace("<svg", f'<svg role="img" aria-labelledby="{described_by}"', 1)
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", "\n", body.replace("xlink:href", "href"))
    body = _own_ids(body, name)
    body = re.sub(r'(?<= )(d|x|y)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), body)
    body = USES.sub(_style_once, body)
    body = re.sub(r"(font-size: [\d.]+px|font: [\d.]+px)[^;\"]*(; font-family: [^;\"]*)?", _size_only, body)
    return f"{head}>{_page_colours(_without_idle_groups(body))}".strip()


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


def _own_ids(text: str, name: str) -> str:
    """Keep the ids that the figure refers to, short and unlike those of other figures; drop the others."""
    prefix = "f" + hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
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
    kept: list[str] = []
    opened: list[bool] = []
    for piece in re.split(r"(<g(?: [^>]*)?>|</g>)", text):
        if piece.startswith("<g"):
            opened.append(piece != "<g>")
        if not re.fullmatch(r"<g(?: [^>]*)?>|</g>", piece) or opened[-1]:
            kept.append(piece)
        if piece == "</g>":
            opened.pop()
    return re.sub(r"\s*\n\s*", "\n", "".join(kept))


def _page_colours(text: str) -> str:
    """Replace the palette by the page's variables, which differ between light and dark."""
    for place, colour in enumerate(style.PALETTE):
        text = text.replace(colour, f"var(--m{place})")
    for place, colour in enumerate(style.LENGTHS):
        text = text.replace(colour, f"var(--b{place})")
    return text.replace(style.INK, "currentColor").replace(style.GRID, "var(--grid)")
