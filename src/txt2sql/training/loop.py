"""The training loop around transformers' Trainer: resume, logs, validation, keep best, and the end.

Fine-tuning and GRPO (trl's GRPOTrainer is a Trainer) run through it. What a run needs beside steps is
here once: numbers to metrics.jsonl, TensorBoard and W&B; checkpoints of which only whole ones count; the
best weights by validation; early stopping; SIGTERM and a deadline, which save and end it.

    results/lora-phi-2/
    ├── config.yaml, run.json, metrics.jsonl, tensorboard/
    ├── checkpoints/         where to go on
    ├── best/                the best weights by validation
    └── model/               the finished model: txt2sql ask --model results/lora-phi-2/model

>>> Tracker(Path("run"), {}, step=0).log({"step": 1, "loss": 2.5})  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch import distributed

from txt2sql.errors import ConfigError
from txt2sql.models.card import push
from txt2sql.models.weights import choose_device
from txt2sql.runs import append_row, open_run, read_rows, write_atomically
from txt2sql.training.settings import RunConfig, TuningConfig

T = TypeVar("T")
LARGE = 1_000_000_000
"""Parameters from which activations are computed twice and frozen weights are in half precision."""
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
"""A `schedule`, and what transformers calls it."""
_SHOWN = (
    "reward",
    "right",
    "hacks",
    "kl",
    "loss",
    "tokens_per_second",
    "eval_reward",
    "eval_right",
)

Report = Callable[[str], None]
Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]
"""(label, total) -> a context with the function that advances by one and shows a note."""


@contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress that shows nothing."""
    yield lambda note: None


# ------------------------------------------------------------------------------------------- devices


def process_count() -> int:
    """How many processes `accelerate launch` started, each with its own device."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process reports and writes for all."""
    return process_count() == 1 or bool(_processes().is_main_process)


@contextmanager
def main_first() -> Iterator[None]:
    """The main process goes through the block, then the others."""
    if process_count() == 1:
        yield
        return
    with _processes().main_process_first():
        yield


def _processes() -> Any:
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def prepare(config: RunConfig) -> None:
    """Set threads, and silence libraries that print beside the run's own lines."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if config.threads:
        torch.set_num_threads(config.threads)


def half_precision(bf16: bool | None) -> torch.dtype | None:
    """What matrix products are computed in, None: single precision. `bf16` None: by the hardware."""
    device = choose_device()
    if bf16 is not None:
        return torch.bfloat16 if bf16 else None
    if device == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bf16 else torch.float16
    cpu: Any = torch.cpu
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    has_bf16 = device == "cpu" and any(getattr(cpu, probe, lambda: False)() for probe in probes)
    return torch.bfloat16 if has_bf16 else None


def checkpoints_gradients(config: TuningConfig, parameters: int) -> bool:
    """Whether activations are computed twice instead of held."""
    chosen = config.gradient_checkpointing
    return parameters >= LARGE if chosen is None else chosen


def longest_example(config: TuningConfig, shape: Any) -> int:
    """The most tokens that an example may have: `max_length`, and what the model attends to."""
    limits = (getattr(shape, name, None) for name in ("max_position_embeddings", "sliding_window"))
    return min([config.max_length, *(int(limit) for limit in limits if limit)])


# ------------------------------------------------------------------------------------ a run's folder


def resumable(
    config: TuningConfig, output: Path, settings: Mapping[str, Any], resume: bool, report: Report
) -> bool:
    """Whether there is something left to do in a run's folder. `settings` are those that decide what is
    learnt. Raises ConfigError for other settings than those of the run that is there.
    """
    if (output / "run.json").is_file():
        open_run_anew(output, settings, config.seed)
    elif resume:
        raise ConfigError(f"'{output}' holds no run to resume; leave --resume out to start one")
    if (output / "finished.json").is_file():
        report(f"the run in '{output}' is finished; give another output to train again")
        return False
    return True


def open_run_anew(output: Path, settings: Mapping[str, Any], seed: int) -> None:
    """Note the settings of a run, or check that they are those noted. Where nothing was learnt yet, say
    for want of memory, other settings begin anew.
    """
    try:
        open_run(output, settings, seed)
    except ConfigError:
        # A checkpoint was learnt with the old settings: mixing them would make a run that nobody can repeat.
        if newest_checkpoint(output / "checkpoints"):
            raise
        for name in ("run.json", "pass_rates.jsonl"):
            (output / name).unlink(missing_ok=True)
        open_run(output, settings, seed)


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step that is whole: its state is written last. Others are removed."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
            return checkpoint
        except (OSError, ValueError):
            shutil.rmtree(checkpoint, ignore_errors=True)  # another process may be at it
    return None


def _step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.partition("-")[2]) if checkpoint else 0


def replace_folder(source: Path, target: Path, without: Sequence[str] = ()) -> None:
    """Put a copy of `source`, `without` some names, in the place of `target`; a kill leaves one whole."""
    part, old = (target.with_name(f".{target.name}.{end}") for end in ("part", "old"))
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(source, part, ignore=shutil.ignore_patterns(*without))
    if target.is_dir():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)


# -------------------------------------------------------------------------------------- the trainer


def shared_arguments(
    config: TuningConfig, output: Path, steps: int, parameters: int
) -> dict[str, Any]:
    """What both kinds of trainer are given."""
    on_gpu, half = torch.cuda.is_available(), half_precision(config.bf16)
    checkpointing = checkpoints_gradients(config, parameters)
    return {
        "output_dir": str(output / "checkpoints"),
        "max_steps": steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": _SCHEDULES[config.schedule],
        "warmup_steps": round(config.warmup * steps),
        "bf16": half == torch.bfloat16,
        "fp16": half == torch.float16,
        "use_cpu": not on_gpu,
        "dataloader_pin_memory": on_gpu,
        "gradient_checkpointing": checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if checkpointing else None,
        "logging_steps": config.log_every,
        "save_strategy": "steps",
        "save_total_limit": 2,
        "seed": config.seed,
        "data_seed": config.seed,
        "disable_tqdm": True,
        "report_to": [],
    }


def arguments(kind: type[T], **values: Any) -> T:
    """A trainer's arguments; transformers warns of what its next version will call otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return kind(**values)


