"""The report: what verdicts come to, for each metric, hardness level and database, and how it is shown.

No accuracy without n and a 95% interval. Examples whose gold query or database fails (GOLD_ERROR)
are counted under `outcomes` but left out of every mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

from txt2sql.evaluation import table
from txt2sql.evaluation.calibration import Calibration, calibration
from txt2sql.evaluation.statistics import Estimate, estimate
from txt2sql.evaluation.table import Column, Table
from txt2sql.evaluation.verdicts import CATEGORIES, EXECUTION, Judged, category
from txt2sql.types import Outcome, Verdict

if TYPE_CHECKING:  # the folder of metrics loads what they need; whoever has verdicts has loaded it
    from txt2sql.evaluation.metrics.exact_set_match import ComponentScore

_DIFFICULTIES = ("easy", "medium", "hard", "extra")
_MAX_DATABASES = 300
"""WikiSQL asks a few questions of each of thousands of tables: means over these tell nothing."""

Estimates = Mapping[str, Estimate]  # by metric


class Report(NamedTuple):
    """What an evaluation measured, in the order and under the names of its JSON."""

    mode: str
    metrics: Estimates
    by_difficulty: Mapping[str, Estimates]
    by_database: Mapping[str, Estimates]
    outcomes: Mapping[str, int]
    """Outcome -> number of examples, by execution accuracy, else by the first metric."""
    categories: Mapping[str, int]
    """Category of `verdicts` -> number of examples, for those that occur."""
    components: Mapping[str, Mapping[str, ComponentScore]]
    """"all" and each difficulty -> component -> score; empty without component match."""
    empty_gold: Mapping[str, Any] | None
    """n and share of the examples whose gold result has no rows, so that many a wrong query is right
    by chance, and execution accuracy `without` them."""
    other_mode: Mapping[str, Any] | None
    """Execution accuracy in the mode that the report is not in, and how many are correct only in one."""
    calibration: Calibration | None
    seconds: Mapping[str, float | None]
    """Median, p95 and total of the predictions; None where they carry no times (read from a file)."""
    examples_per_second: float | None
    tokens: Mapping[str, float] | None
    """Read and written, over the `n` predictions that count them."""
    cost: Mapping[str, float] | None
    """Dollars, over the `n` predictions that carry a cost."""


def summarise(judged: Sequence[Judged], mode: str = "strict") -> Report:
    """Sum up verdicts, times and costs. `mode` is the mode that the verdicts were made in."""
    from txt2sql.evaluation.metrics.exact_set_match import aggregate

    levels: dict[str, list[Judged]] = {}
    databases: dict[str, list[Judged]] = {}
    for item in judged:
        if item.example.difficulty is not None:
            levels.setdefault(item.example.difficulty, []).append(item)
        databases.setdefault(item.example.db_id, []).append(item)
    usual = {name: place for place, name in enumerate(_DIFFICULTIES)}
    levels = dict(sorted(levels.items(), key=lambda kv: (usual.get(kv[0], 9), kv[0])))
    if len(databases) > _MAX_DATABASES:
        databases = {}
    partials = {name: _partials(items) for name, items in {"all": judged, **levels}.items()}
    primary = [item.primary for item in judged if item.verdicts]
    execution = [v for v in primary if v.metric == EXECUTION and v.outcome != Outcome.GOLD_ERROR]
    outcomes = Counter(verdict.outcome for verdict in primary)
    categories = Counter(map(category, primary))
    seconds = [item.prediction.seconds for item in judged]
    total = sum(seconds) or None
    # As NumPy has it: linear between neighbours.
    ends = quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else seconds * 19
    return Report(
        mode=mode,
        metrics=_means(judged),
        by_difficulty={name: _means(items) for name, items in levels.items()},
        by_database={name: _means(items) for name, items in sorted(databases.items())},
        outcomes={outcome.value: outcomes[outcome] for outcome in Outcome},
        categories={name: categories[name] for name in CATEGORIES if categories[name]},
        components={name: aggregate(each) for name, each in partials.items() if each},
        empty_gold=_empty_gold(execution),
        other_mode=_other_mode(execution),
        calibration=_calibration(judged),
        seconds={
            "median": ends[9] if total else None,
            "p95": ends[18] if total else None,
            "total": total,
        },
        examples_per_second=len(seconds) / total if total else None,
        tokens=_tokens([item.prediction.tokens for item in judged]),
        cost=_cost([item.prediction.cost for item in judged]),
    )


def _means(items: Sequence[Judged]) -> dict[str, Estimate]:
    scores: dict[str, list[float]] = {}
    for verdict in (verdict for item in items for verdict in item.verdicts):
        of_metric = scores.setdefault(verdict.metric, [])
        if verdict.outcome is not Outcome.GOLD_ERROR:
            of_metric.append(verdict.score)
    return {name: estimate(each) for name, each in scores.items()}


def _partials(items: Sequence[Judged]) -> list[Mapping[str, Any]]:
    usable = (v for item in items for v in item.verdicts if v.outcome is not Outcome.GOLD_ERROR)
    return [v.details["partial"] for v in usable if v.details and "partial" in v.details]


def _empty_gold(execution: Sequence[Verdict]) -> dict[str, Any] | None:
    if not any(verdict.details for verdict in execution):
        return None
    rest = [v.score for v in execution if not (v.details and v.details.get("empty"))]
    n = len(execution) - len(rest)
    return {"n": n, "share": n / len(execution), "without": estimate(rest)}


def _other_mode(execution: Sequence[Verdict]) -> dict[str, Any] | None:
    """None where no verdict knows another mode. A verdict that alone knows none is the same there:
    what gives no result (no SQL, an error) gives none in any mode."""
    mode, pairs = "", []
    for verdict in execution:
        there = verdict.correct
        if verdict.details and (other := verdict.details.get("other_mode")):
            mode, there = other["mode"], bool(other["correct"])
        pairs.append((verdict.correct, there))
    if not mode:
        return None
    return {
        "mode": mode,
        "only_here": pairs.count((True, False)),
        "only_there": pairs.count((False, True)),
        **estimate([float(there) for _, there in pairs])._asdict(),
    }


def _calibration(judged: Sequence[Judged]) -> Calibration | None:
    pairs = [
        (prediction, verdict.correct)
        for _, prediction, verdicts in judged
        for verdict in verdicts
        if verdict.metric == EXECUTION and verdict.outcome is not Outcome.GOLD_ERROR
    ]
    answers = [
        (made.confidence, correct)
        for made, correct in pairs
        if made.sql is not None and made.confidence is not None
    ]
    return calibration(answers, sum(made.sql is None for made, _ in pairs))


def _tokens(pairs: Sequence[tuple[int, int]]) -> dict[str, float] | None:
    counted = [pair for pair in pairs if any(pair)]
    if not counted:
        return None
    (prompt, completion), n = map(sum, zip(*counted, strict=True)), len(counted)
    per_query = (prompt + completion) / n
    return {"prompt": prompt, "completion": completion, "per_query": per_query, "n": n}


def _cost(dollars: Sequence[float | None]) -> dict[str, float] | None:
    costs = [each for each in dollars if each is not None]
    if not costs:
        return None
    total, n = sum(costs), len(costs)
    return {"total": total, "per_query": total / n, "per_1000": 1000 * total / n, "n": n}


def as_json(report: Report, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The report and the facts of its run (dataset, split, model, versions, ...) as one object."""
    return {**facts, **plain(report)}


