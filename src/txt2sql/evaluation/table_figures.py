"""Figures of the results table: a forest plot of accuracy, search scaling, learning curves.

The forest plot has one line per model and strategy with its 95% interval, the most accurate on top;
filled marks were measured here, open ones judge published predictions. By hardness, latency and cost
are drawn by `figures`, for the rows that have those numbers. Needs matplotlib.

>>> draw_rows(rows, Path("results/figures"))  # doctest: +SKIP
['spider dev: accuracy_against_cost: no run has costs']
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txt2sql.evaluation.figures import (
    COLOURS,
    GRID,
    INK,
    MARKERS,
    PANEL,
    Measured,
    draw,
    legend,
    save,
    scale,
    styled,
)
from txt2sql.evaluation.statistics import Estimate
from txt2sql.evaluation.table import TableRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS = 6
"""More runs than that, side by side, are no picture."""


def draw_rows(rows: Sequence[TableRow], folder: Path) -> list[str]:
    """Write the figures of every data set into its own folder; what was left out, and why."""
    left_out = []
    for data in dict.fromkeys(row.data for row in rows):
        there = [row for row in rows if row.data == data and row.execution]
        if not there:
            left_out.append(f"{data}: nothing was measured")
            continue
        own = folder / re.sub(r"[^A-Za-z0-9._]+", "-", data)
        with styled():
            save(_forest(there, data), own / "accuracy")
            if scaling := _scaling(there):
                save(_lines(scaling, "simulations", "execution accuracy"), own / "search_scaling")
        measured = [_measured(row) for row in _for_bars(there)]
        _, reasons = draw(measured, own)
        left_out += [f"{data}: {reason}" for reason in reasons]
        if not scaling:
            left_out.append(f"{data}: search_scaling: no search was measured at two sizes")
    return left_out


def _for_bars(rows: Sequence[TableRow]) -> list[TableRow]:
    """Those measured here come first, then the best of the published ones."""
    own = [row for row in rows if row.source == "measured"]
    return [*own, *(row for row in rows if row.source != "measured")][:_MOST_BARS]


def _measured(row: TableRow) -> Measured:
    assert row.execution is not None
    return Measured(
        f"{row.model}, {row.strategy}",
        row.execution,
        row.by_difficulty,
        row.seconds,
        row.per_1000,
        row.mode,
    )


def _forest(rows: Sequence[TableRow], data: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    ranked = sorted(rows, key=lambda row: row.execution.mean if row.execution else 0.0)
    figure = Figure(figsize=(7.2, 1.3 + 0.27 * len(ranked)), layout="constrained")
    axes = figure.subplots()
    _plain(axes, "x")
    for place, row in enumerate(ranked):
        value = row.execution
        assert value is not None
        own = row.source == "measured"
        axes.plot([value.low, value.high], [place, place], color=INK, linewidth=1.0)
        axes.plot(
            value.mean,
            place,
            "o",
            color=COLOURS[0] if own else INK,
            markerfacecolor=COLOURS[0] if own else PANEL,
            markersize=6,
        )
    axes.set_yticks(range(len(ranked)), [f"{row.model}, {row.strategy}" for row in ranked])
    axes.set_ylim(-0.7, len(ranked) - 0.3)
    axes.set_xlim(
        max(0.0, min(row.execution.low for row in ranked if row.execution) - 0.03),
        min(1.0, max(row.execution.high for row in ranked if row.execution) + 0.03),
    )
    sizes = sorted({row.n for row in ranked})
    n = f"n = {sizes[0]:,}" if len(sizes) == 1 else f"n = {sizes[0]:,} to {sizes[-1]:,}"
    axes.set_xlabel(f"execution accuracy on {data} ({n})")
    marks = [
        Line2D([], [], marker="o", linestyle="", color=COLOURS[0], label="measured here"),
        Line2D(
            [], [], marker="o", linestyle="", color=INK, markerfacecolor=PANEL, label="published"
        ),
    ]
    if len({row.source for row in ranked}) > 1:
        figure.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _scaling(rows: Sequence[TableRow]) -> dict[str, list[tuple[float, Estimate]]]:
    """Model -> (simulations, accuracy), for models that were searched at two sizes or more."""
    found: dict[str, list[tuple[float, Estimate]]] = {}
    for row in rows:
        if row.execution and (simulations := row.facts.get("simulations")):
            found.setdefault(row.model, []).append((float(simulations), row.execution))
    return {model: sorted(points) for model, points in found.items() if len(points) > 1}


# --------------------------------------------------------------------------------- learning curves


def draw_curves(
    runs: Mapping[str, Iterable[Mapping[str, Any]]], path: Path, measure: str = "execution_accuracy"
) -> list[Path]:
    """Learning curves of training runs (name -> rows of metrics.jsonl) as path.png and path.svg.

    Every number that is logged under `measure`, or under `measure/<data>`, is a curve over steps;
    nothing is written where there is none.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for name, rows in runs.items():
        for row in rows:
            for key, value in row.items():
                if key == measure or key.startswith(f"{measure}/"):
                    label = " ".join(filter(None, (name, key.partition("/")[2])))
                    curves.setdefault(label, []).append((float(row["step"]), float(value)))
    if not curves:
        return []
    with styled():
        return save(_lines(curves, "steps", measure.replace("_", " ")), path)


def _lines(
    curves: Mapping[str, Sequence[tuple[float, float | Estimate]]], x_label: str, y_label: str
) -> Figure:
    """A line per curve; points that are estimates have their intervals."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.subplots()
    _plain(axes, "y")
    for (name, points), colour, marker in zip(
        curves.items(), cycle(COLOURS), cycle(MARKERS), strict=False
    ):
        places = [x for x, _ in points]
        means = [y.mean if isinstance(y, Estimate) else y for _, y in points]
        axes.plot(places, means, color=colour, marker=marker, markersize=4.5, label=name)
        for x, y in points:
            if isinstance(y, Estimate):
                axes.plot([x, x], [y.low, y.high], color=colour, linewidth=0.9)
    scale(axes, [x for points in curves.values() for x, _ in points])
    sizes = {y.n for points in curves.values() for _, y in points if isinstance(y, Estimate)}
    n = f" (n = {', '.join(f'{size:,}' for size in sorted(sizes))})" if sizes else ""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label + n)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    legend(figure, *axes.get_legend_handles_labels())
    return figure


def _plain(axes: Axes, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    if grid == "x":
        from matplotlib.ticker import PercentFormatter

        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
