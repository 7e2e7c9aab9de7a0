"""What fine-tuning learns from: questions with SQL as token rows, rows as batches, drawn ahead.

A prompt is what `txt2sql ask` would send. The answer is gold SQL in normal form, and the end token. The
same settings draw the same batches in the same order, so a run that goes on draws them again.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import count
from math import ceil
from typing import Any, TypeVar

import torch

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import stands_alone, with_gold
from txt2sql.errors import ConfigError
from txt2sql.evaluation.evaluate import draw, evaluate
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.statistics import Estimate
from txt2sql.execution.values import open_value_index
from txt2sql.models.decoder import Decoder
from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.tokenizer import input_text
from txt2sql.prompts import render
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.training import batches
from txt2sql.training.batches import Group
from txt2sql.training.loop import Progress, process_count, silent
from txt2sql.training.settings import SFTConfig, TuningConfig
from txt2sql.types import Example, Prompt

T = TypeVar("T")
_POOL, _WIDTH = 4096, 2048
"""Examples that are packed together, and tokens of a row: of more examples, more share a schema. Attention
takes time by the square of the width."""


def is_held_out(db_id: str, share: float) -> bool:
    """Whether a training database measures progress instead of being trained on."""
    return random.Random(f"held out {db_id}").random() < share


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Questions of one data set that measure progress."""

    dataset: Dataset
    examples: Sequence[Example]

    def predictor(self, decoder: Decoder) -> DirectPredictor:
        """What answers its questions, as in inference."""
        index = lru_cache(maxsize=8)(lambda db_id: open_value_index(self.dataset.database(db_id)))
        return DirectPredictor(
            decoder, self.dataset.schema, lambda example: index(example.db_id).match(example.question)
        )  # fmt: skip


def validate(decoder: Decoder, sets: Sequence[ValidationSet]) -> dict[str, Estimate]:
    """Execution accuracy by data set, greedy and constrained by the grammar. Leaves torch's random state
    alone.
    """
    judge = ExecutionAccuracy(Judging(both=False))
    with torch.random.fork_rng():
        return {
            each.dataset.name: evaluate(
                each.examples, each.predictor(decoder), [judge], each.dataset.database
            ).metrics[judge.name]
            for each in sets
            if each.examples
        }


@dataclass(frozen=True, slots=True)
class TrainSet:
    """One data set: `size` examples to train on, `tokens` of the one at a position, and what validates."""

    name: str
    size: int
    tokens: Callable[[int], batches.Example]
    validation: ValidationSet


@dataclass(frozen=True, slots=True)
class Batches:
    """All batches of a run in order, and what they hold; tokens that examples share count once."""

    groups: list[Group]
    examples: int
    too_long: int
    tokens: int
    answer_tokens: int
    longest: int
    epoch: int  # batches of one epoch

    def describe(self, limit: int) -> str:
        """One line for people."""
        left_out = f"; left out: {self.too_long} of more than {limit} tokens"
        return (
            f"{self.examples:,} examples of all epochs, {self.tokens:,} tokens in "
            f"{len(self.groups):,} batches{left_out if self.too_long else ''}"
        )

    def steps(self, config: SFTConfig) -> int:
        """Updates of the weights in a run."""
        return config.max_steps or ceil(len(self.groups) / (config.accumulate * process_count()))


def split_examples(
    config: TuningConfig, dataset: Dataset, first: bool
) -> tuple[list[Example], list[Example]]:
    """(to train on, to validate on) of a data set, the `first` of the run or another."""
    examples = with_gold(dataset, config.split)
    validation: list[Example] = []
    if config.measured and config.measure_split is not None:
        validation = with_gold(dataset, config.measure_split) if first else []
    elif config.measured:
        ids = {example.db_id for example in examples}
        out = {db_id for db_id in ids if is_held_out(db_id, config.held_out)}
        out = out if out != ids else set()  # something must be left to train on
        validation = [example for example in examples if example.db_id in out]
        examples = [example for example in examples if example.db_id not in out]
    return (
        draw(examples, config.limit, config.seed),
        draw(validation, config.measured, config.seed),
    )


def prompter(
    dataset: Dataset, counted: Callable[[str], int], dropout: float = 0.0, seed: int = 0
) -> Callable[[Example], Prompt]:
    """What renders the questions of a data set as inference would, but without the evidence of a share
    `dropout` of those that can be answered without it. A question has the same prompt on every visit.
    """
    index = lru_cache(maxsize=64)(lambda db_id: open_value_index(dataset.database(db_id)))

    def prompt(example: Example) -> Prompt:
        schema, previous = dataset.schema(example.db_id), example.previous
        matches = index(example.db_id).match(example.question)
        drawn = dropout and random.Random(f"{seed} evidence {example.id}").random() < dropout
        return render(
            example.question,
            schema,
            matches=matches,
            evidence="" if drawn and stands_alone(example, matches) else example.evidence,
            # The model's own answer stands there in inference.
            previous=previous and replace(previous, sql=canonical_sql(previous.sql, schema)),
            count=counted,
        )

    return prompt


