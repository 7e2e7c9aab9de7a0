"""A searched tree as JSON, and as one HTML file: no server, no network, read with mouse, keys or screen reader.

The terminal, the HTML file and the web page draw the same JSON. The page draws it with tree.js and
tree.css, which the web page of the service loads too, so the file also carries the data. Arrow keys walk
the tree, Enter shows a step's details, `c` the chosen path; light and dark follow the system.

    {"format": 1, "question": ..., "sql": ..., "reason": ..., "nodes": [{"id", "step", "edges", ...}]}

>>> "<title>How many shops?" in as_html({"question": "How many shops?", "nodes": [], "path": []})
True
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from txt2sql.models.vote import Candidate
from txt2sql.search.mcts import Tree
from txt2sql.search.states import State

FORMAT = 1


def as_json(tree: Tree[State], candidates: Sequence[Candidate] = ()) -> dict[str, Any]:
    """A tree as plain JSON values; `candidates` are the vote's, best first."""
    numbers = {id(node): i for i, node in enumerate(tree.nodes)}
    chosen = candidates[0].sql if candidates else None
    winning = {answer.sql for answer in candidates[0].answers} if candidates else set()
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
    question = tree.root.state.question
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
                "answers": len(candidate.answers),
                "own": candidate.own,
                "visits": sum(answer.visits for answer in candidate.answers),
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


def as_html(tree: Mapping[str, Any]) -> str:
    """The page of one tree, from its JSON. What a model or a database wrote is text on it, never markup."""
    folder = resources.files("txt2sql.search")
    parts = {
        "title": html.escape(str(tree["question"])),
        "style": folder.joinpath("tree.css").read_text(encoding="utf-8"),
        "script": folder.joinpath("tree.js").read_text(encoding="utf-8"),
        "data": json.dumps(tree).replace("<", "\\u003c"),
    }
    page = folder.joinpath("tree.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)
