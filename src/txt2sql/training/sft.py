"""Supervised fine-tuning (SFT) with LoRA, DoRA, QLoRA, rsLoRA or of every weight: `txt2sql train`.

trl's SFTTrainer and peft do the work. What is the project's own is what is learnt from (`sft_data`),
the loss on answers alone (`sft_trainer`), and that a run is judged by execution accuracy, killed at any
moment, and gone on with (`sft_watch`, `sft_checkpoints`).

    results/lora-phi-2/
    ├── config.yaml, run.json, metrics.jsonl, tensorboard/
    ├── rows/                the token rows, drawn once
    ├── checkpoints/         where to go on
    ├── last/, best/         adapters as they were measured
    └── model/               the finished adapter: txt2sql ask --model results/lora-phi-2/model

>>> train(SFTConfig(model="bundled", max_steps=100))  # doctest: +SKIP
PosixPath('results/lora-bundled/model')
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from txt2sql.config import as_mapping
from txt2sql.errors import ConfigError
from txt2sql.evaluation.statistics import Estimate
from txt2sql.models.adapters import attach, base_name
from txt2sql.models.card import Facts, Measured, write_card
from txt2sql.runs import commit, open_run, versions
from txt2sql.training.processes import join, main_first
from txt2sql.training.selection import HeldOut
from txt2sql.training.sft_checkpoints import newest_whole
from txt2sql.training.sft_data import (
    collator,
    count_steps,
    draw_rows,
    kept_rows,
    open_data,
)
from txt2sql.training.sft_model import (
    checkpoints_gradients,
    half_precision,
    has_room,
    in_place,
    load,
    longest_example,
    pad_id,
    save,
    save_beside,
)
from txt2sql.training.sft_plan import out_of_memory_explained
from txt2sql.training.sft_settings import SFTConfig, method, run_folder
from txt2sql.training.sft_trainer import Trainer, arguments
from txt2sql.training.sft_watch import Watch, finish, measured_on, tokens_read
from txt2sql.training.tracking import Progress, silent

__all__ = ["SFTConfig", "train"]

_CHANGEABLE: Mapping[str, Any] = {
    "output": "", "data": None, "max_minutes": None, "threads": None, "log_every": 10,
    "checkpoint_every": 100, "gradient_checkpointing": None, "use_wandb": False, "push_to_hub": "",
}  # fmt: skip
"""What may differ when a run goes on; noted as its default."""


def train(
    config: SFTConfig,
    report: Callable[[str], None] = print,
    progress: Progress = silent,
    *,
    resume: bool = False,
) -> Path | None:
    """Fine-tune, or go on with the run in its folder: the folder of the finished adapter or model, or
    None when SIGTERM or `max_minutes` ended it before.

    `report` gets lines to read; `progress(label, steps)` gives a function to call after each step.
    `resume` wants a run to go on with. Raises a child of Text2SQLError for what a person can mend.
    """
    deadline = time.monotonic() + 60 * config.max_minutes if config.max_minutes else float("inf")
    output = run_folder(config)
    if (output / "run.json").is_file():
        _open_run(config, output)
    elif resume:
        raise ConfigError(f"'{output}' holds no run to resume; leave --resume out to start one")
    if (output / "finished.json").is_file():
        report(f"the run in '{output}' is finished; give another output to train again")
        return output / "model"
    with closing(Finetuning(config, output, report, progress)) as run:
        return finish(config, output, run.report) if run.loop(progress, deadline) else None


def _unheard(line: str) -> None:
    pass


def _open_run(config: SFTConfig, output: Path) -> None:
    """Note the settings that decide what is learnt, or check that they are those noted.

    Where nothing was learnt yet, say for want of memory, other settings begin anew.
    """
    settings = as_mapping(replace(config, **_CHANGEABLE))
    try:
        open_run(output, settings, config.seed)
    except ConfigError:
        if newest_whole(output / "checkpoints"):
            raise
        (output / "run.json").unlink(missing_ok=True)
        shutil.rmtree(output / "rows", ignore_errors=True)
        open_run(output, settings, config.seed)


class Finetuning:
    """One run: the model, its data, and trl's trainer over them."""

    def __init__(
        self, config: SFTConfig, output: Path, report: Callable[[str], None], progress: Progress
    ) -> None:
        if not join():  # the main process reports for all
            report, progress = _unheard, silent
        self.config, self.output, self.report = config, output, report
        if config.threads:
            torch.set_num_threads(config.threads)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.half = half_precision(config)
        self.loaded = load(config, self.half)
        lessons = open_data(config, self.loaded.tokenizer, progress)
        longest = longest_example(config, self.loaded.model.config)
        with main_first():
            _open_run(config, output)
            self.rows = kept_rows(
                output / "rows",
                lambda: draw_rows(lessons, config, longest=longest, progress=progress),
            )
        report(self.rows.describe(longest))
        self.held_out = HeldOut([each.measured for each in lessons])
        self.model = self._adapted()
        self.trainer = self._trainer()
        self.watch = Watch(
            config, output, tokens_read(self.rows), self.rows.epoch, self.measure, report,
            self._gather,
        )  # fmt: skip
        self.trainer.add_callback(self.watch)

    def _adapted(self) -> Any:
        """The model as it is trained: with a new adapter, or whole."""
        config, model = self.config, self.loaded.model
        model.set_attn_implementation(config.attention)
        every = model.num_parameters()
        if config.adapter is not None:
            torch.manual_seed(config.seed)
            model = attach(model, config.adapter, report=self.report)
            base = base_name(self.loaded.card.source)
            model.peft_config["default"].base_model_name_or_path = base
        self.trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.report(f"{method(config)}: {self.trained:,} weights are trained beside {every:,}")
        return model

    def _trainer(self) -> Trainer:
        config = self.config
        trainer = Trainer(
            model=self.model,
            args=arguments(
                config,
                self.output / "checkpoints",
                steps=count_steps(self.rows, config),
                half=self.half,
                checkpointing=checkpoints_gradients(config, self.loaded.model.num_parameters()),
            ),
            train_dataset=self.rows.batches,
            processing_class=self.loaded.tokenizer,
            data_collator=collator(pad_id(self.loaded)),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        return trainer

    def loop(self, progress: Progress, deadline: float) -> bool:
        """Train to the end; False when SIGTERM or the deadline came before."""
        checkpoint = newest_whole(self.output / "checkpoints")
        step = int(checkpoint.name.split("-")[1]) if checkpoint else 0
        if checkpoint:
            self.report(f"going on at step {step}")
        steps, watch = self.trainer.args.max_steps, self.watch
        if step >= steps or watch.no_longer_better(step):  # all was done but to finish
            return True
        start = str(checkpoint) if checkpoint else None
        explained = out_of_memory_explained(self.config, self.loaded.model, self.rows.longest)
        with (
            progress("fine-tune", steps - step) as advance,
            watch.until(deadline, advance),
            explained,
        ):
            self.trainer.train(resume_from_checkpoint=start)
        if watch.interrupted:
            step = self.trainer.state.global_step
            self.report(f"stopped at step {step} of {steps}; run it again to go on")
        return not watch.interrupted

    @property
    def spread(self) -> bool:
        """Whether each process holds a part of the weights (FSDP, DeepSpeed ZeRO-3)."""
        return bool(self.trainer.is_fsdp_enabled or self.trainer.is_deepspeed_enabled)

    def _gather(self) -> None:
        """In all processes: save weights that are spread, which takes every one of them."""
        if self.spread:
            self.trainer.save_model(str(self.output / "last"))

    def measure(self) -> Mapping[str, Estimate]:
        """Save the model to `last`, and ask it the held-out questions as `txt2sql ask` would."""
        folder = self.output / "last"
        found: Mapping[str, Estimate] = {}
        if self.spread:
            save_beside(self.loaded, folder)
            self.report("the weights are spread over processes: measure with txt2sql evaluate")
        else:
            save(self.model, self.loaded, folder)
        if self.held_out.parts and not self.spread:
            if has_room(self.config, self.loaded.model):
                found = self.held_out.execution_accuracy(folder)
            else:
                with in_place(self.model, self.loaded) as generator:
                    found = self.held_out.execution_accuracy(generator)
        write_card(folder, self._facts(found))
        return found

    def _facts(self, found: Mapping[str, Estimate]) -> Facts:
        config, rows = self.config, self.rows
        on = measured_on(config)
        measured = tuple(
            Measured(f"{name} {on}", "execution_accuracy", e.mean, e.n, e.low, e.high)
            for name, e in found.items()
        )
        trained = {
            "steps": self.trainer.state.global_step,
            "examples": rows.examples,
            "tokens": rows.tokens,
            "trained weights": self.trained,
        }
        return Facts(
            base=base_name(self.loaded.card.source),
            method=method(config),
            datasets=config.datasets,
            held_out=(on,),
            measured=measured,
            trained=trained,
            config=as_mapping(config),
            versions=versions(),
            commit=commit(),
        )

    def close(self) -> None:
        """Write out the logs."""
        self.watch.close()
