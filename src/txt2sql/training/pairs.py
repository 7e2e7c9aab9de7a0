"""Question-SQL pairs to adapt with: synthetic or given by users, split into a train and a validation set.

A statement is held out with every other that differs from it in values alone, and with every question
asked for it: what validates was never trained on in other words, or about another city.

>>> shop = Schema("shop", (Table("shop", (Column("name"), Column("city"))),))
>>> statement("SELECT name FROM shop WHERE city = 'Faro'", shop)
'select name from shop where city = ?'
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.data import spider
from txt2sql.data.synthesis import Source, synthesise
from txt2sql.errors import DataError
from txt2sql.evaluation.mode import LIMITS
from txt2sql.execution.database import Database
from txt2sql.execution.execute import execute
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.sql.text import normalise
from txt2sql.training.settings import AdaptConfig
from txt2sql.types import Example, Schema

FEW_PAIRS = 20
"""Fewer given pairs than this all validate: half of them would neither teach nor tell much."""
_LEAST = 20  # synthetic pairs
_GIVEN_SHARE = 0.2
_VALUE = re.compile(r"'[^']*(?:''[^']*)*'|\b\d+(?:\.\d+)?\b")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with its SQL."""

    question: str
    sql: str


@dataclass(frozen=True, slots=True)
class Split:
    """What trains, and what validates: synthetic pairs and given ones. `given_train` of those in `train`
    are given, each as often as gives them a fifth of all.
    """

    train: tuple[Pair, ...]
    synthetic: tuple[Pair, ...]
    given: tuple[Pair, ...]
    given_train: int = 0


def statement(sql: str, schema: Schema) -> str:
    """What a statement is held out by: its normal form with every value as `?`."""
    return _VALUE.sub("?", normalise(canonical_sql(sql, schema)).lower())


def read_given(
    path: Path, database: Database, report: Callable[[str], None]
) -> tuple[list[Pair], list[str]]:
    """The pairs of a user's file, and what is wrong with those left out, each with its line.

    JSON in Spider's shape, lines of such objects (what `txt2sql serve` exports), or lines
    `question<tab>SQL`. Every SQL is executed; `report` gets what fails. Raises DataError for a file that
    holds no pair that can be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read pairs from '{path}': {error}") from None
    if text.lstrip().startswith("["):
        try:
            items = [_of_object(item, database.db_id) for item in json.loads(text)]
        except ValueError as error:
            raise DataError(f"cannot read '{path}' as JSON: {error}") from None
        entries = [(f"item {number}", item) for number, item in enumerate(items, 1)]
    else:
        lines = enumerate(text.split("\n"), 1)
        entries = [
            (f"line {n}", _of_line(line, database.db_id)) for n, line in lines if line.strip()
        ]
    pairs: dict[Pair, None] = {}
    wrong: list[str] = []
    for where, pair in entries:
        if isinstance(pair, str):
            wrong.append(f"{where}: {pair}")
        elif (result := execute(database, pair.sql, LIMITS)).ok:
            pairs.setdefault(pair)
        else:
            wrong.append(f"{where}: its SQL fails: {result.error}")
    for sentence in wrong:
        report(f"{path.name}, {sentence}; left out")
    if not pairs:
        raise DataError(
            f"'{path}' holds no pair that can be used ({wrong[0] if wrong else 'it is empty'}); give "
            "lines of question<tab>SQL, or JSON objects with 'question' and 'query'"
        )
    return list(pairs), wrong


def _of_line(line: str, db_id: str) -> Pair | str:
    """A pair, or what is wrong with it."""
    if line.lstrip().startswith("{"):
        try:
            return _of_object(json.loads(line), db_id)
        except ValueError:
            return "is not JSON"
    question, _, sql = (part.strip() for part in line.partition("\t"))
    return Pair(question, sql) if question and sql else "is not question<tab>SQL"


def _of_object(item: Any, db_id: str) -> Pair | str:
    fields = item if isinstance(item, dict) else {}
    question, sql = fields.get("question"), fields.get("query", fields.get("sql"))
    if not (isinstance(question, str) and isinstance(sql, str) and question and sql):
        return "has no 'question' and 'query'"
    if fields.get("db_id", db_id) != db_id:
        return f"is about '{fields['db_id']}', not '{db_id}'"
    return Pair(question.strip(), sql.strip())


def make_split(
    database: Database, schema: Schema, given: Sequence[Pair], config: AdaptConfig,
    advance: Callable[[int], None] = lambda made: None,
) -> Split:  # fmt: skip
    """Synthesise pairs and split them and the given ones by statement.

    Raises DataError where too few can be made of the database.
    """
    made, _ = synthesise(
        [Source(database, schema)], config.count + config.held_out, seed=config.seed,
        exclude=[pair.question for pair in given], advance=advance,
    )  # fmt: skip
    if len(made) < _LEAST:
        raise DataError(
            f"only {len(made)} questions could be made of '{database.db_id}', too few to adapt to; "
            "give a database with more rows or columns"
        )
    # Given pairs, by statement; all validate where there are few.
    validation: dict[Pair, str] = {}
    train: dict[Pair, str] = {}
    for pair in given:
        key = statement(pair.sql, schema)
        draw = random.Random(f"given {key}").random()
        trains = len(given) >= FEW_PAIRS and draw < config.given_share
        (train if trains else validation)[pair] = key
    held_out, trained = set(validation.values()), set(train.values())
    groups: dict[str, list[Pair]] = {}
    for each in made:
        if (key := statement(each.sql, schema)) not in held_out:
            groups.setdefault(key, []).append(Pair(each.question, each.sql))
    order = sorted(groups)
    random.Random(f"{config.seed} held out").shuffle(order)
    most = min(config.held_out, sum(map(len, groups.values())) // 4)
    synthetic: list[Pair] = []
    for key in order:
        if len(synthetic) >= most:
            break
        lasting = not any("'now'" in pair.sql for pair in groups[key])  # other rows another day
        if key not in trained and lasting:
            synthetic += groups.pop(key)
    pairs = [pair for group in groups.values() for pair in group]
    random.Random(f"{config.seed} order").shuffle(pairs)
    repeats = max(1, round(_GIVEN_SHARE * len(pairs) / len(train))) if train else 0
    return Split((*pairs, *([*train] * repeats)), tuple(synthetic), tuple(validation), len(train))


PARTS = ("train", "synthetic", "given")
"""Files of the folder; the last one is written last."""


def write_split(split: Split, database: Database, folder: Path) -> None:
    """A data set in Spider's layout, with a link to the database."""
    for part in PARTS:
        rows = [
            {"db_id": database.db_id, "question": pair.question, "query": pair.sql}
            for pair in getattr(split, part)
        ]
        spider.write_split(folder, part, rows, [database])


def examples(folder: Path, part: str, db_id: str) -> list[Example]:
    """The pairs of a part, as what is asked and judged."""
    rows: list[dict[str, Any]] = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    return [
        Example(f"{part}-{i}", db_id, row["question"], row["query"]) for i, row in enumerate(rows)
    ]
