"""Token rows as batches: a schema once for many questions, no question seeing another.

Prompts of one database begin alike. In a causal model what stands first does not depend on what follows,
so a row holds the shared prefix once, and each example is a suffix of it that sees the prefix and itself;
its positions go on where the prefix ends (prefix sharing, as in tree attention). Examples that share
nothing stand beside each other (packing, Krell et al. 2021). The loss of an example is what it would be
alone, and belongs to its answer: the output head runs on positions before answer tokens only.

>>> rows = [([1, 2, 3, 4], [9]), ([1, 2, 3, 5], [8]), ([1, 2, 3, 6], [7])]
>>> [row] = pack(rows, width=16, least=2)
>>> [shared for *_, shared in row], size(row)
([0, 3, 3], 9)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Tokens = Sequence[int]
Example = tuple[Tokens, Tokens]
"""Token ids of a prompt and of its answer, which ends with the end token."""
Placed = tuple[Tokens, Tokens, int]
"""An example, and how many tokens of its prompt are the prefix of the example before; 0: none."""
Group = list[list[Placed]]
"""The rows of a batch."""

IGNORED = -100
LEAST = 64  # tokens of a prefix that is worth sharing
_SUFFIXES = 4096
"""A segment that is a multiple of this is a shared prefix, which the segments up to the next one see."""


def batches_of(
    examples: Sequence[Example], batch_tokens: int, width: int, least: int = LEAST
) -> list[Group]:
    """Batches of rows of at most `width` tokens; neighbours, often of one database, are apart."""
    rows = pack(examples, width, least)
    batches = -(-len(rows) // max(1, batch_tokens // width))
    return [rows[i::batches] for i in range(batches)]


def pack(examples: Sequence[Example], width: int, least: int = LEAST) -> list[list[Placed]]:
    """Examples that begin alike share their prefix; these trees stand in rows of at most `width`, the
    longest first, each where it still fits.
    """
    trees: list[list[Placed]] = []
    for prefix, run in _runs(examples, least):
        trees, left = [*trees, []], width
        for prompt, answer in run:
            needed = len(prompt) + len(answer) - prefix
            if (
                trees[-1] and needed > left
            ):  # cut where a row is full, each part with the prefix anew
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


def _runs(examples: Sequence[Example], least: int) -> Iterator[tuple[int, list[Example]]]:
    """Examples that begin alike, and how many tokens they share; a shorter prefix for one more example
    only where that saves tokens.
    """
    run: list[Example] = []
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
    """A batch as a causal language model takes it: `input_ids` and `position_ids` (batch, time), a mask
    (batch, 1, time, time), and `labels` (batch, chosen) of the positions `logits_to_keep` (chosen,), -100
    where a row has no answer token. `width`: the least time.
    """
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
