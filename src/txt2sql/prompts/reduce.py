"""Schema reduction (schema linking by retrieval): which tables and columns a question needs.

Used when a schema does not fit a prompt. Columns are ranked by the words their names share with
the question, each weighted by its idf as in BM25 (Robertson and Zaragoza, 2009); words of one stem
share the part that their longest common prefix makes up (`nation` and `nationality`). Words of a
comment count half. A table that the question names comes with its columns, and cells that the
question mentions outrank any name. Keys come with their table, and so do the tables that link the
kept ones along the shortest foreign-key path, declared or inferred. A column that names things, and a
table one key away from one that matters, come before the rest. Copies (copies.py) come last.

    kept, dropped = reduce_schema(question, schema, matches, lambda s: len(render(s)) < 2000)
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import chain

from txt2sql.prompts.copies import COPY_WEIGHT, copy_weights, joined, name_parts, stem
from txt2sql.types import Column, ForeignKey, Schema, Table, ValueMatch

_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    "a an and are as at by do does did each for from had has have how in is it its list many me "
    "more most much of on or show than that the their them there these those to was were what when "
    "where which who whose with give find return all please".split()
)
_PREFIXES = frozenset("tbl t dim fact fct dbo vw v".split())
"""First words of a table's name that nobody says."""
_SHORTEST_PREFIX, _LEAST_SHARED = 4, 0.5
_LONGEST_NAME = 6
"""In words: longer names are not looked for as a whole."""
_TABLE_WEIGHT, _BEST_COLUMN_WEIGHT, _COMMENT_WEIGHT = 0.7, 0.2, 0.5
_NAMED_TABLE, _NAMED_COLUMN, _SPENT = 1.5, 1.3, 0.5
"""What a named table adds to its columns; factors of a named column, and of words that are the name of
another table.
"""
_MATCH_BONUS = 20.0
_NAMING, _NEIGHBOUR = 0.8, 0.5
"""What names things (`last_name`, `title`) is asked for in other words; a table one key away helps."""
_NAMING_WORDS = frozenset("name title first last fname lname".split())
_LONGEST_BRIDGE = 3
"""In foreign-key steps: kept tables farther apart than this are left unconnected."""

_Links = dict[str, list[tuple[str, ForeignKey]]]


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
    best = _select(schema, ranked[:1], ())
    # Galloping: a short prefix is cheap to build and to render, and prompts hold few columns.
    size, step, growing = 1, 8, True
    while step:
        tried = min(size + step, len(ranked))
        candidate = _select(schema, ranked[:tried], _bridges(ranked[:tried], links))
        if tried > size and fits(candidate):
            best, size = candidate, tried
        else:
            growing = False
        step = step * 2 if growing else step // 2
    return best, _left_out(schema, best)


def without_copies(question: str, schema: Schema) -> tuple[Schema, tuple[str, ...]]:
    """`schema` without staging tables, backups and all but one of a numbered series, and their names;
    those that the question names or asks for stay.
    """
    mentions = _Mentions(question)
    named = {table.name for table in schema.tables if mentions.table(table)}
    weights = copy_weights(schema, mentions.stems, named)
    copies = {name for name, weight in weights.items() if weight <= COPY_WEIGHT}
    originals = [(t.name, c.name) for t in schema.tables if t.name not in copies for c in t.columns]
    if not copies or not originals:
        return schema, ()
    return _select(schema, originals, ()), tuple(t.name for t in schema.tables if t.name in copies)


def rank_columns(
    question: str, schema: Schema, matches: Sequence[ValueMatch] = ()
) -> list[tuple[str, str]]:
    """The (table, column) pairs, the one that matters most to the question first; ties in order.

    Tables that another one of their series stands for are left out.
    """
    names = _Mentions(question)
    named = {table.name for table in schema.tables if names.table(table)}
    weights = copy_weights(schema, names.stems, named)
    likeness = _Likeness(question, names.stems_of(schema, named))
    table_texts = [(_words(t.words, t.name), _comment_words(t)) for t in schema.tables]
    column_texts = [
        [(_words(c.words, c.name), _comment_words(c)) for c in t.columns] for t in schema.tables
    ]
    table_idf = _idf([chain(*texts) for texts in table_texts])
    column_idf = _idf([chain(*texts) for table in column_texts for texts in table])
    mentioned: dict[tuple[str, str], float] = {}
    for match in matches:
        place = (match.table.lower(), match.column.lower())
        mentioned[place] = max(mentioned.get(place, 0.0), match.score)
    columns: dict[str, list[float]] = {}
    tables: dict[str, float] = {}
    for i, table in enumerate(schema.tables):
        weight = weights.get(table.name, 1.0)
        if not weight:
            continue
        is_named = table.name in named
        own = likeness.of(*table_texts[i], table_idf, is_named)
        scores = columns[table.name] = [
            likeness.of(*texts, column_idf, is_named)
            * (_NAMED_COLUMN if names.column(column) else 1)
            + _MATCH_BONUS * mentioned.get((table.name.lower(), column.name.lower()), 0.0)
            for texts, column in zip(column_texts[i], table.columns, strict=True)
        ]
        shared = _TABLE_WEIGHT * own + _BEST_COLUMN_WEIGHT * max(scores, default=0.0)
        tables[table.name] = weight * (shared + _NAMED_TABLE * is_named)
    near = {
        name: max((tables[other] for other, _ in links), default=0.0)
        for name, links in _links(schema, tables.keys()).items()
    }
    ranked: list[tuple[float, int, int]] = []
    for i, table in enumerate(schema.tables):
        weight = weights.get(table.name, 1.0)
        for j, score in enumerate(columns.get(table.name, ())):
            score += _NAMING * (not _NAMING_WORDS.isdisjoint(column_texts[i][j][0]))
            score = weight * (score + _NEIGHBOUR * near.get(table.name, 0.0))
            ranked.append((-(score + tables[table.name]), i, j))
    ranked.sort()
    return [(schema.tables[i].name, schema.tables[i].columns[j].name) for _, i, j in ranked]


