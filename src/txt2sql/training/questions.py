"""Questions that a policy is asked in reinforcement learning: prompts of inference, chosen by pass rate.

Where all answers of a group earn the same, the group teaches nothing. So the policy first answers every
question a few times, and those it always or never gets right are left out (offline difficulty filter, by
pass@k; Yu et al. 2025, DAPO, does the same while it trains).

>>> train, held_out, left_out = open_questions(config, tokenizer, longest=2048)  # doctest: +SKIP
>>> choose(train, generator, Judge(1.0), Sampling(n=8, temperature=1.0), file)  # doctest: +SKIP
([3, 17, 20], Counter({'too easy': 91, 'too hard': 18}))
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import with_gold
from txt2sql.errors import DatabaseError
from txt2sql.evaluation.evaluate import draw
from txt2sql.execution.values import open_value_index
from txt2sql.prompts import render
from txt2sql.runs import append_row, read_rows
from txt2sql.training.rewards import Judge
from txt2sql.training.sft_settings import RunConfig
from txt2sql.types import Example, Generator, Prompt, Sampling

_TOGETHER = 16
"""Questions that are sampled together."""


@dataclass(frozen=True, slots=True)
class Question:
    """An example of a data set, with its prompt and the prompt's length."""

    example: Example
    dataset: Dataset
    prompt: Prompt
    tokens: int

    @property
    def judged(self) -> tuple[Example, Dataset]:
        """What a judge needs beside an answer."""
        return self.example, self.dataset


def open_questions(
    config: RunConfig, tokenizer: Any, longest: int
) -> tuple[list[Question], list[Question], Counter[str]]:
    """The questions to train on, those that measure progress, and what is left out and why.

    A prompt has at most `longest` tokens. What measures progress is of databases that are never
    trained on, or of `measure_split`.
    """
    train: list[Question] = []
    held_out: list[Question] = []
    left_out: Counter[str] = Counter()
    root = Path(config.data).expanduser() if config.data else None
    for number, name in enumerate(config.datasets):
        dataset = open_dataset(name, root)
        examples, measured = with_gold(dataset, config.split), []
        if config.measured and config.measure_split is not None:
            measured = with_gold(dataset, config.measure_split) if number == 0 else []
        elif config.measured:
            ids = {e.db_id for e in examples}
            out = {i for i in ids if random.Random(f"held out {i}").random() < config.held_out}
            out = out if out != ids else set()
            measured = [e for e in examples if e.db_id in out]
            examples = [e for e in examples if e.db_id not in out]
        for chosen, questions, count in (
            (examples, train, config.limit),
            (measured, held_out, config.measured),
        ):
            for example in draw(chosen, count, config.seed):
                try:
                    question = _question(example, dataset, tokenizer)
                except DatabaseError:
                    left_out["whose database cannot be read"] += 1
                    continue
                if question.tokens <= longest:
                    questions.append(question)
                else:
                    left_out["too long"] += 1
    return train, held_out, left_out


_index = lru_cache(64)(open_value_index)


def _question(example: Example, dataset: Dataset, tokenizer: Any) -> Question:
    schema = dataset.schema(example.db_id)
    matches = _index(dataset.database(example.db_id)).match(example.question)

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    prompt = render(
        example.question, schema, matches=matches, evidence=example.evidence, count=count
    )
    text = prompt_of(tokenizer, prompt)
    if not isinstance(text, str):
        text = tokenizer.apply_chat_template(text, tokenize=False, add_generation_prompt=True)
    return Question(example, dataset, prompt, count(text))


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
    sampling: Sampling,
    file: Path,
    *,
    low: float = 0.1,
    high: float = 0.9,
    enough: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[list[int], Counter[str]] | None:
    """Positions of the questions to learn from, and what is left out and why; None when `stopped`.

    `enough` of them, or all whose share of right answers lies between `low` and `high`. The shares are
    appended to `file`, from where a killed run goes on.
    """
    rates = {int(row["position"]): float(row["right"]) for row in read_rows(file)}
    order = random.Random(sampling.seed).sample(range(len(questions)), len(questions))
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
            right = sum(judge(*questions[position].judged, c.text).is_right for c in completions)
            rates[position] = right / len(completions)
            append_row(file, {"position": position, "right": rates[position]})
        for position in part:
            if low <= rates[position] <= high:
                chosen.append(position)
            else:
                left_out["too hard" if rates[position] < low else "too easy"] += 1
        if enough is not None and len(chosen) >= enough:
            chosen = chosen[:enough]
            break
    return sorted(chosen), left_out
