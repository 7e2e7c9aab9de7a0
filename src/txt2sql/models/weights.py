"""Weights from a hub or a folder into memory: model and tokenizer, or one sentence on what to do.

What is already on this machine is used without asking the network. A PEFT adapter is loaded over its base
and merged into it, as a DoRA adapter beside its weights decodes five times slower. Weights that are
missing from a file are an error, never random numbers.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from txt2sql.errors import ModelError
from txt2sql.models.adapters import check_files, is_quantised, load_adapter, merged
from txt2sql.models.catalog import (
    ADAPTER,
    ModelCard,
    base_of,
    is_adapter,
    is_exported,
    read_json,
    resolve,
)
from txt2sql.models.quantise import read_tensors

_SOME_BILLIONS = 1_000_000_000
_BEYOND_CACHE = 4_000_000
# Relative difference of embeddings and head up to which two quantisations of one matrix are assumed.
_ALIKE = 0.1


@dataclass(frozen=True, slots=True)
class LoadedModel:
    card: ModelCard
    model: Any
    tokenizer: Any


def load_weights(
    name: str | Path, *, device: str | None = None, dtype: str | None = None, bits: int = 16
) -> LoadedModel:
    """Load a model by short name, hub id or folder. `device` and `dtype` default to what suits the
    machine ("auto": as stored); `bits` 4 or 8 quantises on load. Raises ModelError for everything
    that can go wrong with a model's name or files."""
    card = resolve(name)
    device = choose_device(device)
    options = _quantisation(bits, device)
    config, tokenizer = load_tokenizer(card)
    model = _read(card, config, tokenizer, device, dtype, options)
    return LoadedModel(card, (model if options else model.to(device)).eval(), tokenizer)


def load_tokenizer(name: str | Path | ModelCard) -> tuple[Any, Any]:
    """The configuration and the tokenizer of a model, without its weights. Raises ModelError."""
    card = name if isinstance(name, ModelCard) else resolve(name)
    if card.folder is not None and is_adapter(card.folder) and not is_exported(card.folder):
        config, tokenizer = load_tokenizer(base_of(card.folder))
        if (card.folder / "tokenizer.json").is_file():  # an adapter may have one of its own
            with _explained(card):
                tokenizer = AutoTokenizer.from_pretrained(str(card.folder), local_files_only=True)
        return config, tokenizer
    local = _on_this_machine(card)
    with _explained(card):
        config = AutoConfig.from_pretrained(card.source, local_files_only=local)
        if config.is_encoder_decoder:
            raise ModelError(
                f"'{card.name}' is an encoder-decoder; choose a decoder-only model such as phi-2"
            )
        return config, AutoTokenizer.from_pretrained(card.source, local_files_only=local)


def _read(
    card: ModelCard, config: Any, tokenizer: Any, device: str, dtype: str | None, options: Any
) -> Any:
    """The model of a card, an adapter merged into its base; not yet on its device. An adapter stays
    beside quantised weights: merged into them, it would be rounded to 4 or 8 bits."""
    folder = card.folder
    if folder is not None and is_exported(folder):
        with _explained(card):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            model.load_state_dict(read_tensors(folder, config.to_dict()), strict=False)
            model.tie_weights()
            if (folder / ADAPTER).is_dir():
                model = merged(load_adapter(model, folder / ADAPTER))
            ends = read_json(folder / "prompt.json").get("end_ids")
            model.generation_config.eos_token_id = ends or tokenizer.eos_token_id
        return model if dtype in (None, "auto") else model.to(_dtype(dtype))
    if folder is not None and is_adapter(folder):
        check_files(folder)  # before the base is loaded, which takes minutes where it is large
        model = _read(base_of(folder), config, tokenizer, device, dtype, options)
        with _explained(card):
            model = load_adapter(model, folder)
            return model if is_quantised(model) else merged(model)
    with _explained(card):
        size = card.parameters
        if not size and device == "cpu":
            with torch.device("meta"):  # counted without allocating them
                size = AutoModelForCausalLM.from_config(config).num_parameters()
        kind: Any = AutoModelForCausalLM  # its annotations leave out `output_loading_info`
        model, info = kind.from_pretrained(
            card.source,
            config=config,
            dtype=_dtype(dtype) if dtype else choose_dtype(device, size),
            local_files_only=_on_this_machine(card),
            output_loading_info=True,
            **options,
        )
    if lacking := sorted(map(str, info["missing_keys"] or info["mismatched_keys"])):
        raise ModelError(
            f"the weights of '{card.name}' lack {len(lacking)} tensors ({lacking[0]} ...); "
            "download or copy the model again"
        )
    return model


