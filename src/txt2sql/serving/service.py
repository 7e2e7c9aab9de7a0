"""The service: one database, one model, questions in, answers out; everything that asks uses it.

Nothing here raises for what a question or its SQL does: an `Answer` carries the error instead.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txt2sql.errors import DatabaseError, ModelError, PromptError
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.descriptions import described_schema
from txt2sql.execution.execute import DEFAULT_LIMITS, Limits, execute
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models import adapters, confidence
from txt2sql.models.adapters import DatabaseAdapter
from txt2sql.models.catalog import has_preference, resolve, sources
from txt2sql.models.confidence import Weights
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.sql.text import is_statement
from txt2sql.types import (
    Cell,
    Certainty,
    Example,
    Generator,
    Prediction,
    Prompt,
    QueryResult,
    Row,
    Schema,
    Turn,
    ValueMatch,
)

if TYPE_CHECKING:
    from txt2sql.models.tree_decoder import Head
    from txt2sql.search.predictor import SearchOptions, SearchPredictor

BUNDLED = "bundled"
LoadModel = Callable[[str | Path], tuple[Generator, Weights | None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Another statement that a question may mean, and one sentence on what it does."""

    sql: str
    explanation: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question got. `error` is one sentence when there is no SQL or it failed, else None. `question` is
    "" where somebody typed the SQL; `previous` is what it was taken to follow. See `Prediction` for `confidence`,
    `certainty`, `doubt`, `readings` and `dropped`."""

    question: str
    sql: str | None
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    truncated: bool = False
    seconds: float = 0.0
    model: str = ""
    error: str | None = None
    confidence: float | None = None
    certainty: Certainty | None = None
    doubt: str = ""
    readings: tuple[Reading, ...] = ()
    prompt: Prompt | None = None
    matches: tuple[ValueMatch, ...] = ()
    completion: str = ""
    candidates: tuple[str, ...] = ()
    tree: Mapping[str, Any] | None = None
    dropped: tuple[str, ...] = ()
    previous: Turn | None = None

    @classmethod
    def of(cls, sql: str | None, result: QueryResult, **more: Any) -> Answer:
        """What SQL gave, that somebody typed or that a model wrote for a `question`."""
        facts = {"question": "", "seconds": result.seconds, "error": result.error, **more}
        return cls(
            sql=sql, columns=result.columns, rows=result.rows, truncated=result.truncated, **facts
        )

    @property
    def unknown(self) -> str:
        """Why the answer is better not relied on, in one sentence; "" for one that may be."""
        if self.certainty != "unknown":
            return ""
        return "I do not know: " + (self.doubt or "no reading of this question is likely enough")

    @property
    def turn(self) -> Turn | None:
        """What the next question may follow; None where nothing was answered."""
        answered = self.question and self.sql and self.error is None
        return Turn(self.question, self.sql or "") if answered else None


class Service:
    """One open database and one loaded model, by default the one adapted to this database or the bundled
    one. `describe` is a file of what tables and columns mean. `notice` says where an adapter cannot be used,
    or a description is of what is not there. With `search`, every answer is searched for. Services with one
    `load_model` that caches share the models in memory."""

    def __init__(
        self,
        database: Database | UrlDatabase | Path | str,
        model: str | Path | Generator | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
        constrained: bool = True,
        search: SearchOptions | None = None,
        describe: Path | None = None,
        load_model: LoadModel | None = None,
    ) -> None:
        if isinstance(database, (str, Path)):
            database = open_database(database)
        self.database: Database | UrlDatabase = database
        self.schema, unmatched = schema_with_tables(self.database, describe)
        self.limits = limits
        self._run_once = lru_cache(maxsize=None)(self.run)  # until the next question

        def load(chosen: str | Path | Generator) -> DirectPredictor:
            return build_predictor(
                chosen,
                lambda _: self.schema,
                lambda _: self.database,
                limits=limits,
                constrained=constrained,
                load_model=load_model,
            )

        self.adapted: DatabaseAdapter | None = None
        notice = ""
        if model is None:
            self.adapted, notice = adapters.find(self.schema, Path(self.database.place))
        try:
            self.direct = load(self.adapted.folder if self.adapted else model or BUNDLED)
        except ModelError as error:
            if self.adapted is None:
                raise
            self.adapted, notice = None, f"{error}; the plain model answers"
            self.direct = load(BUNDLED)
        self.notice = "; ".join(filter(None, (notice, unmatched)))
        self.direct.executor = lambda db_id, sql: self._run_once(sql)[1]
        self._predictor = self.searcher(search) if search is not None else self.direct
        self.model = self.adapted.name if self.adapted else self._predictor.name

    def searcher(self, options: SearchOptions) -> SearchPredictor:
        """The same model with a search; a server is not asked to check every step of one."""
        checked = options.checked and isinstance(self.database, Database)
        return searching(self.direct, replace(options, checked=checked))

    def ask(self, question: str, previous: Turn | None = None) -> Answer:
        """Answer one question; `previous` is used where the question refers back. SQL is run as it is,
        and a wish to change something gets a sentence."""
        start = time.perf_counter()
        self._run_once.cache_clear()
        if problem := declined(question):
            return Answer(question, None, error=problem)
        if is_sql(question, self.schema):
            return self.run_sql(question.strip())
        if not refers_back(question):
            previous = None
        example = Example("question", self.database.db_id, question.strip(), previous=previous)
        try:
            prediction = next(self._predictor.predict([example]))
        except PromptError as error:
            return Answer(question, None, model=self.model, error=str(error))
        answer = self.answer(question, prediction, self._run_once)
        return replace(answer, previous=previous, seconds=time.perf_counter() - start)

    def run_sql(self, sql: str) -> Answer:
        """Run one statement that somebody typed, in the database's own dialect."""
        return Answer.of(sql, execute(self.database, sql, self.limits))

    def run(self, sql: str) -> tuple[str, QueryResult]:
        """The statement in the database's own dialect, and what it gave."""
        return run_native(self.database, self.schema, sql, self.limits)

    def answer(
        self, question: str, prediction: Prediction, run: Callable[[str], tuple[str, QueryResult]]
    ) -> Answer:
        """The answer that a prediction makes, its statement run by `run`."""
        reason = prediction.problem or "the model wrote no SQL for this; try other words"
        sql, result = None, QueryResult(error=reason)
        if prediction.sql:
            sql, result = run(prediction.sql)
        readings = [native(reading, self.schema) for reading in prediction.readings]
        return Answer.of(
            sql,
            result,
            question=question,
            seconds=prediction.seconds + result.seconds,
            model=self.model,
            **facts(prediction, "confidence certainty doubt prompt candidates tree dropped"),
            completion=prediction.completion,
            readings=tuple(Reading(each, explanation(each, self.schema)) for each in readings),
            matches=prediction.prompt.matches if prediction.prompt else (),
        )


