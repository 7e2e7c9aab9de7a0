"""Answer accuracy (denotation accuracy): does the query return the answer that is on record?

For data sets of questions with answers and no SQL, as WikiTableQuestions. Source: Pasupat and Liang,
"Compositional Semantic Parsing on Semi-Structured Tables", ACL 2015, whose evaluator normalises text,
numbers and dates. This comparison is more lenient, as rows are typed and answers are not.

>>> answers_match([(2800,)], ["2,800"]), answers_match([("Ann",), ("Bob",)], ["Ann"])
(True, False)
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from txt2sql.evaluation.mode import LIMITS
from txt2sql.evaluation.verdicts import Finding, RightOrWrong, failure, without_sql
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.types import Cell, Example, Outcome, Prediction, Row

_MAX_ROWS = 1000  # no answer is a list as long as this

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\s*(?:[$€£¥]|us\$)?\s*"
    r"(?P<digits>\d{1,3}(?:,\d{2,3})*(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:e(?P<exponent>[-+]?\d+))?(?:st|nd|rd|th)?\s*(?P<unit>%|percent|[a-z°²³/.]+[23]?)?",
    re.I,
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan,february feb,march mar,april apr,may,june jun,july jul,august aug,"
        "september sep sept,october oct,november nov,december dec".split(","),
        start=1,
    )
    for name in names.split()
}
_DAY, _YEAR = r"(?P<day>\d\d?)(?:st|nd|rd|th)?", r"(?P<year>\d{4})"
_DATES = (
    rf"{_YEAR}-(?P<month>\d\d?)(?:-(?P<day>\d\d?))?(?:[ t]00:00(?::00(?:\.0+)?)?z?)?",
    r"(?P<month>\d\d?)[/.-](?P<day>\d\d?)[/.-](?P<year>\d{4}|\d\d)",
    r"(?P<day>\d\d?)[/.-](?P<month>\d\d?)[/.-](?P<year>\d{4}|\d\d)",
    rf"(?P<month>[a-z]+)\.?(?: {_DAY})?(?:,? {_YEAR})?",
    rf"{_DAY} (?:of )?(?P<month>[a-z]+)\.?(?:,? {_YEAR})?",
)
"""A text may be a date in several of these ways, as 05/06/1991 is."""

_NOTE = re.compile(r"\[[^\]]*\]|(?<=\S)\s*\([^()]*\)\s*$")
_QUOTES = "\"'“”‘’ "
_SEPARATOR = re.compile(r"\s*[,;|\n]\s*")


class AnswerAccuracy(RightOrWrong):
    """1 where the rows of the prediction are the answers. An example without answers is GOLD_ERROR."""

    name = "answer_accuracy"

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits

    def judge(self, example: Example, prediction: Prediction, database: Database) -> Finding:
        if not example.answers:
            return Outcome.GOLD_ERROR, "the question has no answers on record"
        if not (prediction.sql and prediction.sql.strip()):
            return without_sql(prediction)
        result = execute(database, prediction.sql, self.limits)
        if not result.ok:
            return failure(result)
        if answers_match(result.rows, example.answers):
            return Outcome.CORRECT, ""
        rows = ", ".join(map(str, result.rows[:3])) or "no rows"
        return Outcome.WRONG_RESULT, f"{rows} instead of {', '.join(example.answers[:3])}"


class _Number(NamedTuple):
    value: float
    decimals: int
    unit: str


class _Value(NamedTuple):
    text: str
    number: _Number | None
    dates: frozenset[tuple[int, int, int]]
    """(year, month, day) with 0 for what is not given."""


def answers_match(rows: Sequence[Row], answers: Sequence[str]) -> bool:
    """Whether the rows are the answers: each cell one of them, each of them in a cell. Rows of
    several columns are no answer, but for a single row with one cell for each answer. One cell may
    hold a list."""
    if not answers or len(rows) > _MAX_ROWS:
        return False
    if rows and len(rows[0]) > 1 and (len(rows) > 1 or len(rows[0]) != len(answers)):
        return False
    cells = list(dict.fromkeys(_text(cell) for row in rows for cell in row if cell is not None))
    if _same(cells, answers):
        return True
    parts = _SEPARATOR.split(cells[0]) if len(cells) == 1 and len(answers) > 1 else []
    return len(parts) > 1 and _same(parts, answers)


def _same(cells: Iterable[str], answers: Iterable[str]) -> bool:
    results, targets = [_value(cell) for cell in cells], [_value(answer) for answer in answers]
    return all(any(_matches(r, t) for t in targets) for r in results) and all(
        any(_matches(r, t) for r in results) for t in targets
    )


def _matches(result: _Value, target: _Value) -> bool:
    if (result.text == target.text and target.text) or result.dates & target.dates:
        return True
    if result.number is None or target.number is None:
        return False
    one, other = result.number, target.number
    if one.unit and other.unit and one.unit != other.unit:
        return False
    # 0.05 is 5%, too.
    values = [one.value, 100 * one.value] if other.unit == "%" and not one.unit else [one.value]
    return any(_close(value, other) for value in values)


def _close(value: float, target: _Number) -> bool:
    if math.isclose(value, target.value, rel_tol=1e-6, abs_tol=1e-9):
        return True
    slack = 0.5 * 10.0**-target.decimals * (1 + 1e-9)
    return target.decimals > 0 and abs(value - target.value) <= slack


def _text(cell: Cell) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


@lru_cache(maxsize=100_000)
def _value(raw: str) -> _Value:
    folded = unicodedata.normalize("NFKD", raw)
    folded = "".join(c for c in folded if not unicodedata.combining(c)).lower()
    line = " ".join(re.sub(r"[‐‑‒–—−]", "-", folded).split())
    short = line
    while (cut := _NOTE.sub("", short).strip()) != short and cut:
        short = cut
    short = short.strip(_QUOTES).rstrip(". ").rstrip(_QUOTES)
    plain = "".join(c if c == "#" or unicodedata.category(c)[0] not in "PZ" else " " for c in short)
    words = " ".join(plain.split())
    number = _number(short)
    return _Value(line if number or not words else words, number, frozenset(_dates(short)))


def _number(text: str) -> _Number | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    digits = match["digits"].replace(",", "")
    value = float(f"{match['sign']}{digits}e{match['exponent'] or 0}")
    unit = (match["unit"] or "").strip(".")
    if unit in _MONTHS or not math.isfinite(value):  # "13 august" is no 13
        return None
    return _Number(value, len(digits.partition(".")[2]), "%" if unit == "percent" else unit)


def _dates(text: str) -> Iterator[tuple[int, int, int]]:
    for form in _DATES:
        match = re.fullmatch(form, text)
        if match is None or not (match["day"] or match["year"]):
            continue
        name = match["month"]
        month = int(name) if name.isdigit() else _MONTHS.get(name, 0)
        year, day = int(match["year"] or 0), int(match["day"] or 0)
        if len(match["year"] or "") == 2:
            year += 1900 if year >= 69 else 2000  # as in POSIX
        with suppress(ValueError):
            date(year or 2000, month, day or 1)
            yield year, month, day
