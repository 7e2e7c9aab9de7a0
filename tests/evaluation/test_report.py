"""Reports: the JSON contract, what a person reads, and one row per example."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any

import pytest

from txt2sql.evaluation.report import (
    EmptyGold,
    OtherMode,
    Report,
    Spending,
    Tokens,
    as_csv,
    as_json,
    as_markdown,
    efficiency,
    spending,
    summarise,
    token_use,
)
from txt2sql.evaluation.statistics import wilson
from txt2sql.evaluation.verdicts import Judged
from txt2sql.types import Example, Outcome, Prediction, Verdict


def verdict(
    outcome: Outcome,
    metric: str = "execution_accuracy",
    details: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Verdict:
    score = 1.0 if outcome is Outcome.CORRECT else 0.0
    return Verdict("?", metric, outcome, score, reason, details)


def item(
    name: str,
    *verdicts: Verdict | Outcome,
    difficulty: str | None = None,
    seconds: float = 0.5,
    db_id: str = "shop",
    confidence: float | None = None,
) -> Judged:
    return Judged(
        Example(name, db_id, "?", "SELECT 2", difficulty=difficulty),
        Prediction(name, "SELECT 1", seconds=seconds, confidence=confidence),
        tuple(verdict(v) if isinstance(v, Outcome) else v for v in verdicts),
    )


JUDGED = [
    item("a", Outcome.WRONG_RESULT, difficulty="hard"),
    item("b", Outcome.CORRECT, difficulty="easy"),
    item("c", Outcome.TIMEOUT, difficulty="odd", seconds=2.0, db_id="zoo"),
    item("d", Outcome.GOLD_ERROR, difficulty="easy"),
    item("e", Outcome.CORRECT, difficulty="medium", db_id="farm"),
]


def printed(report: Report) -> Any:
    """The JSON of a report after a round trip through text."""
    return json.loads(json.dumps(as_json(report, {"model": "m", "split": "dev"})))


# ---------------------------------------------------------------------------------------- summaries


def test_json_keeps_the_contract() -> None:
    result = printed(summarise(JUDGED))
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
    assert (result["tokens"], result["cost"]) == (None, None)
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


def test_empty_gold_results_are_counted_and_set_aside() -> None:
    report = summarise(
        [
            item("a", verdict(Outcome.CORRECT, details={"empty": True})),
            item("b", verdict(Outcome.CORRECT)),
            item("c", verdict(Outcome.WRONG_RESULT, details={"empty": False})),
            item("d", verdict(Outcome.GOLD_ERROR, details={"empty": True})),
        ]
    )
    assert report.empty_gold == EmptyGold(1, 1 / 3, wilson(1, 2))
    assert summarise(JUDGED).empty_gold is None
    assert printed(report)["empty_gold"]["without"]["mean"] == 0.5


def test_modes_are_compared_verdict_by_verdict() -> None:
    def other(correct: bool) -> dict[str, Any]:
        return {"other_mode": {"mode": "strict", "correct": correct}}

    judged = [
        item("a", verdict(Outcome.CORRECT, details=other(False))),
        item("b", verdict(Outcome.CORRECT, details=other(False))),
        item("c", verdict(Outcome.WRONG_RESULT, details=other(True))),
        item("d", verdict(Outcome.CORRECT, details=other(True))),
        item("e", verdict(Outcome.NO_SQL)),  # the same in every mode
    ]
    report = summarise(judged, mode="official")
    assert report.other_mode == OtherMode("strict", wilson(2, 5), only_here=2, only_there=1)
    assert printed(report)["other_mode"] | {"low": 0, "high": 0} == {
        "mode": "strict",
        "mean": 0.4,
        "n": 5,
        "low": 0,
        "high": 0,
        "only_here": 2,
        "only_there": 1,
    }
    page = as_markdown(report, {})
    assert "1 correct only there, 2 only here" in page
    assert summarise(JUDGED).other_mode is None


def test_confidence_is_held_against_what_is_right() -> None:
    report = summarise(
        [
            item("a", Outcome.CORRECT, confidence=0.9),
            item("b", Outcome.WRONG_RESULT, confidence=0.9),
            item("c", Outcome.GOLD_ERROR, confidence=0.9),
            item("d", Outcome.TIMEOUT, confidence=0.1),
            item("e", Outcome.CORRECT),
        ]
    )
    result = printed(report)["calibration"]
    assert [(level["accuracy"]["mean"], level["accuracy"]["n"]) for level in result["levels"]] == [
        (0.0, 1),
        (0.5, 2),
    ]
    assert result["error"] == pytest.approx((0.1 + 2 * 0.4) / 3)
    assert result["coverage"]["50%"] == wilson(1, 2)._asdict()
    assert set(result) == {"levels", "error", "auc", "coverage", "risk_area", "curve"}
    page = as_markdown(report, {})
    assert "| 80% to 100% | 90.0% | 50.0% (9.5 to 90.5) | 2 |" in page
    assert "a right answer has more than a wrong one in 75.0%" in page
    assert (
        "- selective: 50% most confident: 50.0%  (95% interval 9.5% to 90.5%, n = 2); 80%" in page
    )
    assert summarise(JUDGED).calibration is None


def test_components_are_summed_up_for_all_and_each_difficulty() -> None:
    def partial(score: int) -> dict[str, Any]:
        scores = {"acc": score, "rec": score, "f1": score, "label_total": 1, "pred_total": 1}
        return {"partial": {"select": scores}}

    def match(score: int, outcome: Outcome = Outcome.WRONG_RESULT) -> Verdict:
        return Verdict("?", "component_match", outcome, 0.5, "", partial(score))

    report = summarise(
        [
            item("a", match(1), difficulty="easy"),
            item("b", match(0), difficulty="hard"),
            item("c", match(0, Outcome.GOLD_ERROR), difficulty="hard"),
            item("d", match(1)),
        ]
    )
    assert list(report.components) == ["all", "easy", "hard"]
    assert report.components["all"]["select"].accuracy == pytest.approx(2 / 3)
    assert printed(report)["components"]["easy"]["select"]["f1"] == 1.0
    assert report.components["hard"]["select"].predicted == 1
    assert "| select | easy | 100.0% | 100.0% | 100.0% | 1 | 1 |" in as_markdown(report, {})


# -------------------------------------------------------------------------------------------- pages


def test_markdown_never_shows_a_mean_without_n_and_interval() -> None:
    page = as_markdown(summarise(JUDGED), {"model": "m", "dataset": "shop", "split": "dev"})
    assert page.startswith("# m on shop dev\n\nMode: strict.\n")
    scores = [line for line in page.splitlines() if line.startswith("| execution accuracy")]
    assert len(scores) == 1 + 4 + 3
    assert "| execution accuracy | all | all | 50.0% (15.0 to 85.0) | 4 |" in scores
    assert "| wrong result | 1 |" in page
    assert "prediction error" not in page


def test_what_was_spent_is_in_the_page_and_in_json() -> None:
    spent = Prediction("a", "SELECT 1", seconds=1.0, tokens=(900, 100), cost=0.002)
    report = summarise([JUDGED[0]._replace(prediction=spent), JUDGED[1]])
    result = printed(report)
    assert result["tokens"] == {"prompt": 900, "completion": 100, "per_query": 1000.0, "n": 1}
    assert result["cost"] == {"total": 0.002, "per_query": 0.002, "per_1000": 2.0, "n": 1}
    page = as_markdown(report, {})
    assert "- tokens: 900 read, 100 written, 1,000 per query" in page
    assert "- cost: $0.002 in all, $0.002 per query, $2 per 1,000 queries" in page


def test_csv_has_one_line_per_metric_and_group() -> None:
    rows = list(csv.DictReader(as_csv(summarise(JUDGED)).splitlines()))
    assert [(row["kind"], row["group"]) for row in rows] == [
        ("all", "all"),
        *(("difficulty", name) for name in ("easy", "medium", "hard", "odd")),
        *(("database", name) for name in ("farm", "shop", "zoo")),
    ]
    first = rows[0]
    assert (first["metric"], float(first["mean"]), int(first["n"])) == (
        "execution_accuracy",
        0.5,
        4,
    )
    assert float(first["mean_low"]) == wilson(2, 4).low


# --------------------------------------------------------------------------------- times and costs


@pytest.mark.parametrize("count", [0, 3])
def test_predictions_without_times_have_no_speed(count: int) -> None:
    times = efficiency([Prediction(str(i), None) for i in range(count)])
    assert (times.median, times.p95, times.total, times.examples_per_second) == (None,) * 4


def test_throughput_is_examples_over_total() -> None:
    times = efficiency([Prediction(str(i), None, seconds=i / 10) for i in range(1, 21)])
    assert times.total == pytest.approx(21.0)
    assert times.examples_per_second == pytest.approx(20 / 21)
    assert times.median == pytest.approx(1.05)
    assert times.p95 == pytest.approx(1.905)


def test_predictions_that_count_nothing_have_no_tokens_and_no_cost() -> None:
    silent = [Prediction("a", None), Prediction("b", "SELECT 1")]
    assert token_use(silent) is None
    assert spending(silent) is None
    assert token_use([]) is spending([]) is None


def test_tokens_and_dollars_are_shared_among_those_that_count_them() -> None:
    mixed = [
        Prediction("a", None, tokens=(100, 20), cost=0.25),
        Prediction("b", None, tokens=(50, 10), cost=0.0),
        Prediction("c", None),
    ]
    assert token_use(mixed) == Tokens(150, 30, 90.0, 2)
    assert spending(mixed) == Spending(0.25, 0.125, 125.0, 2)
