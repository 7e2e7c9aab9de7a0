"""The page in a browser: asking, reading, charts, the tree of a search, all with the keyboard, too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from page_browser import LOOKS, Open, accessible, ask, column, run_sql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def type_sql(page: Any, sql: str) -> None:
    """Run SQL of one's own."""
    page.get_by_role("tab", name="SQL", exact=True).click()
    run_sql(page, sql, "#own-sql")


@pytest.mark.parametrize("look", LOOKS)
def test_ask_see_a_chart_edit_and_run_again(open_page: Open, look: str) -> None:
    page = open_page(look)
    accessible(page)
    page.locator(".example", has_text="How many books are there?").click()
    expect(page.locator(".big strong")).to_have_text("183")
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


def test_the_tree_of_a_search(open_page: Open) -> None:
    page = open_page("phone, light")
    ask(page, "What are the titles of the books written by Yumi Okada?", 20)
    page.get_by_role("tab", name="Search").click()
    tree = page.get_by_role("tree")
    expect(tree).to_contain_text("SELECT title")
    expect(page.locator(".why")).to_contain_text("of the vote")
    expect(page.locator(".map .block").first).to_be_visible()
    expect(page.locator(".vote tbody tr").first).to_contain_text("Yumi Okada")
    accessible(page)

    tree.get_by_role("treeitem").first.focus()
    page.keyboard.press("c")
    expect(page.locator(".step-details")).to_contain_text("Visits (N)")
    expect(page.locator(".steps :focus")).to_have_class("chosen")
    before, visible = tree.get_by_role("treeitem").count(), tree.locator("[role=treeitem]:visible")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert visible.count() == 1 < before
    page.keyboard.press("ArrowRight")
    assert visible.count() > 1


def change_answers(page: Any, **facts: Any) -> None:
    """The service's next answers have other facts about how sure they are."""

    def change(route: Any) -> None:
        response = route.fetch(timeout=300_000)
        text = response.text()
        event = re.search(r"event: answer\r?\ndata: (.*)", text)
        assert event, text
        answer = {**json.loads(event[1]), **facts}
        route.fulfill(response=response, body=text.replace(event[1], json.dumps(answer)))

    page.route("**/api/ask", change)


READINGS = [
    {"sql": "SELECT count(*) + 1 AS n FROM shops", "explanation": "One more than the shops."}
]


def test_other_readings_and_what_is_guessed_on_request(open_page: Open) -> None:
    page = open_page("phone, light")
    change_answers(page, certainty="unsure", confidence=0.4, readings=READINGS)
    ask(page, "How many shops are there?")
    expect(page.locator(".big")).to_contain_text("7")
    expect(page.locator(".certainty.middle")).to_contain_text("Unsure: 40%")
    accessible(page)
    page.get_by_role("group", name="Other readings").get_by_role("button").click()
    expect(page.locator(".big")).to_contain_text("8")
    expect(page.locator(".explanation")).not_to_contain_text("One more than the shops")
    expect(page.locator(".certainty")).to_have_count(0)

    page = open_page("desktop, dark")
    sentence = "I do not know: nothing in this database is called 'llama'"
    change_answers(page, certainty="unknown", confidence=0.01, unknown=sentence, readings=READINGS)
    ask(page, "How many shops are there?")
    expect(page.locator(".unknown")).to_contain_text(sentence)
    expect(page.locator(".big")).to_have_count(0)
    expect(page.locator("#sql")).to_be_hidden()
    accessible(page)
    page.get_by_role("button", name="Show the guess").click()
    expect(page.locator(".big")).to_contain_text("7")
    expect(page.locator("#sql")).to_be_visible()
    expect(page.locator(".certainty.low")).to_contain_text("Only 1% sure")


def test_with_the_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    page.locator(".example").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("How many customers live in Lisbon?")
    page.keyboard.press("Enter")
    page.locator(".answer .facts").wait_for()

    def tab_to(selector: str, most: int = 12, key: str = "Tab") -> None:
        for _ in range(most):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                shown = "(e => e.matches(':focus-visible'))(document.activeElement)"
                assert page.evaluate(shown), f"{selector} has the focus and does not show it"
                return
            page.keyboard.press(key)
        raise AssertionError(f"the keyboard does not reach {selector}")

    tab_to("#sql")
    page.keyboard.press("Control+a")
    page.keyboard.type("SELECT city, count(*) FROM customers GROUP BY city")
    page.keyboard.press("Control+Enter")
    page.locator(".bars").wait_for()
    tab_to("#show-chart", key="Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#view-table")).to_be_visible()
    tab_to(".rows th button")
    page.keyboard.press("Enter")
    expect(page.locator(".rows th").first).to_have_attribute("aria-sort", "ascending")
    assert column(page, 1) == sorted(column(page, 1))
    page.locator("body").press("/")
    assert page.evaluate("document.activeElement.id") == "question"


