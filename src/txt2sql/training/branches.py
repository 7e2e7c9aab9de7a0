"""Rows that hold a schema once for many questions: a trunk of tokens, and branches that continue it.

Prompts of one database begin alike. In a causal model what stands first does not depend on what follows,
so a row may hold the common beginning once: a branch sees the trunk and itself, its positions go on
where the trunk ends, and its loss is what it would be alone (prefix sharing, as in tree attention).
Every position is told explicitly, so any causal model that heeds a 4-d mask and position ids will do.

>>> rows = [([1, 2, 3, 4], [9]), ([1, 2, 3, 5], [8]), ([1, 2, 3, 6], [7])]
>>> [row] = grow(rows, width=16, least=2)
>>> [shared for *_, shared in row], size(row)
([0, 3, 3], 9)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from txt2sql.training.batches import BRANCHES, Batch, Row, first_fit

Branch = tuple[list[int], list[int], int]
"""Prompt, answer, and how many tokens of the prompt are the trunk of the example before; 0: none."""

LEAST = 64
"""Tokens of a trunk that is worth its place."""


def in_trees(
    rows: Sequence[Row], batch_tokens: int, width: int, least: int = LEAST
) -> list[list[list[Branch]]]:
    """Batches of rows of at most `width` tokens; neighbours, often of one database, are apart."""
    grown = grow(rows, width, least)
    count = max(1, batch_tokens // width)
    batches = -(-len(grown) // count)
    return [grown[i::batches] for i in range(batches)]


def grow(rows: Sequence[Row], width: int, least: int = LEAST) -> list[list[Branch]]:
    """Rows of trees: examples that begin alike become one, cut where a row is full; the longest first,
    each where it still fits.
    """
    trees = [part for trunk, run in _runs(rows, least) for part in _parts(trunk, run, width)]
    return [[b for tree in row for b in tree] for row in first_fit(trees, size, width)]


def size(row: Sequence[Branch]) -> int:
    """Tokens of a row, shared ones once."""
    return sum(len(prompt) + len(answer) - shared for prompt, answer, shared in row)


def _runs(rows: Sequence[Row], least: int) -> Iterator[tuple[int, list[Row]]]:
    """Examples that begin alike, and how many tokens they share; a shorter trunk for one more example
    only where that saves tokens.
    """
    run: list[Row] = []
    trunk = 0
    for row in sorted(rows, key=lambda row: row[0]):
        # A token of the prompt must be left, to begin the answer from.
        shared = _common(run[0][0], row[0]) if run else 0
        shared = min(shared, len(row[0]) - 1, *(len(prompt) - 1 for prompt, _ in run))
        if shared >= least and (len(run) == 1 or len(run) * (trunk - shared) < trunk):
            run.append(row)
            trunk = shared
            continue
        if run:
            yield trunk, run
        run, trunk = [row], 0
    if run:
        yield trunk, run


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two prompts begin with alike."""
    for i, (one, other) in enumerate(zip(first, second)):
        if one != other:
            return i
    return min(len(first), len(second))


def _parts(trunk: int, run: Sequence[Row], width: int) -> Iterator[list[Branch]]:
    """The trees of a run, each with the trunk anew."""
    tree: list[Branch] = []
    room = 0
    for prompt, answer in run:
        needed = len(prompt) + len(answer) - trunk
        if not tree or needed > room:
            if tree:
                yield tree
            tree, room = [], width - trunk
        tree.append((prompt, answer, trunk if tree else 0))
        room -= needed
    yield tree


def stack_trees(rows: Sequence[Sequence[Branch]], pad: int) -> Batch:
    """The rows of one batch as tensors. The trunk of a row's tree t is segment t x BRANCHES, its
    branches are numbered from there.
    """
    shape = (len(rows), max(map(size, rows)))
    inputs, labels = torch.full(shape, pad), torch.full(shape, -100)
    segments, positions = torch.zeros(shape, dtype=torch.int32), torch.zeros(shape).long()

    for i, row in enumerate(rows):
        end = tree = branch = trunk = 0

        def put(tokens: Sequence[int], first: int, segment: int, i: int = i) -> None:
            nonlocal end
            place = slice(end, end + len(tokens))
            inputs[i, place] = torch.tensor(tokens)
            positions[i, place] = torch.arange(first, first + len(tokens))
            segments[i, place] = segment
            end += len(tokens)

        for number, (prompt, answer, shared) in enumerate(row):
            if not shared:
                tree, branch = tree + 1, 0
                trunk = row[number + 1][2] if number + 1 < len(row) else 0
                put(prompt[:trunk], 0, tree * BRANCHES)
            branch += 1
            put([*prompt[trunk:], *answer], trunk, tree * BRANCHES + branch)
            labels[i, end - len(answer) : end] = torch.tensor(answer)
    return Batch(inputs, labels, segments, positions)
