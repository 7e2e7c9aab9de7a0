"""Conditions that a question implies though no cell is spelt in it: dates, flags, codes, NULL.

"orders placed in May 2025", "unpaid invoices", "customers without an email", "over 2 million": each
becomes an SQL condition on the column that the facts of the columns (read once with the value index:
date format, flag, codes, missing; the field calls it data profiling) and the words of the question
point to. No hint is better than a wrong one: where two columns are as likely, and the
question names neither table, there is none.

>>> Hints(facts).match("How many invoices are unpaid?")  # doctest: +SKIP
[ValueMatch(table='invoices', column='paid', value='0', span='unpaid', score=0.7, condition='invoices.paid = 0')]
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import islice
from typing import Any

from txt2sql.execution.dates import Period, condition, periods
from txt2sql.execution.names import WORD, fold, key
from txt2sql.identifiers import quote_identifier
from txt2sql.sql.date_formats import FIRST_YEAR, LAST_YEAR, DateFormat, date_format
from txt2sql.types import Column, Schema, Table, ValueMatch

MAX_DATES, MAX_HINTS = 3, 6
SURE, LIKELY = 0.7, 0.65
_LEAST_EVIDENCE, _MARGIN = 2.0, 0.6

# ------------------------------------------------------------------------------ facts of columns

SAMPLED_ROWS = 300
SAMPLE_CHARS = 40
MAX_CODES = 12
"""A text column with more distinct values in its sample holds no codes."""
_COLUMNS_PER_QUERY = 200

Sql = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a statement of ours; no rows where it fails."""


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column. `values` are all distinct values of the sample, where they are few."""

    table: str
    column: str
    table_words: str
    words: str
    type: str = "text"
    key: bool = False
    nulls: bool = False
    empties: bool = False
    values: tuple[str | int | float, ...] = ()
    low: float | None = None
    high: float | None = None
    date: DateFormat | None = None


_NAMES = [field.name for field in fields(ColumnFacts)]
_VALUES, _DATE = _NAMES.index("values"), _NAMES.index("date")


def read_facts(
    schema: Schema,
    ask: Sql,
    quote: Callable[[str], str],
    cell: Callable[[str], str] = str,
) -> Iterator[ColumnFacts]:
    """The facts of every column, in the schema's order; `cell` spells how one of the sample is read."""
    keys = {(key.table, key.column) for key in schema.foreign_keys}
    for table in schema.tables:
        columns = iter(table.columns)
        while part := list(islice(columns, _COLUMNS_PER_QUERY)):
            yield from _read(table, part, keys, ask, quote, cell)


def _read(
    table: Table,
    columns: Sequence[Column],
    keys: set[tuple[str, str]],
    ask: Sql,
    quote: Callable[[str], str],
    cell: Callable[[str], str],
) -> Iterator[ColumnFacts]:
    wanted = ["count(*)"]
    for column in columns:
        name = quote(column.name)
        ranged = column.type in ("number", "time")
        wanted.append(f"count({name})")
        wanted.append(f"count(NULLIF({name}, ''))" if column.type == "text" else f"count({name})")
        wanted += [f"min({name})", f"max({name})"] if ranged else ["NULL", "NULL"]
    source = quote(table.name)
    sampled = ", ".join(cell(quote(column.name)) for column in columns)
    sample = ask(f"SELECT {sampled} FROM {source} LIMIT {SAMPLED_ROWS}")
    totals = ask(f"SELECT {', '.join(wanted)} FROM {source}") if sample else ()
    read = list(zip(*sample, strict=True)) or [()] * len(columns)
    for i, column in enumerate(columns):
        cells = list(read[i])
        nulls, empties = None in cells, "" in cells
        if totals:
            count, filled, longer, low, high = totals[0][0], *totals[0][4 * i + 1 : 4 * i + 5]
            nulls, empties = filled < count, empties or longer < filled
            cells += [low, high]
        yield _facts(table, column, (table.name, column.name) in keys, nulls, empties, cells)


