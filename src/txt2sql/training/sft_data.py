"""What fine-tuning learns from: questions with SQL as token rows, rows as batches, drawn ahead.

A prompt is what `txt2sql ask` would send: the one renderer, the cells that the question mentions, the
model's chat template where it has one. The answer is gold SQL in normal form, and the end token. An
example that is too long is left out, since cutting it would cut its SQL.

>>> rows = draw_rows(open_data(config, tokenizer), config, longest=2048)  # doctest: +SKIP
>>> rows.examples, rows.too_long  # doctest: +SKIP
(23889, 12)
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache, partial
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any

import datasets
from torch import Tensor
from transformers import PreTrainedTokenizerBase as Tokenizer

from txt2sql.data import open_dataset
from txt2sql.data.gold import stands_alone, with_gold
from txt2sql.errors import ConfigError
from txt2sql.evaluation.evaluate import draw
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models.tokenizer import input_text
from txt2sql.prompts import render
from txt2sql.runs import write_atomically
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.training.batches import Group, Row, by_length, stack
from txt2sql.training.branches import Branch, in_trees, stack_trees
from txt2sql.training.selection import Measured, trained_on
from txt2sql.training.sft_settings import SFTConfig
from txt2sql.training.tracking import Progress, silent
from txt2sql.types import Prompt

_POOL = 512
"""Examples that are sorted by length and cut into batches together."""

_TREE_POOL, _TREE_WIDTH = 4096, 2048
"""The same where rows hold a schema once: with more examples and wider rows, more of them share it. Attention
takes time by the square of the width."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """One data set: `size` examples to train on, `row` of which draws one, and what measures progress."""

    name: str
    size: int
    row: Callable[[int], Row]
    measured: Measured


@dataclass(frozen=True, slots=True)
class Rows:
    """All batches of a run in order, and what they hold: numbers of examples and tokens, those that
    examples of a row share counted once.
    """

    batches: datasets.Dataset
    examples: int
    too_long: int
    tokens: int
    answer_tokens: int
    longest: int
    epoch: int
    """Batches of one epoch."""

    def describe(self, limit: int) -> str:
        """One line for people."""
        left_out = [f"{self.too_long} of more than {limit} tokens"] if self.too_long else []
        told = f"; left out: {', '.join(left_out)}" if left_out else ""
        batches = f"{self.tokens:,} tokens in {len(self.batches):,} batches"
        return f"{self.examples:,} examples of all epochs, {batches}{told}"


def open_data(
    config: SFTConfig, tokenizer: Tokenizer, progress: Progress = silent
) -> list[Lessons]:
    """The data sets of a run, each with something to train on."""
    found = []
    for number, name in enumerate(config.datasets):
        lessons = _open(config, name, tokenizer)
        if not lessons.size:
            raise ConfigError(
                f"'{lessons.name}' has no training example; check datasets, split and held_out"
            )
        if config.measure_split is not None:
            measured = (
                _split(config, name) if number == 0 else replace(lessons.measured, examples=())
            )
            lessons = replace(lessons, measured=measured)
        found.append(lessons)
    return found


def _root(config: SFTConfig) -> Path | None:
    return Path(config.data).expanduser() if config.data else None


def _split(config: SFTConfig, name: str) -> Measured:
    """Questions of a split that is not trained on."""
    dataset = open_dataset(name, _root(config))
    examples = with_gold(dataset, str(config.measure_split))
    chosen = draw(examples, config.measured, config.seed)
    return Measured(dataset.name, chosen, dataset.schema, dataset.database)


def _open(config: SFTConfig, name: str, tokenizer: Tokenizer) -> Lessons:
    """A data set by name or folder. A question has the same prompt on every visit, as in inference."""
    dataset = open_dataset(name, _root(config))
    everything = with_gold(dataset, config.split)
    kept = trained_on(config, [example.db_id for example in everything])
    examples = draw([e for e in everything if kept(e.db_id)], config.limit, config.seed)
    asked = draw([e for e in everything if not kept(e.db_id)], config.measured, config.seed)

    @lru_cache(maxsize=8)
    def index(db_id: str) -> ValueIndex:
        return open_value_index(dataset.database(db_id))

    def count_tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    @cache
    def drawn(position: int) -> Row:
        example = examples[position]
        schema = dataset.schema(example.db_id)
        matches = index(example.db_id).match(example.question)
        rng = random.Random(f"{config.seed} evidence {example.id}")
        if rng.random() < config.evidence_dropout and stands_alone(example, matches):
            example = replace(example, evidence="")
        prompt = render(
            example.question,
            schema,
            matches=matches,
            evidence=example.evidence,
            count=count_tokens,
        )
        return encode(tokenizer, prompt, canonical_sql(example.gold_sql, schema))

    measured = Measured(dataset.name, asked, dataset.schema, dataset.database)
    return Lessons(dataset.name, len(examples), drawn, measured)


def encode(tokenizer: Tokenizer, prompt: Prompt, answer: str) -> Row:
    """Token ids of a prompt, as a generator is given them, and of its answer with the end token."""
    text, special = input_text(tokenizer, prompt)
    asked = tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
    said = tokenizer(answer, add_special_tokens=False, verbose=False)["input_ids"]
    return list(asked), [*said, int(tokenizer.eos_token_id)]


def _epoch(lessons: Sequence[Lessons], config: SFTConfig, number: int) -> list[tuple[int, int]]:
    """(data set, position) of an epoch's examples: the first data set whole, the others by share."""
    rng = random.Random(f"{config.seed} epoch {number}")
    chosen: list[tuple[int, int]] = []
    for i, each in enumerate(lessons):
        size = each.size
        if config.shares is not None:
            size = max(1, round(lessons[0].size * config.shares[i] / config.shares[0]))
        for visit in range(number * size, (number + 1) * size):
            turn, place = divmod(visit, each.size)
            chosen.append((i, shuffled(f"{config.seed} {each.name} {turn}", each.size)[place]))
    rng.shuffle(chosen)
    return chosen


