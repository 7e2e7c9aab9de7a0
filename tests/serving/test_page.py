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
FILES = [*sorted(PAGE.iterdir()), *SHARED]
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
MOST_BYTES = 160_000
"""All that a browser ever loads, before compression; the documentation tells the figure."""


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_it_is_small_and_of_one_folder() -> None:
    assert sum(path.stat().st_size for path in FILES) < MOST_BYTES
    assert {path.suffix for path in FILES} == {".html", ".css", ".js", ".svg"}
    assert all(path.is_file() for path in FILES)


def test_what_it_names_is_there() -> None:
    names = {path.name for path in FILES}
    index = text(PAGE / "index.html")
    loaded = set(re.findall(r'(?:src|href)="([^"#.][^"]*)"', index))
    assert {"page.css", "tree.css", "theme.js", "page.js", "icon.svg"} == loaded
    imported = {name for path in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', text(path))}
    assert imported | loaded == names - {"index.html"}
    ids = set(re.findall(r'id="([^"]+)"', index))
    found = {id for path in SCRIPTS for id in re.findall(r'find\("([^"]+)"\)', text(path))}
    icons = {f"i-{name}" for path in SCRIPTS for name in re.findall(r'icon\("(\w+)"\)', text(path))}
    assert found | icons | set(re.findall(r'href="#([^"]+)"', index)) <= ids


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    content = text(path).replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[\w-]+\.\w+|url\(|@import|data:\w+/", content) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_text_never_becomes_markup_or_code(path: Path) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
    assert (
        re.findall(rf"{ways}|DOMParser|\beval\(|new Function|srcdoc|javascript:", text(path)) == []
    )


def test_nothing_is_inline() -> None:
    """The service's policy for its page lets no script or style be inline."""
    index = text(PAGE / "index.html")
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script>|<script(?![^>]*\bsrc=)", index) == []
    assert 'setAttribute("style"' not in "".join(map(text, SCRIPTS))


# ---------------------------------------------------------------------------------------- contrast

PAIRS = [
    *((ink, ground) for ink in ("ink", "dim") for ground in ("paper", "ground", "fill")),
    *((ink, "paper") for ink in ("accent", "good", "middle", "bad")),
    *((ink, "ground") for ink in ("accent", "good", "middle", "bad")),
    ("on-accent", "accent"),
    ("accent", "accent-fill"),
    ("ink", "accent-fill"),
    ("ink", "chosen"),
    ("good", "chosen"),
    ("dim", "chosen"),
    ("bad", "bad-fill"),
    ("ink", "bad-fill"),
    ("dim", "bad-fill"),
]
EDGES = [(f"series-{number}", "paper") for number in range(1, 8)] + [
    ("edge", "paper"),
    ("accent", "paper"),
]


def colours() -> dict[str, tuple[str, str]]:
    found = re.findall(r"--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\)", text(PAGE / "page.css"))
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_the_guideline_does() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read(theme: int) -> None:
    known = colours()
    values = {pair: contrast(known[pair[0]][theme], known[pair[1]][theme]) for pair in PAIRS}
    assert {pair: value for pair, value in values.items() if value < 4.5} == {}
    edges = {pair: contrast(known[pair[0]][theme], known[pair[1]][theme]) for pair in EDGES}
    assert {pair: value for pair, value in edges.items() if value < 3} == {}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_sql_can_be_read(theme: int) -> None:
    css = text(PAGE / "page.css")
    found = re.findall(r"\.sql-(\w+) \{ color: light-dark\(#(\w{6}), #(\w{6})\)", css)
    paper = colours()["paper"][theme]
    assert len(found) == 4
    assert {kind: each for kind, *each in found if contrast(each[theme], paper) < 4.5} == {}


def test_headings_do_not_skip_a_level() -> None:
    levels = [int(level) for level in re.findall(r"<h(\d)", text(PAGE / "index.html"))]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
