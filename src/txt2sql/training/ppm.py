"""Training of the process preference model: Bradley-Terry on pairs of steps, then a scale and a vote.

After rStar-Math (Guan et al. 2025), loss -log sigmoid(better - worse) over pairs from search trees. The
head reads hidden states of the frozen policy, as a search does. Databases that it was not trained on say
which epoch to keep, the scale of scores (tanh(s / 5) is the reward to be expected) and how much the head
counts in the final vote. With `shuffled`, which of a pair is the better is drawn at random: the control.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import Preference, PreferenceHead, step_states
from txt2sql.models.vote import Weights, choose
from txt2sql.training.loop import Progress, silent
from txt2sql.training.settings import PPMSettings
from txt2sql.training.trees import JudgedTree, Pair, pairs
from txt2sql.types import Prompt

VOTES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
"""Weights in the vote that are tried; of equally good ones the lowest is taken."""
_TEMPERATURE = 5.0
_BATCH = 64


@dataclass(slots=True)
class TreeStates:
    """Trees with hidden states (rows, size) of the nodes that count."""

    trees: list[JudgedTree]
    states: Tensor
    rows: dict[tuple[int, int], int]  # (tree, node) -> row
    pairs: list[tuple[int, Pair]]  # (tree, pair)

    def sides(self, flip: random.Random | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(rows of the better steps, of the worse, weights), each (pairs,); with `flip`, better and
        worse are exchanged at random."""
        rows = [[self.rows[t, pair.better], self.rows[t, pair.worse]] for t, pair in self.pairs]
        if flip is not None:
            rows = [sides[::-1] if flip.random() < 0.5 else sides for sides in rows]
        better, worse = torch.tensor(rows, dtype=torch.long).reshape(-1, 2).T
        return better, worse, torch.tensor([pair.weight for _, pair in self.pairs])

    def answers(self) -> tuple[list[tuple[int, int]], Tensor, Tensor]:
        """((tree, node) of all whole answers, their rows, 1.0 for the right ones)."""
        nodes = [(i, n) for i, tree in enumerate(self.trees) for n in tree.answers]
        rows = torch.tensor([self.rows[each] for each in nodes], dtype=torch.long)
        right = torch.tensor([float(bool(self.trees[i].nodes[n].right)) for i, n in nodes])
        return nodes, rows, right


def read(
    policy: Decoder, trees: Sequence[JudgedTree], prompts: Callable[[JudgedTree], Prompt],
    settings: PPMSettings, progress: Progress = silent, label: str = "reading trees",
) -> TreeStates:  # fmt: skip
    """The hidden states of paired steps and of all answers, one forward pass for each tree."""
    model: Any = getattr(policy.engine, "model", None)  # of a TorchEngine
    result = TreeStates([], torch.zeros(0, int(model.config.hidden_size)), {}, [])
    states: list[Tensor] = []
    with progress(label, len(trees)) as advance:
        for tree in trees:
            chosen = pairs(tree, settings.margin, settings.per_side)
            numbers = {n for pair in chosen for n in (pair.better, pair.worse)}.union(tree.answers)
            if numbers:
                steps = []
                for number in sorted(numbers):
                    steps.append((tree.nodes[number].text, tree.nodes[number].ended))
                    result.rows[len(result.trees), number] = len(result.rows)
                states.append(step_states(policy, prompts(tree), steps))
                result.pairs += [(len(result.trees), pair) for pair in chosen]
                result.trees.append(tree)
            advance(f"{len(result.pairs)} pairs")
    if states:
        result.states = torch.cat(states)
    return result


