"""Conditions that a question implies though no cell is spelt in it: dates, flags, codes, NULL.

"orders placed in May 2025", "unpaid invoices", "customers without an email": each becomes an SQL
condition on the column that the facts of the columns (read once with the value index: date format,
flag, codes, missing; the field calls it data profiling) and the words of the question point to. No
hint is better than a wrong one: where two columns are as likely, and the question names neither
table, there is none.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from txt2sql.execution.dates import Period, ages, condition, periods
from txt2sql.execution.names import WORD, fold, key
from txt2sql.identifiers import quote_identifier, stem
from txt2sql.sql.date_formats import DateFormat, date_format
from txt2sql.types import Schema, ValueMatch

MAX_DATES, MAX_HINTS = 3, 6
SURE, LIKELY = 0.7, 0.65
_DONE = ("paid", "sent", "sold", "done", "seen")
_OPEN, _CLOSED = (
    ("open", "pending", "ongoing", "unfinished"),
    ("closed", "resolved", "finished", "completed"),
)
_BIRTH = frozenset(("birth", "birthdate", "birthday", "born", "dob"))

# ------------------------------------------------------------------------------ facts of columns

SAMPLED_ROWS = 300
SAMPLE_CHARS = 40
MAX_CODES = 12
"""A text column with more distinct values in its sample holds no codes."""

Sql = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a statement of ours; no rows where it fails."""


class ColumnFacts(NamedTuple):
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
    date: DateFormat | None = None


def read_facts(
    schema: Schema, ask: Sql, quote: Callable[[str], str], cell: Callable[[str], str] = str
) -> Iterator[ColumnFacts]:
    """The facts of every column, in the schema's order; `cell` spells how one of the sample is read."""
    keys = {(key.table, key.column) for key in schema.foreign_keys}
    for table in schema.tables:
        wanted = ["count(*)"]
        for column in table.columns:
            name = quote(column.name)
            wanted.append(f"count({name})")
            filled = f"NULLIF({name}, '')" if column.type == "text" else name
            wanted.append(f"count({filled})")
            ranged = column.type in ("number", "time")
            wanted += [f"min({name})", f"max({name})"] if ranged else ["NULL", "NULL"]
        source = quote(table.name)
        sampled = ", ".join(cell(quote(column.name)) for column in table.columns)
        sample = ask(f"SELECT {sampled} FROM {source} LIMIT {SAMPLED_ROWS}")
        # Engines refuse it for hundreds of columns, whose facts are those of the sample.
        totals = ask(f"SELECT {', '.join(wanted)} FROM {source}") if sample else ()
        alone = sum(column.primary_key for column in table.columns) == 1
        for i, column in enumerate(table.columns):
            cells = [row[i] for row in sample]
            nulls, empties = None in cells, "" in cells
            if totals:
                count, filled, longer, low, high = totals[0][0], *totals[0][4 * i + 1 : 4 * i + 5]
                nulls, empties = filled < count, empties or longer < filled
                cells += [low, high]
            values = [
                cell[:SAMPLE_CHARS] if isinstance(cell, str) else cell
                for cell in dict.fromkeys(cells)
                if isinstance(cell, (int, float, str)) and cell != ""
            ]
            words = column.words or column.name
            yield ColumnFacts(
                table.name,
                column.name,
                table.words or table.name,
                words,
                column.type,
                (table.name, column.name) in keys or (column.primary_key and alone),
                nulls,
                empties,
                tuple(sorted(values, key=repr)) if len(values) <= MAX_CODES else (),
                date_format(words, column.type, values),
            )


def load(text: str) -> ColumnFacts:
    """The facts of a column from their JSON."""
    facts = ColumnFacts(*json.loads(text))
    date = DateFormat(*facts.date) if facts.date else None
    return facts._replace(values=tuple(facts.values), date=date)


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
_GENERIC = _words(
    "date time year month day at on of the timestamp dt when datetime in utc yr and for a by"
)
_FLAG_AROUND = _words("is has was is are were did can flag yn ind indicator")
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
_BETWEEN_NOT = _words(
    "t yet been be being currently still already fully get gotten getting marked longer completely "
    "a an the any to contain contains containing have has include includes including offer offers "
    "accept accepts allow allows use uses using require requires need needs provide provides"
)
_PREFIXES = ("un", "in", "non", "dis", "im", "ir")
_OPPOSITES = [
    set(pair.split("/"))
    for pair in "male/female open/closed public/private enabled/disabled married/single alive/dead "
    "online/offline full/empty".split()
]
_UNDECIDED_BEFORE = _words("whether if amount total sum much money average price fee")
_UNDECIDED_AFTER = _words(
    "or is was flag status statuses column field by for more less over than at price amount to rate rates "
    "date dates value values code codes indicator"
)
_SUFFIXES = _words("id number no code address name date time at on key value amount")
_FOLLOWING = _words(
    "a and or on in at for to is are was were do does did from with listed recorded set given yet "
    "value values information info data details entered who that which have has assigned specified stored "
    "available by sorted ordered their the what how please show list count there attached filled "
    "provided registered as but also only if than"
)
_AFTER_WITH = _words("and or who that sorted ordered please only also but listed recorded")
_NO = re.compile(
    r"\b(?:without|no|missing|lacks?|lacking|(?:do|does|did|have|has|had)(?:\s+not|n[’']t)"
    r"(?:\s+have|\s+had|\s+got)?)\s+(?:an?\s+|any\s+|the\s+|their\s+|its\s+)?(?=\w)",
    re.I,
)
_WITH = re.compile(r"\b(?:with|have|has|having)\s+(?:an?|any)\s+(?=\w)", re.I)
_GENDERS = _table("female woman lady girl: f female w woman; male man gentleman boy: m male man")


class _Question:
    """A question in words, as they are in small letters and folded, with where each stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans = [match.span() for match in WORD.finditer(text)]
        self.plain = tuple(text[start:end].lower() for start, end in self.spans)
        self.words = tuple(key(word) for word in self.plain)
        self.bag = frozenset((*self.plain, *self.words))

    def at(self, position: int) -> int:
        """The number of the word that starts at a character, or of the next one."""
        return next((i for i, (a, _) in enumerate(self.spans) if a >= position), len(self.words))

    def span(self, first: int, last: int) -> str:
        """The text from one word to another."""
        return self.text[self.spans[first][0] : self.spans[last][1]]


class _NamedColumn:
    """A column with what its name and its table's name say."""

    def __init__(self, facts: ColumnFacts, quote: Callable[[str], str]) -> None:
        self.facts = facts
        self.sql = f"{quote(facts.table)}.{quote(facts.column)}"
        self.table, self.phrase = tuple(fold(facts.table_words)), tuple(fold(facts.words))
        # The words of the column without those of its table, where others are left.
        self.own = tuple(word for word in self.phrase if word not in self.table) or self.phrase
        self.telling = [word for word in self.own if word not in _GENERIC]
        # The words of a date column that say which date it is.
        self.distinctive = [
            word for word in self.telling if not any(_related(word, other) for other in self.table)
        ]

    def hint(
        self, value: str, span: str, sql: str, score: float, relative: bool = False
    ) -> ValueMatch:
        return ValueMatch(self.facts.table, self.facts.column, value, span, score, sql, relative)

    def missing(self, present: bool, span: str, score: float) -> ValueMatch:
        """The hint that there is no value, or that there is one."""
        facts, sql = self.facts, self.sql
        if present:
            text = f"{sql} <> ''" if facts.empties else f"{sql} IS NOT NULL"
        elif facts.nulls and facts.empties:
            text = f"({sql} IS NULL OR {sql} = '')"
        else:
            text = f"{sql} IS NULL" if facts.nulls else f"{sql} = ''"
        return self.hint("", span, text, score)


