"""Prefix language models: the prompt is read in both directions (Raffel et al. 2020, section 3.2.2).

A causal model whose config says `prefix_lm` was trained so. `generate` knows causal prefills only, so
the prompt is cached here, all but its last token, which sees everything before it anyway.

>>> model.generate(**inputs, past_key_values=prompt_cache(model, inputs))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def prompt_cache(model: Any, inputs: Mapping[str, torch.Tensor], copies: int = 1) -> Any:
    """Keys and values of (batch, time) prompts padded on the left; each row `copies` times.

    None for a model that reads its prompt from left to right, and for prompts of one token.
    """
    known = inputs["attention_mask"][:, :-1].bool()
    if not getattr(model.config, "prefix_lm", False) or not known.shape[1]:
        return None
    # A pad sees itself: a softmax over nothing is not a number.
    itself = torch.eye(known.shape[1], dtype=torch.bool, device=known.device)
    seen = (known[:, None, None, :] | itself[None, None]).expand(-1, 1, known.shape[1], -1)
    if model.config._attn_implementation == "eager":
        lowest = torch.finfo(model.dtype).min
        seen = torch.zeros(seen.shape, dtype=model.dtype, device=known.device).masked_fill(
            ~seen, lowest
        )
    cache = model.base_model(
        input_ids=inputs["input_ids"][:, :-1],
        attention_mask=seen,
        position_ids=(known.long().cumsum(1) - 1).clamp(min=0),
        use_cache=True,
    ).past_key_values
    if copies > 1:
        cache.batch_repeat_interleave(copies)
    return cache
