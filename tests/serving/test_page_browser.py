"""The page in a browser (Debian's Chromium) against `txt2sql serve` with the bundled model.

Nothing may fail on the side: a message on the browser's console, a request that fails or that goes
elsewhere, or a page wider than its window fails the test in which it happens.
"""

from __future__ import annotations

import json
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
from urllib.request import urlopen

import pytest

from txt2sql import sample
from txt2sql.search.view import as_html

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")
expect = api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(os.environ.get("AXE", Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"))
ATTACKS = Path(__file__).parents[1] / "fixtures" / "safety" / "attacks.json"
LOOKS = {
    "desktop, light": ((1280, 860), "light"),
    "desktop, dark": ((1280, 860), "dark"),
    "phone, light": ((360, 740), "light"),
    "phone, dark": ((360, 740), "dark"),
}
HOSTILE = '<img src=x onerror="window.harmed=1">'
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
WAIT_MS = 90_000
expect.set_options(timeout=WAIT_MS)


class Served:
    """A running `txt2sql serve`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.database = folder / "books.sqlite"
        shutil.copyfile(sample.path(), self.database)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute(f"CREATE TABLE [{HOSTILE}] ([{HOSTILE}] TEXT)")
            connection.execute(f"INSERT INTO [{HOSTILE}] VALUES (?)", (HOSTILE,))
            connection.commit()
        command = [sys.executable, "-m", "txt2sql", "serve", "--db", str(self.database)]
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"), "--search", "20000", "--timeout", "20")
    yield found
    found.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; install Debian's chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, served: Served) -> Iterator[Open]:
    """Opens the page in one of LOOKS; whatever goes wrong on the side is told at the end."""
    wrong: list[str] = []
    contexts = []

    def open_one(
        look: str = "desktop, light",
        path: str = "",
        *,
        expected: str = "",
        at: Served = served,
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
    page.locator(".answer .facts").wait_for()


def run_sql(page: Any, sql: str) -> None:
    page.fill("#sql", sql)
    page.press("#sql", "Control+Enter")
    page.locator("#answer:not([aria-busy])").wait_for()


def column(page: Any, number: int) -> list[str]:
    found: list[str] = page.locator(f".rows tbody td:nth-child({number})").all_inner_texts()
    return found


def accessible(page: Any) -> None:
    """axe-core finds nothing, where it is installed: npm install axe-core."""
    if AXE.is_file():
        page.evaluate(AXE.read_text(encoding="utf-8"))
        page.wait_for_timeout(300)  # transitions of colours have ended
        found = page.evaluate("axe.run().then(found => found.violations)")
        wrong = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
        assert wrong == []


# ------------------------------------------------------------------------------- asking and reading


@pytest.mark.parametrize("look", LOOKS)
def test_ask_see_a_chart_edit_and_run_again(open_page: Open, look: str) -> None:
    page = open_page(look)
    accessible(page)
    page.locator(".example").first.click()
    expect(page.locator(".big strong")).to_have_text("7")
    ask(page, "How many books are there in each genre?")
    expect(page.locator(".bars .box")).to_have_count(9)
    expect(page.locator(".bars")).to_contain_text("science fiction20")
    expect(page.locator("#sql")).to_have_value(re.compile(r"^SELECT .* GROUP BY", re.I | re.S))
    accessible(page)

    page.get_by_role("tab", name="Table", exact=True).click()
    assert sorted(column(page, 1))[0] == "children"
    run_sql(page, "SELECT name, floor_area FROM shops")
    assert len(column(page, 1)) == 7
    expect(page.locator(".head")).to_contain_text("7 rows")
    accessible(page)

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(map(int, re.findall(r"\d+", ground)[:3])) > 380
    assert bright == look.endswith("light")


@pytest.mark.parametrize("look", ["desktop, dark", "phone, light"])
def test_the_tree_of_a_search(open_page: Open, look: str) -> None:
    page = open_page(look)
    ask(page, "What are the titles of the books written by Yumi Okada?", 20)
    page.get_by_role("tab", name="Search").click()
    tree = page.get_by_role("tree")
    expect(tree).to_contain_text("select books.title")
    expect(page.locator(".why")).to_contain_text("of the vote")
    expect(page.locator(".map .block").first).to_be_visible()
    expect(page.locator(".vote tbody tr").first).to_contain_text("Yumi Okada")
    accessible(page)

    tree.get_by_role("treeitem").first.focus()
    page.keyboard.press("c")
    expect(page.locator(".step-details")).to_contain_text("Visits (N)")
    expect(page.locator(".steps :focus")).to_have_class("chosen")
    before = tree.get_by_role("treeitem").count()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    visible = tree.locator("[role=treeitem]:visible").count()
    assert visible == 1 < before
    page.keyboard.press("ArrowRight")
    assert tree.locator("[role=treeitem]:visible").count() > 1


def step(id: int, text: str, *edges: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A node of a search, see search/trajectory.py; `edges` are (to, visits)."""
    plain = {"kind": "step", "value": 0.1, "probability": 0.5, "score": None, "sql": None}
    found = [{"to": to, "visits": visits, "q": 0.2, "prior": 0.5} for to, visits in edges]
    flags = {"result": None, "own": False, "wins": False, "refused": []}
    return {"id": id, "step": text, "edges": found, **plain, **flags, **more}


def test_a_search_as_a_file_tells_what_was_cut_and_why(browser: Any, tmp_path: Path) -> None:
    rows = {"rows": 3, "says_something": True, "error": None}
    ends = [
        step(2, f"where name = {HOSTILE}", kind="answer", sql="SELECT 1", result=rows, wins=True),
        step(3, "where no", kind="answer", sql="SELECT 2", result={**rows, "error": HOSTILE}),
        step(4, "order by x"),
    ]
    cut = [{"step": f"from {HOSTILE}", "reason": "no such table"}]
    tree = {
        "question": HOSTILE,
        "db_id": "books",
        "sql": "SELECT 1",
        "simulations": 9,
        "expansions": 3,
        "tokens": 20,
        "seconds": 0.5,
        "reason": "all 9 simulations",
        "path": [0, 1, 2],
        "nodes": [
            step(0, "", (1, 9), refused=cut),
            step(1, "select 1", (2, 6), (3, 3), (4, 0)),
            *ends,
        ],
        "candidates": [
            {"sql": "SELECT 1", "score": 0.8, "answers": 1, "own": True, "visits": 6},
            {"sql": "SELECT 2", "score": -1.0, "answers": 1, "own": False, "visits": 3},
        ],
    }
    file = tmp_path / "tree.html"
    file.write_text(as_html(tree), encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 740})
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(file.as_uri())
    expect(page.locator("h1")).to_have_text(HOSTILE)
    expect(page.locator(".why")).to_contain_text("2 whole queries, of which 1 failed")
    expect(page.locator(".why")).to_contain_text("1 step was cut")
    expect(page.locator(".refused")).to_contain_text("cut: no such table")
    expect(page.locator(".refused code")).to_have_text(f"from {HOSTILE}")
    expect(page.locator(".steps")).to_contain_text("1 step never tried")
    expect(page.locator(".map .fails")).to_have_count(1)
    expect(page.locator(".vote tbody tr").nth(1)).to_contain_text("failed")
    page.locator(".row", has_text="where no").click()
    expect(page.locator(".step-details .bad")).to_have_text(HOSTILE)
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate("window.harmed") is None
    assert wrong == []
    page.close()


def test_with_the_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    page.locator(".example").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("How many customers live in Lisbon?")
    page.keyboard.press("Enter")
    page.locator(".answer .facts").wait_for()

    def tab_to(selector: str, most: int = 12) -> None:
        for _ in range(most):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                outline = page.evaluate(
                    "(e => e.matches(':focus-visible') && e.id !== 'question')(document.activeElement)"
                )
                assert outline, f"{selector} has the focus and does not show it"
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    tab_to("#sql")
    page.keyboard.press("Control+a")
    page.keyboard.type("SELECT city, count(*) FROM customers GROUP BY city")
    page.keyboard.press("Control+Enter")
    page.locator(".bars").wait_for()
    tab_to("#show-chart")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#view-table")).to_be_visible()
    tab_to(".rows th button")
    page.keyboard.press("Enter")
    expect(page.locator(".rows th").first).to_have_attribute("aria-sort", "ascending")
    assert column(page, 1) == sorted(column(page, 1))
    tab_to(".judge .choice", 20)

    page.locator("body").press("/")
    assert page.evaluate("document.activeElement.id") == "question"


def test_rows_are_sorted_paged_and_downloaded(open_page: Open) -> None:
    page = open_page()
    ask(page, "How many shops are there?")
    expect(page.locator(".big")).to_contain_text("7")
    run_sql(
        page,
        "SELECT order_id, CASE WHEN order_id % 100 THEN order_date END AS day, "
        "9007199254740993 AS big, order_id / 3.0 AS third, '' AS blank FROM orders",
    )
    page.get_by_role("tab", name="Table", exact=True).click()
    assert len(column(page, 1)) == 50
    expect(page.locator(".pages")).to_contain_text("1–50 of 1,100 rows")
    page.get_by_role("button", name="Next rows").click()
    assert column(page, 1)[0] == "51"
    assert set(column(page, 3)) == {"9007199254740993"}
    assert column(page, 5)[0] == ""
    page.get_by_role("button", name="order_id").click()
    page.get_by_role("button", name="order_id").click()
    assert column(page, 1)[:2] == ["1100", "1099"]
    assert column(page, 2)[0] == "NULL"
    page.get_by_role("button", name="day").click()
    assert column(page, 2)[0] != "NULL"
    page.get_by_role("button", name="day").click()
    assert column(page, 2)[0] != "NULL"
    assert (
        page.locator(".rows td.n").first.evaluate("e => getComputedStyle(e).textAlign") == "right"
    )

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1101
    assert lines[0] == "order_id,day,big,third,blank"
    assert waiting.value.suggested_filename.endswith(".csv")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as Parquet").click()
    assert Path(waiting.value.path()).read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("sql", "kind", "shown"),
    [
        ("SELECT order_date, count(*) AS n FROM orders GROUP BY order_date", "Line", "path.line"),
        ("SELECT pages, price FROM books", "Points", "circle.dot"),
        ("SELECT city, min(birth_year) AS a, max(birth_year) AS b FROM customers GROUP BY city",
         "Bars", ".legend li"),
        ("SELECT 'up' AS way, 5 AS n UNION ALL SELECT 'down', -3", "Bars", ".box"),
    ],
)  # fmt: skip
def test_charts(open_page: Open, sql: str, kind: str, shown: str) -> None:
    page = open_page("phone, dark")
    ask(page, "How many shops are there?")
    run_sql(page, sql)
    figure = page.locator("#view-chart figure")
    expect(figure).to_have_attribute("aria-label", re.compile(f"^{kind} of "))
    expect(figure.locator(shown).first).to_be_visible()
    accessible(page)
    if kind != "Bars":
        figure.focus()
        page.keyboard.press("ArrowRight")
        expect(figure.locator(".tip")).to_be_visible()
        accessible(page)