def read_gguf(path: Path) -> tuple[Any, Any]:
    """The (model, tokenizer) of a file, in single precision. Raises ModelError for a damaged one.
    Tied embeddings that a converter wrote twice are tied again, by the output head's, which are the
    more precise."""
    import gguf  # noqa: F401 (transformers asks for it in words of its own)

    folder, file = str(path.parent), path.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
        stored = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)
    except Exception as problem:  # readers of both packages raise all kinds for a damaged file
        reason = " ".join(str(problem).split())[:200]
        raise ModelError(
            f"'{path}' cannot be read as GGUF ({reason}); download it again"
        ) from problem
    config = stored.config.to_dict()
    config.pop("quantization_config", None)
    state = {name: tensor.clone() for name, tensor in stored.state_dict().items()}
    embeddings, head = state["model.embed_tokens.weight"], state.get("lm_head.weight")
    if head is not None and (embeddings - head).norm() < _ALIKE * head.norm():
        config["tie_word_embeddings"] = True
        state["model.embed_tokens.weight"] = head
    model = AutoModelForCausalLM.from_config(type(stored.config).from_dict(config))
    model.load_state_dict(state)
    model.tie_weights()
    ends = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.generation_config.eos_token_id = [i for i in dict.fromkeys(ends) if i is not None]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer


def choose_device(device: str | None = None) -> str:
    """The named device, when it is there, else the best one: cuda, mps, cpu."""
    present = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    present.append("cpu")
    if device is not None and device.split(":")[0] not in present:
        raise ModelError(
            f"this machine has no device '{device}'; choose one of {', '.join(present)}"
        )
    return device or present[0]


def choose_dtype(device: str, parameters: int = 0) -> torch.dtype:
    """bfloat16 on GPUs that have it, else float16. On a CPU, decoding reads every weight once per
    token: bfloat16 where it is native and the weights exceed the cache, or from 1B parameters on;
    else float32."""
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.startswith("mps"):
        return torch.float16
    native = parameters >= _BEYOND_CACHE and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if native or parameters >= _SOME_BILLIONS else torch.float32


def _dtype(name: str) -> torch.dtype | str:
    if name == "auto":
        return name
    value = getattr(torch, name, None)
    if not isinstance(value, torch.dtype) or not value.is_floating_point:
        raise ModelError(f"no dtype '{name}'; choose float32, float16 or bfloat16")
    return value


def _quantisation(bits: int, device: str) -> dict[str, Any]:
    if bits == 16:
        return {}
    if bits not in (4, 8):
        raise ModelError(f"no {bits}-bit weights; choose 4, 8 or 16 bits")
    if not device.startswith("cuda") and (bits, device) != (4, "cpu"):
        raise ModelError(f"{bits}-bit weights need a CUDA GPU; use 16 bits on {device}")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(f"{bits}-bit weights need bitsandbytes; pip install 'txt2sql[train]'")
    config = transformers.BitsAndBytesConfig(
        load_in_4bit=bits == 4,
        load_in_8bit=bits == 8,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=choose_dtype(device),
    )
    return {"quantization_config": config, "device_map": {"": device}}


def _on_this_machine(card: ModelCard) -> bool:
    """Whether a folder or the hub's cache holds the model; else the hub must be within reach, as
    its client would try for half a minute."""
    from huggingface_hub import constants, try_to_load_from_cache

    if card.folder is not None:
        return True
    files = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    config, *weights = (try_to_load_from_cache(card.hub_id, f) for f in ("config.json", *files))
    if isinstance(config, str) and any(isinstance(file, str) for file in weights):
        return True
    if constants.HF_HUB_OFFLINE:
        raise ModelError(_unreachable(card, "HF_HUB_OFFLINE is set"))
    if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        hub = urlsplit(constants.ENDPOINT)
        try:
            port = hub.port or (80 if hub.scheme == "http" else 443)
            socket.create_connection((hub.hostname or "", port), timeout=5.0).close()
        except OSError as error:
            raise ModelError(_unreachable(card, f"{hub.hostname} cannot be reached")) from error
    return False


def _unreachable(card: ModelCard, reason: str) -> str:
    return (
        f"model '{card.name}' is not on this machine and {reason}; give --model a folder with its "
        "files, set HF_HOME to a cache that holds it, or HF_ENDPOINT to a mirror"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing: what goes wrong is raised."""
    before = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        transformers.logging.set_verbosity(before[0])
        if before[1]:
            transformers.logging.enable_progress_bar()


@contextmanager
def _explained(card: ModelCard) -> Iterator[None]:
    from huggingface_hub import errors as hub

    try:
        with quiet():
            yield
    except ModelError:
        raise
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise ModelError(
            f"model '{card.name}' does not fit in memory; load it in 4 or 8 bits or take a "
            "smaller one"
        ) from error
    except Exception as error:  # file readers raise anything, tokenizers even plain Exception
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        message = (
            f"model '{card.name}' cannot be loaded ({first}); its files are incomplete or "
            "damaged: download or copy it again"
        )
        for kinds, sentence in (
            (
                hub.GatedRepoError,
                f"model '{card.name}' must be agreed to first: open "
                f"https://huggingface.co/{card.hub_id}, accept its licence, then set HF_TOKEN",
            ),
            (
                hub.RepositoryNotFoundError,
                f"the hub has no model '{card.hub_id}' (or HF_TOKEN may not see it); check its name",
            ),
            ((hub.HfHubHTTPError, ConnectionError), _unreachable(card, "the hub did not answer")),
        ):
            causes = (error, error.__cause__, error.__context__)
            if any(isinstance(cause, kinds) for cause in causes):
                message = sentence
                break
        raise ModelError(message) from error
