"""What questions are composed of: subjects with conditions, measures, dimensions.

The field's words: a measure is what is computed (the total price), a dimension what it is broken down
by (the month). Each part has its SQL and its words.

>>> measure(draft).words, dimension(draft).words  # doctest: +SKIP
('total price', 'month')
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from txt2sql.data.synthesis import conditions
from txt2sql.data.synthesis.conditions import Condition, noun_phrase
from txt2sql.data.synthesis.contents import ColumnProfile, Profile, TableProfile
from txt2sql.data.synthesis.query import Scope
from txt2sql.data.synthesis.words import listed, plural
from txt2sql.execution.dates import DateFormat
from txt2sql.types import Row

_FACTORS = (
    {"price", "cost", "rate", "fee", "wage", "value"},
    {"quantity", "units", "hours", "nights", "days", "number"},
)
MORE_LESS = {
    "age": ("oldest", "youngest"), "price": ("most expensive", "cheapest"),
    "cost": ("most expensive", "cheapest"), "height": ("tallest", "shortest"),
    "weight": ("heaviest", "lightest"), "length": ("longest", "shortest"),
    "duration": ("longest", "shortest"), "size": ("largest", "smallest"),
    "area": ("largest", "smallest"), "population": ("most populous", "least populous"),
    "speed": ("fastest", "slowest"), "salary": ("best paid", "worst paid"),
    "rating": ("best rated", "worst rated"),
}  # fmt: skip
"""The superlative of most and of least, where a column has one of its own."""


class Unfit(Exception):
    """The database has not what a kind of question needs."""


@dataclass
class Draft:
    """A question on its way: its subject, a row that is among the answers, its conditions."""

    profile: Profile
    rng: random.Random
    root: int
    row: Row = ()
    conditions: list[Condition] = field(default_factory=list)
    either: bool = False
    used: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.scope = Scope(self.profile, self.root)
        self.row = self.rng.choice(self.table.rows)

    @property
    def table(self) -> TableProfile:
        """The table that is asked about."""
        return self.profile.tables[self.root]

    @property
    def where(self) -> list[str]:
        """The conditions as SQL."""
        clauses = [condition.sql for condition in self.conditions]
        return [f"({' OR '.join(clauses)})"] if self.either else clauses

    @property
    def clock(self) -> str:
        """The day that 'now' must be."""
        return next((c.clock for c in self.conditions if c.clock), "")

    def condition(self, broad: bool = True) -> Condition | None:
        """One more condition that the row meets; a broad one is met by many."""
        for _ in range(3):
            edges = list(self.scope.edges)
            condition = conditions.draw(self.scope, self.rng, self.row, self.used)
            if condition is not None and not (
                (condition.clock and self.clock) or (broad and condition.narrow)
            ):
                return condition
            self.scope.edges = edges
        return None

    def constrain(self, *weights: float, broad: bool = True) -> None:
        """Draw conditions: none, one, two, ... at these weights."""
        for _ in range(self.rng.choices(range(len(weights)), weights)[0]):
            condition = self.condition(broad)
            if condition is not None:
                self.conditions.append(condition)
        several = len(self.conditions) == 2
        plain = all(" OR " not in c.sql and not c.clock for c in self.conditions)
        self.either = several and plain and not self.scope.edges and self.rng.random() < 0.12

    def subject(self, noun: str = "") -> str:
        """The subject in the plural, with its conditions."""
        return noun_phrase(
            self.rng, self.table, self.conditions, noun or plural(self.table.noun), self.either
        )

    def column(self, *kinds: str, table: int | None = None) -> int:
        """One of the subject's columns of some kinds that no condition is on."""
        table = self.root if table is None else table
        places = [i for i in self.profile.tables[table].of(*kinds) if (table, i) not in self.used]
        if not places:
            raise Unfit
        return self.rng.choice(places)

    def sortable(self) -> int:
        """A number or a date that SQL sorts rightly."""
        columns = self.table.columns
        places = [
            i for i, c in enumerate(columns) if c.sortable and (self.root, i) not in self.used
        ]
        if not places:
            raise Unfit
        return self.rng.choice(places)

    def claim(self, column: int) -> ColumnProfile:
        """A column of the subject that no later condition shall be on."""
        self.used.add((self.root, column))
        return self.table.columns[column]

    def names(self, table: int | None = None) -> list[str]:
        """The columns that say which row it is."""
        table = self.root if table is None else table
        names = self.profile.tables[table].names
        if not names:
            raise Unfit
        return [self.scope.column(i, table) for i in names]

    def chance(self, share: float) -> bool:
        """True in a share of cases."""
        return self.rng.random() < share

    def pick(self, *texts: str) -> str:
        """One of some wordings."""
        return self.rng.choice(texts)