def train(
    policy: Decoder, trees: Sequence[JudgedTree], prompts: Callable[[JudgedTree], Prompt],
    settings: PPMSettings, seed: int = 0, progress: Progress = silent,
) -> Preference | None:  # fmt: skip
    """The preference model of a policy; None where the trees hold no pair to learn from."""

    def validates(tree: JudgedTree) -> bool:
        return random.Random(f"preference {tree.db_id}").random() < settings.validation

    parts = [[tree for tree in trees if validates(tree) is held] for held in (False, True)]
    train_set = read(policy, parts[0], prompts, settings, progress)
    if not train_set.pairs:
        return None
    validation = read(policy, parts[1], prompts, settings, progress, "reading trees to validate")
    unseen = bool(validation.pairs)
    if not unseen:  # so few databases that none is left to validate on
        validation = train_set
    head = fit(train_set, validation, settings, seed)
    scale(head, validation)
    vote = vote_weight(head, validation) if unseen else 0.0  # no evidence, no say
    facts = {
        "pairs": len(train_set.pairs),
        "checked_pairs": len(validation.pairs),
        "shuffled": settings.shuffled,
        "unseen": unseen,
        "pair_accuracy": pair_accuracy(head, validation),
    }
    return Preference(head, vote, facts)


def fit(
    train_set: TreeStates, validation: TreeStates, settings: PPMSettings, seed: int = 0
) -> PreferenceHead:
    """The head of the epoch with the least loss on the validation set."""

    def loss(trees: TreeStates, better: Tensor, worse: Tensor, weights: Tensor) -> Tensor:
        margin = head.raw(trees.states[better]) - head.raw(trees.states[worse])
        # Bradley-Terry: -log P(better beats worse), each prefix of a tree weighing the same.
        return -(weights * functional.logsigmoid(margin)).sum() / weights.sum()

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = PreferenceHead(train_set.states.shape[1], settings.width, settings.dropout)
        optimizer = torch.optim.AdamW(
            head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        # The control: a head that learns from shuffled pairs must order unseen ones no better than chance.
        flip = random.Random(f"{seed} shuffled") if settings.shuffled else None
        sides, held_out = train_set.sides(flip), validation.sides(flip)
        best, weights = math.inf, copy.deepcopy(head.state_dict())
        for _ in range(settings.epochs):
            head.train()
            for batch in torch.randperm(len(sides[0])).split(_BATCH):
                optimizer.zero_grad()
                loss(train_set, *(each[batch] for each in sides)).backward()
                optimizer.step()
            head.eval()
            with torch.no_grad():
                now = float(loss(validation, *held_out))
            # Early stopping by loss on databases that the head was not trained on.
            if now < best:
                best, weights = now, copy.deepcopy(head.state_dict())
        head.load_state_dict(weights)
    return head.eval()


def scale(head: PreferenceHead, validation: TreeStates) -> None:
    """Platt scaling: tanh(s / 5) = 2 P(right) - 1. Left as it is where all answers are alike."""
    _, rows, right = validation.answers()
    if not 0 < float(right.sum()) < len(right):
        return
    with torch.no_grad():
        raw = head.raw(validation.states[rows]).double()
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
    # tanh(s / 5) = 2 sigmoid(2 s / 5) - 1, so that s is half the temperature times the logit.
    half = _TEMPERATURE / 2
    head.scale.fill_(half * slope)
    head.shift.fill_(half * (shift - slope * middle))


def vote_weight(head: PreferenceHead, validation: TreeStates) -> float:
    """The one of VOTES with which the most questions are answered rightly."""
    nodes, rows, _ = validation.answers()
    with torch.no_grad():
        # (answers,): the expected reward in (-1, 1) of each whole answer.
        values = torch.tanh(head(validation.states[rows]) / _TEMPERATURE).tolist()
    scores: list[dict[int, float]] = [{} for _ in validation.trees]
    for (tree, number), value in zip(nodes, values, strict=True):
        scores[tree][number] = value

    def right(weight: float) -> int:
        weights, count = replace(Weights(), preference=weight), 0
        for tree, each in zip(validation.trees, scores, strict=True):
            candidates = choose(tree.ballots(each), weights)
            count += bool(candidates and tree.nodes[int(candidates[0].sql)].right)
        return count

    return max(VOTES, key=lambda weight: (right(weight), -weight))


def pair_accuracy(head: PreferenceHead, validation: TreeStates) -> float:
    """The share of pairs in the right order."""
    better, worse, _ = validation.sides()
    with torch.no_grad():
        right = head.raw(validation.states[better]) > head.raw(validation.states[worse])
    return float(right.double().mean())
