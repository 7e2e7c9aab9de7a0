"""What happens between the steps of a fine-tuning run: logs, measurements, checkpoints, and the end.

Progress is execution accuracy on held-out questions: the best adapter is kept by it, and a run whose
last `patience` measurements brought none better stops early. What was best so far is read from
metrics.jsonl, so a run that goes on knows it, too.

>>> best([{"step": 5, "execution_accuracy/spider": 0.5}, {"step": 9, "loss": 1.0}])
(5, 0.5)
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import distributed
from transformers import TrainerCallback

from txt2sql.evaluation.statistics import Estimate
from txt2sql.models.hub import push
from txt2sql.runs import read_rows, write_atomically
from txt2sql.training.folders import replace_folder
from txt2sql.training.processes import main_first
from txt2sql.training.sft_checkpoints import mark_whole
from txt2sql.training.sft_data import Rows
from txt2sql.training.tracking import Tracker

_MEASURE = "execution_accuracy/"


def scores(rows: Iterable[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """(step, mean execution accuracy of the data sets) of every measurement."""
    found = []
    for row in rows:
        values = [value for name, value in row.items() if name.startswith(_MEASURE)]
        if values:
            found.append((int(row["step"]), sum(values) / len(values)))
    return found


def best(rows: Iterable[Mapping[str, Any]]) -> tuple[int, float] | None:
    """The measurement to keep: the first of the highest."""
    return max(scores(rows), key=lambda found: found[1], default=None)


class Finished(Protocol):
    """What a run's settings say of what is kept of it, and of what it is judged by."""

    @property
    def final(self) -> str: ...
    @property
    def push_to_hub(self) -> str: ...
    @property
    def held_out(self) -> float: ...
    @property
    def measure_split(self) -> str | None: ...


def finish(config: Finished, output: Path, report: Callable[[str], None]) -> Path:
    """The folder of the adapter or model to keep: the best measured, or the last."""
    folder = output / "model"
    with main_first() as is_main:
        if is_main:
            kept = output / "best"
            found = best(read_rows(output / "metrics.jsonl"))
            if config.final == "best" and found and kept.is_dir():
                report(f"the best is of step {found[0]}: {found[1]:.1%}")
            else:
                kept = output / "last"
            replace_folder(kept, folder)
            if config.push_to_hub:
                report(push(folder, config.push_to_hub))
            write_atomically(output / "finished.json", "{}\n")
    return folder


def measured_on(config: Finished) -> str:
    """Which questions of a data set measure progress, in words."""
    if config.measure_split:
        return f"the split {config.measure_split}"
    return f"{config.held_out:.0%} of the training databases"


def tokens_read(rows: Rows) -> list[int]:
    """How many tokens of a run are read before each of its batches, and in all."""
    columns = zip(rows.batches["lengths"], rows.batches["shared"])
    return [0, *accumulate(sum(lengths) - sum(shared) for lengths, shared in columns)]


class Watched(Protocol):
    """What a run's settings say of its logs, measurements and end."""

    @property
    def model(self) -> str: ...
    @property
    def datasets(self) -> tuple[str, ...]: ...
    @property
    def measure_every(self) -> int | None: ...
    @property
    def patience(self) -> int | None: ...
    @property
    def use_wandb(self) -> bool: ...


