"""What a fine-tuning run would do, before it does: examples, tokens, steps, memory of a GPU, time.

Examples are drawn and tokenised as they would be; weights are not loaded, so a model of 7B is planned on
a laptop. Memory is that of `memory.estimate` on a GPU; time is for the machine this runs on.

>>> print(plan(SFTConfig(model="bundled", limit=100)))  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from txt2sql.errors import ModelError
from txt2sql.models.catalog import resolve
from txt2sql.models.weights import load_tokenizer
from txt2sql.training.memory import Memory, count_parameters, estimate
from txt2sql.training.sft_data import Rows, count_steps, draw_rows, open_data
from txt2sql.training.sft_model import (
    LARGE,
    checkpoints_gradients,
    half_precision,
    longest_example,
)
from txt2sql.training.sft_settings import SFTConfig, method, run_folder
from txt2sql.training.tracking import Progress, measure_peak, silent

UTILISATION = 0.3
"""Share of the speed of a plain matrix product that training reaches: an estimate for large models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What every plan has; `memory` is in bytes by what they hold."""

    method: str
    model: str
    output: str
    measured: dict[str, int]
    steps: int
    parameters: int
    trained: int
    memory: dict[str, int]

    def as_mapping(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "memory_total": sum(self.memory.values())}

    @property
    def measured_on(self) -> str:
        """The questions that measure progress, by data set."""
        return ", ".join(f"{n} of {name}" for name, n in self.measured.items()) or "nothing"

    def described(self, lines: Mapping[str, str]) -> str:
        """The lines to print, memory among them."""
        memory = f"{Memory(**self.memory)} on a GPU"
        return "\n".join(
            f"{name + ':':10} {text}" for name, text in {**lines, "memory": memory}.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(RunPlan):
    """`seconds` is without measurements."""

    datasets: tuple[str, ...]
    examples: int
    too_long: int
    tokens: int
    answer_tokens: int
    longest: int
    batches: int
    device: str
    seconds: float

    def __str__(self) -> str:
        lines = {
            "method": f"{self.method}, {self.trained:,} weights trained of {self.parameters:,}",
            "model": self.model,
            "output": self.output,
            "data": f"{', '.join(self.datasets)}; measured on {self.measured_on}",
            "examples": f"{self.examples:,} in all epochs; left out: {self.too_long} too long",
            "tokens": f"{self.tokens:,}, {self.answer_tokens:,} of them answers; "
            f"the longest example has {self.longest:,}",
            "steps": f"{self.steps:,}, from {self.batches:,} batches",
            "time": f"about {_duration(self.seconds)} on this {self.device}, without measuring",
        }
        return self.described(lines)


def plan(config: SFTConfig, progress: Progress = silent) -> Plan:
    """Draw what would be trained on, and estimate the rest. Raises as `sft.train` does."""
    card = resolve(config.model)
    shape, tokenizer = load_tokenizer(config.model)
    lessons = open_data(config, tokenizer, progress)
    longest = longest_example(config, shape)
    rows = draw_rows(lessons, config, longest=longest, progress=progress)
    every, trained = count_parameters(shape, config.adapter)
    checkpointing = checkpoints_gradients(config, every)
    memory = needed_memory(config, shape, rows.longest, every)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = _operations(shape, every, trained, rows, checkpointing) / (
        UTILISATION * measure_peak(torch.device(device), half_precision(config) is not None)
    )
    return Plan(
        method=method(config),
        model=card.name,
        output=str(run_folder(config)),
        datasets=tuple(each.name for each in lessons),
        measured={e.name: len(e.measured.examples) for e in lessons if e.measured.examples},
        examples=rows.examples,
        too_long=rows.too_long,
        tokens=rows.tokens,
        answer_tokens=rows.answer_tokens,
        longest=rows.longest,
        batches=len(rows.batches),
        steps=count_steps(rows, config),
        parameters=every,
        trained=trained,
        memory=memory.parts,
        device=device,
        seconds=seconds,
    )


def needed_memory(config: SFTConfig, shape: Any, longest: int, parameters: int) -> Memory:
    """Of a GPU, for a batch of the longest examples."""
    return estimate(
        shape,
        config.adapter,
        bits=config.bits,
        batch=max(1, config.batch_tokens // longest),
        length=longest,
        answer=max(1, longest // 8),
        checkpointing=checkpoints_gradients(config, parameters),
        dtype=torch.float32 if config.adapter is None or parameters < LARGE else torch.bfloat16,
    )


def what_fits(config: SFTConfig, shape: Any, longest: int, parameters: int, room: float) -> str:
    """The mildest settings that need no more than `room` bytes, as they are typed; "" if none is known."""
    tried: dict[str, Any] = {}
    while max(1, replace(config, **tried).batch_tokens // 2) >= longest:
        now = replace(config, **tried)
        tried |= {"batch_tokens": now.batch_tokens // 2, "accumulate": now.accumulate * 2}
        if needed_memory(replace(config, **tried), shape, longest, parameters).total <= room:
            return _typed(tried)
    ways: list[dict[str, Any]] = [{"gradient_checkpointing": True}]
    ways += [{"bits": 4}] if config.adapter is not None else []
    for way in ways:
        tried |= way
        if needed_memory(replace(config, **tried), shape, longest, parameters).total <= room:
            return _typed(tried)
    return ""


def _typed(settings: dict[str, Any]) -> str:
    return " ".join(f"--set {name}={str(value).lower()}" for name, value in settings.items())


@contextmanager
def out_of_memory_explained(config: SFTConfig, model: Any, longest: int) -> Iterator[None]:
    """Turn running out of memory into one sentence that names settings which fit."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
        told = str(error).lower()
        if isinstance(error, RuntimeError) and "memory" not in told and "alloc" not in told:
            raise
        room = _memory_of(model.device)
        found = what_fits(config, model.config, longest, model.num_parameters(), room)
        way = f"add {found}" if found else "take a smaller model or max_length"
        raise ModelError(
            f"a batch of {config.batch_tokens} tokens needs more memory than the {room / 1e9:.0f} GB "
            f"here; {way}"
        ) from error


def _memory_of(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _operations(shape: Any, every: int, trained: int, rows: Rows, checkpointing: bool) -> float:
    """Of all steps: forwards and backwards through every weight but the embeddings, gradients of what is
    trained, the output layer on answers; attention between tokens is left out.
    """
    table = int(shape.vocab_size * shape.hidden_size)
    inner = every - table * (1 if shape.tie_word_embeddings else 2)
    passes = 6 if checkpointing else 4
    return (passes * inner + 2.0 * trained) * rows.tokens + 4.0 * table * rows.answer_tokens


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