def facts(thing: object, names: str) -> dict[str, Any]:
    """Some attributes, as they are."""
    return {name: getattr(thing, name) for name in names.split()}


def explanation(sql: str | None, schema: Schema) -> str | None:
    """One sentence on what a statement does, or None."""
    if sql is None:
        return None
    from txt2sql.sql.explain import explain

    return explain(sql, schema.dialect)


def cell(value: Cell) -> Any:
    """A cell as JSON can carry it: bytes as a blob literal, infinities and NaN as text.

    >>> cell(b"\\n"), cell(float("inf"))
    ("x'0a'", 'Infinity')
    """
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    return value


def schema_with_tables(
    database: Database | UrlDatabase, describe: Path | None = None
) -> tuple[Schema, str]:
    """The schema of a database with what it means, and a sentence about descriptions of what is not
    there. Raises DatabaseError for a database without tables."""
    schema = database.schema()
    if not any(table.columns for table in schema.tables):
        raise DatabaseError(f"'{database.place}' holds no tables; give a database that has some")
    return described_schema(schema, database, describe)


def open_model(model: str | Path) -> tuple[Generator, Weights | None]:
    """A model, and the weights of its confidence where it has some. Raises ModelError."""
    # A wrong name is an error before the seconds that importing torch takes.
    card = resolve(model)
    from txt2sql.models import decoder

    weights = confidence.find(each.folder for each in sources(card))
    if card.folder is not None and decoder.answers_without_torch(card):
        return decoder.load(card.folder), weights
    from txt2sql.models import torch_engine

    return torch_engine.load(model), weights


