"""The loop: what it asks, what it keeps, and what it does with broken pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from txt2sql.errors import ModelError
from txt2sql.evaluation.evaluate import evaluate, judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Predictor

Find = Callable[[str], Database]
COUNT = "SELECT count(*) FROM shop"


def example(name: str, gold: str = COUNT, db_id: str = "shop") -> Example:
    return Example(name, db_id, f"question {name}", gold, evidence="hint", difficulty="easy")


def test_every_way_to_fail_is_told_from_the_others(find: Find, table_predictor: type) -> None:
    examples = [
        example("wrong"),
        example("none"),
        example("error"),
        example("gold", gold="SELECT town FROM shop"),
        example("ruin", db_id="ruin"),
        example("unknown", db_id="nowhere"),
        example("right"),
    ]
    answers = {"wrong": "SELECT 7", "none": None, "error": "SELECT town FROM shop"}
    predictor = table_predictor({**answers, "gold": COUNT, "right": "SELECT 3"})
    judged = list(judge(examples, predictor, [ExecutionAccuracy()], find))
    assert [item.verdicts[0].outcome for item in judged] == [
        Outcome.WRONG_RESULT,
        Outcome.NO_SQL,
        Outcome.PREDICTION_ERROR,
        Outcome.GOLD_ERROR,
        Outcome.GOLD_ERROR,
        Outcome.GOLD_ERROR,
        Outcome.CORRECT,
    ]
    assert "nowhere" in judged[5].verdicts[0].reason
    assert [e.id for e in predictor.asked] == ["wrong", "none", "error", "gold", "right"]


def test_a_predictor_never_sees_the_gold(find: Find, table_predictor: type) -> None:
    predictor = table_predictor({"a": COUNT})
    asked = replace(example("a"), accepted=("SELECT 3",))
    list(judge([asked], predictor, [ExecutionAccuracy()], find))
    assert predictor.asked == [Example("a", "shop", "question a", evidence="hint")]


def test_finished_examples_are_judged_again_but_not_asked_again(
    find: Find, table_predictor: type
) -> None:
    examples = [example(name) for name in "abcd"]
    predictor = table_predictor({"b": COUNT, "d": COUNT})
    finished = {"a": Prediction("a", COUNT), "c": Prediction("c", "SELECT 9")}
    recorded: list[Prediction] = []
    judged = list(
        judge(
            examples,
            predictor,
            [ExecutionAccuracy()],
            find,
            finished=finished,
            record=recorded.append,
        )
    )
    assert [item.example.id for item in judged] == ["a", "b", "c", "d"]
    assert [item.verdicts[0].correct for item in judged] == [True, True, False, True]
    assert [e.id for e in predictor.asked] == ["b", "d"]
    assert [p.example_id for p in recorded] == ["b", "d"]


class _Mute:
    name = "mute"

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        return iter(())


class _Muddled:
    name = "muddled"

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        return (Prediction("another", "SELECT 1") for _ in examples)


@pytest.mark.parametrize("predictor", [_Mute(), _Muddled()])
def test_a_predictor_that_loses_its_place_is_stopped(find: Find, predictor: Predictor) -> None:
    with pytest.raises(ModelError, match="'a' was due"):
        evaluate([example("a")], predictor, [ExecutionAccuracy()], find)
