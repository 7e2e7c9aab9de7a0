"""Values that a statement has otherwise than its question says them: they are put as they are said.

"all 5 star hotels" needs no LIMIT 5; reviews that "mention breakfast" are not LIKE '%lovely breakfast%';
where the question says a value of a column, another value of it is not meant; and an hour has 3,600 of the
seconds that a column counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from sqlglot import exp

from txt2sql.identifiers import name_parts, stem
from txt2sql.sql.names import COMPARISONS, Names
from txt2sql.sql.sources import Node, owners
from txt2sql.types import ValueMatch

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.]*\d)")
_WORDS = {
    "time": {"ms msec millis millisecond": 0.001, "sec second": 1, "min minute": 60, "hr hour": 3600},
    "length": {"mm millimeter millimetre": 0.001, "cm centimeter centimetre": 0.01, "m meter metre": 1,
               "km kilometer kilometre": 1000},
    "mass": {"mg milligram": 0.001, "g gram": 1, "kg kilo kilogram": 1000},
    "money": {"cent": 0.01, "dollar euro pound": 1},
}  # fmt: skip
_UNITS = {
    word + plural: (kind, float(size))
    for kind, sizes in _WORDS.items()
    for words, size in sizes.items()
    for word in words.split()
    for plural in (("", "s") if len(word) > 2 else ("",))
}
"""The words for units, in questions and at the end of names: what they measure, and how much they are."""
_UNIT = "|".join(word for word in _UNITS if len(word) > 3 or word in ("mm", "cm", "km", "kg", "mg"))
_IN_UNIT = re.compile(rf"\b(?:in|of|total|how many) ({_UNIT})\b", re.I)
_SPAN = re.compile(
    rf"(?<![\w.,])(an?|one|half an|\d[\d,]*(?:\.\d+)?) ?({_UNIT})\b(?! and a half)", re.I
)
_FACTORS = frozenset((60.0, 3600.0, 1000.0, 60_000.0, 3_600_000.0))


def with_stated_values(names: Names, matches: Sequence[ValueMatch], question: str) -> str:
    """The statement with its values as the question says them; changes the tree of `names`.

    >>> from txt2sql.sql.names import resolve
    >>> from txt2sql.types import Column, Schema, Table
    >>> schema = Schema("s", (Table("films", (Column("title"), Column("length_sec", "number"))),))
    >>> with_stated_values(resolve("SELECT title FROM films WHERE length_sec > 60", schema), (), "longer than an hour")
    'SELECT title FROM films WHERE length_sec > 3600'
    """
    if names.tree is None or not question:
        return names.sql
    stems = {stem(word) for word in _WORD.findall(question.lower())}
    changes = [
        *_without_limit(names.tree, question),
        *_patterns(names.tree, stems),
        *_values(names, matches, stems),
        *_units(names, question),
    ]
    for old, new in changes:
        if new is None:
            old.pop()
        else:
            old.replace(new)
    return str(names.tree.sql(dialect="sqlite")) if changes else names.sql


_Change = tuple[Node, Node | None]


def _without_limit(tree: Node, question: str) -> Iterator[_Change]:
    """A LIMIT whose number is said once and compared, too: of "5 star hotels"."""
    limit = tree.args.get("limit")
    number = limit.expression.name if limit is not None and limit.expression else ""
    compared = tree.find(exp.Where, exp.Having) if number and not tree.args.get("order") else None
    literals = compared.find_all(exp.Literal) if compared is not None else ()
    once = _NUMBER.findall(question).count(number) == 1
    if once and any(literal.name == number for literal in literals):
        yield limit, None


def _patterns(tree: Node, stems: set[str]) -> Iterator[_Change]:
    """LIKE '%lovely breakfast%' of a question that says breakfast alone."""
    for like in tree.find_all(exp.Like):
        pattern = like.expression.name if isinstance(like.expression, exp.Literal) else ""
        words = _WORD.findall(pattern)
        if len(words) > 1 and re.fullmatch(r"%[^\d%]+%", pattern):
            runs = [
                list(run)
                for in_question, run in groupby(words, lambda w: stem(w.lower()) in stems)
                if in_question
            ]
            if len(runs) == 1 and len(runs[0]) < len(words):
                yield like.expression, exp.Literal.string(f"%{' '.join(runs[0])}%")


def _values(names: Names, matches: Sequence[ValueMatch], stems: set[str]) -> Iterator[_Change]:
    """A value that nothing in the question says, where it says one other of the same column."""
    used = {literal.name for literal in names.tree.find_all(exp.Literal)}
    for column, literal in _compared(names, exp.EQ):
        if not literal.is_string or stems & {stem(w.lower()) for w in _WORD.findall(literal.name)}:
            continue
        options = {
            m.value
            for m in matches
            if (m.table.lower(), m.column.lower()) == column[:2]
            and not m.condition
            and m.score >= 0.9
        }
        if len(options) == 1 and not options & used and literal.name not in options:
            yield literal, exp.Literal.string(options.pop())


def _compared(names: Names, *kinds: type[exp.Expression]) -> Iterator[tuple[tuple[str, str], Node]]:
    """The columns that are compared with a literal, table and name, and the literal."""
    sources = owners(names.scopes)
    for comparison in names.tree.find_all(*kinds):
        column, source = comparison.this, sources.get(id(comparison.this))
        if source and source.table and isinstance(comparison.expression, exp.Literal):
            yield (source.table.name, column.name), comparison.expression


def _units(names: Names, question: str) -> Iterator[_Change]:
    """Spans of time in the unit of the column that they are compared with, sums in the unit asked for."""
    spans, wanted = _SPAN.findall(question), {unit.lower() for unit in _IN_UNIT.findall(question)}
    compared = [
        (literal, unit)
        for (_, name), literal in _compared(names, *COMPARISONS)
        if (unit := _unit(name)) and not literal.is_string
    ]
    if len(spans) == len(compared) == 1:
        (number, word), (literal, (kind, size)) = spans[0], compared[0]
        count = {"a": 1.0, "an": 1.0, "one": 1.0, "half an": 0.5}.get(number.lower())
        quantity, of = _UNITS[word.lower()]
        value = round((float(number.replace(",", "")) if count is None else count) * of / size, 9)
        if quantity == kind and float(literal.name) != value:
            yield literal, exp.Literal.number(f"{value:g}" if value < 1e6 else f"{value:.0f}")
    for ratio in names.tree.find_all(exp.Div) if len(wanted) == 1 else ():
        units = {_unit(column.name) for column in ratio.this.find_all(exp.Column)} - {None}
        factor, (kind, size) = ratio.expression, _UNITS[next(iter(wanted))]
        if len(units) != 1 or not isinstance(factor, exp.Literal) or factor.is_string:
            continue
        stored, of = units.pop() or ("", 1.0)
        right = size / of
        if (
            stored == kind
            and float(factor.name) in _FACTORS
            and float(factor.name) != right in _FACTORS
        ):
            yield factor, exp.Literal.number(f"{right:.1f}")


def _unit(name: str) -> tuple[str, float] | None:
    """The unit that a column's name ends with."""
    parts = name_parts(name)
    return _UNITS.get(parts[-1]) if len(parts) > 1 and "per" not in parts else None
