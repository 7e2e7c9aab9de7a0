"""Which questions GRPO has something to learn from: those that some answers get right and some do not.

Field's names: pass@k filter, offline difficulty filter. Where all answers of a group are worth the same,
the group teaches nothing, so the policy that training starts from answers every question a few times,
and those it always or never gets right are left out, as are questions whose gold query fails or returns
nothing. What was found is kept in the cache folder, batch by batch: another run from the same policy
reads it, and one that was killed goes on.

>>> pick(questions, sampler, judges, config, Path("counts.jsonl"))  # doctest: +SKIP
Picked(positions=(3, 17, 20, ...), tried=512, ...)
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from txt2sql.data import open_dataset
from txt2sql.evaluation.mode import judge_version
from txt2sql.evaluation.provenance import ANSWERING, files_hash, weights_hash
from txt2sql.models.catalog import base_of, is_adapter, resolve
from txt2sql.runs import append_row, cache_dir, read_rows
from txt2sql.training.grpo_data import Questions
from txt2sql.training.grpo_judges import Judges
from txt2sql.training.grpo_sampling import Sampler
from txt2sql.training.grpo_settings import GRPOConfig
from txt2sql.training.prepare import Progress, silent
from txt2sql.types import Outcome

_AT_ONCE = 16
"""Questions that are sampled together."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Positions of the questions to train on; how many were tried, and what was left out and why."""

    positions: tuple[int, ...]
    tried: int
    left_out: dict[str, int]

    def describe(self) -> str:
        """One line for people."""
        why = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        told = f"; left out: {why}" if why else ""
        return f"{len(self.positions):,} of {self.tried:,} questions to learn from{told}"


def counts_file(config: GRPOConfig, answer: int, constrained: bool) -> Path:
    """Where the counts of a policy lie: named by everything that they depend on."""
    card = resolve(config.model)
    weights = [weights_hash(card)]
    while is_adapter(card.folder):
        assert card.folder is not None
        card = base_of(card.folder)
        weights.append(weights_hash(card))
    root = Path(config.data).expanduser() if config.data else None
    sets = [open_dataset(name, root) for name in config.datasets]
    data = [files_hash(each.root, each.files(config.split)) for each in sets]
    sampled = (config.filter_samples, config.temperature, answer, constrained, config.timeout_s)
    behind = repr((weights, data, config.max_length, sampled, ANSWERING, judge_version()))
    name = hashlib.sha256(behind.encode()).hexdigest()[:16]
    return cache_dir() / "grpo" / f"{Path(config.model).name}-{name}.jsonl"


def pick(
    questions: Questions,
    sampler: Sampler,
    judges: Judges,
    config: GRPOConfig,
    file: Path,
    progress: Progress = silent,
    stopped: Callable[[], bool] = lambda: False,
) -> Picked | None:
    """The questions to train on; None when `stopped` said so before enough were found."""
    if not config.filter_samples:
        problems = [questions.problem(i) for i in range(len(questions))]
        fine = tuple(i for i, problem in enumerate(problems) if not problem)
        return Picked(fine, len(questions), dict(Counter(filter(None, problems))))
    known = {row["name"]: row for row in read_rows(file)}
    file.parent.mkdir(parents=True, exist_ok=True)
    order = list(range(len(questions)))
    random.Random("pass at k").shuffle(order)
    positions: list[int] = []
    left_out: Counter[str] = Counter()
    tried = 0
    with progress("finding questions to learn from", len(order)) as advance:
        for start in range(0, len(order), _AT_ONCE):
            part = order[start : start + _AT_ONCE]
            new = [i for i in part if questions.name(i) not in known]
            if new and stopped():
                return None
            for row in _counted(new, questions, sampler, judges, config, start):
                append_row(file, row)
                known[str(row["name"])] = row
            for i in part:
                reason = _reason(known[questions.name(i)], config)
                left_out.update([reason] if reason else [])
                positions += [] if reason else [i]
                tried += 1
                advance(f"{len(positions)} found")
            if config.filter_enough is not None and len(positions) >= config.filter_enough:
                positions = positions[: config.filter_enough]
                break
    return Picked(tuple(sorted(positions)), tried, dict(left_out))


def _reason(row: dict[str, object], config: GRPOConfig) -> str:
    """Why a question is left out; "" where it is not."""
    if row["problem"]:
        return str(row["problem"])
    share = int(str(row["right"])) / config.filter_samples
    if share < config.filter_low:
        return "too hard"
    return "too easy" if share > config.filter_high else ""


def _counted(
    positions: Sequence[int],
    questions: Questions,
    sampler: Sampler,
    judges: Judges,
    config: GRPOConfig,
    seed: int,
) -> Iterator[dict[str, object]]:
    """A row for each question: how many of its answers are right, or what is wrong with it."""
    problems = {i: questions.problem(i) for i in positions}
    fine = [i for i in positions if not problems[i]]
    copies = config.filter_samples
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        asked = [questions.asked(i) for i in fine]
        found = sampler.sample([a.ids for a in asked], [a.prompt.grammar for a in asked], copies)
    texts = [sampler.text(answer) for answer in found.answers]
    owners = [i for i in fine for _ in range(copies)]
    tasks = [questions.task(i, text) for i, text in zip(owners, texts, strict=True)]
    rulings = judges.judge(tasks)
    for i in positions:
        right, problem = 0, problems[i]
        for n, owner in enumerate(owners):
            if owner == i:
                ruling, answer = rulings[n], found.answers[n]
                ended = sampler.ended(answer)
                judged = questions.judged(texts[n], tasks[n], ruling, ended, len(answer))
                right += judged.right
                if ruling.empty or judged.outcome is Outcome.GOLD_ERROR:
                    problem = "whose gold query fails or returns nothing"
        yield {"name": questions.name(i), "right": right, "problem": problem}
