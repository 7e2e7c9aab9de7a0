"""Which checkpoint to keep: execution accuracy on training databases that are held out.

A saved model is asked as `txt2sql ask` asks it: loaded from its folder, greedy, constrained by the
grammar, matches looked up in the database. What is measured is so what would be shipped.

>>> HeldOut([measured]).execution_accuracy(Path("run/last"))  # doctest: +SKIP
{'spider': Estimate(mean=0.62, n=100, ...)}
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from txt2sql.evaluation.evaluate import evaluate
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.statistics import Estimate
from txt2sql.execution.database import Database
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models import torch_engine
from txt2sql.models.decoder import Decoder
from txt2sql.models.predictor import DirectPredictor
from txt2sql.training.sft_settings import RunConfig
from txt2sql.types import Example, Schema


def is_held_out(db_id: str, share: float) -> bool:
    """Whether a training database measures progress instead of being trained on."""
    return random.Random(f"held out {db_id}").random() < share


def trained_on(config: RunConfig, databases: Iterable[str]) -> Callable[[str], bool]:
    """Whether a database is trained on: all are where progress is measured elsewhere or not at all,
    or where holding out would leave none.
    """

    def trained(db_id: str) -> bool:
        return not is_held_out(db_id, config.held_out)

    measures = config.measured and config.measure_split is None
    return trained if measures and any(map(trained, databases)) else lambda db_id: True


@dataclass(frozen=True, slots=True)
class Measured:
    """Questions of one data set that measure progress, and how to ask and judge them."""

    name: str
    examples: Sequence[Example]
    schema: Callable[[str], Schema]
    database: Callable[[str], Database]


class HeldOut:
    """The measured questions of every data set that has some."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self.judge = ExecutionAccuracy(Judging(both=False))
        self.parts = [each for each in measured if len(each.examples)]

    def execution_accuracy(self, model: Path | Decoder) -> dict[str, Estimate]:
        """By data set, of a loaded model or the one in a folder. Leaves torch's random state alone."""
        found: dict[str, Estimate] = {}
        if not self.parts:
            return found
        with torch.random.fork_rng():
            generator = torch_engine.load(model) if isinstance(model, Path) else model
            for part in self.parts:
                predictor = _predictor(generator, part)
                report = evaluate(part.examples, predictor, [self.judge], part.database)
                found[part.name] = report.metrics[self.judge.name]
        return found


def _predictor(generator: Decoder, part: Measured) -> DirectPredictor:
    @lru_cache(maxsize=8)
    def index(db_id: str) -> ValueIndex:
        return open_value_index(part.database(db_id))

    return DirectPredictor(
        generator,
        part.schema,
        lambda example: index(example.db_id).match(example.question),
    )
