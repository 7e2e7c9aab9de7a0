"""A report on a page: Markdown to read, CSV to compute with, and its remarks in words.

>>> shown(Estimate(0.75, 4, 0.3006, 0.9544))
'75.0%  (95% interval 30.1% to 95.4%, n = 4)'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from txt2sql.evaluation.statistics import Estimate

if TYPE_CHECKING:
    from txt2sql.evaluation.report import Report


def as_csv(report: Report) -> str:
    """One line per metric and group: metric, kind (all, difficulty, database), group, mean, n, low, high."""
    import csv
    from io import StringIO

    page = StringIO()
    write = csv.writer(page, lineterminator="\n").writerow
    write(("metric", "kind", "group", "mean", "n", "low", "high"))
    for kind, group, metric, value in _scores(report):
        write((metric, kind, group, value.mean, value.n, value.low, value.high))
    return page.getvalue()


def as_markdown(report: Report, facts: Mapping[str, Any]) -> str:
    """The report as a page: scores, components, outcomes, remarks, then the facts of the run."""
    title = f"{facts.get('model')} on {facts.get('dataset')} {facts.get('split')}"
    tables = [
        _table(
            ("metric", "examples", "mean", "95% interval", "n"),
            [
                (
                    words(metric),
                    group,
                    f"{value.mean:.1%}",
                    f"{value.low:.1%} to {value.high:.1%}",
                    f"{value.n:,}",
                )
                for _, group, metric, value in _scores(report)
            ],
        ),
        _table(
            ("component", "examples", "accuracy", "recall", "F1", "predicted", "gold"),
            [
                (
                    name,
                    group,
                    f"{score.accuracy:.1%}",
                    f"{score.recall:.1%}",
                    f"{score.f1:.1%}",
                    f"{score.predicted:,}",
                    f"{score.gold:,}",
                )
                for group, components in report.components.items()
                for name, score in components.items()
            ],
        ),
        _table(
            ("outcome", "examples"),
            [(words(name), f"{n:,}") for name, n in report.categories.items()],
        ),
        _table(
            ("confidence", "examples", "right", "95% interval"),
            [
                (
                    f"{level.low:.0%} to {level.high:.0%}",
                    f"{level.right.n:,}",
                    f"{level.right.mean:.1%}",
                    f"{level.right.low:.1%} to {level.right.high:.1%}",
                )
                for level in (report.calibration.levels if report.calibration else ())
            ],
        ),
    ]
    remarks_and_facts = [
        *(f"- {name}: {text}" for name, text in remarks(report).items()),
        *(f"- {name}: {_short(value)}" for name, value in facts.items()),
    ]
    parts = [f"# {title}", f"Mode: {report.mode}.", *filter(None, tables)]
    return "\n\n".join([*parts, "\n".join(remarks_and_facts)]) + "\n"


def remarks(report: Report) -> dict[str, str]:
    """What qualifies the scores and what they cost, each in a few words."""
    found = {}
    if (empty := report.empty_gold) and empty.n:
        found["empty gold results"] = (
            f"{empty.n:,} examples, {empty.share:.1%}; without them {shown(empty.without)}"
        )
    if other := report.other_mode:
        found[f"in {other.mode} mode"] = (
            f"{shown(other.accuracy)}; {other.only_there:,} correct only there, "
            f"{other.only_here:,} only here"
        )
    if sure := report.calibration:
        found["calibration"] = f"confidence is {sure.error * 100:.1f} points off in the mean" + (
            ""
            if sure.auc is None
            else f"; a right answer is surer than a wrong one in {sure.auc:.1%}"
        )
    times = report.efficiency
    if times.median is not None and times.p95 is not None:
        found["speed"] = (
            f"{times.examples_per_second:.2f} examples per second, "
            f"median {times.median:.3f} s, 95th percentile {times.p95:.3f} s"
        )
    if tokens := report.tokens:
        found["tokens"] = (
            f"{tokens.prompt:,} read, {tokens.completion:,} written, {tokens.per_query:,.0f} per query"
        )
    if cost := report.spending:
        found["cost"] = (
            f"${cost.total:.4g} in all, ${cost.per_query:.3g} per query, "
            f"${cost.per_1000:.3g} per 1,000 queries"
        )
    return found


def shown(value: Estimate) -> str:
    """A mean as it must always be shown: with its interval and n."""
    return f"{value.mean:.1%}  (95% interval {value.low:.1%} to {value.high:.1%}, n = {value.n:,})"


def words(name: str) -> str:
    """A name with blanks: exact match."""
    return name.replace("_", " ")


def _scores(report: Report) -> Iterator[tuple[str, str, str, Estimate]]:
    """(kind, group, metric, estimate), kind being all, difficulty or database."""
    kinds = {
        "all": {"all": report.metrics},
        "difficulty": report.by_difficulty,
        "database": report.by_database,
    }
    for kind, groups in kinds.items():
        for group, values in groups.items():
            for metric, value in values.items():
                yield kind, group, metric, value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; nothing without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        items = [f"{key} {_short(item)}" for key, item in value.items()]
        return ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
    text = str(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text
