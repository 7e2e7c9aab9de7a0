"""GRPO, reinforcement learning on executed SQL (Shao et al. 2024): `txt2sql train grpo`.

A model samples a group of answers to each question, the one judge executes them, and answers that are
worth more than the others of their group (`rewards`) become likelier. trl does the optimisation
(`grpo_trainer`); a run is judged by execution accuracy, killed at any moment, and gone on with, as
fine-tuning is.

    results/grpo-phi-2/
    ├── config.yaml, run.json, metrics.jsonl, tensorboard/
    ├── questions.json       the questions there was something to learn from
    ├── completions/         groups of answers with their rewards, to read
    ├── checkpoints/         where to go on
    ├── last/, best/         adapters as they were measured
    └── model/               the finished adapter: txt2sql ask --model results/grpo-phi-2/model

>>> train(GRPOConfig(model="results/lora-phi-2/model", max_steps=200))  # doctest: +SKIP
PosixPath('results/grpo-model/model')
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers

from txt2sql.config import as_mapping
from txt2sql.errors import ConfigError
from txt2sql.evaluation.statistics import Estimate
from txt2sql.models.adapters import attach, base_name
from txt2sql.models.card import Facts, Measured, write_card
from txt2sql.models.hf import HFGenerator
from txt2sql.runs import commit, open_run, versions, write_atomically
from txt2sql.training.grpo_data import longest_answer, open_questions
from txt2sql.training.grpo_filter import counts_file, pick
from txt2sql.training.grpo_judges import Judges, judge_count
from txt2sql.training.grpo_policy import choose_vllm, load_policy
from txt2sql.training.grpo_sampling import Sampler
from txt2sql.training.grpo_scoring import Scorer
from txt2sql.training.grpo_settings import GRPOConfig, method, preset_of, run_folder
from txt2sql.training.grpo_trainer import Trainer, arguments, questions_at_once
from txt2sql.training.grpo_watch import GRPOWatch
from txt2sql.training.prepare import Progress, silent
from txt2sql.training.processes import join, main_first
from txt2sql.training.selection import HeldOut
from txt2sql.training.sft_checkpoints import newest_whole
from txt2sql.training.sft_data import process_count
from txt2sql.training.sft_model import (
    LARGE,
    checkpoints_gradients,
    in_place,
    longest_example,
    save,
)
from txt2sql.training.sft_watch import finish, measured_on

__all__ = ["GRPOConfig", "train"]

_CHANGEABLE: Mapping[str, Any] = {
    "output": "", "data": None, "max_minutes": None, "threads": None, "judges": None, "log_every": 1,
    "show_every": 10, "checkpoint_every": 25, "gradient_checkpointing": None, "use_wandb": False,
    "push_to_hub": "",
}  # fmt: skip
"""What may differ when a run goes on; noted as its default."""


def train(
    config: GRPOConfig,
    report: Callable[[str], None] = print,
    progress: Progress = silent,
    *,
    resume: bool = False,
) -> Path | None:
    """Train, or go on with the run in its folder: the folder of the finished adapter, or None when
    SIGTERM or `max_minutes` ended it before.

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
    with closing(Reinforcement(config, output, report)) as run:
        done = run.prepare(progress, deadline) and run.loop(progress)
        return finish(config, output, run.report) if done else None


def _open_run(config: GRPOConfig, output: Path) -> None:
    """Note the settings that decide what is learnt, or check that they are those noted."""
    open_run(output, as_mapping(replace(config, **_CHANGEABLE)), config.seed)


