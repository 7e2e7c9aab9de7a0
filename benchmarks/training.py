"""Fine-tuning with LoRA: rows that hold a schema once, against transformers' Trainer with padding.

Both train the same small Llama on the same Spider questions, in bfloat16, some steps of each in turn. It
has random weights, and an output layer with 26% of them (as Qwen2.5-0.5B's has 28%), for which tokens
are folded into 4,096. Trainer pads eight random examples to the longest. That each example has the same
loss is asserted first.

`ours` and `peer` (Trainer) are examples per second of processor time on a CPU, which other processes may
share, and of wall time on a GPU; `ratio` is ours / peer. Peak memory is what a step of the largest batch
holds beside weights and gradients (not in a quick run). Made-up questions stand in where there is no Spider.

    python benchmarks/training.py [--quick] [--data DIR] [--threads N] [--rounds N] [--pool N]
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from torch import Tensor
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, TrainingArguments

from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.catalog import BUNDLED
from txt2sql.training.data import (
    IGNORED,
    TokenPair,
    answer_loss,
    batches_of,
    collate,
    open_train_sets,
)
from txt2sql.training.settings import SFTConfig

WORDS = 4096
BATCH_TOKENS = {"cpu": 4096, "cuda": 16384}


def rows_of(data: Path | None, count: int, tokenizer: Any) -> list[TokenPair]:
    """Token rows of random questions of Spider's training split; made up without data."""
    rng = random.Random(0)
    if data is None:
        schemas = [
            rng.choices(range(9, WORDS), k=rng.randint(200, 1200)) for _ in range(count // 4)
        ]
        return [
            (rng.choice(schemas) + rng.choices(range(9, WORDS), k=30), rng.choices(range(9, 99), k=38))
            for _ in range(count)
        ]  # fmt: skip
    config = SFTConfig(data=str(data), measured=0)
    (train_set,) = open_train_sets(config, tokenizer)
    chosen = rng.sample(range(train_set.size), min(count, train_set.size))
    chosen_rows = map(train_set.tokens, chosen)
    return [(folded(prompt), folded(answer)) for prompt, answer in chosen_rows]


def folded(tokens: Sequence[int]) -> list[int]:
    return [9 + token % (WORDS - 9) for token in tokens]


def small_llama() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096,
        tie_word_embeddings=True, bos_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    return attach(LlamaForCausalLM(config), Adapter(dropout=0.0))


def plainly(rows: Sequence[TokenPair]) -> dict[str, Tensor]:
    """Rows as Trainer's users collate them: padded on the right, prompts without loss."""
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    inputs = torch.zeros(len(rows), width, dtype=torch.long)
    mask, labels = torch.zeros_like(inputs), torch.full_like(inputs, IGNORED)
    for i, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        inputs[i, :end] = torch.tensor([*prompt, *answer])
        mask[i, :end] = 1
        labels[i, len(prompt) : end] = torch.tensor(answer)
    return {"input_ids": inputs, "attention_mask": mask, "labels": labels}


@dataclass
class Side:
    """One way to train: its batches as lists of rows, what makes tensors of them, and its trainer."""

    groups: list[Any]
    collate: Callable[[Any], dict[str, Tensor]]
    trainer: Callable[..., transformers.Trainer]
    count: Callable[[Any], int]
    model: Any
    examples: int = 0
    seconds: float = 0.0
    peak: int = 0
    place: int = 0

    def made(self, groups: Sequence[Any]) -> transformers.Trainer:
        numbers = datasets.Dataset.from_dict({"input_ids": [[i] for i in range(len(groups))]})
        return self.trainer(
            self.model, numbers, lambda records: self.collate(groups[records[0]["input_ids"][0]]),
            len(groups),
        )  # fmt: skip

    def train(self, steps: int, counted: bool) -> None:
        chosen = [self.groups[(self.place + i) % len(self.groups)] for i in range(steps)]
        self.place += steps
        trainer = self.made(chosen)
        clock = Clock()
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
        if counted:
            self.seconds += clock.seconds
            self.examples += sum(map(self.count, chosen))

    def measure(self) -> None:
        largest = max(self.groups, key=lambda group: self.collate(group)["input_ids"].numel())
        inputs = self.collate(largest)
        trainer = self.made([largest])
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        if torch.cuda.is_available():
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            step(trainer, inputs)
            self.peak = torch.cuda.max_memory_allocated() - before
            return
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
            step(trainer, inputs)
        allocations = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
        allocations.sort(key=lambda event: event.start_ns())
        self.peak = max(accumulate(event.nbytes() for event in allocations))


def step(trainer: transformers.Trainer, inputs: dict[str, Tensor]) -> None:
    trainer.current_gradient_accumulation_steps = 1
    with torch.autocast(trainer.args.device.type, torch.bfloat16):
        trainer.training_step(trainer.model, inputs)


class Clock(transformers.TrainerCallback):
    seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.start = now()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = now() - self.start


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def quiet(folder: str, steps: int) -> dict[str, Any]:
    return {
        "output_dir": folder, "max_steps": steps, "bf16": True, "report_to": [],
        "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True,
        "remove_unused_columns": False, "per_device_train_batch_size": 1,
        "use_cpu": not torch.cuda.is_available(), "dataloader_pin_memory": False,
        "train_sampling_strategy": "sequential",
    }  # fmt: skip


def trainer_of(folder: str, **options: Any) -> Callable[..., transformers.Trainer]:
    def make(model: Any, data: Any, collate: Any, steps: int) -> transformers.Trainer:
        args = TrainingArguments(**quiet(folder, steps))
        return transformers.Trainer(
            model=model, args=args, train_dataset=data, data_collator=collate, **options
        )

    return make


def losses(logits: Tensor, labels: Tensor) -> list[float]:
    chosen = labels != IGNORED
    each = functional.cross_entropy(logits[chosen].float(), labels[chosen], reduction="none")
    return sorted(each.tolist())


def check_losses(model: Any, rows: Sequence[TokenPair]) -> float:
    """The largest difference of a token's loss between both layouts, in single precision."""
    model, device = model.eval(), model.device
    batch = {name: each.to(device) for name, each in plainly(rows).items()}
    (group,) = batches_of(rows, 10**6, 2048 * len(rows))
    shared = {name: each.to(device) for name, each in collate([group]).items()}
    with torch.no_grad():
        padded = losses(model(**batch).logits[:, :-1], batch["labels"][:, 1:])
        labels = shared.pop("labels")
        packed = losses(model(**shared).logits, labels)
    model.train()
    return max(abs(one - other) for one, other in zip(padded, packed, strict=True))


TOKENIZER: Any = AutoTokenizer.from_pretrained(BUNDLED)
TOKENIZER.model_max_length = 10**9  # prompts are not for the bundled model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, default=os.environ.get("TXT2SQL_DATA"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--pool", type=int, help="examples that are laid out together")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    datasets.disable_progress_bars()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rounds = options.rounds or (1 if options.quick else 6)
    pool = options.pool or (256 if options.quick else 2048)
    rows = rows_of(Path(options.data) if options.data else None, pool, TOKENIZER)
    random.Random(0).shuffle(rows)
    most = BATCH_TOKENS[device.type]
    eights = [rows[i : i + 8] for i in range(0, len(rows) - 7, 8)]
    model = small_llama().to(device)

    def many(group: Any) -> int:
        return sum(map(len, group))

    with tempfile.TemporaryDirectory() as folder:
        sides = {
            "shared": Side(
                batches_of(rows, most, 2048), lambda group: collate([group]),
                trainer_of(folder, compute_loss_func=answer_loss), many, copy.deepcopy(model),
            ),
            "plain": Side(eights, plainly, trainer_of(folder), len, copy.deepcopy(model)),
        }  # fmt: skip
        for side in sides.values():
            random.Random(1).shuffle(side.groups)
        difference = check_losses(sides["plain"].model, rows[:8])
        assert difference < 1e-3, difference
        for i in range(rounds + 1):
            for side in sides.values():
                side.train(1 if i == 0 or options.quick else 2, counted=i > 0)
        for side in sides.values() if not options.quick else ():
            side.measure()
    rates = {name: round(side.examples / side.seconds, 3) for name, side in sides.items()}
    print(
        json.dumps(
            {
                "name": "training",
                "ours": rates["shared"],
                "peer": rates["plain"],
                "ratio": round(rates["shared"] / rates["plain"], 2),
                "n": {name: side.examples for name, side in sides.items()},
                "unit": "examples per second",
                **{f"{name}_examples_per_second": rate for name, rate in rates.items()},
                **{
                    f"{name}_peak_mb": round(side.peak / 1e6)
                    for name, side in sides.items()
                    if side.peak
                },
                "largest_difference_of_a_loss": round(difference, 6),
                "pool": pool,
                "mean_tokens": round(sum(len(p) + len(a) for p, a in rows) / len(rows)),
                "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
                "threads": torch.get_num_threads(),
                "machine": platform.machine(),
                "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
            }
        )
    )


if __name__ == "__main__":
    main()