class _Mentions:
    """The names that a question could contain: runs of its words, joined and in the singular."""

    def __init__(self, question: str) -> None:
        self.question = question.lower()
        parts = name_parts(question)
        self.stems = frozenset(map(stem, parts))
        self.runs = {
            joined(parts[start:end])
            for start in range(len(parts))
            for end in range(start + 1, min(start + _LONGEST_NAME, len(parts)) + 1)
            if not _STOP.issuperset(parts[start:end])
        }

    def table(self, table: Table) -> bool:
        """Whether the question names it: spaced, in the plural, in another case."""
        parts = name_parts(table.name)
        rest = parts[1:] if len(parts) > 1 and parts[0] in _PREFIXES else parts
        return self._names(parts, table.name) or self._names(rest, "") or self._words(table.words)

    def column(self, column: Column) -> bool:
        return self._names(name_parts(column.name), column.name) or self._words(column.words)

    def _words(self, words: str) -> bool:
        return bool(words) and joined(words.lower().split()) in self.runs

    def _names(self, parts: Sequence[str], name: str) -> bool:
        if joined(parts) in self.runs:
            return True
        # Languages without spaces between words: any occurrence counts.
        return len(name) > 1 and not name.isascii() and name.lower() in self.question

    def stems_of(self, schema: Schema, named: Set[str]) -> frozenset[str]:
        """The stems that the names of `named` tables are made of."""
        tables = [table for table in schema.tables if table.name in named]
        return frozenset(stem(part) for table in tables for part in name_parts(table.name))


class _Likeness:
    """How much of a name's words the question has; each distinct word is looked at once.

    `spent` are stems that are the name of a table: in the names of other tables they say less.
    """

    def __init__(self, question: str, spent: Set[str]) -> None:
        self.question, self.spent = question.lower(), spent
        words = [*_WORD.findall(self.question), *name_parts(question)]
        self.stems = {stem(word) for word in words if word not in _STOP}
        self.by_prefix: dict[str, list[str]] = {}
        for word in sorted(self.stems):
            self.by_prefix.setdefault(word[:_SHORTEST_PREFIX], []).append(word)
        self.shares: dict[str, float] = {}

    def of(
        self, words: Sequence[str], comment: Sequence[str], idf: Mapping[str, float], own: bool
    ) -> float:
        """The score of a name, and half of what its comment scores."""
        score = self.score(words, idf, own)
        return score + _COMMENT_WEIGHT * self.score(comment, idf, own) if comment else score

    def score(self, words: Sequence[str], idf: Mapping[str, float], own: bool) -> float:
        """Sum of likeness times idf over the words, divided by the root of their number."""
        total = 0.0
        for word in words:
            share = self.shares.get(word)
            if share is None:
                share = self.shares[word] = self._share(word)
            if share:
                total += share * idf[word] * (1 if own or stem(word) not in self.spent else _SPENT)
        return total / math.sqrt(len(words)) if total else 0.0

    def _share(self, word: str) -> float:
        stemmed = stem(word)
        if stemmed in self.stems or (not word.isascii() and word in self.question):
            return 1.0  # languages without spaces between words: any occurrence counts
        best = 0.0
        for other in self.by_prefix.get(stemmed[:_SHORTEST_PREFIX], ()):
            common = next(
                (i for i, (a, b) in enumerate(zip(stemmed, other, strict=False)) if a != b),
                min(len(stemmed), len(other)),
            )
            if common >= _SHORTEST_PREFIX:
                best = max(best, 2 * common / (len(stemmed) + len(other)))
        return best if best >= _LEAST_SHARED else 0.0