class Reinforcement:
    """One run: the policy, its questions, its judges, and trl's trainer over them."""

    def __init__(self, config: GRPOConfig, output: Path, report: Callable[[str], None]) -> None:
        self.report = report if join() else lambda line: None  # the main process reports for all
        self.config, self.output = config, output
        if config.threads:
            torch.set_num_threads(config.threads)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        datasets.disable_progress_bars()
        if config.prompts % process_count():
            raise ConfigError(f"prompts must be a multiple of the {process_count()} processes")
        self.loaded, self.half = load_policy(config)
        style = self.loaded.card.prompt_style
        self.vllm = choose_vllm(config, style)
        self.constrained = not self.vllm if config.constrained is None else config.constrained
        self.answer = longest_answer(config, style)
        generator = HFGenerator(self.loaded)
        self.questions, measured = open_questions(
            config,
            style=style,
            tokenizer=self.loaded.tokenizer,
            longest=longest_example(config, self.loaded.model.config),
            constrained=self.constrained,
        )
        with main_first():
            _open_run(config, output)
        self.held_out = HeldOut(measured)
        self.judges = Judges(judge_count(config.judges), config.timeout_s, self.report)
        self.sampler = Sampler(
            self.loaded.model,
            self.loaded.tokenizer,
            generator.end_ids,
            max_new_tokens=self.answer,
            temperature=config.temperature,
        )
        self.watch: GRPOWatch | None = None

    def prepare(self, progress: Progress, deadline: float) -> bool:
        """Find the questions to learn from and set up the trainer; False when the deadline passed."""
        self.deadline = deadline
        file = self.output / "questions.json"
        with main_first():
            if not file.is_file():
                counts = counts_file(self.config, self.answer, self.constrained)
                found = pick(
                    self.questions, self.sampler, self.judges, self.config, counts,
                    progress=progress, stopped=lambda: time.monotonic() > deadline,
                )  # fmt: skip
                if found is None:
                    self.report("stopped while looking for questions; run it again to go on")
                    return False
                self.report(found.describe())
                write_atomically(file, json.dumps(found.positions) + "\n")
        self.positions: list[int] = json.loads(file.read_text(encoding="utf-8"))
        if len(self.positions) < self.config.prompts:
            raise ConfigError(
                f"{len(self.positions)} questions are too few for a step of {self.config.prompts}; "
                "widen filter_low and filter_high, or take fewer prompts"
            )
        self.model = self._adapted()
        self.trainer = self._trainer()
        return True

    def _adapted(self) -> Any:
        """The policy with a new adapter; without it, it is the reference."""
        config, model = self.config, self.loaded.model
        model.set_attn_implementation(config.attention)
        every = model.num_parameters()
        torch.manual_seed(config.seed)
        model = attach(model, config.adapter, report=self.report)
        model.peft_config["default"].base_model_name_or_path = base_name(self.loaded.card.source)
        self.trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.report(
            f"GRPO, {method(config)}: {self.trained:,} weights are trained beside {every:,}; "
            f"rewards: {preset_of(config.rewards)}"
        )
        return model

    def _trainer(self) -> Trainer:
        config, processes = self.config, process_count()
        asked = [self.questions.asked(i) for i in self.positions]
        longest_prompt = max(len(each.ids) for each in asked)
        at_once = questions_at_once(config, longest_prompt, self.answer, processes)
        each_epoch = len(self.positions) // config.prompts * config.iterations
        self.steps = config.max_steps or max(1, round(each_epoch * config.epochs))
        scorer = Scorer(
            self.questions, self.sampler, self.judges, config.rewards, self.output / "completions",
            show_every=config.show_every, report=self.report,
        )  # fmt: skip
        trainer = Trainer(
            sampler=None if self.vllm else self.sampler,
            scorer=scorer,
            model=self.model,
            args=arguments(
                config,
                self.output / "checkpoints",
                steps=self.steps,
                at_once=at_once,
                processes=processes,
                answer=self.answer,
                half=self.half,
                checkpointing=checkpoints_gradients(config, self.loaded.model.num_parameters()),
                vllm=self.vllm,
            ),
            train_dataset=datasets.Dataset.from_dict(
                {"prompt": [each.text for each in asked], "position": self.positions}
            ),
            processing_class=self.loaded.tokenizer,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        epoch = each_epoch * config.prompts // at_once
        self.watch = GRPOWatch(config, self.output, [0], epoch, self.measure, self.report)
        self.watch.unit = config.iterations
        trainer.add_callback(self.watch)
        return trainer

    def loop(self, progress: Progress) -> bool:
        """Train to the end; False when SIGTERM or the deadline came before."""
        assert self.watch is not None
        checkpoint = newest_whole(self.output / "checkpoints")
        step = int(checkpoint.name.split("-")[1]) if checkpoint else 0
        if checkpoint:
            self.report(f"going on at step {step}")
        if step >= self.steps or self.watch.no_longer_better(step):
            return True  # all was done but to finish
        start = str(checkpoint) if checkpoint else None
        with (
            progress("GRPO", self.steps - step) as advance,
            self.watch.until(self.deadline, advance),
        ):
            self.trainer.train(resume_from_checkpoint=start)
        if self.watch.interrupted:
            step = self.trainer.state.global_step
            self.report(f"stopped at step {step} of {self.steps}; run it again to go on")
        return not self.watch.interrupted

    def measure(self) -> Mapping[str, Estimate]:
        """Save the adapter to `last`, and ask the model the held-out questions as `txt2sql ask` would."""
        folder = self.output / "last"
        save(self.model, self.loaded, folder)
        found: Mapping[str, Estimate] = {}
        if self.held_out.parts and self.loaded.model.num_parameters() < LARGE:
            found = self.held_out.execution_accuracy(folder)
        elif self.held_out.parts:  # no room for a second copy
            with in_place(self.model, self.loaded) as generator:
                found = self.held_out.execution_accuracy(generator)
        write_card(folder, self._facts(found))
        return found

    def _facts(self, found: Mapping[str, Estimate]) -> Facts:
        config = self.config
        on = measured_on(config)
        measured = tuple(
            Measured(f"{name} {on}", "execution_accuracy", e.mean, e.n, e.low, e.high)
            for name, e in found.items()
        )
        step = self.trainer.state.global_step
        return Facts(
            base=base_name(self.loaded.card.source),
            method="grpo",
            datasets=config.datasets,
            held_out=(on,),
            measured=measured,
            trained={
                "steps": step,
                "questions": len(self.positions),
                "sampled answers": step // config.iterations * config.prompts * config.group,
                "trained weights": self.trained,
            },
            config=as_mapping(config),
            versions=versions(),
            commit=commit(),
        )

    def close(self) -> None:
        """End the judges and write out the logs."""
        self.judges.close()
        if self.watch is not None:
            self.watch.close()
