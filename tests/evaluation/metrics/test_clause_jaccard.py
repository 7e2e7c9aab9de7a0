"""Wrong predictions first; then the properties of a score."""

from __future__ import annotations

from pathlib import Path

import pytest

from txt2sql.evaluation.metrics.clause_jaccard import ClauseJaccard
from txt2sql.execution.database import Database
from txt2sql.types import Column, Example, Outcome, Prediction, Schema, Table, Verdict

SCHEMA = Schema("shop", (Table("shop", tuple(map(Column, ("id", "city", "opened", "rating")))),))
METRIC = ClauseJaccard(lambda db_id: SCHEMA)
QUERIES = (
    "SELECT city FROM shop",
    "SELECT city FROM shop WHERE opened > 2000 AND rating > 4",
    "SELECT city, count(*) FROM shop GROUP BY city ORDER BY 2 DESC LIMIT 1",
    "SELECT city FROM shop UNION SELECT city FROM shop WHERE id IN (SELECT max(id) FROM shop)",
    "SELECT a.city FROM shop a, shop b WHERE a.id = b.opened",
)


def judge(gold: str, predicted: str | None) -> Verdict:
    nowhere = Database(Path("nowhere.sqlite"), "shop")
    return METRIC(Example("e", "shop", "?", gold), Prediction("e", predicted), nowhere)


@pytest.mark.parametrize(
    ("gold", "predicted", "outcome"),
    [
        (QUERIES[0], " \n", Outcome.NO_SQL),
        (QUERIES[0], "Sorry, no.", Outcome.PREDICTION_ERROR),
        (QUERIES[0], "DROP TABLE shop", Outcome.PREDICTION_ERROR),
        (QUERIES[0], "SELECT opened FROM item", Outcome.WRONG_RESULT),
        ("", "SELECT 1", Outcome.GOLD_ERROR),
    ],
)
def test_what_shares_nothing_or_cannot_be_read_scores_zero(
    gold: str, predicted: str | None, outcome: Outcome
) -> None:
    verdict = judge(gold, predicted)
    assert (verdict.outcome, verdict.score) == (outcome, 0.0)
    assert verdict.reason


def test_a_part_counts_by_its_share_and_the_reason_names_it() -> None:
    verdict = judge(QUERIES[1], "SELECT city FROM shop WHERE opened > 2000 AND rating > 5")
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG_RESULT, 0.6)
    assert verdict.reason == "missing: where (4 < shop.rating); extra: where (5 < shop.rating)"
    verdict = judge(QUERIES[1], QUERIES[0])
    assert verdict.reason == "missing: where (2000 < shop.opened) and 1 more"
    assert verdict.score == 0.5
    same = "select T1.CITY from Shop as T1 where 2000.0 < T1.opened and T1.rating > 4;"
    verdict = judge(QUERIES[1], same)
    assert (verdict.outcome, verdict.score, verdict.reason) == (Outcome.CORRECT, 1.0, "")


@pytest.mark.parametrize("one", QUERIES)
@pytest.mark.parametrize("other", QUERIES)
def test_the_score_is_the_same_both_ways_and_one_for_equals_alone(one: str, other: str) -> None:
    score = judge(one, other).score
    assert score == judge(other, one).score
    assert (0 <= score < 1) if one != other else score == 1
