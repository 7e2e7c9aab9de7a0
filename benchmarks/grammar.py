"""The grammar of SQL: what it costs, which gold queries it accepts, and whether its samples compile.

Without an option it measures time over schemas of 5, 25 and 100 tables with ten columns each: a grammar
for a new schema (text, compilation, first mask), the mask of each step of a usual query, and how many
tokens of that query are forced, so that a model needs no step for them. The vocabulary is a byte-level
BPE of 32,000, trained here on the Python standard library, or that of `--tokenizer FOLDER`.

`--acceptance` counts the gold queries that SQLite compiles and the grammar accepts, byte by byte, in the
normal form that models are trained on; `--refused FILE` gets what it refuses, with the place where it stops. `--samples N` walks the grammar at random and compiles each sample.

    python benchmarks/grammar.py [--quick] [--tokenizer FOLDER]
    python benchmarks/grammar.py --acceptance --data DIR
    python benchmarks/grammar.py --samples 2000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import sqlite3
import statistics
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from txt2sql.identifiers import quote_identifier
from txt2sql.models.grammar import sql_grammar
from txt2sql.sql.functions import FUNCTIONS
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.types import Column, Schema, Table

VOCABULARY = 32_000
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
SAMPLE_SCHEMAS = (
    """CREATE TABLE singer (id INTEGER PRIMARY KEY, Name TEXT, age INT, "number of songs" INT);
    CREATE TABLE concert (id INT, singer_id INT, "Home Town" TEXT, "order" INT, größe REAL, rank INT);
    CREATE TABLE "order" (total_price REAL, "2nd" TEXT, date TEXT, key INT)""",
    "CREATE TABLE t (a INT, b TEXT, c REAL, d TEXT)",
)
SCOPE = (
    "no such column|no such table|ambiguous|cannot join using column|not present in both"
    "|ORDER BY term does not match|circular reference|duplicate WITH table name"
)
"""Errors of names that are not in scope, which a grammar without context cannot know."""


# -------------------------------------------------------------------------------------------- schemas


def schema_of(connection: sqlite3.Connection, name: str) -> Schema:
    """The tables, views and columns of an open database."""
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


# ----------------------------------------------------------------------------------------- acceptance


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


# -------------------------------------------------------------------------------------------- samples


class _Pieces:
    """A vocabulary to walk a grammar with: every byte, and its keywords and the names of a schema."""

    eos_token_id, bos_token_id = 256, None

    def __init__(self, grammar: str, schema: Schema) -> None:
        words = sorted({*re.findall(r"/([A-Z]{2,})\|", grammar)})
        names = [t.name for t in schema.tables] + [c.name for t in schema.tables for c in t.columns]
        spelled = [quote_identifier(name) for name in names]
        self.calls = {f"{word}(".encode() for word in words if word.lower() in FUNCTIONS}
        shapes = (" {}", "{} ", " {} ")
        self.words = {shape.format(word).encode() for word in words for shape in shapes}
        self.names = {name.encode() for name in spelled}
        self.tokens = [bytes([i]) for i in range(256)] + [b""]
        self.tokens += sorted(self.calls | self.words | self.names)
        self.special_token_ids = [256]

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode())

    def weight(self, token: bytes, depth: int, late: bool) -> float:
        """How likely a token is drawn; `late` ones end what is open."""
        if token in self.calls:
            return 0.02 if late else 0.1
        if token in self.words:
            word = token.strip()
            if word in (b"FROM", b"THEN", b"END", b"AS"):
                return 30.0
            rare = late or word == b"WITH" or (word == b"SELECT" and depth > 3)
            return 0.05 if rare else 1.0
        if token in self.names:
            return 6.0
        if token in (b")", b"'"):
            return 100.0 if late else 10.0
        if token in (b"(", b","):
            return 0.02 if late or depth > 4 else 1.0
        return {b"*": 0.2, b" ": 1.0, b"\n": 0.02, b".": 0.01}.get(token, 0.05)


def samples(schema: Schema, seed: int) -> Iterator[str]:
    """Statements of the grammar, drawn at random."""
    rng = random.Random(seed)
    grammar = sql_grammar(schema)
    pieces = _Pieces(grammar, schema)
    size = len(pieces.tokens)
    tokenizer = LLTokenizer(TokenizerWrapper(pieces), n_vocab=size, eos_token=[256])
    start = LLMatcher(tokenizer, '%llguidance {"no_forcing": true}\n' + grammar, log_level=0)
    while True:
        matcher, text, depth, soft = start.deep_copy(), b"", 0, rng.choice((20, 60, 120, 240))
        while len(text) < 600:
            bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
            allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little")[:size]).tolist()
            late = len(text) > soft
            if allowed == [256] or (256 in allowed and (late or rng.random() < 0.1)):
                yield text.decode()
                break
            allowed = [i for i in allowed if i != 256]
            weights = [pieces.weight(pieces.tokens[i], depth, late) for i in allowed]
            drawn = rng.choices(allowed, weights)[0]
            text += pieces.tokens[drawn]
            depth += pieces.tokens[drawn].count(b"(") - pieces.tokens[drawn].count(b")")
            matcher.consume_token(drawn)


def error_of(connection: sqlite3.Connection, sql: str) -> str:
    """What SQLite says when it compiles a statement; "" where it does."""
    try:
        connection.execute(f"EXPLAIN {sql}").close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        return str(error)
    return ""


def compile_samples(count: int) -> None:
    """Print how many samples compile, and the errors of the others by kind."""
    errors: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for seed, ddl in enumerate(SAMPLE_SCHEMAS):
        connection = sqlite3.connect(":memory:")
        connection.executescript(ddl)
        drawn = samples(schema_of(connection, "samples"), seed)
        for _ in range(count // len(SAMPLE_SCHEMAS)):
            sql = next(drawn)
            error = error_of(connection, sql)
            if error and not re.search(SCOPE, error):
                examples.setdefault(error, sql)
            scope = re.search(SCOPE, error)
            errors[f"scope: {scope[0]}" if scope else error or "compiled"] += 1
    for error, times in errors.most_common():
        print(f"{times:6} {error}")
        if error in examples:
            print(f"       {examples[error]}")


# ----------------------------------------------------------------------------------------------- time


def tokenizer_of(folder: str) -> Any:
    """A byte-level BPE tokenizer, as Qwen, SmolLM2 and Llama-3 have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if folder:
        return AutoTokenizer.from_pretrained(folder)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    tokenizer.train_from_iterator([f.read_text(errors="replace") for f in library], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")


def milliseconds(since: float) -> float:
    """Processor time (other processes may share the machine)."""
    return (time.process_time() - since) * 1e3


def measure(folder: str, quick: bool) -> dict[str, Any]:
    """Times over schemas that are new to the engine, by their number of tables."""
    from txt2sql.models.decoder import GrammarEngine
    from txt2sql.models.tokenizer import Vocabulary

    tokenizer = tokenizer_of(folder)
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
    """Measure and print; the last line of a run for time is JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer schemas, under a minute")
    parser.add_argument("--tokenizer", default="", help="a folder with a byte-level tokenizer")
    parser.add_argument("--acceptance", action="store_true", help="count accepted gold queries")
    parser.add_argument("--data", type=Path, default=os.environ.get("TXT2SQL_DATA"))
    parser.add_argument("--refused", type=Path, help="write what is not accepted to this file")
    parser.add_argument("--samples", type=int, default=0, help="compile so many random samples")
    options = parser.parse_args()
    if options.acceptance:
        if options.data is None:
            parser.error("name the folder of the data sets: --data DIR")
        acceptance(Path(options.data), options.refused)
    if options.samples:
        compile_samples(options.samples)
    if options.acceptance or options.samples:
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
