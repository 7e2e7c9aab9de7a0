"""Schema reduction (schema linking by retrieval): which tables and columns a question needs.

Used when a schema does not fit a prompt. Columns are ranked by the words their names share with
the question, each weighted by its idf as in BM25 (Robertson and Zaragoza, 2009); words of one stem
share the part that their longest common prefix makes up (`nation` and `nationality`). Words of a
comment count half. A table that the question names comes with its columns, and cells that the
question mentions outrank any name. Keys come with their table, and so do the tables that link the
kept ones along the shortest foreign-key path, declared or inferred. Copies (staging and backup tables,
numbered series) come last, for real databases keep them beside the tables that questions are about.

>>> orders = (Column("id", primary_key=True), Column("total"))
>>> copies = (Table("orders", orders), Table("orders_bak", orders))
>>> without_copies("How many orders?", Schema("shop", copies))[1]
('orders_bak',)
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import chain, takewhile

from txt2sql.identifiers import joined, name_parts, stem
from txt2sql.types import Column, Schema, Table, ValueMatch

_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    "a an and are as at by do does did each for from had has have how in is it its list many me "
    "more most much of on or show than that the their them there these those to was were what when "
    "where which who whose with give find return all please".split()
)
_PREFIXES = frozenset("tbl t dim fact fct dbo vw v".split())
"""First words of a table's name that nobody says."""
_SHORTEST_PREFIX, _LEAST_SHARED = 4, 0.5
_LONGEST_NAME = 6  # in words: longer names are not looked for as a whole
_TABLE_WEIGHT, _BEST_COLUMN_WEIGHT, _COMMENT_WEIGHT = 0.7, 0.2, 0.5
# What a named table adds to its columns; factors of a named column, and of words that name another table.
_NAMED_TABLE, _NAMED_COLUMN, _SPENT = 1.5, 1.3, 0.5
_MATCH_BONUS = 20.0
# What names things (`last_name`, `title`) is asked for in other words; a table one key away helps.
_NAMING, _NEIGHBOUR = 0.8, 0.5
_NAMING_WORDS = frozenset("name title first last fname lname".split())
_LONGEST_BRIDGE = 3  # keys: kept tables farther apart than this are left unconnected

_SERIES = 3  # so many tables of one shape whose names differ in digits only
# The words that mark a copy, and how people say them; some do whatever the table is of, the others where
# it has most columns of another.
_SURE_MARKS = frozenset(("stg", "staging", "tmp", "bak", "bkp", "bkup", "backup"))
_MARKS = {
    "stg": "staging", "staging": "stg", "tmp": "temporary", "bak": "backup", "bkp": "backup",
    "bkup": "backup", "backup": "bak", "temp": "temporary", "old": "former", "new": "newer",
    "copy": "duplicate", "log": "logged", "history": "historical", "hist": "history",
    "archive": "archived", "arch": "archive", "archived": "archive", "audit": "audited",
    "snapshot": "snap", "deprecated": "old", "v": "version", "dup": "duplicate",
    "raw": "unprocessed",
}  # fmt: skip

_Place = tuple[str, str]  # a table and a column
_Links = dict[str, list[str]]


def reduce_schema(
    question: str,
    schema: Schema,
    matches: Sequence[ValueMatch],
    fits: Callable[[Schema], bool],
) -> tuple[Schema, tuple[str, ...]]:
    """The part of `schema` that matters most to the question and `fits`, and the names left out.

    Tables and columns keep their order. A name left out is "table" or "table.column". The result
    has at least one column, even where that does not fit. `fits` is called O(log columns) times.
    """
    if fits(schema) or not any(table.columns for table in schema.tables):
        return schema, ()
    ranked = rank_columns(question, schema, matches)
    links = _links(schema, {table for table, _ in ranked})

    def best_of(size: int) -> Schema:
        return _select(schema, [*ranked[:size], *_bridges(ranked[:size], links, schema)])

    sizes = range(2, len(ranked) + 1)
    size = bisect_left(sizes, True, key=lambda size: not fits(best_of(size))) + 1
    best = best_of(size) if size > 1 else _select(schema, ranked[:1])
    dropped: list[str] = []
    for table in schema.tables:
        if (rest := best.table(table.name)) is None:
            dropped.append(table.name)
        else:
            names = {column.name for column in rest.columns}
            dropped += [f"{table.name}.{c.name}" for c in table.columns if c.name not in names]
    return best, tuple(dropped)


def without_copies(question: str, schema: Schema) -> tuple[Schema, tuple[str, ...]]:
    """`schema` without staging tables, backups and all but one of a numbered series, and their names;
    those that the question names or asks for stay.
    """
    copies = _copies(schema, _Question(question, schema))
    originals = [(t.name, c.name) for t in schema.tables if t.name not in copies for c in t.columns]
    if not copies or not originals:
        return schema, ()
    return _select(schema, originals), tuple(t.name for t in schema.tables if t.name in copies)


