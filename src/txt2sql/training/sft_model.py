"""The model of a fine-tuning run: loaded as it is trained, saved as it is asked, asked where it stands.

>>> loaded = load(SFTConfig(model="bundled"), half=None)  # doctest: +SKIP
>>> save(attach(loaded.model, Adapter()), loaded, Path("results/try"))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from txt2sql.models.decoder import Decoder
from txt2sql.models.torch_engine import decoder_of
from txt2sql.models.weights import LoadedModel, choose_device, choose_dtype, load_weights
from txt2sql.training.sft_settings import RunConfig, SFTConfig
from txt2sql.training.tracking import has_bf16

LARGE = 1_000_000_000
"""Parameters from which a frozen model is held in half precision, and no second copy is loaded."""


def half_precision(config: RunConfig) -> torch.dtype | None:
    """What matrix products are computed in; None: single precision."""
    device = torch.device(choose_device())
    if config.bf16 is not None:
        return torch.bfloat16 if config.bf16 else None
    if has_bf16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def load(config: SFTConfig, half: torch.dtype | None) -> LoadedModel:
    """The weights as they are trained: single precision, but frozen ones of large models."""
    if config.bits == 4:
        return load_weights(config.model, bits=4)
    loaded = load_weights(config.model, dtype="auto")
    parameters = int(loaded.model.num_parameters())
    if config.adapter is None or parameters < LARGE:
        loaded.model.to(torch.float32)
    else:
        loaded.model.to(half or choose_dtype(loaded.model.device.type, parameters))
    return loaded


def longest_example(config: RunConfig, model: Any) -> int:
    """The most tokens that an example may have: `max_length`, and what the model attends to."""
    limits = (getattr(model, name, None) for name in ("max_position_embeddings", "sliding_window"))
    return min([config.max_length, *(int(limit) for limit in limits if limit)])


def checkpoints_gradients(config: RunConfig, parameters: int) -> bool:
    """Whether activations are computed twice instead of kept."""
    wanted = config.gradient_checkpointing
    return parameters >= LARGE if wanted is None else wanted


def pad_id(loaded: LoadedModel) -> int:
    """The token that fills a batch; it is never attended to, so any will do."""
    found = loaded.tokenizer.pad_token_id
    return int(loaded.tokenizer.eos_token_id if found is None else found)


def is_adapted(model: Any) -> bool:
    """Whether it is a PeftModel: an adapter over a model."""
    return hasattr(model, "get_base_model")


def base_model(model: Any) -> Any:
    """The model that an adapter is attached to, or the model."""
    return model.get_base_model() if is_adapted(model) else model


def save_weights(model: Any, folder: Path | str, state: dict[str, Tensor] | None = None) -> None:
    """The adapter, or the whole model."""
    # Else peft asks the hub whether the embeddings were resized. They never are.
    own = {"save_embedding_layers": False} if is_adapted(model) else {}
    model.save_pretrained(str(folder), state_dict=state, **own)


def save(model: Any, loaded: LoadedModel, folder: Path) -> None:
    """The adapter, or the model in half precision, with its tokenizer."""
    state = None
    if not is_adapted(model):
        copies: dict[tuple[int, ...], Tensor] = {}  # tied weights stay tied
        state = {
            name: copies.setdefault(
                (tensor.data_ptr(), *tensor.shape), tensor.to("cpu", torch.bfloat16)
            )
            for name, tensor in model.state_dict().items()
        }
    save_weights(model, folder, state)
    save_beside(loaded, folder)


def save_beside(loaded: LoadedModel, folder: Path) -> None:
    """What a folder needs beside the weights: the tokenizer."""
    loaded.tokenizer.save_pretrained(folder)


def has_room(config: SFTConfig, model: Any) -> bool:
    """Whether a saved model can be loaded beside the one that is trained, to be asked as it would be.

    On a CPU, bitsandbytes answers with 4-bit weights packed in a way that is not trained through.
    """
    if config.bits == 4:
        return bool(model.device.type == "cpu")
    return int(model.num_parameters()) < LARGE


@contextmanager
def in_place(model: Any, loaded: LoadedModel) -> Iterator[Decoder]:
    """A generator over the model in memory, which is then trained on."""
    caching: Any = nullcontext()
    if is_adapted(model):
        from peft.helpers import DoraCaching

        caching = DoraCaching()  # else every token computes the norms of all weights anew
    model.eval()
    try:
        with caching:
            yield decoder_of(replace(loaded, model=base_model(model)))
    finally:
        model.train()
