"""What a GRPO run would do, before it does: questions, steps, answers, tokens, memory of a GPU.

Weights are not loaded, so a model of 7B is planned on a laptop; which questions there is something to
learn from is found by sampling, so the steps of a filtered run are the most there can be.

>>> print(plan(GRPOConfig(model="bundled", limit=100)))  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from txt2sql.models.catalog import resolve
from txt2sql.models.weights import load_tokenizer
from txt2sql.training.grpo_data import longest_answer, open_questions
from txt2sql.training.grpo_policy import choose_vllm
from txt2sql.training.grpo_settings import GRPOConfig, method, preset_of, run_folder
from txt2sql.training.grpo_trainer import questions_at_once
from txt2sql.training.memory import count_parameters, estimate
from txt2sql.training.sft_model import LARGE, checkpoints_gradients, longest_example
from txt2sql.training.sft_plan import RunPlan

_LOOKED_AT = 200
"""Questions whose prompts are made to tell their length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(RunPlan):
    """`steps` are the most there can be where questions are left out."""

    rewards: str
    sampler: str
    questions: int
    filtered: bool
    answers: int
    prompt_tokens: int
    answer_tokens: int

    def __str__(self) -> str:
        most = "at most " if self.filtered else ""
        kept = "; those that all or no samples answer are left out first" if self.filtered else ""
        lines = {
            "method": f"GRPO, {self.method}, {self.trained:,} weights trained of {self.parameters:,}",
            "model": self.model,
            "output": self.output,
            "rewards": self.rewards,
            "questions": f"{self.questions:,}{kept}; measured on {self.measured_on}",
            "steps": f"{most}{self.steps:,}, with {self.answers:,} answers by {self.sampler}",
            "tokens": f"prompts up to {self.prompt_tokens:,}, answers up to {self.answer_tokens:,}",
        }
        return self.described(lines)


def plan(config: GRPOConfig) -> Plan:
    """Read what would be trained on, and estimate the rest. Raises as `grpo.train` does."""
    card = resolve(config.model)
    shape, tokenizer = load_tokenizer(config.model)
    vllm = choose_vllm(config, card.prompt_style)
    constrained = not vllm if config.constrained is None else config.constrained
    answer = longest_answer(config, card.prompt_style)
    questions, measured = open_questions(
        config, style=card.prompt_style, tokenizer=tokenizer, longest=longest_example(config, shape),
        constrained=False,
    )  # fmt: skip
    every = max(1, len(questions) // _LOOKED_AT)
    longest_prompt = max(len(questions.asked(i).ids) for i in range(0, len(questions), every))
    parameters, trained = count_parameters(shape, config.adapter)
    at_once = questions_at_once(config, longest_prompt, answer, 1)
    length = longest_prompt + answer
    memory = estimate(
        shape,
        config.adapter,
        bits=config.bits,
        batch=-(-at_once * (longest_prompt + config.group * answer) // length),
        length=length,
        answer=answer,
        checkpointing=checkpoints_gradients(config, parameters),
        dtype=torch.float32 if parameters < LARGE else torch.bfloat16,
    )
    each_epoch = len(questions) // config.prompts * config.iterations
    steps = config.max_steps or max(1, round(each_epoch * config.epochs))
    return Plan(
        method=method(config),
        model=card.name,
        output=str(run_folder(config)),
        rewards=preset_of(config.rewards),
        sampler=f"vLLM ({vllm})" if vllm else f"transformers{', constrained' * constrained}",
        questions=len(questions),
        filtered=bool(config.filter_samples),
        measured={e.name: len(e.examples) for e in measured if e.examples},
        steps=steps,
        answers=steps // config.iterations * config.prompts * config.group,
        prompt_tokens=longest_prompt,
        answer_tokens=answer,
        parameters=parameters,
        trained=trained,
        memory=memory.parts,
    )
