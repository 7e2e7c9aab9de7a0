"""Sampling groups of answers: a prompt is read once, and its answers grow beside each other.

Field's names: rollout; tree attention with a shared trunk. All answers to one prompt lie in one row,
step by step, and a mask keeps each from seeing the others, so the keys and values of a prompt are held
once for the whole group. Prefix models read the prompt in both directions. Under a grammar a token is
drawn from the model's distribution over the tokens that the grammar allows, as inference decodes.

>>> sampler = Sampler(model, tokenizer, end_ids=[2], max_new_tokens=96)  # doctest: +SKIP
>>> [len(answer) for answer in sampler.sample([ids], [None], copies=8).answers]  # doctest: +SKIP
[17, 17, 12, 17, 23, 17, 17, 16]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from txt2sql.models.constraint import GrammarEngine, GrammarMask
from txt2sql.models.decoding import finished

Bits = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class Samples:
    """Answers of all prompts, `copies` of each in a row: token ids with the end token, if it came.

    `allowed` has for each answer a row per token: which tokens the grammar allowed there, one bit
    each; None where nothing was forbidden.
    """

    answers: list[list[int]]
    allowed: list[Bits] | None


class RoomyLayer(DynamicLayer):  # type: ignore[misc, unused-ignore]
    """Keys and values of one layer in a buffer with room: a step writes its own, and copies no others.

    Plain also for models with a sliding window, which would drop the trunk.
    """

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """All keys and values so far, (batch, heads, time, width)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room: list[Tensor] = [key_states.new_empty(0)] * 2
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        for i, fresh in enumerate((key_states, value_states)):
            if end > (self._room[i].shape[-2] if start else 0):
                old = self._room[i]
                shape = (*fresh.shape[:2], end + max(end // 2, 64), fresh.shape[-1])
                self._room[i] = fresh.new_empty(shape)
                if start:
                    self._room[i][:, :, :start] = old[:, :, :start]
            self._room[i][:, :, start:end] = fresh
        self.keys, self.values = (room[:, :, :end] for room in self._room)
        return self.keys, self.values


class Sampler:
    """Draws from a causal or prefix model; `model` may have an adapter inside."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        end_ids: Sequence[int],
        *,
        max_new_tokens: int,
        temperature: float = 1.0,
        at_once: int = 64,
    ) -> None:
        self.model, self.tokenizer, self.end_ids = model, tokenizer, list(end_ids)
        self.max_new_tokens, self.temperature, self.at_once = max_new_tokens, temperature, at_once
        self._engine: GrammarEngine | None = None

    def text(self, answer: Sequence[int]) -> str:
        """The text of an answer without its end."""
        return finished(self.tokenizer, answer, self.end_ids, ())[1]

    def ended(self, answer: Sequence[int]) -> bool:
        """Whether the model ended an answer by itself."""
        return bool(answer) and answer[-1] in self.end_ids

    @torch.no_grad()
    def sample(
        self, prompts: Sequence[Sequence[int]], grammars: Sequence[str | None], copies: int
    ) -> Samples:
        """`copies` answers to each prompt (token ids). Draws from torch's global random state."""
        answers: list[list[int]] = []
        allowed: list[Bits] | None = [] if any(grammars) else None
        for start in range(0, len(prompts), self.at_once):
            part = slice(start, start + self.at_once)
            masker = self._masker(grammars[part], copies) if allowed is not None else None
            rows, bits = self._draw(prompts[part], copies, masker)
            for i, row in enumerate(rows):
                length = next((n for n, t in enumerate(row, 1) if t in self.end_ids), len(row))
                answers.append(row[:length])
                if allowed is not None:
                    allowed.append(np.stack([step[i] for step in bits[:length]]))
        return Samples(answers, allowed)

    def _masker(self, grammars: Sequence[str | None], copies: int) -> GrammarMask:
        if self._engine is None:
            size = int(self.model.get_output_embeddings().weight.shape[0])
            self._engine = GrammarEngine(self.tokenizer, size, self.end_ids)
        return GrammarMask(self._engine, grammars, copies, 0)

    def _draw(
        self, prompts: Sequence[Sequence[int]], copies: int, masker: GrammarMask | None
    ) -> tuple[list[list[int]], list[Bits]]:
        """Rows of equal length, and what was allowed at each step, (rows, bytes)."""
        device = self.model.device
        known, cache = self._read(prompts)
        shown = torch.tensor([prompt[-1] for prompt in prompts], device=device)
        tokens = shown[:, None].expand(-1, copies)
        first = known.sum(1, keepdim=True)
        own = torch.eye(copies, dtype=torch.bool, device=device).expand(len(prompts), 1, -1, -1)
        seen = known[:, None, None, :].expand(-1, 1, copies, -1)
        drawn: list[Tensor] = []
        bits: list[Bits] = []
        done = torch.zeros(len(prompts) * copies, dtype=torch.bool, device=device)
        ends = torch.tensor(self.end_ids, device=device)
        while len(drawn) < self.max_new_tokens and not done.all():
            seen = torch.cat([seen, own], dim=-1)
            scores = self.model(
                input_ids=tokens,
                attention_mask=self._as_mask(seen),
                position_ids=(first + len(drawn)).expand(-1, copies),
                past_key_values=cache,
                use_cache=True,
            ).logits.flatten(0, 1)
            scores = scores.float() / self.temperature
            if masker is not None:
                before = torch.stack(drawn, 1) if drawn else done.new_zeros((len(done), 0)).long()
                scores = masker(before, scores)
                bits.append(np.packbits((scores > float("-inf")).cpu().numpy(), axis=1))
            chosen = torch.where(done, ends[0], _draw_one(torch.softmax(scores, dim=-1)))
            drawn.append(chosen)
            done = done | torch.isin(chosen, ends)
            tokens = chosen.view(len(prompts), copies)
        return torch.stack(drawn, 1).tolist(), bits

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Cache]:
        """Keys and values of the prompts but their last tokens, padded on the left: (batch, time)."""
        width = max(len(prompt) for prompt in prompts) - 1
        known = torch.zeros((len(prompts), width), dtype=torch.bool)
        ids = torch.full((len(prompts), width), self.end_ids[0])
        for i, prompt in enumerate(prompts):
            known[i, width - len(prompt) + 1 :] = True
            ids[i, width - len(prompt) + 1 :] = torch.tensor(prompt[:-1], dtype=torch.long)
        known, ids = known.to(self.model.device), ids.to(self.model.device)
        cache = Cache(layer_class_to_replicate=RoomyLayer)
        if width:
            seen = torch.ones((width, width), dtype=torch.bool, device=ids.device)
            if not getattr(self.model.config, "prefix_lm", False):
                seen = seen.tril()
            # A pad sees itself: a softmax over nothing is not a number.
            itself = torch.eye(width, dtype=torch.bool, device=ids.device)
            self.model.base_model(
                input_ids=ids,
                attention_mask=self._as_mask(((seen & known[:, None, :]) | itself)[:, None]),
                position_ids=(known.long().cumsum(1) - 1).clamp(min=0),
                past_key_values=cache,
                use_cache=True,
            )
        return known, cache

    def _as_mask(self, seen: Tensor) -> Tensor:
        """(batch, 1, queries, keys) as the model's attention wants it."""
        if self.model.config._attn_implementation != "eager":
            return seen
        dtype = self.model.dtype
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(
            ~seen, torch.finfo(dtype).min
        )


def _draw_one(shares: Tensor) -> Tensor:
    """An index by its share, for each row: by inverting the cumulative distribution, which takes one
    random number a row where torch.multinomial takes one for each token of the vocabulary.
    """
    total = shares.double().cumsum(-1)
    point = torch.rand(len(shares), 1, dtype=torch.float64, device=shares.device) * total[:, -1:]
    return torch.searchsorted(total, point, right=True)[:, 0].clamp(max=shares.shape[1] - 1)
