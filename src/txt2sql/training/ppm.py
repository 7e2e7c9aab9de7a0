"""Training of the process preference model: Bradley-Terry on pairs of steps, then a scale and a vote.

Source: rStar-Math (Guan et al. 2025), loss -log sigmoid(better - worse) over pairs from search trees
(`ppm_pairs`). The head reads hidden states of the frozen policy, all steps of a tree in one forward
pass (`models.ppm.tree_states`). What the head was not trained on, a share of the databases, then says

- which epoch to keep, by its loss,
- the scale of scores: tanh(s / 5) is the reward to be expected (Platt 1999 on whole answers),
- how much the head counts beside the policy in the final vote.

With `shuffled`, which of a pair is the better is drawn at random: the control that a gain is held against.

>>> preference = train(policy, trees, prompts, PPMSettings())  # doctest: +SKIP
>>> preference.measured["pair_accuracy"]  # doctest: +SKIP
{'all': 0.81, 'answer': 0.84, 'select': 0.77, 'where': 0.8}
"""

from __future__ import annotations

import copy
import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import Preference, PreferenceHead, TokenTree, answer_ids, tree_states
from txt2sql.search.vote import Weights, choose
from txt2sql.training.ppm_pairs import Grown, Pair, pairs
from txt2sql.training.rstar_settings import PPMSettings
from txt2sql.training.tracking import Progress, silent
from txt2sql.types import Prompt

VOTES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
"""Weights in the vote that are tried; of equally good ones the lowest is taken."""
_TEMPERATURE = 5.0
_WEIGHTS = Weights()
_BATCH = 64


class Sides(NamedTuple):
    """Rows of the better and of the worse steps, the weights of the pairs, and by how much the policy
    thinks the better ones likelier (difference of log-probabilities).
    """

    better: Tensor
    worse: Tensor
    weights: Tensor
    leads: Tensor


@dataclass(slots=True)
class Read:
    """Trees with the hidden states of the nodes that count: `rows` maps (tree, node) to `states`."""

    trees: list[Grown]
    states: Tensor
    rows: dict[tuple[int, int], int]
    pairs: list[tuple[int, Pair]]
    """(number of the tree, pair)"""

    def sides(self, flip: random.Random | None = None) -> Sides:
        """The pairs as tensors; exchanged at random with `flip`."""
        rows: list[list[int]] = []
        weights, leads = [], []
        for tree, pair in self.pairs:
            sides = [pair.better, pair.worse]
            if flip is not None and flip.random() < 0.5:
                sides.reverse()
            rows.append([self.rows[tree, number] for number in sides])
            weights.append(pair.weight)
            likely, less = (max(self.trees[tree].nodes[n].probability, 1e-8) for n in sides)
            leads.append(math.log(likely / less))
        better, worse = torch.tensor(rows).T if rows else torch.zeros(2, 0, dtype=torch.long)
        return Sides(better, worse, torch.tensor(weights), torch.tensor(leads))


def read(
    policy: Decoder,
    trees: Sequence[Grown],
    prompts: Callable[[Grown], Prompt],
    found: Callable[[Grown], list[Pair]],
    progress: Progress = silent,
    label: str = "reading trees",
    *,
    answers: bool = True,
) -> Read:
    """The hidden states of paired steps, and of all `answers`, one forward pass for each tree that has
    some.
    """
    model: Any = getattr(policy.engine, "model", None)  # of a TorchEngine
    kept: list[Grown] = []
    states: list[Tensor] = []
    rows: dict[tuple[int, int], int] = {}
    all_pairs: list[tuple[int, Pair]] = []
    count = 0
    with progress(label, len(trees)) as advance:
        for tree in trees:
            its = found(tree)
            paired = {n for pair in its for n in (pair.better, pair.worse)}
            wanted = sorted(paired.union(tree.answers if answers else ()))
            if wanted:
                tokens = TokenTree()
                ends = [
                    tokens.add(answer_ids(policy.vocabulary, node.text, node.ended))
                    for node in (tree.nodes[number] for number in wanted)
                ]
                with torch.no_grad():
                    hidden = tree_states(model, policy.encode(prompts(tree))[0], tokens)
                states.append(hidden[ends].float().cpu())
                for number in wanted:
                    rows[len(kept), number] = count
                    count += 1
                all_pairs += [(len(kept), pair) for pair in its]
                kept.append(tree)
            advance(f"{len(all_pairs)} pairs")
    size = int(model.config.hidden_size)
    together = torch.cat(states) if states else torch.zeros(0, size)
    return Read(kept, together, rows, all_pairs)