def test_tables_and_columns_are_found_and_inserted(open_page: Open) -> None:
    page = open_page("phone, light")
    ask(page, "How many shops are there?")
    page.fill("#sql", "SELECT ")
    page.get_by_role("button", name="Tables and history").click()
    page.fill("#filter", "salary")
    expect(page.locator(".table-block:visible")).to_have_count(1)
    accessible(page)
    page.locator(".column:visible").click()
    expect(page.locator("#sql")).to_have_value("SELECT staff.salary")
    assert page.evaluate("document.activeElement.id") == "sql"
    page.get_by_role("button", name="Tables and history").click()
    page.keyboard.press("Escape")
    expect(page.locator("#side")).not_to_be_in_viewport()


# -------------------------------------------------------------------------------------- stopping


def running(served: Served) -> float:
    """How many questions and statements the service works on, as its metrics tell."""
    with urlopen(served.url + "metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = re.findall(r"^txt2sql_(?:running|waiting|queue)\w*(?:\{[^}]*\})? (\S+)$", text, re.M)
    assert found, text
    return sum(map(float, found))


@pytest.mark.parametrize("look", ["desktop, light", "phone, dark"])
def test_a_long_search_is_watched_and_stopped(open_page: Open, served: Served, look: str) -> None:
    page = open_page(look)
    page.locator("#effort-label").wait_for()
    page.evaluate("document.querySelector('#effort').append(new Option('very long', '20000'))")
    page.select_option("#effort", "20000")
    page.fill("#question", "Which customers ordered the most copies of books from each country?")
    page.press("#question", "Enter")
    expect(page.locator(".doing")).to_contain_text("of 20,000 simulations")
    expect(page.locator("progress")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".stopped")).to_contain_text("Stopped")
    expect(page.locator("#progress")).to_be_hidden()
    page.wait_for_timeout(500)
    assert running(served) == 0
    page.select_option("#effort", "0")
    ask(page, "How many shops are there?")
    expect(page.locator(".big")).to_contain_text("7")