def _facts(
    table: Table, column: Column, linked: bool, nulls: bool, empties: bool, cells: list[Any]
) -> ColumnFacts:
    distinct = [
        cell for cell in dict.fromkeys(cells) if isinstance(cell, (int, float, str)) and cell != ""
    ]
    values = [cell[:SAMPLE_CHARS] if isinstance(cell, str) else cell for cell in distinct]
    numbers = [float(value) for value in values if not isinstance(value, str)]
    words = column.words or column.name
    key = linked or (column.primary_key and sum(c.primary_key for c in table.columns) == 1)
    return ColumnFacts(
        table.name,
        column.name,
        table.words or table.name,
        words,
        column.type,
        key,
        nulls,
        empties,
        tuple(sorted(values, key=repr)) if len(values) <= MAX_CODES else (),
        min(numbers, default=None),
        max(numbers, default=None),
        date_format(words, column.type, values),
    )


def dump(facts: ColumnFacts) -> str:
    """As JSON."""
    return json.dumps([getattr(facts, name) for name in _NAMES])


def load(text: str) -> ColumnFacts:
    """What `dump` wrote."""
    items = json.loads(text)
    items[_VALUES] = tuple(items[_VALUES])
    items[_DATE] = DateFormat(*items[_DATE]) if items[_DATE] else None
    return ColumnFacts(*items)


# ------------------------------------------------------------------------------------- vocabulary


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """`placed order: purchase sale; ...` -> both names with both words."""
    rows = (row.partition(":") for row in text.split(";"))
    return {name: tuple(words.split()) for names, _, words in rows for name in names.split()}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VERBS = _table(
    "placed: order placed purchase; ordered: placed purchase purchased; bought: purchase order sale "
    "transaction; purchased: order sale transaction; sold: sale sold; born: birth dob born birthday "
    "birthdate; hired employed: hire hired employment; joined: join joined membership registration hire; "
    "founded: founded foundation founding established establishment; "
    "established: founded established establishment; built: built construction completed build; "
    "constructed: built construction; paid: paid payment; died: death died; dead: death; "
    "won: award won win; signed: signup sign registration registered joined; billed: invoice billing; "
    "came: release released; issued: issue issued invoice; dispatched: shipped ship shipment; "
    "sent: sent shipped; left: departure left leave termination; flew: flight departure; "
    "began: start begin; launched: launch launched; aired: air aired"
)
"""Verbs and the words of the columns that hold their dates, where the two do not share letters."""
_OWN_DATE = _table(
    "born birthday: birth dob born birthday birthdate; died deceased: death died dod deathdate; "
    "hired: hire hired join joined start started employment employed"
)
_LIFE = _words("birth dob born birthday birthdate birthdays death died dod deathdate dead")
_MANY = 8
_NEAR = 5
"""Words around a date."""
_GENERIC = _words(
    "date time year month day at on of the timestamp dt when datetime in utc yr and for a by"
)
_AUDIT = _words("created updated modified inserted changed deleted entry loaded")
_ENDS = _words("end to stop until expiry expiration valid_to closed finish")
_FLAG_AROUND = _words("is has was are were did can flag yn ind indicator")
_NO_FLAGS = _words(
    "value decision type status answer result gender sex response outcome code name state category "
    "flag choice"
)
"""Their column may hold yes and no, but its name does not say to what."""
_TRUTHS = (("1", "0"), ("y", "n"), ("yes", "no"), ("true", "false"), ("t", "f"))
_PARTICIPLE = re.compile(
    r"\w+(?:ed|able|ible|ive|less|ful)$|(?:paid|sold|open|official|public|private|valid|free|"
    r"default|primary|done|complete|broken|lost|sent|seen|read|hidden|overdue|void|draft|urgent|"
    r"domestic|international|full|empty|online|available|taken|won|remote|manual|automatic|"
    r"vegetarian|vegan|organic|accurate|correct|male|female|alive|dead|married|single|new|final)$"
)
_NOT = _words(
    "not never no without isn aren wasn weren hasn haven hadn don doesn didn cannot non nor un"
)
_FILLERS = _words(
    "t yet been be being currently still already fully get gotten getting marked longer completely"
)
_BETWEEN_NOT = _FILLERS | _words(
    "a an the any to contain contains containing have has include includes including offer offers "
    "accept accepts allow allows use uses using require requires need needs provide provides"
)
_PREFIXES = ("un", "in", "non", "dis", "im", "ir")
_OPPOSITES = _table(
    "male: female; female: male; open: closed; closed: open; public: private; private: public; "
    "enabled: disabled; disabled: enabled; married: single; single: married; alive: dead deceased; "
    "dead deceased: alive; online: offline; offline: online; full: empty; empty: full"
)
_UNDECIDED_BEFORE = _words("whether if amount total sum much money average price fee")
_UNDECIDED_AFTER = _words(
    "or is was flag status statuses column field by for more less over than at price amount to rate rates "
    "date dates value values code codes indicator"
)
_SUFFIXES = _words("id number no code address name date time at on key value amount")
_FOLLOWING = _words(
    "a and or on in at for to is are was were do does did from with listed recorded set given yet "
    "value values information info data entered who that which have has assigned specified stored "
    "available by sorted ordered their the what how please show list count there attached filled "
    "provided registered as but also only if than and"
)
_AFTER_WITH = _words("and or who that sorted ordered please only also but listed recorded")
_UNKNOWN = re.compile(
    r"\s+(?:is|are|was|were|being)\s+(?P<not>not\s+)?"
    r"(?P<what>null|missing|empty|blank|unknown|known|set|recorded|specified|given|available|"
    r"provided|filled\s+in|unspecified)\b",
    re.I,
)
_NO = re.compile(
    r"\b(?:without|no|missing|lacks?|lacking|(?:do|does|did|have|has|had)(?:\s+not|n[’']t)"
    r"(?:\s+have|\s+had|\s+got)?)\s+(?:an?\s+|any\s+|the\s+|their\s+|its\s+)?(?=\w)",
    re.I,
)
_WITH = re.compile(r"\b(?:with|have|has|having)\s+(?:an?|any)\s+(?=\w)", re.I)
_GENDERS = _table("female woman lady girl: f female w woman; male man gentleman boy: m male man")