def _words(words: str, name: str) -> list[str]:
    return words.lower().split() if words else name_parts(name)


def _comment_words(item: Table | Column) -> list[str]:
    """The words of a comment that its name does not have."""
    if not item.comment:
        return []
    name = set(_words(item.words, item.name)) | _STOP
    return [w for w in dict.fromkeys(_WORD.findall(item.comment.lower())) if w not in name]


def _idf(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    frequency = Counter(chain.from_iterable(map(set, documents)))
    total = len(documents)
    return {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in frequency.items()}


def _links(schema: Schema, tables: Set[str]) -> _Links:
    """Table -> the tables that a key joins it with, the surest keys first."""
    links: _Links = {}
    for key in sorted(schema.foreign_keys, key=lambda key: -key.score):
        if key.table in tables and key.referenced_table in tables:
            links.setdefault(key.table, []).append((key.referenced_table, key))
            links.setdefault(key.referenced_table, []).append((key.table, key))
    return links


def _bridges(chosen: Sequence[tuple[str, str]], links: _Links) -> list[ForeignKey]:
    """The foreign keys of a forest of shortest paths that links the chosen tables.

    One breadth-first search from all of them gives each table its nearest; paths that meet are
    joined shortest first, as Kruskal's algorithm does (Mehlhorn's Steiner tree approximation).
    """
    tables = list(dict.fromkeys(table for table, _ in chosen))
    nearest = {table: (table, 0) for table in tables}
    came_by: dict[str, tuple[str, ForeignKey]] = {}
    queue = deque(tables)
    meetings: list[tuple[int, int, str, str, ForeignKey]] = []
    while queue:
        here = queue.popleft()
        home, steps = nearest[here]
        for there, key in links.get(here, ()):
            if there not in nearest:
                nearest[there] = (home, steps + 1)
                came_by[there] = (here, key)
                if steps + 1 < _LONGEST_BRIDGE:
                    queue.append(there)
            elif nearest[there][0] != home:
                length = steps + nearest[there][1] + 1
                if length <= _LONGEST_BRIDGE:
                    meetings.append((length, len(meetings), here, there, key))
    root = {table: table for table in tables}

    def find(table: str) -> str:
        while root[table] != table:
            table = root[table]
        return table

    keys = []
    for _, _, here, there, key in sorted(meetings, key=lambda meeting: meeting[:2]):
        one, other = find(nearest[here][0]), find(nearest[there][0])
        if one == other:
            continue
        root[other] = one
        keys.append(key)
        for end in (here, there):
            while end in came_by:
                end, step = came_by[end]
                keys.append(step)
    return _parallel(keys, links)


def _parallel(keys: Sequence[ForeignKey], links: _Links) -> list[ForeignKey]:
    """The keys, and those as sure that join the same two tables: home and away, composite ones."""
    surest: dict[frozenset[str], float] = {}
    for key in keys:
        pair = frozenset((key.table, key.referenced_table))
        surest[pair] = max(surest.get(pair, 0.0), key.score)
    tables = dict.fromkeys(table for pair in surest for table in pair)
    every = dict.fromkeys(key for table in tables for _, key in links[table])
    return [
        key
        for key in every
        if key.score >= surest.get(frozenset((key.table, key.referenced_table)), 2.0)
    ]


def _select(
    schema: Schema, chosen: Iterable[tuple[str, str]], bridges: Iterable[ForeignKey]
) -> Schema:
    """The chosen columns and the ends of the bridges, with the primary keys of their tables."""
    wanted: dict[str, set[str]] = {}
    for table_name, column_name in chosen:
        wanted.setdefault(table_name, set()).add(column_name)
    for key in bridges:
        wanted.setdefault(key.table, set()).add(key.column)
        wanted.setdefault(key.referenced_table, set()).add(key.referenced_column)
    tables: list[Table] = []
    for table in schema.tables:
        if names := wanted.get(table.name):
            columns = tuple([c for c in table.columns if c.name in names or c.primary_key])
            names.update([column.name for column in columns])
            tables.append(Table(table.name, columns, table.words, table.comment))
    keys = tuple(
        key
        for key in schema.foreign_keys
        if key.column in wanted.get(key.table, ())
        and key.referenced_column in wanted.get(key.referenced_table, ())
    )
    return Schema(schema.db_id, tuple(tables), keys, schema.dialect)


def _left_out(schema: Schema, reduced: Schema) -> tuple[str, ...]:
    parts, names = {table.name: table for table in reduced.tables}, []
    for table in schema.tables:
        if (part := parts.get(table.name)) is None:
            names.append(table.name)
        elif len(part.columns) < len(table.columns):
            columns = {column.name for column in part.columns}
            names += [f"{table.name}.{c.name}" for c in table.columns if c.name not in columns]
    return tuple(names)
