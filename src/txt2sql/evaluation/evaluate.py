"""The evaluation loop: examples -> predictions -> verdicts -> report.

It knows predictors and metrics by their signatures only. Predictions are the costly part, so they
are what a run keeps: hand back those of an interrupted run as `finished` and only the rest is asked
of the model; verdicts are cheap and always made anew, with the judge as it is now.

>>> report = evaluate(examples, predictor, [ExecutionAccuracy()], dataset.database)  # doctest: +SKIP
>>> report.metrics["execution_accuracy"].mean  # doctest: +SKIP
0.712
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from random import Random

from txt2sql.errors import DatabaseError, ModelError
from txt2sql.evaluation.metrics import Metric
from txt2sql.evaluation.report import Judged, Report, summarise
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Predictor, Verdict


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
    """Every example with its prediction and verdicts, in order, as soon as they are known.

    `finished` holds predictions by example id that need not be made again; `record` is called with
    each new prediction before it is judged, so that a crash loses at most the one being made.
    A database that cannot be read makes its examples GOLD_ERROR; the predictor never sees them.
    """
    done = finished or {}
    broken = broken_databases(examples, database)
    pending = [e for e in examples if e.id not in done and e.db_id not in broken]
    new = predictor.predict([_question_only(example) for example in pending])
    for example in examples:
        if example.db_id in broken:
            verdicts = gold_errors(example, metrics, broken[example.db_id])
            yield Judged(example, Prediction(example.id, None), verdicts)
            continue
        prediction = done.get(example.id)
        if prediction is None:
            prediction = _next_prediction(new, example, predictor.name)
            if record:
                record(prediction)
        where = database(example.db_id)
        yield rated(example, prediction, tuple(m(example, prediction, where) for m in metrics))


def broken_databases(
    examples: Sequence[Example], database: Callable[[str], Database]
) -> dict[str, str]:
    """db_id -> why it cannot be read, for those that cannot."""
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


def gold_errors(example: Example, metrics: Sequence[Metric], reason: str) -> tuple[Verdict, ...]:
    """The verdicts on an example that nothing can be compared with."""
    return tuple(Verdict(example.id, m.name, Outcome.GOLD_ERROR, 0.0, reason) for m in metrics)


def rated(example: Example, prediction: Prediction, verdicts: tuple[Verdict, ...]) -> Judged:
    """The judged example, with the hardness that a metric found where the data set tells none."""
    if example.difficulty is None:
        for verdict in verdicts:
            if verdict.details and (hardness := verdict.details.get("hardness")):
                example = replace(example, difficulty=hardness)
                break
    return Judged(example, prediction, verdicts)


def _question_only(example: Example) -> Example:
    """The example without what a predictor must not see."""
    return Example(example.id, example.db_id, example.question, evidence=example.evidence)


def _next_prediction(new: Iterator[Prediction], example: Example, name: str) -> Prediction:
    prediction = next(new, None)
    if prediction is None or prediction.example_id != example.id:
        given = "nothing" if prediction is None else f"'{prediction.example_id}'"
        raise ModelError(f"predictor '{name}' answered {given} where '{example.id}' was due")
    return prediction