_NUMBER = re.compile(
    r"(?<![\w.,])(?P<plain>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|"
    r"\d{1,3}(?:\.\d{3}){2,}|\d+(?:\.\d+)?(?=\s*(?:thousand|million|billion|k|bn|mn)\b))"
    r"(?:\s*(?P<times>thousand|million|billion|k|bn|mn)\b)?(?![\w]|[.,]\d)",
    re.I,
)
_TIMES = {
    "k": 1_000,
    "thousand": 1_000,
    "mn": 10**6,
    "million": 10**6,
    "bn": 10**9,
    "billion": 10**9,
}
_COMPARISONS = (
    (r"no (?:more|higher|larger|greater) than|at most|up to|maximum of", "<="),
    (r"no (?:less|fewer|lower|smaller) than|at least|minimum of", ">="),
    (r"(?:more|greater|higher|larger|bigger|longer|heavier) than|over|above|exceed\w*|beyond", ">"),
    (r"(?:less|fewer|lower|smaller|shorter|lighter|cheaper) than|under|below", "<"),
    (r"equals?(?: to)?|exactly|is|are|was|of", "="),
)
_COMPARISON = tuple(
    (re.compile(rf"\b(?:{words})\s+[$€£]?\s*$", re.I), sign) for words, sign in _COMPARISONS
)


@dataclass(frozen=True, slots=True)
class _Question:
    """A question in words, as they are in small letters and folded, with where each stands."""

    text: str
    plain: tuple[str, ...]
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    bag: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Question:
        spans = tuple(match.span() for match in WORD.finditer(text))
        plain = tuple(text[start:end].lower() for start, end in spans)
        words = tuple(key(word) for word in plain)
        return cls(text, plain, words, spans, frozenset((*plain, *words)))

    def at(self, position: int) -> int:
        """The number of the word that starts at a character, or of the next one."""
        return next((i for i, (a, _) in enumerate(self.spans) if a >= position), len(self.words))

    def has(self, phrase: tuple[str, ...]) -> bool:
        """Whether the words stand in the question, one after the other."""
        return set(phrase) <= self.bag and any(
            self.words[i : i + len(phrase)] == phrase for i in range(len(self.words))
        )


@dataclass(frozen=True, slots=True)
class _NamedColumn:
    """A column with what its name and its table's name say."""

    facts: ColumnFacts
    sql: str
    table: tuple[str, ...]
    own: tuple[str, ...]
    """The words of the column without those of its table, where others are left."""
    phrase: tuple[str, ...]
    """All words of the column."""


