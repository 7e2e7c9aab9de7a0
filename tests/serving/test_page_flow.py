"""The page in a browser: stopping what runs, history and feedback, errors, themes, the access token."""

from __future__ import annotations

import re
from typing import Any
from urllib.request import urlopen

import pytest
from page_browser import Open, Served, accessible, ask, run_sql
from sqlite_files import build

from .conftest import ENDLESS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def nothing_old(page: Any) -> None:
    """No number, sentence, confidence, chart or table stands beside SQL that it does not belong to."""
    for old in (".big", ".explanation", ".certainty", "figure", ".rows", ".judge", ".more"):
        expect(page.locator(f".answer {old}:visible")).to_have_count(0)


@pytest.mark.parametrize("look", ["desktop, light", "phone, dark"])
def test_a_long_search_is_watched_and_stopped(
    open_page: Open, asked_service: Served, look: str
) -> None:
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
    with urlopen(asked_service.url + "metrics", timeout=20) as answer:
        assert re.search(rb"^txt2sql_waiting 0.0$", answer.read(), re.M)
    page.select_option("#effort", "0")
    ask(page, "How many shops are there?")
    expect(page.locator(".big")).to_contain_text("7")


def test_a_long_statement_is_stopped_with_escape(open_page: Open) -> None:
    page = open_page(expected="ERR_ABORTED")
    ask(page, "How many shops are there?")
    page.fill("#sql", ENDLESS)
    page.press("#sql", "Control+Enter")
    page.locator("#progress .stop").wait_for()
    page.keyboard.press("Escape")
    page.locator("#answer:not([aria-busy])").wait_for(timeout=15_000)
    expect(page.locator(".result")).to_have_text("Stopped; nothing of it runs any more.")
    nothing_old(page)
    run_sql(page, "SELECT count(*) FROM staff")
    expect(page.locator(".big")).to_contain_text("39")


