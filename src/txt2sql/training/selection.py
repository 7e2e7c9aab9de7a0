"""Validation: execution accuracy on training databases that are held out.

A model is asked as `txt2sql ask` asks it: greedy, constrained by the grammar, matches looked up in the
database.

>>> validate(decoder, [ValidationSet(dataset, examples)])  # doctest: +SKIP
{'spider': Estimate(mean=0.62, n=100, ...)}
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from txt2sql.data import Dataset
from txt2sql.evaluation.evaluate import evaluate
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.statistics import Estimate
from txt2sql.execution.values import open_value_index
from txt2sql.models.decoder import Decoder
from txt2sql.models.predictor import DirectPredictor
from txt2sql.types import Example


def is_held_out(db_id: str, share: float) -> bool:
    """Whether a training database measures progress instead of being trained on."""
    return random.Random(f"held out {db_id}").random() < share


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Questions of one data set that measure progress."""

    dataset: Dataset
    examples: Sequence[Example]

    def predictor(self, decoder: Decoder) -> DirectPredictor:
        """What answers its questions."""
        index = lru_cache(maxsize=8)(lambda db_id: open_value_index(self.dataset.database(db_id)))
        return DirectPredictor(
            decoder, self.dataset.schema, lambda example: index(example.db_id).match(example.question)
        )  # fmt: skip


def validate(decoder: Decoder, sets: Sequence[ValidationSet]) -> dict[str, Estimate]:
    """By data set. Leaves torch's random state alone."""
    judge = ExecutionAccuracy(Judging(both=False))
    with torch.random.fork_rng():
        return {
            each.dataset.name: evaluate(
                each.examples, each.predictor(decoder), [judge], each.dataset.database
            ).metrics[judge.name]
            for each in sets
            if each.examples
        }
