"""The evaluation loop: examples -> predictions -> verdicts -> report.

Predictions are the costly part, so they are what a run stores; verdicts are always made anew.
`judge_all` judges predictions that exist in several processes (execution/pool.py); what one of them
dies of is judged again here, where `execute` hands it to a worker that may be killed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any

from txt2sql.errors import DatabaseError, ModelError
from txt2sql.evaluation.metrics import Metric
from txt2sql.evaluation.report import Report, summarise
from txt2sql.evaluation.verdicts import Judged
from txt2sql.execution.database import Database
from txt2sql.execution.pool import Lost, can_spread, spread
from txt2sql.runs import cores
from txt2sql.types import Example, Outcome, Prediction, Predictor, Verdict

_MIN_PARALLEL = 64  # fewer predictions are judged in this process


def draw(examples: Sequence[Example], limit: int | None, seed: int) -> list[Example]:
    """All examples, or `limit` of them drawn without replacement, in their first order."""
    if limit is None or limit >= len(examples):
        return list(examples)
    return [examples[i] for i in sorted(Random(seed).sample(range(len(examples)), limit))]


def evaluate(
    examples: Sequence[Example],
    predictor: Predictor,
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
) -> Report:
    """Ask the predictor every example, judge every answer, and sum up."""
    return summarise(list(judge(examples, predictor, metrics, database)))


def judge(
    examples: Sequence[Example],
    predictor: Predictor,
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
    *,
    finished: Mapping[str, Prediction] | None = None,
    record: Callable[[Prediction], None] | None = None,
) -> Iterator[Judged]:
    """Every example with its prediction and verdicts, in order, as soon as they exist. `finished`
    holds predictions by example id that need not be made again; `record` is called with each new
    prediction before it is judged, so that a crash loses at most the one being made. A database
    that cannot be read makes its examples GOLD_ERROR; the predictor never sees them."""
    done = finished or {}
    broken = _broken_databases(examples, database)
    pending = [e for e in examples if e.id not in done and e.db_id not in broken]
    # Without what a predictor must not see.
    questions = [
        Example(e.id, e.db_id, e.question, evidence=e.evidence, previous=e.previous)
        for e in pending
    ]
    new = predictor.predict(questions)
    for example in examples:
        if example.db_id in broken:
            verdicts = _gold_errors(example, metrics, broken[example.db_id])
            yield Judged(example, Prediction(example.id, None), verdicts)
            continue
        prediction = done.get(example.id)
        if prediction is None:
            prediction = next(new, None)
            if prediction is None or prediction.example_id != example.id:
                given = "nothing" if prediction is None else f"'{prediction.example_id}'"
                raise ModelError(
                    f"predictor '{predictor.name}' answered {given} where '{example.id}' was due"
                )
            if record:
                record(prediction)
        opened = database(example.db_id)
        yield _judged(example, prediction, tuple(m(example, prediction, opened) for m in metrics))


def judge_all(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
    *,
    processes: int | None = None,
    done: Callable[[tuple[Verdict, ...]], None] = lambda verdicts: None,
) -> list[Judged]:
    """Every example with its prediction and verdicts, in order. `done` is called for each example
    as soon as it is judged."""
    tasks = list(zip(examples, predictions, strict=True))
    ids = {example.db_id for example in examples}
    broken = _broken_databases(examples, database)
    verdicts = {
        i: _gold_errors(example, metrics, broken[example.db_id])
        for i, example in enumerate(examples)
        if example.db_id in broken
    }
    for errors in verdicts.values():
        done(errors)

    # A verdict as marshal carries it from a process that ran hostile SQL.
    def work(position: int) -> list[tuple[str, float, str, Mapping[str, Any] | None]]:
        example, prediction = tasks[position]
        opened = database(example.db_id)
        made = (metric(example, prediction, opened) for metric in metrics)
        return [(v.outcome.value, v.score, v.reason, v.details) for v in made]

    # The largest databases first, so that no process is left alone with one at the end.
    sizes = {db_id: database(db_id).path.stat().st_size for db_id in ids if db_id not in broken}
    left = [position for position in range(len(tasks)) if position not in verdicts]
    left.sort(key=lambda position: -sizes[examples[position].db_id])
    spreads = len(left) >= _MIN_PARALLEL and can_spread()
    processes = (processes or cores()) if spreads else 1
    if processes < 2:
        results = ((position, work(position)) for position in left)
    else:
        memory = max(
            (m.judging.limits.max_memory_bytes for m in metrics if hasattr(m, "judging")),
            default=256_000_000,
        )
        results = (
            (left[i], work(left[i]) if isinstance(result, Lost) else result)
            for i, result in spread(work, left, processes=processes, max_memory_bytes=memory)
        )
    for position, rows in results:
        verdicts[position] = tuple(
            Verdict(examples[position].id, metric.name, Outcome(outcome), score, reason, details)
            for metric, (outcome, score, reason, details) in zip(metrics, rows, strict=True)
        )
        done(verdicts[position])
    return [_judged(example, made, verdicts[i]) for i, (example, made) in enumerate(tasks)]


def _broken_databases(
    examples: Sequence[Example], database: Callable[[str], Database]
) -> dict[str, str]:
    broken = {}
    for db_id in dict.fromkeys(example.db_id for example in examples):
        try:
            with closing(database(db_id).connect()) as connection:
                connection.execute("SELECT name FROM sqlite_master").fetchone()
        except DatabaseError as error:
            broken[db_id] = str(error)
        except sqlite3.Error as error:
            broken[db_id] = f"cannot read the database of '{db_id}': {error}"
    return broken


def _gold_errors(example: Example, metrics: Sequence[Metric], reason: str) -> tuple[Verdict, ...]:
    return tuple(Verdict(example.id, m.name, Outcome.GOLD_ERROR, 0.0, reason) for m in metrics)


def _judged(example: Example, prediction: Prediction, verdicts: tuple[Verdict, ...]) -> Judged:
    """The judged example, with the hardness that a metric computed where the data set gives none."""
    if example.difficulty is None:
        for verdict in verdicts:
            if verdict.details and (hardness := verdict.details.get("hardness")):
                example = replace(example, difficulty=hardness)
                break
    return Judged(example, prediction, verdicts)
