"""Low-rank adapters (LoRA, DoRA, rsLoRA), on peft: attach them to a model, load them, merge them.

LoRA (Hu et al. 2021) adds `alpha / r * B A` to a frozen weight; DoRA (Liu et al. 2024) also learns the
length of each row of the sum; rsLoRA (Kalajdzievski 2023) scales by `alpha / sqrt(r)` instead. Importing
this module loads neither torch nor peft.

>>> adapted = attach(model, Adapter(r=16, dora=True, dropout=0.0), "phi")  # doctest: +SKIP
>>> adapted.print_trainable_parameters()  # doctest: +SKIP
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.errors import ModelError
from txt2sql.models.catalog import BUNDLED, LORA_TARGETS

ALL_LINEAR = "all-linear"
"""As the only target: every linear layer but the output layer (Dettmers et al. 2023)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What is trained beside the frozen weights.

    `targets` are names of modules, or ALL_LINEAR alone; None takes LORA_TARGETS of the architecture.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] | None = None
    dora: bool = False
    rslora: bool = False

    def __post_init__(self) -> None:
        if self.r < 1:
            raise ValueError(f"r is {self.r}, and a rank is 1 or more")
        if self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}, and it must be 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, and it must be 0 or more and below 1")
        if self.targets is not None and not self.targets:
            raise ValueError("targets is empty; leave it out to take those of the architecture")


def attach(
    model: Any,
    adapter: Adapter,
    architecture: str = "",
    report: Callable[[str], None] = lambda line: None,
) -> Any:
    """The model with adapters at its target modules, as a PeftModel: only they are trainable.

    `architecture` is a `model_type` (default: the model's own). `report` hears what a person should
    know. Raises ModelError where a target is no module of this model.
    """
    targets = target_modules(model, adapter, architecture, report)
    if adapter.dora and adapter.dropout:
        # With dropout the inputs of the adapter differ from the layer's, and peft computes the layer
        # twice. It is asked for, so it is done: a comparison with LoRA may want the same dropout.
        report("DoRA with dropout takes about 1.6 times as long per step; dropout 0 is faster")
    _quiet_bitsandbytes()
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers.pytorch_utils import Conv1D

    modules = dict(model.named_modules())
    config = LoraConfig(
        r=adapter.r,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        use_dora=adapter.dora,
        use_rslora=adapter.rslora,
        target_modules=list(targets),
        fan_in_fan_out=any(
            isinstance(modules[name], Conv1D) for name in _matching(modules, targets)
        ),
        task_type=TaskType.CAUSAL_LM,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's, about its own future
        adapted = get_peft_model(model, config)
    config.base_model_name_or_path = base_name(str(model.config._name_or_path or ""))
    return adapted


def target_modules(
    model: Any,
    adapter: Adapter,
    architecture: str = "",
    report: Callable[[str], None] = lambda line: None,
) -> tuple[str, ...]:
    """Names of the modules to adapt, each of which the model has."""
    kind = architecture or str(model.config.model_type)
    linear = linear_layers(model)
    wanted = adapter.targets or LORA_TARGETS.get(kind, ())
    if not wanted:
        report(f"no targets are known for '{kind}' models: every linear layer gets an adapter")
    if not linear:
        raise ModelError(f"this '{kind}' model has no linear layer that could get an adapter")
    there = sorted({name.rsplit(".", 1)[-1] for name in linear})
    if not wanted or tuple(wanted) == (ALL_LINEAR,):
        return tuple(linear)
    for target in wanted:
        if not _matching(linear, (target,)):
            near = difflib.get_close_matches(target, there, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ModelError(
                f"this '{kind}' model has no linear layer '{target}' to adapt; {hint}"
                f"it has {', '.join(there)}"
            )
    return tuple(wanted)


def linear_layers(model: Any) -> list[str]:
    """Full names of the layers that can get an adapter, quantised ones too; not the output layer."""
    import torch
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not output
    ]


def load_adapter(model: Any, folder: Path) -> Any:
    """The model with the adapter of a folder beside its weights, as a PeftModel to infer with.

    Raises ModelError where the adapter's tensors are not those that its config and the model ask for;
    a damaged file raises whatever its reader does.
    """
    check_files(folder)
    _quiet_bitsandbytes()
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils import load_peft_weights

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft warns of missing tensors; here they are an error
        adapted = PeftModel.from_pretrained(model, str(folder))
        wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        stored = load_peft_weights(str(folder), device="cpu")
    differing = sorted(key for key in wanted.keys() ^ stored.keys() if "lora_" in key)
    if differing:
        raise ModelError(
            f"the adapter in '{folder}' does not fit its base model or is not whole "
            f"({len(differing)} tensors, {differing[0]} ...); copy or train it again"
        )
    return adapted


def check_files(folder: Path) -> None:
    """Raise ModelError where an adapter cannot be loaded, before its base model is."""
    if importlib.util.find_spec("peft") is None:
        raise ModelError(f"'{folder}' is a PEFT adapter; pip install 'txt2sql[train]' to load it")
    names = ("adapter_model.safetensors", "adapter_model.bin")
    if not any((folder / name).is_file() for name in names):
        raise ModelError(
            f"the adapter in '{folder}' has no weights ({names[0]}); copy or train it again"
        )


def is_quantised(model: Any) -> bool:
    """Whether the weights are held in 8 bits or fewer."""
    return getattr(model.config, "quantization_config", None) is not None


def merged(adapted: Any) -> Any:
    """The base model with its LoRA or DoRA adapters added into its weights; other kinds stay live.

    Each layer is summed in single precision and rounded once, to the type that it has. Raises ModelError
    where a sum is no number of that type.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    layers: dict[str, Any] = {
        name: m for name, m in adapted.named_modules() if isinstance(m, LoraLayer)
    }
    if not layers:
        return adapted
    for name, layer in layers.items():
        weight = layer.get_base_layer().weight
        dtype = weight.dtype
        layer.float()
        layer.merge()
        base = layer.get_base_layer().to(dtype)
        if not torch.isfinite(base.weight).all():
            raise ModelError(
                f"'{name}' is not a number after merging in {str(dtype).removeprefix('torch.')}; "
                "take another dtype (float32, bfloat16), or train the adapter again"
            )
    return adapted.unload()


def base_name(source: str) -> str:
    """What an adapter calls its base model: "bundled", a hub id, or a folder's absolute path."""
    folder = Path(source).expanduser()
    if not source or not folder.is_dir():
        return source
    return "bundled" if folder.resolve() == BUNDLED.resolve() else str(folder.resolve())


def _quiet_bitsandbytes() -> None:
    """peft imports bitsandbytes, which on a CPU complains of a kernel that only 4-bit weights want."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def _matching(names: Any, targets: tuple[str, ...]) -> list[str]:
    """The names that peft would adapt: equal to a target, or ending in one after a dot."""
    ends = tuple(f".{target}" for target in targets)
    return [name for name in names if name in targets or name.endswith(ends)]