class Hints:
    """The hints of one database; made once, used often."""

    def __init__(
        self,
        facts: Sequence[ColumnFacts],
        dialect: str = "sqlite",
        quote: Callable[[str], str] = quote_identifier,
    ) -> None:
        self._dialect = dialect
        places = [_NamedColumn(item, quote) for item in facts]
        self._tables = {name for p in places for name in (p.table, p.table[-1:])} - {()}
        self.names = {word for place in places for word in (*place.table, *place.phrase)}
        """Every word of the names of tables and columns."""
        self.few = {(item.table, item.column) for item in facts if item.values}
        """The columns that hold few different values."""
        self._dates = [place for place in places if place.facts.date]
        self._keys = Counter(
            p.table for p in places if p.facts.key or {"id", "key"} & set(p.phrase)
        )
        self._flags: dict[tuple[str, ...], list[tuple[_NamedColumn, tuple[str, str]]]] = {}
        self._genders = [
            place
            for place in places
            if {"sex", "gender"} & set(place.phrase) and 0 < len(place.facts.values) <= 4
        ]
        self._missing: dict[tuple[str, ...], list[_NamedColumn]] = {}
        self._codes: dict[str, list[tuple[_NamedColumn, str]]] = {}
        for place in places:
            values = _truth(place.facts)
            root = _flag_root(place, values) if values else ()
            if values and root and root not in self._tables:
                typed = dialect != "sqlite" and place.facts.type == "boolean"
                self._flags.setdefault(root, []).append(
                    (place, ("TRUE", "FALSE") if typed else values)
                )
            plain = place.facts.type == "text" and not place.facts.key and not place.facts.date
            for value in place.facts.values if plain and not values else ():
                word = key(str(value))
                if len(word) > 2 and " " not in word:
                    self._codes.setdefault(word, []).append((place, str(value)))
            if place.facts.nulls or place.facts.empties:
                for phrase in _phrases(place):
                    self._missing.setdefault(phrase, []).append(place)
        self._events = [
            place
            for place in self._dates
            if place.facts.nulls
            and len(place.telling) == 1
            and place.telling[0] not in ("end", "start", "birth")
        ]

    def match(self, text: str) -> list[ValueMatch]:
        """The hints of a question, the surest first."""
        question = _Question(text)
        made = list(self._dated(question))
        taken: set[str] = set()
        parts = self._aged, self._flagged, self._coded, self._gendered, self._empty, self._happened
        for part in parts:
            others = [match for match in part(question) if match.span.casefold() not in taken]
            taken |= {match.span.casefold() for match in others}
            made += others
        best: dict[str, ValueMatch] = {}
        for match in sorted(made, key=lambda match: -match.score):
            best.setdefault(match.condition, match)
        return list(best.values())[:MAX_HINTS]

    def _dated(self, question: _Question) -> Iterator[ValueMatch]:
        mentioned = periods(question.text) if self._dates else ()
        evidence = [(p, _evidence(question, p)) for p in (self._dates if mentioned else ())]
        usual = {place: score + self._usual(place) for place, score in evidence}
        count = 0
        for period in mentioned:
            options = [
                (score - _far(question, place, period), place, sql)
                for place, score in evidence
                if place.facts.date
                and (sql := condition(place.sql, place.facts.date, period, self._dialect))
            ]
            if not options:
                continue
            (best, place, sql), *rest = sorted(options, key=lambda option: -option[0])
            ahead = best - (rest[0][0] if rest else -9.0)
            only = len(self._dates) == 1 and any(set(t) <= question.bag for t in self._tables)
            clear = best >= (0.0 if only else 2.0) and ahead >= 0.25
            partly = best >= 1.0 and ahead >= 0.7 and not place.distinctive
            if not clear and not partly and period.relative:
                # A model can name a year by itself, but does not know what day it is today.
                place = max((each for _, each, _ in options), key=lambda each: usual[each])
                sql = next(sql for _, each, sql in options if each is place)
                named = set(place.table) <= question.bag
                today = question.text[slice(*period.span)].lower() == "today"
                clear = usual[place] >= 2.0 and (named or not today)
            if (clear or partly) and count < MAX_DATES:
                count += 1
                span = question.text[slice(*period.span)]
                score = SURE if best >= 3.0 else LIKELY
                yield place.hint(span, span, sql, score, period.relative)

    def _aged(self, question: _Question) -> Iterator[ValueMatch]:
        """ "older than 70", where there is a date of birth and no age."""
        births = [] if "age" in self.names else [p for p in self._dates if _BIRTH & set(p.phrase)]
        for period, sure in ages(question.text) if births else ():
            span = question.text[slice(*period.span)]
            before = question.text[: period.span[0]].lower()
            whose = re.findall(r"(\w+)(?:\s+(?:who|that|are|is|were|was|aged?))*\s*$", before)
            for place in self._named(question, births):
                assert place.facts.date is not None
                sql = condition(place.sql, place.facts.date, period, self._dialect)
                if sql and (sure or {stem(word) for word in whose} & set(place.table)):
                    yield place.hint(span, span, sql, LIKELY, True)

    def _usual(self, place: _NamedColumn) -> float:
        """What speaks for a date column where the question says nothing: it is always there, and its table refers to
        many."""
        born = bool(_BIRTH & set(place.phrase))
        return 0.8 * self._keys[place.table] + 0.5 * (not place.facts.nulls) - 9.0 * born

    def _flagged(self, question: _Question) -> Iterator[ValueMatch]:
        for root, flags in self._flags.items():
            answers = list(_mentions(question, root))
            if len({holds for holds, _ in answers}) == 1:
                holds, span = answers[0]
                named = self._named(question, [place for place, _ in flags])
                for place, (yes, no) in flags:
                    if place in named:
                        value = yes if holds else no
                        yield place.hint(value, span, f"{place.sql} = {value}", SURE)

    def _coded(self, question: _Question) -> Iterator[ValueMatch]:
        """ "not confirmed" or "unconfirmed", where that is one of the codes of a column."""
        for i, word in enumerate(question.words):
            start, code = _negated(question, i), word
            if start is None:
                code = next(
                    (word[len(p) :] for p in _PREFIXES if _prefixed(word, word[len(p) :])), ""
                )
                start = i
            # "no members" asks for no row of them
            if (
                code in self._codes
                and not _undecided(question, i, i)
                and (question.plain[start] not in ("no", "without"))
            ):
                named = self._named(question, [place for place, _ in self._codes[code]])
                for place, value in self._codes[code]:
                    if place in named:
                        sql = f"{place.sql} <> {_text(value)}"
                        yield place.hint(value, question.span(start, i), sql, LIKELY)

    def _gendered(self, question: _Question) -> Iterator[ValueMatch]:
        words = [(i, word) for i, word in enumerate(question.words) if word in _GENDERS]
        if len({_GENDERS[word] for _, word in words}) != 1:
            return
        for place in self._named(question, self._genders):
            for i, word in words:
                letters = [str(v) for v in place.facts.values if key(str(v)) in _GENDERS[word]]
                if len(letters) == 1 and key(letters[0]) != word:
                    sql = f"{place.sql} = {_text(letters[0])}"
                    yield place.hint(letters[0], question.span(i, i), sql, LIKELY)

    def _named(self, question: _Question, places: Iterable[_NamedColumn]) -> list[_NamedColumn]:
        """The places whose table the question names; the only one, named or not; else none."""
        every = list(dict.fromkeys(places))
        named = [place for place in every if set(place.table) <= question.bag]
        if not named and len(every) > 1:
            named = [place for place in every if place.table and place.table[-1] in question.bag]
        if not named and len(every) == 1:
            return every
        return named if len(named) <= 2 else []

    def _empty(self, question: _Question) -> Iterator[ValueMatch]:
        for trigger, present, following in ((_NO, False, _FOLLOWING), (_WITH, True, _AFTER_WITH)):
            for match in trigger.finditer(question.text):
                first = question.at(match.end())
                for size in (4, 3, 2, 1):
                    phrase = question.words[first : first + size]
                    if len(phrase) == size and phrase in self._missing:
                        break
                else:
                    continue
                places = self._missing[phrase]
                if phrase in self._tables:  # "without orders" asks for no row, not for no number
                    places = [place for place in places if place.phrase == (*phrase, "id")]
                end = first + size
                over = end >= len(question.words) or question.plain[end] in following
                if (
                    over
                    or question.text[question.spans[end - 1][1] : question.spans[end][0]].strip()
                ):
                    span = question.text[match.start() : question.spans[end - 1][1]]
                    for place in self._named(question, places):
                        yield place.missing(present, span, SURE)

    def _happened(self, question: _Question) -> Iterator[ValueMatch]:
        """ "not shipped" where a shipping date is NULL, and "open" where one of closing is."""
        for i, word in enumerate(question.words if self._events else ()):
            start = _negated(question, i)
            bare = next((word[len(p) :] for p in ("un", "non") if word.startswith(p)), "")
            if start is None and len(bare) > 3:
                start, word = i, bare
            places = self._events
            if start is None and word in _OPEN and word not in self._codes.keys() | self.names:
                start, words = i, list(_CLOSED)
                places = [place for place in places if set(place.table) <= question.bag]
            else:
                words = [word] if word.endswith("ed") or word in _DONE else []
            if start is not None and not _undecided(question, i, i):
                places = [p for p in places if any(_related(w, p.telling[0]) for w in words)]
                for place in self._named(question, places):
                    yield place.missing(False, question.span(start, i), LIKELY)


