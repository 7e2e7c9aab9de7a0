"""What the API takes and gives: bodies as pydantic models, and an answer as plain JSON values.

An answer is a dict with the keys of `Answered`, its rows as they are, which `encoded` writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from txt2sql.execution.guard import MAX_SQL_CHARS
from txt2sql.serving.service import Answer, Reading, cell, explanation, facts
from txt2sql.serving.suggestions import amounts, column_types, suggest
from txt2sql.types import QueryResult, Schema

_ROWS_AT_A_TIME = 500
_Database = Annotated[str, Field(max_length=1000)]
"""The name of the database that is meant, "" for the first."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Body):
    """What to ask: `search` simulations, 0 for one greedy answer; `id` to stop it by; `previous` is
    the id of the answer that it follows, if its words refer back."""

    question: Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"[^\s\x1c-\x1f]")]
    search: Annotated[int, Field(ge=0)] = 0
    id: UUID | None = None
    previous: UUID | None = None
    database: _Database = ""


class Statement(_Body):
    """One statement that reads; `id` to stop it by."""

    sql: Annotated[str, Field(min_length=1, max_length=MAX_SQL_CHARS)]
    id: UUID | None = None
    database: _Database = ""


class Feedback(_Body):
    """Whether an answer is right, and the SQL that would be."""

    id: UUID
    good: bool
    sql: Annotated[str | None, Field(max_length=MAX_SQL_CHARS)] = None
    database: _Database = ""


class Name(_Body):
    """What an answer is called in the history; "" for its question again."""

    name: Annotated[str, Field(max_length=200)]
    database: _Database = ""


class Match(BaseModel):
    """A cell value that the question seems to mention, and by which of its words."""

    table: str
    column: str
    value: str
    text: str


class Chart(BaseModel):
    """A picture that suits the rows; `x`, `y` and `series` (a second dimension) are places of columns."""

    kind: Literal["bar", "stacked", "line", "number", "scatter"]
    x: int | None
    y: list[int]
    series: int | None = None


class Answered(BaseModel):
    """An answer: rows, or the reason why there are none in `error`; `dropped` did not fit the prompt.
    `previous` is the id of the answer that the question was taken to follow. `certainty` is what the
    `confidence` comes to: an answer that is unsure has a `doubt`, and where it is not known, `unknown` says so in a
    sentence and the rows are a guess. `readings` are what else the question may mean.

    `database` is its name where several are served.
    `labels` say in words what the columns are, `amounts` are the places of those that hold quantities.
    """

    id: str
    question: str | None
    previous: str | None = None
    sql: str | None
    explanation: str | None
    columns: list[str]
    labels: list[str]
    amounts: list[int]
    rows: list[list[Any]]
    types: list[Literal["number", "text", "date", "other"]]
    truncated: bool
    seconds: float
    model: str
    error: str | None
    confidence: float | None
    certainty: Literal["sure", "unsure", "unknown"] | None = None
    unknown: str | None = None
    doubt: str = ""
    readings: list[Reading] = []
    matches: list[Match]
    chart: Chart | None
    candidates: list[str]
    dropped: list[str]
    next: list[str]
    tree: dict[str, Any] | None
    database: str | None = None


class Judged(BaseModel):
    """What somebody said of an answer."""

    good: bool
    sql: str | None


class Past(BaseModel):
    """An answer of the history; `rows` counts."""

    id: str
    name: str | None = None
    asked_at: str
    question: str | None
    sql: str | None
    rows: int
    error: str | None
    feedback: Judged | None
    database: str | None = None


class Failed(BaseModel):
    """Why not, in one sentence."""

    error: str


def payload(id: str, answer: Answer, schema: Schema, previous: str | None = None) -> dict[str, Any]:
    """An answer as `Answered` has it, its rows still as they are. `previous` is the id of what it follows."""
    return {
        "id": id,
        "question": answer.question or None,
        "previous": previous,
        **facts(answer, "sql truncated model error certainty doubt candidates dropped tree rows"),
        "explanation": explanation(answer.sql, schema) if answer.error is None else None,
        **columns(answer.sql, answer, schema),
        "seconds": round(answer.seconds, 4),
        "confidence": None if answer.confidence is None else round(answer.confidence, 4),
        "unknown": answer.unknown or None,
        "readings": [asdict(reading) for reading in answer.readings],
        "matches": [{**facts(m, "table column value"), "text": m.span} for m in answer.matches],
    }


def columns(sql: str | None, result: Answer | QueryResult, schema: Schema) -> dict[str, Any]:
    """What is said of the columns of a result: names, labels, types, which are quantities, a chart."""
    from txt2sql.sql.explain import labels, origins

    names, rows = result.columns, result.rows
    types, cells = column_types(names, rows), origins(sql or "", names, schema.dialect)
    return {
        "columns": names,
        "labels": labels(sql or "", names, schema),
        "types": types,
        "amounts": amounts(types, cells),
        "chart": suggest(types, rows, cells) if result.error is None else None,
    }


def encoded(answer: Mapping[str, Any]) -> bytes:
    """As JSON. Rows are written a few hundred at a time: other threads get their turn meanwhile."""
    parts = []
    for at in range(0, len(answer["rows"]), _ROWS_AT_A_TIME):
        rows = answer["rows"][at : at + _ROWS_AT_A_TIME]
        cells = [[cell(value) for value in row] for row in rows]
        parts.append(json.dumps(cells, ensure_ascii=False, allow_nan=False)[1:-1])
    head = {key: value for key, value in answer.items() if key != "rows"}
    start = json.dumps(head, ensure_ascii=False, allow_nan=False)
    return f'{start[:-1]}, "rows": [{",".join(parts)}]}}'.encode("utf-8", "replace")
