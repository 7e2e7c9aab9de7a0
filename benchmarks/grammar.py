"""The grammar of SQL: what it costs, and which gold queries it accepts.

Without an option it measures time over schemas of 5, 25 and 100 tables with ten columns each: a grammar
for a new schema (text, compilation, first mask), the mask of each step of a usual query, and how many
tokens of that query are forced, so that a model needs no step for them. The vocabulary is the bundled
model's, or that of `--tokenizer FOLDER`.

`--acceptance` counts the gold queries that SQLite compiles and the grammar accepts, byte by byte, in the
normal form that models are trained on; `--refused FILE` gets what it refuses, with the place where it
stops.

    python benchmarks/grammar.py [--quick] [--tokenizer FOLDER]
    python benchmarks/grammar.py --acceptance --data DIR
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from txt2sql.models.catalog import BUNDLED
from txt2sql.models.grammar import sql_grammar
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.types import Column, Schema, Table

WORDS = (
    "singer concert stadium country name year age city price order product customer address phone "
    "student course teacher grade school team player match score game flight airport airline pilot"
).split()
SETS = {
    "spider train": ("spider/train_spider.json", "spider/database"),
    "spider train, others": ("spider/train_others.json", "spider/database"),
    "spider dev": ("spider/dev.json", "spider/database"),
    "cosql": ("cosql/train.json", "spider/database"),
    "spider-syn": ("spider_syn_train/train.json", "spider/database"),
    "bird train": ("bird_train/train.json", "bird_train/database"),
}


def schema_of(connection: sqlite3.Connection, name: str) -> Schema:
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    tables = []
    for (table,) in names:
        columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        tables.append(Table(table, tuple(Column(row[0]) for row in columns)))
    return Schema(name, tuple(tables))


def made_up(rng: random.Random, tables: int) -> Schema:
    """A schema with names like real ones: `concert_2`, `stadium_city`."""
    built = []
    for i in range(tables):
        names = {f"id_{i}": 0}
        while len(names) < 10:
            names[f"{rng.choice(WORDS)}_{rng.choice(WORDS)}"] = 0
        built.append(Table(f"{WORDS[i % len(WORDS)]}_{i}", tuple(map(Column, names))))
    return Schema(f"db{rng.random()}", tuple(built))


def query_of(schema: Schema) -> str:
    """A query of a usual length with a join, a condition, a group and an order."""
    one, other = schema.tables[0], schema.tables[-1]
    return (
        f"SELECT T1.{one.columns[1].name}, count(*) FROM {one.name} AS T1 JOIN {other.name} AS T2 "
        f"ON T1.{one.columns[0].name} = T2.{other.columns[0].name} WHERE T2.{other.columns[1].name} "
        f"LIKE '%France%' GROUP BY T1.{one.columns[1].name} ORDER BY count(*) DESC LIMIT 3"
    )


def acceptor(grammar: str) -> Callable[[str], tuple[bool, int]]:
    """text -> whether the grammar accepts it, and how many of its bytes it could read."""
    start = LLMatcher(LLTokenizer("byte"), grammar, log_level=0)
    if start.is_error():
        raise ValueError(start.get_error())

    def accepts(text: str) -> tuple[bool, int]:
        matcher, data = start.deep_copy(), list(text.encode())
        count = matcher.try_consume_tokens(data)
        return count == len(data) and matcher.is_accepting(), count

    return accepts


def acceptance(data: Path, refused: Path | None) -> None:
    """Print the share of gold queries that are accepted, of those that SQLite compiles."""
    rows: list[str] = []
    for name, (file, databases) in SETS.items():
        if not (data / file).is_file():
            continue
        golds = Counter(
            (each["db_id"], each["query"]) for each in json.loads((data / file).read_text())
        )
        accepted = total = 0
        opened = ""
        for (db_id, sql), times in sorted(golds.items()):
            if db_id != opened:
                path = data / databases / db_id / f"{db_id}.sqlite"
                connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
                schema, opened = schema_of(connection, db_id), db_id
                accepts = acceptor(sql_grammar(schema))
            if error_of(connection, sql):
                continue
            total += times
            text = canonical_sql(sql, schema)
            fits, position = accepts(text)
            accepted += times * fits
            if not fits:
                rows.append(f"{name}\t{db_id}\t{text[:position]}|{text[position:]}")
        print(f"{name}: {accepted} of {total}, {accepted / total:.2%}")
    if refused:
        refused.write_text("\n".join(rows) + "\n")


def error_of(connection: sqlite3.Connection, sql: str) -> str:
    """What SQLite says when it compiles a statement; "" where it does."""
    try:
        connection.execute(f"EXPLAIN {sql}").close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        return str(error)
    return ""


def milliseconds(since: float) -> float:
    return (time.process_time() - since) * 1e3


def measure(folder: str, quick: bool) -> dict[str, Any]:
    """Times over schemas that are new to the engine, by their number of tables."""
    from transformers import AutoTokenizer

    from txt2sql.models.decoder import GrammarEngine
    from txt2sql.models.tokenizer import Vocabulary

    tokenizer = AutoTokenizer.from_pretrained(folder or BUNDLED)
    vocabulary = Vocabulary(tokenizer.backend_tokenizer, [tokenizer.eos_token_id])
    engine = GrammarEngine(vocabulary, len(tokenizer))
    rng = random.Random(1)
    engine.matcher(sql_grammar(made_up(rng, 3)))
    report: dict[str, Any] = {}
    for tables in (5, 25, 100):
        ready, first, again, forced, length = [], [], [], 0, 0
        for _ in range(3 if quick else 12):
            schema = made_up(rng, tables)
            start = time.process_time()
            grammar = sql_grammar(schema)
            engine.allowed(engine.matcher(grammar))
            ready.append(milliseconds(start))
            tokens = tokenizer(query_of(schema), add_special_tokens=False)["input_ids"]
            for times in (first, again):
                matcher = engine.matcher(grammar)
                for token in tokens:
                    start = time.process_time()
                    allowed = engine.allowed(matcher)
                    times.append(milliseconds(start))
                    if not (token in allowed and matcher.consume_token(token)):
                        raise ValueError(f"refused at {tokenizer.decode([token])!r}")
            matcher, i = engine.matcher(grammar), 0
            while i < len(tokens):
                skipped = matcher.compute_ff_tokens()
                forced += len(skipped)
                step = skipped or [tokens[i]]
                matcher.consume_tokens(step)
                i += len(step)
            length += len(tokens)
        report[str(tables)] = {
            "ready_ms": round(statistics.median(ready), 1),
            "mask_ms_new": round(statistics.median(first), 3),
            "mask_ms_new_p95": round(statistics.quantiles(first, n=20)[-1], 3),
            "mask_ms": round(statistics.median(again), 3),
            "mask_ms_p95": round(statistics.quantiles(again, n=20)[-1], 3),
            "forced": round(forced / length, 3),
        }
        print(f"{tables} tables:", ", ".join(f"{k} {v}" for k, v in report[str(tables)].items()))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer schemas, under a minute")
    parser.add_argument("--tokenizer", default="", help="a folder with a byte-level tokenizer")
    parser.add_argument("--acceptance", action="store_true", help="count accepted gold queries")
    parser.add_argument("--data", type=Path, default=os.environ.get("TXT2SQL_DATA"))
    parser.add_argument("--refused", type=Path, help="write what is not accepted to this file")
    options = parser.parse_args()
    if options.acceptance:
        if options.data is None:
            parser.error("name the folder of the data sets: --data DIR")
        acceptance(Path(options.data), options.refused)
        return
    by_tables = measure(options.tokenizer, options.quick)
    report = {
        "name": "grammar",
        "ours": by_tables["100"]["ready_ms"],
        "peer": None,
        "ratio": None,
        "n": 3 if options.quick else 12,
        "unit": "processor milliseconds until the first mask of a new schema of 100 tables",
        "by_tables": by_tables,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {name: version(name) for name in ("llguidance", "transformers")},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
