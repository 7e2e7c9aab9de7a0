"""Figures of one or several runs: accuracy by hardness, against latency and against cost.

Each is drawn as PNG (for pages) and SVG (for print) on a light panel of its own, so that it reads
the same on a dark page. Colours are those of Okabe and Ito (2008), which people with any colour
vision tell apart; hatches and markers tell the runs apart without colour. Every point and bar has
its 95% interval. Needs matplotlib, which the extra `figures` installs.

>>> draw([read_measured(Path("results/run"))], Path("figures"))  # doctest: +SKIP
([PosixPath('figures/accuracy_by_hardness.png'), ...], [])
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import cycle
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from txt2sql.errors import ConfigError, DataError
from txt2sql.evaluation.statistics import Estimate
from txt2sql.runs import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Draw = Callable[[Sequence["Measured"], str], "Figure"]
"""(runs, what the metric is called) -> figure."""

PANEL, INK, GRID = "#fbfaf7", "#222222", "#d9d6cf"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# Seven to six colours: 42 runs until two look alike.
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++")
MARKERS = "osD^vPX"
_CHARACTERS_PER_INCH = 11.5
_LINE_INCHES = 0.2


class Measured(NamedTuple):
    """What figures show of a run."""

    name: str
    accuracy: Estimate
    by_difficulty: Mapping[str, Estimate]
    seconds: float | None
    """Median seconds per question."""
    dollars: float | None
    """Dollars per 1,000 questions."""
    mode: str = "strict"


def read_measured(path: Path, metric: str = "execution_accuracy") -> Measured:
    """One metric of the report.json in a run's folder (or of the file itself)."""
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(
            f"no report can be read from '{file}'; give the folder of a finished txt2sql evaluate"
        ) from None
    if not isinstance(report, dict) or metric not in report.get("metrics", {}):
        known = ", ".join(report.get("metrics", {})) if isinstance(report, dict) else ""
        raise DataError(f"'{file}' has no metric '{metric}'; it has {known or 'none'}")
    by_difficulty = report.get("by_difficulty", {})
    return Measured(
        name=str(report.get("model") or path.stem),
        accuracy=Estimate(**report["metrics"][metric]),
        by_difficulty={
            name: Estimate(**values[metric])
            for name, values in by_difficulty.items()
            if metric in values
        },
        seconds=report.get("seconds", {}).get("median"),
        dollars=(report.get("cost") or {}).get("per_1000"),
        mode=str(report.get("mode", "strict")),
    )


def with_unique_names(runs: Sequence[Measured], paths: Sequence[Path]) -> list[Measured]:
    """The runs, named by their folders where several are of one model."""
    names = [run.name for run in runs]
    return [
        run if names.count(run.name) == 1 else run._replace(name=path.resolve().name)
        for run, path in zip(runs, paths, strict=True)
    ]


def draw(
    runs: Sequence[Measured], folder: Path, metric: str = "execution_accuracy"
) -> tuple[list[Path], list[str]]:
    """Write every figure that the runs have numbers for; the files, and what was left out and why."""
    modes = sorted({run.mode for run in runs})
    if len(modes) > 1:
        raise DataError(
            f"the runs were judged in different modes ({'; '.join(modes)}), which do not compare; "
            "evaluate all of them in one mode"
        )
    label = metric.replace("_", " ")
    written, left_out = [], []
    with styled():
        for name, plan in _PLANS.items():
            shown = [run for run in runs if plan.has(run)]
            if not shown:
                left_out.append(f"{name}: {plan.needs}")
                continue
            written += save(plan.draw(shown, label), folder / name)
    return written, left_out


@contextmanager
def styled() -> Iterator[None]:
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


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as path.png and path.svg."""
    written = [path.with_name(f"{path.name}.{kind}") for kind in ("png", "svg")]
    for file in written:
        write_atomically(file, _rendered(figure, file.suffix[1:]))
    return written


def _rendered(figure: Figure, kind: str) -> bytes:
    page = BytesIO()
    figure.savefig(page, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    return page.getvalue()


def _blank(width: float, label: str) -> tuple[Figure, Axes]:
    """An empty figure, `width` by 3.4 inches, with accuracy in percent going up."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(width, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure, axes


