"""Step-by-step traces from search, verified: every step compiles, the end is right by the one judge.

Field's name: CoT synthesis by search (rStar-Math, Guan et al. 2025); a trace is the clauses of one
answer, in order. Training questions are searched with the current policy, answers are judged against
gold (`evaluation.metrics.execution_accuracy`), and of the right ones those are kept that the search
thinks most of. Where the policy solves next to nothing, gold queries cut into clauses take their place.

`open_questions` alone opens a data set: its split `train` and no other, without the databases that are
held out.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import with_gold
from txt2sql.errors import ConfigError
from txt2sql.evaluation.metrics.exact_set_match import hardness
from txt2sql.runs import write_atomically
from txt2sql.search.steps import partial_fault, split_steps
from txt2sql.sql.spider import SpiderSchema
from txt2sql.sql.text import normalise
from txt2sql.training.data import is_held_out
from txt2sql.training.settings import SPLIT, RStarConfig
from txt2sql.training.trees import JudgedTree
from txt2sql.types import Example, QueryResult, Schema


@dataclass(frozen=True, slots=True)
class Questions:
    """The training questions of a data set: those to learn from, and those that only measure."""

    dataset: Dataset
    train_set: tuple[Example, ...]
    held_out: tuple[Example, ...]


def open_questions(config: RStarConfig) -> Questions:
    """The questions of a run. Raises ConfigError where nothing would be left to learn or measure."""
    dataset = open_dataset(config.dataset, config.data_root)
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example in with_gold(dataset, SPLIT):
        parts[is_held_out(example.db_id, config.evolution.held_out)].append(example)
    train_set, held_out = map(tuple, parts)
    if not train_set or not held_out:
        raise ConfigError(
            f"of '{dataset.name}' {len(train_set)} questions are left to learn from and "
            f"{len(held_out)} to measure on; choose another evolution.held_out"
        )
    return Questions(dataset, train_set, held_out)


@dataclass(frozen=True, slots=True)
class Trace:
    """One verified trace and where it comes from: "search", or "gold" where it was bootstrapped."""

    question_id: str
    db_id: str
    question: str
    evidence: str
    query: str
    steps: tuple[str, ...]
    hardness: str
    source: str
    q: float = 1.0
    probability: float = 0.0


def traces(tree: JudgedTree, example: Example, level: str, most: int) -> list[Trace]:
    """The best right answers of a tree, by mean Q of their steps and then by the lowest, as
    rStar-Math ranks them, then by probability; answers that mean the same once.
    """
    by_meaning: dict[str, tuple[tuple[float, float, float], Trace]] = {}
    stack: list[tuple[int, tuple[str, ...], tuple[float, ...]]] = [(0, (), ())]
    while stack:  # every visited path: (number of the node, steps, Q of each)
        number, steps, qs = stack.pop()
        node = tree.nodes[number]
        stack += [(to, (*steps, tree.nodes[to].step), (*qs, q)) for to, n, q in node.edges if n]
        if not node.right or not steps or node.sql is None:
            continue
        # Q of a step is the mean value of the simulations through it: a path of good Q is right for a reason.
        mean = sum(qs) / len(qs)
        rank = (mean, min(qs), node.probability)
        trace = Trace(
            example.id, example.db_id, example.question, example.evidence, node.sql, steps,
            level, "search", round(mean, 4), node.probability,
        )  # fmt: skip
        key = normalise(node.sql).lower()
        if key not in by_meaning or rank > by_meaning[key][0]:
            by_meaning[key] = (rank, trace)
    best = sorted(by_meaning.values(), key=lambda each: each[0], reverse=True)
    return [trace for _, trace in best[:most]]


def bootstrap(example: Example, schema: Schema, run: Callable[[str], QueryResult], level: str) -> Trace | None:  # fmt: skip
    """A gold query cut into clauses; None where a clause does not compile, or the query fails."""
    query = normalise(example.gold_sql)
    steps = split_steps(query)
    # Each prefix must run as a query of its own: a trace is learnt step by step.
    prefixes = (" ".join(steps[:count]) for count in range(1, len(steps)))
    faults = (partial_fault(prefix, schema, run) for prefix in prefixes)
    if any(fault is not None for fault in faults) or not run(query).ok:
        return None
    return Trace(
        example.id, example.db_id, example.question, example.evidence, query, tuple(steps), level, "gold"
    )  # fmt: skip


def hardness_of(example: Example, schema: Schema) -> str:
    """easy, medium, hard, extra; "other" for queries beyond Spider's subset of SQL."""
    tables = {
        table.name.lower(): tuple(c.name.lower() for c in table.columns) for table in schema.tables
    }
    return hardness(example.gold_sql, SpiderSchema(tables)) or "other"


def stratified(candidates: Iterable[Trace], most: int, seed: int) -> list[Trace]:
    """At most `most` traces: levels of hardness keep the shares they have, questions come before second
    traces of one, and what was bootstrapped comes last.
    """
    pools: dict[str, list[tuple[bool, int, float, Trace]]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    draw = random.Random(f"{seed} traces")
    for trace in candidates:
        # Found traces before gold ones, first traces before second ones, and chance among equals.
        order = (trace.source == "gold", seen[trace.question_id], draw.random())
        seen[trace.question_id] += 1
        pools[trace.hardness].append((*order, trace))
    total = sum(map(len, pools.values()))
    chosen: list[Trace] = []
    for level in sorted(pools):
        ranked = sorted(pools[level], key=lambda each: each[:3])
        share = len(ranked) if total <= most else max(1, round(most * len(ranked) / total))
        chosen += [trace for *_, trace in ranked[:share]]
    return chosen[:most]


def write_traces(chosen: Sequence[Trace], dataset: Dataset, folder: Path) -> None:
    """A folder in Spider's layout that fine-tuning reads: the traces as its split `train`, the tables
    and databases of the data set they come from, and `traces.jsonl` with the provenance of each.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    rows = [
        {"db_id": t.db_id, "question": t.question, "evidence": t.evidence, "query": t.query}
        for t in chosen
    ]
    write_atomically(part / f"{SPLIT}.json", json.dumps(rows, indent=1) + "\n")
    lines = "".join(json.dumps(asdict(trace)) + "\n" for trace in chosen)
    write_atomically(part / "traces.jsonl", lines)
    for name in ("tables.json", "database"):
        if (source := (dataset.root / name).resolve()).exists():
            os.symlink(source, part / name)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
