"""A causal language model of transformers as an Engine: any architecture, any device, with gradients off.

decoder = load("phi-2")
decoder.generate([render(question, schema)], Sampling())[0][0].text
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from txt2sql.errors import ModelError
from txt2sql.models.decoder import Decoder
from txt2sql.models.onnx_engine import Array, Output
from txt2sql.models.tokenizer import Vocabulary, input_text, leading_tokens
from txt2sql.models.weights import LoadedModel, load_weights
from txt2sql.types import Prompt


def load(
    name: str | Path, *, device: str | None = None, dtype: str | None = None, bits: int = 16
) -> Decoder:
    return decoder_of(load_weights(name, device=device, dtype=dtype, bits=bits))


def decoder_of(loaded: LoadedModel) -> Decoder:
    model, tokenizer, name = loaded.model, loaded.tokenizer, loaded.card.name
    # Chat models have several tokens that end an answer, and not all of them in one place.
    ends = [tokenizer.eos_token_id]
    for config in (model.generation_config, model.config):
        each = config.eos_token_id
        ends += each if isinstance(each, list) else [each]
    vocabulary = HubVocabulary(tokenizer, [end for end in dict.fromkeys(ends) if end is not None])
    return Decoder(TorchEngine(model, name), vocabulary, name, folder=loaded.card.folder)


class TorchEngine:
    def __init__(self, model: Any, name: str) -> None:
        self.model, self.name = model, name
        self.device = next(model.parameters()).device
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        limits = ("max_position_embeddings", "sliding_window")
        known = [getattr(model.config, limit, None) or 1_000_000 for limit in limits]
        self.context = int(min(known))

    def cache(self) -> FlatCache:  # see `Engine`
        return FlatCache(self.device, self.model.dtype)

    @torch.inference_mode()
    def forward(
        self, tokens: Array, seen: Array, cache: FlatCache, rows: Array, prefix: bool = False
    ) -> tuple[Output, Array]:  # see `Engine`
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
                position_ids=torch.from_numpy(seen.sum(1) - 1)[None].to(self.device),
                past_key_values=cache,
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


class FlatCache(DynamicCache):
    """Keys and values of every token that was read, one slot each; see `cache.Cache`."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.place, self.precision = device, dtype

    @property
    def length(self) -> int:
        return int(self.get_seq_length())

    def truncate(self, length: int) -> None:
        layers: list[Any] = self.layers
        for layer in layers:
            layer.keys, layer.values = layer.keys[:, :, :length], layer.values[:, :, :length]

    def put(self, prefix: Array) -> Array:
        """Write what `take` gave, (2, layers, kv heads, time, head size); the slots (time,)."""
        start = self.length
        both = torch.from_numpy(prefix).to(self.place, self.precision)
        for number, (keys, values) in enumerate(zip(*both, strict=True)):
            self.update(keys[None], values[None], number)
        return np.arange(start, self.length)

    def take(self, slots: Array) -> Array:
        """(2, layers, kv heads, time, head size) of some slots."""
        chosen = torch.from_numpy(slots)
        parts = [
            torch.stack([getattr(layer, name)[0, :, chosen] for layer in self.layers])
            for name in ("keys", "values")
        ]
        return torch.stack(parts).float().cpu().numpy()


class HubVocabulary(Vocabulary):
    """The vocabulary of a tokenizer of transformers, whose chat template may write what it likes."""

    def __init__(self, tokenizer: Any, end_ids: list[int]) -> None:
        if getattr(tokenizer, "backend_tokenizer", None) is None:
            raise ModelError("this model has no fast tokenizer; take one that has a tokenizer.json")
        templated = bool(getattr(tokenizer, "chat_template", None))
        bos = [] if templated else leading_tokens(tokenizer)  # a template writes its own
        super().__init__(tokenizer.backend_tokenizer, end_ids, bos)
        self.backend.no_truncation()
        self.backend.no_padding()
        self.tokenizer = tokenizer

    def prompt_text(self, prompt: Prompt) -> tuple[str, str]:
        text, plain = input_text(self.tokenizer, prompt)
        static = prompt.prefix if plain else prompt.messages[0].content
        # A template may trim or rewrite a message; then nothing of the prompt is shared.
        end = text.find(static) + len(static) if static in text else 0
        return text[:end], text[end:]
