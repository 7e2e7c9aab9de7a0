"""Pre-training of a small text-to-SQL model from question-SQL pairs: `txt2sql pretrain`.

Next-token cross-entropy on the answer alone, batches of similar length, AdamW (Loshchilov and Hutter
2019) under a warm-up, stable, decay schedule (WSD, Hu et al. 2024). A checkpoint holds weights,
optimizer, random state and the place in the data, so a killed run continues as if it had not been.

>>> pretrain(PretrainConfig(output="results/pretrain", max_steps=100))  # doctest: +SKIP
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from txt2sql.data import open_dataset
from txt2sql.errors import ConfigError, ModelError
from txt2sql.runs import append_row, write_atomically
from txt2sql.training.batches import answer_logits, batches, sequence_accuracy
from txt2sql.training.corpus import Corpus, Item, Pair, load_corpus, texts
from txt2sql.training.warm_start import warm_start

Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]


@dataclass(frozen=True)
class PretrainConfig:
    """`datasets` are names or folders, each with a split and a share of the draws."""

    output: str
    encoder: str = ""
    """Folder of the BERT-like encoder to start from; needed unless `output` has a checkpoint."""
    data: str | None = None
    datasets: tuple[str, ...] = ("spider", "wikisql")
    split: str = "train"
    shares: tuple[float, ...] = (0.65, 0.35)
    held_out: float = 0.04
    """Share of the training databases that is never trained on and measures progress."""
    limit: int | None = None
    layers: int | None = None
    budget: int = 150
    """Size of most schema views, counted as prompts.compact.count_words does."""
    long_budget: int = 400
    long_share: float = 0.1
    batch_tokens: int = 4096
    pool: int = 512
    """Examples that are drawn, sorted by length and cut into batches together."""
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    max_steps: int = 2500
    warmup_steps: int = 200
    decay_share: float = 0.4
    log_every: int = 50
    checkpoint_every: int = 100
    measure_every: int = 500
    threads: int | None = None
    bf16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.datasets):
            raise ValueError("shares must have one number for each of datasets")


@dataclass(slots=True)
class _Place:
    """Where a run stands in its data."""

    step: int = 0
    pool: int = 0
    batch: int = 0
    tokens: int = 0
    seconds: float = 0.0


def is_held_out(db_id: str, share: float) -> bool:
    """Whether a training database measures progress instead of being trained on."""
    return random.Random(f"held out {db_id}").random() < share


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Warm-up, stable, then decay as 1 - sqrt of the way, down to 2%."""
    peak = config.learning_rate
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    start = config.max_steps * (1 - config.decay_share)
    if step < start:
        return peak
    way = min(1.0, (step - start) / max(1.0, config.max_steps - start))
    return peak * max(0.02, 1 - math.sqrt(way))


def pool_pairs(config: PretrainConfig, corpora: Sequence[Corpus], number: int) -> list[Pair]:
    """The pairs of one pool: each corpus is walked in an order shuffled anew on every pass."""
    rng = random.Random(f"{config.seed} pool {number}")
    pairs: list[Pair] = []
    for corpus, share in zip(corpora, config.shares):
        count = round(config.pool * share / sum(config.shares))
        for position in range(number * count, (number + 1) * count):
            turn, place = divmod(position, len(corpus.items))
            order = _order(f"{config.seed} {corpus.name} {turn}", len(corpus.items))
            budget = config.long_budget if rng.random() < config.long_share else config.budget
            pair = corpus.items[order[place]].draw(rng, budget)
            if pair is not None:
                pairs.append(pair)
    rng.shuffle(pairs)
    return pairs


@lru_cache(maxsize=8)
def _order(seed: str, size: int) -> list[int]:
    """A shuffled range, remembered for the passes under way."""
    return random.Random(seed).sample(range(size), size)


@contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress that shows nothing."""
    yield lambda note: None


def pretrain(
    config: PretrainConfig,
    report: Callable[[str], None] = print,
    progress: Progress = silent,
) -> Path:
    """Train, or continue, the run in `config.output`; returns the folder of the finished model.

    `report` gets lines to read; `progress(label, steps)` gives a function to call after each step.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    output = Path(config.output)
    _check_same(config, output)
    root = Path(config.data) if config.data else None
    datasets = [open_dataset(name, root) for name in config.datasets]
    train = [
        load_corpus(d, config.split, keep=lambda db: not is_held_out(db, config.held_out),
                    limit=config.limit)
        for d in datasets
    ]  # fmt: skip
    measured = [
        load_corpus(d, config.split, keep=lambda db: is_held_out(db, config.held_out), limit=150)
        for d in datasets
    ]
    for corpus in train:
        report(f"{corpus.name}: {len(corpus.items)} examples, {corpus.unsupported} inexpressible")
    if not all(corpus.items for corpus in train):
        raise ConfigError("a data set has no training example; check datasets, split and limit")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    run = _Training(config, output, train, device, report)
    run.measured = {c.name: _measuring(c.items, run.tokenizer, config) for c in measured if c.items}
    run.loop(progress)
    return run.finish()


def _measuring(
    items: Sequence[Item], tokenizer: Tokenizer, config: PretrainConfig
) -> list[tuple[Tensor, Tensor]]:
    rng = random.Random(f"{config.seed} measure")
    pairs = [pair for item in items if (pair := item.draw(rng, config.long_budget))]
    return batches(pairs, tokenizer, config.batch_tokens, rng)


