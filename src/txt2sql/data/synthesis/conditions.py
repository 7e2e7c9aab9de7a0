"""The subject of a question with its conditions: the SQL, and the words that a person says it with.

A condition is drawn from a row that meets it, so that several of one row are met together. Columns
are written `table.column`; the normal form of the golds takes the table away where it can.
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partialmethod
from itertools import permutations
from typing import Any, TypeVar

from txt2sql.data.synthesis.contents import ColumnProfile, Edge, Profile, an, be, plural
from txt2sql.execution import dates
from txt2sql.identifiers import quote_identifier as quote
from txt2sql.sql.date_formats import DateFormat, iso_day
from txt2sql.types import Cell, Row

_T = TypeVar("_T")
Day = datetime.date
_TODAY = Day(2024, 3, 20)  # periods that hang on the present are written with 'now'
DEGREES = {
    "age": ("older", "younger", "oldest", "youngest"),
    "price": ("more expensive", "cheaper", "most expensive", "cheapest"),
    "height": ("taller", "shorter", "tallest", "shortest"),
    "weight": ("heavier", "lighter", "heaviest", "lightest"),
}
"""How a row is said to have more, less, the most or the least of a column."""
_FRAMES = {
    "null": ("without {a}", "with no {w}", "that have no {w}", "whose {w} {be} missing"),
    "filled": ("that have {a}", "with {a} on record", "whose {w} {be} known"),
    "named": ("named {v}", "named {v}", "called {v}"),
    "equal": ("with {w} {v}", "whose {w} {be} {v}", "with {w} = {v}", "with {a} of {v}"),
    "place": ("in {v}", "from {v}", "located in {v}", "in {v}"),
    "not place": ("not in {v}", "outside {v}"),
    "other": ("whose {w} {be} not {v}", "with any {w} except {v}", "with {w} other than {v}"),
    "either": ("with {w} {v}", "whose {w} {be} {v}"),
    "contains": ("whose {w} contains {v}", "with {v} in the {w}", "with {w} containing {v}"),
    "starts": ("whose {w} starts with {v}", "whose {w} begins with {v}"),
    "between": ("with {w} between {v}", "whose {w} {be} between {v}"),
    "above": ("with above-average {w}", "whose {w} {be} above average", "with {w} above the average"),
    "below": ("with below-average {w}", "whose {w} {be} below average", "with {w} below the average"),
    ">": ("with {w} above {v}", "with {w} over {v}", "whose {w} {be} greater than {v}", "with {w} > {v}"),
    "<": ("with {w} below {v}", "with {w} under {v}", "whose {w} {be} less than {v}", "with {w} < {v}"),
    ">=": ("with {a} of at least {v}", "whose {w} {be} at least {v}", "with {w} >= {v}"),
    "<=": ("with {a} of at most {v}", "whose {w} {be} at most {v}", "with {w} up to {v}"),
}  # fmt: skip
"""How conditions are said: `w` is the column, `a` has its article, `v` the value."""
_TIMES = {
    "year": ("in {d.year}", "in {d.year}", "since {d.year}", "until {d.year}", "before {year.year}",
             "between {d.year} and {year.year}"),
    "month": ("in {d:%B} {d.year}", "in {d:%B} {d.year}", "since {d:%B} {d.year}", "in {d:%Y-%m}",
              "before {month:%B %Y}", "in Q{quarter} {d.year}"),
    "day": ("on {d.day} {d:%B} {d.year}", "on {d}", "since {d:%B} {d.day}, {d.year}", "before {month}",
            "between {d} and {month}"),
    "now": ("in the last 30 days", "in the last {n} days", "in the last {n} months", "this year"),
}  # fmt: skip
"""Ways to say a time that holds the day `d`; those of "now" hold it when it is that day."""
_TIME_WORDS = frozenset("at on the date time year month day timestamp datetime of".split())
_PARTICIPLE = re.compile(r"(?:\w+ed|born|paid|sold|sent|built|made|taken)\b")
_PLACES = frozenset("named called in from located not outside".split())
_ADJECTIVES = frozenset("status type kind category genre colour color class level".split())
"""Columns whose values stand before the noun: pending orders."""

_SHOWN = ("category", "text", "number", "date", "flag", "code", "long")
_UNITS = ("month", "month", "month", "year", "year", "quarter", "day")
_FUNCTIONS = (("AVG", "average"), ("AVG", "mean"), ("MAX", "highest"), ("MIN", "lowest"))
_EACH = (
    "per {}", "per {}", "by {}", "by {}", "for each {}", "for every {}", "grouped by {}", "in each {}",
)  # fmt: skip


class Unfit(Exception):
    """The database has not what a kind of question needs."""


def literal(value: Cell) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def mention(value: Cell, rng: random.Random) -> str:
    if not isinstance(value, str):
        return literal(value)
    forms = [value] * 15 + [value.lower()] * 2
    if not any(mark in value for mark in "'\""):
        forms += [f"'{value}'", f'"{value}"']
    return rng.choice(forms)


def rounded(number: float) -> int:
    """A number to its first two digits, as people say limits."""
    return int(round(number, min(0, 2 - len(str(int(abs(number)))))))


@dataclass(frozen=True, slots=True)
class Condition:
    """`phrase` follows the noun, or `adjective` stands before it. `rank` orders phrases: places 0,
    times 1, others 2, other tables 3. `clock` is the day (ISO) that 'now' must be for a row to meet it.
    """

    sql: str
    phrase: str
    rank: int = 2
    adjective: str = ""
    clock: str = ""

    @property
    def predicate(self) -> str:
        """It as a verb, "are in Kent"; "" where that would not be said."""
        first, _, rest = self.phrase.partition(" ")
        if first in ("with", "that"):
            return rest if first == "that" else f"have {rest}"
        if self.rank == 1:
            return f"were {self.phrase}" if _PARTICIPLE.match(first) else ""
        return f"are {self.phrase}" if self.rank == 0 or "than" in rest.split()[:1] else ""


def day_of(cell: Cell, form: DateFormat) -> Day | None:
    text = str(cell).strip()
    try:
        if form.kind in ("seconds", "millis"):
            seconds = float(text) / (1000 if form.kind == "millis" else 1)
            return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date()
        numbers = re.findall(r"\d+", text)
        if form.kind == "compact":
            numbers = [text[:4], text[4:6], text[6:8]]
        first, second, third = map(int, [*numbers, 1, 1][:3])
        if form.kind == "year":
            second = third = 1
        days = {"dmy": (third, second, first), "mdy": (third, first, second)}
        return Day(*days.get(form.kind, (first, second, third)))
    except (ValueError, OverflowError, OSError):
        return None


def bucket(form: DateFormat, unit: str, column: str) -> str | None:
    """The period (year, quarter, month, day) of a date as SQL, None where it has none."""
    if form.kind in ("year", "month"):
        year = column if form.kind == "year" else f"SUBSTR({column}, 1, 4)"
        return year if unit == "year" else column if unit == form.kind else None
    if form.kind == "unclear" or form.loose:
        return None
    unix = {"seconds": f"{column}, 'unixepoch'", "millis": f"{column} / 1000, 'unixepoch'"}
    day = unix.get(form.kind) or iso_day(column, form)
    if unit == "quarter":
        return f"STRFTIME('%Y', {day}) || '-Q' || ((STRFTIME('%m', {day}) + 2) / 3)"
    if unit == "day":
        return f"DATE({day})" if form.timed or form.kind in unix else day
    return f"STRFTIME('{'%Y' if unit == 'year' else '%Y-%m'}', {day})"


class Part:
    """Texts that templates name. Unfit where one is empty: the wording is passed over."""

    def __init__(self, **texts: Any) -> None:
        self.__dict__.update({name: text for name, text in texts.items() if text})

    def __getattr__(self, name: str) -> Any:
        raise Unfit


def _listed(columns: Sequence[ColumnProfile]) -> Part:
    words, nouns = [plural(c.noun) for c in columns], [c.noun for c in columns]
    return Part(
        sql=", ".join(c.sql for c in columns),
        words=" and ".join(filter(None, (", ".join(words[:-1]), words[-1]))),
        list=", ".join(words),
        noun=" and ".join(nouns),
        clear=" " if columns[0].kind == "name" else "",
    )


class Draft:
    """A question on its way: its subject, a row that is among the answers, its conditions. `used`
    has the (table, column) that no further part shall be about; column -1 is the whole table.
    `clauses` are further conditions, which are not put into words. Conditions of a `broad` one are
    met by many rows: there is something to count. `part_x` draws the part that templates call
    `{x}`."""

    def __init__(self, profile: Profile, rng: random.Random, root: int) -> None:
        self.profile, self.rng, self.root = profile, rng, root
        self.table = profile.tables[root]
        self.nouns = plural(self.table.noun)
        self.row = rng.choice(self.table.rows)
        self.conditions: list[Condition] = []
        self.used: set[tuple[int, int]] = set()
        self.joins: list[Edge] = []
        self.clauses: list[str] = []
        self.clock = ""
        self.broad = True

    def pick(self, options: Sequence[_T]) -> _T:
        """One of some options. Raises Unfit where there are none, as all that draws on it does."""
        if not options:
            raise Unfit
        return self.rng.choice(options)

    def column(self, *kinds: str) -> ColumnProfile:
        place = self.pick([i for i in self.table.of(*kinds) if (self.root, i) not in self.used])
        self.used.add((self.root, place))
        return self.table.columns[place]

    def names(self, table: int | None = None) -> list[ColumnProfile]:
        owner = self.profile.tables[self.join(self.root if table is None else table)]
        if not owner.names:
            raise Unfit
        return [owner.columns[i] for i in owner.names]

    def join(self, table: int) -> int:
        """Have an ancestor in sight; returns it."""
        path = self.profile.paths[self.root].get(table, ())
        self.joins += [edge for edge in path if edge not in self.joins]
        return table

    def constrain(self, weights: Sequence[float]) -> None:
        """Draw conditions: none, one, two, ... at these weights."""
        for _ in range(self.rng.choices(range(len(weights)), weights)[0]):
            condition = self.condition()
            if condition.clock and self.clock:
                raise Unfit
            self.conditions.append(condition)
            self.clock = self.clock or condition.clock

    def condition(self) -> Condition:
        """One more condition: on the row, on one that it leads to, or on those that lead here."""
        chance, ancestors = self.rng.random(), list(self.profile.paths[self.root])
        if chance < 0.15 and (edges := self.profile.children(self.root)):
            return self._of_children(self.rng.choice(edges))
        if chance < 0.4 and ancestors and all(c.rank < 3 for c in self.conditions):
            return self._of_ancestor(self.rng.choice(ancestors))
        return self._of_row(self.root, self.row)

    def _of_ancestor(self, table: int) -> Condition:
        rows, role = self.profile.tables[self.join(table)].rows, self.profile.role(self.root, table)
        condition = self._of_row(table, self.pick(rows))
        phrase = f"{self.rng.choice(('of', 'belonging to'))} {plural(role)} {condition.phrase}"
        verb, _, value = condition.phrase.partition(" ")
        if verb in ("named", "called"):
            phrase = self.rng.choice((f"of {role} {value}", f"whose {role} is {value}"))
        return replace(condition, phrase=phrase, rank=3, adjective="")

    def _of_children(self, edge: Edge) -> Condition:
        """No rows of another table lead here, or some do, which may have to meet a condition."""
        child, chance = self.profile.tables[edge.child], self.rng.random()
        key, column = edge.target.sql, edge.column
        inner = f"SELECT {column.sql} FROM {quote(child.name)}"
        if (edge.child, -1) in self.used:
            raise Unfit
        self.used.add((edge.child, -1))
        if chance < 0.4:
            inner += f" WHERE {column.sql} IS NOT NULL" if column.nulls else ""
            words = ("without any", "that have no", "with no", "that don't have any")
            phrase = f"{self.rng.choice(words)} {plural(child.noun)}"
            return Condition(f"{key} NOT IN ({inner})", phrase)
        if chance < 0.6:
            return Condition(f"{key} IN ({inner})", f"that have {an(child.noun)}")
        part = self._of_row(edge.child, self.rng.choice(child.rows))
        sql = f"{key} IN ({inner} WHERE {part.sql})"
        return Condition(sql, f"that have {an(child.noun)} {part.phrase}", clock=part.clock)

    def _of_row(self, table: int, row: Row) -> Condition:
        owner, rng = self.profile.tables[table], self.rng
        wide = ("category", "date", "flag")
        kinds = (*wide, *wide, "number", *(() if self.broad else ("code", "name", "text")))
        usable = [i for kind in kinds for i in owner.of(kind) if (table, i) not in self.used]
        place = self.pick(usable)
        self.used.add((table, place))
        column, cell = owner.columns[place], row[place]
        kind, word = column.kind, column.noun
        if cell is None or (column.nulls and rng.random() < 0.12):
            frame, test = ("null", "IS NULL") if cell is None else ("filled", "IS NOT NULL")
            value = ""
        elif kind == "date":
            return self._in_time(owner.noun, column, cell)
        elif isinstance(cell, str) and cell not in column.values:
            raise Unfit
        elif kind == "flag":
            word = column.noun.removeprefix("is ").removeprefix("was ")
            negation = "" if str(cell).lower() in ("1", "t", "y", "yes", "true") else "not "
            phrase = f"that are {negation}{word}"
            if word.startswith("has "):
                phrase = f"{'without' if negation else 'that have'} {an(word[4:])}"
            return Condition(f"{column.sql} = {literal(cell)}", phrase)
        elif kind == "number" and isinstance(cell, (int, float)):
            frame, test, value = self._number_test(column, cell)
        else:
            frame, test, value = self._text_test(column, cell, owner.names == (place,))
        phrase = rng.choice(_FRAMES[frame]).format(w=word, a=an(word), be=be(word), v=value)
        if frame in "<>" and word in DEGREES and rng.random() < 0.5:
            phrase = f"{DEGREES[word][frame == '<']} than {value}"
        before = frame == "equal" and kind == "category" and word.rpartition(" ")[2] in _ADJECTIVES
        adjective = str(cell).lower() if before and str(cell).isalpha() else ""
        rank = 0 if phrase.partition(" ")[0] in _PLACES else 2
        return Condition(f"{column.sql} {test}", phrase, rank, adjective)

    def _text_test(self, column: ColumnProfile, cell: Cell, name: bool) -> tuple[str, str, str]:
        """(frame, what follows the column in SQL, the value in words) for a text or a code."""
        rng, chance, category = self.rng, self.rng.random(), column.kind == "category"
        value = str(cell) if isinstance(cell, int) else mention(cell, rng)  # 10234: a code
        if column.kind in ("name", "text") and chance > 0.7:
            start = str(cell)[: rng.choice((1, 2, 3))]
            words = re.findall(r"[^\W\d_]{4,}", str(cell))
            if " " in str(cell) and words and chance > 0.85:
                word = rng.choice(words)
                return "contains", f"LIKE '%{word}%'", word
            if start.isalpha():
                return "starts", f"LIKE '{start}%'", start
        if category and chance > 0.9 and len(column.values) > 2:
            return ("not place" if column.place else "other"), f"!= {literal(cell)}", value
        if category and chance > 0.8 and len(column.values) > 3:
            other = rng.choice([other for other in column.values if other != cell])
            both = sorted((cell, other), key=repr)
            test = f"IN ({', '.join(map(literal, both))})"
            return "either", test, " or ".join(mention(each, rng) for each in both)
        named = name and column.kind == "name"
        frame = "named" if named else "place" if column.place and chance < 0.5 else "equal"
        return frame, f"= {literal(cell)}", value

    def _number_test(self, column: ColumnProfile, cell: float) -> tuple[str, str, str]:
        """The same for a number: a limit near it, a range, the number itself, or the average."""
        rng, chance = self.rng, self.rng.random()
        limit, other = cell, rng.choice(column.numbers or (cell,))
        if rng.random() < 0.6:
            limit, other = rounded(limit), rounded(other)
        if chance < 0.1:
            mean = f"(SELECT AVG({column.sql}) FROM {column.sql.removesuffix('.' + quote(column.name))})"
            return ("above", f"> {mean}", "") if chance < 0.07 else ("below", f"< {mean}", "")
        if chance < 0.2 and other != limit:
            low, high = sorted((limit, other))
            span = f"{mention(low, rng)} and {mention(high, rng)}"
            return "between", f"BETWEEN {literal(low)} AND {literal(high)}", span
        if chance < 0.3 and isinstance(cell, int):
            return "equal", f"= {cell}", mention(cell, rng)
        operator = rng.choice((">", ">", "<", "<", ">=", "<="))
        return operator, f"{operator} {literal(limit)}", mention(limit, rng)

    def _in_time(self, owner: str, column: ColumnProfile, cell: Cell) -> Condition:
        form, rng = column.date, self.rng
        day = day_of(cell, form) if form else None
        if form is None or form.loose or day is None or not 1900 <= day.year < 2100:
            raise Unfit
        unit = form.kind if form.kind in ("year", "month") else rng.choice(list(_TIMES))
        year, month = (day + datetime.timedelta(days) for days in (366, 31))
        times = {"d": day, "year": year, "month": month, "quarter": (day.month + 2) // 3}
        phrase = rng.choice(_TIMES[unit]).format(**times, n=rng.choice((2, 3, 7, 14, 60, 90)))
        spans = dates.periods(phrase, _TODAY)
        sql = dates.condition(column.sql, form, spans[0]) if len(spans) == 1 else None
        if sql is None:
            raise Unfit
        words = [word for word in column.noun.split() if word not in _TIME_WORDS]
        rank = 1
        if len(words) == 1 and _PARTICIPLE.match(words[0]):
            phrase = f"{words[0]} {phrase}"
        elif words and words[-1] == "birth":
            phrase = f"born {phrase}"
        elif words and words[-1] not in owner.split():  # else "in May 2020" alone is clear
            phrase, rank = f"with {an(column.noun)} {phrase}", 2
        return Condition(sql, phrase, rank, clock=day.isoformat() if unit == "now" else "")

    def subject(self, noun: str) -> str:
        """A noun with the conditions: "active customers in Kent with no email"."""
        text, before = noun, None
        for condition in sorted(self.conditions, key=lambda condition: condition.rank):
            phrase = condition.phrase
            if condition.adjective and text == noun and self.rng.random() < 0.6:
                text = f"{condition.adjective} {text}"
                continue
            if before and before.rank == condition.rank == 2:
                same = phrase.startswith("with ") and before.phrase.startswith("with ")
                phrase = f"and {phrase.removeprefix('with ') if same else phrase}"
            text, before = f"{text} {phrase}", condition
        return text

    @property
    def source(self) -> str:
        text = f"FROM {quote(self.table.name)}"
        for edge in self.joins:
            text += f" JOIN {quote(self.profile.tables[edge.parent].name)} ON {edge.column.sql} = {edge.target.sql}"
        return text

    @property
    def rows(self) -> str:
        clauses = [*(condition.sql for condition in self.conditions), *self.clauses]
        return self.source + (f" WHERE {' AND '.join(clauses)}" if clauses else "")

    def part_names(self) -> Part:
        return _listed(self.names())

    def part_value(self) -> Part:
        return _listed([self.column("category", "flag", "text", "name")])

    def part_columns(self) -> Part:
        columns = [self.column(*_SHOWN) for _ in range(self.rng.choice((1, 1, 2, 3)))]
        named = self.table.names and self.rng.random() < 0.4
        return _listed(list(dict.fromkeys(self.names() + columns)) if named else columns)

    def part_key(self) -> Part:
        """What rows are sorted by, most or least first."""
        column, least = self.column("sortable"), self.rng.random() < 0.35
        if least and column.nulls:
            self.clauses.append(f"{column.sql} IS NOT NULL")
        dated = column.kind == "date"
        low, high = ("earliest", "latest") if dated else ("lowest", "highest")
        end = low if least else high
        degree = DEGREES[column.noun][2 + least] if column.noun in DEGREES else ""
        return Part(
            sql=column.sql, order=column.sql + ("" if least else " DESC"), column=column,
            noun=column.noun, many=plural(column.noun), end=end, top="bottom" if least else "top",
            degree=end if column.noun in ("date", "day", "time", "timestamp") else degree,
        )  # fmt: skip

    def part_figure(self, counts: float = 0.5, additive: bool = False) -> Part:
        """A count in a share of cases, else a number's total (the only one if `additive`) or average."""
        if self.rng.random() < counts or not self.table.of("number"):
            return Part(sql="COUNT(*)", words="number", bare=" ", how_many="how many", most="most")
        column = self.column("number")
        function, word = self.rng.choice(_FUNCTIONS)
        if column.additive and (additive or self.rng.random() < 0.6):
            function, word = "SUM", "total"
        elif additive:
            raise Unfit
        name = f"{word} {column.noun.removeprefix('total ')}"
        values = sorted(column.numbers)
        middle = str(round(values[len(values) // 2])) if values else ""
        return Part(sql=f"{function}({column.sql})", words=name, name=name, middle=middle)

    def _group(self, outputs: str, group: str, words: str, **more: Any) -> Part:
        more |= {"many": plural(words), "each": self.rng.choice(_EACH).format(words)}
        return Part(outputs=outputs, group=group, words=words, **more)

    part_measure = partialmethod(part_figure, counts=0)
    part_total = partialmethod(part_figure, additive=True)

    def part_by(self) -> Part:
        dated = any((self.root, i) not in self.used for i in self.table.of("date"))
        return self._period() if dated and self.rng.random() < 0.35 else self.part_other()

    def part_other(self) -> Part:
        profile, root = self.profile, self.root
        kinds = ("category", "flag")
        own = [(root, i) for i in self.table.of(*kinds)]
        others = [(t, i) for t in profile.paths[root] for i in profile.tables[t].of(*kinds)]
        others += [(t, -1) for t in profile.paths[root]] * 2
        home, place = self.pick([option for option in own + others if option not in self.used])
        self.used.add((home, place))
        parent = profile.tables[self.join(home)]
        role = profile.role(root, home) if home != root else ""
        if place >= 0:
            column = parent.columns[place]
            words = f"{role} {column.noun.removeprefix('is ')}".strip()
            return self._group(column.sql, column.sql, words, columns=[column])
        self.used |= {(home, i) for i in range(len(parent.columns))}
        path, names = profile.paths[root][home], self.names(home)
        if names == [path[-1].target] and len(path) == 1:  # the child has it, too
            self.joins = [edge for edge in self.joins if edge is not path[0]]
            names = [path[0].column]
        group = names[0].sql
        if names != [path[0].column] and (len(names) > 1 or not names[0].unique):
            group = parent.columns[self.pick([parent.key] if parent.key is not None else [])].sql
        outputs = ", ".join(c.sql for c in names)
        return self._group(outputs, group, role, entity=role, columns=names)

    def _period(self, series: bool = False) -> Part:
        column = self.column("date")
        assert column.date is not None
        fit = [(unit, sql) for unit in _UNITS if (sql := bucket(column.date, unit, column.sql))]
        unit, sql = self.pick(fit)
        words = column.noun if column.date.kind == "year" else unit
        if len(self.table.of("date")) > 1 and words == unit:
            words = f"{unit} of {column.noun.removesuffix(' date').removesuffix(' time')}"
        if series and column.nulls:
            self.clauses.append(f"{column.sql} IS NOT NULL")
        if sql == column.sql:
            return self._group(sql, sql, words, at=quote(column.name))
        taken = any(c.name.lower() == unit for table in self.profile.tables for c in table.columns)
        alias = f"{unit}_value" if taken else unit
        return self._group(f"{sql} AS {alias}", alias, words, at=alias)

    part_time = partialmethod(_period, series=True)

    def part_ranked(self) -> Part:
        group, names, key = self.part_other(), self.names(), self.part_key()
        columns = [*group.columns, *names, key.column]
        plain = [quote(c.name) for c in columns]
        tied = len(key.column.values) * 3 < min(len(self.table.rows), 200)
        if tied or len({name.lower() for name in plain}) < len(plain):
            raise Unfit
        inner = ", ".join(c.sql for c in columns)
        return Part(**{**vars(key), **vars(group)}, plain=", ".join(plain), inner=inner)

    def part_case(self) -> Part:
        column = self.column("category")
        one, other = self.pick(list(permutations(column.values[:20], 2)))
        words = {"a": mention(one, self.rng), "b": mention(other, self.rng), "noun": column.noun}
        return Part(sql=column.sql, one=literal(one), other=literal(other), **words)

    def part_counted(self) -> Part:
        condition = self.condition()
        if condition.clock or not condition.predicate:
            raise Unfit
        return Part(sql=condition.sql, predicate=condition.predicate)

    def part_child(self) -> Part:
        edge = self.pick(self.profile.children(self.root))
        table, key, parent = self.profile.tables[edge.child], edge.column.sql, edge.target.sql
        return Part(table=quote(table.name), many=plural(table.noun), key=key, parent=parent)

    def part_parent(self) -> Part:
        """What a table that the subject leads to says of it."""
        paths, tables = self.profile.paths[self.root], self.profile.tables
        kinds = ("name", "category", "number", "date")
        home, place = self.pick([(t, i) for t in paths for i in tables[t].of(*kinds)])
        self.used.add((self.join(home), place))
        role, column = self.profile.role(self.root, home), tables[home].columns[place]
        words = role if column.noun == "name" else f"{role} {column.noun}"
        return Part(sql=column.sql, words=words)

    def part_n(self) -> Part:
        number = self.rng.choice((2, 3, 3, 5, 5, 10))
        return Part(sql=str(number), words=mention(number, self.rng))