def spoken(column: ColumnProfile, rng: random.Random) -> str:
    """A column in words; now and then as its comment has it."""
    return column.comment if column.comment and rng.random() < 0.15 else column.noun


# ---------------------------------------------------------------------------------------- measures


@dataclass(frozen=True, slots=True)
class Measure:
    """What is computed of many rows. `words` miss for a count, which is said by its subject."""

    sql: str
    words: str
    alias: str

    @property
    def count(self) -> bool:
        """Whether rows are counted."""
        return not self.words

    def of(self, subject: str) -> str:
        """`number of orders`, `average price of orders`."""
        return f"number of {subject}" if self.count else f"{self.words} of {subject}"


def measure(draft: Draft, counts: float = 0.45) -> Measure:
    """A count, or an aggregate of a number, of two numbers or of different values."""
    rng, scope = draft.rng, draft.scope
    numbers = [i for i in draft.table.of("number") if (draft.root, i) not in draft.used]
    if rng.random() < counts or not numbers:
        kinds = [i for i in draft.table.of("category", "name") if (draft.root, i) not in draft.used]
        if kinds and rng.random() < 0.2:
            column = rng.choice(kinds)
            words = plural(draft.claim(column).noun)
            different = draft.pick("different", "distinct", "unique")
            name = scope.column(column)
            return Measure(f"COUNT(DISTINCT {name})", f"number of {different} {words}", "amount")
        return Measure("COUNT(*)", "", "amount")
    pair = product(draft)
    if pair is not None and rng.random() < 0.5:
        sql, words = pair
        if rng.random() < 0.75:
            return Measure(
                f"SUM({sql})", draft.pick(f"total {words}", f"{words} in total"), "total"
            )
        return Measure(f"AVG({sql})", f"average {words}", "average")
    place = rng.choice(numbers)
    number = draft.claim(place)
    name, words = scope.column(place), spoken(number, rng)
    if number.additive and rng.random() < 0.6:
        words = words if words.startswith("total") else draft.pick(f"total {words}", f"sum of {words}", f"total {words}")  # fmt: skip
        return Measure(f"SUM({name})", words, "total")
    function, sayings = rng.choice(
        [
            ("AVG", ("average {}", "mean {}", "average {}")),
            ("AVG", ("average {}", "typical {}", "avg {}")),
            ("MAX", ("highest {}", "maximum {}", "largest {}", "max {}")),
            ("MIN", ("lowest {}", "minimum {}", "smallest {}", "min {}")),
        ]
    )
    alias = {"AVG": "average", "MAX": "highest", "MIN": "lowest"}[function]
    return Measure(f"{function}({name})", rng.choice(sayings).format(words), alias)


def product(draft: Draft) -> tuple[str, str] | None:
    """Price times quantity, with what that is called."""
    factors: list[int] = []
    for words in _FACTORS:
        places = [
            i for i in draft.table.of("number") if words & set(draft.table.columns[i].noun.split())
        ]
        places = [
            i for i in places if i not in factors and "total" not in draft.table.columns[i].noun
        ]
        if not places:
            return None
        factors.append(places[0])
    one, other = (draft.table.columns[i].noun for i in factors)
    sql = " * ".join(draft.scope.column(i) for i in factors)
    names = [f"{one} times {other}", f"{one} x {other}", f"value ({one} times {other})"]
    if {"price", "quantity"} <= set(f"{one} {other}".split()):
        names += ["revenue", "sales value"]
    return sql, draft.rng.choice(names)


# -------------------------------------------------------------------------------------- dimensions


@dataclass(frozen=True, slots=True)
class Dimension:
    """What rows are grouped by. `timely`: it is a period, which has a natural order."""

    outputs: tuple[str, ...]
    group: tuple[str, ...]
    words: str
    timely: bool = False
    ancestor: bool = False

    @property
    def words_in_plural(self) -> str:
        """`months`."""
        return plural(self.words)


