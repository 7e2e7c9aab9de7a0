"""Pairs per second of `txt2sql synth` on Spider's training databases, on one core.

End to end: databases read, statements written and run, duplicates dropped. `ours` is pairs per second
of processor time, which other work on the machine does not change; `peer` is the same work without
running the statements. Also checked, on a sample: golds in their normal form, and what the grammar of
constrained decoding accepts.

    python benchmarks/synthesis.py [--data ROOT] [--pairs N] [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from llguidance import LLMatcher, LLTokenizer

from txt2sql.data import open_dataset
from txt2sql.data.synthesis import Pair, Source, summary, synthesise
from txt2sql.data.synthesis.contents import read_profile
from txt2sql.data.synthesis.questions import Author
from txt2sql.models.grammar import sql_grammar
from txt2sql.runs import hardware, versions
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.types import Schema

SAMPLE = 500


def written_only(sources: Sequence[Source], count: int, seed: int) -> float:
    """Questions per second without execution."""
    start = time.process_time()
    each = -(-count // len(sources))
    for source in sources:
        profile = read_profile(source.database, source.schema)
        if profile.why_silent() is None:
            author = Author(profile)
            for number in range(each):
                author.write(random.Random(f"{seed}/{number}"))
    return each * len(sources) / (time.process_time() - start)


def normal(pairs: Sequence[Pair], schemas: dict[str, Schema]) -> float:
    """The share of golds that are their own normal form."""
    own = sum(canonical_sql(pair.sql, schemas[pair.db_id]) == pair.sql for pair in pairs)
    return own / len(pairs)


def accepted(pairs: Sequence[Pair], schemas: dict[str, Schema]) -> tuple[float, list[str]]:
    """The share of golds that the grammar accepts byte by byte, and the first that it does not."""
    starts = {}
    wrong = []
    for pair in pairs:
        if pair.db_id not in starts:
            grammar = sql_grammar(schemas[pair.db_id])
            starts[pair.db_id] = LLMatcher(LLTokenizer("byte"), grammar, log_level=0)
        matcher = starts[pair.db_id].deep_copy()
        if not (matcher.consume_tokens(list(pair.sql.encode())) and matcher.is_accepting()):
            wrong.append(pair.sql)
    return 1 - len(wrong) / len(pairs), wrong[:5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="3,000 pairs, one round")
    options = parser.parse_args()
    dataset = open_dataset("spider", options.data)
    count, rounds = (3000, 1) if options.quick else (options.pairs, options.rounds)
    ids = dict.fromkeys(example.db_id for example in dataset.examples("train"))
    sources = [Source(dataset.database(db_id), dataset.schema(db_id)) for db_id in ids]
    speeds: list[float] = []
    peers: list[float] = []
    for number in range(rounds):
        start = time.process_time()
        pairs, report = synthesise(sources, count, seed=number)
        speeds.append(len(pairs) / (time.process_time() - start))
        peers.append(written_only(sources, count, number))
        print(f"{speeds[-1]:,.0f} pairs/s, {peers[-1]:,.0f} without execution")
    schemas = {source.schema.db_id: source.schema for source in sources}
    sample = random.Random(0).sample(pairs, min(SAMPLE, len(pairs)))
    share, wrong = accepted(sample, schemas)
    for sql in wrong:
        print(f"the grammar refuses {sql}")
    ours, peer = statistics.median(speeds), statistics.median(peers)
    print(
        json.dumps(
            {
                "name": "synthesis",
                "ours": round(ours, 1),
                "peer": round(peer, 1),
                "ratio": round(ours / peer, 2),
                "n": count,
                "unit": "pairs per second of processor time",
                "normal_form": normal(sample, schemas),
                "grammar": share,
                "statistics": summary(pairs, report),
                "machine": hardware(),
                "versions": versions(),
            }
        )
    )


if __name__ == "__main__":
    main()
