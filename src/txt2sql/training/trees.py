"""Judged search trees; the preference pairs and the verified traces in them, after rStar-Math (Guan et al. 2025).

At every prefix of a tree: better are the steps below which there is a right answer, those of the
highest Q first; worse are those below which there is a wrong one, of the lowest Q. Whole answers to one
question are compared across the tree, too. All pairs of one prefix weigh together as much as one.

A trace is the clauses of one right answer, in order: every step compiles, the end is right by the one
judge. `open_questions` alone opens a data set: its split `train`, without the databases held out.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import with_gold
from txt2sql.errors import ConfigError
from txt2sql.models.adapters import whole_folder
from txt2sql.models.vote import ScoredAnswer
from txt2sql.runs import write_atomically
from txt2sql.search.mcts import Tree
from txt2sql.search.states import State
from txt2sql.search.steps import clause, partial_fault, split_steps
from txt2sql.sql.text import normalise
from txt2sql.training.data import is_held_out
from txt2sql.training.settings import SPLIT, RStarConfig
from txt2sql.types import Example, QueryResult, Schema

Edge = tuple[int, int, float]  # (number of the node, visits, Q)


@dataclass(frozen=True, slots=True)
class JudgedNode:
    """A state of a searched tree. Of whole answers that were reached: whether they are `right`,
    which of the tree's `result`s they have (None: it failed), and whether that `says` something.
    `own`: the greedy answer."""

    text: str
    step: str = ""
    ended: bool = False
    right: bool | None = None
    sql: str | None = None
    probability: float = 0.0
    own: bool = False
    result: int | None = None
    says: bool = False
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedTree:
    """The tree of one training question; the root is the first of `nodes`."""

    question_id: str
    db_id: str
    nodes: tuple[JudgedNode, ...]
    simulations: int = 0

    @property
    def answers(self) -> list[int]:
        return [i for i, node in enumerate(self.nodes) if node.right is not None]

    @property
    def solved(self) -> bool:
        return any(node.right for node in self.nodes)

    def ballots(self, scores: dict[int, float] | None = None) -> list[ScoredAnswer]:
        """What the final vote gets of this tree; results are told apart by their numbers."""
        ballots = []
        for i in self.answers:
            node, result = self.nodes[i], QueryResult()
            if node.result is None:
                result = QueryResult(error="failed")
            elif node.says:
                result = QueryResult(("n",), ((node.result,),))
            score = (scores or {}).get(i, 0.0)
            ballots.append(
                ScoredAnswer(str(i), node.probability, 1, result, own=node.own, score=score)
            )
        return ballots


@dataclass(frozen=True, slots=True)
class Pair:
    """Two nodes of one tree; `kind` is the clause of the better step, or "answer"."""

    better: int
    worse: int
    weight: float
    kind: str


def judged(tree: Tree[State], right: Callable[[State], bool]) -> JudgedTree:
    """What training needs of a tree; `right` judges whole answers."""
    numbers = {id(node): i for i, node in enumerate(tree.nodes)}
    results: dict[Any, int] = {}
    nodes = []
    for each in tree.nodes:
        state = each.state
        node = JudgedNode(
            text=state.text, step=state.step, ended=each.terminal, sql=state.sql,
            probability=round(state.probability, 8), own=each is tree.first,
            edges=tuple(
                (numbers[id(edge.node)], edge.visits, round(edge.mean, 5))
                for edge in each.edges or ()
            ),
        )  # fmt: skip
        if each.terminal and (result := state.result) is not None:
            node = replace(node, right=right(state))
            if result.ok:
                number = results.setdefault(result.key, len(results))
                node = replace(node, result=number, says=bool(result.says_something))
        nodes.append(node)
    question = tree.root.state.question
    return JudgedTree(question.id, question.db_id, tuple(nodes), tree.simulations)


def pairs(tree: JudgedTree, margin: float = 0.5, per_side: int = 2) -> list[Pair]:
    """The pairs of a tree: at each prefix at most `per_side` better and as many worse steps."""
    outcomes = _outcomes(tree)
    chosen: list[Pair] = []
    for node in tree.nodes:
        edges = sorted((e for e in node.edges if e[1]), key=lambda e: (-e[2], e[0]))
        # A step may lead to right and to wrong answers: then it can be either, and Q decides.
        better = [e for e in edges if True in outcomes[e[0]]][:per_side]
        worse = [e for e in reversed(edges) if False in outcomes[e[0]]][:per_side]
        sides = ((b, w) for b in better for w in worse if b[0] != w[0])
        apart = [(b[0], w[0]) for b, w in sides if b[2] - w[2] >= margin]
        chosen += [Pair(b, w, 1 / len(apart), clause(tree.nodes[b].step)) for b, w in apart]
    # Whole answers are compared across the tree, the likeliest first: those the vote has to tell apart.
    ranked = sorted(tree.answers, key=lambda i: -tree.nodes[i].probability)
    right = [i for i in ranked if tree.nodes[i].right][: 2 * per_side]
    wrong = [i for i in ranked if not tree.nodes[i].right][: 2 * per_side]
    weight = 1 / max(1, len(right) * len(wrong))
    return [*chosen, *(Pair(b, w, weight, "answer") for b in right for w in wrong)]


def _outcomes(tree: JudgedTree) -> list[frozenset[bool]]:
    @cache
    def of(number: int) -> frozenset[bool]:
        node = tree.nodes[number]
        own = frozenset() if node.right is None else frozenset((node.right,))
        return own.union(*(of(to) for to, _, _ in node.edges))

    return [of(number) for number in range(len(tree.nodes))]


def to_row(tree: JudgedTree) -> dict[str, Any]:
    usual = asdict(JudgedNode(""))
    rows = [
        {name: value for name, value in asdict(node).items() if value != usual[name]}
        for node in tree.nodes
    ]
    return {**asdict(tree), "nodes": rows}


def solved(row: dict[str, Any]) -> bool:
    """`JudgedTree.solved` of what `to_row` wrote, without the rest of it."""
    return any(node.get("right") for node in row["nodes"])


def from_row(row: dict[str, Any]) -> JudgedTree:
    nodes = []
    for node in row["nodes"]:
        edges = tuple((int(to), int(visits), float(q)) for to, visits, q in node.get("edges", ()))
        nodes.append(JudgedNode(**{"text": "", **node, "edges": edges}))
    return JudgedTree(row["question_id"], row["db_id"], tuple(nodes), row["simulations"])


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
    source: str
    q: float = 1.0
    probability: float = 0.0


def traces(tree: JudgedTree, example: Example, most: int) -> list[Trace]:
    """The best right answers of a tree, by mean Q of their steps and then by the lowest, as
    rStar-Math ranks them, then by probability; answers that mean the same once."""
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
            "search", round(mean, 4), node.probability,
        )  # fmt: skip
        key = normalise(node.sql).lower()
        if key not in by_meaning or rank > by_meaning[key][0]:
            by_meaning[key] = (rank, trace)
    best = sorted(by_meaning.values(), key=lambda each: each[0], reverse=True)
    return [trace for _, trace in best[:most]]


def bootstrap(example: Example, schema: Schema, run: Callable[[str], QueryResult]) -> Trace | None:
    """A gold query cut into clauses; None where a clause does not compile, or the query fails."""
    query = normalise(example.gold_sql)
    steps = split_steps(query)
    # Each prefix must run as a query of its own: a trace is learnt step by step.
    prefixes = (" ".join(steps[:count]) for count in range(1, len(steps)))
    faults = (partial_fault(prefix, schema, run) for prefix in prefixes)
    if any(fault is not None for fault in faults) or not run(query).ok:
        return None
    question = (example.id, example.db_id, example.question, example.evidence)
    return Trace(*question, query, tuple(steps), "gold")


def chosen_traces(candidates: Iterable[Trace], most: int, seed: int) -> list[Trace]:
    """At most `most` traces: what was bootstrapped comes last, second traces of a question come
    after the first ones of all, and chance decides among equals."""
    draw, seen = random.Random(f"{seed} traces"), Counter[str]()
    ranked: list[tuple[bool, int, float, Trace]] = []
    for trace in candidates:
        ranked.append((trace.source == "gold", seen[trace.question_id], draw.random(), trace))
        seen[trace.question_id] += 1
    return [trace for *_, trace in sorted(ranked, key=lambda each: each[:3])[:most]]


def write_traces(chosen: Sequence[Trace], dataset: Dataset, folder: Path) -> None:
    """A folder in Spider's layout that fine-tuning reads: the traces as its split `train`, tables
    and databases of their data set, and `traces.jsonl` with the provenance of each."""
    rows = [
        {"db_id": t.db_id, "question": t.question, "evidence": t.evidence, "query": t.query}
        for t in chosen
    ]
    with whole_folder(folder) as part:
        write_atomically(part / f"{SPLIT}.json", json.dumps(rows, indent=1) + "\n")
        lines = "".join(json.dumps(asdict(trace)) + "\n" for trace in chosen)
        write_atomically(part / "traces.jsonl", lines)
        for name in ("tables.json", "database"):
            if (source := (dataset.root / name).resolve()).exists():
                os.symlink(source, part / name)
