"""Exact set match (EM) and component match: does the predicted SQL have the parts of the gold SQL?

Field's name: exact set match without values, the official metric of Spider (Yu et al., EMNLP 2018).
Two queries match when ten components agree (select, where, group, ... as sets) and FROM names the same
tables; values, join conditions and the number of LIMIT are not compared. Component match (Spider's
partial matching) scores each of the ten on its own.

>>> schema = SpiderSchema({"singer": ("name", "age")})
>>> compare(schema, "SELECT name, age FROM singer", "select age, name from singer").exact
True
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any, NamedTuple

from txt2sql.errors import DatabaseError
from txt2sql.evaluation.verdicts import without_sql
from txt2sql.execution import sandbox
from txt2sql.execution.database import Database
from txt2sql.sql import spider
from txt2sql.sql.spider import EMPTY, Form, SpiderSchema, group_keys, level, normalise, parse
from txt2sql.types import Example, Outcome, Prediction, Verdict

Keys = Callable[[str], Mapping[str, str] | None]
"""db_id -> its foreign-key map (`spider.key_map`), or None: the keys that the file declares."""


Score = dict[str, int]
"""acc, rec and f1 of one component, all or nothing; label_total counts it in the gold query, pred_total
in the other."""


class Match(NamedTuple):
    """How a prediction compares with its gold query. `hardness` is None when the gold query cannot
    be read, `parsed` false when the predicted cannot: `partial`, component -> Score, is then that
    of an empty query."""

    exact: bool
    partial: Mapping[str, Score]
    parsed: bool
    hardness: str | None


def hardness(sql: str, schema: SpiderSchema) -> str | None:
    """easy, medium, hard or extra; None when the query is not in Spider's subset of SQL."""
    query = parse(sql, schema)
    return query and level(query)


@lru_cache(4)  # the two metrics ask for each pair one after the other
def compare(schema: SpiderSchema, gold: str, predicted: str) -> Match:
    """Exact set match and the ten components of one pair of queries on one database."""
    expected, given = _gold(schema, gold), parse(predicted, schema)
    if expected is None:
        return Match(False, {}, given is not None, None)
    form = EMPTY if given is None else normalise(given, schema.keys)
    partial, exact = components(expected[0], form)
    return Match(exact, partial, given is not None, expected[1])


@lru_cache(8192)
def _gold(schema: SpiderSchema, sql: str) -> tuple[Form, str] | None:
    query = parse(sql, schema)
    return None if query is None else (normalise(query, schema.keys), level(query))


_BAGS: dict[str, Callable[[Form], Sequence[Hashable]]] = {
    "select": lambda form: form.select,
    "select(no AGG)": lambda form: [item.expression for item in form.select],
    "where": lambda form: form.where,
    "where(no OP)": lambda form: [e if isinstance(e, str) else e.expression for e in form.where],
    "group(no Having)": lambda form: [name.partition(".")[2] or name for name in form.group],
}
"""Component -> what of a query is compared as a multiset."""


def components(gold: Form, predicted: Form) -> tuple[dict[str, Score], bool]:
    """The ten components, and whether all of them and the tables of FROM agree."""
    parts: dict[str, tuple[bool, int, int]] = {}
    for name, of in _BAGS.items():
        own, theirs = of(gold), of(predicted)
        parts[name] = _same_bag(own, theirs), len(own), len(theirs)
    one, other = int(bool(gold.group)), int(bool(predicted.group))
    same = not (one or other) or (gold.group, gold.having) == (predicted.group, predicted.having)
    parts["group"] = same, one, other
    one, other = int(bool(gold.order[0])), int(bool(predicted.order[0]))
    same = not (one or other) or (gold.order, gold.limit) == (predicted.order, predicted.limit)
    parts["order"] = same, one, other
    # Where they differ, the official evaluator reports these two totals the wrong way round.
    same = gold.connectors == predicted.connectors
    totals = (1, 1) if same else (len(predicted.connectors), len(gold.connectors))
    parts["and/or"] = same, *totals
    pairs = list(zip(gold.branches, predicted.branches, strict=True))
    matches = sum(bool(a and b and components(a, b)[1]) for a, b in pairs)
    one, other = sum(a is not None for a, _ in pairs), sum(b is not None for _, b in pairs)
    parts["IUEN"] = one == other == matches, one, other
    one, other = len(gold.keywords), len(predicted.keywords)
    parts["keywords"] = gold.keywords == predicted.keywords, one, other
    scores = {
        name: {**dict.fromkeys(("acc", "rec", "f1"), int(same)), "label_total": a, "pred_total": b}
        for name, (same, a, b) in parts.items()
    }
    exact = all(same for same, _, _ in parts.values())
    return scores, exact and (not gold.tables or _same_bag(gold.tables, predicted.tables))


def _same_bag(gold: Sequence[Hashable], predicted: Sequence[Hashable]) -> bool:
    return gold == predicted or Counter(gold) == Counter(predicted)