@lru_cache(maxsize=8)
def shuffled(seed: str, size: int) -> list[int]:
    """A shuffled range, remembered for the passes under way."""
    return random.Random(seed).sample(range(size), size)


def draw_rows(
    lessons: Sequence[Lessons],
    config: SFTConfig,
    *,
    longest: int,
    progress: Progress = silent,
) -> Rows:
    """The batches of all epochs, or of as many as `max_steps` take; no example exceeds `longest`."""
    size = len(_epoch(lessons, config, 0))
    visits = round(size * config.epochs)
    most = config.max_steps * config.accumulate * process_count() if config.max_steps else None
    packing = config.packing is not False
    pool = _TREE_POOL if packing else _POOL
    records: list[dict[str, list[int]]] = []
    first = too_long = examples = 0
    with progress("drawing examples", visits) as advance:
        for number in count():
            chosen = _epoch(lessons, config, number)
            if most is None:
                chosen = chosen[: max(0, visits - number * size)]
            if not chosen or (most is not None and len(records) >= most):
                break
            rng = random.Random(f"{config.seed} draw {number}")
            epoch: list[Group | list[list[Branch]]] = []
            for start in range(0, len(chosen), pool):
                rows = []
                for i, position in chosen[start : start + pool]:
                    row = lessons[i].row(position)
                    if len(row[0]) + len(row[1]) > longest:
                        too_long += 1
                    else:
                        rows.append(row)
                    advance(f"{too_long} too long")
                examples += len(rows)
                epoch += _cut(rows, config, packing)
            if not epoch:
                raise ConfigError(
                    f"every example has more than {longest} tokens; set max_length higher, or take "
                    "a model with a longer context"
                )
            rng.shuffle(epoch)
            records += map(_record, epoch)
            first = first or len(records)
    features = datasets.Features(
        {name: datasets.List(datasets.Value("int32")) for name in ("input_ids", *_COLUMNS)}
    )
    columns = {name: [record[name] for record in records] for name in features}
    lengths = [length for record in records for length in record["lengths"]]
    shared = sum(length for record in records for length in record["shared"])
    return Rows(
        datasets.Dataset.from_dict(columns, features=features),
        examples,
        too_long,
        sum(lengths) - shared,
        sum(lengths) - sum(size for record in records for size in record["prompts"]),
        max(lengths),
        first,
    )


def process_count() -> int:
    """How many processes `accelerate launch` started, each with its own device."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def count_steps(rows: Rows, config: SFTConfig) -> int:
    """Updates of the weights in a run."""
    return config.max_steps or ceil(len(rows.batches) / (config.accumulate * process_count()))


def _cut(rows: list[Row], config: SFTConfig, packing: bool) -> Sequence[Group | list[list[Branch]]]:
    if packing:
        widest = max((len(prompt) + len(answer) for prompt, answer in rows), default=1)
        width = min(config.batch_tokens, max(widest, _TREE_WIDTH))
        return in_trees(rows, config.batch_tokens, width)
    return by_length(rows, config.batch_tokens)


_COLUMNS = ("prompts", "lengths", "row", "shared")


def _record(group: Sequence[Sequence[Row | Branch]]) -> dict[str, list[int]]:
    """A batch as flat lists: all tokens; of each example its prompt's length, its length, its row, and
    how many of its tokens are those of the example before.
    """
    flat = [(i, *example) for i, row in enumerate(group) for example in row]
    return {
        "input_ids": [token for _, prompt, answer, *_ in flat for token in (*prompt, *answer)],
        "prompts": [len(prompt) for _, prompt, *_ in flat],
        "lengths": [len(prompt) + len(answer) for _, prompt, answer, *_ in flat],
        "row": [i for i, *_ in flat],
        "shared": [shared[0] if shared else 0 for _, _, _, *shared in flat],
    }


def collate(records: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Tensor]:
    """One record of `_record` as the tensors of `batches.Batch`."""
    (record,) = records
    tokens: Iterator[int] = iter(record["input_ids"])
    group: list[list[Branch]] = [[] for _ in range(max(record["row"]) + 1)]
    columns = (record[name] for name in ("prompts", "lengths", "row", "shared"))
    for asked, length, row, shared in zip(*columns, strict=True):
        ids = [next(tokens) for _ in range(length)]
        group[row].append((ids[:asked], ids[asked:], shared))
    if any(record["shared"]):
        batch = stack_trees(group, pad)
    else:
        batch = stack([[(prompt, answer) for prompt, answer, _ in row] for row in group], pad)
    return {
        "input_ids": batch.inputs,
        "labels": batch.labels,
        "segments": batch.segments,
        "positions": batch.positions,
    }


def collator(pad: int) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, Tensor]]:
    """`collate` for a model's padding token."""
    return partial(collate, pad=pad)


def kept_rows(folder: Path, make: Callable[[], Rows]) -> Rows:
    """The rows in `folder`, made and written where there are none: a run that goes on reads them."""
    datasets.disable_progress_bars()
    if not (folder / "rows.json").is_file():
        rows = make()
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        rows.batches.save_to_disk(str(part))
        numbers = {f.name: getattr(rows, f.name) for f in fields(rows) if f.name != "batches"}
        write_atomically(part / "rows.json", json.dumps(numbers) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    numbers = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    return Rows(datasets.load_from_disk(str(folder)), **numbers)