def run(
    trainer: Any,
    config: TuningConfig,
    output: Path,
    save: Callable[[Path], None],
    *,
    score: str,
    label: str,
    deadline: float = float("inf"),
    report: Report = print,
    progress: Progress = silent,
) -> Path | None:
    """Train to the end, or from the newest checkpoint on: the folder of the finished model, or None where
    SIGTERM or the deadline (by time.monotonic) came before.

    `save` writes the model into a folder. `score` is the beginning of the names of the logged numbers
    whose mean says which weights are best.
    """
    # Else peft asks the hub at every checkpoint whether the embeddings were resized. They never are.
    if hasattr(trainer.model, "peft_config"):
        plain = trainer.model.save_pretrained
        trainer.model.save_pretrained = partial(plain, save_embedding_layers=False)
    trainer.remove_callback(transformers.PrinterCallback)
    callback = RunCallback(config, output, save, score, deadline, report)
    trainer.add_callback(callback)
    checkpoint = newest_checkpoint(output / "checkpoints")
    step, steps = _step(checkpoint), trainer.args.max_steps
    if checkpoint:
        report(f"going on at step {step}")
    with progress(label, steps - step) as callback.advance, callback.listening():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if callback.interrupted:
        report(f"stopped at step {trainer.state.global_step} of {steps}; run it again to go on")
        return None
    folder = output / "model"
    with main_first():
        if is_main_process():
            best = best_score(callback.scores(trainer.state))
            if config.final == "best" and best and (output / "best").is_dir():
                report(f"the best is of step {best[0]}: {best[1]:.1%}")
                replace_folder(output / "best", folder)
            else:
                save(folder)
            if config.push_to_hub:
                report(push(folder, config.push_to_hub))
            write_atomically(output / "finished.json", "{}\n")
    return folder


