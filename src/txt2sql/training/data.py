"""What fine-tuning learns from: questions with SQL as token rows, rows as batches, drawn ahead.

A prompt is what `txt2sql ask` would send. The answer is gold SQL in normal form, and the end token. The
same settings draw the same batches in the same order, so a run that goes on draws them again.

Prompts of one database begin alike, and in a causal model what stands first does not depend on what
follows. So a row holds the shared prefix once, and each example is a suffix that sees the prefix and
itself; its positions go on where the prefix ends. Examples that share nothing stand beside each other
(packing, Krell et al. 2021). The loss of an example is what it would be alone, and of its answer only.

>>> rows = [([1, 2, 3, 4], [9]), ([1, 2, 3, 5], [8]), ([1, 2, 3, 6], [7])]
>>> [row] = pack(rows, width=16, least=2)
>>> [shared for *_, shared in row], size(row)
([0, 3, 3], 9)
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import count, islice
from math import ceil
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

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
from txt2sql.training.loop import Progress, process_count, silent
from txt2sql.training.settings import SFTConfig, TuningConfig
from txt2sql.types import Example, Prompt, ValueMatch

T = TypeVar("T")
Tokens = Sequence[int]
TokenPair = tuple[Tokens, Tokens]
"""Token ids of a prompt and of its answer, which ends with the end token."""
Placed = tuple[Tokens, Tokens, int]
"""An example, and how many tokens of its prompt are the prefix of the example before; 0: none."""
Group = list[list[Placed]]  # the rows of a batch

IGNORED = -100
LEAST = 64  # tokens of a prefix that is worth sharing
# A segment that is a multiple of this is a shared prefix, which the segments up to the next one see.
_SUFFIXES = 4096
# Examples that are packed together, and tokens of a row: of more examples, more share a schema, but
# attention takes time by the square of the width.
_POOL, _WIDTH = 4096, 2048

# --------------------------------------------------------------------------------------------- batches


def batches_of(
    examples: Sequence[TokenPair], batch_tokens: int, width: int, least: int = LEAST
) -> list[Group]:
    """Batches of rows of at most `width` tokens; neighbours, often of one database, are apart."""
    rows = pack(examples, width, least)
    batches = -(-len(rows) // max(1, batch_tokens // width))
    return [rows[i::batches] for i in range(batches)]


def pack(examples: Sequence[TokenPair], width: int, least: int = LEAST) -> list[list[Placed]]:
    """Examples that begin alike share their prefix; these trees stand in rows of at most `width`,
    the longest first, each where it still fits."""
    trees: list[list[Placed]] = []
    for prefix, run in _runs(examples, least):
        trees, left = [*trees, []], width
        for prompt, answer in run:
            needed = len(prompt) + len(answer) - prefix
            if trees[-1] and needed > left:  # a full row is cut, each part with the prefix anew
                trees.append([])
            if not trees[-1]:
                left = width - prefix
            trees[-1].append((prompt, answer, prefix if trees[-1] else 0))
            left -= needed
    rows: list[list[Placed]] = []
    room: list[int] = []
    for tree in sorted(trees, key=size, reverse=True):
        # First-fit decreasing: within 11/9 of the fewest rows.
        chosen = next((i for i, left in enumerate(room) if left >= size(tree)), len(rows))
        if chosen == len(rows):
            rows.append([])
            room.append(max(width, size(tree)))
        rows[chosen] += tree
        room[chosen] -= size(tree)
    return rows


def size(row: Sequence[Placed]) -> int:
    """Tokens of a row, shared ones once."""
    return sum(len(prompt) + len(answer) - shared for prompt, answer, shared in row)


def _runs(examples: Sequence[TokenPair], least: int) -> Iterator[tuple[int, list[TokenPair]]]:
    """Examples that begin alike, and how many tokens they share; a shorter prefix for one more
    example only where that saves tokens."""
    run: list[TokenPair] = []
    prefix = 0
    for example in sorted(examples, key=lambda example: list(example[0])):
        # A token of each prompt must be left, to begin the answer from.
        shared = min(len(prompt) - 1 for prompt, _ in (*run, example)) if run else 0
        alike = (a == b for a, b in zip(run[0][0], example[0])) if run else ()
        shared = next((i for i, same in enumerate(islice(alike, shared)) if not same), shared)
        if shared >= least and (len(run) == 1 or len(run) * (prefix - shared) < prefix):
            run.append(example)
            prefix = shared
            continue
        if run:
            yield prefix, run
        run, prefix = [example], 0
    if run:
        yield prefix, run


def collate(groups: Sequence[Group], pad: int = 0, width: int = 0) -> dict[str, Any]:
    """A batch as a causal language model takes it: `input_ids` and `position_ids` (batch, time), a
    mask (batch, 1, time, time), and `labels` (batch, chosen) of the positions `logits_to_keep`
    (chosen,), -100 where a row has no answer token. `width`: the least time."""
    (rows,) = groups
    shape = (len(rows), max(width, *map(size, rows)))
    inputs, labels = torch.full(shape, pad), torch.full(shape, IGNORED)
    segments, positions = torch.zeros(shape, dtype=torch.int32), torch.zeros(shape).long()
    for i, row in enumerate(rows):
        end = tree = suffix = prefix = 0

        def put(tokens: Tokens, first: int, segment: int, i: int = i) -> None:
            nonlocal end
            span = slice(end, end + len(tokens))
            inputs[i, span] = torch.tensor(tokens)
            # Every suffix goes on where the prefix ends, whatever stands before it in the row.
            positions[i, span] = torch.arange(first, first + len(tokens))
            segments[i, span] = segment
            end += len(tokens)

        for number, (prompt, answer, shared) in enumerate(row):
            if not shared:
                tree, suffix = tree + 1, 0
                prefix = row[number + 1][2] if number + 1 < len(row) else 0
                if prefix:
                    put(prompt[:prefix], 0, tree * _SUFFIXES)
            suffix += 1
            put([*prompt[prefix:], *answer], prefix, tree * _SUFFIXES + suffix)
            labels[i, end - len(answer) : end] = torch.tensor(answer)
    causal = torch.ones(shape[1], shape[1], dtype=torch.bool).tril()
    # (batch, time, 1) against (batch, 1, time). Padding, segment 0, is a prefix too, but stands on the
    # right, where nothing sees it.
    own, other = segments[:, :, None], segments[:, None, :]
    seen = causal & ((own == other) | (own - own % _SUFFIXES == other))
    # A position says what comes after it: labels move by one.
    chosen = (labels[:, 1:] != IGNORED).any(0).nonzero()[:, 0]
    return {
        "input_ids": inputs,
        "position_ids": positions,
        "attention_mask": seen[:, None],
        "logits_to_keep": chosen,
        "labels": labels[:, chosen + 1],
    }


def answer_loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
    """Cross-entropy of the answer tokens of a step, of which there are `num_items_in_batch`."""
    logits = outputs.logits.float().flatten(0, 1)  # (batch * chosen, vocabulary)
    total = functional.cross_entropy(
        logits, labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    # Of the whole step, not of this part of it: parts of other sizes must not weigh more.
    count = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    return total / count


# ------------------------------------------------------------------------------------------- questions


def is_held_out(db_id: str, share: float) -> bool:
    """Whether a training database measures progress instead of being trained on."""
    return random.Random(f"held out {db_id}").random() < share


def matcher(dataset: Dataset) -> Callable[[Example], Sequence[ValueMatch]]:
    """What finds the cells that a question mentions."""
    index = lru_cache(maxsize=64)(lambda db_id: open_value_index(dataset.database(db_id)))
    return lambda example: index(example.db_id).match(example.question)


@dataclass(frozen=True, slots=True)
class ValidationSet:
    dataset: Dataset
    examples: Sequence[Example]

    def predictor(self, decoder: Decoder) -> DirectPredictor:
        return DirectPredictor(decoder, self.dataset.schema, matcher(self.dataset))


def validate(decoder: Decoder, sets: Sequence[ValidationSet]) -> dict[str, Estimate]:
    """Execution accuracy by data set, greedy and constrained by the grammar. Leaves torch's random
    state alone."""
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
    tokens: Callable[[int], TokenPair]
    validation: ValidationSet


@dataclass(frozen=True, slots=True)
class Batches:
    """All batches of a run in order, and what they hold; tokens that examples share count once.
    `epoch` counts the batches of one epoch."""

    groups: list[Group]
    examples: int
    too_long: int
    tokens: int
    answer_tokens: int
    longest: int
    epoch: int

    def describe(self, limit: int) -> str:
        left_out = f"; left out: {self.too_long} of more than {limit} tokens"
        return (
            f"{self.examples:,} examples of all epochs, {self.tokens:,} tokens in "
            f"{len(self.groups):,} batches{left_out if self.too_long else ''}"
        )

    def steps(self, config: SFTConfig) -> int:
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
        out = {e.db_id for e in examples if is_held_out(e.db_id, config.held_out)}
        if any(example.db_id not in out for example in examples):  # something is left to train on
            validation = [example for example in examples if example.db_id in out]
            examples = [example for example in examples if example.db_id not in out]
    return (
        draw(examples, config.limit, config.seed),
        draw(validation, config.measured, config.seed),
    )


def prompter(
    dataset: Dataset, counted: Callable[[str], int], dropout: float = 0.0, seed: int = 0
) -> Callable[[Example], Prompt]:
    """What renders the questions of a data set as inference would, but without the evidence of a
    share `dropout` of those that can be answered without it; the same on every visit."""
    match = matcher(dataset)

    def prompt(example: Example) -> Prompt:
        schema, previous, matches = dataset.schema(example.db_id), example.previous, match(example)
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

    def encode(text: str, special: bool = False) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return ids

    prompt = prompter(dataset, lambda text: len(encode(text)), config.evidence_dropout, config.seed)

    @cache
    def tokens(position: int) -> TokenPair:
        example = examples[position]
        prompt_ids = encode(*input_text(tokenizer, prompt(example)))
        answer = encode(canonical_sql(example.gold_sql, dataset.schema(example.db_id)))
        return array("i", prompt_ids), array("i", [*answer, int(tokenizer.eos_token_id)])

    return TrainSet(dataset.name, len(examples), tokens, ValidationSet(dataset, validation))


# --------------------------------------------------------------------------------------------- drawing


def epochs_of(
    config: SFTConfig, passes: Sequence[Callable[[int], Sequence[T]]]
) -> Iterator[list[tuple[int, T]]]:
    """(data set, item) of each epoch, the last one cut; with `max_steps` epochs without end.
    `passes` give a data set's items in the order of one pass. An epoch has the first data set whole
    and the others by their shares."""
    wanted = sizes = [len(order(0)) for order in passes]
    if shares := config.shares:
        wanted = [max(1, round(sizes[0] * share / shares[0])) for share in shares]
    left = round(sum(wanted) * config.epochs)
    for number in count():
        if left <= 0 and config.max_steps is None:
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
    visits = round(sum(each.size for each in sets) * config.epochs)
    with progress("drawing examples", visits) as advance:
        for number, chosen in enumerate(epochs_of(config, [passes(each) for each in sets])):
            if most and len(groups) >= most:
                break
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
                epoch += batches_of(examples, config.batch_tokens, width)
            if not epoch:
                raise ConfigError(
                    f"every example has more than {longest} tokens; set max_length higher, or take "
                    "a model with a longer context"
                )
            random.Random(f"{config.seed} draw {number}").shuffle(epoch)
            groups += epoch
            first = first or len(groups)
    placed = [each for group in groups for row in group for each in row]
    tokens = sum(size(row) for group in groups for row in group)
    answers = sum(len(answer) for _, answer, _ in placed)
    widest = max(len(prompt) + len(answer) for prompt, answer, _ in placed)
    return Batches(groups, len(placed), too_long, tokens, answers, widest, first)