def build_predictor(
    model: str | Path | Generator,
    schema: Callable[[str], Schema],
    database: Callable[[str], Database | UrlDatabase],
    *,
    limits: Limits = DEFAULT_LIMITS,
    constrained: bool = True,
    batch_size: int | None = None,
    load_model: LoadModel | None = None,
) -> DirectPredictor:
    """The predictor of a model over databases that are found by db_id. `limits` hold for what it tries."""
    weights = None
    if isinstance(model, (str, Path)):
        model, weights = (load_model or open_model)(model)

    @lru_cache(maxsize=64)
    def index(db_id: str) -> ValueIndex:
        return open_value_index(database(db_id))

    options = PredictorOptions(constrained=constrained)
    return DirectPredictor(
        model,
        schema,
        lambda example: index(example.db_id).match(example.question),
        lambda db_id, sql: run_native(database(db_id), schema(db_id), sql, limits)[1],
        replace(options, batch_size=batch_size) if batch_size else options,
        weights,
    )


def searching(
    predictor: DirectPredictor, options: SearchOptions, head: Head | None = None
) -> SearchPredictor:
    """The same model with a search over its answers, whose steps `head` values, or the preference model in the
    folder of the model. Raises ModelError for a model that cannot be searched."""
    from txt2sql.models.decoder import Decoder
    from txt2sql.models.tree_decoder import TreeDecoder
    from txt2sql.search.predictor import SearchPredictor
    from txt2sql.search.steps import starts_step

    generator, vote = predictor.generator, options.vote
    if not isinstance(generator, Decoder):
        raise ModelError(f"'{generator.name}' cannot be searched; choose a model that runs here")
    if head is None and has_preference(generator.folder):
        from txt2sql.models.ppm import find  # imports torch

        if preference := find(generator.folder):
            head = preference.scores
            vote = replace(vote, preference=vote.preference or preference.vote)
    engine = TreeDecoder(generator, starts_step, head=head, decoding=options.steps)
    return SearchPredictor(predictor, engine, replace(options, vote=vote), scored=head is not None)


def run_native(
    database: Database | UrlDatabase, schema: Schema, sql: str, limits: Limits = DEFAULT_LIMITS
) -> tuple[str, QueryResult]:
    """A model's statement in the dialect of the database, and its result."""
    sql = native(sql, schema)
    return sql, execute(database, sql, limits)


def native(sql: str, schema: Schema) -> str:
    """A model's statement, which is SQLite's SQL, in the dialect of the database."""
    if schema.dialect != "sqlite":
        from txt2sql.sql.translate import translate

        sql = translate(sql, schema)
    return sql


# --------------------------------------------------------------------------- what somebody typed

# The wording alone decides: the words that follow-ups begin with (English and German), pronouns before
# which no noun stands, "instead".
_DECLINED = "nothing here can be changed, the database is only read; ask a question about it"
_LONGEST = 5_000


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


_AT_THE_END = r"(?:\ (?:please|then|only|too|first|bitte))*\W*$"
_FILLERS = r"""(?:(?:which|what|who|whose|when|where|how|many|much|of|in|from|for|by|on|at|to|the|a|any|all|each
    |one|is|are|was|were|do|does|did|has|have|had|can|show|give|since|welche|wer|wie|viele|sind)\ +)*"""
