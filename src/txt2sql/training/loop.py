"""One training run around transformers' Trainer: resume, logs, validation, keep best, and the end.

Every kind of training goes through `Run`. It logs numbers to metrics.jsonl, TensorBoard and W&B; goes on
from the newest whole checkpoint in checkpoints/; keeps the best weights by validation in best/; stops
early; saves and ends at SIGTERM or a deadline; and leaves the finished model in model/.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch import distributed
from transformers.integrations.integration_utils import TensorBoardCallback, WandbCallback

from txt2sql.config import as_mapping
from txt2sql.errors import ConfigError
from txt2sql.models.adapters import whole_folder
from txt2sql.models.card import push
from txt2sql.models.weights import choose_device
from txt2sql.runs import append_row, open_run, read_rows, write_atomically
from txt2sql.training.settings import TuningConfig, run_folder

T = TypeVar("T")
LARGE = 1_000_000_000
"""Parameters from which activations are computed twice and frozen weights are in half precision."""
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
"""A `schedule`, and what transformers calls it."""
_SHOWN = "reward right hacks kl loss eval_reward eval_right".split()
_CHANGEABLE = {
    "output", "data", "max_minutes", "threads", "log_every", "checkpoint_every",
    "gradient_checkpointing", "use_wandb", "push_to_hub",
}  # fmt: skip
"""What may differ when a run goes on; noted as its default."""
OWN = {
    "output_dir", "max_steps", "learning_rate", "lr_scheduler_type", "warmup_steps", "bf16", "fp16",
    "use_cpu", "logging_steps", "save_strategy", "seed", "data_seed", "disable_tqdm", "report_to",
}  # fmt: skip
"""Arguments of a trainer that a run's settings decide."""

Report = Callable[[str], None]
Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]
"""(label, total) -> a context with the function that advances by one and shows a note."""


@contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[str], None]]:
    yield lambda note: None