def test_what_is_shown_belongs_to_the_sql_beside_it(open_page: Open) -> None:
    page = open_page()
    ask(page, "How many shops are there in Lisbon?")
    expect(page.locator(".certainty")).to_be_visible()
    page.fill("#sql", "SELECT town FROM shops")
    expect(page.locator(".stale-hint")).to_be_visible()  # not run yet
    accessible(page)
    page.press("#sql", "Control+Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("no such column: town")
    expect(alert).to_contain_text("Edit the SQL below and run it again")
    expect(page.locator(".stale-hint")).to_be_hidden()
    nothing_old(page)
    accessible(page)
    page.get_by_role("button", name="Undo edits").click()
    expect(page.locator(".certainty")).to_be_visible()


def test_an_answer_has_an_address_and_a_name(open_page: Open) -> None:
    page = open_page()
    ask(page, "How many shops are there?")
    first = page.url
    assert "#answer=" in first
    page.get_by_role("group", name="Next questions").get_by_role("button").first.click()
    page.locator(".answer .facts").wait_for()
    assert page.url != first
    page.go_back()
    expect(page.locator("#question")).to_have_value("How many shops are there?")
    expect(page.locator(".big")).to_contain_text("7")
    page.get_by_role("tab", name="SQL", exact=True).click()
    run_sql(page, "SELECT 41 + 1 AS n", "#own-sql")
    expect(page.locator(".big")).to_contain_text("42")

    page.get_by_role("tab", name="History").click()
    past = page.locator(".pasts li").filter(has_text="SELECT 41 + 1")
    past.get_by_role("button", name="Name: ").first.click()
    page.get_by_label("Name of this answer").fill("The Answer")
    page.keyboard.press("Enter")
    expect(page.locator(".past-question").first).to_have_text("The Answer")
    page.fill("#past-search", "the ans")
    expect(page.locator(".pasts li")).to_have_count(1)
    accessible(page)

    path = first[len(page.evaluate("location.origin")) + 1 :]
    other = open_page("phone, dark", path, expected="status of 404")
    expect(other.locator(".big")).to_contain_text("7")
    other.evaluate("location.hash = '#answer=00000000-0000-4000-8000-000000000000'")
    expect(other.get_by_role("alert")).to_contain_text("no answer of this id")


def test_history_and_feedback(open_page: Open) -> None:
    page = open_page(expected="status of 422")
    reply = page.locator(".told")
    ask(page, "How many shops are there?")
    page.get_by_role("button", name="Right", exact=True).click()
    expect(reply).to_contain_text("kept as right")
    ask(page, "How many staff are there?")
    page.get_by_role("button", name="Wrong").click()
    for column, sentence in (
        ("town", "no such column: town"),
        ("staff_id", "kept as the right answer"),
    ):
        page.fill("#correction", f"SELECT count({column}) FROM staff")
        page.get_by_role("button", name="Send").click()
        expect(reply).to_contain_text(sentence)
    page.get_by_role("tab", name="History").click()
    past = page.locator(".pasts li").filter(has_text="How many shops are there?").first
    expect(past).to_contain_text("right")
    past.locator(".past").click()
    expect(page.locator(".big")).to_contain_text("7")
    expect(page.locator("#question")).to_have_value("How many shops are there?")
    accessible(page)
    questions = page.locator(".pasts li").count()
    page.get_by_role("button", name="Clear history").click()
    past.get_by_role("button", name="Ask again").click()
    expect(page.locator(".pasts li")).to_have_count(questions + 1)
    page.get_by_role("button", name="Clear", exact=True).click()  # a new answer took nothing back
    expect(page.locator("#history")).to_contain_text("Questions you ask are kept here")


def test_without_the_service_it_says_so_and_tries_again(open_page: Open) -> None:
    page = open_page(expected="ERR_INTERNET_DISCONNECTED")
    page.locator(".example").first.wait_for()
    page.context.set_offline(True)
    page.fill("#question", "How many books are there?")
    page.press("#question", "Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("see whether “txt2sql serve” still runs")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".big")).to_contain_text("183")


def test_a_link_only_fills_the_box_and_the_theme_is_kept(open_page: Open) -> None:
    urls = []
    page = open_page("desktop, dark", reduced_motion="reduce")
    page.on("request", lambda request: urls.append(request.url))
    page.goto(page.url + "?q=How+many+%3Cb%3Eshops%3C%2Fb%3E%3F")
    page.locator(".example").first.wait_for()
    page.wait_for_timeout(500)
    expect(page.locator("#question")).to_have_value("How many <b>shops</b>?")
    assert not any("/api/ask" in url or "/api/sql" in url for url in urls)
    switch = page.get_by_role("button", name="Dark colours")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light"


def test_a_token_is_asked_for(
    open_page: Open, tmp_path_factory: pytest.TempPathFactory, browser: Any
) -> None:
    locked = Served(tmp_path_factory.mktemp("locked"), "--token", "s3cret", "--search", "0")
    try:
        page = open_page(at=locked, expected="401|ERR_CONNECTION_REFUSED")
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


def test_page_followup_and_start_afresh(browser: Any, served: Any) -> None:
    page = browser.new_page()
    page.goto(served.url)
    for question, follows in (
        ("Shops per city", 0), ("only in Lisbon", 1), ("", 0), ("only in Lisbon", 0)
    ):  # fmt: skip
        if question:
            page.fill("#question", question)
            page.press("#question", "Enter")
            page.locator("#answer:not([aria-busy]) .answer").wait_for()
        else:
            page.get_by_role("button", name="Start afresh").click()
        assert page.locator(".follows").count() == follows
    page.fill("#question", "SELECT count(*) FROM books")
    page.press("#question", "Enter")
    page.locator("#tab-sql[aria-selected=true]").wait_for()
    assert page.input_value("#own-sql").startswith("SELECT count(*)")
    page.close()


def test_a_database_is_chosen_and_everything_is_of_it(
    open_page: Open, asked_service: Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("two")
    small = build(
        folder / "small.sqlite",
        "CREATE TABLE planets (planet_name TEXT, moons INT);"
        "INSERT INTO planets VALUES ('Mars', 2), ('Earth', 1)",
    )
    both = Served(folder, "--db", str(small), "--search", "0")
    try:
        page = open_page("phone, light", at=both, expected="status of 404|ERR_CONNECTION_REFUSED")
        chooser = page.get_by_role("combobox", name="Database")
        page.locator(".example").first.wait_for()
        accessible(page)
        ask(page, "How many shops are there?")
        expect(page.locator(".big")).to_contain_text("7")
        books = page.url
        assert "#database=books&answer=" in books
        page.get_by_role("tab", name="SQL", exact=True).click()
        page.fill("#own-sql", "SELECT 1 FROM books")

        chooser.select_option("small")
        expect(page.locator(".answer")).to_have_count(0)
        expect(page.locator("#afresh")).to_be_hidden()
        expect(page.locator("#own-sql")).to_have_value("")
        expect(page.locator("#schema .name").first).to_have_text("planets")
        page.locator("#own-sql").press_sequentially("SELECT plan")
        expect(page.get_by_role("option", name="planets")).to_have_count(1)
        run_sql(page, "SELECT count(*) FROM planets", "#own-sql")
        expect(page.locator(".big")).to_contain_text("2")
        assert "#database=small&answer=" in page.url
        planets = page.url
        page.get_by_role("button", name="Tables and history").click()
        page.get_by_role("tab", name="History").click()
        expect(page.locator(".pasts li")).to_have_count(1)
        expect(page.get_by_placeholder("History of small")).to_be_visible()
        page.keyboard.press("Escape")

        page.go_back()
        page.go_back()
        expect(chooser).to_have_value("books")
        expect(page.locator(".big")).to_contain_text("7")
        expect(page.locator("#own-sql")).to_have_value("SELECT 1 FROM books")
        other = open_page("desktop, dark", planets[len(both.url) :], at=both, expected="REFUSED")
        expect(other.get_by_role("combobox", name="Database")).to_have_value("small")
        expect(other.locator(".big")).to_contain_text("2")
        other.locator(".example").first.wait_for(state="attached")
        accessible(other)
        page.goto(both.url + "#database=gone")
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("choose one of 'books', 'small'")
        chooser.select_option("books")
        expect(page.locator("#schema .name").first).to_be_attached()
        expect(page.get_by_role("alert")).to_have_count(0)
    finally:
        both.close()
    expect(open_page().get_by_role("combobox", name="Database")).to_be_hidden()
