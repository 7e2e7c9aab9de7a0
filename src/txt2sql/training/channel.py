"""Training of the model that reads answers back (`models/channel.py`), in two stages.

1. *Teach*: the questions of training pairs, given their gold queries in words (cross-entropy).
2. *Prefer*: of the answers in a searched tree, the question is to follow best from a right one. The loss
   is -log of the part of softmax(sharpness * log p(question | answer)) that right answers have: with one
   of each kind Bradley-Terry, with many Plackett and Luce's first choice.

Only a LoRA adapter is trained. What it is worth in a vote is found by `channel_vote`, and all of it is
done for a model by `channel_run`.

>>> train(load_weights("bundled"), rows, trees, ChannelSettings(), Path("adapter"))  # doctest: +SKIP
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from txt2sql.errors import ConfigError
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.channel import Channel, Row, in_words, question_logprobs
from txt2sql.models.weights import LoadedModel
from txt2sql.training.batches import by_length
from txt2sql.training.ppm_pairs import Grown
from txt2sql.training.prepare import Progress, silent
from txt2sql.training.rstar_settings import ChannelSettings
from txt2sql.training.sft_model import base_model, save_weights
from txt2sql.training.tracking import has_bf16
from txt2sql.types import Example, Schema

_POOL = 1024
"""Questions that are sorted by length and cut into batches together."""
_EVERY = 100
"""Steps between checkpoints."""
_LEAST = 1e-30
CHECKPOINT = "checkpoint.pt"

Comparison = tuple[tuple[Row, ...], tuple[bool, ...]]
"""The answers of a tree, and which of them are right."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one update of the weights learns from: rows to teach, or the answers of some trees as
    (rows, which of them are right).
    """

    rows: tuple[Row, ...] = ()
    trees: tuple[Comparison, ...] = ()


def lessons(channel: Channel, examples: Sequence[tuple[Example, Schema]]) -> list[Row]:
    """Gold queries in words, and their questions."""
    return [channel.row(in_words(e.gold_sql, schema), e.question) for e, schema in examples]


def compared(
    channel: Channel,
    trees: Sequence[Grown],
    questions: Mapping[str, Example],
    schema: Callable[[str], Schema],
    most: int,
) -> list[Comparison]:
    """The trees that hold right and wrong answers, as what is compared in them."""
    each = (
        comparison(channel, tree, questions[tree.question_id], schema(tree.db_id), most)
        for tree in trees
    )
    return [found for found in each if found is not None]


def comparison(
    channel: Channel, tree: Grown, example: Example, schema: Schema, most: int
) -> Comparison | None:
    """The answers of a tree that ran, the likeliest first, each wording once, and the gold query; None
    where there is no right or no wrong one.
    """
    ran = [n for n in tree.nodes if n.right is not None and n.sql and n.result is not None]
    ran.sort(key=lambda node: -node.probability)
    marks: dict[str, bool] = {}
    for node in ran:
        words = in_words(node.sql or "", schema)
        marks[words] = marks.get(words, False) or bool(node.right)
    marks[in_words(example.gold_sql, schema)] = True
    right = [words for words, mark in marks.items() if mark][:3]
    wrong = [words for words, mark in marks.items() if not mark][: most - len(right)]
    if not wrong:
        return None
    rows = tuple(channel.row(words, example.question) for words in (*right, *wrong))
    return rows, (True,) * len(right) + (False,) * len(wrong)


def plan(
    rows: Sequence[Row],
    more: Sequence[Row],
    trees: Sequence[Comparison],
    settings: ChannelSettings,
    seed: int,
) -> list[Step]:
    """All updates of a run in order: the same for the same seed. `more` is taught once, a part of it with
    each pass over `rows`.
    """
    chance = random.Random(f"{seed} channel")
    steps: list[Step] = []
    for epoch in range(settings.epochs if rows else 0):
        taught = [*rows, *more[epoch :: settings.epochs]]
        shuffled = chance.sample(taught, len(taught))
        batches: list[Step] = []
        for start in range(0, len(shuffled), _POOL):
            groups = by_length(shuffled[start : start + _POOL], settings.batch_tokens)
            batches += [Step(rows=tuple(row for (row,) in group)) for group in groups]
        steps += chance.sample(batches, len(batches))
    for _ in range(settings.preference_epochs if trees else 0):
        order = chance.sample(trees, len(trees))
        together = settings.together
        steps += [
            Step(trees=tuple(order[k : k + together])) for k in range(0, len(order), together)
        ]
    return steps


class Trainer:
    """The adapter, its optimizer, and where it stands in its plan."""

    def __init__(self, adapted: Any, settings: ChannelSettings, seed: int, folder: Path) -> None:
        self.adapted, self.settings = adapted, settings
        self.model = base_model(adapted)
        self.trained = [p for p in adapted.parameters() if p.requires_grad]
        self.sharpness = torch.nn.Parameter(
            torch.tensor(math.log(settings.sharpness), device=self.trained[0].device)
        )
        groups = [{"params": self.trained}, {"params": [self.sharpness]}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
        self.bf16 = has_bf16(self.trained[0].device)
        self.file = folder / CHECKPOINT
        self.done = 0
        if self.file.is_file():
            self._load()

    def run(self, steps: Sequence[Step], progress: Progress) -> None:
        """What is left of a plan; a checkpoint now and then, so that a kill loses little."""
        taught = sum(bool(step.rows) for step in steps)
        loss = 0.0
        self.adapted.train()
        with progress("reading back", len(steps) - self.done) as advance:
            for number in range(self.done, len(steps)):
                step = steps[number]
                if step.rows:
                    rate, part = self.settings.learning_rate, number / taught
                else:
                    rate = self.settings.preference_learning_rate
                    part = (number - taught) / (len(steps) - taught)
                warm = (number if step.rows else number - taught) + 1
                self.optimizer.param_groups[0]["lr"] = rate * min(1, warm / 50, max(0.03, 1 - part))
                self.optimizer.param_groups[1]["lr"] = 0.0 if step.rows else 0.01
                now = self.update(step)
                loss = now if number in (self.done, taught) else 0.98 * loss + 0.02 * now
                advance(f"{'teaching' if step.rows else 'preferring'}, loss {loss:.3f}")
                if (number + 1) % _EVERY == 0:
                    self._save(number + 1)
        self.done = len(steps)
        self._save(self.done)

    def update(self, step: Step) -> float:
        """One update of the weights; its loss."""
        self.optimizer.zero_grad()
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
            cost = self._taught(step) if step.rows else self._preferred(step)
        cost.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        return float(cost.detach())

    def _taught(self, step: Step) -> Tensor:
        sums, counts = question_logprobs(self.model, step.rows)
        return -sums.sum() / counts.sum()

    def _preferred(self, step: Step) -> Tensor:
        """The preference loss, and a part of the teaching loss of the right answer that is read best."""
        sums, counts = question_logprobs(
            self.model, [row for rows, _ in step.trees for row in rows]
        )
        cost, start = torch.zeros((), device=sums.device), 0
        for rows, marks in step.trees:
            here = slice(start, start + len(rows))
            right = torch.tensor(marks, device=sums.device)
            scores = self.sharpness.exp() * sums[here]
            cost = cost + scores.logsumexp(0) - scores[right].logsumexp(0)
            best = (sums[here][right] / counts[here][right]).max()
            cost = cost - self.settings.teaching * best
            start = here.stop
        return cost / len(step.trees)

    def _save(self, done: int) -> None:
        state = {
            "done": done,
            "weights": [parameter.detach().cpu() for parameter in self.trained],
            "sharpness": self.sharpness.detach().cpu(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
        }
        part = self.file.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.file)

    def _load(self) -> None:
        state = torch.load(self.file, map_location="cpu")
        with torch.no_grad():
            for parameter, known in zip(self.trained, state["weights"], strict=True):
                parameter.copy_(known)
            self.sharpness.copy_(state["sharpness"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        self.done = int(state["done"])


def train(
    loaded: LoadedModel,
    rows: Sequence[Row],
    trees: Sequence[Comparison],
    settings: ChannelSettings,
    folder: Path,
    *,
    more: Sequence[Row] = (),
    seed: int = 0,
    start: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Train an adapter of `loaded`, or go on with it, and write it to `folder`, which holds the checkpoint,
    too. `start` is an adapter to begin from. Raises ConfigError where there is nothing to learn.
    """
    steps = plan(rows, more, trees, settings, seed)
    if not steps:
        raise ConfigError(
            "there is nothing to learn from: neither questions nor trees with answers"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = loaded.model.float()
        if start is None:
            adapted = attach(model, Adapter(settings.r, 2 * settings.r, 0.0, ("all-linear",)))
        else:
            from peft import PeftModel

            adapted = PeftModel.from_pretrained(model, str(start), is_trainable=True)
        Trainer(adapted, settings, seed, folder).run(steps, progress)
    save_weights(adapted, folder)
