"""A searched tree as JSON, and as one HTML file: no server, no network, read with mouse, keys or screen reader.

The terminal, the HTML file and the web page draw the same JSON, both pages with tree.js and tree.css.

    {"format": 1, "question": ..., "sql": ..., "reason": ..., "nodes": [{"id", "step", "edges", ...}]}
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from txt2sql.models.vote import Candidate
from txt2sql.search.mcts import Node, Tree
from txt2sql.search.states import State


def as_json(tree: Tree[State], candidates: Sequence[Candidate] = ()) -> dict[str, Any]:
    """A tree as plain JSON values; `candidates` are the vote's, best first."""
    chosen = candidates[0].sql if candidates else None
    winning = {answer.sql for answer in candidates[0].answers} if candidates else set()
    numbers = {id(node): i for i, node in enumerate(tree.nodes)}
    question = tree.root.state.question
    return {
        "format": 1,
        "question": question.text,
        "db_id": question.db_id,
        "sql": chosen,
        "simulations": tree.simulations,
        "expansions": tree.expansions,
        "tokens": tree.tokens,
        "seconds": round(tree.seconds, 5),
        "reason": tree.reason,
        "nodes": [
            {
                **_node(node, numbers),
                "own": node is tree.first,
                "wins": node.terminal and node.state.sql in winning,
            }
            for node in tree.nodes
        ],
        "path": _path(tree, numbers, chosen),
        "candidates": [
            {
                "sql": candidate.sql,
                "score": round(candidate.score, 5),
                "answers": len(candidate.answers),
                "own": candidate.own,
                "visits": sum(answer.visits for answer in candidate.answers),
            }
            for candidate in candidates
        ],
    }


def _node(node: Node[State], numbers: Mapping[int, int]) -> dict[str, Any]:
    state, result = node.state, node.state.result
    return {
        "id": numbers[id(node)],
        "step": state.step,
        "kind": "answer" if node.terminal else "step",
        "value": node.value and round(node.value, 5),
        "probability": round(state.probability, 5),
        "score": state.score and round(state.score, 5),
        "sql": state.sql,
        "result": None
        if result is None
        else {
            "rows": len(result.rows),
            "says_something": result.says_something,
            "error": result.error,
        },
        "refused": [{"step": step, "reason": reason} for step, reason in node.refused],
        "edges": [
            {
                "to": numbers[id(edge.node)],
                "visits": edge.visits,
                "q": round(edge.mean, 5),
                "prior": round(edge.prior, 5),
            }
            for edge in node.edges or ()
        ],
    }


def _path(tree: Tree[State], numbers: Mapping[int, int], sql: str | None) -> list[int]:
    parents: dict[int, tuple[int, Node[State]]] = {}
    for node in tree.nodes:
        for edge in node.edges or ():
            if id(edge.node) not in parents or edge.visits > parents[id(edge.node)][0]:
                parents[id(edge.node)] = edge.visits, node
    ends = [node for node in tree.nodes if node.terminal and node.state.sql == sql]
    if sql is None or not ends:
        return []
    path = [max(ends, key=lambda node: node.state.probability)]
    while id(path[-1]) in parents:
        path.append(parents[id(path[-1])][1])
    return [numbers[id(node)] for node in reversed(path)]


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
