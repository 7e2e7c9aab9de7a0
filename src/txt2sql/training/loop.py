"""The loop of a pre-training run: draw, update, log, measure, save, and go on after any kill.

A checkpoint holds weights, optimizer, random state and the place in the data, so a run that was killed
goes on as if it had not been: the same batches in the same order, to the same weights.

>>> Training(config, Path("run"), sources, print).loop()  # doctest: +SKIP
True
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from txt2sql.errors import ConfigError, ModelError
from txt2sql.training.batches import Batch, answer_logits, sequence_accuracy
from txt2sql.training.corpus import Corpus, texts
from txt2sql.training.folders import load_model, replace_folder, save_model
from txt2sql.training.pools import Pools, stream
from txt2sql.training.prepare import Progress, Source, silent
from txt2sql.training.selection import HeldOut, held_out, is_held_out, measured_items
from txt2sql.training.settings import PretrainConfig, learning_rate
from txt2sql.training.tracking import Speed, Tracker, has_bf16
from txt2sql.training.warm_start import warm_start


@dataclass(slots=True)
class Place:
    """Where a run stands, and what it has counted so far."""

    step: int = 0
    pool: int = 0
    batch: int = 0
    """The next batch of the pool."""
    tokens: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    loss: float = 0.0
    """Sum over the steps since the last log."""
    best: float = -1.0
    best_step: int = 0


class Training:
    """One run: model, optimizer, and its place in the data."""

    def __init__(
        self,
        config: PretrainConfig,
        output: Path,
        sources: Sequence[Source],
        report: Callable[[str], None],
    ) -> None:
        self.config, self.output, self.report = config, output, report
        self.checkpoint = output / "checkpoint.pt"
        corpora = [
            s.corpus.where(lambda db_id: not is_held_out(db_id, config.held_out)).sample(
                config.limit, f"{config.seed} limit"
            )
            for s in sources
        ]
        for corpus in corpora:
            report(f"{corpus.name}: {len(corpus)} examples, {corpus.unsupported} inexpressible")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(config.seed)
        self.model, self.tokenizer = self._start(corpora)
        on_gpu = self.device.type == "cuda"
        # Eager is 1.5 times as fast as sdpa on a CPU at this length.
        self.model.set_attn_implementation(config.attention or ("sdpa" if on_gpu else "eager"))
        torch.nn.Module.to(self.model, self.device).train()
        self.bf16 = has_bf16(self.device) if config.bf16 is None else config.bf16
        packing = on_gpu if config.packing is None else config.packing
        outputs = int(self.model.get_output_embeddings().get_parameter("weight").shape[0])
        self.pools = Pools(config, corpora, self.tokenizer, outputs, packing)
        measured = [
            (s, measured_items(s, config.held_out, config.measured, config.seed)) for s in sources
        ]
        self.held_out = HeldOut([held_out(source, corpus) for source, corpus in measured])
        self.proxies = {s.name: self._drawn(corpus) for s, corpus in measured if len(corpus)}
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
        )
        self.place = Place()
        if self.checkpoint.is_file():
            self._load()
        self.logged = replace(self.place)
        self.speed = Speed(self.model, self.bf16, config.peak_tflops)
        self.tracker = Tracker(output, asdict(config), self.place.step, use_wandb=config.use_wandb)

    def _start(self, corpora: Sequence[Corpus]) -> tuple[PreTrainedModel, Tokenizer]:
        config, folder = self.config, self.output / "start"
        if (folder / "config.json").is_file():
            return load_model(folder)
        if config.start:
            model, tokenizer = load_model(Path(config.start))
            model.config.prefix_lm = True
        elif config.encoder:
            model, tokenizer = warm_start(Path(config.encoder), texts(corpora), config.layers)
        else:
            raise ConfigError(
                f"'{self.output}' holds no run; set encoder to start a new one, or start to a model"
            )
        save_model(model, tokenizer, folder, torch.float32)
        return model, tokenizer

    def _drawn(self, corpus: Corpus) -> list[Batch]:
        rng = random.Random(f"{self.config.seed} measure")
        pairs = [pair for item in corpus if (pair := item.draw(rng, self.config.long_budget))]
        return self.pools.cut(pairs)

    def loop(self, progress: Progress = silent, started: float | None = None) -> bool:
        """Run to `max_steps`, measuring and saving on the way; False when `max_minutes` since
        `started` (by time.monotonic) were over before.
        """
        config, place = self.config, self.place
        begun = time.monotonic() if started is None else started
        limit = begun + config.max_minutes * 60 if config.max_minutes else float("inf")
        with progress("pretrain", max(0, config.max_steps - place.step)) as advance:
            batches = stream(self.pools, place.pool, place.batch, config.workers)
            while place.step < config.max_steps and time.monotonic() < limit:
                advance(f"loss {self._step(batches):.3f}")
                if place.step % config.log_every == 0:
                    self._log_training()
                if place.step % config.measure_every == 0 or place.step == config.max_steps:
                    self.measure()
                if place.step % config.checkpoint_every == 0:
                    self._save()
        self._save()
        return place.step >= config.max_steps

    def _step(self, batches: Iterator[tuple[Batch, int, int]]) -> float:
        """One update of the weights; returns its loss per answer token."""
        started, place = time.monotonic(), self.place
        drawn = [next(batches) for _ in range(self.config.accumulate)]
        answers = sum(int((batch.labels != -100).sum()) for batch, _, _ in drawn)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, place.step)
        loss = torch.zeros((), device=self.device)
        for batch, _, _ in drawn:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                logits, targets = answer_logits(self.model, batch.to(self.device))
            part = functional.cross_entropy(logits.float(), targets, reduction="sum") / answers
            part.backward()
            loss += part.detach()
            place.tokens += batch.tokens
            place.flops += self.speed.flops(batch)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        _, place.pool, place.batch = drawn[-1]
        place.step += 1
        place.loss += float(loss)
        place.seconds += time.monotonic() - started
        return float(loss)

    def _log_training(self) -> None:
        place, before = self.place, self.logged
        seconds = max(place.seconds - before.seconds, 1e-9)
        steps = self.config.log_every
        self._log(
            {
                "loss": place.loss / steps,
                "lr": learning_rate(self.config, place.step - 1),
                "tokens_per_second": round((place.tokens - before.tokens) / seconds),
                "mfu": round((place.flops - before.flops) / seconds / self.speed.peak, 4),
            }
        )
        place.loss = 0.0
        self.logged = replace(place)

    def _log(self, numbers: dict[str, float]) -> None:
        place = self.place
        known = {"tokens": place.tokens, "seconds": round(place.seconds, 1)}
        row = {"step": place.step, **numbers, **known}
        self.tracker.log(row)
        self.report("  ".join(f"{name} {value:.5g}" for name, value in row.items()))

    def measure(self) -> None:
        """Save the model, ask it the held-out questions, and keep it where it is the best so far."""
        last, best = self.output / "last", self.output / "best"
        save_model(self.model, self.tokenizer, last, torch.float16)
        found = self.held_out.execution_accuracy(last)
        numbers = {f"execution_accuracy/{name}": each.mean for name, each in found.items()}
        for name, data in self.proxies.items():
            numbers[f"sequence_accuracy/{name}"] = sequence_accuracy(self.model, data, self.bf16)
        if numbers:
            self._log(numbers)
        score = sum(each.mean for each in found.values()) / max(1, len(found))
        if found and score >= self.place.best:
            self.place.best, self.place.best_step = score, self.place.step
            replace_folder(last, best)

    def finish(self) -> Path:
        """The folder of the model to keep, in half precision."""
        folder, best = self.output / "model", self.output / "best"
        if self.config.final == "best" and best.is_dir():
            self.report(f"the best is of step {self.place.best_step}: {self.place.best:.1%}")
            replace_folder(best, folder)
        else:
            replace_folder(self.output / "last", folder)
        return folder

    def close(self) -> None:
        """Write out the logs."""
        self.tracker.close()

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "place": asdict(self.place),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint)

    def _load(self) -> None:
        try:
            state: dict[str, Any] = torch.load(self.checkpoint, map_location=self.device)
        except (RuntimeError, EOFError, OSError, KeyError, ValueError, UnpicklingError) as error:
            raise ModelError(
                f"'{self.checkpoint}' cannot be read; delete it to start the run again"
            ) from error
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.place = Place(**state["place"])
        torch.set_rng_state(state["rng"].cpu())
        if self.device.type == "cuda" and state.get("cuda_rng"):
            torch.cuda.set_rng_state_all([each.cpu() for each in state["cuda_rng"]])
        self.report(f"continuing at step {self.place.step}")