class _Matcher:
    """Prediction -> Match on its database: what exact set match and component match share. `keys`
    gives the foreign-key map of a database. With `official`, every `value` in a prediction is read
    as `1`, as the official evaluator does since its 2020 edition; this is the one difference."""

    def __init__(self, keys: Keys | None = None, official: bool = True) -> None:
        self.keys = keys
        self.official = official

    def judge(
        self, example: Example, prediction: Prediction, database: Database
    ) -> tuple[Outcome, str, Match]:
        """Outcome, reason and Match; a prediction without SQL is compared as an unreadable one."""
        predicted = prediction.sql or ""
        if self.official:
            predicted = spider.prediction(predicted)
        keys = self.keys(database.db_id) if self.keys else None
        try:
            schema = _schema(
                database,
                sandbox.identity(str(database.path)),  # a file that changed is read again
                None if keys is None else frozenset(keys.items()),
            )
        except DatabaseError as problem:
            return Outcome.GOLD_ERROR, str(problem), Match(False, {}, False, None)
        except (OSError, sqlite3.Error) as problem:
            reason = f"cannot read the tables of '{database.path}' ({problem}); give a readable SQLite file"
            return Outcome.GOLD_ERROR, reason, Match(False, {}, False, None)
        match = compare(schema, example.gold_sql, predicted)
        if match.hardness is None:
            return Outcome.GOLD_ERROR, "the gold query is not in Spider's subset of SQL", match
        if not predicted.strip():
            return (*without_sql(prediction), match)
        if not match.parsed:
            reason = "not in Spider's subset of SQL, or names unknown columns"
            return Outcome.PREDICTION_ERROR, reason, match
        if match.exact:
            return Outcome.CORRECT, "", match
        differing = [name for name, score in match.partial.items() if not score["f1"]]
        return Outcome.WRONG_RESULT, f"other {', '.join(differing) or 'tables'}", match


@lru_cache(256)
def _schema(
    database: Database, identity: tuple[int, ...], keys: frozenset[tuple[str, str]] | None
) -> SpiderSchema:
    """As the official evaluator reads it: tables in the order of sqlite_master, views not."""
    with closing(database.connect()) as connection:
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {
            name: tuple(
                row[1] for row in connection.execute(f"PRAGMA table_info({sandbox.quoted(name)})")
            )
            for name in database.tables or tuple(name for (name,) in listed)
        }
    return SpiderSchema(tables, _declared_keys(database) if keys is None else dict(keys))


def _declared_keys(database: Database) -> dict[str, str]:
    schema = database.schema(infer=False)
    names = [f"{t.name}.{column.name}".lower() for t in schema.tables for column in t.columns]
    pairs = [
        (f"{key.table}.{key.column}", f"{key.referenced_table}.{key.referenced_column}")
        for key in schema.foreign_keys
    ]
    return group_keys(names, [(names.index(a.lower()), names.index(b.lower())) for a, b in pairs])


class ExactSetMatch(_Matcher):
    """Score 1 where the whole query matches; `details` has the hardness of the gold query."""

    name = "exact_match"

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        outcome, reason, match = self.judge(example, prediction, database)
        details = {"hardness": match.hardness, "parsed": match.parsed}
        return Verdict(example.id, self.name, outcome, float(match.exact), reason, details)


class ComponentMatch(_Matcher):
    """Scores between 0 and 1; an unreadable prediction scores 0, its parts those of an empty query."""

    name = "component_match"

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        outcome, reason, match = self.judge(example, prediction, database)
        readable = outcome in (Outcome.CORRECT, Outcome.WRONG_RESULT)
        parts = match.partial
        score = sum(part["f1"] for part in parts.values()) / len(parts) if readable else 0.0
        details = {"hardness": match.hardness, "partial": parts}
        return Verdict(example.id, self.name, outcome, score, reason, details)


class ComponentScore(NamedTuple):
    """One component over many examples; how many predictions and how many golds have it."""

    accuracy: float
    recall: float
    f1: float
    predicted: int
    gold: int


def aggregate(partials: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, ComponentScore]:
    """Component -> score over many examples, from {acc, rec, f1, label_total, pred_total} of each.
    Accuracy is the mean over the examples whose prediction has the component, recall over those
    whose gold has it, and F1 the harmonic mean of these two, not the mean of the examples' F1."""
    rows = list(partials)
    scores = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        each = [row[name] for row in rows if name in row]
        predicted = [score["acc"] for score in each if score["pred_total"] > 0]
        gold = [score["rec"] for score in each if score["label_total"] > 0]
        accuracy = sum(predicted) / len(predicted) if predicted else 0.0
        recall = sum(gold) / len(gold) if gold else 0.0
        # Nothing predicted and nothing in the gold is right.
        f1 = 2 * accuracy * recall / (accuracy + recall) if accuracy or recall else 1.0
        scores[name] = ComponentScore(accuracy, recall, f1, len(predicted), len(gold))
    return scores
