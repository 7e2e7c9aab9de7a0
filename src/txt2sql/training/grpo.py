"""GRPO, reinforcement learning on executed SQL (Shao et al. 2024, DeepSeekMath): `txt2sql train grpo`.

The policy samples a group of answers to each question; answers that are executed and earn more than the
mean of their group (`rewards`) become likelier. Our decoder samples, under the grammar of inference, and
trl's GRPOTrainer optimises; any of its arguments may stand under the setting `trl`. Where all answers of a group earn the same, the group teaches
nothing: so the policy first answers every question a few times, and those it always or never gets right
are left out (offline difficulty filter, by pass@k). `pass_rates.jsonl` holds the shares.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import datasets
import torch
from torch import Tensor

from txt2sql.data import Dataset, open_dataset
from txt2sql.errors import ConfigError, DatabaseError, ModelError
from txt2sql.evaluation.statistics import wilson
from txt2sql.models.adapters import base_name, lora_config
from txt2sql.models.card import write_card
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.tokenizer import input_text
from txt2sql.models.torch_engine import decoder_of
from txt2sql.models.weights import LoadedModel, load_tokenizer, load_weights
from txt2sql.runs import append_row, read_rows
from txt2sql.training import loop
from txt2sql.training.data import prompter, split_examples
from txt2sql.training.loop import Progress, Report, Run, silent
from txt2sql.training.plan import Plan, count_parameters, estimate
from txt2sql.training.rewards import STOPS, Judge, RewardFunction
from txt2sql.training.settings import GRPOConfig, run_folder
from txt2sql.training.sft import card_facts
from txt2sql.types import Example, Generator, Prompt, Sampling

__all__ = ["GRPOConfig", "plan", "train"]

_TOGETHER = 16  # questions that are sampled together
# Settings of trl's own sampling, which then takes the place of ours.
_TRL_SAMPLES = frozenset(
    "use_vllm use_transformers_continuous_batching cache_implementation generation_kwargs min_p"
    " repetition_penalty top_k".split()
)


def train(
    config: GRPOConfig, report: Report = print, progress: Progress = silent, *, resume: bool = False
) -> Path | None:
    """Train, or go on with the run in its folder: the folder of the finished adapter, or None when
    SIGTERM or `max_minutes` ended it before. Arguments and errors: see `sft.train`."""
    run = Run(config, report, progress, resume=resume)
    if run.finished():
        return run.output / "model"
    datasets.disable_progress_bars()
    # Its own weights stay as they are, so they are held in half precision where the hardware has it.
    half = str(loop.half_precision(config.bf16) or torch.float32).removeprefix("torch.")
    policy = load_weights(config.model, bits=config.bits, dtype=half if config.bits == 16 else None)
    if hasattr(policy.model, "get_base_model"):
        raise ModelError(
            f"an adapter over 4-bit weights cannot be merged into them; run txt2sql export "
            f"'{policy.card.source}' first, or set bits to 16"
        )
    longest = loop.longest_example(config, policy.model.config) - config.max_new_tokens
    questions, held_out, left_out = open_questions(config, policy.tokenizer, longest)
    judge = Judge(config.timeout_s)
    with loop.main_first():
        run.open()
        if config.filter_samples:
            chosen = choose(
                questions, decoder_of(policy), judge, config, run.output / "pass_rates.jsonl",
                stopped=lambda: time.monotonic() > run.deadline,
            )  # fmt: skip
            if chosen is None:
                run.report("stopped while choosing questions; run it again to go on")
                return None
            questions, left_out = [questions[i] for i in chosen[0]], left_out + chosen[1]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    run.report(f"{len(questions):,} questions to learn from{'; left out: ' * bool(reasons)}{reasons}")  # fmt: skip
    if len(questions) < config.prompts:
        raise ConfigError(
            f"{len(questions)} questions are too few for a step of {config.prompts}; "
            "widen filter_low and filter_high, or take fewer prompts"
        )
    trainer = make_trainer(config, run, policy, questions, held_out, judge)

    def save(folder: Path) -> None:
        trainer.save_model(str(folder))
        step = trainer.state.global_step
        shares = [row["eval_right"] for row in trainer.state.log_history if "eval_right" in row]
        right = round(max(shares, default=0.0) * len(held_out))
        scores = {"sampled,": wilson(right, len(held_out))} if shares else {}
        counts = {"steps": step, "sampled answers": step * config.prompts * config.group}
        write_card(folder, card_facts(config, policy, counts, scores, "grpo"))

    return run.train(trainer, save, score="eval_right", label="GRPO")


def plan(config: GRPOConfig) -> Plan:
    """What `train` would do, without its weights: steps are the most there can be, as questions
    that teach nothing are left out only then. Raises as `train` does."""
    shape, tokenizer = load_tokenizer(config.model)
    longest = loop.longest_example(config, shape) - config.max_new_tokens
    questions, held_out, left_out = open_questions(config, tokenizer, longest)
    prompt = max((question.tokens for question in questions), default=0)
    parameters, trained = count_parameters(shape, config.adapter)
    args = arguments(config, run_folder(config), len(questions), prompt, len(held_out), parameters)
    rows = args.per_device_train_batch_size
    memory = estimate(
        shape, config.adapter, bits=config.bits, batch=1, length=tokens_of(rows, config, prompt),
        answer=rows * config.max_new_tokens,
        checkpointing=args.gradient_checkpointing,
    )  # fmt: skip
    facts = {
        "method": f"GRPO, {config.method}",
        "model": config.model,
        "output": str(run_folder(config)),
        "rewards": config.rewards,
        "questions": len(questions),
        "left_out": dict(left_out),
        "held_out": len(held_out),
        "filtered": bool(config.filter_samples),
        "steps": args.max_steps,
        "answers": args.max_steps * config.prompts * config.group,
        "prompt_tokens": prompt,
        "answer_tokens": config.max_new_tokens,
        "parameters": parameters,
        "trained": trained,
    }
    return Plan(facts, memory)


@dataclass(frozen=True, slots=True)
class Question:
    example: Example
    dataset: Dataset
    prompt: Prompt
    tokens: int


def open_questions(
    config: GRPOConfig, tokenizer: Any, longest: int
) -> tuple[list[Question], list[Question], Counter[str]]:
    """The questions to train on, those that validate, and what is left out and why. A prompt has at
    most `longest` tokens."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    train: list[Question] = []
    held_out: list[Question] = []
    left_out: Counter[str] = Counter()
    for number, name in enumerate(config.datasets):
        dataset = open_dataset(name, config.data_root)
        prompt_for = prompter(dataset, count)
        parts = split_examples(config, dataset, number == 0)
        for examples, questions in zip(parts, (train, held_out), strict=True):
            for example in examples:
                try:
                    prompt = prompt_for(example)
                except DatabaseError:
                    left_out["whose database cannot be read"] += 1
                    continue
                tokens = count(input_text(tokenizer, prompt)[0])
                if samples_itself(config):
                    prompt = replace(prompt, grammar=sql_grammar(dataset.schema(example.db_id)))
                if tokens <= longest:
                    questions.append(Question(example, dataset, prompt, tokens))
                else:
                    left_out["too long"] += 1
    return train, held_out, left_out


