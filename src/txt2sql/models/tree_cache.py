"""One flat cache of keys and values for a prompt and a whole tree of continuations of it.

Field's name: tree attention (SpecInfer, Miao et al. 2024; Medusa, Cai et al. 2024). Every token of
the tree has a slot of its own; a token sees the prompt and its own ancestors, by an additive mask of
four dimensions, and stands at the position that it has on its path. So branches share their prefix
without a copy, and tokens of many branches go through the model in one batch. A prefix model's prompt
is read in both directions, as `prefix.prompt_cache` does.

Several trees fill the rows of one batch; each row has its own slots. Trees grow at their own pace, so
rows with about as many new tokens are read together, and rows without any not at all.

    cache = TreeCache(model, [prompt_ids])
    logits, hidden = cache.read([[NewToken(token=17, ancestors=())]])
    logits[0]                                                            # (1, vocabulary)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

_SPARE = 512
"""Slots that a new cache has for its tree; it grows by half when they are used up."""
_CALL = {"cpu": 48, "cuda": 1024}
"""What a call of the model costs on its own, in tokens that are filled up."""


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

    def read(
        self, rows: Sequence[Sequence[NewToken]]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Logits (tokens, vocabulary) and hidden states (tokens, size) of the new tokens of each row.

        A row's tokens take its next slots, in order.
        """
        reach = max(used + len(new) for used, new in zip(self.used, rows, strict=True))
        # What fills up a row is written behind its tokens, where there must be room, too.
        reach += max(map(len, rows))
        if reach > self._layers[0].size:
            for layer in self._layers:
                layer.grow(reach + reach // 2)
        logits = [self.logits[:0]] * len(rows)
        hidden = [self.hidden[:0]] * len(rows)
        for group in _groups([len(new) for new in rows], _CALL.get(self._device.type, 1024)):
            found = self._read(group, [rows[row] for row in group])
            for i, row in enumerate(group):
                logits[row], hidden[row] = (each[i, : len(rows[row])] for each in found)
        for row, new in enumerate(rows):
            self.used[row] += len(new)
        return logits, hidden

    def _read(
        self, rows: Sequence[int], new: Sequence[Sequence[NewToken]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and hidden states (rows, most tokens, ...) of some rows; those with fewer tokens are
        filled up with what counts for nothing.
        """
        width = max(map(len, new))
        reach = max(self.used[row] for row in rows) + width
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        positions = torch.zeros(len(rows), width, dtype=torch.long)
        seen = torch.zeros(len(rows), 1, width, reach, dtype=torch.bool)
        for i, (row, tokens) in enumerate(zip(rows, new, strict=True)):
            start, count = self.used[row], len(tokens)
            seen[i, 0, range(width), range(start, start + width)] = True
            seen[i, 0, :count, : self.lengths[row]] = True
            ids[i, :count] = torch.tensor([each.token for each in tokens])
            depths = [len(each.ancestors) for each in tokens]
            positions[i, :count] = torch.tensor(depths) + self.lengths[row]
            lines = [i for i, depth in enumerate(depths) for _ in range(depth)]
            seen[i, 0, lines, [slot for each in tokens for slot in each.ancestors]] = True
        return self._forward(ids, positions, seen, rows=rows)

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
        rows: Sequence[int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits at `kept` (0: everywhere) and hidden states (rows, time, size); None: of all rows."""
        rows = range(len(self.used)) if rows is None else rows
        for layer in self._layers:
            layer.rows, layer.starts = rows, [self.used[row] for row in rows]
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
        self.rows: Sequence[int] = ()
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
        """Write the new keys and values of `rows` at their next slots; all that these use come back."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        count = key_states.shape[2]
        for i, (row, start) in enumerate(zip(self.rows, self.starts, strict=True)):
            self.keys[row, :, start : start + count] = key_states[i]
            self.values[row, :, start : start + count] = value_states[i]
        reach = max(self.starts) + count
        if len(self.rows) == len(self.keys):
            return self.keys[:, :, :reach], self.values[:, :, :reach]
        if len(self.rows) == 1:
            row = self.rows[0]
            return self.keys[row : row + 1, :, :reach], self.values[row : row + 1, :, :reach]
        chosen = list(self.rows)
        return self.keys[chosen, :, :reach], self.values[chosen, :, :reach]

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


def _groups(counts: Sequence[int], call: int) -> list[list[int]]:
    """Rows that are read together: of all ways to part them by their numbers of new tokens the cheapest,
    where `call` is the price of a group beside the tokens to which its rows are filled up.

    >>> _groups([40, 0, 3, 37, 2], 48), _groups([40, 0, 3, 37, 2], 1024)
    ([[0, 3], [2, 4]], [[0, 2, 3, 4]])
    """
    order = sorted((row for row, count in enumerate(counts) if count), key=lambda row: -counts[row])
    best: list[tuple[int, int]] = [
        (0, 0)
    ]  # (price of the first rows, where their last group begins)
    for end in range(1, len(order) + 1):
        best.append(
            min(
                (best[begin][0] + call + (end - begin) * counts[order[begin]], begin)
                for begin in range(end)
            )
        )
    groups: list[list[int]] = []
    end = len(order)
    while end:
        begin = best[end][1]
        groups.append(sorted(order[begin:end]))
        end = begin
    return groups[::-1]