def open_train_sets(config: SFTConfig, tokenizer: Any) -> list[TrainSet]:
    """The data sets of a run, each with something to train on."""
    sets = []
    for number, name in enumerate(config.datasets):
        train_set = _open(config, open_dataset(name, config.data_root), tokenizer, number == 0)
        if not train_set.size:
            raise ConfigError(
                f"'{train_set.name}' has no training example; check datasets, split and held_out"
            )
        sets.append(train_set)
    return sets


def _open(config: SFTConfig, dataset: Dataset, tokenizer: Any, first: bool) -> TrainSet:
    examples, validation = split_examples(config, dataset, first)
    prompt = prompter(
        dataset, lambda text: token_count(tokenizer, text), config.evidence_dropout, config.seed
    )

    @cache
    def tokens(position: int) -> batches.Example:
        example = examples[position]
        text, special = input_text(tokenizer, prompt(example))
        prompt_ids = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        answer = canonical_sql(example.gold_sql, dataset.schema(example.db_id))
        answer_ids = tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
        return array("i", prompt_ids), array("i", [*answer_ids, int(tokenizer.eos_token_id)])

    return TrainSet(dataset.name, len(examples), tokens, ValidationSet(dataset, validation))


def token_count(tokenizer: Any, text: str) -> int:
    """How many tokens a text has."""
    return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def epochs_of(
    config: SFTConfig, passes: Sequence[Callable[[int], Sequence[T]]], enough: Callable[[], bool]
) -> Iterator[list[tuple[int, T]]]:
    """(data set, item) of each epoch, the last one cut; with `max_steps` until there are `enough`.

    `passes` give, for each data set, its items in the order of one pass. An epoch has the first data set
    whole and the others by their shares, each going on where the epoch before ended.
    """
    wanted = sizes = [len(order(0)) for order in passes]
    if shares := config.shares:
        wanted = [max(1, round(sizes[0] * share / shares[0])) for share in shares]
    left = round(sum(wanted) * config.epochs)
    for number in count():
        if left <= 0 if config.max_steps is None else enough():
            return
        chosen: list[tuple[int, T]] = []
        for i, order in enumerate(passes):
            for visit in range(number * wanted[i], (number + 1) * wanted[i]):
                turn, place = divmod(visit, sizes[i])
                chosen.append((i, order(turn)[place]))
        random.Random(f"{config.seed} epoch {number}").shuffle(chosen)
        yield chosen if config.max_steps else chosen[:left]
        left -= len(chosen)


def draw_batches(
    sets: Sequence[TrainSet], config: SFTConfig, *, longest: int, progress: Progress = silent
) -> Batches:
    """The batches of all epochs, or of as many as `max_steps` take; no example exceeds `longest`."""

    def passes(each: TrainSet) -> Callable[[int], list[int]]:
        @lru_cache(maxsize=8)
        def order(turn: int) -> list[int]:
            rng = random.Random(f"{config.seed} {each.name} {turn}")
            return rng.sample(range(each.size), each.size)

        return order

    most = (config.max_steps or 0) * config.accumulate * process_count()
    groups: list[Group] = []
    first = too_long = 0
    epochs = epochs_of(config, [passes(each) for each in sets], lambda: len(groups) >= most)
    visits = round(sum(each.size for each in sets) * config.epochs)
    with progress("drawing examples", visits) as advance:
        for number, chosen in enumerate(epochs):
            epoch: list[Group] = []
            for start in range(0, len(chosen), _POOL):
                examples = []
                for i, position in chosen[start : start + _POOL]:
                    prompt, answer = sets[i].tokens(position)
                    if len(prompt) + len(answer) > longest:
                        too_long += 1
                    else:
                        examples.append((prompt, answer))
                    advance(f"{too_long} too long")
                widest = max((len(prompt) + len(answer) for prompt, answer in examples), default=1)
                width = min(config.batch_tokens, max(widest, _WIDTH))
                epoch += batches.batches_of(examples, config.batch_tokens, width)
            if not epoch:
                raise ConfigError(
                    f"every example has more than {longest} tokens; set max_length higher, or take "
                    "a model with a longer context"
                )
            random.Random(f"{config.seed} draw {number}").shuffle(epoch)
            groups += epoch
            first = first or len(groups)
    placed = [each for group in groups for row in group for each in row]
    tokens = sum(batches.size(row) for group in groups for row in group)
    answers = sum(len(answer) for _, answer, _ in placed)
    widest = max(len(prompt) + len(answer) for prompt, answer, _ in placed)
    return Batches(groups, len(placed), too_long, tokens, answers, widest, first)
