"""The documentation site: it builds without a warning, and every link within it leads somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

import txt2sql

pytest.importorskip("mkdocs", reason="the site needs the extra docs")
pytest.importorskip("mkdocstrings", reason="the site needs the extra docs")

ROOT = Path(__file__).parents[1]
LINK = re.compile(r'(?:href|src)="([^"]*)"')


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    site = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", site],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_every_link_within_the_site_leads_somewhere(pages: dict[Path, str]) -> None:
    anchors = {path: set(re.findall(r'\bid="([^"]*)"', text)) for path, text in pages.items()}
    wrong = []
    for path, text in pages.items():
        if path.name == "404.html":  # served anywhere, so its links begin at the root
            continue
        for link in LINK.findall(text):
            name, _, anchor = unquote(link).partition("#")
            if re.match(r"[a-z]+:", name):
                continue
            target = (path.parent / name).resolve() if name else path
            known = target.is_file() and (
                not anchor or anchor.startswith("__") or anchor in anchors[target]
            )
            wrong += [] if known else [f"{path.name}: {link}"]
    assert wrong == []


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(pages: dict[Path, str]) -> None:
    reference = "".join(text for path, text in pages.items() if path.parent.name == "reference")
    shown = {name.rpartition(".")[2] for name in re.findall(r'id="(txt2sql\.[\w.]+)"', reference)}
    assert set(txt2sql.__all__) - shown == set()


@pytest.mark.slow
def test_examples_are_code_and_not_quotations(pages: dict[Path, str]) -> None:
    reference = [text for path, text in pages.items() if path.parent.name == "reference"]
    assert sum("language-pycon" in text for text in reference) > 5
    assert not any("<blockquote>" in text or "doctest: +SKIP" in text for text in reference)


@pytest.mark.parametrize(
    ("page", "link", "target"),
    [
        ("adapt.md", "../requirements.txt", "requirements.txt"),
        ("reference/index.md", "../memory.md", "docs/memory.md"),
        ("repository/CONTRIBUTING.md", "docs/cli.md", "docs/cli.md"),
        ("adapt.md", "../no_such_file.md", None),
        ("adapt.md", "../../../etc/passwd", None),
    ],
)
def test_a_link_is_followed_from_where_the_page_lies(
    page: str, link: str, target: str | None
) -> None:
    assert module("repository_pages")._target(page, link) == target