"""All that may stand before a pronoun and explains nothing."""
_REFERS_BACK = _pattern(
    rf"""^\W*(?:(?:ok|okay|no|yes|please)\b\W*)*(?:
        (?:and|or|but|only|just|counting|now|then|also|same|instead|without|not\ counting|(?:what|how)\ about)\b
        |(?:und|oder|aber|nur|jetzt|auch|ohne|mit|lieber|sortiert|statt(?:\ dessen)?|das\ (?:gleiche|ganze)|nach)\b
        |(?:in|as\ a\ share\ of)\ (?:percent|everything|all)\b
        |(?:at|from|for|to|by)\ which\ \w+\W*$ | the\ (?:year|month|week|day|quarter)\ (?:after|before)\b
        |what(?:'s|\ is)\ the\ (?:sum|total|average|mean|share)\W*$
        |(?:sort|order\ (?:by|it|them|those)|sortier[e]?|split|break|broken|roll|leave|drop|skip|add(?!\ up)|count\ only)\b
        |(?:with|by(?!\ how\ (?:much|many))|as\ (?:a\ )?percent\w*|rounded)\b
        |(?:per|for\ (?:all|each|every))(?:\ [\w,]+){{1,5}}\W*$
        |(?:in|for|since|before|after|from)(?:\ [\w%]+){{1,2}}{_AT_THE_END}
        |the\ (?:other|ones?)\b | which\ ones?\b
        |(?:the\ )?(?:bottom|top)\ (?:\d+|one|two|three|four|five|ten){_AT_THE_END} | the\ bottom\b | the\ \d+\ \w+{_AT_THE_END}
        |\w*st\ (?:\w+\ )?(?:first|on\ top|at\ the\ top)\b
        |{_FILLERS}(?:those|these|them|they|it|that|this|he|she)\b(?!\ (?:day|week|month|quarter|year)s?\b)
        |(?:\w+\ ){{1,3}}only\b\W*(?:$|,)
    )
    |\b(?:instead|rather)\b | \b(?:too|as\ well)\ *(?:$|,)
    |\bdavon\b | \b(?:sind|ist|war|waren)\ (?:das|die)\W*$
    |\b(?:is|are|was|were|did|do|does|by|for|of|behind|after|with|from)\ (?:that|those|these|them|they|this|it)(?:\ \w+)?\W*$
    |^(?:\w+\ ){{1,4}}(?:them|then|each)\W*$ | \bmissing\ (?:for|of)\ each\W*$"""
)

_CHANGES = _pattern(
    r"""^\W*(?:(?:please|can\ you|could\ you|would\ you|i\ want\ to|let's|now|and|then)\b\W*)*(?:
        (?:delete|erase|wipe|l(?:ö|oe)sche?)\ (?!(?:\w+\ )?(?:per|by|of|requests?|operations?|events?|dates?|times?)\b)
        |(?:truncate|update|overwrite)\ (?:all|every|each|any|the|my|our|\w+\ \#?\d+)\b | update\ \S+\ set\b
        |(?:drop|alter|truncate|create)\ (?:the\ )?(?:table|column|view|index|trigger|database|schema)\b
        |remove\ (?:all|every|each|.+\ from\ the\ (?:database|db|table))\b | insert\ into\b
        |(?:insert|add|create)\ (?:an?\ |the\ )?(?:new|another)\ (?!column)
        |(?:insert|add|create)\ an?\ \w+\ (?:named|called|for|to|who)\b
        |(?:set|change|rename|raise|increase|lower|reduce|mark)\ (?:all|every|each|the|\w+\ \#?\d+)\b
         (?!\ (?:sort\w*|order|limit|day|month|quarter|year|period|range|chart)\b).*\ (?:to|by|as|=)\ \S
    )"""
)
_BEGINS = re.compile(r"\s*(?:explain\s+(?:query\s+plan\s+)?)?((?:select|with)\b.*)", re.I | re.S)
_WRITTEN = re.compile(r"SELECT|WITH|[*();=<>\"`]|(?i:select)\s+[\d']")
_READS = re.compile(r"\b(?:from|join)\s+[\"`\[]?(\w+)", re.I)


def refers_back(question: str) -> bool:
    """Whether a question makes sense only after another one."""
    return bool(_REFERS_BACK.search(" ".join(question.split())))


def declined(text: str) -> str:
    """Why a request to change something is not even tried; "" for everything else."""
    return _DECLINED if _CHANGES.search(" ".join(text.split())) else ""


def is_sql(text: str, schema: Schema) -> bool:
    """Whether it is one statement that somebody typed: what parses is SQL where it is written in capitals or
    signs, or reads a table that there is."""
    match = _BEGINS.fullmatch(text)
    if match is None or len(text) > _LONGEST or not is_statement(match[1]):
        return False
    tables = (schema.table(name) for name in _READS.findall(text))
    return _WRITTEN.search(match[1]) is not None or any(tables)
