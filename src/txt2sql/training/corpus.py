"""Training text for models that answer compact prompts: (prompt, answer) pairs, varied on each visit.

Every visit of an example draws a new *view* of its schema: tables and columns in a new order, with
what the gold query needs and a random part of the rest. The model so learns to look a symbol up
instead of remembering it, and short views cost less. A corpus keeps its examples as the lines of its
file (see `prepare`), and reads one when it is drawn: 58,000 of them take little memory.

>>> corpus = open_source("spider", "train").corpus  # doctest: +SKIP
>>> corpus[1].draw(random.Random(0), budget=200).answer  # doctest: +SKIP
'select count ( * ) from [t0] where [c3] > [v0]'
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from txt2sql.prompts.compact import (
    MAX_COLUMNS,
    MAX_TABLES,
    SYMBOLS,
    count_words,
    render_compact,
)
from txt2sql.sql.intermediate import SYMBOL, Template, Unsupported, whole_links
from txt2sql.types import Column, Example, ForeignKey, Schema, Table, ValueMatch


@dataclass(frozen=True, slots=True)
class Pair:
    """One training text: the prompt, and the answer whose tokens are learnt."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Item:
    """One example with its schema, the cells its question mentions, and its gold query's template."""

    example: Example
    schema: Schema
    matches: tuple[ValueMatch, ...]
    template: Template

    def draw(self, rng: random.Random, budget: int) -> Pair | None:
        """One random view; None when what the gold needs alone exceeds the budget."""
        whole = whole_links(self.schema)
        needed = {
            whole.columns[int(i)] if kind == "c" else (whole.tables[int(i)], "")
            for kind, i in SYMBOL.findall(self.template.text)
            if kind != "v"
        }
        needed |= {(table, "") for table, _ in needed}
        view = _view(self.schema, frozenset(needed), rng, budget)
        kept = {(t.name, c.name) for t in view.tables for c in t.columns}
        matches = tuple(m for m in self.matches if (m.table, m.column) in kept)
        prompt = render_compact(self.example.question, view, matches=matches, budget=10_000)
        if prompt.links is None or count_words(prompt.text) > budget * 3 // 2:
            return None
        try:
            answer = self.template.answer(prompt.links, whole)
        except Unsupported:
            return None
        return _renumbered(Pair(prompt.text, answer), rng)


