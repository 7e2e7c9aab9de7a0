"""Training text for models that answer compact prompts: (prompt, answer) pairs, varied on each visit.

Every visit of an example draws a new *view* of its schema: tables and columns in a new order, with
what the gold query needs and a random part of the rest. The model so learns to look a symbol up
instead of remembering it, and short views cost less. Gold SQL the intermediate representation cannot
express is left out and counted.

>>> corpus = load_corpus(open_dataset("spider"), "train")  # doctest: +SKIP
>>> corpus.items[0].draw(random.Random(0), budget=200).answer  # doctest: +SKIP
'select count ( * ) from [t0] where [c3] > [v0]'
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from txt2sql.data import Dataset
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.prompts.compact import (
    MAX_COLUMNS,
    MAX_TABLES,
    SYMBOLS,
    count_words,
    render_compact,
)
from txt2sql.sql.encode import encode
from txt2sql.sql.intermediate import Unsupported
from txt2sql.types import Example, Links, Schema, Table, ValueMatch

_SYMBOL = re.compile(r"\[([tcv])(\d+)\]")


@dataclass(frozen=True, slots=True)
class Pair:
    """One training text: the prompt, and the answer whose tokens are learnt."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Item:
    """One example with its schema, the cells its question mentions, and what its gold needs."""

    example: Example
    schema: Schema
    matches: tuple[ValueMatch, ...]
    needed: frozenset[tuple[str, str]]
    """(table, column) pairs of the gold query; (table, "") for a table."""

    def draw(self, rng: random.Random, budget: int) -> Pair | None:
        """One random view; None when what the gold needs alone exceeds the budget."""
        view = _view(self.schema, self.needed, rng, budget)
        kept = {(t.name, c.name) for t in view.tables for c in t.columns}
        matches = tuple(m for m in self.matches if (m.table, m.column) in kept)
        prompt = render_compact(self.example.question, view, matches=matches, budget=10_000)
        if prompt.links is None or count_words(prompt.text) > budget * 3 // 2:
            return None
        try:
            answer = encode(self.example.gold_sql, self.schema, prompt.links)
        except Unsupported:
            return None
        return _renumbered(Pair(prompt.text, answer), rng)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The items of one split, and how many examples had to be left out."""

    name: str
    items: tuple[Item, ...]
    unsupported: int


def load_corpus(
    dataset: Dataset,
    split: str,
    *,
    keep: Callable[[str], bool] = lambda db_id: True,
    limit: int | None = None,
) -> Corpus:
    """Read a split; `keep` decides by db_id (to hold databases out)."""
    index = lru_cache(maxsize=64)(lambda db_id: open_value_index(dataset.database(db_id)))
    items: list[Item] = []
    unsupported = 0
    for example in dataset.examples(split):
        if not keep(example.db_id):
            continue
        if limit is not None and len(items) >= limit:
            break
        item = _item(example, dataset.schema(example.db_id), index)
        if item is None:
            unsupported += 1
        else:
            items.append(item)
    return Corpus(f"{dataset.name}/{split}", tuple(items), unsupported)


def _item(example: Example, schema: Schema, index: Callable[[str], ValueIndex]) -> Item | None:
    tables = tuple(table.name for table in schema.tables)
    columns = tuple((t.name, c.name) for t in schema.tables for c in t.columns)
    try:
        answer = encode(example.gold_sql, schema, Links(tables, columns))
    except Unsupported:
        return None
    needed = {
        columns[int(i)] if kind == "c" else (tables[int(i)], "")
        for kind, i in _SYMBOL.findall(answer)
        if kind != "v"
    }
    needed |= {(table, "") for table, _ in needed}
    return Item(example, schema, index(example.db_id).match(example.question), frozenset(needed))


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

    return Pair(*(_SYMBOL.sub(other, text) for text in (pair.prompt, pair.answer)))


def _size(words: str) -> int:
    return len(words.split()) + 1


def texts(corpora: Sequence[Corpus]) -> Iterable[str]:
    """Every question and name of the corpora: what a vocabulary has to cover."""
    seen: set[str] = set()
    for corpus in corpora:
        for item in corpus.items:
            yield item.example.question
            yield item.example.gold_sql
            if item.schema.db_id in seen:
                continue
            seen.add(item.schema.db_id)
            for table in item.schema.tables:
                yield " ".join([table.words, *(column.words for column in table.columns)])