def test_a_long_statement_is_stopped_with_escape(open_page: Open) -> None:
    page = open_page(expected="ERR_ABORTED")
    ask(page, "How many shops are there?")
    page.fill("#sql", ENDLESS)
    started = time.monotonic()
    page.press("#sql", "Control+Enter")
    page.locator("#progress .stop").wait_for()
    page.keyboard.press("Escape")
    page.locator("#answer:not([aria-busy])").wait_for()
    assert time.monotonic() - started < 15
    run_sql(page, "SELECT count(*) FROM staff")
    expect(page.locator(".big")).to_contain_text("39")


# ------------------------------------------------------------------------------- history, feedback


def test_history_feedback_and_what_is_exported(open_page: Open, served: Served) -> None:
    page = open_page()
    ask(page, "How many shops are there?")
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.locator(".told")).to_contain_text("kept as right")
    ask(page, "How many staff are there?")
    page.get_by_role("button", name="Wrong").click()
    page.fill("#correction", "SELECT count(staff_id) FROM staff")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".told")).to_contain_text("kept as the right answer")
    with urlopen(served.url + "api/feedback/export", timeout=20) as answer:
        pairs = {each["question"]: each["sql"] for each in map(json.loads, answer)}
    assert pairs["How many staff are there?"] == "SELECT count(staff_id) FROM staff"
    assert re.fullmatch(r"(?i)select count\(\*\) from shops", pairs["How many shops are there?"])

    page.get_by_role("tab", name="History").click()
    past = page.locator(".pasts li").filter(has_text="How many shops are there?").first
    expect(past).to_contain_text("right")
    past.locator(".past").click()
    expect(page.locator(".big")).to_contain_text("7")
    expect(page.locator("#question")).to_have_value("How many shops are there?")
    accessible(page)
    past.get_by_role("button", name="Ask again").click()
    page.locator(".answer .facts").wait_for()
    page.get_by_role("button", name="Clear history").click()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("#history")).to_contain_text("Questions you ask are kept here")