def validates(db_id: str, share: float) -> bool:
    """Whether a database fits scale and vote instead of the head."""
    return random.Random(f"preference {db_id}").random() < share


def train(
    policy: Decoder,
    trees: Sequence[Grown],
    prompts: Callable[[Grown], Prompt],
    settings: PPMSettings,
    seed: int = 0,
    progress: Progress = silent,
) -> Preference | None:
    """The preference model of a policy; None where the trees hold no pair to learn from."""

    def found(tree: Grown) -> list[Pair]:
        return pairs(tree, settings.margin, settings.per_side)

    kept = [tree for tree in trees if not validates(tree.db_id, settings.validation)]
    rest = [tree for tree in trees if validates(tree.db_id, settings.validation)]
    learnt = read(policy, kept, prompts, found, progress, answers=False)
    if not learnt.pairs:
        return None
    checked = read(policy, rest, prompts, found, progress, "reading trees to check with")
    unseen = bool(checked.pairs)
    if not unseen:  # so few databases that none is left to check with
        checked = read(policy, kept, prompts, found, progress)
    head = fit(learnt, checked, settings, seed)
    scale(head, checked)
    vote = vote_weight(head, checked) if unseen else 0.0  # no evidence, no say
    measured = {
        "pairs": len(learnt.pairs),
        "checked_pairs": len(checked.pairs),
        "shuffled": settings.shuffled,
        "unseen": unseen,
        "pair_accuracy": pair_accuracy(head, checked),
        "reliability": reliability(head, checked),
    }
    return Preference(head, vote, measured)


