"""The reasoning style: the ddl style, asked for lines of thought before the query."""

from __future__ import annotations

import pytest

from txt2sql.prompts import render
from txt2sql.prompts.reasoning import thoughts
from txt2sql.types import Column, Schema, Table

SHOP = Schema("shop", (Table("shop", (Column("town"),)),))


def test_it_is_the_ddl_prompt_but_for_what_is_asked() -> None:
    plain, asked = (render("how many ?", SHOP, style=style) for style in ("ddl", "reasoning"))
    assert asked.text.splitlines()[:-1] == plain.text.splitlines()[:-1]
    assert asked.text.endswith(
        "-- At most 4 lines of reasoning, each after --, then one SQLite SELECT statement:\n"
    )
    assert asked.messages[1:] == plain.messages[1:]
    assert asked.messages[0].content.startswith(plain.messages[0].content)
    assert "--" in asked.messages[0].content[len(plain.messages[0].content) :]


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("SELECT 1", ""),
        ("SELECT 1 -- one", ""),
        ("-- a\n  -- b\nSELECT 1\n-- c", "-- a\n  -- b\n"),
        ("-- never ended", ""),
        ("", ""),
    ],
)
def test_only_comments_before_a_query_are_thoughts(query: str, lines: str) -> None:
    assert thoughts(query) == lines
