"""Hooks into `transformers` generation: token log-probabilities under the mask, and stop texts.

The hook replaces a step's scores by log-probabilities over the tokens that the grammar allows, so
greedy, sampled and beam search all decode from one distribution, and remembers those of the tokens
that are then chosen. Only one step's scores are held at a time, whatever the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

from txt2sql.models.tokenizer import decode

_Mask = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class RowLogProbs(LogitsProcessor):
    """For greedy and sampled decoding, where row i of every step is the same sequence."""

    def __init__(self, mask: _Mask | None, start: int) -> None:
        self._mask, self._start = mask, start
        self._last: torch.Tensor | None = None
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (rows, vocabulary) of the next token."""
        if self._last is not None:
            self._steps.append(self._last.gather(1, input_ids[:, -1:]))
        masked = self._mask(input_ids, scores) if self._mask else scores
        self._last = torch.log_softmax(masked.float(), dim=-1)
        # A copy: the warpers of temperature and top-p may write into what they are given.
        return self._last.clone()

    def of(self, sequences: torch.Tensor) -> list[list[float]]:
        """Log-probabilities of what each row generated, fillers after its end included."""
        count = sequences.shape[1] - self._start
        steps = list(self._steps)
        if self._last is not None and len(steps) < count:
            steps.append(self._last.gather(1, sequences[:, -1:]))
        if not steps or not count:
            return [[] for _ in range(sequences.shape[0])]
        return list(torch.cat(steps[:count], dim=1).tolist())


class BeamLogProbs(LogitsProcessor):
    """For beam search, where rows move: values are found again by the tokens before them.

    Beam search continues a row only with one of its `kept` likeliest tokens, so these are all that
    is remembered of a step.
    """

    def __init__(self, mask: _Mask | None, copies: int, start: int, kept: int) -> None:
        self._mask, self._copies, self._start, self._kept = mask, copies, start, kept
        self._next: dict[tuple[int, tuple[int, ...]], dict[int, float]] = {}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (rows, vocabulary) of the next token."""
        masked = self._mask(input_ids, scores) if self._mask else scores
        logprobs = torch.log_softmax(masked.float(), dim=-1)
        best = logprobs.topk(min(self._kept, logprobs.shape[1]), dim=-1)
        rows = zip(
            input_ids[:, self._start :].tolist(),
            best.indices.tolist(),
            best.values.tolist(),
            strict=True,
        )
        for i, (tokens, following, values) in enumerate(rows):
            found = zip(following, values, strict=True)
            self._next[i // self._copies, tuple(tokens)] = {
                token: value for token, value in found if value > float("-inf")
            }
        return logprobs

    def of(self, sequences: torch.Tensor) -> list[list[float]]:
        """Log-probabilities of each sequence as far as it was generated; [] for a filler."""
        values = []
        for i, row in enumerate(sequences[:, self._start :].tolist()):
            found: list[float] = []
            for position, token in enumerate(row):
                following = self._next.get((i // self._copies, tuple(row[:position])), {})
                if token not in following:
                    break
                found.append(following[token])
            values.append(found)
        return values


class StopTexts(StoppingCriteria):
    """Ends a row as soon as its text contains one of the stop texts."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], start: int) -> None:
        self._tokenizer, self._stop, self._start = tokenizer, stop, start
        # Every token is at least one byte of text, so a stop text lies within so many tokens.
        self._reach = max((len(text.encode()) for text in stop), default=0) + 2

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        """(rows,) which rows end here."""
        tails = input_ids[:, max(self._start, input_ids.shape[1] - self._reach) :].tolist()
        texts = [decode(self._tokenizer, tail) for tail in tails]
        done = [any(stop in text for stop in self._stop) for text in texts]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)


def finished(
    tokenizer: Any, tokens: Sequence[int], end_ids: Sequence[int], stop: Sequence[str]
) -> tuple[int, str]:
    """How many of `tokens` were generated up to the end or stop text, and the text before it."""
    count = next((i for i, token in enumerate(tokens, start=1) if token in end_ids), len(tokens))
    text = decode(tokenizer, tokens[:count])
    if any(mark in text for mark in stop):
        low, high = 1, count  # the shortest prefix that contains a stop text
        while low < high:
            middle = (low + high) // 2
            if any(mark in decode(tokenizer, tokens[:middle]) for mark in stop):
                high = middle
            else:
                low = middle + 1
        count = low
        text = decode(tokenizer, tokens[:count])
        text = text[: min(text.find(mark) for mark in stop if mark in text)]
    return count, text
