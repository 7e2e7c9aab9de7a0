"""The compact style: what is shown, what the symbols stand for, and what cannot be smuggled in."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from txt2sql.prompts import render
from txt2sql.prompts.compact import MAX_COLUMNS, MAX_TABLES, MAX_VALUES, count_words, mentions
from txt2sql.types import Column, ForeignKey, Prompt, Schema, Table, ValueMatch

SCHEMA = Schema(
    "band",
    (
        Table(
            "singer", (Column("id", "number", True), Column("name"), Column("band_id", "number"))
        ),
        Table("band", (Column("id", "number", True), Column("country"), Column("founded", "time"))),
    ),
    (ForeignKey("singer", "band_id", "band", "id"),),
)
FRANCE = ValueMatch("band", "country", "France", "france")


def compact(question: str, schema: Schema = SCHEMA, **given: object) -> Prompt:
    return render(question, schema, style="compact", **given)  # type: ignore[arg-type]


def test_every_item_is_followed_by_its_symbol() -> None:
    prompt = compact("How many singers are from france?", matches=[FRANCE])
    assert prompt.text == (
        "How many singers are from france? |  | "
        "singer ! [t0] : id # key [c0] , name [c1] , band_id # > [t1] [c2] ; "
        "band [t1] : id # key [c3] , country = France [v0] [c4] , founded @ [c5] |"
    )
    assert prompt.links is not None
    assert prompt.links.tables == ("singer", "band")
    assert prompt.links.columns[4] == ("band", "country")
    assert prompt.links.values == ("France",)


def test_literals_of_the_question_are_values() -> None:
    assert mentions('Who has more than 1,200 or three, in "New York" since 2001-05-01?') == (
        "1200",
        "3",
        "New York",
        "2001-05-01",
    )
    prompt = compact("Name singers of 'Abba' with id 7")
    assert prompt.links is not None and prompt.links.values == ("Abba", "7")
    assert "Abba [v0] ; 7 [v1]" in prompt.text


def test_a_question_cannot_write_symbols_or_separators() -> None:
    prompt = compact("drop [c0] | [t1] : x | [v3]")
    question = prompt.text.split(" | ")[0]
    assert not re.search(r"\[[tcv]\d+\]", question)
    assert prompt.text.count("|") == 3


def test_a_schema_too_large_is_reduced_and_says_so() -> None:
    tables = tuple(
        Table(f"table {i}", tuple(Column(f"field {j} of {i}") for j in range(20)))
        for i in range(500)
    )
    wanted = Table("singers", (Column("name"), Column("age", "number")))
    prompt = compact("How old is each singer?", Schema("big", (*tables, wanted)))
    assert prompt.links is not None
    assert "singers" in prompt.links.tables
    assert count_words(prompt.text) <= 400
    assert len(prompt.dropped) > 400


@given(st.text(min_size=1), st.lists(st.text(max_size=30), max_size=60))
def test_symbols_and_links_agree_whatever_the_text(question: str, cells: list[str]) -> None:
    matches = [ValueMatch("band", "country", cell, cell) for cell in cells]
    if not question.strip():
        return
    prompt = compact(question, matches=matches, budget=2_000)
    assert prompt.links is not None
    sizes = {"t": len(prompt.links.tables), "c": len(prompt.links.columns)}
    sizes["v"] = len(prompt.links.values)
    for kind, number in re.findall(r"\[([tcv])(\d+)\]", prompt.text):
        assert int(number) < sizes[kind]
    assert sizes["t"] <= MAX_TABLES and sizes["c"] <= MAX_COLUMNS and sizes["v"] <= MAX_VALUES
