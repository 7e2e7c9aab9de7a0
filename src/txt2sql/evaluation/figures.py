"""Figures of runs: accuracy by hardness, against latency, cost and coverage; a forest plot of a table.

Each is written as PNG and SVG on a light panel, in the colours of Okabe and Ito (2008), which people
with any colour vision tell apart. Every mean has its 95% interval. Needs matplotlib (extra `figures`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from txt2sql.errors import ConfigError, DataError
from txt2sql.evaluation.results import ResultRow
from txt2sql.evaluation.statistics import Estimate
from txt2sql.runs import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, GRID = "#fbfaf7", "#d9d6cf"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# Seven to six colours: 42 runs until two look alike.
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++")
MARKERS = "osD^vPX"
_MOST_BARS = 6  # more runs than that, side by side, are no picture


_Curves = Mapping[str, Sequence[tuple[float, Estimate | float]]]


class RunSummary(NamedTuple):
    """What figures show of a run: median `seconds` of a question, `dollars` per 1,000 questions, and
    `curve`, (coverage, share of wrong answers) of execution accuracy."""

    name: str
    accuracy: Estimate
    by_difficulty: Mapping[str, Estimate]
    seconds: float | None
    dollars: float | None
    mode: str = "strict"
    curve: tuple[tuple[float, float], ...] = ()


def read_summary(path: Path, metric: str = "execution_accuracy") -> RunSummary:
    """One metric of the report.json in a run's folder (or of the file itself)."""
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(
            f"no report can be read from '{file}'; give the folder of a finished txt2sql evaluate"
        ) from None
    metrics = report.get("metrics", {}) if isinstance(report, dict) else {}
    if metric not in metrics:
        raise DataError(f"'{file}' has no metric '{metric}'; it has {', '.join(metrics) or 'none'}")
    return RunSummary(
        name=str(report.get("model") or path.stem),
        accuracy=Estimate(**metrics[metric]),
        by_difficulty={
            name: Estimate(**values[metric])
            for name, values in report.get("by_difficulty", {}).items()
            if metric in values
        },
        seconds=report.get("seconds", {}).get("median"),
        dollars=(report.get("cost") or {}).get("per_1000"),
        mode=str(report.get("mode", "strict")),
        curve=tuple((x, y) for x, y in (report.get("calibration") or {}).get("curve", ())),
    )


def draw(
    runs: Sequence[RunSummary], folder: Path, metric: str = "execution_accuracy"
) -> tuple[list[Path], list[str]]:
    """Write every figure that the runs have numbers for; the files, and what was left out and why."""
    modes = sorted({run.mode for run in runs})
    if len(modes) > 1:
        raise DataError(
            f"the runs were judged in different modes ({'; '.join(modes)}), which do not compare; "
            "evaluate all of them in one mode"
        )
    label = metric.replace("_", " ")
    times: _Curves = {run.name: [(run.seconds, run.accuracy)] for run in runs if run.seconds}
    costs: _Curves = {
        run.name: [(run.dollars, run.accuracy)] for run in runs if run.dollars is not None
    }
    risks: _Curves = {run.name: [(x, 1 - y) for x, y in run.curve] for run in runs if run.curve}
    points = (
        ("accuracy_against_latency", times, "median seconds per question", label,
         "no run has times (predictions from a file carry none)"),
        ("accuracy_against_cost", costs, "dollars per 1,000 questions", label, "no run has costs"),
        ("risk_coverage", risks, "coverage: the most confident answers, share of all questions",
         "execution accuracy", "no run has confidences"),
    )  # fmt: skip
    written, left_out = [], []
    with _styled():
        if graded := [run for run in runs if run.by_difficulty]:
            written += _save(_by_hardness(graded, label), folder / "accuracy_by_hardness")
        else:
            left_out.append("accuracy_by_hardness: no run has its examples' hardness")
        for name, curves, x_label, y_label, lack in points:
            if curves:
                sizes = _n({run.accuracy.n for run in runs if run.name in curves})
                figure = _lines(curves, x_label, f"{y_label} ({sizes})")
                written += _save(figure, folder / name)
            else:
                left_out.append(f"{name}: {lack}")
    return written, left_out


