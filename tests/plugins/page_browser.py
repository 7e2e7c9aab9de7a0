"""Fixtures for tests of the page in a browser: Debian's Chromium, and `txt2sql serve` with the bundled model.

`open_page` opens the page in one of LOOKS; the functions below it do what a person would. Nothing may fail on the side: a message on the browser's console, a request that fails or that goes
elsewhere, or a page wider than its window fails the test in which it happens.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(os.environ.get("AXE", Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"))
LOOKS = {
    "desktop, light": ((1280, 860), "light"),
    "desktop, dark": ((1280, 860), "dark"),
    "phone, light": ((360, 740), "light"),
    "phone, dark": ((360, 740), "dark"),
}
HOSTILE = '<img src=x onerror="window.harmed=1">'
WAIT_MS = 30_000


class Served:
    """A running `txt2sql serve`, of the sample and a table with a hostile name unless `database` is given."""

    def __init__(self, folder: Path, *options: str, database: str = "") -> None:
        command = [sys.executable, "-m", "txt2sql", "serve"]
        command += ["--db", database or str(_sample(folder / "books.sqlite"))]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "TXT2SQL_CACHE": str(folder / "cache")},
            )
        self.url = self._address()

    def _address(self) -> str:
        for _ in range(3000):
            found = re.search(r"http://\S+", self.log.read_text())
            if found:
                return found[0].rstrip("/") + "/"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def _sample(file: Path) -> Path:
    shutil.copyfile(sample.path(), file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE [{HOSTILE}] ([{HOSTILE}] TEXT)")
        connection.execute(f"INSERT INTO [{HOSTILE}] VALUES (?)", (HOSTILE,))
        connection.commit()
    return file


@pytest.fixture(scope="session")
def asked_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    found = Served(tmp_path_factory.mktemp("served"), "--search", "20000", "--timeout", "20")
    yield found
    found.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    api.expect.set_options(timeout=WAIT_MS)
    if CHROMIUM is None:
        pytest.skip("no Chromium here; install Debian's chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, asked_service: Served) -> Iterator[Open]:
    """Opens the page in one of LOOKS; whatever goes wrong on the side is told at the end."""
    wrong: list[str] = []
    contexts = []

    def open_one(
        look: str = "desktop, light",
        path: str = "",
        *,
        expected: str = "",
        at: Served = asked_service,
        **more: Any,
    ) -> Any:
        (width, height), theme = LOOKS[look]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **more
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)

        def note(text: str) -> None:
            if not (expected and re.search(expected, text)):
                wrong.append(text)

        page.on("console", lambda message: note(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                note(f"elsewhere: {request.url}")
                if not request.url.startswith((at.url, "blob:"))
                else None
            ),
        )
        page.goto(at.url + path)
        return page

    yield open_one
    for context in contexts:
        for page in context.pages:
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            harmed = page.evaluate("window.harmed")
            accessible(page)
            assert wide <= 0, f"{wide} pixels wider than the window"
            assert harmed is None
        context.close()
    assert wrong == []


def ask(page: Any, question: str, simulations: int = 0) -> None:
    if simulations:
        page.locator("#effort-label").wait_for()
        page.select_option("#effort", str(simulations))
    page.fill("#question", question)
    page.press("#question", "Enter")
    # On two busy cores a search may take a minute.
    page.locator(".answer .facts").wait_for(timeout=300_000)


def run_sql(page: Any, sql: str, editor: str = "#sql") -> None:
    page.fill(editor, sql)
    page.press(editor, "Control+Enter")
    page.locator("#answer:not([aria-busy])").wait_for()


def column(page: Any, number: int) -> list[str]:
    found: list[str] = page.locator(f".rows tbody td:nth-child({number})").all_inner_texts()
    return found


def accessible(page: Any) -> None:
    if AXE.is_file():
        page.evaluate(AXE.read_text(encoding="utf-8"))
        page.wait_for_timeout(300)  # transitions of colours have ended
        found = page.evaluate("axe.run().then(found => found.violations)")
        wrong = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
        assert wrong == []
