"""A model out of a GGUF file: dequantised by transformers, as a plain model that can be saved and tuned.

>>> model, tokenizer = read_gguf(Path("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"))  # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from txt2sql.errors import ModelError

_ALIKE = 0.1
"""Relative difference of embeddings and head up to which two quantisations of one matrix are assumed."""


def read_gguf(path: Path) -> tuple[Any, Any]:
    """The (model, tokenizer) of a file, in single precision. Raises ModelError for a damaged one.

    A converter writes tied embeddings twice, in two precisions. They are tied again, by the output
    head's, which are the more precise ones.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ModelError("reading a GGUF file needs the package gguf; pip install gguf")
    place = {"gguf_file": path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **place)
        read = AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=torch.float32, **place)
    except Exception as problem:  # readers of both packages raise all kinds for a damaged file
        reason = " ".join(str(problem).split())[:200]
        raise ModelError(
            f"'{path}' cannot be read as GGUF ({reason}); download it again"
        ) from problem
    facts = read.config.to_dict()
    facts.pop("quantization_config", None)
    state = {name: tensor.clone() for name, tensor in read.state_dict().items()}
    embeddings, head = state["model.embed_tokens.weight"], state.get("lm_head.weight")
    if head is not None and (embeddings - head).norm() < _ALIKE * head.norm():
        facts["tie_word_embeddings"] = True
        state["model.embed_tokens.weight"] = head
    model = AutoModelForCausalLM.from_config(type(read.config).from_dict(facts))
    model.load_state_dict(state)
    model.tie_weights()
    ends = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.generation_config.eos_token_id = [
        each for each in dict.fromkeys(ends) if each is not None
    ]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer
