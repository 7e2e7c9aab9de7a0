"""The page's files, without a browser: everything is there, small, its own, and readable."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

import txt2sql

PACKAGE = Path(txt2sql.__file__).parent
PAGE = PACKAGE / "serving" / "page"
SHARED = [PACKAGE / "search" / name for name in ("tree.js", "tree.css")]
FILES = {path.name: path.read_text(encoding="utf-8") for path in [*PAGE.iterdir(), *SHARED]}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
INDEX, STYLE = FILES["index.html"], FILES["page.css"]
MOST_BYTES = 160_000
"""All that a browser ever loads, before compression; the documentation tells the figure."""


def test_it_is_small_and_what_it_names_is_there() -> None:
    assert sum(len(text.encode()) for text in FILES.values()) < MOST_BYTES
    assert {Path(name).suffix for name in FILES} == {".html", ".css", ".js", ".svg"}
    loaded = set(re.findall(r'(?:src|href)="([^"#.][^"]*)"', INDEX))
    assert loaded == {"page.css", "tree.css", "theme.js", "page.js", "icon.svg"}
    code = "\n".join(SCRIPTS.values())
    assert {*re.findall(r'from "\./([^"]+)"', code), *loaded} == FILES.keys() - {"index.html"}
    ids = set(re.findall(r'id="([^"]+)"', INDEX))
    icons = {f"i-{name}" for name in re.findall(r'icon\("(\w+)"\)', code)}
    used = re.findall(r'find\("([^"]+)"\)', code) + re.findall(r'href="#([^"]+)"', INDEX)
    assert icons | set(used) <= ids


def test_nothing_comes_from_elsewhere_and_text_never_becomes_markup_or_code() -> None:
    for name, text in FILES.items():
        content = text.replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"(?:https?:)?//[\w-]+\.\w+|url\(|@import|data:\w+/", content) == [], name
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
    more = r"DOMParser|\beval\(|new Function|srcdoc|javascript:|setAttribute\(\"style\""
    for name, text in SCRIPTS.items():
        assert re.findall(f"{ways}|{more}", text) == [], name


def test_nothing_is_inline_and_headings_do_not_skip_a_level() -> None:
    """The service's policy for its page lets no script or style be inline."""
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script>|<script(?![^>]*\bsrc=)", INDEX) == []
    levels = [int(level) for level in re.findall(r"<h(\d)", INDEX)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


TEXTS = {
    "paper": "ink dim accent good middle bad",
    "ground": "ink dim accent good middle bad",
    "fill": "ink dim",
    "accent": "on-accent",
    "accent-fill": "accent ink",
    "chosen": "ink good dim",
    "bad-fill": "bad ink dim",
}
"""Ground -> the colours of text that stand on it."""
EDGES = {"paper": "edge accent " + " ".join(f"series-{number}" for number in range(1, 8))}


def contrast(*colours: str) -> float:
    """The contrast of two colours, by the relative luminance of WCAG 2.2."""
    lights = []
    for colour in colours:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        lights.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_everything_can_be_read(theme: int) -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.01)
    pattern = r"light-dark\(#(\w{6}), #(\w{6})\)"
    colours = {name: both[theme] for name, *both in re.findall(rf"--([\w-]+): {pattern}", STYLE)}
    words = re.findall(rf"\.sql-(\w+) \{{ color: {pattern}", STYLE)
    assert len(words) == 4
    colours |= {f"sql-{name}": both[theme] for name, *both in words}
    sql = {"paper": " ".join(f"sql-{name}" for name, *_ in words)}
    for pairs, least in ((TEXTS, 4.5), (sql, 4.5), (EDGES, 3)):
        for ground, inks in pairs.items():
            for ink in inks.split():
                assert contrast(colours[ink], colours[ground]) >= least, (ink, ground)
