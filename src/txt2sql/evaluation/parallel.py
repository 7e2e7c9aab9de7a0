"""Judging many predictions at once, in several processes.

Each process is its own sandbox (execution/pool.py). What one dies of is judged again here, where
`execute` hands it to a worker process that may be killed, so that every prediction gets its verdict.

>>> judged = judge_all(examples, predictions, metrics, dataset.database)  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from txt2sql.evaluation.evaluate import broken_databases, gold_errors, rated
from txt2sql.evaluation.gold import GoldResults, Key
from txt2sql.evaluation.metrics import Metric
from txt2sql.evaluation.report import Judged
from txt2sql.execution.database import Database
from txt2sql.execution.pool import Lost, can_spread, spread
from txt2sql.types import Example, Outcome, Prediction, Verdict

_WORTH_SPREADING = 64
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}

_Row = tuple[str, float, str, object]


def judge_all(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
    *,
    gold: GoldResults | None = None,
    processes: int | None = None,
    done: Callable[[int, tuple[Verdict, ...]], None] = lambda position, verdicts: None,
) -> list[Judged]:
    """Every example with its prediction and verdicts, in order.

    `gold` is what the metrics share, and gets the gold results of all processes; `done` hears of each
    example as soon as it is judged.
    """
    tasks = list(zip(examples, predictions, strict=True))
    verdicts: dict[int, tuple[Verdict, ...]] = {}
    broken = broken_databases(examples, database)
    for position, (example, _) in enumerate(tasks):
        if example.db_id in broken:
            verdicts[position] = gold_errors(example, metrics, broken[example.db_id])
            done(position, verdicts[position])
    left = [position for position in range(len(tasks)) if position not in verdicts]
    left.sort(key=lambda position: -_size(database, examples[position].db_id))
    for position, rows, results in _judge(left, tasks, metrics, database, gold, processes):
        verdicts[position] = _from_rows(tasks[position][0], metrics, rows)
        if gold:
            gold.stored.update(results)
        done(position, verdicts[position])
    return [rated(example, made, verdicts[i]) for i, (example, made) in enumerate(tasks)]


def _judge(
    left: Sequence[int],
    tasks: Sequence[tuple[Example, Prediction]],
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
    gold: GoldResults | None,
    processes: int | None,
) -> Iterator[tuple[int, list[_Row], dict[Key, bytes]]]:
    def work(position: int) -> tuple[list[_Row], dict[Key, bytes]]:
        example, prediction = tasks[position]
        where = database(example.db_id)
        made = [metric(example, prediction, where) for metric in metrics]
        rows: list[_Row] = [(v.outcome.value, v.score, v.reason, v.details) for v in made]
        return rows, gold.drain() if gold else {}

    count = processes or _cores()
    if count < 2 or len(left) < _WORTH_SPREADING or not can_spread():
        for position in left:
            yield position, *work(position)
        return
    for index, result in spread(work, left, processes=count, max_memory_bytes=_memory(metrics)):
        yield left[index], *(work(left[index]) if isinstance(result, Lost) else result)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(metrics: Sequence[Metric]) -> int:
    limits = [m.judging.limits for m in metrics if hasattr(m, "judging")]
    return max((limit.max_memory_bytes for limit in limits), default=256_000_000)


def _from_rows(
    example: Example, metrics: Sequence[Metric], rows: Sequence[_Row]
) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(example.id, metric.name, _OUTCOMES[outcome], score, reason, details)  # type: ignore[arg-type]
        for metric, (outcome, score, reason, details) in zip(metrics, rows, strict=True)
    )


def _size(database: Callable[[str], Database], db_id: str) -> int:
    try:
        return database(db_id).path.stat().st_size
    except OSError:
        return 0
