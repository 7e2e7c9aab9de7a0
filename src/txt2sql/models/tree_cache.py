"""One flat cache of keys and values for a prompt and a whole tree of continuations of it.

Field's name: tree attention (SpecInfer, Miao et al. 2024; Medusa, Cai et al. 2024). Every token of
the tree has a slot of its own; a token sees the prompt and its own ancestors, by an additive mask of
four dimensions, and stands at the position that it has on its path. So branches share their prefix
without a copy, and tokens of many branches go through the model in one batch. A prefix model's prompt
is read in both directions, as `prefix.prompt_cache` does.

Several trees fill the rows of one batch; each row has its own slots.

    cache = TreeCache(model, [prompt_ids])
    logits, hidden = cache.read([[NewToken(token=17, ancestors=())]])    # (1, 1, vocabulary)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

_SPARE = 512
"""Slots that a new cache has for its tree; it grows by half when they are used up."""


class NewToken(NamedTuple):
    """A token to read: its id, and the slots of the answer's tokens before it on its path."""

    token: int
    ancestors: tuple[int, ...]


class TreeCache:
    """Keys and values of a batch of prompts and their trees; `logits` (rows, vocabulary) follow the
    prompts, `hidden` (rows, size) are the trunk's last states there.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.lengths = [len(prompt) for prompt in prompts]
        self.used = [0] * len(prompts)
        self._device = next(model.parameters()).device
        layers = int(model.config.num_hidden_layers)
        self._layers = [_FlatLayer(max(self.lengths) + _SPARE) for _ in range(layers)]
        self._cache = Cache(layers=list(self._layers))
        width = max(self.lengths)
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        last = sorted({length - 1 for length in self.lengths})
        positions = torch.arange(width).expand(len(prompts), -1)
        logits, hidden = self._forward(ids, positions, self._prompt_mask(width), torch.tensor(last))
        own = [last.index(length - 1) for length in self.lengths]
        rows = range(len(prompts))
        self.logits = torch.stack([logits[row, own[row]] for row in rows])
        self.hidden = torch.stack([hidden[row, self.lengths[row] - 1] for row in rows])
        self.used = list(self.lengths)

    def read(self, rows: Sequence[Sequence[NewToken]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (rows, most tokens, vocabulary) and hidden states of new tokens of each row.

        A row's tokens take its next slots, in order; rows with fewer are filled up with what counts
        for nothing.
        """
        width = max(len(row) for row in rows)
        reach = max(self.used) + width
        if reach > self._layers[0].size:
            for layer in self._layers:
                layer.grow(reach + reach // 2)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        positions = torch.zeros(len(rows), width, dtype=torch.long)
        seen = torch.zeros(len(rows), 1, width, reach, dtype=torch.bool)
        for row, new in enumerate(rows):
            start = self.used[row]
            seen[row, 0, range(width), range(start, start + width)] = True
            if not new:
                continue
            seen[row, 0, : len(new), : self.lengths[row]] = True
            ids[row, : len(new)] = torch.tensor([each.token for each in new])
            depths = [len(each.ancestors) for each in new]
            positions[row, : len(new)] = torch.tensor(depths) + self.lengths[row]
            lines = [i for i, depth in enumerate(depths) for _ in range(depth)]
            seen[row, 0, lines, [slot for each in new for slot in each.ancestors]] = True
        logits, hidden = self._forward(ids, positions, seen)
        for row, new in enumerate(rows):
            self.used[row] += len(new)
        return logits, hidden

    def _prompt_mask(self, width: int) -> torch.Tensor:
        """(rows, 1, width, width) what each token of a prompt sees; what is beyond it, itself."""
        causal = torch.ones(width, width, dtype=torch.bool).tril()
        seen = causal.expand(len(self.lengths), 1, width, width).clone()
        if getattr(self.model.config, "prefix_lm", False):
            for row, length in enumerate(self.lengths):
                seen[row, 0, : length - 1, : length - 1] = True
        return seen

    def _forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        seen: torch.Tensor,
        kept: torch.Tensor | int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits at `kept` (0: everywhere) and hidden states (rows, time, size)."""
        for layer in self._layers:
            layer.starts = self.used
        mask = torch.zeros(seen.shape, dtype=self.model.dtype)
        mask.masked_fill_(~seen, torch.finfo(self.model.dtype).min)
        states: list[torch.Tensor] = []
        hook = self.model.base_model.register_forward_hook(
            lambda _module, _inputs, output: states.append(output.last_hidden_state)
        )
        try:
            with torch.inference_mode():
                logits = self.model(
                    input_ids=ids.to(self._device),
                    attention_mask=mask.to(self._device),
                    position_ids=positions.to(self._device),
                    past_key_values=self._cache,
                    use_cache=True,
                    logits_to_keep=kept,
                ).logits
        finally:
            hook.remove()
        return logits, states[0]


class _FlatLayer(CacheLayerMixin):
    """One layer's keys and values, (rows, heads, slots, size), written in place."""

    is_sliding = False

    def __init__(self, size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.size = size
        self.starts: Sequence[int] = ()

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Room for everything, zero so that what is masked is a number."""
        rows, heads, _, size = key_states.shape
        self.keys = key_states.new_zeros(rows, heads, self.size, size)
        self.values = value_states.new_zeros(rows, heads, self.size, value_states.shape[3])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write each row's new keys and values at its next slots; all that are used come back."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        count = key_states.shape[2]
        for row, start in enumerate(self.starts):
            self.keys[row, :, start : start + count] = key_states[row]
            self.values[row, :, start : start + count] = value_states[row]
        reach = max(self.starts) + count
        return self.keys[:, :, :reach], self.values[:, :, :reach]

    def grow(self, size: int) -> None:
        """More slots, with what is there already."""
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], size, old.shape[3])
            new[:, :, : self.size] = old
            setattr(self, name, new)
        self.size = size

    def get_seq_length(self) -> int:
        """What the tree uses is for the mask to say."""
        return max(self.starts, default=0)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(keys, offset)."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """No limit: it grows."""
        return -1