class Hints:
    """The hints of one database; made once, used often."""

    def __init__(
        self,
        facts: Sequence[ColumnFacts],
        dialect: str = "sqlite",
        quote: Callable[[str], str] = quote_identifier,
    ) -> None:
        self._dialect = dialect
        places = [_place(item, quote) for item in facts]
        self._tables = {place.table for place in places} | {
            place.table[-1:] for place in places if place.table
        }
        self.names = {word for place in places for word in (*place.table, *place.phrase)}
        """Every word of the names of tables and columns."""
        self.few = {(item.table, item.column) for item in facts if item.values}
        """The columns that hold few different values."""
        self._dates = [place for place in places if place.facts.date]
        self._flags = [
            (place, root, values if dialect == "sqlite" else _standard(place.facts, values))
            for place in places
            if (values := _truth(place.facts)) and (root := _flag_root(place, values))
        ]
        self._numbers = [
            place
            for place in places
            if place.facts.high is not None and not place.facts.key and not place.facts.date
        ]
        self._genders = [
            place
            for place in places
            if {"sex", "gender"} & set(place.phrase) and 0 < len(place.facts.values) <= 4
        ]
        self._codes: dict[str, list[tuple[_NamedColumn, str]]] = {}
        self._missing: dict[tuple[str, ...], list[_NamedColumn]] = {}
        self._events: list[_NamedColumn] = []
        for place in places:
            item = place.facts
            if item.type == "text" and not item.key and not item.date and not _truth(item):
                for value in item.values:
                    if isinstance(value, str) and len(word := key(value)) > 2 and " " not in word:
                        self._codes.setdefault(word, []).append((place, value))
            if item.nulls or item.empties:
                for phrase in _phrases(place):
                    self._missing.setdefault(phrase, []).append(place)
                if item.date and item.nulls:
                    self._events.append(place)

    def match(self, text: str) -> list[ValueMatch]:
        """The hints of a question, the surest first."""
        question = _Question.of(text)
        dated = list(self._dated(question))
        others: list[ValueMatch] = []
        for part in (self._flagged, self._coded, self._empty, self._happened, self._counted):
            taken = {match.span.casefold() for match in others}
            others += [m for m in part(question) if m.span.casefold() not in taken]
        made = sorted([*dated, *others], key=lambda match: -match.score)
        best: dict[str, ValueMatch] = {}
        for match in made:
            best.setdefault(match.condition, match)
        return list(best.values())[:MAX_HINTS]

    # ---------------------------------------------------------------------------------- dates

    def _dated(self, question: _Question) -> Iterator[ValueMatch]:
        if not self._dates:
            return
        mentioned = periods(question.text)
        if not mentioned:
            return
        ranked = [(place, self._evidence(question, place)) for place in self._dates]
        if len(ranked) > _MANY:  # those that could neither be the choice nor near it
            ranked = [(place, score) for place, score in ranked if score >= 0]
        count = 0
        for period in mentioned:
            options = [
                (score + self._fit(question, place, period), place, sql)
                for place, score in ranked
                if (sql := self._condition(place, period))
            ]
            if not options:
                continue
            (best, place, sql), *rest = sorted(options, key=lambda option: -option[0])
            second = rest[0][0] if rest else -9.0
            elsewhere = max(
                (score for score, other, _ in rest if other.facts.table != place.facts.table),
                default=-9.0,
            )
            only = len(self._dates) == 1 and any(set(t) <= question.bag for t in self._tables if t)
            least = 0.0 if only else _LEAST_EVIDENCE
            if period.weak and (best < 1.0 or self._number_holds(period)):
                continue
            # A column of which the question names only the table has to be the clear choice.
            clear = best >= least and best - second >= 0.25
            clear = clear and (best >= 3.0 or best - elsewhere >= _MARGIN)
            partly = best >= 1.0 and best - second >= 0.7 and not _distinctive(place)
            if not (clear or partly) or count == MAX_DATES:
                continue
            count += 1
            span = question.text[slice(*period.span)]
            yield _hint(place, span, span, sql, SURE if best >= 3.0 else LIKELY)

    def _condition(self, place: _NamedColumn, period: Period) -> str | None:
        assert place.facts.date is not None
        return condition(place.sql, place.facts.date, period, self._dialect)

    def _evidence(self, question: _Question, place: _NamedColumn) -> float:
        """What speaks for a date column whatever the date is: 3 for its own words, 2 for its table."""
        verbs = {target for verb in question.bag & _VERBS.keys() for target in _VERBS[verb]}
        words = [word for word in place.own if word not in _GENERIC]
        others = [
            word
            for pair in zip(question.plain, question.words, strict=True)
            if pair[1] not in place.table
            for word in set(pair)
        ]
        hits = [
            word
            for word in words
            if word in verbs or any(_related(word, other) for other in others)
        ]
        score = 3.0 * len(hits) / len(words) if words else 0.0
        left = set(_distinctive(place)) - set(hits)
        score -= 0.5 * len(left) + 0.5 * bool(left & _AUDIT) + 0.3 * bool(left & _ENDS)
        named = [word for word in place.table if word in question.bag]
        done = [
            word
            for word in place.table
            if word in verbs or any(o.endswith("ed") and _related(word, o) for o in question.plain)
        ]
        if place.table and len(named) == len(place.table):
            score += 2.0
        elif named or done:
            score += 1.0
        if set(done) & set(place.phrase):  # registered, and memberships.register_year
            score += 1.5
        return score

    def _fit(self, question: _Question, place: _NamedColumn, period: Period) -> float:
        """What speaks for a date column and this date."""
        facts, moment = place.facts, period.start or period.end
        first = question.at(period.span[0])
        around = set(question.plain[max(0, first - _NEAR) : first + _NEAR])
        # Births and deaths belong to a verb nearby, and such a verb to nothing else.
        if set(place.phrase) & _LIFE and not around & _LIFE:
            return -3.0
        nearby = set(question.plain[max(0, first - 3) : first]) & _OWN_DATE.keys()
        if any(not set(_OWN_DATE[verb]) & set(place.phrase) for verb in nearby):
            return -3.0
        words = _distinctive(place)
        wide = set(question.plain[max(0, first - 2 * _NEAR) : first + _NEAR])
        verbs = {target for verb in wide & _VERBS.keys() for target in _VERBS[verb]}
        near = any(w in verbs or any(_related(w, o) for o in wide) for w in words)
        score = -1.0 if words and not near else 0.0
        if facts.date is None or facts.date.kind != "year" or moment is None:
            return score
        low, high = facts.low or FIRST_YEAR, facts.high or LAST_YEAR
        if not low - 2 <= moment.day.year <= high + 2:
            return -1.5
        return score + (0.5 if "year" in question.bag else 0.3)

    def _number_holds(self, period: Period) -> bool:
        """Whether a column of numbers could hold what may be a year."""
        moment = period.start or period.end
        return moment is not None and any(
            place.facts.low is not None
            and place.facts.high is not None
            and place.facts.low <= moment.day.year <= place.facts.high
            for place in self._numbers
        )

    # ------------------------------------------------------------------------- flags and codes

    def _flagged(self, question: _Question) -> Iterator[ValueMatch]:
        hits: dict[tuple[str, ...], list[tuple[_NamedColumn, int, str, str]]] = {}
        roots = {root for _, root, _ in self._flags} - self._tables
        every = {root: list(_mentions(question, root)) for root in roots}
        for place, root, (yes, no) in self._flags:
            answers = every.get(root, [])
            if len({holds for holds, *_ in answers}) != 1:
                continue
            holds, span, i = answers[0]
            hits.setdefault(root, []).append((place, i, span, yes if holds else no))
        for options in hits.values():
            named = self._named(question, [place for place, *_ in options], options[0][1])
            for place, _, span, value in options:
                if place in named:
                    yield _hint(place, value, span, f"{place.sql} = {value}", SURE)

    def _coded(self, question: _Question) -> Iterator[ValueMatch]:
        for i, word in enumerate(question.words):
            for whole, stem in [(word, word), *((word, word[len(p) :]) for p in _PREFIXES)]:
                if stem not in self._codes or (stem != whole and not _prefixed(whole, stem)):
                    continue
                start = _negated(question, i, _FILLERS)
                if start is not None and question.plain[start] in ("no", "without"):
                    continue  # "no members" asks for no row of them
                if start is None and stem == whole:
                    continue
                if (start is not None) == (stem != whole) or _undecided(question, i):
                    continue  # "not unpaid"
                options = self._codes[stem]
                named = self._named(question, [place for place, _ in options], i)
                span = question.text[
                    question.spans[i if start is None else start][0] : question.spans[i][1]
                ]
                for place, value in options:
                    if place in named:
                        sql = f"{place.sql} <> {_text(value)}"
                        yield _hint(place, value, span, sql, LIKELY)
        genders = {_GENDERS[word] for word in question.words if word in _GENDERS}
        for i, word in enumerate(question.words):
            if word in _GENDERS and len(genders) == 1:
                named = self._named(question, self._genders, i)
                for place in named:
                    letters = [v for v in place.facts.values if key(str(v)) in _GENDERS[word]]
                    if len(letters) == 1 and key(str(letters[0])) != word:
                        span = question.text[slice(*question.spans[i])]
                        value = str(letters[0])
                        yield _hint(place, value, span, f"{place.sql} = {_text(value)}", LIKELY)

    def _named(
        self, question: _Question, places: Iterable[_NamedColumn], i: int = -1
    ) -> list[_NamedColumn]:
        """The places whose table the question names, after word `i` if it can be; the only one,
        named or not; else none.
        """
        every = list(dict.fromkeys(places))
        named = [place for place in every if set(place.table) <= question.bag]
        after = question.words[i + 1] if -1 < i < len(question.words) - 1 else ""
        if of_next := [place for place in named if place.table[-1:] == (after,)]:
            return of_next[:2]  # "active users"
        if not named and len(every) > 1:
            named = [place for place in every if place.table and place.table[-1] in question.bag]
        if not named and len(every) == 1:
            return every
        return named if len(named) <= 2 else []

    # --------------------------------------------------------------------------------- missing

    def _empty(self, question: _Question) -> Iterator[ValueMatch]:
        for trigger, present, following in ((_NO, False, _FOLLOWING), (_WITH, True, _AFTER_WITH)):
            for match in trigger.finditer(question.text):
                first = question.at(match.end())
                phrase, places = self._longest(question, first)
                end = first + len(phrase)
                if not places or not _ends(question, end, following):
                    continue
                span = question.text[match.start() : question.spans[end - 1][1]]
                yield from self._missing_hints(question, places, present, span)
        for i in range(len(question.words)):
            phrase, places = self._longest(question, i)
            end = i + len(phrase)
            tail = _UNKNOWN.match(question.text, question.spans[end - 1][1]) if places else None
            if tail:
                missing = tail["what"].split()[0].lower() in (
                    "null missing empty blank unknown unspecified".split()
                )
                present = missing == bool(tail["not"])
                if not missing and not tail["not"]:
                    continue  # "the price is given"
                span = question.text[question.spans[i][0] : tail.end()]
                yield from self._missing_hints(question, places, present, span)

    def _longest(
        self, question: _Question, first: int
    ) -> tuple[tuple[str, ...], list[_NamedColumn]]:
        for size in (4, 3, 2, 1):
            phrase = question.words[first : first + size]
            if len(phrase) == size and phrase in self._missing:
                places = self._missing[phrase]
                if phrase in self._tables:  # "without orders" asks for no row, not for no number
                    places = [place for place in places if place.phrase == (*phrase, "id")]
                return phrase, places
        return (), []

    def _missing_hints(
        self, question: _Question, places: Sequence[_NamedColumn], present: bool, span: str
    ) -> Iterator[ValueMatch]:
        for place in self._named(question, places):
            yield _hint(place, "", span, _absent(place, present), SURE)

    def _happened(self, question: _Question) -> Iterator[ValueMatch]:
        """ "not shipped" where a shipping date is NULL."""
        done: list[tuple[str, int, int, bool]] = []  # (participle, first word, last word, present)
        for i, word in enumerate(question.words):
            if not _participle(word):
                continue
            negation = _negated(question, i)
            bare = next((word[len(p) :] for p in ("un", "non") if word.startswith(p)), "")
            if negation is not None:
                done.append((word, negation, i, False))
            elif len(bare) > 3:
                done.append((bare, i, i, False))
            elif (
                i
                and question.words[i - 1] in ("been", "already")
                and _ends(question, i + 1, _AFTER_WITH)
            ):
                done.append((word, i - 1, i, True))
        hits: dict[tuple[int, int, bool], list[_NamedColumn]] = {}
        for place in self._events if done else ():
            words = [word for word in place.own if word not in _GENERIC]
            if len(words) == 1 and words[0] not in ("end", "start", "birth"):
                for word, start, end, present in done:
                    if _related(word, words[0]):
                        hits.setdefault((start, end, present), []).append(place)
        for (start, end, present), places in hits.items():
            if _undecided(question, end) and not present:
                continue
            span = question.text[question.spans[start][0] : question.spans[end][1]]
            for place in self._named(question, places):
                yield _hint(place, "", span, _absent(place, present), LIKELY)

    # --------------------------------------------------------------------------------- numbers

    def _counted(self, question: _Question) -> Iterator[ValueMatch]:
        """ "over 2 million" on the column that the question names."""
        marks = list(_NUMBER.finditer(question.text))
        if not marks:
            return
        named = [place for place in self._numbers if place.own and question.has(place.own)]
        longest = max((len(place.own) for place in named), default=0)
        named = self._named(question, [place for place in named if len(place.own) == longest])
        for mark in marks:
            value = _value(mark)
            text = f"{value:.10f}".rstrip("0").rstrip(".")
            head = question.text[: mark.start()]
            sign = next((sign for pattern, sign in _COMPARISON if pattern.search(head)), "")
            for place in named:
                high = place.facts.high or 0.0
                if sign and len(named) == 1 and value <= 20 * high:
                    span = mark[0]
                    yield _hint(place, text, span, f"{place.sql} {sign} {text}", LIKELY)