def test_rows_are_sorted_paged_and_downloaded(open_page: Open) -> None:
    page = open_page()
    type_sql(
        page,
        "SELECT order_id, CASE WHEN order_id % 100 THEN order_date END AS day, "
        "9007199254740993 AS big, order_id / 3.0 AS third, '' AS blank FROM orders",
    )
    page.get_by_role("tab", name="Table", exact=True).click()
    assert len(column(page, 1)) == 50
    expect(page.locator(".pages")).to_contain_text("1–50 of 1,100 rows")
    page.get_by_role("button", name="Next rows").click()
    assert column(page, 1)[0] == "51"
    assert set(column(page, 3)) == {"9,007,199,254,740,993"}
    assert column(page, 5)[0] == ""
    page.get_by_role("button", name="order_id").dblclick()
    assert column(page, 1)[:2] == ["1100", "1099"]
    assert column(page, 2)[0] == "NULL"
    for _ in range(2):  # nothing comes last, whichever way it is sorted
        page.get_by_role("button", name="day").click()
        assert column(page, 2)[0] != "NULL"
    number = page.locator(".rows td.n").first
    assert number.evaluate("e => getComputedStyle(e).textAlign") == "right"

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert (len(lines), lines[0]) == (1101, "order_id,day,big,third,blank")
    assert waiting.value.suggested_filename.endswith(".csv")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as Parquet").click()
    assert Path(waiting.value.path()).read_bytes()[:4] == b"PAR1"


MONTHS = (
    "SELECT strftime('%Y-%m', order_date), payment_method, count(*) FROM orders "
    "WHERE order_date >= '2025-06-01' GROUP BY 1, 2"
)


@pytest.mark.parametrize("look", ["desktop, dark", "phone, light"])
def test_two_dimensions_are_drawn_as_one_chooses_and_saved(open_page: Open, look: str) -> None:
    page = open_page(look)
    type_sql(page, MONTHS)
    figure = page.locator("#view-chart figure")
    expect(figure.locator("figcaption")).to_have_text(
        "Number of orders by month of order date and payment method"
    )
    expect(figure.locator(".legend li")).to_have_count(3)
    months = figure.locator(".label").all_text_contents()
    assert months == sorted(months) and len(months) == 7
    page.get_by_text("Change the chart").click()
    page.get_by_role("combobox", name="Order", exact=True).select_option("value")
    biggest = [int(each) for each in figure.locator(".n").all_text_contents()]
    assert biggest == sorted(biggest, reverse=True)
    page.get_by_role("combobox", name="Chart", exact=True).select_option("line")
    expect(figure.locator("path.line")).to_have_count(3)
    accessible(page)
    figure.focus()
    page.keyboard.press("ArrowRight")
    expect(figure.locator(".tip")).to_be_visible()
    for kind, start in (("PNG", b"\x89PNG"), ("SVG", b"<svg ")):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save the chart as {kind}").click()
        assert waiting.value.suggested_filename.startswith("Number-of-orders-by-month")
        assert Path(waiting.value.path()).read_bytes().startswith(start)


def test_rows_are_filtered_copied_and_totalled(open_page: Open) -> None:
    page = open_page("phone, dark", permissions=["clipboard-read", "clipboard-write"])
    type_sql(page, "SELECT city, opening_year, 1500 * floor_area AS area, '=1+1' AS x FROM shops")
    page.get_by_role("tab", name="Table", exact=True).click()
    assert "480,000" in column(page, 3)
    assert "1974" in column(page, 2)
    page.fill(".row-filter", "lisbon")
    assert set(column(page, 1)) == {"Lisbon"}
    expect(page.locator(".range")).to_have_text("2 of 7 rows")
    page.get_by_role("button", name="Totals").click()
    total = sum(int(each.replace(",", "")) for each in column(page, 3))
    expect(page.locator("tfoot tr").first).to_have_text(f"Sum {total:,}")
    accessible(page)
    page.get_by_role("button", name="Copy rows").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    lines = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert lines[0].split("\t") == ["city", "opening_year", "area", "x"]
    assert len(lines) == 3 and lines[1].endswith("\t'=1+1")


def test_sql_is_written_with_names_of_the_schema(open_page: Open) -> None:
    page = open_page()
    page.locator(".schema .table-block").first.wait_for()
    page.get_by_role("tab", name="SQL", exact=True).click()
    editor = page.locator("#own-sql")
    editor.press_sequentially("SELECT b.tit")
    expect(page.locator("#own-sql-names")).to_be_hidden()  # no table of that name yet
    editor.fill("SELECT 1 FROM books b WHERE ")
    editor.press_sequentially("b.")
    expect(page.get_by_role("option")).to_have_count(8)
    accessible(page)
    editor.press_sequentially("ti")
    page.keyboard.press("Tab")
    expect(editor).to_have_value("SELECT 1 FROM books b WHERE b.title")
    run_sql(page, "SELECT titel FROM books", "#own-sql")
    expect(page.get_by_role("alert")).to_contain_text("no such column: titel")
    page.get_by_role("button", name="title", exact=True).click()
    expect(editor).to_have_value("SELECT title FROM books")
    expect(page.locator(".head")).to_contain_text("183 rows")
