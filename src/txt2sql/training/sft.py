"""Supervised fine-tuning (SFT) with LoRA, DoRA, QLoRA, rsLoRA or of every weight: `txt2sql train`.

transformers' Trainer and peft do the work (`loop`). The project's own are the batches (`data`) and that a
run is validated by execution accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from peft.helpers import DoraCaching
from torch import Tensor

from txt2sql.config import as_mapping
from txt2sql.evaluation.statistics import Estimate
from txt2sql.models.adapters import attach, base_name
from txt2sql.models.card import Facts, write_card
from txt2sql.models.torch_engine import decoder_of
from txt2sql.models.weights import LoadedModel, choose_dtype, load_weights
from txt2sql.runs import commit, versions
from txt2sql.training import loop
from txt2sql.training.data import answer_loss, collate, draw_batches, open_train_sets, validate
from txt2sql.training.loop import LARGE, Progress, Report, Run, silent
from txt2sql.training.plan import out_of_memory_explained
from txt2sql.training.settings import SFTConfig, TuningConfig

__all__ = ["SFTConfig", "train"]


def train(
    config: SFTConfig, report: Report = print, progress: Progress = silent, *, resume: bool = False
) -> Path | None:
    """Fine-tune, or go on with the run in its folder: the folder of the finished adapter or model,
    or None when SIGTERM or `max_minutes` ended it before. `resume` wants a run to go on with.
    Raises a Text2SQLError."""
    run = Run(config, report, progress, resume=resume)
    if run.finished():
        return run.output / "model"
    loaded = load(config)
    sets = open_train_sets(config, loaded.tokenizer)
    longest = loop.longest_example(config, loaded.model.config)
    batches = draw_batches(sets, config, longest=longest, progress=run.progress)
    run.report(batches.describe(longest))
    with loop.main_first():
        run.open()

    parameters = int(loaded.model.num_parameters())
    model: Any = loaded.model
    model.set_attn_implementation("sdpa")
    if config.adapter is not None:
        torch.manual_seed(config.seed)
        model = attach(model, config.adapter, report=run.report)
        model.peft_config["default"].base_model_name_or_path = base_name(loaded.card.source)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    run.report(f"{config.method}: {trained:,} weights are trained beside {parameters:,}")
    steps = batches.steps(config)
    every = config.measure_every or max(1, round(batches.epoch * steps / len(batches.groups)))
    facts = {"examples": batches.examples, "tokens": batches.tokens, "trained weights": trained}
    scores: dict[str, Estimate] = {}

    def save(folder: Path) -> None:
        save_model(model, loaded, folder)
        counts = {"steps": trainer.state.global_step, **facts}
        write_card(folder, card_facts(config, loaded, counts, scores))

    def accuracy() -> Mapping[str, float]:
        scores.clear()
        model.eval()
        # Else every token computes DoRA's norms of all weights anew.
        with DoraCaching() if config.adapter else nullcontext():
            scores.update(validate(decoder_of(loaded), [each.validation for each in sets]))
        model.train()
        return {f"execution_accuracy/{name}": each.mean for name, each in scores.items()}

    validates = any(each.validation.examples for each in sets)
    if validates and config.bits == 4 and loaded.model.device.type == "cpu":
        # bitsandbytes would pack the weights in a way that is not trained through.
        validates = False
        run.report("4-bit weights on a CPU are not validated: measure with txt2sql evaluate")
    trainer = Trainer(
        model=model,
        args=training_arguments(config, run, steps, parameters, every if validates else None),
        train_dataset=batches.groups,
        eval_dataset=[],  # `accuracy` has its own questions
        # What fills a batch is never attended to, so any token will do.
        data_collator=partial(collate, pad=loaded.tokenizer.pad_token_id or 0),
        compute_loss_func=answer_loss,
        accuracy=accuracy,
    )
    with out_of_memory_explained(config, loaded.model, batches.longest):
        return run.train(trainer, save, score="execution_accuracy/", label="fine-tune")


def training_arguments(
    config: SFTConfig, run: Run, steps: int, parameters: int, every: int | None, **own: Any
) -> transformers.TrainingArguments:
    """The arguments of `Trainer`; it is evaluated `every` so many steps, None: never."""
    fixed = {
        "per_device_train_batch_size": 1,  # an item is a batch
        "gradient_accumulation_steps": config.accumulate,
        "train_sampling_strategy": "sequential",  # they are shuffled already
        "remove_unused_columns": False,
        "weight_decay": config.weight_decay,
        "save_steps": config.checkpoint_every,
        "eval_strategy": "steps" if every else "no",
        "eval_steps": every,
    }
    kind = transformers.TrainingArguments
    return loop.arguments(kind, config, run.output, steps, parameters, fixed | own)


class Trainer(transformers.Trainer):
    def __init__(self, *, accuracy: Any = dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Labels stand where they are predicted, so that all of them count.
        self._loss_shifts_labels = False
        self.accuracy = accuracy

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The numbers, in the main process alone; for all, where a process holds its part of the run."""
        metrics = dict(self.accuracy()) if self.is_world_process_zero() else {}
        if loop.process_count() > 1:
            from accelerate.utils import broadcast_object_list

            metrics = broadcast_object_list([metrics])[0]
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def load(config: TuningConfig) -> LoadedModel:
    """The weights as they are trained: single precision, but frozen ones of large models."""
    if config.bits == 4:
        return load_weights(config.model, bits=4)
    loaded = load_weights(config.model, dtype="auto")
    parameters = int(loaded.model.num_parameters())
    half = loop.half_precision(config.bf16)
    if config.adapter is None or parameters < LARGE:
        loaded.model.to(torch.float32)
    else:
        loaded.model.to(half or choose_dtype(loaded.model.device.type, parameters))
    return loaded


def save_model(model: Any, loaded: LoadedModel, folder: Path) -> None:
    """The adapter, or the model in half precision, with its tokenizer."""
    state = None
    if not hasattr(model, "get_base_model"):
        copies: dict[tuple[int, ...], Tensor] = {}  # tied weights stay tied
        state = {}
        for name, tensor in model.state_dict().items():
            key = (tensor.data_ptr(), *tensor.shape)
            state[name] = copies.setdefault(key, tensor.to("cpu", torch.bfloat16))
    model.save_pretrained(str(folder), state_dict=state)
    loaded.tokenizer.save_pretrained(folder)


def card_facts(
    config: TuningConfig, loaded: LoadedModel, trained: Mapping[str, int],
    scores: Mapping[str, Estimate], method: str = "",
) -> Facts:  # fmt: skip
    """What the model card says of a run."""
    held_out = f"{config.held_out:.0%} of the training databases"
    questions = f"the split {config.measure_split}" if config.measure_split else held_out
    measured = tuple(
        {"data": f"{name} {questions}", "metric": "execution_accuracy", **each._asdict()}
        for name, each in scores.items()
    )
    return Facts(
        base=base_name(loaded.card.source), method=method or config.method,
        datasets=config.datasets, held_out=(questions,), measured=measured, trained=trained,
        config=as_mapping(config), versions=versions(), commit=commit(),
    )  # fmt: skip