# ------------------------------------------------------------------------------- what goes wrong


def test_errors_say_what_to_do(open_page: Open) -> None:
    page = open_page(expected="ERR_INTERNET_DISCONNECTED")
    ask(page, "How many shops are there?")
    run_sql(page, "SELECT price FROM shops")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("no such column: price")
    expect(alert).to_contain_text("Edit the SQL above and run it again")
    accessible(page)
    page.get_by_role("button", name="Undo edits").click()
    expect(page.locator(".big")).to_contain_text("7")
    page.context.set_offline(True)
    page.fill("#question", "How many books are there?")
    page.press("#question", "Enter")
    expect(alert).to_contain_text("see whether “txt2sql serve” still runs")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".big")).to_contain_text("183")


def test_a_link_only_fills_the_box(open_page: Open) -> None:
    asked = []
    page = open_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page.url + "?q=How+many+%3Cb%3Eshops%3C%2Fb%3E%3F")
    page.locator(".example").first.wait_for()
    page.wait_for_timeout(500)
    expect(page.locator("#question")).to_have_value("How many <b>shops</b>?")
    assert not any("/api/ask" in url or "/api/sql" in url for url in asked)


def test_the_theme_is_switched_and_kept(open_page: Open) -> None:
    page = open_page("desktop, dark", reduced_motion="reduce")
    switch = page.get_by_role("button", name="Dark colours")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"


