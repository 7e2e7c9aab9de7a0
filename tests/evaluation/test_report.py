"""Reports: the JSON contract, and what a person reads."""

from __future__ import annotations

import json

from txt2sql.evaluation.report import Judged, as_json, as_markdown, summarise
from txt2sql.evaluation.statistics import wilson
from txt2sql.types import Example, Outcome, Prediction, Verdict


def item(
    name: str, outcome: Outcome, difficulty: str | None = None, seconds: float = 0.5
) -> Judged:
    score = 1.0 if outcome is Outcome.CORRECT else 0.0
    return Judged(
        Example(name, "shop", "?", difficulty=difficulty),
        Prediction(name, "SELECT 1", seconds=seconds),
        (Verdict(name, "execution_accuracy", outcome, score),),
    )


JUDGED = [
    item("a", Outcome.WRONG_RESULT, "hard"),
    item("b", Outcome.CORRECT, "easy"),
    item("c", Outcome.TIMEOUT, "odd", 2.0),
    item("d", Outcome.GOLD_ERROR, "easy"),
    item("e", Outcome.CORRECT, "medium"),
]


def test_json_keeps_the_contract() -> None:
    result = json.loads(json.dumps(as_json(summarise(JUDGED), {"model": "m", "split": "dev"})))
    expected = wilson(2, 4)
    assert result["metrics"]["execution_accuracy"] == {
        "mean": 0.5,
        "n": 4,
        "low": expected.low,
        "high": expected.high,
    }
    assert result["mode"] == "strict"
    assert result["outcomes"] == {
        "correct": 2,
        "wrong_result": 1,
        "prediction_error": 0,
        "timeout": 1,
        "no_sql": 0,
        "gold_error": 1,
    }
    assert set(result["seconds"]) == {"median", "p95", "total"}
    assert result["seconds"]["total"] == 4.0
    assert result["examples_per_second"] == 1.25
    assert (result["model"], result["split"]) == ("m", "dev")


def test_difficulties_are_told_apart_and_in_their_order() -> None:
    by_difficulty = summarise(JUDGED).by_difficulty
    assert list(by_difficulty) == ["easy", "medium", "hard", "odd"]
    assert {name: v["execution_accuracy"].mean for name, v in by_difficulty.items()} == {
        "easy": 1.0,
        "medium": 1.0,
        "hard": 0.0,
        "odd": 0.0,
    }
    assert by_difficulty["easy"]["execution_accuracy"].n == 1


def test_unknown_difficulties_make_no_table() -> None:
    assert summarise([item("a", Outcome.CORRECT)]).by_difficulty == {}


def test_without_times_there_is_no_speed() -> None:
    result = as_json(summarise([item("a", Outcome.CORRECT, seconds=0.0)]), {})
    assert result["seconds"] == {"median": None, "p95": None, "total": None}
    assert "per second" not in as_markdown(summarise([item("a", Outcome.CORRECT, seconds=0)]), {})


def test_markdown_never_shows_a_mean_without_n_and_interval() -> None:
    page = as_markdown(summarise(JUDGED), {"model": "m", "dataset": "shop", "split": "dev"})
    assert page.startswith("# m on shop dev\n")
    scores = [line for line in page.splitlines() if line.startswith("| execution accuracy")]
    assert len(scores) == 5
    assert "| execution accuracy | all | 50.0% | 15.0% to 85.0% | 4 |" in scores
    assert "| wrong result | 1 |" in page
    assert "prediction error" not in page
