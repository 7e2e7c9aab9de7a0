"""Categories of messages written here and of what the metric really says; one row per example."""

from __future__ import annotations

import json

import pytest

from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.verdicts import CATEGORIES, Judged, category, verdict_rows
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Verdict


def verdict(outcome: Outcome, reason: str = "") -> Verdict:
    return Verdict("a", "execution_accuracy", outcome, float(outcome is Outcome.CORRECT), reason)


def item(name: str, *verdicts: Verdict) -> Judged:
    example = Example(name, "shop", "?", "SELECT 2", difficulty="easy")
    return Judged(example, Prediction(name, "SELECT 1"), verdicts)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ('no such column: "syntax error"', "unknown_column"),
        ('near "no such": syntax error', "parse_failure"),
        ("the query failed: no such table: T", "unknown_table"),
        ("no such function: YEAR", "other_error"),
        ('unrecognized token: "\'abc"', "parse_failure"),
    ],
)
def test_the_first_known_phrase_of_an_error_decides(reason: str, expected: str) -> None:
    assert category(verdict(Outcome.PREDICTION_ERROR, reason)) == expected
    assert {category(verdict(outcome)) for outcome in Outcome} <= set(CATEGORIES)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (None, "no_sql"),
        ("SELECT id FORM shop", "parse_failure"),
        ("SELECT id FROM shop WHERE city = 'Lisbon", "parse_failure"),
        ("SELECT id FROM store", "unknown_table"),
        ("SELECT town FROM shop", "unknown_column"),
        ("SELECT id FROM shop AS a JOIN shop AS b", "ambiguous_column"),
        ("DELETE FROM shop", "refused"),
        ("SELECT count(*) FROM shop WHERE count(*) > 1", "other_error"),
        ("SELECT id, city FROM shop", "wrong_columns"),
        ("SELECT id FROM shop UNION ALL SELECT id FROM shop", "wrong_rows"),
        ("SELECT opened FROM shop", "wrong_values"),
        ("SELECT id FROM shop", "correct"),
    ],
)
def test_what_the_metric_says_is_understood(shop: Database, sql: str | None, expected: str) -> None:
    metric = ExecutionAccuracy()
    example = Example("a", "shop", "Which shops are there?", "SELECT id FROM shop")
    assert category(metric(example, Prediction("a", sql), shop)) == expected


def test_there_is_one_row_per_example() -> None:
    partial = {"select": {"acc": 1, "rec": 1, "f1": 1, "label_total": 1, "pred_total": 1}}
    several = (
        Verdict("b", "exact_match", Outcome.CORRECT, 1.0),
        Verdict("b", "component_match", Outcome.CORRECT, 0.9, "", {"partial": partial}),
        verdict(Outcome.WRONG_RESULT, "3 rows, gold has 4"),
    )
    judged = [item("a", verdict(Outcome.CORRECT)), item("b", *several)]
    judged.append(item("c", verdict(Outcome.GOLD_ERROR)))
    rows = [json.loads(json.dumps(row)) for row in verdict_rows(judged)]
    assert list(rows[0].items()) == [
        ("i", 0), ("example_id", "a"), ("db_id", "shop"), ("question", "?"),
        ("gold_sql", "SELECT 2"), ("sql", "SELECT 1"), ("hardness", "easy"),
        ("confidence", None), ("features", []), ("exact", None), ("exec", 1), ("partial", None),
        ("outcome", "correct"), ("category", "correct"), ("reason", ""),
        ("scores", {"execution_accuracy": 1.0}),
    ]  # fmt: skip
    assert (rows[1]["i"], rows[1]["exact"], rows[1]["exec"]) == (1, 1, 0)
    assert rows[1]["partial"] == partial
    assert (rows[1]["category"], rows[1]["reason"]) == ("wrong_rows", "3 rows, gold has 4")
    scores = {"exact_match": 1.0, "component_match": 0.9, "execution_accuracy": 0.0}
    assert rows[1]["scores"] == scores
    assert (rows[2]["exec"], rows[2]["scores"]) == (None, {"execution_accuracy": None})
    assert rows[2]["outcome"] == "gold_error"