def rank_columns(
    question: str, schema: Schema, matches: Sequence[ValueMatch] = ()
) -> list[tuple[str, str]]:
    """The (table, column) pairs, the one that matters most to the question first; ties in order."""
    mentions = _Question(question, schema)
    table_idf = _idf([chain(*_texts(table)) for table in schema.tables])
    column_idf = _idf([chain(*_texts(c)) for table in schema.tables for c in table.columns])
    mentioned: dict[_Place, float] = {}
    for match in matches:
        place = (match.table.lower(), match.column.lower())
        mentioned[place] = max(mentioned.get(place, 0.0), match.score)
    scores: dict[str, list[float]] = {}
    totals: dict[str, float] = {}
    for table in schema.tables:
        named = table.name in mentions.named
        own = scores[table.name] = [
            mentions.likeness(column, column_idf, named)
            * (_NAMED_COLUMN if mentions.names(column) else 1)
            + _MATCH_BONUS * mentioned.get((table.name.lower(), column.name.lower()), 0.0)
            for column in table.columns
        ]
        shared = _TABLE_WEIGHT * mentions.likeness(table, table_idf, named)
        shared += _BEST_COLUMN_WEIGHT * max(own, default=0.0)
        totals[table.name] = shared + _NAMED_TABLE * named
    links = _links(schema, totals.keys())
    ranked: list[tuple[float, str, str]] = []
    for table in schema.tables:
        near = max((totals[other] for other in links.get(table.name, ())), default=0.0)
        for column, score in zip(table.columns, scores[table.name], strict=True):
            score += _NAMING * (not _NAMING_WORDS.isdisjoint(_texts(column)[0]))
            score += _NEIGHBOUR * near + totals[table.name]
            ranked.append((score, table.name, column.name))
    ranked.sort(key=lambda each: -each[0])
    return [(table, column) for _, table, column in ranked]


class _Question:
    # `runs` are runs of its words, joined and in the singular; `spent` the stems that the names of named
    # tables are made of: in the names of other tables they say less.

    def __init__(self, question: str, schema: Schema) -> None:
        self.text = question.lower()
        parts = name_parts(question)
        words = [*_WORD.findall(self.text), *parts]
        self.stems = {stem(word) for word in words if word not in _STOP}
        self.by_prefix: dict[str, list[str]] = {}
        for word in self.stems:
            self.by_prefix.setdefault(word[:_SHORTEST_PREFIX], []).append(word)
        self.runs = {
            joined(parts[start:end])
            for start in range(len(parts))
            for end in range(start + 1, min(start + _LONGEST_NAME, len(parts)) + 1)
            if not _STOP.issuperset(parts[start:end])
        }
        self.shares: dict[str, float] = {}
        self.named = {table.name for table in schema.tables if self.names(table)}
        self.spent = {stem(part) for name in self.named for part in name_parts(name)}

    def names(self, item: Table | Column) -> bool:
        parts = name_parts(item.name)
        spellings = [parts, item.words.lower().split()]
        if isinstance(item, Table) and parts and parts[0] in _PREFIXES:
            spellings.append(parts[1:])
        if any(joined(spelling) in self.runs for spelling in spellings):
            return True
        # Languages without spaces between words: any occurrence counts.
        return len(item.name) > 1 and not item.name.isascii() and item.name.lower() in self.text

    def likeness(self, item: Table | Column, idf: Mapping[str, float], own: bool) -> float:
        words, comment = _texts(item)
        return self.score(words, idf, own) + _COMMENT_WEIGHT * self.score(comment, idf, own)

    def score(self, words: Sequence[str], idf: Mapping[str, float], own: bool) -> float:
        """Sum of likeness times idf over the words, divided by the root of their number."""
        total = 0.0
        for word in words:
            if word not in self.shares:
                self.shares[word] = self.share(word)
            if share := self.shares[word]:
                total += share * idf[word] * (1 if own or stem(word) not in self.spent else _SPENT)
        return total / math.sqrt(len(words)) if total else 0.0

    def share(self, word: str) -> float:
        stemmed = stem(word)
        if stemmed in self.stems or (not word.isascii() and word in self.text):
            return 1.0
        best = 0.0
        for other in self.by_prefix.get(stemmed[:_SHORTEST_PREFIX], ()):
            letters = zip(stemmed, other, strict=False)
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], letters))
            best = max(best, 2 * common / (len(stemmed) + len(other)))
        return best if best >= _LEAST_SHARED else 0.0


