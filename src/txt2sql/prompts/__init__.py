"""Schema + question -> Prompt: the only renderer, for training and inference alike.

A style is a function of one signature in STYLES. A model is asked in the style it was trained with.

    render("How many singers are there?", schema, style="ddl").text
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from txt2sql.errors import PromptError
from txt2sql.prompts.compact import render_compact
from txt2sql.prompts.ddl import render_ddl
from txt2sql.prompts.shots import Shot
from txt2sql.types import Prompt, Schema, ValueMatch

STYLES: dict[str, Callable[..., Prompt]] = {
    "ddl": render_ddl,
    "compact": render_compact,
}
ANSWER_TOKENS = {"ddl": 256, "compact": 96}
"""How long an answer in a style may be, where nothing else is said."""
_WITH_SHOTS = ("ddl",)


def render(
    question: str,
    schema: Schema,
    *,
    style: str = "ddl",
    matches: Sequence[ValueMatch] = (),
    evidence: str = "",
    budget: int | None = None,
    count: Callable[[str], int] | None = None,
    shots: Sequence[Shot] = (),
) -> Prompt:
    """The prompt for one question. `budget` is in tokens as `count` counts them; each style has
    its own default for both. `shots` are answered questions to learn from, the nearest last.

    Raises PromptError for an empty question, a schema without columns, an unknown style, or shots in
    a style that shows none.
    """
    if style not in STYLES:
        raise PromptError(f"no prompt style '{style}'; choose one of {', '.join(sorted(STYLES))}")
    if not question.strip():
        raise PromptError("the question is empty; ask something about the database")
    if not any(table.columns for table in schema.tables):
        raise PromptError(
            f"database '{schema.db_id}' has no tables; give one that has tables to ask about"
        )
    if shots and style not in _WITH_SHOTS:
        raise PromptError(f"the prompt style '{style}' shows no examples; ask without them")
    limits = {"budget": budget, "count": count, "shots": shots or None}
    given = {name: value for name, value in limits.items() if value is not None}
    return STYLES[style](question, schema, matches=matches, evidence=evidence, **given)


__all__ = ["ANSWER_TOKENS", "STYLES", "Shot", "render"]
