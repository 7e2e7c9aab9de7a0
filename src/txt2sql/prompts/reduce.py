"""Schema reduction (schema linking by retrieval): which tables and columns a question needs.

Used when a schema does not fit a prompt. Columns are ranked by the words their names share with
the question, each weighted by its idf as in BM25 (Robertson and Zaragoza, 2009); words of one stem
share the part that their longest common prefix makes up (`nation` and `nationality`). Cells that
the question mentions outrank any name. Keys come with their table, and so do the tables that link
the kept ones along the shortest foreign-key path.

    kept, dropped = reduce_schema(question, schema, matches, lambda s: len(render(s)) < 2000)
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from txt2sql.types import ForeignKey, Schema, Table, ValueMatch

_WORD = re.compile(r"[^\W_]+")
_NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_STOP = frozenset(
    "a an and are as at by do does did each for from had has have how in is it its list many me "
    "more most much of on or show than that the their them there these those to was were what when "
    "where which who whose with give find return all please".split()
)
_SHORTEST_PREFIX, _LEAST_SHARED = 4, 0.5
_TABLE_WEIGHT, _BEST_COLUMN_WEIGHT = 0.7, 0.2
_MATCH_BONUS = 20.0
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
    links = _links(schema)
    best = _select(schema, ranked[:1], ())
    # Galloping: a short prefix is cheap to build and to render, and prompts hold few columns.
    size, step, growing = 1, 8, True
    while step:
        tried = min(size + step, len(ranked) - 1)
        candidate = _select(schema, ranked[:tried], _bridges(ranked[:tried], links))
        if tried > size and fits(candidate):
            best, size = candidate, tried
        else:
            growing = False
        step = step * 2 if growing else step // 2
    return best, _left_out(schema, best)


def rank_columns(
    question: str, schema: Schema, matches: Sequence[ValueMatch] = ()
) -> list[tuple[str, str]]:
    """Every (table, column), the one that matters most to the question first; ties in order."""
    likeness = _Likeness(question)
    table_words = [_words(table.words, table.name) for table in schema.tables]
    column_words = [[_words(c.words, c.name) for c in t.columns] for t in schema.tables]
    table_idf = _idf(table_words)
    column_idf = _idf([words for table in column_words for words in table])
    mentioned: dict[tuple[str, str], float] = {}
    for match in matches:
        place = (match.table.lower(), match.column.lower())
        mentioned[place] = max(mentioned.get(place, 0.0), match.score)
    ranked: list[tuple[float, int, int]] = []
    for i, table in enumerate(schema.tables):
        own = likeness.score(table_words[i], table_idf)
        scores = [likeness.score(words, column_idf) for words in column_words[i]]
        if mentioned:
            for j, column in enumerate(table.columns):
                score = mentioned.get((table.name.lower(), column.name.lower()), 0.0)
                scores[j] += _MATCH_BONUS * score
        shared = _TABLE_WEIGHT * own + _BEST_COLUMN_WEIGHT * max(scores, default=0.0)
        ranked += [(-(score + shared), i, j) for j, score in enumerate(scores)]
    ranked.sort()
    return [(schema.tables[i].name, schema.tables[i].columns[j].name) for _, i, j in ranked]


class _Likeness:
    """How much of a name's words the question has; each distinct word is looked at once."""

    def __init__(self, question: str) -> None:
        self.question = question.lower()
        words = _WORD.findall(self.question)
        self.asked = {_stem(word) for word in words if word not in _STOP}
        self.by_prefix: dict[str, list[str]] = {}
        for word in sorted(self.asked):
            self.by_prefix.setdefault(word[:_SHORTEST_PREFIX], []).append(word)
        self.known: dict[str, float] = {}

    def score(self, words: Sequence[str], idf: dict[str, float]) -> float:
        """Sum of likeness times idf over the words, divided by the root of their number."""
        total = 0.0
        for word in words:
            share = self.known.get(word)
            if share is None:
                share = self.known[word] = self._share(word)
            if share:
                total += share * idf[word]
        return total / math.sqrt(len(words)) if total else 0.0

    def _share(self, word: str) -> float:
        stem = _stem(word)
        if stem in self.asked or (not word.isascii() and word in self.question):
            return 1.0  # languages without spaces between words: any occurrence counts
        best = 0.0
        for other in self.by_prefix.get(stem[:_SHORTEST_PREFIX], ()):
            common = next(
                (i for i, (a, b) in enumerate(zip(stem, other, strict=False)) if a != b),
                min(len(stem), len(other)),
            )
            if common >= _SHORTEST_PREFIX:
                best = max(best, 2 * common / (len(stem) + len(other)))
        return best if best >= _LEAST_SHARED else 0.0


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def _words(words: str, name: str) -> list[str]:
    return words.lower().split() if words else [w.lower() for w in _NAME_WORD.findall(name)]


def _idf(documents: Sequence[Sequence[str]]) -> dict[str, float]:
    frequency = Counter(chain.from_iterable(documents))
    total = len(documents)
    return {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in frequency.items()}


def _links(schema: Schema) -> _Links:
    links: _Links = {}
    for key in schema.foreign_keys:
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
    return keys


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


def _left_out(schema: Schema, kept: Schema) -> tuple[str, ...]:
    there = {table.name: {column.name for column in table.columns} for table in kept.tables}
    names = []
    for table in schema.tables:
        if table.name not in there:
            names.append(table.name)
        else:
            names += [
                f"{table.name}.{column.name}"
                for column in table.columns
                if column.name not in there[table.name]
            ]
    return tuple(names)
