"""GRPO, reinforcement learning on executed SQL (Shao et al. 2024, DeepSeekMath): `txt2sql train grpo`.

The policy samples a group of answers to each question; answers that are executed and earn more than the
mean of their group (`rewards`) become likelier. trl's GRPOTrainer samples and optimises. This module
gives it what it asks for: a dataset of prompts, a reward function, a callback. vLLM and several GPUs come
from trl: any of its arguments may stand under the setting `trl`.

    results/grpo-phi-2/
    ├── config.yaml, run.json, metrics.jsonl, tensorboard/
    ├── pass_rates.jsonl     how many samples of each question were right before training
    ├── checkpoints/         trl's, to resume from
    └── model/               the finished adapter: txt2sql ask --model results/grpo-phi-2/model

>>> train(GRPOConfig(model="results/lora-phi-2/model", max_steps=200))  # doctest: +SKIP
PosixPath('results/grpo-model/model')
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import random
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import datasets
import torch
import transformers
from torch import distributed

from txt2sql.config import as_mapping
from txt2sql.errors import ConfigError, ModelError
from txt2sql.evaluation.statistics import wilson
from txt2sql.models.adapters import Adapter, base_name, target_modules
from txt2sql.models.card import Facts, Measured, write_card
from txt2sql.models.hub import push
from txt2sql.models.torch_engine import decoder_of
from txt2sql.models.weights import LoadedModel, load_tokenizer, load_weights
from txt2sql.runs import commit, open_run, versions, write_atomically
from txt2sql.training.memory import count_parameters, estimate
from txt2sql.training.processes import join, main_first
from txt2sql.training.questions import Question, choose, open_questions, prompt_of
from txt2sql.training.rewards import PRESETS, STOPS, Judge, RewardFunction, check_weights
from txt2sql.training.sft_settings import SCHEDULES, RunConfig, load_run, method, run_folder
from txt2sql.training.tracking import Tracker
from txt2sql.types import Sampling

Report = Callable[[str], None]
SECTIONS = {"mission": "grpo", "recommended": "grpo_recommended"}
"""Preset, as `--preset` names it, -> section of config/training_config.yaml."""
LARGE = 1_000_000_000
"""Parameters from which activations are computed twice instead of kept."""
_CHANGEABLE: Mapping[str, Any] = {
    "output": "", "data": None, "max_minutes": None, "threads": None, "log_every": 1,
    "gradient_checkpointing": None, "use_wandb": False, "push_to_hub": "",
}  # fmt: skip
"""What may differ when a run goes on; noted as its default."""


@dataclass(frozen=True)
class GRPOConfig(RunConfig):
    """A step samples `group` answers to each of `prompts` questions, then changes the weights once.

    An adapter as `model` is merged into its base, which is what KL is measured to.
    """

    epochs: float = 5.0
    adapter: Adapter = field(default_factory=lambda: Adapter(r=16, alpha=32, dropout=0.0))
    learning_rate: float = 1e-5
    schedule: Literal["cosine", "linear", "constant"] = "constant"
    group: int = 8
    """Answers to a question (G)."""
    prompts: int = 8
    """Questions of a step."""
    temperature: float = 1.0
    max_new_tokens: int = 256
    rewards: dict[str, float] = field(default_factory=lambda: dict(PRESETS["mission"]))
    """Weights by name; see training/rewards.py."""
    kl: float = 0.1
    """Weight of the divergence from the reference (beta); 0: none is computed."""
    filter_samples: int = 8
    """Answers sampled to each question before training, to leave out those that all or none of them
    answer (pass@k); 0: take every question.
    """
    filter_low: float = 0.1
    filter_high: float = 0.9
    """The share of right answers that a question must lie between."""
    filter_enough: int | None = None
    """Stop when so many questions are chosen; None: try them all."""
    timeout_s: float = 1.0
    """Of one sampled statement; its gold query has five times as long."""
    batch_tokens: int = 8192
    """Tokens of prompts and answers that a device computes at once in an update."""
    log_every: int = 1
    save_every: int = 50
    """Steps between checkpoints; the held-out questions are answered at each."""
    patience: int | None = 4
    """Measurements without a better one before the run ends; None: never."""
    trl: dict[str, Any] = field(default_factory=dict)
    """Arguments of trl's GRPOConfig, as `{loss_type: dapo, use_vllm: true}`."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        check_weights(self.rewards)
        if self.group < 2:
            raise ValueError(
                "group must be 2 or more: a reward counts by what it is above the mean"
            )
        for name in ("prompts", "max_new_tokens", "batch_tokens", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        for name in ("epochs", "learning_rate", "temperature", "timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if self.kl < 0 or self.filter_samples < 0:
            raise ValueError("kl and filter_samples must be 0 or more")

    @property
    def kind(self) -> str:
        """See `RunConfig.kind`."""
        return "grpo-dora" if self.adapter.dora else "grpo"


def load_settings(
    section: str,
    file: Path | None = None,
    models: Path | None = None,
    overrides: Sequence[str] = (),
) -> GRPOConfig:
    """The settings of a section. Without a file they are the defaults. Raises ConfigError."""
    own = ("batch_tokens", "max_length", "gradient_checkpointing", "targets")
    return load_run(GRPOConfig, section, file, models, overrides, own)


def train(
    config: GRPOConfig, report: Report = print, progress: Any = None, *, resume: bool = False
) -> Path | None:
    """Train, or go on with the run in its folder: the folder of the finished adapter, or None when
    SIGTERM or `max_minutes` ended it before.

    `report` gets lines to read; `progress(label, steps)` gives a function to call after each step.
    `resume` wants a run to go on with. Raises a child of Text2SQLError for what a person can mend.
    """
    deadline = time.monotonic() + 60 * config.max_minutes if config.max_minutes else float("inf")
    output, noted = run_folder(config), as_mapping(replace(config, **_CHANGEABLE))
    if (output / "run.json").is_file():
        open_run(output, noted, config.seed)
    elif resume:
        raise ConfigError(f"'{output}' holds no run to resume; leave --resume out to start one")
    if (output / "finished.json").is_file():
        report(f"the run in '{output}' is finished; give another output to train again")
        return output / "model"
    report = report if join() else lambda line: None  # the main process reports for all
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    if config.threads:
        torch.set_num_threads(config.threads)
    policy = load_policy(config)
    config = _with_checkpointing(config, policy.model.num_parameters())
    questions, held_out, left_out = open_questions(
        config, policy.tokenizer, _longest_prompt(config, policy.model.config)
    )
    judge = Judge(config.timeout_s)
    chosen = list(range(len(questions)))
    with main_first():
        open_run(output, noted, config.seed)
        if config.filter_samples:
            sampling = Sampling(
                config.max_new_tokens, config.filter_samples, config.temperature, stop=STOPS,
                seed=config.seed,
            )  # fmt: skip
            picked = choose(
                questions, decoder_of(policy), judge, sampling, output / "pass_rates.jsonl",
                low=config.filter_low, high=config.filter_high, enough=config.filter_enough,
                stopped=lambda: time.monotonic() > deadline,
            )  # fmt: skip
            if picked is None:
                report("stopped while choosing questions; run it again to go on")
                return None
            chosen, left_out = picked[0], left_out + picked[1]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    report(
        f"{len(chosen):,} questions to learn from" + (f"; left out: {reasons}" if reasons else "")
    )
    if len(chosen) < config.prompts:
        raise ConfigError(
            f"{len(chosen)} questions are too few for a step of {config.prompts}; "
            "widen filter_low and filter_high, or take fewer prompts"
        )
    callback = RunCallback(config, output, deadline, report)
    asked = [questions[i] for i in chosen]
    trainer = make_trainer(config, output, policy, (asked, held_out), judge, callback)
    checkpoint = newest_checkpoint(output / "checkpoints")
    if checkpoint is not None:
        report(f"going on at step {checkpoint.name.split('-')[1]}")
    step = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    with (progress or _silent)("GRPO", trainer.args.max_steps - step) as callback.advance:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    step = trainer.state.global_step
    if callback.interrupted:
        report(f"stopped at step {step} of {trainer.args.max_steps}; run it again to go on")
        return None
    folder = output / "model"
    trainer.save_model(str(folder))
    if join():
        write_card(folder, _facts(config, policy, trainer.state, len(held_out)))
        if config.push_to_hub:
            report(push(folder, config.push_to_hub))
        write_atomically(output / "finished.json", "{}\n")
    return folder


def load_policy(config: GRPOConfig) -> LoadedModel:
    """The model that is learnt on top of, an adapter merged into it. Its own weights stay as they are,
    so they are held in half precision where the hardware has it.
    """
    half = _half(config)
    dtype = str(half or torch.float32).removeprefix("torch.")
    loaded = load_weights(
        config.model, bits=config.bits, dtype=dtype if config.bits == 16 else None
    )
    if hasattr(loaded.model, "get_base_model"):
        raise ModelError(
            f"an adapter over 4-bit weights cannot be merged into them; run txt2sql merge "
            f"'{loaded.card.source}' first, or set bits to 16"
        )
    loaded.model.set_attn_implementation(config.attention)
    return loaded


def _half(config: GRPOConfig) -> torch.dtype | None:
    """What matrix products are computed in; None: single precision."""
    on_gpu = torch.cuda.is_available()
    if on_gpu and torch.cuda.is_bf16_supported() if config.bf16 is None else config.bf16:
        return torch.bfloat16
    return torch.float16 if on_gpu and config.bf16 is None else None


def _with_checkpointing(config: GRPOConfig, parameters: int) -> GRPOConfig:
    chosen = config.gradient_checkpointing
    return replace(config, gradient_checkpointing=parameters >= LARGE if chosen is None else chosen)


def _longest_prompt(config: GRPOConfig, shape: Any) -> int:
    context = getattr(shape, "max_position_embeddings", None) or config.max_length
    return int(min(config.max_length, context)) - config.max_new_tokens


def _facts(config: GRPOConfig, policy: LoadedModel, state: Any, held_out: int) -> Facts:
    place = config.measure_split or f"{config.held_out:.0%} of the training databases"
    right = round((state.best_metric or 0.0) * held_out)
    share = Measured(f"{place}, sampled", "execution_accuracy", *wilson(right, held_out))
    return Facts(
        base=base_name(policy.card.source),
        method="grpo",
        datasets=config.datasets,
        held_out=(place,),
        measured=(share,) if state.best_metric is not None else (),
        trained={
            "steps": state.global_step,
            "sampled answers": state.global_step * config.prompts * config.group,
        },
        config=as_mapping(config),
        versions=versions(),
        commit=commit(),
    )


def plan(config: GRPOConfig) -> dict[str, Any]:
    """What `train` would do, without its weights: steps are the most there can be, as questions that
    teach nothing are left out only then. Raises as `train` does.
    """
    shape, tokenizer = load_tokenizer(config.model)
    questions, held_out, left_out = open_questions(
        config, tokenizer, _longest_prompt(config, shape)
    )
    longest = max((question.tokens for question in questions), default=0)
    parameters, trained = count_parameters(shape, config.adapter)
    config = _with_checkpointing(config, parameters)
    args = arguments(config, run_folder(config), len(questions), longest, len(held_out))
    memory = estimate(
        shape, config.adapter, bits=config.bits, batch=args.per_device_train_batch_size,
        length=longest + config.max_new_tokens, answer=config.max_new_tokens,
        checkpointing=args.gradient_checkpointing,
    )  # fmt: skip
    return {
        "method": f"GRPO, {method(config)}",
        "model": config.model,
        "output": str(run_folder(config)),
        "rewards": config.rewards,
        "questions": len(questions),
        "left_out": dict(left_out),
        "held_out": len(held_out),
        "filtered": bool(config.filter_samples),
        "steps": args.max_steps,
        "answers": args.max_steps * config.prompts * config.group,
        "prompt_tokens": longest,
        "answer_tokens": config.max_new_tokens,
        "parameters": parameters,
        "trained": trained,
        "memory": memory.parts,
        "memory_total": memory.total,
    }


@contextmanager
def _silent(label: str, total: int) -> Iterator[Callable[[str], None]]:
    yield lambda note: None


class RunCallback(transformers.TrainerCallback):
    """Logs between steps, and the end of a run by SIGTERM or the clock, with a checkpoint."""

    def __init__(self, config: GRPOConfig, output: Path, deadline: float, report: Report) -> None:
        self.config, self.output, self.deadline, self.report = config, output, deadline, report
        self.advance: Callable[[str], None] = lambda note: None
        self.terminated = self.interrupted = False
        self.note = ""
        self.tracker: Tracker | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the logs at the step the run goes on from; listen for SIGTERM."""
        if state.is_world_process_zero:
            settings = {"model": self.config.model, "datasets": list(self.config.datasets)}
            self.tracker = Tracker(
                self.output, settings, state.global_step, use_wandb=self.config.use_wandb
            )
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: Any) -> None:
        self.terminated = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """One row of numbers."""
        numbers = {name: v for name, v in (logs or {}).items() if isinstance(v, (int, float))}
        if self.tracker is None or not {"reward", "eval_reward"} & numbers.keys():
            return
        self.tracker.log({"step": state.global_step, **numbers})
        shown = ("reward", "right", "hacks", "kl", "loss", "eval_reward", "eval_right")
        words = [f"{name} {numbers[name]:.4g}" for name in shown if name in numbers]
        self.report("  ".join([f"step {state.global_step}", *words]))
        self.note = words[0]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop, to go on later, when every process has heard of it."""
        self.advance(self.note)
        stop = self.terminated or time.monotonic() > self.deadline
        if distributed.is_available() and distributed.is_initialized():
            flag = torch.tensor(int(stop), device=args.device)
            distributed.all_reduce(flag, distributed.ReduceOp.MAX)
            stop = bool(flag)
        if stop and state.global_step < state.max_steps:
            self.interrupted = control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write out the logs."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.before)
        if self.tracker is not None:
            self.tracker.close()


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step that is whole: its state is written last. Others go."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda p: -int(p.name.split("-")[1])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
            return checkpoint
        except (OSError, ValueError):
            shutil.rmtree(checkpoint, ignore_errors=True)  # another process may be at it
    return None


def make_trainer(
    config: GRPOConfig,
    output: Path,
    policy: LoadedModel,
    questions: tuple[list[Question], list[Question]],
    judge: Judge,
    callback: RunCallback,
) -> Any:
    """trl's trainer over questions to train on and to measure by, with a new adapter: without it, the
    policy is the reference.
    """
    from peft import LoraConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    adapter, tokenizer = config.adapter, policy.tokenizer
    train, held_out = (
        [
            {"prompt": prompt_of(tokenizer, each.prompt), "position": start + i}
            for i, each in enumerate(part)
        ]
        for part, start in zip(questions, (0, len(questions[0])), strict=True)
    )
    longest = max(question.tokens for part in questions for question in part)
    args = arguments(config, output / "checkpoints", len(train), longest, len(held_out))
    epochs = range(1 + args.max_steps * config.prompts // len(train))
    order = [
        i for epoch in epochs
        for i in random.Random(f"{config.seed} {epoch}").sample(range(len(train)), len(train))
    ]  # fmt: skip
    items = [question.judged for part in questions for question in part]
    reward: Any = RewardFunction(items, judge, config.rewards)
    trainer: Any = GRPOTrainer(
        model=policy.model,
        reward_funcs=reward,
        args=args,
        # All epochs in a row: trl's own shuffling would begin anew where a run is resumed.
        train_dataset=datasets.Dataset.from_list(train).select(order),
        eval_dataset=datasets.Dataset.from_list(held_out) if held_out else None,
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=LoraConfig(
            r=adapter.r, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout, use_dora=adapter.dora,
            use_rslora=adapter.rslora, task_type="CAUSAL_LM",
            target_modules=list(target_modules(policy.model, adapter, report=callback.report)),
        ),
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    if config.patience is not None and args.load_best_model_at_end:
        trainer.add_callback(transformers.EarlyStoppingCallback(config.patience))
    trainer.model.peft_config["default"].base_model_name_or_path = base_name(policy.card.source)
    return trainer


def arguments(config: GRPOConfig, folder: Path, questions: int, longest: int, held_out: int) -> Any:
    """What trl is told: our settings, then those under `trl`. Raises ConfigError for one that is not its."""
    from trl.trainer.grpo_config import GRPOConfig as Arguments

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if config.prompts % processes:
        raise ConfigError(f"prompts must be a multiple of the {processes} processes")
    answers = config.prompts * config.group // processes
    room = config.batch_tokens // (longest + config.max_new_tokens)
    rows = max(n for n in range(1, answers + 1) if answers % n == 0 and (n == 1 or n <= room))
    steps = config.max_steps or max(1, round(questions // config.prompts * config.epochs))
    half, on_gpu = _half(config), torch.cuda.is_available()
    own: dict[str, Any] = {
        "output_dir": str(folder), "max_steps": steps, "per_device_train_batch_size": rows,
        "per_device_eval_batch_size": rows, "gradient_accumulation_steps": answers // rows,
        "num_generations": config.group, "num_generations_eval": 1, "beta": config.kl,
        "max_completion_length": config.max_new_tokens, "temperature": config.temperature,
        "learning_rate": config.learning_rate, "lr_scheduler_type": SCHEDULES[config.schedule],
        "warmup_steps": round(config.warmup * steps), "seed": config.seed, "data_seed": config.seed,
        "bf16": half == torch.bfloat16, "fp16": half == torch.float16, "use_cpu": not on_gpu,
        "logging_steps": config.log_every, "save_strategy": "steps", "save_steps": config.save_every,
        "eval_strategy": "steps" if held_out else "no", "eval_steps": config.save_every,
        "load_best_model_at_end": bool(held_out) and config.final == "best",
        "metric_for_best_model": "eval_right", "greater_is_better": True,
        "disable_tqdm": True, "report_to": [], "shuffle_dataset": False,
    }  # fmt: skip
    usual: dict[str, Any] = {
        "loss_type": "grpo", "scale_rewards": "group", "disable_dropout": True, "save_total_limit": 2,
        "use_bias_correction_kl": False, "chat_template_kwargs": {"enable_thinking": False},
        "dataloader_pin_memory": on_gpu, "gradient_checkpointing": bool(config.gradient_checkpointing),
    }  # fmt: skip
    names = {each.name for each in dataclasses.fields(Arguments)}
    for name in config.trl:
        if name in own:
            raise ConfigError(f"trl.{name} is set by a setting of txt2sql's own; leave it out")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"trl.{name} is no argument of trl's GRPOConfig{hint}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # trl's, about its own future
            return Arguments(**own, **{**usual, **config.trl})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trl refuses these settings: {error}") from error