def _distinctive(place: _NamedColumn) -> list[str]:
    """The words of a date column that say which date it is."""
    return [
        word
        for word in place.own
        if word not in _GENERIC and not any(_related(word, other) for other in place.table)
    ]


def _place(facts: ColumnFacts, quote: Callable[[str], str]) -> _NamedColumn:
    table, phrase = tuple(fold(facts.table_words)), tuple(fold(facts.words))
    own = tuple(word for word in phrase if word not in table) or phrase
    sql = f"{quote(facts.table)}.{quote(facts.column)}"
    return _NamedColumn(facts, sql, table, own, phrase)


def _hint(place: _NamedColumn, value: str, span: str, sql: str, score: float) -> ValueMatch:
    return ValueMatch(place.facts.table, place.facts.column, value, span, score, sql)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@lru_cache(maxsize=65_536)
def _related(one: str, other: str) -> bool:
    """Whether two words are forms of one: order and ordered, shipped and shipping."""
    one, other = one.replace("ll", "l"), other.replace("ll", "l")
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) > 2 and long in (f"{short}ed", f"{short}ing", f"{short}d"):
        return True
    if min(len(one), len(other)) < 4:
        return False
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    stem = min(len(one), len(other))
    return shared >= 4 and shared >= stem - 2 and shared >= 0.55 * max(len(one), len(other))


