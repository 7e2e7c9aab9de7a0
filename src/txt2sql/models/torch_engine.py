"""A causal language model of transformers as an Engine: any architecture, any device, with gradients off.

What `onnx_engine` does for exported models: tokens of any number of rows come flat, and a mask tells
which cached slots and which of its neighbours each one sees. Keys and values are written in place.

    decoder = load("phi-2")
    decoder.generate([render(question, schema)], Sampling())[0][0].text
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache as TransformersCache
from transformers.cache_utils import CacheLayerMixin

from txt2sql.models.decoder import Decoder
from txt2sql.models.onnx_engine import Array, Output
from txt2sql.models.tokenizer import decode, input_text, leading_tokens
from txt2sql.models.weights import LoadedModel, load_weights
from txt2sql.types import Prompt

_GROWTH = 512


def load(
    name: str | Path, *, device: str | None = None, dtype: str | None = None, bits: int = 16
) -> Decoder:
    """The Generator of a model by short name, hub id or folder; see `weights.load_weights`."""
    return decoder_of(load_weights(name, device=device, dtype=dtype, bits=bits))


def decoder_of(loaded: LoadedModel) -> Decoder:
    """The Generator of a model in memory."""
    vocabulary = HubVocabulary(loaded.tokenizer, end_ids(loaded.model, loaded.tokenizer))
    engine = TorchEngine(loaded.model, loaded.card.name)
    return Decoder(engine, vocabulary, loaded.card.name, folder=loaded.card.folder)


class TorchEngine:
    """An Engine over a model of transformers in memory, where it is and in its precision."""

    def __init__(self, model: Any, name: str) -> None:
        self.model, self.name = model, name
        self.device = next(model.parameters()).device
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        limits = (
            getattr(model.config, limit, None)
            for limit in ("max_position_embeddings", "sliding_window")
        )
        self.context = min((int(limit) for limit in limits if limit), default=1_000_000)

    def cache(self) -> FlatCache:
        """See `Engine.cache`."""
        return FlatCache(int(self.model.config.num_hidden_layers), self.device, self.model.dtype)

    @torch.inference_mode()
    def forward(
        self,
        tokens: Array,
        positions: Array,
        seen: Array,
        cache: FlatCache,
        rows: Array,
        *,
        prefix: bool = False,
    ) -> tuple[Output, Array]:
        """See `Engine.forward`."""
        start = cache.length
        mask = additive_mask(torch.from_numpy(seen), self.model.dtype)
        states: list[Tensor] = []
        # The last hidden states, before the output head: `output_hidden_states` would keep all layers'.
        hook = self.model.base_model.register_forward_hook(
            lambda _module, _inputs, output: states.append(output.last_hidden_state)
        )
        chosen = torch.from_numpy(rows).to(self.device)
        try:
            logits = self.model(
                input_ids=torch.from_numpy(tokens)[None].to(self.device),
                attention_mask=mask[None, None].to(self.device),  # (1, 1, time, slots + time)
                position_ids=torch.from_numpy(positions)[None].to(self.device),
                past_key_values=cache.past,
                use_cache=True,
                logits_to_keep=chosen,
            ).logits
        finally:
            hook.remove()
        hidden = states[0][0, chosen]
        output = Output(logits[0].float().cpu().numpy(), hidden.float().cpu().numpy())
        return output, np.arange(start, cache.length)


def additive_mask(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to attention scores: 0 where a token is seen, else the least number there is."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)


class FlatCache:
    """Keys and values of every token that was read, one slot each; see `cache.Cache`."""

    def __init__(self, layers: int, device: torch.device, dtype: torch.dtype) -> None:
        self._layers = [_FlatLayer(device, dtype) for _ in range(layers)]
        self.past = TransformersCache(layers=list(self._layers))

    @property
    def length(self) -> int:
        """Slots in use."""
        return self._layers[0].length

    def truncate(self, length: int) -> None:
        """Forget every slot from `length` on."""
        for layer in self._layers:
            layer.length = min(length, layer.length)

    def put(self, prefix: Array) -> Array:
        """Write what `take` gave, (2, layers, kv heads, time, head size); the slots (time,)."""
        start = self.length
        for layer, keys, values in zip(self._layers, *prefix, strict=True):
            layer.update(torch.from_numpy(keys)[None], torch.from_numpy(values)[None])
        return np.arange(start, self.length)

    def take(self, slots: Array) -> Array:
        """(2, layers, kv heads, time, head size) of some slots."""
        chosen = torch.from_numpy(slots)
        parts = [
            torch.stack([getattr(layer, name)[0, :, chosen] for layer in self._layers])
            for name in ("keys", "values")
        ]
        return torch.stack(parts).float().cpu().numpy()


class _FlatLayer(CacheLayerMixin):
    """One layer's keys and values, (1, kv heads, slots, head size), written in place."""

    is_sliding = False

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place, self.precision, self.length = device, dtype, 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """The first slots."""
        self.keys = self._zeros(key_states, _GROWTH)
        self.values = self._zeros(value_states, _GROWTH)
        self.is_initialized = True

    def _zeros(self, like: Tensor, slots: int) -> Tensor:
        shape = (1, like.shape[1], slots, like.shape[3])
        return torch.zeros(shape, device=self.place, dtype=self.precision)

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write new keys and values at the next slots; all that are there come back."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        for name, new in (("keys", key_states), ("values", value_states)):
            whole: Tensor = getattr(self, name)
            if end > whole.shape[2]:
                # Doubling, as in `cache.Cache`: transformers' own cache copies everything at every token.
                larger = self._zeros(new, max(end, 2 * whole.shape[2]))
                larger[:, :, : self.length] = whole[:, :, : self.length]
                whole = larger
                setattr(self, name, whole)
            whole[:, :, self.length : end] = new.to(self.place)
        self.length = end
        assert self.keys is not None and self.values is not None
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Slots in use."""
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(keys, offset)."""
        return self.length + query_length, 0

    def get_max_length(self) -> int:
        """No limit: it grows."""
        return -1