def _evidence(question: _Question, place: _NamedColumn) -> float:
    """What speaks for a date column whatever the date is: 3 for its own words, 2 for its table."""
    verbs = {target for verb in question.bag & _VERBS.keys() for target in _VERBS[verb]}
    others = {
        form
        for plain, word in zip(question.plain, question.words, strict=True)
        if word not in place.table
        for form in (plain, word)
    }
    hits = [w for w in place.telling if w in verbs or any(_related(w, other) for other in others)]
    score = 3.0 * len(hits) / len(place.telling) if place.telling else 0.0
    score -= 0.5 * len(set(place.distinctive) - set(hits))
    named = [word for word in place.table if word in question.bag]
    ended = [word for word in question.plain if word.endswith("ed")]
    done = [w for w in place.table if w in verbs or any(_related(w, other) for other in ended)]
    if place.table and len(named) == len(place.table):
        score += 2.0
    elif named or done:
        score += 1.0
    if set(done) & set(place.phrase):  # registered, and memberships.register_year
        score += 1.5
    return score + (0.3 if place.facts.date and place.facts.date.kind == "year" else 0.0)


def _far(question: _Question, place: _NamedColumn, period: Period) -> float:
    first = question.at(period.span[0])
    near = question.plain[max(0, first - 10) : first + 5]
    words = place.distinctive
    return float(bool(words) and not any(_related(w, other) for w in words for other in near))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@lru_cache(maxsize=65_536)
