"""The results table: rows without numbers first, then what a report comes to."""

from __future__ import annotations

import csv
import doctest
import json
from io import StringIO
from typing import Any

import pytest

from txt2sql.evaluation import table
from txt2sql.evaluation.statistics import wilson
from txt2sql.evaluation.table import (
    CELLS,
    TableRow,
    as_csv,
    as_latex,
    as_markdown,
    dumps,
    from_report,
    ordered,
)

VALUE = wilson(3, 4)._asdict()
REPORT: dict[str, Any] = {
    "metrics": {"execution_accuracy": VALUE, "exact_match": wilson(1, 4)._asdict()},
    "by_difficulty": {"easy": {"execution_accuracy": VALUE}, "hard": {}},
    "outcomes": {"correct": 3, "wrong_result": 1},
    "seconds": {"median": 0.045, "total": 3.6},
    "hardware": {"cores": 2, "gpus": []},
    "mode": "strict",
}


def row(report: dict[str, Any], **others: Any) -> TableRow:
    return from_report(report, "spider dev", "small", "greedy", **others)


def nothing(model: str, why: str, data: str = "spider dev") -> TableRow:
    return TableRow(data, model, "zero-shot", missing=dict.fromkeys(CELLS, why))


@pytest.mark.parametrize(
    ("change", "cell", "why"),
    [
        ({"seconds": {"median": None, "total": None}}, "time", "no times"),
        ({"seconds": {"median": None, "total": None}}, "cost", "no times"),
        ({"hardware": {"gpus": ["Some Accelerator"]}}, "cost", "no hourly price"),
        ({"route": "openai/x", "cost": None}, "cost", "no price"),
        ({"metrics": {"execution_accuracy": VALUE}}, "EM", "not measured"),
        ({"metrics": {"exact_match": VALUE}}, "EX", "not measured"),
        ({"metrics": {"execution_accuracy": wilson(0, 0)._asdict()}}, "EX", "no answers"),
    ],
)
def test_a_cell_without_a_number_says_why(change: dict[str, Any], cell: str, why: str) -> None:
    found = row({**REPORT, **change})
    assert found.missing[cell] == why
    assert why in as_markdown([found])


def test_no_answers_are_no_accuracy_of_zero() -> None:
    found = row({**REPORT, "metrics": {"execution_accuracy": wilson(0, 0)._asdict()}})
    assert found.execution is None and found.exact is None
    assert "0.0" not in as_markdown([found])


def test_published_predictions_have_neither_time_nor_cost() -> None:
    report = {**REPORT, "seconds": {"median": None, "total": None}}
    found = row(report, source="published")
    assert found.missing == {"time": "not published", "cost": "not published"}
    assert found.execution == wilson(3, 4)


def test_local_models_cost_all_of_their_seconds() -> None:
    found = row(REPORT, hourly={"cpu core": 0.5})
    assert found.per_1000 == pytest.approx(1000 * (3.6 / 4) * 1.0 / 3600)
    assert found.missing == {}
    assert found.facts["dollars_per_hour"] == 1.0


def test_hosted_models_cost_what_they_charged() -> None:
    found = row({**REPORT, "route": "openai/x", "cost": {"per_1000": 1.75}})
    assert found.per_1000 == 1.75
    assert row({**REPORT, "cost": {"per_1000": 0.0}}).per_1000 == 0.0


def test_wikisql_shows_logical_forms_as_exact_match() -> None:
    forms = {"wikisql_execution_accuracy": VALUE, "logical_form_accuracy": wilson(2, 4)._asdict()}
    found = row({**REPORT, "metrics": forms})
    assert found.exact == wilson(2, 4)
    assert found.execution == wilson(3, 4)


def test_the_most_accurate_comes_first_and_rows_without_numbers_last() -> None:
    weak = row({**REPORT, "metrics": {"execution_accuracy": wilson(1, 4)._asdict()}})
    rows = [nothing("b", "no key"), weak, nothing("z", "no key", "wikisql dev"), row(REPORT)]
    assert [r.execution.mean if r.execution else None for r in ordered(rows)] == [
        0.75,
        0.25,
        None,
        None,
    ]
    assert [r.data for r in ordered(rows)][-1] == "wikisql dev"


def test_no_accuracy_stands_without_interval_and_n() -> None:
    page = as_markdown([row({**REPORT, "unanswered": {"timeout": 6}}), nothing("gpt|4", "no key")])
    lines = page.splitlines()
    assert lines[4] == (
        "| small | greedy | 25.0 (4.6 to 69.9) | 75.0 (30.1 to 95.4) | 45 ms | $0.025 | 4 of 10 |"
    )
    assert lines[5] == "| gpt\\|4 | zero-shot | no key | no key | no key | no key | |"


def test_latex_escapes_what_it_must() -> None:
    page = as_latex([row(REPORT), nothing("a_b & 5%", "no key")], "50% of $3")
    assert r"a\_b \& 5\%" in page
    assert r"\caption{50\% of \$3}" in page
    assert page.count(r"\\") == 4
    assert page.count(" & ") == 3 * 6


def test_csv_and_json_hold_every_number() -> None:
    rows = [row(REPORT), nothing("gpt-4", "no key")]
    lines = list(csv.DictReader(StringIO(as_csv(rows))))
    assert float(lines[0]["execution_accuracy_low"]) == wilson(3, 4).low
    assert lines[1]["execution_accuracy"] == ""
    assert lines[1]["missing"].count("no key") == 4
    tree = json.loads(dumps(rows, {"mode": "strict"}))
    assert tree["mode"] == "strict"
    assert tree["rows"][0]["execution"] == VALUE
    assert tree["rows"][0]["by_difficulty"] == {"easy": VALUE}
    assert tree["rows"][1]["execution"] is None


def test_the_example_of_the_module_holds() -> None:
    assert doctest.testmod(table).failed == 0
