"""The loop: what it asks, what it keeps, and what it does with broken pieces."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from txt2sql.errors import ModelError
from txt2sql.evaluation.evaluate import evaluate, judge, judge_all
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.execution.pool import can_spread
from txt2sql.types import Example, Outcome, Prediction, Turn, Verdict

Find = Callable[[str], Database]
COUNT = "SELECT count(*) FROM shop"


def example(name: str, gold: str = COUNT, db_id: str = "shop") -> Example:
    return Example(name, db_id, f"question {name}", gold, evidence="hint", difficulty="easy")


def test_every_way_to_fail_is_told_from_the_others(find: Find, table_predictor: type) -> None:
    faults = [example("gold_error", "SELECT town FROM shop"), example("b", db_id="ruin")]
    faults.append(example("c", db_id="nowhere"))
    answers = {"wrong_result": "SELECT 7", "no_sql": None, "correct": "SELECT 3"}
    answers |= {"prediction_error": "SELECT town FROM shop", "gold_error": COUNT}
    examples = [*map(example, list(answers)[:-1]), *faults]
    predictor = table_predictor(answers)
    judged = list(judge(examples, predictor, [ExecutionAccuracy()], find))
    outcomes = [item.verdicts[0].outcome for item in judged]
    assert [outcome.value for outcome in outcomes[:5]] == list(answers)
    assert outcomes[5:] == [Outcome.GOLD_ERROR] * 2
    assert "nowhere" in judged[-1].verdicts[0].reason
    assert [e.id for e in predictor.seen] == list(answers)  # none whose database is not there


def test_a_predictor_never_sees_the_gold(find: Find, table_predictor: type) -> None:
    predictor = table_predictor({"a": COUNT})
    turn = Turn("Which towns?", "SELECT 1")
    whole = replace(example("a"), accepted=("SELECT 3",), previous=turn)
    list(judge([whole], predictor, [ExecutionAccuracy()], find))
    assert predictor.seen == [Example("a", "shop", "question a", evidence="hint", previous=turn)]


def test_finished_examples_are_judged_again_but_not_asked_again(
    find: Find, table_predictor: type
) -> None:
    examples = [example(name) for name in "abcd"]
    predictor = table_predictor({"b": COUNT, "d": COUNT})
    finished = {"a": Prediction("a", COUNT), "c": Prediction("c", "SELECT 9")}
    recorded: list[Prediction] = []
    options = {"finished": finished, "record": recorded.append}
    judged = list(judge(examples, predictor, [ExecutionAccuracy()], find, **options))
    assert [item.example.id for item in judged] == ["a", "b", "c", "d"]
    assert [item.verdicts[0].correct for item in judged] == [True, True, False, True]
    assert [e.id for e in predictor.seen] == ["b", "d"]
    assert [p.example_id for p in recorded] == ["b", "d"]


@pytest.mark.parametrize("made", [[], [Prediction("another", "SELECT 1")]])
def test_a_predictor_that_loses_its_place_is_stopped(find: Find, made: list[Prediction]) -> None:
    lost = SimpleNamespace(name="lost", predict=lambda examples: iter(made))
    with pytest.raises(ModelError, match="'a' was due"):
        evaluate([example("a")], lost, [ExecutionAccuracy()], find)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
LIMITS = Limits(timeout_s=0.2)


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
