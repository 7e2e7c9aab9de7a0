"""Conditions on the rows of a subject: the SQL, and the words that a person says it with.

A condition is drawn from a row that meets it, so that several of one row are met together.

>>> draw(scope, rng, row, set()).phrase  # doctest: +SKIP
'with price above 70'
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from txt2sql.data.synthesis.contents import ColumnProfile, Edge, TableProfile
from txt2sql.data.synthesis.query import Scope, capital_calls, literal, mark
from txt2sql.data.synthesis.words import an, be, in_words, plural
from txt2sql.execution import dates
from txt2sql.execution.dates import DateFormat
from txt2sql.identifiers import quote_identifier as quote
from txt2sql.types import Cell, Row

Day = datetime.date
_TODAY = Day(2024, 3, 20)  # periods that hang on the present are written with 'now'

COMPARATIVES = {
    "age": ("older than", "younger than"), "price": ("more expensive than", "cheaper than"),
    "height": ("taller than", "shorter than"), "weight": ("heavier than", "lighter than"),
    "length": ("longer than", "shorter than"), "duration": ("longer than", "shorter than"),
    "size": ("larger than", "smaller than"), "area": ("larger than", "smaller than"),
}  # fmt: skip
_KINDS = frozenset(
    "status type kind category genre colour color class level state nationality".split()
)
"""Columns whose values are said as adjectives: pending orders."""
_ABOVE = ("above", "over", "greater than", "more than", "higher than", "exceeding", ">")
_BELOW = ("below", "under", "less than", "lower than", "smaller than", "<")
_LEAST = ("of at least", "at least", ">=", "not less than")
_MOST = ("of at most", "at most", "no more than", "<=", "up to")


@dataclass(frozen=True, slots=True)
class Condition:
    """`lead` and `rest` follow the noun, or `adjective` stands before it.

    `clock` is the day that 'now' must be for the condition to be met by a row.
    """

    sql: str
    lead: str
    rest: str
    adjective: str = ""
    clock: str = ""
    narrow: bool = False
    """Whether few rows meet it: then there is little to count or to group."""

    @property
    def phrase(self) -> str:
        """What follows the noun."""
        return f"{self.lead} {self.rest}".strip()


def say(rng: random.Random, frames: str, **parts: str) -> tuple[str, str]:
    """One of some wordings `lead~rest`, with its parts."""
    lead, _, rest = rng.choice(frames.split("|")).partition("~")
    return lead, rest.format(**parts)


def mention(value: Cell, rng: random.Random) -> str:
    """A value as a person writes it, marked so that nothing else is done to it."""
    text = str(value)
    if isinstance(value, float) and value == int(value):
        text = str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 < value <= 12 and rng.random() < 0.12:
            text = in_words(value)
        elif abs(value) > 9999 and rng.random() < 0.2:
            text = f"{value:,}"
    elif isinstance(value, str):
        draw = rng.random()
        if draw < 0.15 and not any(letter in value for letter in "'\""):
            text = f"'{value}'" if draw < 0.08 else f'"{value}"'
        elif draw > 0.9:
            text = value.lower()
    return f"\x03{text}\x04"


def draw(
    scope: Scope, rng: random.Random, row: Row, used: set[tuple[int, int]]
) -> Condition | None:
    """A condition that a row of the subject meets, on a column that none of `used` is."""
    table = scope.root
    ancestors = scope.profile.paths[table]
    edges = scope.profile.children[table]
    subject = scope.subject
    chance = rng.random()
    if edges and chance < 0.15 and subject.key is not None:
        return _of_children(scope, rng, rng.choice(edges), used)
    if ancestors and chance < 0.4:
        table = rng.choice(list(ancestors))
        path = ancestors[table]
        current: Row | None = row
        for edge in path:
            current = scope.profile.parent_row(edge, current) if current else None
        if current is None:
            return None
        condition = _of_row(scope, rng, table, current, used)
        return _through(scope, rng, table, condition, used) if condition else None
    return _of_row(scope, rng, table, row, used)


def _through(
    scope: Scope,
    rng: random.Random,
    table: int,
    condition: Condition,
    used: set[tuple[int, int]],
) -> Condition | None:
    """A condition on an ancestor, said of the subject."""
    parent = scope.profile.tables[table]
    role = scope.profile.role(scope.root, table)
    if (-2, 0) in used and condition.lead != "named":
        return None  # "of products with ... of customers with ..."
    used.add((-2, 0))
    scope.join(table)
    if condition.lead == "named":
        frames = "of~{r} {v}|of~the {r} {v}|for~{r} {v}|whose~{r} is {v}|with~{r} {v}|belonging to~{r} {v}"
        lead, rest = say(rng, frames, r=role, v=condition.rest)
        if parent.noun in role and rng.random() < 0.25:
            lead, rest = rng.choice((("of", condition.rest), ("for", condition.rest)))
        return replace(condition, lead=lead, rest=rest, adjective="")
    if condition.adjective and rng.random() < 0.5:
        inner = f"{condition.adjective} {plural(role)}"
    else:
        inner = f"{plural(role)} {condition.phrase}"
    lead = rng.choice(("of", "of", "belonging to", "for"))
    return replace(condition, lead=lead, rest=inner, adjective="")


def _of_row(
    scope: Scope, rng: random.Random, table: int, row: Row, used: set[tuple[int, int]]
) -> Condition | None:
    profile = scope.profile.tables[table]
    usable = [
        i
        for i, column in enumerate(profile.columns)
        if (table, i) not in used and column.kind not in ("id", "empty")
    ]
    if not usable:
        return None
    weights = [4 if profile.columns[i].kind in ("category", "date", "flag") else 2 for i in usable]
    place = rng.choices(usable, weights)[0]
    column, cell = profile.columns[place], row[place]
    sql = scope.column(place, table) if table == scope.root else mark(table, place)
    used.add((table, place))
    if cell is None or (column.nulls and rng.random() < 0.12):
        return _missing(rng, profile, column, sql, cell is None)
    if column.kind == "date":
        return of_date(rng, profile, column, sql, cell)
    if column.kind == "long" or (cell not in column.values and not isinstance(cell, (int, float))):
        return None
    if column.kind == "flag":
        return _flag(rng, column, sql, cell)
    if column.kind == "number":
        return _number(rng, profile, column, sql, cell)
    return _text(rng, profile, place, sql, cell)


_NULL = (
    "without~{a}|with no~{w}|that~have no {w}|whose~{w} {is_} missing|with~missing {w}|without~{w}|"
    "whose~{w} {is_} unknown|lacking~{a}|where~the {w} {is_} empty|that~don't have {a}"
)
_NOT_NULL = (
    "that~have {a}|with~{a} on record|whose~{w} {is_} known|that do have~{a}|"
    "whose~{w} {is_} not missing|where~the {w} {is_} filled in"
)


def _missing(
    rng: random.Random, table: TableProfile, column: ColumnProfile, sql: str, null: bool
) -> Condition:
    lead, rest = say(
        rng, _NULL if null else _NOT_NULL, w=column.noun, is_=be(column.noun), a=an(column.noun)
    )
    return Condition(f"{sql} IS {'' if null else 'NOT '}NULL", _who(lead, table), rest)


def _who(lead: str, table: TableProfile) -> str:
    return lead.replace("that", "who") if table.person and lead.startswith("that") else lead


_TRUE = frozenset(("1", "t", "y", "yes", "true"))


def _flag(rng: random.Random, column: ColumnProfile, sql: str, cell: Cell) -> Condition:
    """`is_active = 1` is "active", `has_garden = 0` is "without a garden"."""
    first, _, rest = column.noun.partition(" ")
    true = str(cell).lower() in _TRUE
    condition = f"{sql} = {literal(cell)}"
    if first in ("has", "have") and rest:
        lead = "with" if true else "without"
        return Condition(condition, lead, an(rest) if rng.random() < 0.7 else rest)
    words = rest if first in ("is", "was", "are") and rest else column.noun
    adjective = first in ("is", "was") or words.endswith(
        ("ed", "ive", "able", "al", "ent", "en", "ic")
    )
    if adjective and (" " not in words or first in ("is", "was")):
        if true:
            return Condition(condition, "that are", words, words if " " not in words else "")
        return Condition(condition, "that are", f"not {words}", f"non-{words}" if rng.random() < 0.2 else "")  # fmt: skip
    answer, is_ = "yes" if true else "no", be(words)
    return Condition(
        condition,
        *rng.choice([("where", f"{words} {is_} {answer}"), ("with", f"{words} = {answer}"),
                     ("with", words) if true else ("without", words)]),
    )  # fmt: skip


def _text(
    rng: random.Random, table: TableProfile, place: int, sql: str, cell: Cell
) -> Condition | None:
    column = table.columns[place]
    words = column.comment if column.comment and rng.random() < 0.15 else column.noun
    value = f"\x03{cell}\x04" if isinstance(cell, int) else mention(cell, rng)  # 10234: a code
    chance, is_ = rng.random(), be(words)
    equal = f"{sql} = {literal(cell)}"
    narrow = column.kind != "category"
    if table.names == (place,) and column.kind == "name" and chance < 0.7:
        return Condition(equal, "named", value, narrow=True)
    if isinstance(cell, str) and column.kind in ("name", "text") and chance > 0.55:
        return _pattern(rng, words, sql, cell)
    if column.kind == "category" and chance > 0.9 and len(column.values) > 2:
        frames = "whose~{w} {is_} not {v}|with~{w} other than {v}|excluding~{w} {v}|with any~{w} except {v}"
        frames = "not in~{v}|outside~{v}|not from~{v}" if column.place else frames
        return Condition(f"{sql} != {literal(cell)}", *say(rng, frames, w=words, v=value, is_=is_))
    if column.kind == "category" and chance > 0.8 and len(column.values) > 3:
        others = [other for other in column.values if other != cell]
        cells = sorted([cell, rng.choice(others)], key=repr)
        both = " or ".join(mention(each, rng) for each in cells)
        frames = "in~{v}|from~{v}" if column.place else "with~{w} {v}|whose~{w} {is_} {v}"
        listed = ", ".join(map(literal, cells))
        return Condition(f"{sql} IN ({listed})", *say(rng, frames, w=words, v=both, is_=is_))
    adjective = ""
    if column.place and chance < 0.5:
        frames = "in~{v}|from~{v}|in~{v}|located in~{v}|based in~{v}"
    else:
        frames = "with~{w} {v}|whose~{w} {is_} {v}|with~{w} = {v}|where~the {w} {is_} {v}|with~{a} of {v}|having~{w} {v}"
        kind_of = column.kind == "category" and words.rpartition(" ")[2] in _KINDS
        if kind_of and isinstance(cell, str) and re.fullmatch(r"[A-Za-z]{3,14}", cell):
            adjective = f"\x03{cell.lower() if rng.random() < 0.8 else cell}\x04"
    lead, rest = say(rng, frames, w=words, v=value, is_=is_, a=an(words))
    return Condition(equal, lead, rest, adjective, narrow=narrow)


def _pattern(rng: random.Random, words: str, sql: str, cell: str) -> Condition | None:
    parts = re.findall(r"[^\W\d_]{4,}", cell)
    kind = rng.choice(("contains", "starts", "ends"))
    if kind == "contains":
        if len(cell.split()) < 2 or not parts:
            return None
        piece = rng.choice(parts)
        pattern = f"%{piece}%"
        frames = "whose~{w} contains {v}|with~{v} in the {w}|whose~{w} includes {v}|with~{w} containing {v}"
    elif kind == "starts":
        piece = cell[: rng.choice((1, 1, 2, 3))]
        pattern, frames = f"{piece}%", "whose~{w} starts with {v}|whose~{w} begins with {v}"
    else:
        piece = cell[-rng.choice((1, 2, 3)) :]
        pattern, frames = f"%{piece}", "whose~{w} ends with {v}|with~{w} ending in {v}"
    if not piece.isalpha():
        return None
    letter = "the letter " if len(piece) == 1 and rng.random() < 0.5 else ""
    lead, rest = say(rng, frames, w=words, v=f"{letter}\x03{piece}\x04")
    return Condition(f"{sql} LIKE {literal(pattern)}", lead, rest)


def threshold(rng: random.Random, cell: float) -> float:
    """A value near a cell, mostly as round as people say them."""
    if abs(cell) >= 100 and rng.random() < 0.6:
        digits = len(str(int(abs(cell)))) - rng.choice((1, 2))
        return int(round(cell, -digits))
    if isinstance(cell, float):
        return round(cell, 1) if rng.random() < 0.6 else cell
    return cell


def _number(
    rng: random.Random, table: TableProfile, column: ColumnProfile, sql: str, cell: Cell
) -> Condition | None:
    if not isinstance(cell, (int, float)) or len(column.values) < 2:
        return None
    words = column.comment if column.comment and rng.random() < 0.15 else column.noun
    chance, is_ = rng.random(), be(words)
    if chance < 0.1:
        own = f"(SELECT AVG({quote(column.name)}) FROM {quote(table.name)})"
        higher = rng.random() < 0.7
        frames = "with~{s}-average {w}|whose~{w} {is_} {s} average|with~{w} {s} the average|whose~{w} {is_} {s} the average {w}"
        lead, rest = say(rng, frames, w=words, is_=is_, s="above" if higher else "below")
        return Condition(f"{sql} {'>' if higher else '<'} {own}", lead, rest)
    if chance < 0.2 and len(column.values) > 3:
        numbers = [value for value in column.values if isinstance(value, (int, float))]
        low, high = sorted(threshold(rng, end) for end in (cell, rng.choice(numbers)))
        if low == high:
            return None
        span = f"between {mention(low, rng)} and {mention(high, rng)}"
        lead, rest = say(rng, "with~{w} {v}|whose~{w} {is_} {v}", w=words, v=span, is_=is_)
        return Condition(f"{sql} BETWEEN {literal(low)} AND {literal(high)}", lead, rest)
    if chance < 0.3 and isinstance(cell, int):
        frames = "with~{w} {v}|whose~{w} {is_} {v}|with~{w} equal to {v}|with~{w} of {v}"
        lead, rest = say(rng, frames, w=words, v=mention(cell, rng), is_=is_)
        return Condition(f"{sql} = {literal(cell)}", lead, rest)
    limit = threshold(rng, cell)
    value = mention(limit, rng)
    operator = rng.choice((">", ">", "<", "<", ">=", "<="))
    condition = f"{sql} {operator} {literal(limit)}"
    if operator in "<>" and words in COMPARATIVES and rng.random() < 0.3:
        return Condition(condition, "", f"{COMPARATIVES[words][operator == '<']} {value}")
    side = rng.choice({">": _ABOVE, "<": _BELOW, ">=": _LEAST, "<=": _MOST}[operator])
    countable = plural(words) == words and side[0] in "almnu" and side not in ("above", "under")
    if countable and rng.random() < 0.6:
        return Condition(condition, "with", f"{side} {value} {words}")
    if side[0] in "<>e" or side.startswith("of"):
        return Condition(
            condition,
            rng.choice(("with", "where")) if side[0] in "<>" else "with",
            f"{words} {side} {value}",
        )
    lead, rest = say(
        rng, "with~{w} {s} {v}|whose~{w} {is_} {s} {v}", w=words, s=side, v=value, is_=is_
    )
    return Condition(condition, lead, rest)


# ------------------------------------------------------------------------------------------- dates


def day_of(cell: Cell, form: DateFormat) -> Day | None:
    """The day that a cell of a date column means."""
    try:
        if form.kind in ("seconds", "millis"):
            seconds = float(cell) / (1000 if form.kind == "millis" else 1)  # type: ignore[arg-type]
            return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date()
        text = str(cell).strip()
        if form.kind == "year":
            return Day(int(float(text)), 1, 1)
        if form.kind == "compact":
            return Day(int(text[:4]), int(text[4:6]), int(text[6:8]))
        numbers = [int(number) for number in re.findall(r"\d+", text)[:3]]
        if form.kind == "month":
            return Day(numbers[0], numbers[1], 1)
        if form.kind == "ymd":
            return Day(*numbers)
        day, month, year = numbers if form.kind == "dmy" else (numbers[1], numbers[0], numbers[2])
        return Day(year, month, day)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def _period(rng: random.Random, form: DateFormat, day: Day) -> tuple[str, Day | None]:
    """A phrase for a time that holds a day, and the present it is said in where it hangs on that."""
    year, month = day.year, day.strftime("%B")
    later = year + rng.randint(1, 4)
    yearly = [
        f"in {year}", f"in {year}", f"since {year}", f"after {year - 1}", f"before {year + 1}",
        f"between {year} and {later}", f"from {year} to {later}", f"until {year}",
    ]  # fmt: skip
    if form.kind == "year" or rng.random() < 0.35:
        decade = [f"in the {year // 10 * 10}s"] if 1900 <= year < 2000 else []
        return rng.choice(yearly + decade), None
    monthly = [
        f"in {month} {year}", f"in {month} {year}", f"in {day:%b} {year}", f"since {month} {year}",
        f"in Q{(day.month + 2) // 3} {year}", f"before {(day + datetime.timedelta(31)):%B %Y}",
        f"in {day:%Y-%m}",
    ]  # fmt: skip
    chance = rng.random()
    if form.kind == "month" or chance < 0.4:
        return rng.choice(monthly), None
    if chance < 0.65:
        span = rng.choice((7, 10, 14, 30, 60, 90, 180))
        phrases = {
            f"in the last {span} days": 0, f"in the past {span} days": 0, f"in the last {rng.randint(2, 6)} months": 0,
            "last month": 30, "this month": 0, "this year": 0, "last year": 365,
            f"in the last {rng.randint(2, 8)} weeks": 0,
        }  # fmt: skip
        phrase = rng.choice(list(phrases))
        return phrase, day + datetime.timedelta(phrases[phrase])
    written = rng.choice(
        (f"{day.day} {month} {year}", f"{month} {day.day}, {year}", day.isoformat())
    )
    end = day + datetime.timedelta(rng.choice((7, 30, 90)))
    return rng.choice(
        (f"on {written}", f"since {written}", f"before {day + datetime.timedelta(1)}",
         f"between {day} and {end}", f"from {day.day} {month} {year} to {end.day} {end:%B} {end.year}")
    ), None  # fmt: skip


def of_date(
    rng: random.Random, table: TableProfile, column: ColumnProfile, sql: str, cell: Cell
) -> Condition | None:
    """A time that a cell lies in, by the format that its column stores."""
    form = column.date
    day = day_of(cell, form) if form else None
    if form is None or day is None or not 1900 <= day.year < 2100:
        return None
    if form.kind in ("ymd", "seconds") and form.mark == "-" and rng.random() < 0.08:
        return _before_newest(rng, table, column, sql, form)
    phrase, present = _period(rng, form, day)
    spans = dates.periods(phrase, _TODAY)
    condition = dates.condition(sql, form, spans[0]) if len(spans) == 1 else None
    if condition is None:
        return None
    clock = present.isoformat() if present else ""
    lead, rest = dated(rng, table, column, phrase)
    return Condition(capital_calls(condition), lead, rest, clock=clock)


_PARTICIPLES = frozenset("born paid sold sent built made begun taken".split())
_TIME_WORDS = frozenset("at on the date time year month day timestamp datetime of".split())


def dated(
    rng: random.Random, table: TableProfile, column: ColumnProfile, phrase: str
) -> tuple[str, str]:
    """How a row's time is said: "in May 2020" alone only where the row has one time."""
    words = [word for word in column.noun.split() if word not in _TIME_WORDS]
    if len(words) == 1 and (words[0].endswith("ed") or words[0] in _PARTICIPLES):
        return words[0], phrase
    if words and words[-1] in ("birth", "birthday", "birthdate") and rng.random() < 0.6:
        return "born", phrase
    own = not words or words[-1] in table.noun.split()
    alone = (
        len(table.of("date")) == 1 and not table.person and column.noun.endswith((" date", " time"))
    )
    if own or (alone and rng.random() < 0.6):
        return "", phrase
    clear = phrase.startswith(("in ", "on ", "before ", "after ", "between "))
    lead = "whose" if clear and rng.random() < 0.4 else "with"
    name = column.noun if column.noun != "date" else f"{table.noun} date"
    return lead, f"{name} {be(name)} {phrase}" if lead == "whose" else f"{an(name)} {phrase}"