def _participle(word: str) -> bool:
    return word.endswith("ed") or word in ("paid", "sent", "sold", "done", "returned", "seen")


def _truth(facts: ColumnFacts) -> tuple[str, str] | None:
    """The SQL literals of yes and no, where the column is a flag."""
    if facts.key or not 0 < len(facts.values) <= 2:
        return None
    if facts.type == "boolean" and set(facts.values) <= {0, 1}:
        return "1", "0"
    folded = {str(value).strip().casefold(): value for value in facts.values}
    if all(isinstance(value, (int, float)) for value in facts.values):
        return ("1", "0") if set(facts.values) <= {0, 1} else None
    for pair in _TRUTHS:
        if set(folded) <= set(pair) and all(isinstance(v, str) for v in facts.values):
            if len(folded) == 1 and len(pair[0]) == 1:
                return None
            upper = next(iter(facts.values))
            spelt = [str(folded.get(text, _like(text, str(upper)))) for text in pair]
            return _text(spelt[0]), _text(spelt[1])
    return None


def _standard(facts: ColumnFacts, values: tuple[str, str]) -> tuple[str, str]:
    """Yes and no as engines with a type for them have it."""
    return ("TRUE", "FALSE") if facts.type == "boolean" else values


def _like(text: str, model: str) -> str:
    return text.upper() if model.isupper() else text.capitalize() if model[:1].isupper() else text