class HubVocabulary:
    """A tokenizer of transformers as `decoder` and `constraint` use one; see `tokenizer.Vocabulary`."""

    def __init__(self, tokenizer: Any, end_ids: Sequence[int]) -> None:
        self.tokenizer, self.end_ids = tokenizer, list(end_ids)
        self.chat = bool(getattr(tokenizer, "chat_template", None))
        self.bos = leading_tokens(tokenizer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def __call__(self, text: str, **options: Any) -> Any:
        """As a tokenizer of transformers is called."""
        return self.tokenizer(text, **options)

    def encode(self, text: str, *, first: bool = False) -> list[int]:
        """Token ids; `first`: with what the model wants before a text, which a chat template writes."""
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return [*self.bos, *ids] if first and not self.chat else list(ids)

    def decode(self, tokens: Sequence[int], **_: Any) -> str:
        """The text of tokens without special ones."""
        return decode(self.tokenizer, tokens)

    def prompt_text(self, prompt: Prompt) -> tuple[str, str]:
        """The prompt as the model reads it, in two parts: of the database, and of the question."""
        if not self.chat or not prompt.messages:
            return prompt.prefix, prompt.text[len(prompt.prefix) :]
        text, _ = input_text(self.tokenizer, prompt)
        static = prompt.messages[0].content
        # A template may trim or rewrite a message; then nothing of the prompt is shared.
        end = text.find(static) + len(static) if static in text else 0
        return text[:end], text[end:]


def end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the model's own (chat models have several) and the tokenizer's."""
    ids: list[int] = []
    for ends in (
        model.generation_config.eos_token_id,
        model.config.eos_token_id,
        tokenizer.eos_token_id,
    ):
        ids += ends if isinstance(ends, list) else [ends] if isinstance(ends, int) else []
    return sorted(set(ids))
