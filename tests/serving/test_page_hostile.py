"""The page in a browser: text of strangers is never markup. Its statements go to the API, see test_safety."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_browser import HOSTILE, Open, accessible, ask, run_sql

from txt2sql.search.tree import as_html

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def hostile_tree() -> dict[str, Any]:
    """A search, see search/trajectory.py, in whose texts there is markup."""
    plain = {"kind": "step", "value": 0.1, "probability": 0.5, "score": None, "sql": None}
    plain |= {"result": None, "own": False, "wins": False, "refused": [], "edges": []}
    rows = {"rows": 3, "says_something": True, "error": None}
    cut = [{"step": f"from {HOSTILE}", "reason": "no such table"}]

    def edges(*ways: tuple[int, int]) -> list[dict[str, Any]]:
        return [{"to": to, "visits": visits, "q": 0.2, "prior": 0.5} for to, visits in ways]

    steps: list[dict[str, Any]] = [
        {"step": "", "edges": edges((1, 9)), "refused": cut},
        {"step": "select 1", "edges": edges((2, 6), (3, 3), (4, 0))},
        {"step": f"where name = {HOSTILE}", "sql": "SELECT 1", "result": rows, "wins": True},
        {"step": "where no", "sql": "SELECT 2", "result": {**rows, "error": HOSTILE}},
        {"step": "order by x"},
    ]
    kinds = ("step", "step", "answer", "answer", "step")
    nodes = [plain | {"id": i, "kind": k} | each for i, (k, each) in enumerate(zip(kinds, steps))]
    candidates = [
        {"sql": "SELECT 1", "score": 0.8, "answers": 1, "own": True, "visits": 6},
        {"sql": "SELECT 2", "score": -1.0, "answers": 1, "own": False, "visits": 3},
    ]
    facts = {"question": HOSTILE, "db_id": "books", "sql": "SELECT 1", "simulations": 9}
    facts |= {"expansions": 3, "tokens": 20, "seconds": 0.5, "reason": "all 9 simulations"}
    return {**facts, "path": [0, 1, 2], "nodes": nodes, "candidates": candidates}


def test_a_search_as_a_file_tells_what_was_cut_and_why(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "tree.html"
    file.write_text(as_html(hostile_tree()), encoding="utf-8")
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
    expect(page.locator(".bars .label", has_text="<img src")).to_be_visible()
    run_sql(page, f'SELECT * FROM "{HOSTILE[:9]}"')
    expect(page.get_by_role("alert")).to_contain_text("<img")
    if look.startswith("phone"):
        page.get_by_role("button", name="Tables and history").click()
    page.locator(".schema .table", has_text="<img").click()
    expect(page.locator(".column:visible .name")).to_have_text(HOSTILE)
    page.get_by_role("tab", name="History").click()
    expect(page.locator(".past-question", has_text=HOSTILE).first).to_be_visible()
    assert page.locator("main img, aside img").count() == 0