def dimension(draft: Draft, *, timely: bool | None = None) -> Dimension:
    """A category, an ancestor, a period or a range of numbers; with `timely` a period, or none."""
    rng, table = draft.rng, draft.table
    dates = [i for i in table.of("date") if (draft.root, i) not in draft.used]
    if timely or (timely is None and dates and rng.random() < 0.35):
        if not dates:
            raise Unfit
        return period(draft, rng.choice(dates))
    options: list[tuple[int, int]] = [
        (draft.root, i) for i, c in enumerate(table.columns) if c.groups and (draft.root, i) not in draft.used
    ]  # fmt: skip
    for ancestor in draft.profile.paths[draft.root]:
        parent = draft.profile.tables[ancestor]
        if (ancestor, -1) not in draft.used:
            options += [(ancestor, -1)] * 2
        options += [(ancestor, i) for i, c in enumerate(parent.columns) if c.groups and (ancestor, i) not in draft.used]  # fmt: skip
    if not options:
        raise Unfit
    home, place = rng.choice(options)
    draft.used.add((home, place))
    parent = draft.profile.tables[home]
    if place < 0:
        path = draft.profile.paths[draft.root][home]
        if parent.names == path[-1].parent_columns:  # no name: the key that the child has, too
            if len(path) > 1:
                raise Unfit
            code = draft.scope.column(path[0].child_columns[0])
            return Dimension((code,), (code,), path[0].role)
        names = draft.names(home)
        unique = len(names) == 1 and parent.columns[parent.names[0]].unique
        group = tuple(names)
        if not unique:
            if parent.key is None:
                raise Unfit
            group = (draft.scope.column(parent.key, home),)
        words = draft.profile.role(draft.root, home)
        draft.used |= {(home, i) for i in range(len(parent.columns))}
        return Dimension(tuple(names), group, words, ancestor=True)
    column = draft.scope.column(place, home)
    words = parent.columns[place].noun
    if parent.columns[place].kind == "flag":
        words = words.removeprefix("is ").removeprefix("has ")
    if home != draft.root and (len(words.split()) == 1 or rng.random() < 0.3):
        clear = sum(c.noun == words for t in draft.profile.tables for c in t.columns) == 1
        if not clear or rng.random() < 0.4:
            role = draft.profile.role(draft.root, home)
            words = draft.pick(f"{role} {words}", f"{words} of the {role}")
    return Dimension((column,), (column,), words)


_PERIODS = ("month", "month", "year", "year", "week", "quarter", "weekday", "day")


def bucket(form: DateFormat, unit: str, column: str) -> str | None:
    """The period of a date by the format that its column stores; None where that has none."""
    rest = f", {column})"
    if form.kind in ("seconds", "millis"):
        seconds = f"{column} / 1000" if form.kind == "millis" else column
        rest, day = f", {seconds}, 'unixepoch')", f"DATE({seconds}, 'unixepoch')"
    elif form.kind == "ymd" and form.mark == "-":
        day = f"DATE({column})" if form.timed else column
    elif form.kind == "year":
        return column if unit == "year" else None
    elif form.kind == "month":
        return {"month": column, "year": f"SUBSTR({column}, 1, 4)"}.get(unit)
    elif form.kind == "compact":
        if form.text:
            return {"year": f"SUBSTR({column}, 1, 4)", "month": f"SUBSTR({column}, 1, 6)", "day": column}.get(unit)  # fmt: skip
        return {"year": f"{column} / 10000", "month": f"{column} / 100", "day": column}.get(unit)
    elif form.kind in ("dmy", "mdy") and form.padded:
        month = f"SUBSTR({column}, {4 if form.kind == 'dmy' else 1}, 2)"
        year = f"SUBSTR({column}, 7, 4)"
        return {"year": year, "month": f"{year} || '-' || {month}"}.get(unit)
    elif form.kind == "ymd":
        return {"year": f"SUBSTR({column}, 1, 4)", "month": f"SUBSTR({column}, 1, 7)"}.get(unit)
    else:
        return None
    if unit == "quarter":
        return f"STRFTIME('%Y'{rest} || '-Q' || ((STRFTIME('%m'{rest} + 2) / 3)"
    patterns = {"month": "%Y-%m", "year": "%Y", "week": "%Y-%W", "weekday": "%w"}
    return day if unit == "day" else f"STRFTIME('{patterns[unit]}'{rest}"