def _flag_root(place: _NamedColumn, values: tuple[str, str]) -> tuple[str, ...]:
    """The words that say what a flag flags, () where it does not look like one."""
    words = fold(place.facts.words)
    prefixed = len(words) > 1 and words[0] in ("is", "has", "was", "are")
    own = [word for word in (place.own if not prefixed else words) if word not in _FLAG_AROUND]
    if not own or own == ["flag"]:
        return ()
    sure = prefixed or place.facts.type == "boolean" or "1" not in values[0]
    if own[-1] in _NO_FLAGS:
        return ()
    return tuple(own) if sure or _PARTICIPLE.match(own[-1]) else ()


def _prefixed(word: str, stem: str) -> bool:
    return len(stem) > 3 and word.endswith(stem) and word[: -len(stem)] in _PREFIXES


def _mentions(question: _Question, root: tuple[str, ...]) -> Iterator[tuple[bool, str, int]]:
    """Whether the question says that something is `root`, or is not, where, and its last word;
    both where it leaves that open.
    """
    *head, last = root
    for i, word in enumerate(question.words):
        first = i - len(head)
        if first < 0 or list(question.words[first:i]) != head:
            continue
        plain, other = word.replace("ll", "l"), last.replace("ll", "l")
        if plain == other:
            turned = False
        elif word in _OPPOSITES.get(last, ()) or _prefixed(plain, other) or _prefixed(other, plain):
            turned = True
        else:
            continue
        if _undecided(question, first, i):
            yield from ((True, "", i), (False, "", i))
            continue
        start = _negated(question, first)
        span = question.text[
            question.spans[first if start is None else start][0] : question.spans[i][1]
        ]
        yield turned == (start is not None), span, i


