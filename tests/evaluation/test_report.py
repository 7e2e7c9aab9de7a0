"""Reports: the JSON contract, what a person reads, and one row per example."""

from __future__ import annotations

import json
from typing import Any

import pytest

from txt2sql.evaluation.report import Report, as_json, as_markdown, summarise
from txt2sql.evaluation.statistics import wilson
from txt2sql.evaluation.verdicts import Judged
from txt2sql.types import Example, Outcome, Prediction, Verdict

CORRECT, WRONG, GOLD_ERROR = Outcome.CORRECT, Outcome.WRONG_RESULT, Outcome.GOLD_ERROR


def item(
    name: str,
    outcome: Outcome,
    difficulty: str | None = None,
    db_id: str = "shop",
    metric: str = "execution_accuracy",
    details: dict[str, Any] | None = None,
    **made: Any,
) -> Judged:
    return Judged(
        Example(name, db_id, "?", "SELECT 2", difficulty=difficulty),
        Prediction(name, "SELECT 1", **{"seconds": 0.5, **made}),
        (Verdict("?", metric, outcome, float(outcome is CORRECT), "", details),),
    )


JUDGED = [
    item("a", WRONG, "hard"),
    item("b", CORRECT, "easy"),
    item("c", Outcome.TIMEOUT, "odd", "zoo", seconds=2.0),
    item("d", GOLD_ERROR, "easy"),
    item("e", CORRECT, "medium", "farm"),
]


def printed(report: Report) -> Any:
    return json.loads(json.dumps(as_json(report, {"model": "m", "split": "dev"})))


def test_json_keeps_the_contract() -> None:
    report = summarise(JUDGED)
    result = printed(report)
    assert result["metrics"]["execution_accuracy"] == wilson(2, 4)._asdict()
    counts = {"correct": 2, "wrong_result": 1, "timeout": 1, "gold_error": 1}
    assert result["outcomes"] == {"prediction_error": 0, "no_sql": 0, **counts}
    assert set(result["seconds"]) == {"median", "p95", "total"}
    assert (result["seconds"]["total"], result["examples_per_second"]) == (4.0, 1.25)
    assert (result["mode"], result["model"], result["split"]) == ("strict", "m", "dev")
    unknown = ("tokens", "cost", "empty_gold", "other_mode", "calibration")
    assert [result[name] for name in unknown] == [None] * 5


def test_modes_are_compared_verdict_by_verdict() -> None:
    pairs = [(CORRECT, False), (CORRECT, False), (WRONG, True), (CORRECT, True)]
    judged = [
        item(str(i), outcome, details={"other_mode": {"mode": "strict", "correct": there}})
        for i, (outcome, there) in enumerate(pairs)
    ]
    judged.append(item("e", Outcome.NO_SQL))  # the same in every mode
    report = summarise(judged, mode="official")
    changes = {"mode": "strict", "only_here": 2, "only_there": 1}
    assert printed(report)["other_mode"] == {**changes, **wilson(2, 5)._asdict()}
    assert "1 correct only there, 2 only here" in as_markdown(report, {})


def test_confidence_is_held_against_what_is_right() -> None:
    report = summarise(
        [
            item("a", CORRECT, confidence=0.9),
            item("b", WRONG, confidence=0.9),
            item("c", GOLD_ERROR, confidence=0.9),
            item("d", Outcome.TIMEOUT, confidence=0.1),
            item("e", CORRECT),
        ]
    )
    result = printed(report)["calibration"]
    levels = [level["accuracy"] for level in result["levels"]]
    assert levels == [wilson(0, 1)._asdict(), wilson(1, 2)._asdict()]
    assert result["error"] == pytest.approx((0.1 + 2 * 0.4) / 3)
    assert result["coverage"]["50%"] == wilson(1, 2)._asdict()
    assert set(result) == {"levels", "error", "auc", "coverage", "risk_area", "curve"}
    page = as_markdown(report, {})
    assert "| 80% to 100% | 90.0% | 50.0% (9.5 to 90.5) | 2 |" in page
    assert "a right answer has more than a wrong one in 75.0%" in page
    assert "50% most confident: 50.0%  (95% interval 9.5% to 90.5%, n = 2); 80%" in page


def test_components_are_summed_up_for_all_and_each_difficulty() -> None:
    def match(outcome: Outcome, score: int, difficulty: str | None) -> Judged:
        scores = {"acc": score, "rec": score, "f1": score, "label_total": 1, "pred_total": 1}
        details = {"partial": {"select": scores}}
        return item("a", outcome, difficulty, metric="component_match", details=details)

    rows = [(WRONG, 1, "easy"), (WRONG, 0, "hard"), (GOLD_ERROR, 0, "hard"), (WRONG, 1, None)]
    report = summarise([match(*row) for row in rows])
    assert list(report.components) == ["all", "easy", "hard"]
    assert report.components["all"]["select"].accuracy == pytest.approx(2 / 3)
    assert printed(report)["components"]["easy"]["select"]["f1"] == 1.0
    assert report.components["hard"]["select"].predicted == 1
    assert "| select | easy | 100.0% | 100.0% | 100.0% | 1 | 1 |" in as_markdown(report, {})


def test_markdown_never_shows_a_mean_without_n_and_interval() -> None:
    page = as_markdown(summarise(JUDGED), {"model": "m", "dataset": "shop", "split": "dev"})
    assert page.startswith("# m on shop dev\n\nMode: strict.\n")
    assert "| execution accuracy | all | all | 50.0% (15.0 to 85.0) | 4 |" in page
    assert "| wrong result | 1 |" in page and "prediction error" not in page


def test_throughput_is_examples_over_total_and_without_times_there_is_none() -> None:
    report = printed(summarise([item(str(i), WRONG, seconds=i / 10) for i in range(1, 21)]))
    assert report["seconds"] == pytest.approx({"median": 1.05, "p95": 1.905, "total": 21.0})
    assert report["examples_per_second"] == pytest.approx(20 / 21)
    for silent in ([], [item("a", WRONG, seconds=0.0)]):
        report = printed(summarise(silent))
        assert report["seconds"] == dict.fromkeys(("median", "p95", "total"))
        assert report["examples_per_second"] is None