def _texts(item: Table | Column) -> tuple[list[str], list[str]]:
    words = item.words.lower().split() if item.words else name_parts(item.name)
    known = {*words, *_STOP}
    return words, [w for w in dict.fromkeys(_WORD.findall(item.comment.lower())) if w not in known]


def _idf(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    frequency = Counter(chain.from_iterable(map(set, documents)))
    total = len(documents)
    return {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in frequency.items()}


def _links(schema: Schema, tables: Set[str]) -> _Links:
    links: _Links = {}
    for key in sorted(schema.foreign_keys, key=lambda key: -key.score):
        if key.table in tables and key.referenced_table in tables:
            links.setdefault(key.table, []).append(key.referenced_table)
            links.setdefault(key.referenced_table, []).append(key.table)
    return links


def _bridges(chosen: Sequence[_Place], links: _Links, schema: Schema) -> Iterator[_Place]:
    """The ends of the keys between the chosen tables, and those on the way to them: each is joined to the
    nearest of those before it (shortest-path heuristic for Steiner trees, Takahashi and Matsuyama 1980).
    """
    linked: set[str] = set()
    for table in dict.fromkeys(table for table, _ in chosen):
        came_from = {table: ""}
        queue = deque([(table, 0)])
        while queue:
            here, steps = queue.popleft()
            if here in linked:
                while here:  # back to the table
                    linked.add(here)
                    here = came_from[here]
                break
            for there in links.get(here, ()) if steps < _LONGEST_BRIDGE else ():
                if there not in came_from:
                    came_from[there] = here
                    queue.append((there, steps + 1))
        linked.add(table)
    surest: dict[frozenset[str], float] = {}
    for key in schema.foreign_keys:
        if key.table in linked and key.referenced_table in linked:
            pair = frozenset((key.table, key.referenced_table))
            surest[pair] = max(surest.get(pair, 0.0), key.score)
    for key in schema.foreign_keys:  # as sure ones, too: home and away, composite ones
        if key.score >= surest.get(frozenset((key.table, key.referenced_table)), 2.0):
            yield key.table, key.column
            yield key.referenced_table, key.referenced_column


def _select(schema: Schema, places: Iterable[_Place]) -> Schema:
    wanted: dict[str, set[str]] = {}
    for table_name, column_name in places:
        wanted.setdefault(table_name, set()).add(column_name)
    tables: list[Table] = []
    for table in schema.tables:
        if names := wanted.get(table.name):
            names.update([column.name for column in table.columns if column.primary_key])
            columns = tuple([column for column in table.columns if column.name in names])
            tables.append(replace(table, columns=columns))
    keys = tuple(
        key
        for key in schema.foreign_keys
        if key.column in wanted.get(key.table, ())
        and key.referenced_column in wanted.get(key.referenced_table, ())
    )
    return replace(schema, tables=tuple(tables), foreign_keys=keys)


def _copies(schema: Schema, question: _Question) -> set[str]:
    """The tables that are copies, or that another one of their series stands for; not those that the question
    names, nor backups where it asks for backups.
    """
    columns = {t.name: [column.name.lower() for column in t.columns] for t in schema.tables}
    originals = {joined(name_parts(name)): own for name, own in columns.items()}
    stems = question.stems
    copies = {name for name, own in columns.items() if _is_copy(name, own, originals, stems)}
    series: dict[tuple[str, ...], list[str]] = {}
    for name, own in columns.items():
        if re.search(r"\d", name):
            series.setdefault((re.sub(r"\d+", "#", name.lower()), *own), []).append(name)
    dates = tuple(word for word in stems if word.isdigit() and len(word) > 3)  # as of 2023
    for members in series.values():
        if len(members) >= _SERIES:
            members.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
            meant = [n for n in members if re.sub(r"\D", "", n).startswith(dates)]
            copies.update(set(members) - {members[-1], *meant[-1:]})
    return copies - question.named


def _is_copy(
    name: str, columns: Sequence[str], originals: Mapping[str, Sequence[str]], stems: Set[str]
) -> bool:
    rest = name_parts(name)
    marks: list[str] = []
    for place in (-1, 0):  # orders_bak_2023, stg_orders
        while len(rest) > 1 and (rest[place].isdigit() or rest[place] in _MARKS):
            marks.append(rest.pop(place))
    if marks and rest[0] == "of":  # "Copy of Orders"
        rest = rest[1:]
    if any({mark, stem(mark), _MARKS.get(mark, mark)} & stems for mark in marks):
        return False
    if not marks or not _SURE_MARKS.isdisjoint(marks):
        return bool(marks)
    original = originals.get(joined(rest), ())
    return 2 * sum(column in original for column in columns) > len(columns)
