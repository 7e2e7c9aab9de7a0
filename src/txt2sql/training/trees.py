"""Judged search trees, and the preference pairs in them, after rStar-Math (Guan et al. 2025, section 3.3).

At every prefix of a tree: better are the steps below which there is a right answer, those of the
highest Q first; worse are those below which there is a wrong one, of the lowest Q. Where both are
whole answers to one question, they are compared across the tree ("answer" pairs), as rStar-Math does
for its final step. All pairs of one prefix weigh together as much as one.

>>> tree = JudgedTree("q", "shop", (JudgedNode("", edges=((1, 3, 0.9), (2, 1, -1.0))),
...     JudgedNode("a", ended=True, right=True), JudgedNode("b", ended=True, right=False)))
>>> [(pair.better, pair.worse, pair.kind) for pair in pairs(tree)]
[(1, 2, 'reason'), (1, 2, 'answer')]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from txt2sql.models.vote import ScoredAnswer
from txt2sql.search.mcts import Tree
from txt2sql.search.states import State
from txt2sql.search.steps import clause
from txt2sql.types import QueryResult

Edge = tuple[int, int, float]
"""(number of the node, visits, Q)"""


@dataclass(frozen=True, slots=True)
class JudgedNode:
    """A state of a searched tree: `text` is the answer so far, `step` its last step.

    Of whole answers that were reached: whether they are `right`, and which of the tree's `result`s
    they have (None: it failed); `says`: it returned something. `own`: the greedy answer.
    """

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
        """The numbers of the whole answers that were reached."""
        return [i for i, node in enumerate(self.nodes) if node.right is not None]

    @property
    def solved(self) -> bool:
        """Whether some answer is right."""
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
    """Of each node, which outcomes the answers at and below it had."""

    @cache
    def of(number: int) -> frozenset[bool]:
        node = tree.nodes[number]
        own = frozenset() if node.right is None else frozenset((node.right,))
        return own.union(*(of(to) for to, _, _ in node.edges))

    return [of(number) for number in range(len(tree.nodes))]


def to_row(tree: JudgedTree) -> dict[str, Any]:
    """A tree as plain JSON values, without what is as it mostly is."""
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
    """What `to_row` wrote."""
    nodes = []
    for node in row["nodes"]:
        edges = tuple((int(to), int(visits), float(q)) for to, visits, q in node.get("edges", ()))
        nodes.append(JudgedNode(**{"text": "", **node, "edges": edges}))
    return JudgedTree(row["question_id"], row["db_id"], tuple(nodes), row["simulations"])