def prompt_of(tokenizer: Any, prompt: Prompt) -> list[dict[str, str]] | str:
    """A prompt as trl takes it: turns of a chat, or text for a model without a chat template."""
    if not prompt.messages or not getattr(tokenizer, "chat_template", None):
        return prompt.text
    from jinja2 import TemplateError

    turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
    try:
        tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError:  # a template without a system role
        return [{"role": "user", "content": "\n\n".join(turn["content"] for turn in turns)}]
    return turns


def choose(
    questions: Sequence[Question],
    generator: Generator,
    judge: Judge,
    config: GRPOConfig,
    file: Path,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[list[int], Counter[str]] | None:
    """Positions of the questions to learn from, and what is left out and why; None when `stopped`.
    The shares of right answers are appended to `file`, from where a killed run goes on."""
    rates = {int(row["position"]): float(row["right"]) for row in read_rows(file)}
    order = random.Random(config.seed).sample(range(len(questions)), len(questions))
    limits = (config.max_new_tokens, config.filter_samples, config.temperature)
    sampling = Sampling(*limits, stop=STOPS)
    chosen: list[int] = []
    left_out: Counter[str] = Counter()
    for start in range(0, len(order), _TOGETHER):
        part = order[start : start + _TOGETHER]
        new = [position for position in part if position not in rates]
        if new and stopped():
            return None
        prompts = [questions[position].prompt for position in new]
        samples = generator.generate(prompts, replace(sampling, seed=start)) if new else []
        for position, completions in zip(new, samples, strict=True):
            question = questions[position]
            answers = [judge(question.example, question.dataset, c.text) for c in completions]
            # Groups that are all right or all wrong have no advantage (reward minus mean), hence no gradient.
            rates[position] = sum(answer.is_right for answer in answers) / len(answers)
            append_row(file, {"position": position, "right": rates[position]})
        for position in part:
            if config.filter_low <= rates[position] <= config.filter_high:
                chosen.append(position)
            else:
                hard = rates[position] < config.filter_low
                left_out["too hard" if hard else "too easy"] += 1
        if config.filter_enough is not None and len(chosen) >= config.filter_enough:
            chosen = chosen[: config.filter_enough]
            break
    return sorted(chosen), left_out


def samples_itself(config: GRPOConfig) -> bool:
    return not _TRL_SAMPLES & config.trl.keys()


def key_of(prompt: list[dict[str, str]] | str) -> str:
    """What stands for a prompt of trl's."""
    return prompt if isinstance(prompt, str) else "\n".join(turn["content"] for turn in prompt)


class Sampler:
    """trl's rollout function: answers of the policy by the decoder that `ask` has. It reads a prompt
    once for all answers to it, and what the grammar forces costs nothing."""

    def __init__(
        self, config: GRPOConfig, policy: LoadedModel, prompts: Mapping[str, Prompt]
    ) -> None:  # fmt: skip
        self.config, self.policy, self.prompts = config, policy, prompts

    def __call__(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """Tokens of the prompts and of an answer to each. A prompt stands there once for each of
        its answers, all in a row."""
        decoder = decoder_of(
            self.policy
        )  # a new one: it remembers what old weights made of a prefix
        config, step = self.config, trainer.state.global_step
        groups = [(self.prompts[key], len(list(g))) for key, g in groupby(map(key_of, prompts))]
        rows: dict[str, list[list[int]]] = {"prompt_ids": [], "completion_ids": [], "env_mask": []}
        model, training = self.policy.model, self.policy.model.training
        model.eval()  # no dropout; and checkpointed layers have no cache
        try:
            for place, (prompt, count) in enumerate(groups):
                seed = f"{config.seed} {step} {trainer.accelerator.process_index} {place}"
                sampling = Sampling(
                    config.max_new_tokens, count, config.temperature, trainer.args.top_p,
                    seed=random.Random(seed).randrange(2**31),
                )  # fmt: skip
                tokens, _ = decoder.encode(prompt)
                for answer in decoder.generate([prompt], sampling)[0]:
                    rows["prompt_ids"].append(tokens)
                    rows["completion_ids"].append(list(answer.tokens))
                    # 0: forced by the grammar, so that nothing can be learnt there.
                    rows["env_mask"].append([int(each < 0) for each in answer.logprobs])
        finally:
            model.train(training)
        return {**rows, "logprobs": None}


def share_beginnings(model: Any) -> None:
    """Have a causal model read what rows of a batch have in common at their beginning once: the prompt of a
    group, which is many times as long as its answers. Hidden states (rows, time, size) and gradients are
    those of reading every row alone; positions count from the first column, as without it."""
    body = model.base_model
    alone = body.forward

    def forward(
        input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **more: Any
    ) -> Any:
        cached = more.get("past_key_values") is not None or more.get("use_cache")
        checkpointed = body.training and getattr(body, "gradient_checkpointing", False)
        if input_ids is None or attention_mask is None or cached or checkpointed:
            return alone(input_ids=input_ids, attention_mask=attention_mask, **more)
        length, firsts, members = common_beginning(input_ids)
        if not length:
            return alone(input_ids=input_ids, attention_mask=attention_mask, **more)
        more |= {"use_cache": True}
        mask = attention_mask[firsts, :length]
        first = alone(input_ids=input_ids[firsts, :length], attention_mask=mask, **more)
        first.past_key_values.batch_select_indices(members)
        rest = alone(
            input_ids=input_ids[:, length:], attention_mask=attention_mask,
            past_key_values=first.past_key_values, **more,
        )  # fmt: skip
        states = (first.last_hidden_state[members], rest.last_hidden_state)
        rest.last_hidden_state, rest.past_key_values = torch.cat(states, dim=1), None
        return rest

    body.forward = forward


def common_beginning(rows: Tensor) -> tuple[int, Tensor, Tensor]:
    """Of rows (n, time): how many columns to read once for all rows that begin alike, so that the fewest
    tokens are read; the first row of each kind (k,), and each row's kind (n,). 0 where nothing is saved."""
    count, time = rows.shape
    kinds = torch.zeros(count, dtype=torch.long, device=rows.device)
    best = (count * time, 0, kinds, kinds)
    for column in range(time - 1):
        pairs = torch.stack([kinds, rows[:, column]], 1)
        distinct, kinds = torch.unique(pairs, dim=0, return_inverse=True)
        read = len(distinct) * (column + 1) + count * (time - column - 1)
        if read < best[0]:
            firsts = torch.stack([(kinds == kind).nonzero()[0, 0] for kind in range(len(distinct))])
            best = (read, column + 1, firsts, kinds)
    return best[1:]


def make_trainer(
    config: GRPOConfig, run: Run, policy: LoadedModel, questions: Sequence[Question],
    held_out: Sequence[Question], judge: Judge,
) -> Any:  # fmt: skip
    """trl's trainer over questions to train on and to validate by, with a new adapter: without it,
    the policy is the reference."""
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # of rollout_func
    from trl.trainer.grpo_trainer import GRPOTrainer

    share_beginnings(policy.model)
    tokenizer, count = policy.tokenizer, len(questions)
    every = [*questions, *held_out]
    texts = [prompt_of(tokenizer, question.prompt) for question in every]
    by_key = {key_of(text): question.prompt for text, question in zip(texts, every, strict=True)}
    prompts = [{"prompt": text, "position": i} for i, text in enumerate(texts)]
    args = arguments(
        config, run.output, count, max(question.tokens for question in every), len(held_out),
        int(policy.model.num_parameters()),
    )  # fmt: skip
    order: list[int] = []
    # One epoch more than is needed: the last is mostly cut by max_steps.
    for epoch in range(1 + args.max_steps * config.prompts // count):
        order += random.Random(f"{config.seed} {epoch}").sample(range(count), count)
    items = [(question.example, question.dataset) for question in every]
    trainer: Any = GRPOTrainer(
        model=policy.model,
        reward_funcs=RewardFunction(items, judge, config.rewards),  # type: ignore[arg-type]
        args=args,
        # All epochs in a row: trl's own shuffling would begin anew where a run is resumed.
        train_dataset=datasets.Dataset.from_list(prompts[:count]).select(order),
        eval_dataset=datasets.Dataset.from_list(prompts[count:]) if held_out else None,
        processing_class=tokenizer,
        peft_config=lora_config(policy.model, config.adapter, run.report),
        rollout_func=Sampler(config, policy, by_key) if samples_itself(config) else None,
    )  # fmt: skip
    trainer.model.peft_config["default"].base_model_name_or_path = base_name(policy.card.source)
    return trainer


def tokens_of(rows: int, config: GRPOConfig, longest: int) -> int:
    """Tokens of so many answers, whose prompts are read once each."""
    return min(rows, config.prompts) * longest + rows * config.max_new_tokens


def arguments(
    config: GRPOConfig, output: Path, questions: int, longest: int, held_out: int, parameters: int
) -> Any:
    """trl's arguments: our settings, then those under `trl`. Raises ConfigError for one that is not its."""
    from trl.trainer.grpo_config import GRPOConfig as Arguments

    processes = loop.process_count()
    if config.prompts % processes:
        raise ConfigError(f"prompts must be a multiple of the {processes} processes")
    answers = config.prompts * config.group // processes
    # Answers that a device holds at once; the rest of a step's is accumulated.
    sizes = [n for n in range(1, answers + 1) if answers % n == 0]
    rows = max(n for n in sizes if n == 1 or tokens_of(n, config, longest) <= config.batch_tokens)
    steps = config.max_steps or max(1, round(questions // config.prompts * config.epochs))
    own: dict[str, Any] = {
        "per_device_train_batch_size": rows, "per_device_eval_batch_size": rows,
        "gradient_accumulation_steps": answers // rows, "num_generations": config.group,
        "num_generations_eval": 1, "beta": config.kl, "temperature": config.temperature,
        "max_completion_length": config.max_new_tokens, "save_steps": config.save_every,
        "eval_strategy": "steps" if held_out else "no", "eval_steps": config.save_every,
        "shuffle_dataset": False,
    }  # fmt: skip
    usual: dict[str, Any] = {
        # As published (Shao et al. 2024): a mean over each answer's tokens, advantages over the group's spread.
        "loss_type": "grpo", "scale_rewards": "group", "disable_dropout": True,
        "use_bias_correction_kl": False, "chat_template_kwargs": {"enable_thinking": False},
    }  # fmt: skip
    for name in config.trl:
        if name in own or name in loop.OWN:
            raise ConfigError(f"trl.{name} is set by a setting of txt2sql's own; leave it out")
    try:
        return loop.arguments(
            Arguments, config, output, steps, parameters, {**own, **usual, **config.trl}
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trl refuses these settings: {error}") from error
