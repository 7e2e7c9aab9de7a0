"""Which checkpoint to keep: execution accuracy on training databases that are held out.

A saved model is asked as `txt2sql ask` asks it: loaded from its folder, greedy, constrained by the
grammar, matches looked up in the database. What is measured is so what would be shipped.

>>> HeldOut([(source, measured)]).execution_accuracy(Path("run/last"))  # doctest: +SKIP
{'spider': Estimate(mean=0.62, n=100, ...)}
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch

from txt2sql.evaluation.evaluate import evaluate
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.statistics import Estimate
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models import hf
from txt2sql.models.predictor import DirectPredictor
from txt2sql.training.corpus import Corpus
from txt2sql.training.prepare import Source
from txt2sql.types import Schema


def is_held_out(db_id: str, share: float) -> bool:
    """Whether a training database measures progress instead of being trained on."""
    return random.Random(f"held out {db_id}").random() < share


def measured_items(source: Source, share: float, count: int, seed: int) -> Corpus:
    """The examples of a data set that measure progress: at most `count`, always the same."""
    held_out = source.corpus.where(lambda db_id: is_held_out(db_id, share))
    return held_out.sample(count, f"{seed} measured")


class HeldOut:
    """The held-out examples of every data set that has some."""

    def __init__(self, measured: Sequence[tuple[Source, Corpus]]) -> None:
        self.judge = ExecutionAccuracy(Judging(both=False))
        self.parts = {
            source.name: (source, [item.example for item in corpus],
                          {item.schema.db_id: item.schema for item in corpus})
            for source, corpus in measured if len(corpus)
        }  # fmt: skip

    def execution_accuracy(self, folder: Path) -> dict[str, Estimate]:
        """By data set, of the model in `folder`. Leaves torch's random state as it was."""
        found: dict[str, Estimate] = {}
        if not self.parts:
            return found
        with torch.random.fork_rng():
            generator = hf.load(folder)
            for name, (source, examples, schemas) in self.parts.items():
                predictor = _predictor(generator, source, schemas)
                report = evaluate(examples, predictor, [self.judge], source.database)
                found[name] = report.metrics[self.judge.name]
        return found


def _predictor(
    generator: hf.HFGenerator, source: Source, schemas: Mapping[str, Schema]
) -> DirectPredictor:
    @lru_cache(maxsize=8)
    def index(db_id: str) -> ValueIndex:
        return open_value_index(source.database(db_id))

    return DirectPredictor(
        generator,
        schemas.__getitem__,
        lambda example: index(example.db_id).match(example.question),
        spell=lambda db_id, table, column, text: index(db_id).spell(table, column, text),
    )