def _before_newest(
    rng: random.Random, table: TableProfile, column: ColumnProfile, sql: str, form: DateFormat
) -> Condition:
    days = rng.choice((7, 14, 30, 60, 90))
    newest = f"(SELECT MAX({quote(column.name)}) FROM {quote(table.name)})"
    phrase = rng.choice(
        (f"in the last {days} days of the data", f"in the {days} days before the latest {column.noun}",
         f"in the last {days} days up to the newest {table.noun}")
    )  # fmt: skip
    if form.kind == "seconds":
        return Condition(f"{sql} >= {newest} - {days} * 86400", "", phrase)
    return Condition(f"{sql} >= DATE({newest}, '-{days} days')", "", phrase)


# ---------------------------------------------------------------------------------------- children


def _of_children(
    scope: Scope, rng: random.Random, edge: Edge, used: set[tuple[int, int]]
) -> Condition | None:
    """Rows of another table that lead here: some, none, many, or some that meet a condition."""
    if (-1, edge.child) in used:
        return None
    used.add((-1, edge.child))
    profile = scope.profile
    child, subject = profile.tables[edge.child], scope.subject
    key, column = scope.column(edge.parent_columns[0]), child.columns[edge.child_columns[0]]
    inner = Scope(profile, edge.child)
    name = inner.column(edge.child_columns[0])
    parts = {
        "n": child.noun,
        "m": plural(child.noun),
        "a": an(child.noun),
        "h": rng.choice(("have", "have", "had")),
    }
    chance, clock, where = rng.random(), "", []
    group, having, negated = [], "", ""
    if chance < 0.4:
        where = [f"{name} IS NOT NULL"] if column.nulls else []
        frames, negated = (
            "without~any {m}|that~{h} no {m}|with no~{m}|that~don't have any {m}|that~never had {a}|without~{a}",
            "NOT ",
        )
    elif chance < 0.6:
        least = rng.choice((2, 2, 3, 4, 5))
        words, test = rng.choice((("at least", f">= {least}"), ("more than", f"> {least}")))
        group, having = [name], f"COUNT(*) {test}"
        frames = "with~{s} {m}|that~{h} {s} {m}"
        parts["s"] = f"{words} {mention(least, rng)}"
    else:
        parts["p"] = ""
        if chance > 0.7:
            condition = _of_row(inner, rng, edge.child, rng.choice(child.rows), set())
            if condition is None or condition.lead == "named":
                return None
            where, clock, parts["p"] = [condition.sql], condition.clock, f" {condition.phrase}"
        frames = "that~{h} {a}{p}|with~at least one {n}{p}|that~{h} {m}{p}|with~{a}{p}"
    lead, rest = say(rng, frames, **parts)
    sql = f"{key} {negated}IN ({inner.select([name], where=where, group=group, having=having)})"
    return Condition(sql, _who(lead, subject), rest, clock=clock)


