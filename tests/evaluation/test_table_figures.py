"""Figures of the table: nothing to draw first, then files whose content is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from txt2sql.evaluation.statistics import wilson
from txt2sql.evaluation.table import CELLS, TableRow
from txt2sql.evaluation.table_figures import draw_curves, draw_rows

pytest.importorskip("matplotlib", reason="needs the extra figures")


def row(model: str, right: int, **others: Any) -> TableRow:
    return TableRow("spider dev", model, "greedy", execution=wilson(right, 100), **others)


def text(path: Path) -> str:
    """The words of an SVG: matplotlib keeps each as a comment beside its outlines."""
    return path.read_text(encoding="utf-8")


def test_rows_without_numbers_are_no_figure(tmp_path: Path) -> None:
    missing = TableRow("spider dev", "gpt-4", "zero-shot", missing=dict.fromkeys(CELLS, "no key"))
    assert draw_rows([missing], tmp_path) == ["spider dev: nothing was measured"]
    assert list(tmp_path.iterdir()) == []


def test_runs_that_logged_no_accuracy_are_no_curve(tmp_path: Path) -> None:
    assert draw_curves({"a": [{"step": 1, "loss": 2.0}]}, tmp_path / "curves") == []


def test_every_row_is_in_the_forest_and_gaps_are_told(tmp_path: Path) -> None:
    published = [row(f"other {i}", 50 + i, source="published") for i in range(12)]
    left_out = draw_rows([row("ours", 40), *published], tmp_path)
    drawn = text(tmp_path / "spider-dev" / "accuracy.svg")
    for name in ("ours, greedy", "other 0, greedy", "other 11, greedy", "published"):
        assert f"<!-- {name} -->" in drawn
    told = " ".join(left_out)
    for name in ("latency", "cost", "hardness", "search_scaling"):
        assert name in told
    assert (tmp_path / "spider-dev" / "accuracy.png").stat().st_size > 5000


def test_bars_stay_few_and_those_measured_here_come_first(tmp_path: Path) -> None:
    levels = {"by_difficulty": {"easy": wilson(9, 10)}}
    others = [row(f"other {i}", 90 - i, source="published", **levels) for i in range(12)]
    draw_rows([*others, row("ours", 40, **levels)], tmp_path)
    drawn = text(tmp_path / "spider-dev" / "accuracy_by_hardness.svg")
    assert "<!-- ours, greedy -->" in drawn
    assert drawn.count(", greedy -->") == 6


def test_search_scaling_needs_two_sizes(tmp_path: Path) -> None:
    small, large = ({"simulations": n} for n in (10, 100))
    draw_rows([row("a", 50, facts=small), row("b", 60, facts=large)], tmp_path)
    assert not (tmp_path / "spider-dev" / "search_scaling.svg").exists()
    draw_rows([row("a", 50, facts=small), row("a", 60, facts=large)], tmp_path)
    assert "<!-- simulations -->" in text(tmp_path / "spider-dev" / "search_scaling.svg")


def test_curves_have_one_line_per_data_set(tmp_path: Path) -> None:
    rows = [
        {"step": 5, "execution_accuracy/spider": 0.1, "execution_accuracy/wikisql": 0.2},
        {"step": 6, "loss": 1.0},
        {"step": 10, "execution_accuracy/spider": 0.3, "execution_accuracy/wikisql": 0.4},
    ]
    png, svg = draw_curves({"lora": rows}, tmp_path / "curves")
    assert (png.name, svg.name) == ("curves.png", "curves.svg")
    for name in ("lora spider", "lora wikisql", "steps"):
        assert f"<!-- {name} -->" in text(svg)
