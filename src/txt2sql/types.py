"""What flows between the packages: frozen dataclasses, one enum of outcomes, and the protocols.

`Example + Schema -> prompts.render -> Generator -> sql.extract_sql -> Prediction -> execute -> Verdict`

>>> Schema("shop", (Table("sale", (Column("id", "number", primary_key=True),)),)).table("SALE").name
'sale'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol

Cell = int | float | str | bytes | None
"""One value of a result row, as SQLite returns it."""

Row = tuple[Cell, ...]

Certainty = Literal["sure", "unsure", "unknown"]
"""What people are told of an answer: it is given, given with other readings, or only on request."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What a sample of the cells of a column says beyond its type; see `sql.stored_texts`. `as_number` is SQL
    that reads texts as numbers, `{}` for the column; `missing` are texts that stand for no value; `varied`:
    one name is spelled with other cases or spaces; `separator` stands between the items of lists."""

    as_number: str = ""
    missing: tuple[str, ...] = ()
    varied: bool = False
    has_null: bool = False
    separator: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is one of number, text, time, boolean, other (Spider's classes)."""

    name: str
    type: str = "text"
    primary_key: bool = False
    declared_type: str = ""
    samples: tuple[str, ...] = ()
    """Up to three distinct cell values, in storage order, shortened for display."""
    words: str = ""
    """The name as a person would say it (tables.json, or split from the identifier)."""
    comment: str = ""
    """What the database itself says of the column."""
    cells: Cells = Cells()


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view with its columns in storage order."""

    name: str
    columns: tuple[Column, ...]
    words: str = ""
    comment: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that name, case-insensitively as SQL resolves it, or None."""
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`table.column` references `referenced_table.referenced_column`.

    `score` is 1 for a declared key, and below 1 the confidence in one that was inferred from names
    and values. The columns of one composite key share a `constraint` number above 0.
    """

    table: str
    column: str
    referenced_table: str
    referenced_column: str
    score: float = 1.0
    constraint: int = 0

    @property
    def inferred(self) -> bool:
        """True where nobody declared it."""
        return self.score < 1


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one database, as introspected or as a data set declares them.

    `dialect` is sqlglot's name of the SQL that the database speaks.
    """

    db_id: str
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    dialect: str = "sqlite"

    def table(self, name: str) -> Table | None:
        """The table of that name, case-insensitively, or None."""
        return next((t for t in self.tables if t.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was answered before, with its SQL: what a follow-up refers to."""

    question: str
    sql: str


@dataclass(frozen=True, slots=True)
class Example:
    """One question about one database, with its gold SQL where it is known."""

    id: str
    db_id: str
    question: str
    gold_sql: str = ""
    evidence: str = ""
    difficulty: str | None = None
    answers: tuple[str, ...] | None = None
    """The expected cells, where a data set gives answers instead of SQL."""
    accepted: tuple[str, ...] = ()
    """Other gold statements that answer the question as well, where there are several fair ones."""
    previous: Turn | None = None
    """The turn before, where the question is a follow-up."""


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A cell value that the question seems to mention.

    `span` is the text of the question that matched; `score` is in (0, 1], 1 for an exact match.
    `condition` is an SQL condition on the column where it is more than `column = value`: a range of
    dates, a flag, NULL; `relative` where that depends on what day it is.
    """

    table: str
    column: str
    value: str
    span: str
    score: float = 1.0
    condition: str = ""
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn; role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt: `text` for plain models, `messages` for models with a chat template.

    What depends on the database alone stands first: it is `prefix`, the beginning of `text`, and the
    system message, the first of `messages`. `grammar` (Lark text), when set, restricts what may be generated.
    `dropped` names the tables and columns ("table" or "table.column") that did not fit the budget;
    `matches` are the cells that the question mentions.
    """

    text: str
    messages: tuple[Message, ...] = ()
    prefix: str = ""
    dropped: tuple[str, ...] = ()
    grammar: str | None = None
    matches: tuple[ValueMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to decode: greedy at temperature 0, `n` samples above it, beam search with `beams` > 1."""

    max_new_tokens: int = 256
    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    beams: int = 1
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One generated text; `logprobs` has one natural-log probability per generated token: 0 where the
    grammar left no choice. `tokens` are their ids, where the model is on this machine."""

    text: str
    logprobs: tuple[float, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a predictor answers for one example. `sql` is None when no SQL could be found, or none
    that may be run: then `problem` is the sentence that says why. `repaired` says that the SQL is not
    quite what the model wrote: its names or joins were put right.

    `tokens` counts (prompt, completion); `confidence` is a probability in [0, 1]; `cost` is in dollars.
    `dropped` is what the prompt left out, see `Prompt`. `certainty` is told only where the confidence was
    fitted to answers that were judged; `doubt` is a sentence on what speaks against the answer. `readings`
    are other statements that the question may mean, likeliest first, each with a result of its own.
    """

    example_id: str
    sql: str | None
    completion: str = ""
    candidates: tuple[str, ...] = ()
    tokens: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    cost: float | None = None
    confidence: float | None = None
    tree: Mapping[str, Any] | None = None
    dropped: tuple[str, ...] = ()
    repaired: bool = False
    problem: str = ""
    prompt: Prompt | None = None
    features: tuple[float, ...] = ()
    """The features of its confidence, see `models.confidence`."""
    certainty: Certainty | None = None
    doubt: str = ""
    readings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows, or the reason there are none: every failure of a query is a value, not an exception."""

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    truncated: bool = False
    error: str | None = None
    timed_out: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when the query ran to its end (or to the row cap)."""
        return self.error is None

    @property
    def says_something(self) -> bool:
        """True when it ran and gave more than NULLs."""
        return self.ok and any(cell is not None for row in self.rows for cell in row)

    @property
    def key(self) -> Hashable:
        """Equal for results with the same rows in any order, and the same columns in any order where
        their cells tell them apart; numbers equal to 6 digits are the same.
        """
        rows = [tuple(map(_rounded, row)) for row in self.rows]
        # Sets, not sorted rows: a result of 10,000 rows would take a tenth of a second to sort.
        columns = sorted(zip(*rows), key=lambda column: hash(frozenset(Counter(column).items())))
        counts = frozenset(Counter(zip(*columns)).items())
        return (len(self.columns), counts, self.truncated)


def _rounded(cell: Cell) -> Cell:
    if isinstance(cell, int) and -1_000_000 < cell < 1_000_000:
        return cell
    return float(f"{cell:.6g}") if isinstance(cell, (int, float)) else cell


class Outcome(Enum):
    """How a prediction fared. A failing gold query is its own outcome, never the model's fault."""

    CORRECT = "correct"
    WRONG_RESULT = "wrong_result"
    PREDICTION_ERROR = "prediction_error"
    TIMEOUT = "timeout"
    NO_SQL = "no_sql"
    GOLD_ERROR = "gold_error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One metric's judgement of one prediction; `score` is in [0, 1], but for ratios of times.

    `details` is what else the metric found (component scores, ...), ready for JSON.
    """

    example_id: str
    metric: str
    outcome: Outcome
    score: float
    reason: str = ""
    details: Mapping[str, Any] | None = None

    @property
    def correct(self) -> bool:
        """True only for Outcome.CORRECT."""
        return self.outcome is Outcome.CORRECT


class Generator(Protocol):
    """Anything that completes prompts: transformers, vLLM, an API, a script."""

    name: str

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` (or `sampling.beams`) completions for each prompt, best first."""
        ...


class Predictor(Protocol):
    """Anything that answers examples with SQL. It never sees `gold_sql`."""

    name: str

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order, each yielded as soon as it is known."""
        ...


class Executor(Protocol):
    """Runs one statement on one database by `db_id`; failures are values."""

    def __call__(self, db_id: str, sql: str) -> QueryResult: ...
