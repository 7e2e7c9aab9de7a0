from __future__ import annotations

import pytest

from txt2sql.errors import PromptError
from txt2sql.prompts import render
from txt2sql.types import Column, Schema, Table

SCHEMA = Schema("d", (Table("singer", (Column("id"),)),))


def test_question_and_schema_are_rendered() -> None:
    text = render("how many ids ?", SCHEMA, budget=900, count=len).text
    assert "how many ids ?" in text and "singer" in text


@pytest.mark.parametrize(
    ("question", "schema", "says"),
    [
        ("  \n", SCHEMA, "question is empty"),
        ("q", Schema("empty", ()), "'empty' has no tables"),
        ("q", Schema("empty", (Table("t", ()),)), "'empty' has no tables"),
    ],
)
def test_what_cannot_be_rendered_says_why(question: str, schema: Schema, says: str) -> None:
    with pytest.raises(PromptError, match=says):
        render(question, schema)
