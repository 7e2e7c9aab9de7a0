"""trl's SFTTrainer, taught to read the project's batches: packed without cross-talk.

trl's own loss multiplies hidden states by the output matrix, which leaves out the head's other layers
where there are some (BERT), and its packing tells examples apart by positions, which not every model
heeds. Here the model gets the mask that `batches` makes, and its whole head runs on answer positions
alone: with a vocabulary of 150,000, logits of every position would be most of the work.

>>> Trainer(model=model, args=args, train_dataset=rows.batches, ...).train()  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from types import MethodType
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional

from txt2sql.training.batches import Batch, answer_logits
from txt2sql.training.sft_model import base_model, save_weights
from txt2sql.training.sft_settings import SCHEDULES, SFTConfig

# trl imports bitsandbytes, which on a CPU complains of a kernel that only 4-bit weights want.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

from trl.trainer.sft_config import SFTConfig as Arguments  # noqa: E402
from trl.trainer.sft_trainer import SFTTrainer  # noqa: E402


def learn_from_answers(model: Any) -> None:
    """Have `model(..., segments=...)` return the loss of a batch of `sft_data.collate`, and all other
    calls what they did. A method of the model itself, so that what wraps it (DDP, peft) still does.
    """
    original = model.forward

    def forward(self: Any, *args: Any, segments: Tensor | None = None, **inputs: Any) -> Any:
        if segments is None:
            return original(*args, **inputs)
        batch = Batch(inputs["input_ids"], inputs["labels"], segments, inputs["positions"])
        logits, targets = answer_logits(self, batch)
        count = inputs.get("num_items_in_batch") or len(targets)
        return {"loss": functional.cross_entropy(logits.float(), targets, reduction="sum") / count}

    model.forward = MethodType(forward, model)


class Trainer(SFTTrainer):  # type: ignore[misc, unused-ignore]
    """SFTTrainer with the loss of `learn_from_answers`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        learn_from_answers(base_model(self.model))
        self.model_accepts_loss_kwargs = True  # the sum over a step is divided by its answer tokens

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """transformers' own, which takes the loss that the model returns."""
        return transformers.Trainer.compute_loss(
            self, model, inputs, return_outputs, num_items_in_batch
        )

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None in checkpoints: the finished model has its own."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        save_weights(self.model, str(output_dir or self.args.output_dir), state_dict)


def arguments(
    config: SFTConfig, folder: Path, *, steps: int, half: torch.dtype | None, checkpointing: bool
) -> Arguments:
    """What trl needs to know. `half` is the precision of matrix products, None: single."""
    on_gpu = torch.cuda.is_available()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # trl's, about its own future
        return Arguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=1,  # a record is a batch
            gradient_accumulation_steps=config.accumulate,
            train_sampling_strategy="sequential",  # they are shuffled already
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            max_length=None,
            packing=False,
            completion_only_loss=False,
            learning_rate=config.learning_rate,
            lr_scheduler_type=SCHEDULES[config.schedule],
            warmup_steps=round(config.warmup * steps),
            weight_decay=config.weight_decay,
            max_grad_norm=1.0,
            bf16=half == torch.bfloat16,
            fp16=half == torch.float16,
            use_cpu=not on_gpu,
            dataloader_pin_memory=on_gpu,
            gradient_checkpointing=checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
            logging_steps=config.log_every,
            save_strategy="steps",
            save_steps=config.checkpoint_every,
            save_total_limit=2,
            seed=config.seed,
            data_seed=config.seed,
            disable_tqdm=True,
            report_to=[],
        )
