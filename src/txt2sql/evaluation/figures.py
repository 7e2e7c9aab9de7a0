"""Figures of runs: accuracy by hardness, against latency, cost and coverage; a forest plot of a table.

Each is written as PNG and SVG on a light panel, so that it reads the same on a dark page. Colours are
those of Okabe and Ito (2008), which people with any colour vision tell apart; hatches and markers tell
runs apart without colour. Every mean has its 95% interval. Needs matplotlib (extra `figures`).

>>> draw([read_summary(Path("results/run"))], Path("figures"))  # doctest: +SKIP
([PosixPath('figures/accuracy_by_hardness.png'), ...], [])
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from txt2sql.errors import ConfigError, DataError
from txt2sql.evaluation.results import ResultRow
from txt2sql.evaluation.statistics import Estimate
from txt2sql.runs import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, INK, GRID = "#fbfaf7", "#222222", "#d9d6cf"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# Seven to six colours: 42 runs until two look alike.
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++")
MARKERS = "osD^vPX"
_SHORT_NAME = 26
"""Characters: of such names two fit beside each other above a figure."""
_LINE_INCHES = 0.2
_MOST_BARS = 6
"""More runs than that, side by side, are no picture."""
_NEEDS = {
    "accuracy_by_hardness": "no run has its examples' hardness",
    "accuracy_against_latency": "no run has times (predictions from a file carry none)",
    "accuracy_against_cost": "no run has costs",
    "risk_coverage": "no run has confidences",
}
"""Figure -> why it is left out when no run has its numbers."""


class RunSummary(NamedTuple):
    """What figures show of a run."""

    name: str
    accuracy: Estimate
    by_difficulty: Mapping[str, Estimate]
    seconds: float | None
    """Median seconds per question."""
    dollars: float | None
    """Dollars per 1,000 questions."""
    mode: str = "strict"
    curve: tuple[tuple[float, float], ...] = ()
    """(coverage, share of wrong answers), of execution accuracy."""


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


def with_unique_names(runs: Sequence[RunSummary], paths: Sequence[Path]) -> list[RunSummary]:
    """The runs, named by their folders where several are of one model."""
    names = [run.name for run in runs]
    return [
        run if names.count(run.name) == 1 else run._replace(name=path.resolve().name)
        for run, path in zip(runs, paths, strict=True)
    ]


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
    with _styled():
        figures: dict[str, Figure | None] = {
            "accuracy_by_hardness": _by_hardness([run for run in runs if run.by_difficulty], label),
            "accuracy_against_latency": _lines(
                {run.name: [(run.seconds, run.accuracy)] for run in runs if run.seconds},
                "median seconds per question",
                label,
                {run.accuracy.n for run in runs if run.seconds},
            ),
            "accuracy_against_cost": _lines(
                {
                    run.name: [(run.dollars, run.accuracy)]
                    for run in runs
                    if run.dollars is not None
                },
                "dollars per 1,000 questions",
                label,
                {run.accuracy.n for run in runs if run.dollars is not None},
            ),
            "risk_coverage": _lines(
                {run.name: [(x, 1 - risk) for x, risk in run.curve] for run in runs if run.curve},
                "coverage: the most confident answers, share of all questions",
                "execution accuracy",
                {run.accuracy.n for run in runs if run.curve},
            ),
        }
        written = [
            file
            for name, figure in figures.items()
            if figure is not None
            for file in _save(figure, folder / name)
        ]
    return written, [f"{name}: {_NEEDS[name]}" for name, each in figures.items() if each is None]


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
                f"{row.model}, {row.strategy}",
                accuracy,
                row.by_difficulty,
                row.seconds,
                row.per_1000,
                row.mode,
            )
            for row, accuracy in bars
        ]
        left_out += [f"{data}: {reason}" for reason in draw(runs, own)[1]]
    return left_out


# ------------------------------------------------------------------------------------------ drawing


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
        "font.family": "sans-serif",
        "font.size": 10,
        "hatch.linewidth": 0.6,
        "text.parse_math": False,  # a dollar in a name is a dollar
        "svg.hashsalt": "txt2sql",  # the same numbers make the same file
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PANEL),
    }
    with matplotlib.rc_context(style):
        yield


def _save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as path.png and path.svg."""
    written = [path.with_name(f"{path.name}.{kind}") for kind in ("png", "svg")]
    for file in written:
        page, kind = BytesIO(), file.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(page, format=kind, dpi=200, metadata=metadata)
        write_atomically(file, page.getvalue())
    return written


