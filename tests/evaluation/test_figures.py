"""Figures: what cannot be drawn first, then what is drawn."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from txt2sql.errors import ConfigError, DataError
from txt2sql.evaluation.figures import RunSummary, draw, draw_rows
from txt2sql.evaluation.results import ResultRow
from txt2sql.evaluation.statistics import wilson

LEVELS = {"easy": wilson(9, 10), "hard": wilson(3, 10)}
PLAIN = RunSummary("plain", wilson(12, 20), {}, None, None)
CURVE = ((0.5, 0.1), (1.0, 0.4))
FULL = RunSummary("full", wilson(12, 20), LEVELS, 0.4, 2.5, curve=CURVE)


def report(folder: Path, **others: Any) -> Path:
    folder.mkdir(exist_ok=True)
    scores = {"execution_accuracy": wilson(1, 2)._asdict()}
    content = {"model": "small", "metrics": scores, "by_difficulty": {"easy": scores, "odd": {}}}
    content = {**content, "seconds": {"median": 0.5}, "cost": None, **others}
    (folder / "report.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_modes_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="different modes .official; strict"):
        draw([FULL, FULL._replace(mode="official")], tmp_path)


def test_without_matplotlib_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r'pip install "txt2sql\[figures\]"'):
        draw([FULL], tmp_path)


def test_what_no_run_has_is_left_out_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra figures")
    written, left_out = draw([PLAIN], tmp_path)
    assert written == [] and len(left_out) == 4
    assert left_out[0].startswith("accuracy_by_hardness: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 9])
def test_every_figure_is_written_as_png_and_svg(tmp_path: Path, count: int) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra figures")
    runs = [FULL._replace(name=f"$run_{i}^", seconds=3.0**i, dollars=i) for i in range(count)]
    written, left_out = draw([*runs, PLAIN], tmp_path / "new", "exact_match")
    assert (len(written), left_out) == (8, [])
    assert {*(tmp_path / "new").iterdir()} == {*written}
    for path in written:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_a_results_table_is_drawn_by_data_set(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra figures")
    half = ResultRow("spider dev", "small", "search", execution=wilson(50, 100))
    left_out = draw_rows([half, ResultRow("wikisql dev", "small", "greedy")], tmp_path)
    assert "wikisql dev: nothing was evaluated" in left_out
    assert {path.stem for path in (tmp_path / "spider-dev").iterdir()} == {"accuracy"}
