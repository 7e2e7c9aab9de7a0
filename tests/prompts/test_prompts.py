from __future__ import annotations

import pytest

from txt2sql.errors import PromptError
from txt2sql.prompts import STYLES, render
from txt2sql.types import Column, Schema, Table

SCHEMA = Schema("d", (Table("singer", (Column("id"),)),))


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_renders_question_and_schema(style: str) -> None:
    prompt = render("how many ids ?", SCHEMA, style=style, budget=300, count=len)
    assert prompt.style == style
    assert "how many ids" in prompt.text and "singer" in prompt.text


@pytest.mark.parametrize(
    ("question", "schema", "style", "says"),
    [
        ("q", SCHEMA, "xml", "choose one of compact, ddl"),
        ("  \n", SCHEMA, "ddl", "question is empty"),
        ("q", Schema("empty", ()), "ddl", "'empty' has no tables"),
        ("q", Schema("empty", (Table("t", ()),)), "compact", "'empty' has no tables"),
    ],
)
def test_what_cannot_be_rendered_says_why(
    question: str, schema: Schema, style: str, says: str
) -> None:
    with pytest.raises(PromptError, match=says):
        render(question, schema, style=style)