def draw_rows(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Write the figures of every data set of a results table into its own folder; what was left out."""
    left_out = []
    for data in dict.fromkeys(row.data for row in rows):
        scored = [(row, row.execution) for row in rows if row.data == data and row.execution]
        if not scored:
            left_out.append(f"{data}: nothing was evaluated")
            continue
        own = folder / re.sub(r"[^A-Za-z0-9._]+", "-", data)
        with _styled():
            _save(_forest(scored, data), own / "accuracy")
        # Models evaluated here come first, then the best of the published ones.
        bars = sorted(scored, key=lambda pair: pair[0].source != "measured")[:_MOST_BARS]
        runs = [
            RunSummary(
                f"{each.model}, {each.strategy}", accuracy, each.by_difficulty, each.seconds,
                each.per_1000, each.mode,
            )
            for each, accuracy in bars
        ]  # fmt: skip
        left_out += [f"{data}: {reason}" for reason in draw(runs, own)[1]]
    return left_out


@contextmanager
def _styled() -> Iterator[None]:
    """Everything drawn inside looks alike. Raises ConfigError without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise ConfigError(
            'figures need matplotlib; install it with pip install "txt2sql[figures]"'
        ) from None
    style: dict[Any, Any] = {
        "hatch.linewidth": 0.6,
        "text.parse_math": False,  # a dollar in a name is a dollar
        "svg.hashsalt": "txt2sql",  # the same numbers make the same file
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PANEL),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    }
    with matplotlib.rc_context(style):
        yield


def _save(figure: Figure, path: Path) -> list[Path]:
    written = [path.with_name(f"{path.name}.{kind}") for kind in ("png", "svg")]
    for file in written:
        page, kind = BytesIO(), file.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(page, format=kind, dpi=200, metadata=metadata)
        write_atomically(file, page.getvalue())
    return written


def _blank(width: float, height: float, percent: str = "y") -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(axis=percent, color=GRID)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    (axes.yaxis if percent == "y" else axes.xaxis).set_major_formatter(PercentFormatter(1.0))
    return figure, axes


def _n(sizes: Collection[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"


def _by_hardness(runs: Sequence[RunSummary], label: str) -> Figure:
    groups = ["all", *dict.fromkeys(level for run in runs for level in run.by_difficulty)]
    figure, axes = _blank(min(3.6 + 1.4 * len(runs), 11.0), 3.4 + 0.2 * len(runs))
    width = 0.8 / len(runs)
    for index, (run, colour, hatch) in enumerate(zip(runs, cycle(COLOURS), cycle(HATCHES))):
        values = {"all": run.accuracy, **run.by_difficulty}
        places = [groups.index(name) + (index - (len(runs) - 1) / 2) * width for name in values]
        means = [value.mean for value in values.values()]
        style: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": PANEL}
        axes.bar(places, means, width * 0.92, label=run.name, **style)
        for x, value in zip(places, values.values(), strict=True):
            axes.plot([x, x], [value.low, value.high], color="black", linewidth=0.9)
    axes.set(ylim=(0, 1), ylabel=label)
    shown = [{"all": run.accuracy, **run.by_difficulty} for run in runs]
    sizes = {name: {values[name].n for values in shown if name in values} for name in groups}
    axes.set_xticks(range(len(groups)), [f"{name}\n{_n(each)}" for name, each in sizes.items()])
    figure.legend(loc="outside upper center", frameon=False)
    return figure


def _lines(curves: _Curves, x_label: str, y_label: str) -> Figure:
    figure, axes = _blank(5.6, 3.4 + 0.2 * len(curves))
    for (name, points), colour, marker in zip(curves.items(), cycle(COLOURS), cycle(MARKERS)):
        xs = [x for x, _ in points]
        means = [y.mean if isinstance(y, Estimate) else y for _, y in points]
        every = max(1, len(points) // 8)
        axes.plot(xs, means, color=colour, marker=marker, label=name, markevery=every)
        for x, y in points:
            if isinstance(y, Estimate):
                axes.plot([x, x], [y.low, y.high], color="black", linewidth=0.9)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, None))
    figure.legend(loc="outside upper center", frameon=False)
    return figure


def _forest(scored: Sequence[tuple[ResultRow, Estimate]], data: str) -> Figure:
    ranked = sorted(scored, key=lambda pair: pair[1].mean)
    figure, axes = _blank(7.2, 1.3 + 0.27 * len(ranked), "x")
    for y, (row, value) in enumerate(ranked):
        face = COLOURS[0] if row.source == "measured" else PANEL
        axes.plot([value.low, value.high], [y, y], color=COLOURS[0])
        axes.plot(value.mean, y, "o", color=COLOURS[0], markerfacecolor=face)
    axes.set_yticks(range(len(ranked)), [f"{row.model}, {row.strategy}" for row, _ in ranked])
    axes.set_xlabel(f"execution accuracy on {data} ({_n({value.n for _, value in ranked})})")
    axes.plot([], [], "o", color=COLOURS[0], label="measured here")
    axes.plot([], [], "o", color=COLOURS[0], markerfacecolor=PANEL, label="published")
    axes.legend(loc="lower right", frameon=False)
    return figure
