"""Models by name: what `--model` accepts and what is known about each.

A name is a short name of MODELS, the hub id of any causal language model, or a folder with weights or
with a PEFT adapter. HOSTED are asked through their APIs; `api:ROUTE` names any other of these.

>>> resolve("phi-2").hub_id
'microsoft/phi-2'
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.errors import ModelError

BUNDLED = Path(__file__).parent / "bundled"
SHARE_ALIKE = "CC BY-SA 4.0"
ADAPTER, PREFERENCE = "adapter", "ppm.json"
"""The folder of an adapter that lies beside an exported model and always answers with it; the file of a
preference model beside a policy, see `models.ppm`."""

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LORA_TARGETS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("gemma", "gemma2", "llama", "mistral", "qwen2", "qwen3"), _ATTENTION),
    "gpt2": ("c_attn", "c_proj"),
    "gpt_neox": ("query_key_value", "dense"),
    "phi": ("q_proj", "k_proj", "v_proj", "dense"),
    "phi3": ("qkv_proj", "o_proj"),
}
"""What LoRA adapts by architecture (`model_type` of config.json): the attention projections."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+$")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model. `source` is what transformers loads: a hub id or a folder. `parameters` is 0 where
    only the weights themselves could tell."""

    name: str
    hub_id: str
    parameters: int = 0
    licence: str = ""
    folder: Path | None = None

    @property
    def source(self) -> str:
        return str(self.folder) if self.folder else self.hub_id


_LLAMA2, _LLAMA3 = "Llama 2 Community License", "Llama 3.2 Community License"
_QWEN, _SMOL, _APACHE = "Qwen/Qwen2.5-Coder", "HuggingFaceTB/SmolLM2", "Apache-2.0"
_TABLE = (
    ("phi-2", "microsoft/phi-2", 2780, "MIT"),
    ("llama-7b", "meta-llama/Llama-2-7b-hf", 6740, _LLAMA2),
    ("mistral-7b", "mistralai/Mistral-7B-v0.1", 7240, _APACHE),
    ("qwen2.5-coder-0.5b", f"{_QWEN}-0.5B-Instruct", 494, _APACHE),
    ("qwen2.5-coder-1.5b", f"{_QWEN}-1.5B-Instruct", 1540, _APACHE),
    ("qwen2.5-coder-3b", f"{_QWEN}-3B-Instruct", 3090, "Qwen Research License"),
    ("qwen2.5-coder-7b", f"{_QWEN}-7B-Instruct", 7620, _APACHE),
    ("qwen3-0.6b", "Qwen/Qwen3-0.6B", 596, _APACHE),
    ("qwen3-1.7b", "Qwen/Qwen3-1.7B", 1720, _APACHE),
    ("qwen3-4b", "Qwen/Qwen3-4B", 4020, _APACHE),
    ("llama-3.2-1b", "meta-llama/Llama-3.2-1B-Instruct", 1240, _LLAMA3),
    ("llama-3.2-3b", "meta-llama/Llama-3.2-3B-Instruct", 3210, _LLAMA3),
    ("smollm2-135m", f"{_SMOL}-135M-Instruct", 135, _APACHE),
    ("smollm2-360m", f"{_SMOL}-360M-Instruct", 362, _APACHE),
    ("smollm2-1.7b", f"{_SMOL}-1.7B-Instruct", 1710, _APACHE),
    ("phi-3.5-mini", "microsoft/Phi-3.5-mini-instruct", 3820, "MIT"),
    ("phi-4-mini", "microsoft/Phi-4-mini-instruct", 3840, "MIT"),
)
"""Short name, hub id, millions of parameters, licence."""
MODELS: dict[str, ModelCard] = {
    "bundled": ModelCard("bundled", "", 494_000_000, SHARE_ALIKE, BUNDLED)
} | {
    name: ModelCard(name, hub_id, millions * 1_000_000, licence)
    for name, hub_id, millions, licence in _TABLE
}


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A model behind an API. `route` is litellm's name for it, provider/model. `max_output_tokens`
    bounds an answer, the thinking of a reasoning model included."""

    name: str
    route: str
    max_output_tokens: int
    api_base: str = ""

    @property
    def provider(self) -> str:
        return self.route.partition("/")[0]


_THINKS = 4096
HOSTED: dict[str, HostedModel] = {
    name: HostedModel(name, route, most)
    for name, route, most in (
        ("gpt-4", "openai/gpt-4", 512),
        ("gpt-4-turbo", "openai/gpt-4-turbo", 512),
        ("gpt-4o", "openai/gpt-4o", 512),
        ("gpt-4o-mini", "openai/gpt-4o-mini", 512),
        ("gpt-5.6", "openai/gpt-5.6", _THINKS),
        ("gemini-pro", "gemini/gemini-2.5-pro", _THINKS),
        ("gemini-3.1-pro", "gemini/gemini-3.1-pro-preview", _THINKS),
        ("claude-3", "anthropic/claude-3-opus-20240229", 512),
        ("claude-sonnet-5", "anthropic/claude-sonnet-5", _THINKS),
        ("claude-opus-5", "anthropic/claude-opus-5", _THINKS),
    )
}
"""Generalist models by short name. `gemini-pro` is the oldest Gemini Pro that is still served."""