def process_count() -> int:
    """How many processes `accelerate launch` started, each with its own device."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    return process_count() == 1 or bool(_processes().is_main_process)


def main_first() -> AbstractContextManager[Any]:
    """The main process goes through the block, then the others."""
    return nullcontext() if process_count() == 1 else _processes().main_process_first()


def _processes() -> Any:
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def prepare(threads: int | None) -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if threads:
        torch.set_num_threads(threads)


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
    chosen = config.gradient_checkpointing
    return parameters >= LARGE if chosen is None else chosen


def longest_example(config: TuningConfig, shape: Any) -> int:
    """The most tokens that an example may have: `max_length`, and what the model attends to."""
    limits = (getattr(shape, name, None) for name in ("max_position_embeddings", "sliding_window"))
    return min([config.max_length, *(int(limit) for limit in limits if limit)])


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
    with whole_folder(target) as part:
        shutil.copytree(source, part, ignore=shutil.ignore_patterns(*without), dirs_exist_ok=True)


def arguments(
    kind: type[T], config: TuningConfig, output: Path, steps: int, parameters: int, own: Any
) -> T:
    """A trainer's arguments: those that all kinds of training share, then `own`."""
    on_gpu, half = torch.cuda.is_available(), half_precision(config.bf16)
    checkpointing = checkpoints_gradients(config, parameters)
    shared = {
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
    with warnings.catch_warnings():  # of what the next version will call otherwise
        warnings.simplefilter("ignore", FutureWarning)
        return kind(**{**shared, **own})


class Run(transformers.TrainerCallback):
    """A run in its folder, and what happens between the steps of its trainer. Settings `changeable`
    may differ from those it was begun with. Raises ConfigError for other settings than the run that
    is there has."""

    def __init__(
        self, config: TuningConfig, report: Report, progress: Progress, *, resume: bool = False,
        changeable: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.config, self.output = config, run_folder(config)
        self.deadline = time.monotonic() + 60 * (config.max_minutes or float("inf"))
        free: dict[str, Any] = {
            each.name: each.default
            for each in fields(config)
            if each.name in _CHANGEABLE.union(changeable)
        }
        self.settings = as_mapping(replace(config, **free))
        if (self.output / "run.json").is_file():
            self.open()
        elif resume:
            raise ConfigError(f"'{self.output}' holds no run to resume; leave --resume out to start one")  # fmt: skip
        main = is_main_process()
        self.report: Report = report if main else (lambda line: None)
        self.progress: Progress = progress if main else silent
        self.advance: Callable[[str], None] = lambda note: None
        self.terminated = self.interrupted = False
        self.note = ""
        prepare(config.threads)

    def open(self) -> None:
        """Note the settings, or check that they are those noted. Where nothing was learnt yet, say
        for want of memory, other settings begin anew."""
        try:
            open_run(self.output, self.settings, self.config.seed)
        except ConfigError:
            # A checkpoint was learnt with the old settings: mixing them would make a run that nobody can repeat.
            if newest_checkpoint(self.output / "checkpoints"):
                raise
            for name in ("run.json", "pass_rates.jsonl"):
                (self.output / name).unlink(missing_ok=True)
            open_run(self.output, self.settings, self.config.seed)

    def finished(self) -> bool:
        if not (self.output / "finished.json").is_file():
            return False
        self.report(f"the run in '{self.output}' is finished; give another output to train again")
        return True

    def train(
        self, trainer: Any, save: Callable[[Path], None], *, score: str, label: str
    ) -> Path | None:
        """Train to the end, or from the newest checkpoint on: the folder of the finished model, or
        None where SIGTERM or the deadline came before. The mean of the logged numbers whose names
        begin with `score` says which weights are best."""
        self.save, self.score, output = save, score, self.output
        # Else peft asks the hub at every checkpoint whether the embeddings were resized. They never are.
        if hasattr(trainer.model, "peft_config"):
            plain = trainer.model.save_pretrained
            trainer.model.save_pretrained = partial(plain, save_embedding_layers=False)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.add_callback(self)
        checkpoint = newest_checkpoint(output / "checkpoints")
        step, steps = _step(checkpoint), trainer.args.max_steps
        if checkpoint:
            self.report(f"going on at step {step}")
        if is_main_process():
            forget_rows(output / "metrics.jsonl", step)
            for board in _boards(self.config, output, step):
                trainer.add_callback(board)
        with self.progress(label, steps - step) as self.advance, self._listening():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if self.config.use_wandb and is_main_process():
            importlib.import_module("wandb").finish()
        if self.interrupted:
            self.report(f"stopped at step {trainer.state.global_step} of {steps}; run it again to go on")  # fmt: skip
            return None
        folder = output / "model"
        with main_first():
            if is_main_process():
                best = self._best(trainer.state)
                if self.config.final == "best" and best and (output / "best").is_dir():
                    self.report(f"the best is of step {best[0]}: {best[1]:.1%}")
                    replace_folder(output / "best", folder)
                else:
                    save(folder)
                if self.config.push_to_hub:
                    self.report(push(folder, self.config.push_to_hub))
                write_atomically(output / "finished.json", "{}\n")
        return folder

    # What transformers.TrainerCallback asks for.

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        numbers = {name: v for name, v in (logs or {}).items() if isinstance(v, (int, float))}
        if not state.is_world_process_zero or "train_runtime" in numbers:
            return
        append_row(self.output / "metrics.jsonl", {"step": state.global_step, **numbers})
        names = dict.fromkeys([*_SHOWN, *(n for n in numbers if n.startswith(self.score))])
        words = [f"{name} {numbers[name]:.4g}" for name in names if name in numbers]
        self.report("  ".join([f"step {state.global_step}", *words]))
        self.note = words[0] if words else ""

    def _scores(self, state: Any) -> list[tuple[int, float]]:
        scores = []
        for row in state.log_history:
            if values := [value for name, value in row.items() if name.startswith(self.score)]:
                scores.append((int(row["step"]), sum(values) / len(values)))
        return scores

    def _best(self, state: Any) -> tuple[int, float] | None:
        return max(self._scores(state), key=lambda each: each[1], default=None)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save the model where it is the best so far; stop where `patience` is at its end."""
        best = self._best(state)
        if best is None:
            return
        if best[0] == state.global_step and state.is_world_process_zero:
            with whole_folder(self.output / "best") as part:
                self.save(part)
        later = sum(step > best[0] for step, _ in self._scores(state))
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

    @contextmanager
    def _listening(self) -> Iterator[None]:
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


def forget_rows(file: Path, step: int) -> None:
    """Keep the rows of a log up to a step: a run that goes on from it logs the others again."""
    rows = list(read_rows(file))
    before = [row for row in rows if row["step"] <= step]
    if len(before) < len(rows):
        write_atomically(file, "".join(json.dumps(row) + "\n" for row in before))


def _boards(config: TuningConfig, output: Path, step: int) -> list[transformers.TrainerCallback]:
    boards: list[transformers.TrainerCallback] = []
    if importlib.util.find_spec("tensorboard") is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its imports warn of things that are its own business
            module: Any = importlib.import_module("torch.utils.tensorboard")
        writer = module.SummaryWriter(str(output / "tensorboard"), purge_step=step + 1)
        boards.append(TensorBoardCallback(writer))
    if config.use_wandb:
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError:
            raise ConfigError(
                "use_wandb needs Weights & Biases; pip install 'txt2sql[wandb]', or leave it out"
            ) from None
        mode = os.environ.get("WANDB_MODE", "online")
        if "WANDB_MODE" not in os.environ:
            try:
                socket.create_connection(("api.wandb.ai", 443), timeout=3).close()
            except OSError:  # kept in the run's folder, from where `wandb sync` uploads it
                mode = "offline"
        # One id per folder, so that a run that goes on is one run there, too.
        wandb.init(project="txt2sql", name=output.name, id=f"txt2sql-{output.name}", mode=mode,
                   dir=str(output), config=as_mapping(config), resume="allow")  # fmt: skip
        boards.append(WandbCallback())
    return boards