class Corpus:
    """The items of one split, each read from its line when it is asked for.

    A line of `items` is the number of its schema, a tab, and JSON; `unsupported` counts the examples
    whose gold query has no intermediate representation.
    """

    def __init__(
        self, name: str, schemas: Sequence[bytes], items: Sequence[bytes], unsupported: int = 0
    ) -> None:
        self.name, self.unsupported = name, unsupported
        self._schemas, self._items = schemas, items
        self._schema = lru_cache(maxsize=256)(lambda number: read_schema(schemas[number]))

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, position: int) -> Item:
        number, _, line = self._items[position].partition(b"\t")
        return read_item(line, self._schema(int(number)))

    def __iter__(self) -> Iterator[Item]:
        return (self[position] for position in range(len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Corpus, (self.name, self._schemas, self._items, self.unsupported)

    def where(self, keep: Callable[[str], bool]) -> Corpus:
        """The items of those databases whose id `keep` accepts."""
        kept = [keep(json.loads(line)["db_id"]) for line in self._schemas]
        items = [line for line in self._items if kept[int(line.partition(b"\t")[0])]]
        return Corpus(self.name, self._schemas, items, self.unsupported)

    def sample(self, count: int | None, seed: str) -> Corpus:
        """`count` items drawn without replacement, in their order; all when there are no more."""
        if count is None or count >= len(self):
            return self
        chosen = sorted(random.Random(seed).sample(range(len(self)), count))
        return Corpus(self.name, self._schemas, [self._items[i] for i in chosen], self.unsupported)

    def texts(self) -> Iterator[str]:
        """Every question, name and gold query: what a vocabulary has to cover."""
        seen: set[str] = set()
        for item in self:
            yield item.example.question
            yield item.example.gold_sql
            if item.schema.db_id not in seen:
                seen.add(item.schema.db_id)
                for table in item.schema.tables:
                    yield " ".join([table.words, *(column.words for column in table.columns)])


def schema_line(schema: Schema) -> bytes:
    """A schema as one line: all that a compact prompt shows, so no sample values."""
    tables = [
        [t.name, t.words, [[c.name, c.type, int(c.primary_key), c.words] for c in t.columns]]
        for t in schema.tables
    ]
    keys = [
        [k.table, k.column, k.referenced_table, k.referenced_column] for k in schema.foreign_keys
    ]
    return _line({"db_id": schema.db_id, "tables": tables, "keys": keys})


def read_schema(line: bytes) -> Schema:
    """The inverse of `schema_line`."""
    found = json.loads(line)
    tables = tuple(
        Table(name, tuple(Column(n, t, bool(k), words=w) for n, t, k, w in columns), words)
        for name, words, columns in found["tables"]
    )
    return Schema(found["db_id"], tables, tuple(ForeignKey(*key) for key in found["keys"]))


def item_line(item: Item, number: int) -> bytes:
    """An item as one line; its schema is the one of that number."""
    matches = [[m.table, m.column, m.value, m.span, m.score, m.condition] for m in item.matches]
    example, template = item.example, item.template
    row = [example.id, example.question, example.gold_sql, *template, matches, example.evidence]
    return b"%d\t" % number + _line(row)


def read_item(line: bytes, schema: Schema) -> Item:
    """The inverse of `item_line`, from the JSON after the tab."""
    name, question, gold, text, literals, matches, evidence = json.loads(line)
    return Item(
        Example(name, schema.db_id, question, gold, evidence),
        schema,
        tuple(ValueMatch(*match) for match in matches),
        Template(text, tuple((literal, is_string) for literal, is_string in literals)),
    )


def _line(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _view(
    schema: Schema, needed: frozenset[tuple[str, str]], rng: random.Random, budget: int
) -> Schema:
    """Needed tables whole where there is room, others as room is left, everything shuffled."""
    room = budget - 40
    columns_left = MAX_COLUMNS
    chosen: list[Table] = []
    others = [table for table in schema.tables if (table.name, "") not in needed]
    rng.shuffle(others)
    first = [table for table in schema.tables if (table.name, "") in needed]
    for table in (*first, *others):
        must = [c for c in table.columns if (table.name, c.name) in needed]
        rest = [c for c in table.columns if (table.name, c.name) not in needed]
        rng.shuffle(rest)
        is_needed = (table.name, "") in needed
        if not is_needed and (room < 12 or len(chosen) >= MAX_TABLES):
            continue
        kept = list(must)
        for column in rest:
            size = _size(column.words) + 3
            if len(kept) >= columns_left or (size > room and (kept or not is_needed)):
                break
            kept.append(column)
            room -= size
        if not kept:
            continue
        room -= sum(_size(c.words) + 3 for c in must) + _size(table.words) + 3
        columns_left -= len(kept)
        rng.shuffle(kept)
        chosen.append(replace(table, columns=tuple(kept)))
    rng.shuffle(chosen)
    return replace(schema, tables=tuple(chosen))


def _renumbered(pair: Pair, rng: random.Random) -> Pair:
    """The pair with other symbols, drawn from all there are: rare ones would stay unlearnt if every
    prompt began at 0.
    """
    order = {kind: rng.sample(range(size), size) for kind, size in SYMBOLS.items()}

    def other(match: re.Match[str]) -> str:
        return f"[{match[1]}{order[match[1]][int(match[2])]}]"

    return Pair(*(SYMBOL.sub(other, text) for text in (pair.prompt, pair.answer)))


def _size(words: str) -> int:
    return len(words.split()) + 1


def texts(corpora: Iterable[Corpus]) -> Iterator[str]:
    """The texts of several corpora."""
    return (text for corpus in corpora for text in corpus.texts())
