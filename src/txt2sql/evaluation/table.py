"""The results table: models and strategies against each other, in accuracy, time and money.

One row per model, strategy and data set: exact match (EM) and execution accuracy (EX) with their 95%
intervals and n, median time of a question, dollars per 1,000 questions. A cell without a number says
why ("no key", "not trained here"); no expected or quoted number ever stands in its place. On WikiSQL,
EM is logical-form accuracy, its own exact match.

>>> row = TableRow("spider dev", "gpt-4", "zero-shot", missing={name: "no key" for name in CELLS})
>>> print(as_markdown([row]).splitlines()[4])
| gpt-4 | zero-shot | no key | no key | no key | no key | |
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO
from itertools import groupby
from typing import Any

from txt2sql import costs
from txt2sql.evaluation.statistics import Estimate

CELLS = ("EM", "EX", "time", "cost")
_EXACT = ("exact_match", "logical_form_accuracy")
_EXECUTION = ("execution_accuracy", "wikisql_execution_accuracy")
_HEAD = ("model", "strategy", "EM", "EX", "time", "cost / 1,000", "n")
_NO_NUMBER = ""


@dataclass(frozen=True, slots=True)
class TableRow:
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

    @property
    def n(self) -> int:
        """Questions that EX is over."""
        return self.execution.n if self.execution else 0


def from_report(
    report: Mapping[str, Any],
    data: str,
    model: str,
    strategy: str,
    *,
    hourly: Mapping[str, float] = costs.HOURLY,
    source: str = "measured",
) -> TableRow:
    """The row of a report.json.

    Without a cost of its own, as hosted models have, the model ran here: its seconds are paid for at
    the hourly price of the hardware, all of them, those of votes and searches included.
    """
    execution = _estimate(report, _EXECUTION)
    exact = _estimate(report, _EXACT)
    if not any(value and value.n for value in (execution, exact)):
        gone = sum((report.get("unanswered") or {}).values())
        nothing = dict.fromkeys(CELLS, "no answers")
        return TableRow(data, model, strategy, missing=nothing, unanswered=gone, source=source)
    seconds = (report.get("seconds") or {}).get("median")
    per_1000, why = _cost(report, hourly)
    missing = {}
    if exact is None:
        missing["EM"] = "not measured"
    if execution is None:
        missing["EX"] = "not measured"
    if seconds is None:
        missing["time"] = "not published" if source == "published" else "no times"
    if per_1000 is None:
        missing["cost"] = "not published" if source == "published" else why
    return TableRow(
        data,
        model,
        strategy,
        exact,
        execution,
        seconds,
        per_1000,
        missing,
        sum((report.get("unanswered") or {}).values()),
        str(report.get("mode", "")),
        source,
        {
            level: found
            for level, values in (report.get("by_difficulty") or {}).items()
            if (found := _estimate({"metrics": values}, _EXECUTION))
        },
        {
            "run": report.get("run"),
            "commit": report.get("commit"),
            "tokens": report.get("tokens"),
            "dollars_per_hour": costs.per_hour(report.get("hardware") or {}, hourly),
            "seconds": report.get("seconds"),
            "questions": report.get("questions"),
            "simulations": report.get("search"),
        },
    )


def _estimate(report: Mapping[str, Any], names: Sequence[str]) -> Estimate | None:
    metrics = report.get("metrics") or {}
    found = next((metrics[name] for name in names if name in metrics), None)
    return Estimate(**found) if found else None


def _cost(report: Mapping[str, Any], hourly: Mapping[str, float]) -> tuple[float | None, str]:
    if report.get("cost"):
        return float(report["cost"]["per_1000"]), ""
    if report.get("route"):
        return None, "no price"
    each = (report.get("seconds") or {}).get("total")
    judged = sum((report.get("outcomes") or {}).values())
    price = costs.per_hour(report.get("hardware") or {}, hourly)
    if not each or not judged:
        return None, "no times"
    if price is None:
        return None, "no hourly price"
    return 1000 * costs.of_seconds(each / judged, price), ""


def ordered(rows: Iterable[TableRow]) -> list[TableRow]:
    """By data set in the order given, then the most accurate first, rows without numbers last."""
    rows = list(rows)
    datas = list(dict.fromkeys(row.data for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            datas.index(row.data),
            row.execution is None,
            -(row.execution.mean if row.execution else 0.0),
        ),
    )


# ------------------------------------------------------------------------------------- for people


def as_markdown(rows: Sequence[TableRow], remarks: Sequence[str] = ()) -> str:
    """One table per data set, then the remarks."""
    parts = []
    for data, group in groupby(rows, key=lambda row: row.data):
        lines = [_HEAD, ["---"] * 2 + ["---:"] * (len(_HEAD) - 2), *map(_texts, group)]
        table = "\n".join(
            "| " + " ".join(f"{cell.replace('|', chr(92) + '|')} |".lstrip() for cell in line)
            for line in lines
        )
        parts.append(f"### {data}\n\n{table}")
    if remarks:
        parts.append("\n".join(f"- {remark}" for remark in remarks))
    return "\n\n".join(parts) + "\n"


def as_latex(rows: Sequence[TableRow], caption: str = "") -> str:
    """A booktabs table over all data sets."""
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\begin{tabular}{llrrrrr}",
        r"\toprule",
        "model & strategy & EM & EX & time & cost / 1,000 & $n$ \\\\",
    ]
    for data, group in groupby(rows, key=lambda row: row.data):
        lines += [r"\midrule", rf"\multicolumn{{7}}{{l}}{{\emph{{{_tex(data)}}}}} \\"]
        lines += [" & ".join(map(_tex, _texts(row))) + r" \\" for row in group]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if caption:
        lines.append(rf"\caption{{{_tex(caption)}}}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(char, char) for char in text)


def _texts(row: TableRow) -> list[str]:
    """The cells of a row, as they are printed."""
    asked = f"{row.n:,}" if row.n else _NO_NUMBER
    if row.unanswered:
        asked += f" of {row.n + row.unanswered:,}"
    return [
        row.model,
        row.strategy,
        _share(row.exact) or row.missing.get("EM", _NO_NUMBER),
        _share(row.execution) or row.missing.get("EX", _NO_NUMBER),
        _time(row.seconds) or row.missing.get("time", _NO_NUMBER),
        _dollars(row.per_1000) or row.missing.get("cost", _NO_NUMBER),
        asked,
    ]


def _share(value: Estimate | None) -> str:
    if value is None:
        return ""
    return f"{value.mean * 100:.1f} ({value.low * 100:.1f} to {value.high * 100:.1f})"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def _dollars(amount: float | None) -> str:
    if amount is None:
        return ""
    if amount == 0:
        return "$0"
    return f"${amount:,.2f}" if amount >= 0.1 else f"${amount:.2g}"


# ----------------------------------------------------------------------------------- for programs


def as_csv(rows: Sequence[TableRow]) -> str:
    """One line per row, every number on its own; means and ends of intervals between 0 and 1."""
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    ends = ("", "_low", "_high")
    writer.writerow(
        ["data", "model", "strategy", "n", "unanswered"]
        + [f"{name}{end}" for name in ("exact_match", "execution_accuracy") for end in ends]
        + ["seconds", "dollars_per_1000", "mode", "source", "missing"]
    )
    for row in rows:
        shares = [
            number
            for value in (row.exact, row.execution)
            for number in ((value.mean, value.low, value.high) if value else ("", "", ""))
        ]
        why = "; ".join(f"{name}: {reason}" for name, reason in row.missing.items())
        writer.writerow(
            [
                *(row.data, row.model, row.strategy, row.n, row.unanswered, *shares),
                "" if row.seconds is None else row.seconds,
                "" if row.per_1000 is None else row.per_1000,
                *(row.mode, row.source, why),
            ]
        )
    return page.getvalue()


def as_json(rows: Sequence[TableRow], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the comparison and every row with all that is known of it."""
    return {**facts, "rows": list(_objects(rows))}


def _objects(rows: Sequence[TableRow]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {
            **asdict(row),
            "exact": row.exact and row.exact._asdict(),
            "execution": row.execution and row.execution._asdict(),
            "by_difficulty": {name: value._asdict() for name, value in row.by_difficulty.items()},
        }


def dumps(rows: Sequence[TableRow], facts: Mapping[str, Any]) -> str:
    """`as_json` as text."""
    return json.dumps(as_json(rows, facts), indent=2) + "\n"
