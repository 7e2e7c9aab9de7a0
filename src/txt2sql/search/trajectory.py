"""A searched tree as JSON, and the paths in it that training learns from.

The JSON is what people read too: the terminal, the HTML view and the web page draw it.

    {"format": 1, "question": ..., "sql": ..., "reason": ..., "nodes": [{"id", "parents", "step", ...}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from txt2sql.search.mcts import Edge, Tree
from txt2sql.search.state import State
from txt2sql.search.vote import Candidate

FORMAT = 1


@dataclass(frozen=True, slots=True)
class TrajectoryStep:
    """One step of a path: what stood before, the step, and what the search came to think of it."""

    before: str
    step: str
    visits: int
    value: float
    prior: float
    logprob: float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One whole path of a tree. `sql` is None where the path ends without a query."""

    question_id: str
    steps: tuple[TrajectoryStep, ...]
    sql: str | None
    text: str
    probability: float

    @property
    def value(self) -> float:
        """The mean value of its steps."""
        return sum(step.value for step in self.steps) / len(self.steps)


def trajectories(tree: Tree[State]) -> Iterator[Trajectory]:
    """Every path to a whole answer that was visited."""
    for path in tree.paths():
        end = path[-1].node
        if not end.terminal or not path[-1].visits:
            continue
        steps, before = [], tree.root.state
        for edge in path:
            steps.append(_step(before, edge))
            before = edge.node.state
        state = end.state
        yield Trajectory(
            state.asked.question.id, tuple(steps), state.sql, state.text, state.probability
        )


def _step(before: State, edge: Edge[State]) -> TrajectoryStep:
    state = edge.node.state
    return TrajectoryStep(
        before.text, state.step, edge.visits, edge.mean, edge.prior, state.logprob
    )


def as_json(tree: Tree[State], candidates: Sequence[Candidate] = ()) -> dict[str, Any]:
    """A tree as plain JSON values; `candidates` are the vote's, best first."""
    numbers = {id(node): i for i, node in enumerate(tree.nodes)}
    chosen = candidates[0].sql if candidates else None
    winning = {ballot.sql for ballot in candidates[0].ballots} if candidates else set()
    nodes: list[dict[str, Any]] = [
        {
            "id": i,
            "step": node.state.step,
            "kind": "answer" if node.terminal else "step",
            "value": _rounded(node.value),
            "probability": _rounded(node.state.probability),
            "score": _rounded(node.state.score),
            "sql": node.state.sql,
            "result": _result(node.state),
            "own": node is tree.first,
            "wins": node.terminal and node.state.sql in winning,
            "refused": [{"step": step, "reason": reason} for step, reason in node.refused],
            "edges": [
                {
                    "to": numbers[id(edge.node)],
                    "visits": edge.visits,
                    "q": _rounded(edge.mean),
                    "prior": _rounded(edge.prior),
                }
                for edge in node.edges or ()
            ],
        }
        for i, node in enumerate(tree.nodes)
    ]
    question = tree.root.state.asked.question
    return {
        "format": FORMAT,
        "question": question.text,
        "db_id": question.db_id,
        "sql": chosen,
        "simulations": tree.simulations,
        "expansions": tree.expansions,
        "tokens": tree.tokens,
        "seconds": _rounded(tree.seconds),
        "reason": tree.reason,
        "nodes": nodes,
        "path": _path(nodes, chosen),
        "candidates": [
            {
                "sql": candidate.sql,
                "score": _rounded(candidate.score),
                "answers": len(candidate.ballots),
                "own": candidate.own,
                "visits": sum(ballot.visits for ballot in candidate.ballots),
            }
            for candidate in candidates
        ],
    }


def _result(state: State) -> dict[str, Any] | None:
    result = state.result
    if result is None:
        return None
    return {
        "rows": len(result.rows),
        "says_something": result.says_something,
        "error": result.error,
    }


def _path(nodes: Sequence[dict[str, Any]], sql: str | None) -> list[int]:
    """The ids along the most visited way to the chosen answer, root first."""
    if sql is None:
        return []
    parents: dict[int, tuple[int, int]] = {}
    for node in nodes:
        for edge in node["edges"]:
            before = parents.get(edge["to"])
            if before is None or edge["visits"] > before[1]:
                parents[edge["to"]] = (node["id"], edge["visits"])
    ends = [node for node in nodes if node["kind"] == "answer" and node["sql"] == sql]
    at = max(ends, key=lambda node: node["probability"])["id"]
    path = [at]
    while at in parents:
        at = parents[at][0]
        path.append(at)
    return path[::-1]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