class Watch(TrainerCallback):
    """`measure`, in the main process, saves the model to `output`/last and asks it; `gather`, in all of
    them, comes before. `tokens` is as of `tokens_read`, `epoch` the number of batches in an epoch.
    """

    unit = 1
    """A run stops, to go on later, after a multiple of so many steps."""

    def __init__(
        self,
        config: Watched,
        output: Path,
        tokens: Sequence[int],
        epoch: int,
        measure: Callable[[], Mapping[str, Estimate]],
        report: Callable[[str], None],
        gather: Callable[[], None] = lambda: None,
    ) -> None:
        self.gather = gather
        self.config, self.output, self.measure, self.report = config, output, measure, report
        self.advance: Callable[[str], None] = lambda note: None
        self.deadline = float("inf")
        self.terminated = self.interrupted = False
        self.tokens, self.epoch = tokens, epoch
        self.tracker: Tracker | None = None
        self.note = ""

    @property
    def every(self) -> int:
        """Steps between measurements."""
        return self.config.measure_every or max(1, round(self.epoch / self.batches))

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the logs at the step the run goes on from."""
        self.batches = args.gradient_accumulation_steps * args.world_size
        self.started, self.first = time.monotonic(), state.global_step
        self.last = (self.started, self.first)
        if state.is_world_process_zero:
            settings = {"model": self.config.model, "datasets": list(self.config.datasets)}
            self.tracker = Tracker(
                self.output, settings, self.first, use_wandb=self.config.use_wandb
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """One row of numbers."""
        if self.tracker is None or "loss" not in (logs or {}):
            return
        now, (before, step) = time.monotonic(), self.last
        place = [min(s * self.batches, len(self.tokens) - 1) for s in (step, state.global_step)]
        tokens = self.tokens[place[1]] - self.tokens[place[0]]
        self.last = (now, state.global_step)
        self._log(
            state.global_step,
            loss=logs["loss"],
            lr=logs["learning_rate"],
            grad_norm=logs.get("grad_norm", 0.0),
            tokens_per_second=round(tokens / max(now - before, 1e-9)),
        )
        self.note = f"loss {logs['loss']:.3f}"

    def _log(self, step: int, **numbers: float) -> None:
        assert self.tracker is not None
        row = {"step": step, "epoch": round(step * self.batches / self.epoch, 3), **numbers}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        self.tracker.log(row)
        self.report("  ".join(f"{name} {value:.5g}" for name, value in row.items()))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure when it is time; stop when nothing more is gained, time is over, or asked to."""
        self.advance(self.note)
        step = state.global_step
        if step % self.every == 0 or step == state.max_steps:
            self.gather()
            if self.tracker is not None:
                self._measure(step)
            control.should_training_stop = self._agreed(self.no_longer_better(step))
        done = control.should_training_stop or step == state.max_steps
        asked = self.terminated or time.monotonic() > self.deadline
        stopped = self._agreed(asked and step % self.unit == 0)
        self.interrupted = stopped and not done
        control.should_training_stop = stopped or done
        control.should_save |= stopped or done

    def _measure(self, step: int) -> None:
        started = time.monotonic()  # the speed of training is told without what this takes
        before = best(read_rows(self.output / "metrics.jsonl"))
        found = self.measure()
        self.last = (self.last[0] + time.monotonic() - started, self.last[1])
        if not found:
            return
        self._log(step, **{f"{_MEASURE}{name}": each.mean for name, each in found.items()})
        score = sum(each.mean for each in found.values()) / len(found)
        if before is None or score > before[1]:
            replace_folder(self.output / "last", self.output / "best")

    def no_longer_better(self, step: int) -> bool:
        """Whether the last `patience` measurements up to a step brought none better."""
        if self.config.patience is None:
            return False
        found = scores(
            row for row in read_rows(self.output / "metrics.jsonl") if row["step"] <= step
        )
        top = max((score for _, score in found), default=0.0)
        first = next((i for i, (_, score) in enumerate(found) if score == top), 0)
        return len(found) - 1 - first >= self.config.patience if found else False

    def _agreed(self, wish: bool) -> bool:
        """True in every process when it is in one."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return wish
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        flag = torch.tensor(int(wish), device=device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint is written: say so in it."""
        self._agreed(False)  # every process has written its part
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def close(self) -> None:
        """Write out the logs."""
        if self.tracker is not None:
            self.tracker.close()

    @contextmanager
    def until(self, deadline: float, advance: Callable[[str], None]) -> Iterator[None]:
        """While it lasts, the deadline (by time.monotonic) and SIGTERM end the run after the step under
        way, with a checkpoint; `advance` is called after each.
        """
        self.deadline, self.advance = deadline, advance
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: Any) -> None:
            self.terminated = True

        before = signal.signal(signal.SIGTERM, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
