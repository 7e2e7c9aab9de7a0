"""Component match: what each of the ten parts counts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from txt2sql.evaluation.metrics.component_match import ComponentMatch
from txt2sql.execution.database import Database, open_database
from txt2sql.types import Example, Outcome, Prediction, Verdict

GOLD = "SELECT name, age FROM singer WHERE age > 3 AND id > 4 ORDER BY age"


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path: Path = tmp_path_factory.mktemp("stage") / "stage.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE singer (id, name, age)")
    return open_database(path)


def judged(database: Database, gold: str, sql: str | None) -> Verdict:
    example = Example("e", database.db_id, "?", gold)
    return ComponentMatch()(example, Prediction("e", sql), database)


def part(verdict: Verdict, name: str) -> dict[str, Any]:
    assert verdict.details is not None
    score: dict[str, Any] = verdict.details["partial"][name]
    return score


def test_each_differing_part_costs_a_tenth(stage: Database) -> None:
    verdict = judged(stage, GOLD, f"{GOLD} DESC")
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert verdict.reason == "other order, keywords"
    assert verdict.score == pytest.approx(0.8)
    assert judged(stage, GOLD, GOLD).score == 1.0


def test_a_part_is_all_or_nothing_and_counts_both_sides(stage: Database) -> None:
    verdict = judged(stage, GOLD, "SELECT name FROM singer WHERE age > 5 ORDER BY age")
    nothing = {"acc": 0, "rec": 0, "f1": 0}
    assert part(verdict, "select") == {**nothing, "label_total": 2, "pred_total": 1}
    assert part(verdict, "where") == {**nothing, "label_total": 2, "pred_total": 1}
    # Official has these two totals the wrong way round: it is the gold that has a connector.
    assert part(verdict, "and/or") == {**nothing, "label_total": 0, "pred_total": 1}
    assert part(verdict, "order") == {
        **dict.fromkeys(nothing, 1),
        "label_total": 1,
        "pred_total": 1,
    }
    assert part(verdict, "IUEN") == {**dict.fromkeys(nothing, 1), "label_total": 0, "pred_total": 0}


@pytest.mark.parametrize(
    ("sql", "outcome"),
    [(None, Outcome.NO_SQL), ("no SQL at all", Outcome.PREDICTION_ERROR)],
)
def test_an_unreadable_prediction_scores_0_and_has_the_parts_of_an_empty_query(
    stage: Database, sql: str | None, outcome: Outcome
) -> None:
    verdict = judged(stage, GOLD, sql)
    assert verdict.outcome is outcome
    assert verdict.score == 0.0
    assert part(verdict, "select")["pred_total"] == 0
    assert part(verdict, "group")["f1"] == 1


def test_an_unreadable_gold_has_no_parts(stage: Database) -> None:
    verdict = judged(stage, "SELECT town FROM singer", GOLD)
    assert verdict.outcome is Outcome.GOLD_ERROR
    assert verdict.details == {"hardness": None, "partial": {}}


def test_only_tables_differ(stage: Database) -> None:
    gold = "SELECT count(*) FROM singer"
    verdict = judged(stage, gold, f"{gold} JOIN singer")
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert verdict.reason == "other tables"
    assert verdict.score == 1.0
