"""How much a model that reads answers back says in the vote, and what that is worth.

The exponents are fitted by maximum likelihood, that right answers have the most weight, on searched
trees of questions over databases that nobody was trained on. The accuracy that is told of each database
is of exponents fitted on the others.

>>> fit(trees, scores, empty=0.05)  # doctest: +SKIP
Exponents(policy=0.45, question=0.35)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from txt2sql.models.channel import Channel, Exponents, save_facts
from txt2sql.search.vote import Weights
from txt2sql.training.ppm import chosen_right
from txt2sql.training.ppm_pairs import Grown
from txt2sql.types import Example, Schema

_LEAST = 1e-30


def fit(trees: Sequence[Grown], scores: Sequence[Mapping[int, float]], empty: float) -> Exponents:
    """The exponents under which right answers have the most weight, by maximum likelihood, of trees that
    hold right and wrong ones; then the doubt, of all trees. 1 and 0 where there is nothing to fit.
    """
    known: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for tree, given in zip(trees, scores, strict=True):
        nodes = [(tree.nodes[i], score) for i, score in given.items()]
        if nodes:
            likely = [math.log(max(node.probability, _LEAST)) for node, _ in nodes]
            read = torch.tensor([score for _, score in nodes])
            says = [0.0 if node.says else math.log(max(empty, _LEAST)) for node, _ in nodes]
            right = torch.tensor([bool(node.right) for node, _ in nodes])
            known.append((torch.tensor(likely), read - read.max(), torch.tensor(says), right))
    mixed = [each for each in known if each[3].any() and not each[3].all()]
    if not mixed:
        return Exponents()

    def choice(logs: Tensor) -> Tensor:
        policy, question = logs.exp()
        cost = torch.zeros(())
        for likely, read, says, right in mixed:
            weights = policy * likely + question * read + says
            cost = cost + weights.logsumexp(0) - weights[right].logsumexp(0)
        return cost / len(mixed)

    policy, question = _least(choice, [0.5, 0.3])

    def surety(logs: Tensor) -> Tensor:
        cost = torch.zeros(())
        for likely, read, _, right in known:
            weights = policy * likely + question * read
            true = weights[right].logsumexp(0) if right.any() else logs[0]
            cost = cost + torch.cat([weights, logs]).logsumexp(0) - true
        return cost / len(known)

    (doubt,) = _least(surety, [0.1])
    return Exponents(round(policy, 4), round(question, 4), round(doubt, 4))


def _least(cost: Callable[[Tensor], Tensor], start: Sequence[float]) -> list[float]:
    """Positive numbers, whose logarithms `cost` takes, where it is least."""
    logs = torch.tensor(start).log().requires_grad_()
    optimizer = torch.optim.LBFGS([logs], max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = cost(logs)
        found.backward()
        return found

    optimizer.step(closure)
    return list(logs.detach().exp().tolist())


def read_back(
    channel: Channel,
    trees: Sequence[Grown],
    questions: Mapping[str, Example],
    schema: Callable[[str], Schema],
) -> list[dict[int, float]]:
    """By tree, the log-probability of its question given each answer that ran."""
    found = []
    for tree in trees:
        ran = [i for i in tree.answers if tree.nodes[i].sql and tree.nodes[i].result is not None]
        queries = [tree.nodes[i].sql or "" for i in ran]
        scores = channel.scores(questions[tree.question_id].question, queries, schema(tree.db_id))
        found.append(dict(zip(ran, scores, strict=True)))
    return found


def finish(
    channel: Channel,
    trees: Sequence[Grown],
    questions: Mapping[str, Example],
    schema: Callable[[str], Schema],
    weights: Weights,
    folder: Path,
) -> Channel:
    """Fit the exponents on trees of questions that nobody was trained on, say what the model is worth
    there, and make its folder whole.
    """
    scores = read_back(channel, trees, questions, schema)
    parts = _folds(trees)
    right = {"greedy": 0, "search": 0, "channel": 0, "oracle": 0}
    for part in parts:
        others = [i for other in parts if other is not part for i in other]
        known = fit([trees[i] for i in others], [scores[i] for i in others], weights.empty)
        mine = replace(weights, policy=known.policy, preference=known.question)
        for i in part:
            nodes = trees[i].nodes
            right["greedy"] += any(node.own and bool(node.right) for node in nodes)
            right["oracle"] += any(bool(node.right) for node in nodes)
            right["search"] += chosen_right(trees[i], {}, weights)
            right["channel"] += chosen_right(trees[i], scores[i], mine)
    measured = {name: count / max(1, len(trees)) for name, count in right.items()}
    exponents = fit(trees, scores, weights.empty)
    whole = replace(channel, exponents=exponents, measured={**measured, "n": len(trees)})
    save_facts(whole, folder)
    return whole


def _folds(trees: Sequence[Grown]) -> list[list[int]]:
    """The trees of each database."""
    names = sorted({tree.db_id for tree in trees})
    return [[i for i, tree in enumerate(trees) if tree.db_id == name] for name in names]
