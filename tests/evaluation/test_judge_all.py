"""Judging at once: what breaks first, then that it says what judging one by one says."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from txt2sql.evaluation.evaluate import judge_all
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.execution.pool import can_spread
from txt2sql.types import Example, Outcome, Prediction, Verdict

COUNT = "SELECT count(*) FROM shop"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
LIMITS = Limits(timeout_s=0.2)
Find = Callable[[str], Database]


def examples(n: int) -> list[Example]:
    return [Example(f"e{i}", "shop", "?", COUNT) for i in range(n)]


def answers(sql: list[str | None]) -> list[Prediction]:
    return [Prediction(f"e{i}", text) for i, text in enumerate(sql)]


@pytest.mark.skipif(not can_spread(), reason="forking is for Linux")
def test_what_kills_a_process_still_gets_its_verdict(find: Find) -> None:
    class Fragile:
        name = "execution_accuracy"
        parent = os.getpid()
        judge = ExecutionAccuracy(Judging(limits=LIMITS))

        def __call__(self, example: Example, made: Prediction, database: Database) -> Verdict:
            if example.id == "e70" and os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return self.judge(example, made, database)

    sql: list[str | None] = ["SELECT 3"] * 100
    sql[10], sql[20], sql[30] = "SELECT 4", None, ENDLESS
    judged = judge_all(examples(100), answers(sql), [Fragile()], find, processes=2)
    outcomes = [item.verdicts[0].outcome for item in judged]
    others = [Outcome.WRONG_RESULT, Outcome.NO_SQL, Outcome.TIMEOUT]
    assert [outcomes.pop(place) for place in (30, 20, 10)][::-1] == others
    assert outcomes == [Outcome.CORRECT] * 97


def test_all_at_once_says_what_one_by_one_says(find: Find) -> None:
    sql = [
        "SELECT 3",
        "SELECT 4",
        None,
        "SELECT town FROM shop",
        COUNT,
        "DROP TABLE shop",
        "?",
    ] * 10
    for mode in ("strict", "official"):
        metric = ExecutionAccuracy(Judging(mode, limits=LIMITS))
        alone = [metric(e, p, find("shop")) for e, p in zip(examples(70), answers(sql))]
        together = judge_all(examples(70), answers(sql), [metric], find, processes=2)
        assert [item.verdicts for item in together] == [(verdict,) for verdict in alone]