def columns(names: Collection[str], inches: float) -> int:
    """How many columns of a legend fit into a width: what is wider is cut off at both edges."""
    longest = max(map(len, names)) + 6  # the mark and the space around it
    return max(1, min(len(names), 4, int(inches * _CHARACTERS_PER_INCH) // longest))


def legend(figure: Figure, marks: Sequence[Any], names: Sequence[str]) -> None:
    """Names above the axes; the figure grows by their lines, so that the axes keep their size."""
    wide = columns(names, figure.get_figwidth())
    figure.legend(marks, names, loc="outside upper center", ncols=wide, frameon=False)
    figure.set_figheight(figure.get_figheight() + _LINE_INCHES * (ceil(len(names) / wide) - 1))


def _errors(values: Sequence[Estimate]) -> list[list[float]]:
    """Distances to the ends of the intervals, as matplotlib wants them: (2, n)."""
    below = [max(value.mean - value.low, 0.0) for value in values]
    return [below, [max(value.high - value.mean, 0.0) for value in values]]


def _by_hardness(runs: Sequence[Measured], label: str) -> Figure:
    levels = dict.fromkeys(level for run in runs for level in run.by_difficulty)
    groups = ["all", *levels]
    figure, axes = _blank(min(5.0 + 1.4 * (len(runs) - 1), 11.0), label)
    width = 0.8 / len(runs)
    sizes: dict[str, set[int]] = {group: set() for group in groups}
    for index, (run, colour, hatch) in enumerate(
        zip(runs, cycle(COLOURS), cycle(HATCHES), strict=False)
    ):
        values = {"all": run.accuracy, **run.by_difficulty}
        for group, value in values.items():
            sizes[group].add(value.n)
        there = [i for i, group in enumerate(groups) if group in values]
        heights = [values[groups[i]] for i in there]
        axes.bar(
            [i + (index - (len(runs) - 1) / 2) * width for i in there],
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
        legend(figure, *axes.get_legend_handles_labels())
    else:
        axes.set_ylabel(f"{label}, {runs[0].name}")
    return figure


def _n(sizes: Collection[int]) -> str:
    """How many examples, or from how many to how many where runs differ."""
    low, high = min(sizes), max(sizes)
    return f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"


def _against(value: Callable[[Measured], float | None], x_label: str) -> _Draw:
    """A figure with one point per run: accuracy over `value`."""

    def drawn(runs: Sequence[Measured], label: str) -> Figure:
        figure, axes = _blank(5.6, f"{label} ({_n({run.accuracy.n for run in runs})})")
        places = [value(run) or 0.0 for run in runs]
        points = [
            axes.errorbar(
                x,
                run.accuracy.mean,
                yerr=_errors([run.accuracy]),
                fmt=marker,
                color=colour,
                markersize=6.5,
                ecolor=INK,
                elinewidth=0.9,
                capsize=3,
            )
            for run, x, colour, marker in zip(
                runs, places, cycle(COLOURS), cycle(MARKERS), strict=False
            )
        ]
        scale(axes, places)
        low = min(run.accuracy.low for run in runs)
        high = max(run.accuracy.high for run in runs)
        axes.set_ylim(max(0.0, low - 0.05), min(1.0, high + 0.05))
        axes.set_xlabel(x_label)
        legend(figure, [point.lines[0] for point in points], [run.name for run in runs])
        return figure

    return drawn


def scale(axes: Axes, places: Sequence[float]) -> None:
    """Logarithmic where the places span more than a factor of ten, else from zero."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if min(places) > 0 and max(places) > 10 * min(places):
        axes.set_xscale("log")
        axes.set_xlim(min(places) / 1.5, max(places) * 1.5)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        most = max(places) or 1.0
        axes.set_xlim(-0.03 * most, 1.1 * most)


class _Plan(NamedTuple):
    """A figure: which runs have its numbers, what to say when none has, and who draws it."""

    has: Callable[[Measured], bool]
    needs: str
    draw: _Draw


_PLANS = {
    "accuracy_by_hardness": _Plan(
        lambda run: bool(run.by_difficulty), "no run tells its examples' hardness", _by_hardness
    ),
    "accuracy_against_latency": _Plan(
        lambda run: bool(run.seconds),
        "no run has times (predictions from a file carry none)",
        _against(lambda run: run.seconds, "median seconds per question"),
    ),
    "accuracy_against_cost": _Plan(
        lambda run: run.dollars is not None,
        "no run has costs",
        _against(lambda run: run.dollars, "dollars per 1,000 questions"),
    ),
}