def fit(learnt: Read, checked: Read, settings: PPMSettings, seed: int = 0) -> PreferenceHead:
    """The head of the epoch with the least loss on `checked`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        size = learnt.states.shape[1]
        head = PreferenceHead(size, settings.width, settings.dropout)
        optimizer = torch.optim.AdamW(
            head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        flip = random.Random(f"{seed} shuffled") if settings.shuffled else None
        sides = learnt.sides(flip)
        check = checked.sides(random.Random(f"{seed} check") if settings.shuffled else None)
        best, kept = math.inf, copy.deepcopy(head.state_dict())
        for _ in range(settings.epochs):
            head.train()
            for batch in torch.randperm(len(sides.better)).split(_BATCH):
                optimizer.zero_grad()
                _cost(head, learnt, Sides(*(each[batch] for each in sides)), settings).backward()
                optimizer.step()
            head.eval()
            with torch.no_grad():
                now = float(_cost(head, checked, check, settings))
            if now < best:
                best, kept = now, copy.deepcopy(head.state_dict())
        head.load_state_dict(kept)
    return head.eval()


def _cost(head: PreferenceHead, found: Read, sides: Sides, settings: PPMSettings) -> Tensor:
    margin = head.raw(found.states[sides.better]) - head.raw(found.states[sides.worse])
    return loss(margin + settings.residual * sides.leads, sides.weights)


def loss(margin: Tensor, weights: Tensor) -> Tensor:
    """Bradley-Terry: -log sigmoid of (better - worse), by weight."""
    return -(weights * functional.logsigmoid(margin)).sum() / weights.sum()


def _answers(found: Read) -> tuple[Tensor, Tensor]:
    """(rows, 1.0 for right) of all whole answers."""
    places = [(i, n) for i, tree in enumerate(found.trees) for n in tree.answers]
    rows = torch.tensor([found.rows[place] for place in places], dtype=torch.long)
    right = torch.tensor([float(bool(found.trees[i].nodes[n].right)) for i, n in places])
    return rows, right


def scale(head: PreferenceHead, checked: Read) -> None:
    """Platt scaling: tanh(s / 5) = 2 P(right) - 1. Left as it is where all answers are alike."""
    rows, right = _answers(checked)
    if not 0 < float(right.sum()) < len(right):
        return
    with torch.no_grad():
        raw = head.raw(checked.states[rows]).double()
    spread, middle = float(raw.std()) or 1.0, float(raw.mean())
    slope_shift = torch.tensor([1.0, 0.0], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([slope_shift], max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        # The log of the slope is fitted: a preference may be weak, never turned around.
        logits = slope_shift[0].exp() * (raw - middle) / spread + slope_shift[1]
        cost = functional.binary_cross_entropy_with_logits(logits, right.double())
        cost = cost + 1e-3 * (slope_shift**2).sum()
        cost.backward()
        return cost

    optimizer.step(closure)
    log_slope, shift = slope_shift.detach().tolist()
    slope = math.exp(log_slope) / spread
    half = _TEMPERATURE / 2
    head.scale.fill_(half * slope)
    head.shift.fill_(half * (shift - slope * middle))


def scores(head: PreferenceHead, found: Read) -> list[dict[int, float]]:
    """By tree, the expected reward in (-1, 1) of each whole answer."""
    rows, _ = _answers(found)
    with torch.no_grad():
        values = torch.tanh(head(found.states[rows]) / _TEMPERATURE).tolist()
    result: list[dict[int, float]] = [{} for _ in found.trees]
    places = ((i, n) for i, tree in enumerate(found.trees) for n in tree.answers)
    for (i, n), value in zip(places, values, strict=True):
        result[i][n] = value
    return result


def chosen_right(tree: Grown, given: dict[int, float], weights: Weights) -> bool:
    """Whether the vote would choose a right answer."""
    candidates = choose(tree.ballots(given), weights)
    return bool(candidates) and bool(tree.nodes[int(candidates[0].sql)].right)


def vote_weight(head: PreferenceHead, checked: Read, weights: Weights = _WEIGHTS) -> float:
    """The one of VOTES with which the most questions are answered rightly."""
    given = scores(head, checked)

    def right(weight: float) -> int:
        tried = replace(weights, preference=weight)
        return sum(chosen_right(t, g, tried) for t, g in zip(checked.trees, given, strict=True))

    return max(VOTES, key=lambda weight: (right(weight), -weight))


def pair_accuracy(head: PreferenceHead, found: Read) -> dict[str, list[float]]:
    """By kind of step and in all: [share of pairs in the right order, number of pairs]."""
    better, worse, *_ = found.sides()
    with torch.no_grad():
        right = head.raw(found.states[better]) > head.raw(found.states[worse])
    marks: dict[str, list[bool]] = defaultdict(list)
    for (_, pair), mark in zip(found.pairs, right.tolist(), strict=True):
        marks[pair.kind].append(mark)
        marks["all"].append(mark)
    return {kind: [sum(m) / len(m), len(m)] for kind, m in sorted(marks.items())}


def reliability(head: PreferenceHead, found: Read, bins: int = 10) -> list[list[float]]:
    """[mean expected probability, share that is right, number] of answers, in bins by expectation."""
    expected, right = [], []
    for tree, given in zip(found.trees, scores(head, found), strict=True):
        for number, value in given.items():
            expected.append((value + 1) / 2)
            right.append(bool(tree.nodes[number].right))
    rows: Mapping[int, list[int]] = defaultdict(list)
    for i, value in enumerate(expected):
        rows[min(bins - 1, int(value * bins))].append(i)
    return [
        [sum(expected[i] for i in r) / len(r), sum(right[i] for i in r) / len(r), len(r)]
        for _, r in sorted(rows.items())
    ]


def facts(preference: Preference | None) -> dict[str, Any]:
    """What a table of rounds says of a preference model."""
    if preference is None:
        return {"pairs": 0, "ppm_accuracy": None, "vote": 0.0}
    accuracy = preference.measured["pair_accuracy"]
    return {
        "pairs": preference.measured["pairs"],
        "ppm_accuracy": accuracy["all"][0] if preference.measured["unseen"] else None,
        "vote": preference.vote,
    }