class _Training:
    """One run: model, optimizer, and its place in the data."""

    def __init__(
        self,
        config: PretrainConfig,
        output: Path,
        corpora: Sequence[Corpus],
        device: str,
        report: Callable[[str], None],
    ) -> None:
        self.config, self.output, self.corpora, self.report = config, output, corpora, report
        self.measured: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self.place = _Place()
        self.checkpoint = output / "checkpoint.pt"
        torch.manual_seed(config.seed)
        self.model: PreTrainedModel
        if (output / "start" / "config.json").is_file():
            self.model = AutoModelForCausalLM.from_pretrained(output / "start")
            self.tokenizer = AutoTokenizer.from_pretrained(output / "start")
        else:
            if not config.encoder:
                raise ConfigError(f"'{output}' holds no run; set encoder to start a new one")
            self.model, self.tokenizer = warm_start(
                Path(config.encoder), texts(corpora), config.layers
            )
            _save_model(self.model, self.tokenizer, output / "start", torch.float32)
        if device == "cpu" and hasattr(self.model, "set_attn_implementation"):
            self.model.set_attn_implementation(
                "eager"
            )  # measured: 1.5 times as fast at this length
        torch.nn.Module.to(self.model, device).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
        )
        if self.checkpoint.is_file():
            self._load()

    def loop(self, progress: Progress = silent) -> None:
        """Run to `max_steps`, measuring and saving on the way."""
        with progress("pretrain", max(0, self.config.max_steps - self.place.step)) as advance:
            self._loop(advance)
        self._save()

    def _loop(self, advance: Callable[[str], None]) -> None:
        started, base = time.monotonic(), self.place.seconds
        losses: list[float] = []
        place = self.place
        for inputs, labels in self._stream():
            if place.step >= self.config.max_steps:
                return
            losses.append(self._update(inputs, labels))
            advance(f"loss {losses[-1]:.3f}")
            place.step += 1
            place.batch += 1
            place.tokens += inputs.numel()
            place.seconds = base + time.monotonic() - started
            if place.step % self.config.log_every == 0:
                self._log({"loss": sum(losses) / len(losses)})
                losses = []
            if place.step % self.config.measure_every == 0:
                self.measure()
            if place.step % self.config.checkpoint_every == 0:
                self._save()

    def measure(self) -> None:
        """Log the sequence accuracy on the held-out databases."""
        self._log(
            {
                f"held_out/{name}": sequence_accuracy(self.model, data, self.config.bf16)
                for name, data in self.measured.items()
            }
        )

    def finish(self) -> Path:
        """Write the model in half precision."""
        self.measure()
        folder = self.output / "model"
        _save_model(self.model, self.tokenizer, folder, torch.float16)
        return folder

    def _stream(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            pairs = pool_pairs(self.config, self.corpora, self.place.pool)
            rng = random.Random(f"{self.config.seed} batches {self.place.pool}")
            pool = batches(pairs, self.tokenizer, self.config.batch_tokens, rng)
            yield from pool[self.place.batch :]
            self.place.pool += 1
            self.place.batch = 0

    def _update(self, inputs: Tensor, labels: Tensor) -> float:
        device = self.model.device
        rate = learning_rate(self.config, self.place.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.bf16):
            logits, targets = answer_logits(self.model, inputs.to(device), labels.to(device))
        loss = functional.cross_entropy(logits.float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _log(self, numbers: dict[str, float]) -> None:
        place = self.place
        row = {"step": place.step, **numbers, "tokens": place.tokens}
        row |= {"seconds": round(place.seconds, 1), "lr": learning_rate(self.config, place.step)}
        row["tokens_per_second"] = round(place.tokens / max(place.seconds, 1e-9))
        append_row(self.output / "metrics.jsonl", row)
        self.report("  ".join(f"{k} {v:.5g}" for k, v in row.items()))

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "place": asdict(self.place),
            "rng": torch.get_rng_state(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint)

    def _load(self) -> None:
        try:
            state: dict[str, Any] = torch.load(self.checkpoint, map_location=self.model.device)
        except (RuntimeError, EOFError, OSError, KeyError, ValueError, UnpicklingError) as error:
            raise ModelError(
                f"'{self.checkpoint}' cannot be read; delete it to start the run again"
            ) from error
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.place = _Place(**state["place"])
        torch.set_rng_state(state["rng"].cpu())
        self.report(f"continuing at step {self.place.step}")


def _save_model(
    model: PreTrainedModel, tokenizer: Tokenizer, folder: Path, dtype: torch.dtype
) -> None:
    """Weights, config, tokenizer, and the prompt style the model was trained with."""
    saved = copy.deepcopy(model)
    torch.nn.Module.to(saved, "cpu", dtype)
    saved.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_atomically(folder / "prompt.json", json.dumps({"style": "compact"}) + "\n")


def _check_same(config: PretrainConfig, output: Path) -> None:
    """Refuse to continue a run under settings that would make it another run."""
    file = output / "pretrain.json"
    changeable = {"max_steps", "threads", "data", "encoder", "decay_share", "measure_every"}
    changeable |= {"log_every", "checkpoint_every", "output"}
    now = json.loads(json.dumps(asdict(config)))
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        for key in now.keys() - changeable:
            if before.get(key) != now[key]:
                raise ConfigError(
                    f"the run in '{output}' has {key}={before.get(key)}, not {now[key]}; "
                    "choose another output folder or the same setting"
                )
    write_atomically(file, json.dumps(now, indent=1) + "\n")
