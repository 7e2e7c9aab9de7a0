"""The data of a run as pools: some hundred examples drawn, encoded and cut into batches together.

A pool follows from its number and the seed alone, so any process can make any pool, and a run that
goes on finds the same batches in the same order.

>>> next(stream(pools, first=0, skip=0, workers=0))  # doctest: +SKIP
(Batch(...), 0, 1)
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import TypeVar

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase as Tokenizer

from txt2sql.training.batches import Batch, encode_rows, packed, padded
from txt2sql.training.corpus import Corpus, Pair
from txt2sql.training.settings import PretrainConfig

T = TypeVar("T")


class Pools(Dataset[list[Batch]]):
    """Pool number -> its batches: the same on every machine, in any process."""

    def __init__(
        self, config: PretrainConfig, corpora: Sequence[Corpus], tokenizer: Tokenizer,
        answers: int, packing: bool,
    ) -> None:  # fmt: skip
        self.config, self.corpora, self.tokenizer = config, corpora, tokenizer
        self.answers, self.packing = answers, packing

    def __getitem__(self, number: int) -> list[Batch]:
        batches = self.cut(self.pairs(number))
        random.Random(f"{self.config.seed} batches {number}").shuffle(batches)
        return batches

    def cut(self, pairs: Sequence[Pair]) -> list[Batch]:
        """The pairs as batches, packed or padded."""
        rows = encode_rows(pairs, self.tokenizer, self.answers)
        pad, most = int(self.tokenizer.pad_token_id), self.config.batch_tokens
        if self.packing:
            return packed(rows, pad, most, self.config.row_tokens)
        return padded(rows, pad, most)

    def pairs(self, number: int) -> list[Pair]:
        """The pairs of a pool: each corpus is walked in an order shuffled anew on every pass."""
        config = self.config
        rng = random.Random(f"{config.seed} pool {number}")
        pairs: list[Pair] = []
        for corpus, share in zip(self.corpora, config.shares):
            drawn = round(config.pool * share / sum(config.shares))
            for position in range(number * drawn, (number + 1) * drawn):
                turn, place = divmod(position, len(corpus))
                order = shuffled(f"{config.seed} {corpus.name} {turn}", len(corpus))
                budget = config.long_budget if rng.random() < config.long_share else config.budget
                pair = corpus[order[place]].draw(rng, budget)
                if pair is not None:
                    pairs.append(pair)
        rng.shuffle(pairs)
        return pairs


@lru_cache(maxsize=8)
def shuffled(seed: str, size: int) -> list[int]:
    """A shuffled range, remembered for the passes under way."""
    return random.Random(seed).sample(range(size), size)


def stream(pools: Pools, first: int, skip: int, workers: int) -> Iterator[tuple[Batch, int, int]]:
    """Batches from a place on, each with the pool and the number of the one that follows it."""
    if workers:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each worker is one process already
    loader: DataLoader[list[Batch]] = DataLoader(
        pools,
        batch_size=None,
        sampler=count(first),
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # else it takes from the state that dropout goes on from
    )
    for number, batches in zip(count(first), loader):
        for i, batch in enumerate(batches[skip:], start=skip + 1):
            yield (batch, number, i) if i < len(batches) else (batch, number + 1, 0)
        skip = 0


def _as_it_is(found: T) -> T:
    return found