def period(draft: Draft, place: int, unit: str = "") -> Dimension:
    """The month (year, week, ...) of a date."""
    column = draft.claim(place)
    assert column.date is not None
    if not unit:
        kinds = [u for u in _PERIODS if bucket(column.date, u, "")]
        if not kinds:
            raise Unfit
        unit = draft.rng.choice(kinds)
    name = draft.scope.column(place)
    expression = bucket(column.date, unit, name)
    if expression is None:
        raise Unfit
    several = len(draft.table.of("date")) > 1
    words = {"weekday": draft.pick("weekday", "day of the week")}.get(unit, unit)
    if column.date.kind == "year":
        words = column.noun
    elif several:
        about = column.noun.removesuffix(" date").removesuffix(" time")
        words = f"{words} of {about}" if " at" not in about else f"{words} ({about})"
    elif draft.chance(0.1):
        words = f"{words} of {column.noun}" if column.noun != "date" else words
    if expression == name:
        return Dimension((name,), (name,), words, True)
    if draft.scope.taken(unit):
        return Dimension((expression,), (expression,), words, True)
    return Dimension((f"{expression} AS {unit}",), (unit,), words, True)


def ranges(draft: Draft) -> Dimension:
    """Ranges of a number, which the question names."""
    place = draft.column("number")
    column = draft.claim(place)
    numbers = sorted(value for value in column.values if isinstance(value, (int, float)))
    if len(numbers) < 6:
        raise Unfit
    limits: list[int] = []
    for share in draft.rng.choice(((0.5,), (0.33, 0.66), (0.25, 0.75))):
        number = numbers[int(len(numbers) * share)]
        digits = max(0, len(str(int(abs(number)))) - 2)
        limits.append(int(round(number, -digits)))
    if sorted(set(limits)) != limits or limits[0] <= numbers[0]:
        raise Unfit
    name = draft.scope.column(place)
    labels = [f"under {limits[0]}"]
    labels += [f"{low} to {high}" for low, high in pairwise(limits)]
    labels.append(f"{limits[-1]} or more")
    cases = " ".join(
        f"WHEN {name} < {limit} THEN '{label}'"
        for limit, label in zip(limits, labels, strict=False)
    )
    alias = "bracket"
    sql = f"CASE {cases} ELSE '{labels[-1]}' END"
    if column.nulls:
        sql = f"CASE {cases} WHEN {name} >= {limits[-1]} THEN '{labels[-1]}' END"
    words = f"{column.noun} {draft.pick('range', 'bracket', 'band', 'group')} ({listed(labels)})"
    if draft.scope.taken(alias):
        raise Unfit
    return Dimension((f"{sql} AS {alias}",), (alias,), words)


# ----------------------------------------------------------------------------------------- outputs


def shown(draft: Draft) -> tuple[list[str], str, bool]:
    """(columns, their words, whether they name the subject itself): what a list shows."""
    table, rng = draft.table, draft.rng
    kinds = ("category", "text", "number", "date", "flag", "code", "long", "name")
    others = [
        i for i in table.of(*kinds) if i not in table.names and (draft.root, i) not in draft.used
    ]
    chance = rng.random()
    if not others or (chance < 0.45 and table.names):
        if not table.names:
            raise Unfit
        return draft.names(), "", True
    chosen = rng.sample(others, min(len(others), rng.choice((1, 1, 2, 3))))
    places = [*table.names, *chosen] if chance > 0.6 and table.names else chosen
    for place in chosen:
        draft.claim(place)
    words = [spoken(table.columns[i], rng) for i in places]
    return [draft.scope.column(i) for i in places], listed(list(dict.fromkeys(words))), False


def first_of(column: str, least: bool, nulls: bool) -> tuple[str, Sequence[str]]:
    """(order, conditions) that bring the most or the least first."""
    return (column, [f"{column} IS NOT NULL"] if nulls else []) if least else (f"{column} DESC", [])
