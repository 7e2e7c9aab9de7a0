"""trl's GRPOTrainer, taught to sample and to score as this project's models answer.

GRPO (Shao et al. 2024, DeepSeekMath): sample a group of answers to a question, and make those that are
worth more than the group's mean likelier. trl does the advantages, the loss with its variants, the
reference and the steps; three things are the project's own. Answers come from `grpo_sampling`. Their
log-probabilities are computed with each prompt once for its whole group (`branches`), with the mask of
prefix models, through the model's whole head. And under a grammar both are those of the distribution
that was sampled from: over the tokens that the grammar allows. Only so is the gradient that of the
policy, since a grammar gives every allowed token more than the model alone would.

>>> Trainer(model=model, args=args, sampler=sampler, scorer=scorer, ...).train()  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from txt2sql.training.batches import BRANCHES, Batch, answer_logits
from txt2sql.training.branches import Branch, stack_trees
from txt2sql.training.grpo_sampling import Sampler
from txt2sql.training.grpo_scoring import Scorer
from txt2sql.training.grpo_settings import GRPOConfig
from txt2sql.training.sft_model import base_model, is_adapted, save_weights
from txt2sql.training.sft_settings import SCHEDULES

# trl imports bitsandbytes, which on a CPU complains of a kernel that only 4-bit weights want.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

from trl.trainer.grpo_config import GRPOConfig as Arguments  # noqa: E402
from trl.trainer.grpo_trainer import GRPOTrainer  # noqa: E402
from trl.trainer.utils import split_tensor_dict  # noqa: E402


def grouped(
    prompts: Sequence[list[int]], answers: Sequence[list[int]], pad: int, prefix: bool
) -> Batch:
    """Rows of one prompt each, with all its answers, which follow one another in `prompts`."""
    rows: list[list[Branch]] = []
    before: list[int] | None = None
    for prompt, answer in zip(prompts, answers, strict=True):
        if prompt == before:
            rows[-1].append((prompt, answer, len(prompt) - 1))
        else:
            # A trunk wants a second branch; one without an answer costs a token.
            rows.append([(prompt, [], 0), (prompt, answer, len(prompt) - 1)])
        before = prompt
    batch = stack_trees(rows, pad)
    if not prefix:
        return batch
    # All but the last token of a prompt is its trunk.
    return replace(batch, prompts=(batch.segments > 0) & (batch.segments % BRANCHES == 0))


def unpacked(bits: Tensor, width: int) -> Tensor:
    """(rows, bytes) of numpy.packbits as (rows, width) booleans."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    return ((bits[:, :, None] >> places) & 1).bool().flatten(1)[:, :width]


def score_answers(model: Any) -> None:
    """Have `model(..., segments=...)` return the log-probabilities and entropies of a batch's answers,
    and all other calls what they did. A method of the model itself, so that what wraps it still works.
    """
    original = model.forward

    def forward(
        self: Any,
        *args: Any,
        segments: Tensor | None = None,
        allowed: Tensor | None = None,
        temperature: float = 1.0,
        **inputs: Any,
    ) -> Any:
        if segments is None:
            return original(*args, **inputs)
        batch = Batch(
            inputs["input_ids"], inputs["labels"], segments, inputs["positions"], inputs["prompts"]
        )
        scores, targets = answer_logits(self, batch)
        scores = scores.float() / temperature
        if allowed is not None:
            scores = scores.masked_fill(~unpacked(allowed, scores.shape[1]), float("-inf"))
        likely = torch.log_softmax(scores, dim=-1)
        with torch.no_grad():
            entropies = torch.special.entr(likely.exp()).sum(-1)
        return {"logprobs": likely.gather(1, targets[:, None])[:, 0], "entropies": entropies}

    model.forward = MethodType(forward, model)