def find_hosted(name: str) -> HostedModel | None:
    """The hosted model of a short name, or of `api:ROUTE` or `api:ROUTE@URL`; None for other names.

    >>> find_hosted("api:openai/qwen@http://localhost:8000/v1").api_base
    'http://localhost:8000/v1'
    """
    text = name.strip()
    if not text.startswith("api:"):
        return HOSTED.get(text.lower())
    route, _, base = text.removeprefix("api:").partition("@")
    if not re.fullmatch(r"[\w-]+/\S+", route) or (base and "://" not in base):
        raise ModelError(
            f"'{text}' names no hosted model; write api:PROVIDER/MODEL, or "
            "api:openai/MODEL@http://host:port/v1 for a server of your own"
        )
    return HostedModel(route.replace("/", "-") if base else route, route, _THINKS, base)


def resolve(name: str | Path) -> ModelCard:
    """The card of a short name, a hub id or a folder. Raises ModelError for a name that is none of
    these, naming the nearest short names."""
    text = str(name).strip()
    by_id = {card.hub_id.lower(): card for card in MODELS.values() if card.hub_id}
    catalogued = MODELS.get(text.lower()) or by_id.get(text.lower())
    if catalogued is not None:
        return catalogued
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        config = folder / "config.json"
        if is_adapter(folder) and not is_exported(folder):
            config = folder / "adapter_config.json"
        if not config.is_file() and not is_exported(folder):
            raise ModelError(
                f"folder '{folder}' holds no model; it needs a config.json with weights, or an "
                "adapter_config.json of a PEFT adapter"
            )
        read_json(config)  # damage is told at once
        return ModelCard(folder.resolve().name, "", folder=folder)
    looks_like_path = text.startswith((".", "~", "/")) or "\\" in text
    if _HUB_ID.match(text) and not looks_like_path:
        return ModelCard(name=text, hub_id=text)
    if text.lower() in HOSTED or text.startswith("api:"):
        raise ModelError(
            f"'{text}' is hosted by its provider; ask it with txt2sql evaluate --model {text}, or "
            "take a model whose weights can be loaded here"
        )
    near = difflib.get_close_matches(text.lower(), [*MODELS, *by_id, *HOSTED], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known names: {', '.join(MODELS)};"
    raise ModelError(
        f"no model '{text}'; {hint} or give the hub id of a model (owner/name) or a folder that "
        "holds one"
    )


def is_exported(folder: Path | None) -> bool:
    """Whether a folder holds a model in ONNX, as `txt2sql export` writes it."""
    return folder is not None and (folder / "engine.json").is_file()


def is_adapter(folder: Path | None) -> bool:
    """Whether a folder holds a PEFT adapter instead of a whole model."""
    return folder is not None and (folder / "adapter_config.json").is_file()


def has_preference(folder: Path | None) -> bool:
    return folder is not None and (folder / PREFERENCE).is_file()


def base_of(adapter: Path) -> ModelCard:
    """The card of the model that the adapter in a folder was trained over. A relative path is
    looked for here, then beside the adapter. Raises ModelError where it is nowhere."""
    base = str(read_json(adapter / "adapter_config.json").get("base_model_name_or_path") or "")
    here = Path(base).expanduser()
    if not base or here.resolve() == adapter.resolve():
        problem = "names itself as its base model" if base else "does not name its base model"
        raise ModelError(
            f"the adapter in '{adapter}' {problem}; set base_model_name_or_path in its "
            "adapter_config.json"
        )
    moved = not here.is_dir() and (adapter / base).is_dir()
    try:
        return resolve(adapter / base if moved else base)
    except ModelError as error:
        raise ModelError(
            f"the adapter in '{adapter}' was trained over '{base}', which is no model here; put it "
            "back, or set base_model_name_or_path in adapter_config.json to where it is now"
        ) from error


def sources(card: ModelCard) -> list[ModelCard]:
    """The card and, where it is an adapter, what it is made over, down to whole weights. Raises
    ModelError for adapters that are made over each other."""
    chain = [card]
    while (folder := chain[-1].folder) is not None and is_adapter(folder):
        chain.append(base_of(folder))
        if chain[-1].folder in [each.folder for each in chain[:-1]]:
            raise ModelError(
                f"the adapter in '{folder}' is made over itself; name its base in adapter_config.json"
            )
    return chain


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object, or {} where the file is absent."""
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"'{file}' is damaged ({error}); copy or download the model again"
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"'{file}' is not a JSON object; copy or download the model again")
    return value
