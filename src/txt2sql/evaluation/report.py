"""The report: means with intervals, outcomes, times, as JSON for machines and Markdown for people.

No accuracy without n and a 95% interval. Examples whose gold query or database fails (GOLD_ERROR)
are counted under `outcomes` but left out of every mean.

>>> summarise([]).metrics
{}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from txt2sql.evaluation.metrics.efficiency import Efficiency, efficiency
from txt2sql.evaluation.statistics import Estimate, estimate
from txt2sql.types import Example, Outcome, Prediction, Verdict

_DIFFICULTIES = ("easy", "medium", "hard", "extra")


@dataclass(frozen=True, slots=True)
class Judged:
    """One example, what was predicted for it, and one verdict per metric."""

    example: Example
    prediction: Prediction
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found. `by_difficulty` is difficulty -> metric -> estimate."""

    metrics: Mapping[str, Estimate]
    by_difficulty: Mapping[str, Mapping[str, Estimate]]
    outcomes: Mapping[str, int]
    """Outcome -> number of examples, by the first metric."""
    efficiency: Efficiency
    mode: str = "strict"
    """How results are compared: strict is every value, and the order where the gold query has one."""


def summarise(judged: Sequence[Judged]) -> Report:
    """Sum up verdicts and times."""
    difficulties = {item.example.difficulty for item in judged} - {None}
    ordered = sorted(difficulties, key=lambda d: (_rank(str(d)), str(d)))
    return Report(
        metrics=_estimates(judged),
        by_difficulty={
            str(name): _estimates(item for item in judged if item.example.difficulty == name)
            for name in ordered
        },
        outcomes=_outcomes(judged),
        efficiency=efficiency(item.prediction for item in judged),
    )


def _rank(difficulty: str) -> int:
    return _DIFFICULTIES.index(difficulty) if difficulty in _DIFFICULTIES else len(_DIFFICULTIES)


def _estimates(judged: Iterable[Judged]) -> dict[str, Estimate]:
    scores: dict[str, list[float]] = {}
    for item in judged:
        for verdict in item.verdicts:
            kept = scores.setdefault(verdict.metric, [])
            if verdict.outcome is not Outcome.GOLD_ERROR:
                kept.append(verdict.score)
    return {name: estimate(values) for name, values in scores.items()}


def _outcomes(judged: Iterable[Judged]) -> dict[str, int]:
    counts = Counter(item.verdicts[0].outcome for item in judged if item.verdicts)
    return {outcome.value: counts[outcome] for outcome in Outcome}


def as_json(report: Report, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The report and the facts of its run (dataset, split, model, versions, ...) as one object."""
    times = asdict(report.efficiency)
    throughput = times.pop("examples_per_second")
    return {
        **facts,
        "mode": report.mode,
        "metrics": {name: asdict(value) for name, value in report.metrics.items()},
        "by_difficulty": {
            name: {metric: asdict(value) for metric, value in values.items()}
            for name, values in report.by_difficulty.items()
        },
        "outcomes": dict(report.outcomes),
        "seconds": times,
        "examples_per_second": throughput,
    }


def verdict_rows(judged: Iterable[Judged]) -> Iterator[dict[str, Any]]:
    """One object per verdict: what was asked, expected and predicted, and how it fared."""
    for item in judged:
        for verdict in item.verdicts:
            yield {
                "example_id": item.example.id,
                "db_id": item.example.db_id,
                "question": item.example.question,
                "gold_sql": item.example.gold_sql,
                "sql": item.prediction.sql,
                "metric": verdict.metric,
                "outcome": verdict.outcome.value,
                "score": verdict.score,
                "reason": verdict.reason,
            }


def as_markdown(report: Report, facts: Mapping[str, Any]) -> str:
    """The report as a page: one table of scores, one of outcomes, then the facts of the run."""
    lines = [f"# {facts.get('model')} on {facts.get('dataset')} {facts.get('split')}", ""]
    lines += ["| metric | examples | mean | 95% interval | n |", "|---|---|---|---|---|"]
    for difficulty, values in {"all": report.metrics, **report.by_difficulty}.items():
        lines += [
            f"| {metric.replace('_', ' ')} | {difficulty} | {value.mean:.1%} "
            f"| {value.low:.1%} to {value.high:.1%} | {value.n:,} |"
            for metric, value in values.items()
        ]
    lines += ["", "| outcome | examples |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {n:,} |" for name, n in report.outcomes.items() if n]
    lines += ["", *_speed(report.efficiency)]
    lines += [f"- {name}: {_short(value)}" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def _speed(times: Efficiency) -> list[str]:
    if times.median is None or times.p95 is None or times.examples_per_second is None:
        return []
    return [
        f"- speed: {times.examples_per_second:.2f} examples per second, "
        f"median {times.median:.3f} s, 95th percentile {times.p95:.3f} s"
    ]


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        items = [f"{key} {_short(item)}" for key, item in value.items()]
        return ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
    text = str(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text
