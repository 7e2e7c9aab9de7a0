"""`txt2sql evaluate-all`: what cannot be measured first, then a table that is made once and goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.evaluate_all import Comparison, Part, RowPlan, TableOptions, plan
from txt2sql.config import load
from txt2sql.models.catalog import HOSTED, MODELS, find_hosted

from .conftest import Command

ROOT = Path(__file__).parents[2]
RIGHT = ["SELECT count(*) FROM shop", "SELECT DISTINCT city FROM shop"]
ANSWERS = ["SELECT id FROM shop ORDER BY opened LIMIT 1", "SELECT nothing FROM shop"]

Measure = Callable[..., tuple[int, list[dict[str, Any]], str]]


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML


@pytest.fixture
def published(tmp_path: Path) -> Path:
    lines = "".join(json.dumps({"sql": sql}) + "\n" for sql in [*RIGHT, *ANSWERS])
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "theirs.jsonl").write_text(lines, encoding="utf-8")
    (folder / "of_another_split.jsonl").write_text(lines * 2, encoding="utf-8")
    return folder


@pytest.fixture
def evaluate_all(shops: Path, txt2sql: Command, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Measure rows on the shops, and on data that is not there: code, rows of the table, messages."""
    for name in ("OPENAI_API_KEY", "TXT2SQL_API_KEY", "TXT2SQL_DATA"):
        monkeypatch.delenv(name, raising=False)

    def run(*models: dict[str, Any], options: tuple[object, ...] = ()) -> Any:
        data = [{"dataset": str(shops)}, {"dataset": "wikisql"}]
        write(Path("evaluation.yaml"), {"comparison": {"data": data, "rows": models}})
        done = txt2sql("evaluate-all", "--config", "evaluation.yaml", "--json", *options)
        table = Path("results/evaluate_all/table.json").read_text(encoding="utf-8")
        return done.code, json.loads(table)["rows"], done.err

    return run


def test_the_shipped_comparison_names_models_that_there_are() -> None:
    shipped = load(Comparison, ROOT / "config" / "evaluation_config.yaml", section="comparison")
    assert {part.name for part in shipped.data} == {"spider dev", "wikisql dev_real"}
    for row in shipped.rows:
        assert row.model in MODELS or row.model in HOSTED
        assert not ("--shots" in row.options and not find_hosted(row.model))
    names = [(row.model, row.strategy) for row in shipped.rows]
    assert len(set(names)) == len(names)


def test_what_cannot_be_measured_says_why_and_leaves_the_rest(
    evaluate_all: Measure, published: Path
) -> None:
    absent = (
        {"model": "gpt-4", "strategy": "zero-shot"},
        {"model": "phi-2", "strategy": "LoRA", "folder": "results/lora-phi-2/model"},
        {"model": "gtp-5"},
    )
    code, rows, _ = evaluate_all(*absent)
    assert code == 0
    why = {(row["data"], row["model"]): row["missing"]["EX"] for row in rows}
    assert why["shops dev", "gpt-4"] == "no key"
    assert why["shops dev", "phi-2"] == "not trained here"
    assert "no model 'gtp-5'" in why["shops dev", "gtp-5"]
    assert why["wikisql dev", "gpt-4"].startswith("no data")
    assert all(row["execution"] is None and row["per_1000"] is None for row in rows)

    failing = {"model": "bundled", "strategy": "odd", "options": ["--no-such-option"]}
    code, rows, _ = evaluate_all(failing, options=("--published", published))
    assert code == 1
    by_model = {row["model"]: row for row in rows if row["data"] == "shops dev"}
    assert "no-such-option" in by_model["bundled"]["missing"]["EX"].lower()
    assert by_model["theirs"]["execution"]["mean"] == 0.75
    assert "of_another_split" not in by_model


def test_a_table_is_made_once_and_again_when_something_changed(
    evaluate_all: Measure, published: Path
) -> None:
    model, options = {"model": "gpt-4"}, ("--published", published)
    _, first, _ = evaluate_all(model, options=options)
    for name in ("table.md", "table.csv"):
        assert "theirs" in Path("results/evaluate_all", name).read_text(encoding="utf-8")
    start = time.monotonic()
    _, again, messages = evaluate_all(model, options=options)
    assert again == first
    assert "evaluate all:" not in messages, "nothing was measured again"
    assert time.monotonic() - start < 5
    theirs = published / "theirs.jsonl"
    theirs.write_text(theirs.read_text(encoding="utf-8").replace("nothing", "id"), encoding="utf-8")
    _, other, messages = evaluate_all(model, options=options)
    assert [row["execution"]["mean"] for row in other if row["execution"]] == [0.75]
    assert "evaluate all: 1/1" in messages


def test_models_trained_here_are_listed(tmp_path: Path, shops: Path) -> None:
    for place in ("lora-x/model", "odd/model", "lora-x/step-1"):
        write(tmp_path / "results" / place / "config.json", {"model_type": "llama"})
    facts = {"base": "phi-2", "method": "lora", "datasets": [], "held_out": [], "measured": []}
    write(tmp_path / "results" / "lora-x" / "model" / "training.json", facts)
    cells = plan(
        Comparison((Part(str(shops)),), (RowPlan("gpt-4"),)), TableOptions(published=tmp_path)
    )
    assert {(cell.model, cell.strategy) for cell in cells} == {
        ("gpt-4", "greedy"),
        ("phi-2", "LoRA (lora-x)"),
        ("odd", "trained here (odd)"),
    }