def _related(one: str, other: str) -> bool:
    """Whether two words are forms of one: order and ordered, shipped and shipping."""
    one, other = one.replace("ll", "l"), other.replace("ll", "l")
    short, long = sorted((one, other), key=len)
    if short == long or (len(short) > 2 and long in (f"{short}ed", f"{short}ing", f"{short}d")):
        return True
    shared = max(4, len(short) - 2)
    return len(short) >= shared and short[:shared] == long[:shared]


def _truth(facts: ColumnFacts) -> tuple[str, str] | None:
    """The SQL literals of yes and no, where the column is a flag."""
    if facts.key or not 0 < len(facts.values) <= 2:
        return None
    if all(isinstance(value, (int, float)) for value in facts.values):
        return ("1", "0") if set(facts.values) <= {0, 1} else None
    folded = {str(value).strip().casefold(): str(value) for value in facts.values}
    for pair in _TRUTHS:
        if folded.keys() <= set(pair) and (len(folded) == 2 or len(pair[0]) > 1):
            model = str(facts.values[0])
            spell = str.upper if model.isupper() else str.title if model.istitle() else str
            yes, no = (_text(folded.get(text, spell(text))) for text in pair)
            return yes, no
    return None


def _flag_root(place: _NamedColumn, values: tuple[str, str]) -> tuple[str, ...]:
    words = place.phrase
    prefixed = len(words) > 1 and words[0] in ("is", "has", "was", "are")
    own = tuple(w for w in (words if prefixed else place.own) if w not in _FLAG_AROUND)
    sure = prefixed or place.facts.type == "boolean" or "1" not in values[0]
    return own if own and (sure or _PARTICIPLE.match(own[-1])) else ()


def _prefixed(word: str, root: str) -> bool:
    return len(root) > 3 and word.endswith(root) and word[: -len(root)] in _PREFIXES


def _mentions(question: _Question, root: tuple[str, ...]) -> Iterator[tuple[bool, str]]:
    """Whether the question says that something is `root`, or is not, and where; both where it leaves
    that open.
    """
    *head, last = root
    for i, word in enumerate(question.words):
        first = i - len(head)
        if first < 0 or list(question.words[first:i]) != head:
            continue
        plain, other = word.replace("ll", "l"), last.replace("ll", "l")
        turned = {word, last} in _OPPOSITES or _prefixed(plain, other)
        if plain == other or turned or _prefixed(other, plain):
            if _undecided(question, first, i):
                yield from ((True, ""), (False, ""))
            else:
                start = _negated(question, first)
                span = question.span(first if start is None else start, i)
                yield (plain == other) == (start is None), span


def _undecided(question: _Question, first: int, last: int) -> bool:
    """ "whether it is paid", "paid or not", "the amount paid"."""
    return (
        bool(set(question.plain[last + 1 : last + 2]) & _UNDECIDED_AFTER)
        or bool(set(question.plain[max(0, first - 4) : first]) & {"whether", "if"})
        or (first > 0 and question.plain[first - 1] in _UNDECIDED_BEFORE)
    )


def _negated(question: _Question, i: int) -> int | None:
    """The number of the word that negates word `i`, with nothing but fillers between."""
    for j in range(i - 1, max(-1, i - 5), -1):
        if question.plain[j] in _NOT:
            return j
        if question.plain[j] not in _BETWEEN_NOT:
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