def _blank(
    width: float, label: str, height: float = 3.4, percent: str = "y"
) -> tuple[Figure, Axes]:
    """An empty figure in inches, with percent and a grid along one axis."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(axis=percent, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    (axes.set_ylabel if percent == "y" else axes.set_xlabel)(label)
    (axes.yaxis if percent == "y" else axes.xaxis).set_major_formatter(PercentFormatter(1.0))
    return figure, axes


def _legend(figure: Figure, marks: Sequence[Any], names: Sequence[str]) -> None:
    """Names above the axes; the figure grows by their lines, so that the axes keep their size."""
    columns = 2 if max(map(len, names)) <= _SHORT_NAME else 1
    figure.legend(marks, names, loc="outside upper center", ncols=columns, frameon=False)
    figure.set_figheight(figure.get_figheight() + _LINE_INCHES * (ceil(len(names) / columns) - 1))


def _errors(values: Sequence[Estimate]) -> list[list[float]]:
    """Distances to the ends of the intervals, as matplotlib wants them: (2, n)."""
    below = [max(value.mean - value.low, 0.0) for value in values]
    return [below, [max(value.high - value.mean, 0.0) for value in values]]


def _n(sizes: Collection[int]) -> str:
    """How many examples, or from how many to how many where runs differ."""
    low, high = min(sizes), max(sizes)
    return f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"


def _by_hardness(runs: Sequence[RunSummary], label: str) -> Figure | None:
    if not runs:
        return None
    groups = ["all", *dict.fromkeys(level for run in runs for level in run.by_difficulty)]
    figure, axes = _blank(min(5.0 + 1.4 * (len(runs) - 1), 11.0), label)
    width = 0.8 / len(runs)
    sizes: dict[str, set[int]] = {group: set() for group in groups}
    looks = zip(runs, cycle(COLOURS), cycle(HATCHES), strict=False)
    for index, (run, colour, hatch) in enumerate(looks):
        values = {"all": run.accuracy, **run.by_difficulty}
        for group, value in values.items():
            sizes[group].add(value.n)
        positions = [i for i, group in enumerate(groups) if group in values]
        heights = [values[groups[i]] for i in positions]
        axes.bar(
            [i + (index - (len(runs) - 1) / 2) * width for i in positions],
            [value.mean for value in heights],
            width * 0.92,
            yerr=_errors(heights),
            label=run.name,
            color=colour,
            hatch=hatch,
            edgecolor=PANEL,
            error_kw={"ecolor": INK, "elinewidth": 0.9, "capsize": 2},
        )
    axes.set_ylim(0, 1)
    axes.set_xticks(range(len(groups)), [f"{group}\n{_n(n)}" for group, n in sizes.items()])
    axes.tick_params(axis="x", length=0)
    if len(runs) > 1:
        _legend(figure, *axes.get_legend_handles_labels())
    else:
        axes.set_ylabel(f"{label}, {runs[0].name}")
    return figure


def _lines(
    curves: Mapping[str, Sequence[tuple[float, Estimate | float]]],
    x_label: str,
    y_label: str,
    sizes: Collection[int],
) -> Figure | None:
    """A line per name, or a point; estimates have their intervals."""
    if not curves:
        return None
    figure, axes = _blank(5.6, f"{y_label} ({_n(sizes)})")
    looks = zip(curves.items(), cycle(COLOURS), cycle(MARKERS), strict=False)
    for (name, points), colour, marker in looks:
        xs = [x for x, _ in points]
        means = [y.mean if isinstance(y, Estimate) else y for _, y in points]
        every = max(1, len(points) // 8)
        axes.plot(
            xs, means, color=colour, marker=marker, markersize=5.5, label=name, markevery=every
        )
        for x, y in points:
            if isinstance(y, Estimate):
                axes.plot([x, x], [y.low, y.high], color=INK, linewidth=0.9)
    xs = [x for points in curves.values() for x, _ in points]
    if min(xs) > 0 and max(xs) > 10 * min(xs) and max(xs) > 1:
        axes.set_xscale("log")
    else:
        most = max(xs) or 1.0
        axes.set_xlim(-0.03 * most, 1.05 * most)
    axes.set_xlabel(x_label)
    _legend(figure, *axes.get_legend_handles_labels())
    return figure


def _forest(scored: Sequence[tuple[ResultRow, Estimate]], data: str) -> Figure:
    """One line per model and strategy, the most accurate on top; open marks are published predictions."""
    from matplotlib.lines import Line2D

    ranked = sorted(scored, key=lambda pair: pair[1].mean)
    label = f"execution accuracy on {data} ({_n({row.n for row, _ in ranked})})"
    figure, axes = _blank(7.2, label, 1.3 + 0.27 * len(ranked), "x")
    looks = {"measured": (COLOURS[0], COLOURS[0]), "published": (INK, PANEL)}
    for height, (row, value) in enumerate(ranked):
        colour, face = looks[row.source]
        axes.plot([value.low, value.high], [height, height], color=INK, linewidth=1.0)
        axes.plot(value.mean, height, "o", color=colour, markerfacecolor=face, markersize=6)
    axes.set_yticks(range(len(ranked)), [f"{row.model}, {row.strategy}" for row, _ in ranked])
    axes.set_ylim(-0.7, len(ranked) - 0.3)
    axes.set_xlim(
        max(0.0, min(value.low for _, value in ranked) - 0.03),
        min(1.0, max(value.high for _, value in ranked) + 0.03),
    )
    if len({row.source for row, _ in ranked}) > 1:
        marks = [
            Line2D([], [], marker="o", linestyle="", color=colour, markerfacecolor=face)
            for colour, face in looks.values()
        ]
        _legend(figure, marks, ["measured here", "published"])
    return figure
