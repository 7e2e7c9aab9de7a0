"""What the API takes and gives, as pydantic models: bodies are checked by them, OpenAPI is made of them.

>>> Question(question="How many shops are there?").search
0
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from txt2sql.execution.guard import MAX_SQL_CHARS


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Question(_Body):
    """What to ask: `search` simulations, 0 for one greedy answer; `id` to stop it by; `previous` is
    the id of the answer that it follows, if its words refer back."""

    question: Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"[^\s\x1c-\x1f]")]
    search: Annotated[int, Field(ge=0)] = 0
    id: UUID | None = None
    previous: UUID | None = None


class Statement(_Body):
    """One statement that reads; `id` to stop it by."""

    sql: Annotated[str, Field(min_length=1, max_length=MAX_SQL_CHARS)]
    id: UUID | None = None


class Feedback(_Body):
    """Whether an answer is right, and the SQL that would be."""

    id: UUID
    good: bool
    sql: Annotated[str | None, Field(max_length=MAX_SQL_CHARS)] = None


class Name(_Body):
    """What an answer is called in the history; "" for its question again."""

    name: Annotated[str, Field(max_length=200)]


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


class Reading(BaseModel):
    """Another statement that a question may mean, and what it does."""

    sql: str
    explanation: str | None


class Answered(BaseModel):
    """An answer: rows, or the reason why there are none in `error`; `dropped` did not fit the prompt.
    `previous` is the id of the answer that the question was taken to follow. `certainty` is what the
    `confidence` comes to: an answer that is unsure has other `readings` beside it, and where it is not
    known, `unknown` says so in a sentence and the rows are a guess.

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
    readings: list[Reading] = []
    matches: list[Match]
    chart: Chart | None
    candidates: list[str]
    dropped: list[str]
    next: list[str]
    tree: dict[str, Any] | None


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


class Failed(BaseModel):
    """Why not, in one sentence."""

    error: str
