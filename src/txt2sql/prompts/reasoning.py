"""The `reasoning` style: the `ddl` style, and a few lines of thought before the query.

Field's name: chain of thought (Wei et al. 2022), as comments of SQL, so that an answer stays one text
that a database runs. For models that follow instructions; a search takes each line as a step.

    -- Question: How many singers are from France?
    -- At most 4 lines of reasoning, each after --, then one SQLite SELECT statement:
    -- France is a value of singer.Country.
    SELECT count(*) FROM singer WHERE Country = 'France'
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from txt2sql.prompts.ddl import render_ddl
from txt2sql.types import Prompt, Schema

LINES = 4
"""Lines of reasoning, at most."""

_CONTINUE = re.compile(r"-- SQLite SELECT statement:\n\Z")
_THINK = (
    f" Before the statement, think in at most {LINES} short lines that each begin with --: which "
    "tables, which columns, which conditions."
)
_COMMENTS = re.compile(r"(?:[ \t]*--[^\n]*\n)+")


def render_reasoning(question: str, schema: Schema, **given: Any) -> Prompt:
    """The prompt of `render_ddl`, which asks for reasoning too."""
    prompt = render_ddl(question, schema, **given)
    system, *rest = prompt.messages
    asked = (
        f"-- At most {LINES} lines of reasoning, each after --, then one SQLite SELECT statement:\n"
    )
    return replace(
        prompt,
        text=_CONTINUE.sub(asked, prompt.text),
        style="reasoning",
        messages=(replace(system, content=system.content + _THINK), *rest),
    )


def thoughts(text: str) -> str:
    """The lines of reasoning, comments, that a query begins with.

    >>> thoughts("-- of singers\\nSELECT 1 -- one")
    '-- of singers\\n'
    """
    found = _COMMENTS.match(text)
    return found[0] if found else ""