def _undecided(question: _Question, first: int, last: int | None = None) -> bool:
    """ "whether it is paid", "paid or not", "the amount paid"."""
    after = (first if last is None else last) + 1
    return (
        (after < len(question.words) and question.plain[after] in _UNDECIDED_AFTER)
        or bool(set(question.plain[max(0, first - 4) : first]) & {"whether", "if"})
        or (first > 0 and question.plain[first - 1] in _UNDECIDED_BEFORE)
    )


def _negated(question: _Question, i: int, fillers: frozenset[str] = frozenset()) -> int | None:
    """The number of the word that negates word `i`, with nothing but `fillers` between."""
    fillers = fillers or _BETWEEN_NOT
    for j in range(i - 1, max(-1, i - 5), -1):
        if question.plain[j] in _NOT:
            return j
        if question.plain[j] not in fillers:
            return None
    return None


def _phrases(place: _NamedColumn) -> set[tuple[str, ...]]:
    """How a question may call what a column holds: a phone number is a phone, too."""
    phrases = set()
    for words in (place.phrase, place.own):
        phrases.add(words)
        while len(words) > 1 and words[-1] in _SUFFIXES:
            words = words[:-1]
            phrases.add(words)
    return {words for words in phrases if words and words[0] not in _GENERIC and words != ("name",)}


def _ends(question: _Question, i: int, following: frozenset[str]) -> bool:
    """Whether a noun phrase is over before word `i`."""
    if i >= len(question.words):
        return True
    gap = question.text[question.spans[i - 1][1] : question.spans[i][0]]
    return bool(gap.strip()) or question.plain[i] in following


def _absent(place: _NamedColumn, present: bool) -> str:
    facts, sql = place.facts, place.sql
    if present:
        return f"{sql} <> ''" if facts.empties else f"{sql} IS NOT NULL"
    if facts.nulls and facts.empties:
        return f"({sql} IS NULL OR {sql} = '')"
    return f"{sql} IS NULL" if facts.nulls else f"{sql} = ''"


def _value(mark: re.Match[str]) -> float:
    """1,500.25 and 1.500,25 are one number."""
    text = mark["plain"]
    if re.search(r"\.\d{3}(?:\.|,)", text):
        text = text.replace(".", "").replace(",", ".")
    return float(text.replace(",", "")) * _TIMES.get((mark["times"] or "").lower(), 1)
