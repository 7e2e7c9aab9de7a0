"""The loop: what it asks, what it keeps, and what it does with broken pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from txt2sql.errors import ModelError
from txt2sql.evaluation.evaluate import evaluate, judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Turn

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
