"""Training pairs as tensors: batches of similar length or packed rows, and logits where answers stand.

Padded batches put examples of similar length together. Packed rows (Krell et al. 2021) put several
examples into one row; positions begin anew with each and a block-diagonal mask keeps each from seeing
the others. The loss belongs to the answer alone, so the output head runs on answer positions only.

>>> stack([[([2, 8], [9, 3])]], pad=0).labels.tolist()
[[-100, -100, 9, 3]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from txt2sql.models.torch_engine import additive_mask

T = TypeVar("T")

_IGNORED = -100
Row = tuple[list[int], list[int]]
"""Token ids of a prompt and of its answer, which ends with the end token."""

Group = list[list[Row]]
"""The rows of a batch, each of one or several examples."""

BRANCHES = 4096
"""A segment that is a multiple of this is a trunk, which the segments up to the next one see."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of shape (batch, time).

    `labels` are -100 but for answers. `segments` numbers the examples of a row from 1, 0 is padding (for
    trunks see `branches`); `positions` begins at 0 in each.
    """

    inputs: Tensor
    labels: Tensor
    segments: Tensor
    positions: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        moved = (getattr(self, f.name).to(device, non_blocking=True) for f in fields(self))
        return Batch(*moved)

    @property
    def tokens(self) -> int:
        """Tokens that are no padding."""
        return int((self.segments > 0).sum())

    @property
    def lengths(self) -> Tensor:
        """The length of each example."""
        ends = torch.nn.functional.pad(self.positions * (self.segments > 0), (0, 1), value=0)
        following = torch.nn.functional.pad(self.segments, (0, 1))[:, 1:]
        last = (self.segments % BRANCHES > 0) & (following != self.segments)
        return ends[:, :-1][last] + 1

    def mask(self, dtype: torch.dtype | None = None) -> Tensor | None:
        """What each position may see, (batch, 1, time, time): bool, or 0 and -inf as `dtype`.

        None where rows hold one example and plain causal attention does: padding is on the right, so
        no real token sees it.
        """
        most = int(self.segments.max())
        if most <= 1:
            return None
        width = self.inputs.shape[1]
        seen = torch.ones(width, width, dtype=torch.bool, device=self.inputs.device).tril()[None]
        own, other = self.segments[:, :, None], self.segments[:, None, :]
        # Padding is a trunk too, but stands on the right, where nothing sees it.
        seen = (seen & ((own == other) | (own - own % BRANCHES == other)))[:, None]
        return seen if dtype is None else additive_mask(seen, dtype)


def by_length(rows: Sequence[Row], batch_tokens: int) -> list[Group]:
    """Rows of one example each, the shortest first; no batch has more than `batch_tokens`."""
    groups: list[Group] = []
    for row in sorted(rows, key=_length):
        if not groups or (len(groups[-1]) + 1) * _length(row) > batch_tokens:
            groups.append([])
        groups[-1].append([row])
    return groups


def in_bins(rows: Sequence[Row], batch_tokens: int, width: int) -> list[Group]:
    """Rows of several examples, at most `width` long: the longest first, each where it still fits."""
    bins = first_fit(rows, _length, width)
    count = max(1, batch_tokens // width)
    return [bins[i : i + count] for i in range(0, len(bins), count)]


def first_fit(items: Iterable[T], size: Callable[[T], int], width: int) -> list[list[T]]:
    """Bins of at most `width`, or of one larger item: the largest first, each where it still fits."""
    bins: list[list[T]] = []
    room: list[int] = []
    for item in sorted(items, key=size, reverse=True):
        place = next((i for i, left in enumerate(room) if left >= size(item)), None)
        if place is None:
            place = len(bins)
            bins.append([])
            room.append(max(width, size(item)))
        bins[place].append(item)
        room[place] -= size(item)
    return bins


def _length(row: Row) -> int:
    return len(row[0]) + len(row[1])


def stack(rows: Sequence[Sequence[Row]], pad: int) -> Batch:
    """The rows of one batch as tensors, each of one or several examples."""
    width = max(sum(map(_length, row)) for row in rows)
    shape = (len(rows), width)
    inputs, labels = torch.full(shape, pad), torch.full(shape, _IGNORED)
    segments, positions = torch.zeros(shape, dtype=torch.int32), torch.zeros(shape).long()
    for i, row in enumerate(rows):
        start = 0
        for number, (prompt, answer) in enumerate(row, start=1):
            middle, end = start + len(prompt), start + len(prompt) + len(answer)
            inputs[i, start:end] = torch.tensor(prompt + answer)
            labels[i, middle:end] = torch.tensor(answer)
            segments[i, start:end] = number
            positions[i, start:end] = torch.arange(end - start)
            start = end
    return Batch(inputs, labels, segments, positions)


def answer_logits(model: PreTrainedModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (answer tokens, vocabulary) and targets; the head runs on answer positions alone."""
    dtype = None
    if model.config._attn_implementation == "eager":  # adds its mask to the scores
        device = batch.inputs.device.type
        bf16 = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if bf16 else torch.float32
    hidden = model.base_model(
        input_ids=batch.inputs,
        attention_mask=batch.mask(dtype),
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    chosen = batch.labels[:, 1:] != _IGNORED
    return model.get_output_embeddings()(hidden[:, :-1][chosen]), batch.labels[:, 1:][chosen]
