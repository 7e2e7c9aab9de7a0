"""The results table and its writer: rows without numbers first, then what a report comes to."""

from __future__ import annotations

from typing import Any

import pytest

from txt2sql.evaluation.results import CELLS, ResultRow, as_table, from_report
from txt2sql.evaluation.statistics import wilson
from txt2sql.evaluation.table import as_markdown, print_table

VALUE = wilson(3, 4)._asdict()
REPORT: dict[str, Any] = {
    "metrics": {"execution_accuracy": VALUE, "exact_match": wilson(1, 4)._asdict()},
    "by_difficulty": {"easy": {"execution_accuracy": VALUE}, "hard": {}},
    "outcomes": {"correct": 3, "wrong_result": 1},
    "seconds": {"median": 0.045, "total": 3.6},
    "hardware": {"cores": 2, "gpus": []},
    "mode": "strict",
}


def row(report: dict[str, Any], **others: Any) -> ResultRow:
    return from_report(report, "spider dev", "small", "greedy", **others)


def nothing(model: str, why: str, data: str = "spider dev") -> ResultRow:
    return ResultRow(data, model, "zero-shot", missing=dict.fromkeys(CELLS, why))


@pytest.mark.parametrize(
    ("change", "cell", "why"),
    [
        ({"seconds": {"median": None, "total": None}}, "cost", "no times"),
        ({"hardware": {"gpus": ["Some Accelerator"]}}, "cost", "no hourly price"),
        ({"route": "openai/x", "cost": None}, "cost", "no price"),
        ({"metrics": {"execution_accuracy": VALUE}}, "EM", "not measured"),
        ({"metrics": {"exact_match": VALUE}}, "EX", "not measured"),
        ({"metrics": {"execution_accuracy": wilson(0, 0)._asdict()}}, "EX", "no answers"),
    ],
)
def test_a_cell_without_a_number_says_why(change: dict[str, Any], cell: str, why: str) -> None:
    result = row({**REPORT, **change})
    assert result.missing[cell] == why
    page = as_markdown(as_table([result]))
    assert why in page and "0.0%" not in page  # no answers are no accuracy of zero


def test_a_row_has_the_price_and_the_metric_of_its_kind_of_run() -> None:
    local = row(REPORT, hourly={"cpu core": 0.5})
    assert local.per_1000 == pytest.approx(1000 * (3.6 / 4) * 1.0 / 3600)
    assert (local.missing, local.facts["dollars_per_hour"]) == ({}, 1.0)
    assert row({**REPORT, "route": "openai/x", "cost": {"per_1000": 1.75}}).per_1000 == 1.75
    assert row({**REPORT, "cost": {"per_1000": 0.0}}).per_1000 == 0.0
    timeless = {**REPORT, "seconds": {"median": None, "total": None}}
    published = row(timeless, source="published")
    assert published.missing == {"time": "not published", "cost": "not published"}
    forms = {"wikisql_execution_accuracy": VALUE, "logical_form_accuracy": wilson(2, 4)._asdict()}
    wikisql = row({**REPORT, "metrics": forms})
    assert (wikisql.execution, wikisql.exact) == (wilson(3, 4), wilson(2, 4))


def test_no_accuracy_stands_without_interval_and_n(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row({**REPORT, "unanswered": {"timeout": 6}}), nothing("gpt|4", "no key")]
    lines = as_markdown(as_table(rows)).splitlines()
    print_table(as_table([*rows, nothing("[bold]gpt", "no key")]), "results")
    text = capsys.readouterr().out
    for word in ("results", "75.0% (30.1 to 95.4)", "45 ms", "[bold]gpt", "no key"):
        assert word in text
    assert lines[2] == (
        "| spider dev | small | greedy | 25.0% (4.6 to 69.9) | 75.0% (30.1 to 95.4) "
        "| 45 ms | $0.025 | 4 | 6 |"
    )
    assert lines[3].startswith("| spider dev | gpt\\|4 | zero-shot | no key | no key |")
