"""What fits on which GPU: the tables of docs/memory.md, from the shapes of three models.

No weights, no GPU and no network are needed. All figures are in GB of 10^9 bytes.

    python benchmarks/memory.py
"""

from __future__ import annotations

import torch

from txt2sql.models.adapters import Adapter
from txt2sql.training.memory import (
    Memory,
    built,
    config_of,
    estimate,
    estimate_inference,
    quantised,
)

MODELS = ("phi-2", "llama-7b", "mistral-7b")
LORA, DORA = Adapter(), Adapter(dropout=0.0, dora=True)
METHODS: dict[str, tuple[Adapter, int]] = {
    "LoRA": (LORA, 16),
    "DoRA": (DORA, 16),
    "QLoRA": (LORA, 4),
    "QDoRA": (DORA, 4),
}
CARD = 8 * 2**30
"""Bytes of an 8 GB card."""


def gb(count: int) -> str:
    """10^9 bytes, two digits."""
    return f"{count / 1e9:.2f}"


def training_row(name: str, method: str) -> str:
    """One model and method at 1,024 tokens: the parts at batch 1, then totals."""
    config, (adapter, bits) = config_of(name), METHODS[method]
    one, four = (estimate(config, adapter, bits=bits, batch=size) for size in (1, 4))
    kept = estimate(config, adapter, bits=bits, checkpointing=False)
    learnt = one.adapter + one.gradients + one.optimizer
    cells = [one.weights, learnt, one.activations, one.total, four.total, kept.total]
    return f"| {name} | {method} | {' | '.join(gb(cell) for cell in cells)} |"


def inference_row(name: str, bits: int) -> str:
    """Answering at a context of 2,048 tokens: the parts for one question, then totals."""
    config = config_of(name)
    one, four = (estimate_inference(config, bits=bits, batch=size) for size in (1, 4))
    cells = [one.weights, one.cache, one.activations, one.total, four.total]
    return f"| {name} | {bits} | {' | '.join(gb(cell) for cell in cells)} |"


def arithmetic(name: str) -> str:
    """Does it fit 8 GB? Answering in 4 bits with 2,048 tokens, and QLoRA at 1,024, term by term."""
    config = config_of(name)
    model = built(config, None, 4, torch.bfloat16)
    matrices = [layer.weight.numel() for layer in quantised(model)]
    small = sum(matrices)
    rest = sum(parameter.numel() for parameter in model.parameters()) - small
    heads, width = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
    answering = estimate_inference(config, bits=4)
    learning = estimate(config, LORA, bits=4)
    return "\n".join(
        [
            f"{name}:",
            f"  weights   {small:,} in NF4 x (1/2 + 1/64 + 4/16384) + {len(matrices)} x 1092 tables",
            f"            + {rest:,} in bf16 x 2 = {gb(answering.weights)} GB",
            f"  cache     2 x {config.num_hidden_layers} layers x 2,048 tokens x {heads} heads "
            f"x {width} x 2 bytes = {gb(answering.cache)} GB",
            f"  answering {answering}: {verdict(answering)}",
            f"  QLoRA     {learning}: {verdict(learning)}",
        ]
    )


def verdict(memory: Memory) -> str:
    """Whether it fits an 8 GB card, and what is left."""
    left = CARD - memory.total
    return f"fits, {gb(left)} GB left" if left >= 0 else f"does not fit, {gb(-left)} GB too much"


def page() -> str:
    """All tables, as the page has them."""
    training = [training_row(name, method) for name in MODELS for method in METHODS]
    inference = [inference_row(name, bits) for name in MODELS for bits in (16, 4)]
    return "\n".join(
        [
            "```text",
            *(arithmetic(name) for name in MODELS[1:]),
            "```",
            "",
            "Training at 1,024 tokens a row:",
            "",
            "| model | method | weights | adapter, gradients, Adam | activations | batch 1 | batch 4 "
            "| batch 1, no checkpointing |",
            "|---|---|---|---|---|---|---|---|",
            *training,
            "",
            "Answering with a context of 2,048 tokens, without an adapter or with one merged in:",
            "",
            "| model | bits | weights | cache | activations | 1 question | 4 questions |",
            "|---|---|---|---|---|---|---|",
            *inference,
        ]
    )


def main() -> None:
    """Print the tables."""
    print(page())


if __name__ == "__main__":
    main()