class Trainer(GRPOTrainer):  # type: ignore[misc, unused-ignore]
    """GRPOTrainer over `scorer`'s questions; `sampler` is None where vLLM samples."""

    model: Any
    args: Any
    num_generations: int
    _buffered_inputs: Any

    def __init__(self, *, sampler: Sampler | None, scorer: Scorer, **given: Any) -> None:
        self.sampler, self.scorer = sampler, scorer
        self._allowed: Tensor | None = None
        own = (lambda prompts, trainer: trainer.roll_out()) if sampler else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that rollout_func is new, and trl's own future
            reward: Any = scorer.reward
            super().__init__(reward_funcs=[reward], rollout_func=own, **given)
        score_answers(base_model(self.model))

    # ------------------------------------------------------------------------------------ sampling

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._positions = [int(row["position"]) for row in inputs]
        self._allowed = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # trl against a newer transformers
            found: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self._allowed is not None:
            found["allowed"] = self._allowed
        self._metrics["train"]["seconds/reward"].append(self.scorer.seconds)
        return found

    def roll_out(self) -> dict[str, Any]:
        """A group of answers to each question of this step, as trl wants them."""
        assert self.sampler is not None
        started = time.perf_counter()
        asked = [self.scorer.questions.asked(i) for i in self._positions[:: self.num_generations]]
        with self._answering():
            found = self.sampler.sample(
                [each.ids for each in asked],
                [each.prompt.grammar for each in asked],
                self.num_generations,
            )
        if found.allowed is not None:
            width = max(map(len, found.answers))
            bits = [np.pad(each, ((0, width - len(each)), (0, 0))) for each in found.allowed]
            self._allowed = torch.from_numpy(np.stack(bits)).to(self.accelerator.device)
        self._metrics["train"]["seconds/sampling"].append(time.perf_counter() - started)
        prompts = [list(each.ids) for each in asked for _ in range(self.num_generations)]
        return {"prompt_ids": prompts, "completion_ids": found.answers, "logprobs": None}

    def _answering(self) -> Any:
        """While it lasts, the model is as it answers: in evaluation mode, DoRA's norms computed once."""
        return _Answering(self)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """For vLLM: as the questions are tokenised for every other purpose."""
        return [list(self.scorer.questions.asked(i).ids) for i in self._positions], None, {}

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """trl's own, but that it would scatter the groups over the parts of a step."""
        if not self.model.training:
            return super()._prepare_inputs(generation_batch)
        parts = self.args.steps_per_generation
        if self._step % (parts * self.num_iterations) == 0 or self._buffered_inputs is None:
            found = self._generate_and_score_completions(generation_batch)
            self._buffered_inputs = split_tensor_dict(found, parts)
        return self._buffered_inputs[self._step % parts]

    # ------------------------------------------------------------------------------------- scoring

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self._allowed = inputs.get("allowed")
        return GRPOTrainer._compute_loss(self, model, inputs)  # type: ignore[no-untyped-call, unused-ignore]

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **_: Any,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Log-probabilities and entropies, (batch, answer); 0 where an answer has ended."""
        count = batch_size or len(input_ids)
        found = [
            self._scores(model, input_ids, attention_mask, logits_to_keep, slice(i, i + count))
            for i in range(0, len(input_ids), count)
        ]
        logprobs, entropies = (torch.cat(parts) for parts in zip(*found, strict=True))
        return logprobs, entropies if compute_entropy else None, None

    def _scores(
        self, model: Any, ids: Tensor, mask: Tensor, answer: int, part: slice
    ) -> tuple[Tensor, Tensor]:
        rows, known = ids[part], mask[part].bool()
        prompts = [r[k].tolist() for r, k in zip(rows[:, :-answer], known[:, :-answer])]
        said = known[:, -answer:]
        answers = [r[k].tolist() for r, k in zip(rows[:, -answer:], said)]
        prefix = bool(getattr(base_model(self.model).config, "prefix_lm", False))
        batch = grouped(prompts, answers, int(self._tokenizer.pad_token_id), prefix).to(ids.device)
        allowed = None if self._allowed is None else self._allowed[part][said]
        with self.accelerator.autocast():
            found = model(
                input_ids=batch.inputs,
                labels=batch.labels,
                segments=batch.segments,
                positions=batch.positions,
                prompts=batch.prompts,
                allowed=allowed,
                temperature=self.temperature,
            )
        empty = torch.zeros(said.shape, device=ids.device)
        return (
            empty.masked_scatter(said, found["logprobs"]),
            empty.masked_scatter(said, found["entropies"]),
        )

    # -------------------------------------------------------------------------------------- saving

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None in checkpoints: the finished model has its own."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        save_weights(self.model, str(output_dir or self.args.output_dir), state_dict)


class _Answering:
    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def __enter__(self) -> None:
        from peft.helpers import DoraCaching

        self.trainer.model.eval()
        self.caching: Any = DoraCaching() if is_adapted(self.trainer.model) else nullcontext()
        self.caching.__enter__()
        self.casting: Any = self.trainer.accelerator.autocast()
        self.casting.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.casting.__exit__(*error)
        self.caching.__exit__(*error)
        self.trainer.model.train()


def questions_at_once(config: GRPOConfig, longest: int, answer: int, processes: int) -> int:
    """Questions of a step that one process computes together: as many as `batch_tokens` hold."""
    share = max(1, config.prompts // processes)
    room = config.batch_tokens // (longest + config.group * answer)
    return max(n for n in range(1, share + 1) if share % n == 0 and (n == 1 or n <= room))


def arguments(
    config: GRPOConfig,
    folder: Path,
    *,
    steps: int,
    at_once: int,
    processes: int,
    answer: int,
    half: torch.dtype | None,
    checkpointing: bool,
    vllm: str,
) -> Arguments:
    """What trl needs to know. `half` is the precision of matrix products, None: single."""
    on_gpu = torch.cuda.is_available()
    accumulate = config.prompts // (at_once * processes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # trl's, about its own future
        return Arguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=at_once * config.group,
            gradient_accumulation_steps=accumulate,
            steps_per_generation=accumulate,
            num_generations=config.group,
            num_iterations=config.iterations,
            max_completion_length=answer,
            temperature=config.temperature,
            learning_rate=config.learning_rate,
            lr_scheduler_type=SCHEDULES[config.schedule],
            warmup_steps=round(config.warmup * steps),
            max_grad_norm=config.max_grad_norm,
            beta=config.kl,
            use_bias_correction_kl=False,
            loss_type=config.loss,
            scale_rewards=config.scale,
            epsilon=config.clip_low,
            epsilon_high=config.clip_high,
            mask_truncated_completions=config.drop_truncated,
            disable_dropout=True,
            remove_unused_columns=False,
            use_vllm=bool(vllm),
            vllm_mode=vllm or "colocate",
            bf16=half == torch.bfloat16,
            fp16=half == torch.float16,
            use_cpu=not on_gpu,
            dataloader_pin_memory=on_gpu,
            gradient_checkpointing=checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
            logging_steps=config.log_every,
            save_strategy="steps",
            # Between the updates from the same answers there is nothing to go on from.
            save_steps=-(-config.checkpoint_every // config.iterations) * config.iterations,
            save_total_limit=2,
            seed=config.seed,
            data_seed=config.seed,
            disable_tqdm=True,
            report_to=[],
        )