def best_score(scores: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    """The (step, score) to keep: the first of the highest.

    >>> best_score([(5, 0.5), (9, 0.5)])
    (5, 0.5)
    """
    return max(scores, key=lambda each: each[1], default=None)


class RunCallback(transformers.TrainerCallback):
    """Logs, best weights and the end of a run. Checkpoints hold the scores so far (`log_history`)."""

    def __init__(
        self, config: TuningConfig, output: Path, save: Callable[[Path], None], score: str,
        deadline: float, report: Report,
    ) -> None:  # fmt: skip
        self.config, self.output, self.save, self.score = config, output, save, score
        self.deadline, self.report = deadline, report
        self.advance: Callable[[str], None] = lambda note: None
        self.terminated = self.interrupted = False
        self.note = ""
        self.tracker: Tracker | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the logs at the step the run goes on from."""
        if state.is_world_process_zero:
            settings = {"model": self.config.model, "datasets": list(self.config.datasets)}
            self.tracker = Tracker(
                self.output, settings, state.global_step, use_wandb=self.config.use_wandb
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """One row of numbers."""
        numbers = {name: v for name, v in (logs or {}).items() if isinstance(v, (int, float))}
        if self.tracker is None or "train_runtime" in numbers:
            return
        self.tracker.log({"step": state.global_step, **numbers})
        names = [name for name in (*_SHOWN, *numbers) if name in _SHOWN or self._scores(name)]
        words = [f"{name} {numbers[name]:.4g}" for name in dict.fromkeys(names) if name in numbers]
        self.report("  ".join([f"step {state.global_step}", *words]))
        self.note = words[0] if words else ""

    def _scores(self, name: str) -> bool:
        return name.startswith(self.score)

    def scores(self, state: Any) -> list[tuple[int, float]]:
        """(step, mean score) of every validation."""
        scores = []
        for row in state.log_history:
            if values := [value for name, value in row.items() if self._scores(name)]:
                scores.append((int(row["step"]), sum(values) / len(values)))
        return scores

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save the model where it is the best so far; stop where `patience` is at its end."""
        scores = self.scores(state)
        best = best_score(scores)
        if best is None:
            return
        if best[0] == state.global_step and state.is_world_process_zero:
            # Written beside, then moved: a kill leaves the best before or the best now.
            part = self.output / ".best"
            shutil.rmtree(part, ignore_errors=True)
            self.save(part)
            replace_folder(part, self.output / "best")
            shutil.rmtree(part)
        # Validations since the best one.
        later = sum(step > best[0] for step, _ in scores)
        if self.config.patience is not None and later >= self.config.patience:
            control.should_training_stop, control.should_save = True, False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop, to go on later, when one process was asked to."""
        self.advance(self.note)
        stop = self.terminated or time.monotonic() > self.deadline
        if distributed.is_available() and distributed.is_initialized():
            # A signal reaches one process, and all must leave the loop at the same step.
            flag = torch.tensor(int(stop), device=args.device)
            distributed.all_reduce(flag, distributed.ReduceOp.MAX)
            stop = bool(flag)
        if state.global_step >= state.max_steps:
            control.should_save = False  # the finished model takes the place of a checkpoint
        elif stop:
            self.interrupted = control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write out the logs."""
        if self.tracker is not None:
            self.tracker.close()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, SIGTERM ends the run after the step under way, with a checkpoint."""
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


# ---------------------------------------------------------------------------------------------- logs


class Tracker:
    """Writes rows of numbers: metrics.jsonl always, TensorBoard where it is installed, W&B when asked.

    A run that goes on from `step` forgets what it logged after that.
    """

    def __init__(
        self, output: Path, config: Mapping[str, Any], step: int, *, use_wandb: bool = False
    ) -> None:
        self.file = output / "metrics.jsonl"
        output.mkdir(parents=True, exist_ok=True)
        rows = list(read_rows(self.file))
        if any(row["step"] > step for row in rows):
            write_atomically(self.file, "")
            for row in rows:
                if row["step"] <= step:
                    append_row(self.file, row)
        self._board = _tensorboard(output / "tensorboard", step)
        self._wandb = _wandb(output, config) if use_wandb else None

    def log(self, row: Mapping[str, float]) -> None:
        """One row; `step` is its place."""
        append_row(self.file, row)
        numbers = {name: value for name, value in row.items() if name != "step"}
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, int(row["step"]))
        if self._wandb is not None:
            self._wandb.log(numbers, step=int(row["step"]))

    def close(self) -> None:
        """Write out what is buffered."""
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def _tensorboard(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of things that are its own business
        module: Any = importlib.import_module("torch.utils.tensorboard")
    return module.SummaryWriter(str(folder), purge_step=step + 1)


def _wandb(output: Path, config: Mapping[str, Any]) -> Any:
    try:
        wandb: Any = importlib.import_module("wandb")
    except ImportError:
        raise ConfigError(
            "use_wandb needs Weights & Biases; pip install 'txt2sql[wandb]', or leave it out"
        ) from None
    # Offline runs are kept in the run's folder, from where `wandb sync` uploads them.
    mode = os.environ.get("WANDB_MODE") or ("online" if _reachable("api.wandb.ai") else "offline")
    # One id per folder, so that a run that goes on is one run there, too.
    return wandb.init(project="txt2sql", name=output.name, id=f"txt2sql-{output.name}", mode=mode,
                      dir=str(output), config=dict(config), resume="allow")  # fmt: skip


def _reachable(host: str) -> bool:
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return False
    return True
