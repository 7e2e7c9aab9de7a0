"""From sampled answers to rewards, and what a person can read of both.

The answers of a step are judged together. Each part of the reward is logged by name; the groups of some
steps are written to completions/step-<number>.txt, and the first of them is shown.

>>> Scorer(questions, sampler, judges, {"execution": 1.0}, folder).reward(...)  # doctest: +SKIP
[1.0, 0.0, 0.0, 1.0]
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from txt2sql.runs import write_atomically
from txt2sql.training.grpo_data import Questions
from txt2sql.training.grpo_judges import Judges
from txt2sql.training.grpo_sampling import Sampler
from txt2sql.training.rewards import Judged, parts, worth
from txt2sql.types import Outcome


class Scorer:
    """Rewards answers to questions, by position. `seconds` is what the last step took."""

    def __init__(
        self,
        questions: Questions,
        sampler: Sampler,
        judges: Judges,
        weights: Mapping[str, float],
        folder: Path,
        *,
        show_every: int = 0,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.questions, self.sampler, self.judges = questions, sampler, judges
        self.weights, self.folder = weights, folder
        self.show_every, self.report = show_every, report
        self.seconds = 0.0

    def reward(
        self,
        *,
        completion_ids: Sequence[Sequence[int]],
        position: Sequence[int],
        trainer_state: Any,
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float]:
        """What each answer is worth; trl's signature of a reward function."""
        started = time.perf_counter()
        texts = [self.sampler.text(answer) for answer in completion_ids]
        tasks = [self.questions.task(i, text) for i, text in zip(position, texts, strict=True)]
        rulings = self.judges.judge(tasks)
        judged = [
            self.questions.judged(text, task, ruling, self.sampler.ended(ids), len(ids))
            for text, task, ruling, ids in zip(texts, tasks, rulings, completion_ids, strict=True)
        ]
        worths = [worth(each, self.weights) for each in judged]
        found = [parts(each) for each in judged]
        for name in self.weights:
            log_metric(f"reward/{name}", sum(each[name] for each in found) / len(found))
        log_metric("right", sum(each.right for each in judged) / len(judged))
        hacks = sum(_kind(each) == "hack" for each in judged)
        log_metric("hacks", hacks / len(judged))
        step = int(trainer_state.global_step) + 1
        if self.show_every and (step == 1 or step % self.show_every == 0):
            said = [task.sql or text for task, text in zip(tasks, texts, strict=True)]
            self._show(step, position, said, judged, worths)
        self.seconds = time.perf_counter() - started
        return worths

    def _show(
        self,
        step: int,
        position: Sequence[int],
        said: Sequence[str],
        judged: Sequence[Judged],
        worths: Sequence[float],
    ) -> None:
        """Write the groups of a step; show the first whose answers differ in worth."""
        groups: dict[int, list[int]] = {}
        for n, i in enumerate(position):
            groups.setdefault(i, []).append(n)
        pages = {
            i: page(
                self.questions.examples[i].question,
                self.questions.examples[i].gold_sql,
                [(said[n], worths[n], judged[n]) for n in members],
            )
            for i, members in groups.items()
        }
        write_atomically(self.folder / f"step-{step:05}.txt", "\n\n".join(pages.values()) + "\n")
        mixed = [i for i, members in groups.items() if len({worths[n] for n in members}) > 1]
        self.report(f"answers of step {step}\n" + pages[(mixed or list(groups))[0]])


def page(question: str, gold: str, answers: Sequence[tuple[str, float, Judged]]) -> str:
    """A question with its gold query and the answers of its group, the worthiest first.

    >>> print(page("How many?", "SELECT 1", [("SELECT 2", 0.1, Judged(Outcome.WRONG_RESULT))] * 2))
    How many?
      gold             SELECT 1
       0.10 x 2  wrong SELECT 2
    """
    lines = [question, f"  gold             {gold}"]
    alike = Counter((round(worth_, 4), _kind(judged), sql) for sql, worth_, judged in answers)
    for (worth_, kind, sql), count in sorted(alike.items(), key=lambda item: -item[0][0]):
        lines.append(f"  {worth_:5.2f} x {count:<2} {kind:>5} {sql}")
    return "\n".join(lines)


def _kind(judged: Judged) -> str:
    if judged.right:
        return "right"
    if judged.is_hack and judged.outcome is Outcome.CORRECT:
        return "hack"
    return _KINDS.get(judged.outcome.value, "wrong")


_KINDS = {"prediction_error": "error", "timeout": "late", "no_sql": "none", "gold_error": "gold?"}
