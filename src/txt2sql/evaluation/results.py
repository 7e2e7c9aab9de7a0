"""The results table: models and strategies against each other, in accuracy, time and money.

A cell without a number says why ("no key", "not trained here"). On WikiSQL, EM is logical-form
accuracy, its own exact match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from txt2sql import costs
from txt2sql.evaluation.report import plain
from txt2sql.evaluation.statistics import Estimate
from txt2sql.evaluation.table import Column, Table

CELLS = ("EM", "EX", "time", "cost")
_EXACT = ("exact_match", "logical_form_accuracy")
_EXECUTION = ("execution_accuracy", "wikisql_execution_accuracy")


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One model with one strategy on one data set. `missing` says, by name in CELLS, why there is no
    number; `seconds` is the median of a question, `per_1000` dollars; `source` is who predicted."""

    data: str
    model: str
    strategy: str
    exact: Estimate | None = None
    execution: Estimate | None = None
    seconds: float | None = None
    per_1000: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    unanswered: int = 0
    mode: str = ""
    source: str = "measured"
    by_difficulty: Mapping[str, Estimate] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What it was made with: run, commit, tokens, dollars of an hour, simulations of a search."""

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = plain(asdict(self))
        return row


def as_table(rows: Sequence[ResultRow]) -> Table:
    columns = [
        *map(Column, ("data", "model", "strategy", "EM", "EX")),
        Column("time", lambda s: f"{s * 1000:,.0f} ms" if s < 10 else f"{s:,.1f} s"),
        Column("cost / 1,000", lambda d: f"${d:,.2f}" if d >= 0.1 or not d else f"${d:.2g}"),
        *map(Column, ("n", "unanswered")),
    ]
    lines = []
    for row in rows:
        values = zip(CELLS, (row.exact, row.execution, row.seconds, row.per_1000), strict=True)
        cells = [row.missing.get(name, "") if value is None else value for name, value in values]
        n = row.execution.n or None if row.execution else None
        lines.append((row.data, row.model, row.strategy, *cells, n, row.unanswered))
    return Table(columns, lines)


def from_report(
    report: Mapping[str, Any],
    data: str,
    model: str,
    strategy: str,
    *,
    hourly: Mapping[str, float] = costs.HOURLY,
    source: str = "measured",
) -> ResultRow:
    """The row of a report.json. Without a cost of its own, as hosted models have, the model ran
    here: its seconds are paid for at the hourly price of the hardware, all of them, those of votes
    and searches included."""
    metrics, times = report.get("metrics") or {}, report.get("seconds") or {}
    execution, exact = _estimate(metrics, _EXECUTION), _estimate(metrics, _EXACT)
    price = costs.per_hour(report.get("hardware") or {}, hourly)
    per_1000, no_cost = _cost(report, price)
    elsewhere = "not published" if source == "published" else ""
    seconds = times.get("median")
    reasons = ["not measured", "not measured", elsewhere or "no times", elsewhere or no_cost]
    if not any(value and value.n for value in (execution, exact)):
        exact = execution = seconds = per_1000 = None
        reasons = ["no answers"] * len(CELLS)
    values = (exact, execution, seconds, per_1000)
    missing = {cell: why for cell, value, why in zip(CELLS, values, reasons) if value is None}
    levels = (report.get("by_difficulty") or {}).items()
    facts = {name: report.get(name) for name in ("run", "commit", "tokens", "seconds", "questions")}
    return ResultRow(
        data,
        model,
        strategy,
        exact,
        execution,
        seconds,
        per_1000,
        missing=missing,
        unanswered=sum((report.get("unanswered") or {}).values()),
        mode=str(report.get("mode", "")),
        source=source,
        by_difficulty={k: each for k, of in levels if (each := _estimate(of, _EXECUTION))},
        facts={**facts, "dollars_per_hour": price, "simulations": report.get("search")},
    )


def _estimate(metrics: Mapping[str, Any], names: Sequence[str]) -> Estimate | None:
    value = next((metrics[name] for name in names if name in metrics), None)
    return Estimate(**value) if value else None


def _cost(report: Mapping[str, Any], price: float | None) -> tuple[float | None, str]:
    if report.get("cost"):
        return float(report["cost"]["per_1000"]), ""
    if report.get("route"):
        return None, "no price"
    seconds = (report.get("seconds") or {}).get("total")
    judged = sum((report.get("outcomes") or {}).values())
    if not seconds or not judged:
        return None, "no times"
    if price is None:
        return None, "no hourly price"
    return 1000 * costs.of_seconds(seconds / judged, price), ""


def ordered(rows: Iterable[ResultRow]) -> list[ResultRow]:
    """By data set in the order given, then the most accurate first, rows without numbers last."""
    rows = list(rows)
    datas = list(dict.fromkeys(row.data for row in rows))
    return sorted(
        rows,
        key=lambda row: (datas.index(row.data), -(row.execution.mean if row.execution else -1.0)),
    )
