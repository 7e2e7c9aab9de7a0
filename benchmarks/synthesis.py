"""Pairs per second of `txt2sql synth` on Spider's training databases; and how shapes.txt is made.

`ours` is all cores, `peer` the same work in one process, alternating; both end to end: databases
read, statements executed, duplicates dropped. The figure is pairs per second of wall-clock time;
`processor_seconds` is what both spent together, for machines that are busy with other things.

    python benchmarks/synthesis.py [--data ROOT] [--pairs N] [--rounds N] [--quick]
    python benchmarks/synthesis.py --mine     # writes src/txt2sql/data/synthesis/shapes.txt anew
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from pathlib import Path

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.synthesis import Source, summary, synthesise
from txt2sql.data.synthesis.conditions import Unsayable
from txt2sql.data.synthesis.contents import read_facts
from txt2sql.data.synthesis.fill import Room, fill
from txt2sql.data.synthesis.grammar import level_of
from txt2sql.data.synthesis.mining import FILE, mine
from txt2sql.data.synthesis.plan import plan
from txt2sql.data.synthesis.questions import question
from txt2sql.data.synthesis.shape import Misfit, read
from txt2sql.runs import hardware, versions, write_atomically

SHAPES = Path(__file__).parents[1] / "src" / "txt2sql" / "data" / "synthesis" / FILE
HEADER = """\
# Shapes of the SQL queries in Spider's training split that occur at least {least} times and can be
# put into words: count, hardness, shape. Counts only; derived from Spider (Yu et al., EMNLP 2018),
# CC BY-SA 4.0, and under the same licence. Made by: python benchmarks/synthesis.py --mine
# golds: {total}
"""
LEAST = 2
TRIES = 400


def sources(dataset: Dataset, split: str) -> list[Source]:
    """The databases of a split."""
    ids = dict.fromkeys(example.db_id for example in dataset.examples(split))
    return [Source(dataset.database(db_id), dataset.schema(db_id)) for db_id in ids]


def mine_shapes(dataset: Dataset) -> None:
    """Count the shapes of the training split and keep those that some database can be asked."""
    counts, total = mine((e, dataset.schema(e.db_id)) for e in dataset.examples("train"))
    facts = [read_facts(source.database, source.schema) for source in sources(dataset, "train")]
    rooms = [Room(each) for each in facts if each.why_silent() is None]
    lines = []
    for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= LEAST and _can_be_said(text, rooms):
            lines.append(f"{count} {level_of(text)} {text}")
    kept = sum(int(line.split()[0]) for line in lines)
    write_atomically(SHAPES, HEADER.format(least=LEAST, total=total) + "\n".join(lines) + "\n")
    print(
        f"{len(lines)} of {len(counts)} shapes, of {kept / total:.1%} of {total} golds, in {SHAPES}"
    )


def _can_be_said(text: str, rooms: list[Room]) -> bool:
    try:
        planned = plan(read(text))
    except Misfit:
        return False
    rng = random.Random(text)
    for _ in range(TRIES):
        try:
            question(fill(planned, rng.choice(rooms), rng), rng)
        except (Misfit, Unsayable):
            continue
        return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="3,000 pairs, one round")
    parser.add_argument("--mine", action="store_true")
    options = parser.parse_args()
    dataset = open_dataset("spider", options.data)
    if options.mine:
        mine_shapes(dataset)
        return
    pairs, rounds = (3000, 1) if options.quick else (options.pairs, options.rounds)
    databases = sources(dataset, "train")
    cores = len(os.sched_getaffinity(0))
    speeds: dict[int, list[float]] = {cores: [], 1: []}
    processor: list[float] = []
    for number in range(rounds):
        for processes in (cores, 1):
            wall, used = time.perf_counter(), sum(os.times()[:4])
            made, report = synthesise(databases, pairs, seed=number, processes=processes)
            speeds[processes].append(len(made) / (time.perf_counter() - wall))
            processor.append(sum(os.times()[:4]) - used)
            print(f"{processes} processes: {speeds[processes][-1]:,.0f} pairs/s")
    found = summary(made, report)
    ours, peer = statistics.median(speeds[cores]), statistics.median(speeds[1])
    print(
        json.dumps(
            {
                "name": "synthesis",
                "ours": round(ours, 1),
                "peer": round(peer, 1),
                "ratio": round(ours / peer, 2),
                "n": pairs,
                "unit": "pairs per second",
                "processor_seconds": [round(seconds, 2) for seconds in processor],
                "statistics": found,
                "machine": hardware(),
                "versions": versions(),
            }
        )
    )


if __name__ == "__main__":
    main()