def test_a_token_is_asked_for(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory, browser: Any
) -> None:
    locked = Served(tmp_path_factory.mktemp("locked"), "--token", "s3cret", "--search", "0")
    try:
        page = open_page(at=locked, expected="401")
        page.fill("#token", "wrong")
        page.get_by_role("button", name="Open").click()
        expect(page.locator("#token-wrong")).to_be_visible()
        accessible(page)
        page.fill("#token", "s3cret")
        page.get_by_role("button", name="Open").click()
        page.locator(".schema .table-block").first.wait_for()
        assert "s3cret" not in page.url
        expect(page.locator("#token-dialog")).to_be_hidden()
    finally:
        locked.close()


# ------------------------------------------------------------------------------- hostile text, SQL


@pytest.mark.parametrize("look", ["desktop, light", "phone, dark"])
def test_text_is_never_markup(open_page: Open, look: str) -> None:
    page = open_page(look)
    ask(page, HOSTILE + " How many shops are there?")
    page.fill("#question", "another")  # so that the answer bears its own question
    expect(page.locator(".asked")).to_contain_text(HOSTILE)
    quoted = HOSTILE.replace('"', '""')
    run_sql(page, f'SELECT "{quoted}", 1 AS "<b>bold</b>" FROM "{quoted}"')
    page.get_by_role("tab", name="Table", exact=True).click()
    expect(page.locator(".rows th").first).to_contain_text(HOSTILE)
    expect(page.locator(".rows td").first).to_contain_text(HOSTILE)
    run_sql(page, f"SELECT '{HOSTILE}' AS a, 5 AS b UNION ALL SELECT 'x', 6")
    page.get_by_role("tab", name="Chart").click()
    expect(page.locator(".bars .label").first).to_have_text(HOSTILE)
    run_sql(page, f'SELECT * FROM "{HOSTILE[:9]}"')
    expect(page.get_by_role("alert")).to_contain_text("<img")
    if look.startswith("phone"):
        page.get_by_role("button", name="Tables and history").click()
    page.locator(".schema .table", has_text="<img").click()
    expect(page.locator(".column:visible .name")).to_have_text(HOSTILE)
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".past-question", has_text=HOSTILE).first).to_be_visible()
    assert page.locator("main img, aside img").count() == 0


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("books*")}


def test_no_attack_has_an_effect(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The safety matrix through the editor of the page, without the model."""
    attacks = json.loads(ATTACKS.read_text(encoding="utf-8"))
    folder = tmp_path_factory.mktemp("attacked")
    attacked = Served(folder, "--search", "0", "--timeout", "0.5")
    before, wrong = state(folder), []
    try:
        page = open_page(at=attacked, expected="status of 4")
        ask(page, "How many shops are there?")
        for each in attacks:
            page.evaluate("document.querySelector('.result').replaceChildren()")
            run_sql(page, each["sql"].replace("{folder}", str(tmp_path)))
            alert = page.locator(".result [role=alert] p").first
            sentence = alert.inner_text() if alert.count() else ""
            if not sentence and "sqlite" not in each.get("harmless_on", ()):
                wrong.append((each["sql"], "no error"))
            elif "\n" in sentence or len(sentence) > 400:
                wrong.append((each["sql"], sentence))
        run_sql(page, "SELECT count(*) FROM shops")
        expect(page.locator(".big")).to_contain_text("7")
    finally:
        attacked.close()
    assert wrong == []
    assert len(attacks) >= 60
    assert state(folder) == before
    assert list(tmp_path.iterdir()) == []