_ORDER = {
    "named": 0, "in": 0, "from": 0, "located in": 0, "based in": 0, "born": 1, "": 1,
    "of": 3, "for": 3, "belonging to": 3,
}  # fmt: skip
"""Where a condition stands by its first word: places, times, others, other tables."""


def noun_phrase(
    rng: random.Random,
    table: TableProfile,
    conditions: Sequence[Condition],
    noun: str,
    either: bool,
) -> str:
    """The subject with its conditions: "active customers in Kent with no email"."""
    adjectives: list[str] = []
    rest: list[Condition] = []
    for condition in conditions:
        if condition.adjective and not either and not adjectives and rng.random() < 0.6:
            adjectives.append(condition.adjective)
        else:
            rest.append(condition)
    if not either:
        rest.sort(key=lambda condition: _ORDER.get(condition.lead, 2))
    text = " ".join([*adjectives, noun])
    word = " or" if either else " and"
    for i, condition in enumerate(rest):
        joined = i and (either or (_ORDER.get(condition.lead, 2) == 2 and rest[i - 1].lead))
        text += word if joined else ""
        same = joined and i and condition.lead == rest[i - 1].lead and condition.lead != "of"
        lead = _who(condition.lead, table)
        text += f" {condition.rest}" if same else f" {lead} {condition.rest}".replace("  ", " ")
    return text
