"""Rewards: a wrong answer never outscores a right one, and what only looks right earns nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data import Dataset, open_dataset
from txt2sql.training.rewards import (
    OUTCOMES,
    PRESETS,
    Answer,
    Judge,
    RewardFunction,
    check_weights,
    reward,
)
from txt2sql.types import Example

ENDLESS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c, shop"
)
SIZE = "SELECT size FROM shop WHERE town = 'Porto'"
NOTHING = "SELECT size FROM shop WHERE town = 'Rome'"
CTE = "WITH s AS (SELECT * FROM shop) SELECT size FROM s WHERE town = 'Porto'"
NESTED = "SELECT size FROM (SELECT * FROM shop) WHERE town = 'Porto'"


@pytest.fixture(scope="module")
def dataset(tiny_spider: Path) -> Dataset:
    return open_dataset(tiny_spider)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(0.4)


@pytest.mark.parametrize(
    ("gold", "text", "outcome", "jaccard"),
    [
        # Wrong, late, failing, and none at all.
        (SIZE, "SELECT size FROM shop", "wrong", 2 / 3),
        (SIZE, "SELECT town FROM shop WHERE town = 'Porto'", "wrong", 2 / 4),
        (SIZE, "SELECT size FROM shop JOIN sale ON shop.id = sale.shop_id", "wrong", None),
        ("SELECT count(*) FROM shop", ENDLESS, "late", None),
        (SIZE, "SELECT price FROM shop", "error", None),
        (SIZE, "SELECT FROM WHERE", "error", 0.0),
        (SIZE, "DELETE FROM shop", "error", 0.0),
        (SIZE, "I cannot answer that.", "none", 0.0),
        (SIZE, "", "none", 0.0),
        # What goes for the reward: the result without the tables, the catalogue, several statements.
        (SIZE, "SELECT 1", "hack", 0.0),
        (SIZE, "SELECT id FROM sale", "hack", 0.0),
        (SIZE, "WITH shop(size) AS (SELECT 1) SELECT size FROM shop", "hack", 0.0),
        (SIZE, f"{SIZE} AND 0 < (SELECT count(*) FROM sqlite_master)", "hack", 0.0),
        (SIZE, "SELECT count(*) FROM sqlite_schema", "hack", 0.0),
        (SIZE, f"{SIZE}; SELECT 2", "hack", 0.0),
        (SIZE, f"{SIZE};\n-- Question: how many?\nSELECT 2", "right", 1.0),  # inference stops there
        # Nothing where nothing is expected is luck unless the clauses match.
        (NOTHING, "SELECT id FROM shop WHERE town = 'Oslo'", "wrong", None),
        (NOTHING, "SELECT shop.size FROM shop WHERE 'Rome' = town", "right", 1.0),
        # Right, however it is written.
        (SIZE, f"```sql\n{SIZE};\n```", "right", 1.0),
        (SIZE, CTE, "right", None),
        (SIZE, NESTED, "right", None),
        ("SELECT 2", "SELECT 1 + 1", "right", None),
        ("SELECT count(*) FROM sqlite_master", "SELECT count(1) FROM sqlite_master", "right", 1.0),
        # Nothing can be said where the gold query fails.
        ("SELECT price FROM shop", "SELECT size FROM shop", "gold?", 0.0),
    ],
)
def test_answers_are_judged_by_execution_and_clauses(
    gold: str, text: str, outcome: str, jaccard: float | None, dataset: Dataset, judge: Judge
) -> None:
    example = replace(Example("q", "shop_1", "?"), gold_sql=gold)
    answer = judge(example, dataset, text)
    assert answer.outcome == outcome, answer
    if jaccard is not None:
        assert answer.jaccard == pytest.approx(jaccard)


share = st.floats(0, 1)
weights = st.fixed_dictionaries(
    {"execution": st.floats(0.01, 2)}, optional={"component": share, "executes": share}
)


@given(weights, share, st.sampled_from(["hack", *(set(OUTCOMES.values()) - {"right"})]), share)
def test_no_wrong_answer_earns_as_much_as_a_right_one(
    given_weights: dict[str, float], first: float, outcome: str, second: float
) -> None:
    check_weights(given_weights)
    wrong = reward(Answer(outcome, second), given_weights)
    assert reward(Answer("right", first), given_weights) > wrong


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"component": 1.0}, "give the reward execution a weight above 0"),
        ({"execution": 0.0, "executes": 1.0}, "a wrong answer could earn as much"),
        ({"execution": 1.0, "executes": -1.0}, "executes has the weight -1"),
        ({}, "a wrong answer could earn as much"),
        ({"executoin": 1.0}, "no reward 'executoin'; choose from execution"),
    ],
)
def test_weights_that_would_pay_wrong_answers_are_refused(
    broken: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_weights(broken)


def test_every_completion_is_rewarded_in_order_and_the_parts_are_logged(
    dataset: Dataset, judge: Judge
) -> None:
    examples = [
        Example("a", "shop_1", "?", SIZE),
        Example("b", "shop_2", "?", "SELECT id FROM sale"),
    ]
    function = RewardFunction([(e, dataset) for e in examples], judge, PRESETS["sparse"])
    metrics: dict[str, float] = {}
    extra: dict[str, list[object]] = {}
    earned = function(
        completions=[
            "SELECT 1",
            [{"role": "assistant", "content": SIZE}],
            "SELECT id FROM sale",
            SIZE,
        ],
        position=[0, 0, 1, 1],
        log_metric=metrics.__setitem__,
        log_extra=extra.__setitem__,
        prompts=[],
    )
    assert earned == pytest.approx([0.0, 1.0, 1.0, 0.0])
    assert metrics == {"reward/execution": 0.5, "reward/executes": 0.5, "right": 0.5, "hacks": 0.5}
    assert extra == {"outcome": ["hack", "right", "right", "hack"]}
