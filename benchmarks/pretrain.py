"""Training steps of the bundled model: rows by length (ours on a CPU) and packed rows (ours on a GPU)
against transformers' own loss on shuffled, padded batches, as its Trainer makes them.

All three train the same weights on the same pairs in the same precision, a step of each in turn.
`ours` and `peer` are tokens per second, padding not counted, over processor time on a CPU (other
processes may share it) and over wall time on a GPU; `ratio` is ours / peer. Pairs are those of Spider
and WikiSQL where $TXT2SQL_DATA or --data has them, else made-up ones of like lengths.

    python benchmarks/pretrain.py [--quick] [--data DIR] [--threads N] [--attention eager|sdpa]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from txt2sql.models.catalog import BUNDLED
from txt2sql.training.batches import Batch, Row, answer_logits, encode_rows, packed, padded
from txt2sql.training.corpus import Pair
from txt2sql.training.folders import load_model
from txt2sql.training.prepare import open_source
from txt2sql.training.tracking import Speed, has_bf16

BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}


def pairs_of(data: Path | None, count: int) -> list[Pair]:
    """Pairs as a run draws them: 65% of Spider, 35% of WikiSQL; made up without data."""
    rng = random.Random(0)
    if data is None:
        words = "how many singer name of the concert city country year age [c1] [t2] key #".split()
        lengths = [min(450, int(rng.lognormvariate(4.8, 0.45))) for _ in range(count)]
        return [Pair(" ".join(rng.choices(words, k=n)), "select [c1] from [t2]") for n in lengths]
    pairs = []
    for name, share in (("spider", 0.65), ("wikisql", 0.35)):
        corpus = open_source(name, "train", data).corpus
        for _ in range(int(count * share)):
            budget = 400 if rng.random() < 0.1 else 150
            pair = corpus[rng.randrange(len(corpus))].draw(rng, budget)
            if pair is not None:
                pairs.append(pair)
    rng.shuffle(pairs)
    return pairs


def plain(rows: list[Row], pad: int, batch_tokens: int) -> list[Batch]:
    """Rows as they come, each batch padded to its longest."""
    mean = sum(len(p) + len(a) for p, a in rows) / len(rows)
    size = max(1, int(batch_tokens / mean))
    return [
        batch for i in range(0, len(rows), size) for batch in padded(rows[i : i + size], pad, 10**9)
    ]


def our_loss(model: Any, batch: Batch) -> torch.Tensor:
    """The head on answers alone, the mask of the layout."""
    logits, targets = answer_logits(model, batch)
    return functional.cross_entropy(logits.float(), targets)


def plain_loss(model: Any, batch: Batch) -> torch.Tensor:
    """What transformers computes when it is given labels: the head on every position."""
    loss: torch.Tensor = model(
        input_ids=batch.inputs, attention_mask=(batch.segments > 0).long(), labels=batch.labels
    ).loss
    return loss


class Side:
    """One way to train: its own copy of the model, its batches, its clock."""

    def __init__(
        self, batches: list[Batch], loss: Callable[[Any, Batch], torch.Tensor], attention: str,
        device: torch.device,
    ) -> None:  # fmt: skip
        self.model, _ = load_model(BUNDLED)
        self.model.set_attn_implementation(attention)
        torch.nn.Module.to(self.model, device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=True)
        self.batches: Iterator[Batch] = cycle(batches)
        self.loss, self.device = loss, device
        self.bf16 = has_bf16(device)
        self.tokens, self.seconds, self.flops = 0, 0.0, 0.0
        self.speed = Speed(self.model, self.bf16, 1.0)

    def step(self, counted: bool) -> None:
        """One update."""
        batch = next(self.batches)
        start = self.now()
        moved = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.loss(self.model, moved)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if counted:
            self.seconds += self.now() - start
            self.tokens += batch.tokens
            self.flops += self.speed.flops(batch)

    def now(self) -> float:
        """Processor time, or wall time once the GPU has done its work."""
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def main() -> None:
    """Measure the three and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, default=os.environ.get("TXT2SQL_DATA"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--attention", help="of ours by length and packed; default: as a run does")
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = options.steps or (6 if options.quick else 40)
    tokenizer = load_model(BUNDLED)[1]
    pad, most = int(tokenizer.pad_token_id), BATCH_TOKENS[device.type]
    drawn = pairs_of(Path(options.data) if options.data else None, 2048 if most > 9999 else 512)
    rows = encode_rows(drawn, tokenizer)
    attention = options.attention or ("sdpa" if device.type == "cuda" else "eager")
    layouts = {
        "by_length": (padded(rows, pad, most), our_loss, attention),
        "packed_512": (packed(rows, pad, most, 512), our_loss, attention),
        "packed_1024": (packed(rows, pad, most, 1024), our_loss, attention),
        "plain": (plain(rows, pad, most), plain_loss, "sdpa"),
    }
    sides = {}
    for name, (batches, loss, implementation) in layouts.items():
        random.Random(0).shuffle(batches)
        sides[name] = Side(batches, loss, implementation, device)
    for i in range(steps + 2):
        for side in sides.values():
            side.step(counted=i >= 2)
    rates = {name: round(side.tokens / side.seconds) for name, side in sides.items()}
    ours = rates["packed_1024" if device.type == "cuda" else "by_length"]
    print(
        json.dumps(
            {
                "name": "pretrain",
                "ours": ours,
                "peer": rates["plain"],
                "ratio": round(ours / rates["plain"], 2),
                "n": steps,
                "unit": "tokens per second",
                **{f"{name}_tokens_per_second": rate for name, rate in rates.items()},
                **{
                    f"{name}_gflops_per_second": round(side.flops / side.seconds / 1e9, 1)
                    for name, side in sides.items()
                },
                "mean_tokens": round(sum(len(p) + len(a) for p, a in rows) / len(rows)),
                "attention": attention,
                "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
                "threads": torch.get_num_threads(),
                "machine": platform.machine(),
                "versions": {name: version(name) for name in ("torch", "transformers")},
            }
        )
    )


if __name__ == "__main__":
    main()