def plain(value: Any) -> Any:
    """Named tuples as dicts, all the way down."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def as_markdown(report: Report, facts: Mapping[str, Any]) -> str:
    """The report as a page: scores, components, outcomes, confidence, coverage; remarks, then facts."""
    sure, percent = report.calibration, "{:.1%}".format
    components = [
        (name, group, *score)
        for group, scores in report.components.items()
        for name, score in scores.items()
    ]
    shares = [Column(name, percent) for name in ("accuracy", "recall", "F1")]
    counts = [(words(name), n) for name, n in report.categories.items()]
    levels = [
        (f"{level.low:.0%} to {level.high:.0%}", *level[2:], level.accuracy.n)
        for level in (sure.levels if sure else ())
    ]
    covered = [(name, value, value.n) for name, value in (sure.coverage.items() if sure else ())]
    accuracy, n = Column("accuracy"), Column("n")
    kinds = {
        "all": {"all": report.metrics},
        "difficulty": report.by_difficulty,
        "database": report.by_database,
    }
    means = [
        (words(metric), kind, group, value, value.n)
        for kind, groups in kinds.items()
        for group, values in groups.items()
        for metric, value in values.items()
    ]
    tables = [
        Table([*map(Column, ("metric", "kind", "group", "mean")), n], means),
        Table(
            [*map(Column, ("component", "group")), *shares, *map(Column, ("predicted", "gold"))],
            components,
        ),
        Table([Column("outcome"), n], counts),
        Table([Column("confidence"), Column("mean", percent), accuracy, n], levels),
        Table([Column("most confident"), accuracy, n], covered),
    ]
    title = f"# {facts.get('model')} on {facts.get('dataset')} {facts.get('split')}"
    pages = [text for each in tables if (text := table.as_markdown(each))]
    listed = {**_remarks(report), **{name: _short(value) for name, value in facts.items()}}
    lines = "\n".join(f"- {name}: {text}" for name, text in listed.items())
    return "\n\n".join([title, f"Mode: {report.mode}.", *pages, lines]) + "\n"


def print_report(report: Report, title: str, folder: Path) -> None:
    """Print the report of the run in `folder` on standard output: means, then what qualifies them."""
    lines = []
    for name, value in report.metrics.items():
        lines.append((words(name), shown(value)))
        for level, values in report.by_difficulty.items():
            if name in values:
                lines.append((f"  {level}", shown(values[name])))
    if components := report.components.get("all"):
        f1 = (f"{name} {score.f1:.1%}" for name, score in components.items())
        lines.append(("component F1", ", ".join(f1)))
    counts = (f"{n:,} {words(name)}" for name, n in report.categories.items())
    lines += [("outcomes", ", ".join(counts)), *_remarks(report).items(), ("run", str(folder))]
    print_facts(f"{title} (mode: {report.mode})", lines)


def print_facts(title: str, lines: Sequence[tuple[str, str]]) -> None:
    """A title, then names with what they are, in two columns."""
    width = max(len(name) for name, _ in lines)
    print(title, "", *(f"{name:{width}}  {text}" for name, text in lines), sep="\n")


def _remarks(report: Report) -> dict[str, str]:
    lines = {}
    if (empty := report.empty_gold) and empty["n"]:
        without = shown(empty["without"])
        lines["empty gold results"] = (
            f"{empty['n']:,} examples, {empty['share']:.1%}; without them {without}"
        )
    if other := report.other_mode:
        accuracy = Estimate(*(other[name] for name in Estimate._fields))
        lines[f"in {other['mode']} mode"] = (
            f"{shown(accuracy)}; {other['only_there']:,} correct only there, "
            f"{other['only_here']:,} only here"
        )
    if sure := report.calibration:
        lines["calibration"] = f"confidence is {sure.error * 100:.1f} points off in the mean"
        if sure.auc is not None:
            lines["calibration"] += f"; a right answer has more than a wrong one in {sure.auc:.1%}"
        covered = "; ".join(f"{k} most confident: {shown(v)}" for k, v in sure.coverage.items())
        lines["selective"] = f"{covered}; area under the risk-coverage curve {sure.risk_area:.3f}"
    if report.examples_per_second is not None:
        lines["speed"] = (
            f"{report.examples_per_second:.2f} examples per second, "
            f"median {report.seconds['median']:.3f} s, 95th percentile {report.seconds['p95']:.3f} s"
        )
    if tokens := report.tokens:
        lines["tokens"] = (
            "{prompt:,} read, {completion:,} written, {per_query:,.0f} per query".format(**tokens)
        )
    if cost := report.cost:
        lines["cost"] = (
            "${total:.4g} in all, ${per_query:.3g} per query, "
            "${per_1000:.3g} per 1,000 queries".format(**cost)
        )
    return lines


def shown(value: Estimate) -> str:
    """A mean as it must always be shown: with its interval and n.

    >>> shown(Estimate(0.75, 4, 0.3006, 0.9544))
    '75.0%  (95% interval 30.1% to 95.4%, n = 4)'
    """
    return f"{value.mean:.1%}  (95% interval {value.low:.1%} to {value.high:.1%}, n = {value.n:,})"


def shown_difference(gap: Estimate) -> str:
    low, high = f"{100 * gap.low:+.1f}", f"{100 * gap.high:+.1f}"
    return f"{100 * gap.mean:+.1f} points  (95% interval {low} to {high}, n = {gap.n:,} pairs)"


def shown_p(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def words(name: str) -> str:
    return name.replace("_", " ")


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        items = [f"{key} {_short(item)}" for key, item in value.items()]
        return ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
    text = str(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text
