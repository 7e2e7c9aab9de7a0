"""`txt2sql evaluate-all`: what cannot be measured first, then a table that is made once and goes on."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.evaluate_all import Cell, Comparison, Draw, Part, RowPlan, plan, remembered
from txt2sql.cli.main import main
from txt2sql.config import load
from txt2sql.models.catalog import HOSTED, MODELS, find_hosted

ROOT = Path(__file__).parents[2]
STUB = ROOT / "tests" / "fixtures" / "stub_provider.py"
StubProvider = runpy.run_path(str(STUB))["StubProvider"]
RIGHT = ["SELECT count(*) FROM shop", "SELECT DISTINCT city FROM shop"]
ANSWERS = ["SELECT id FROM shop ORDER BY opened LIMIT 1", "SELECT nothing FROM shop"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "TXT2SQL_API_KEY", "TXT2SQL_DATA"):
        monkeypatch.delenv(name, raising=False)


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return path


def published(tmp_path: Path) -> Path:
    lines = "".join(json.dumps({"sql": sql}) + "\n" for sql in [*RIGHT, *ANSWERS])
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "theirs.jsonl").write_text(lines, encoding="utf-8")
    (folder / "of_another_split.jsonl").write_text(lines * 2, encoding="utf-8")
    return folder


def comparison(tmp_path: Path, shops: Path, *rows: dict[str, Any]) -> Path:
    content = {"data": [{"dataset": str(shops)}, {"dataset": "wikisql"}], "rows": list(rows)}
    return write(tmp_path / "evaluation.yaml", {"comparison": content})


def evaluate_all(config: Path, *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate-all", "--config", str(config), "--json", *map(str, arguments)])
    tree = json.loads(Path("results/evaluate_all/table.json").read_text(encoding="utf-8"))
    return int(caught.value.code or 0), tree["rows"]


def test_the_shipped_comparison_names_models_that_there_are() -> None:
    file = ROOT / "config" / "evaluation_config.yaml"
    shipped = load(Comparison, file, section="comparison")
    assert {part.name for part in shipped.data} == {"spider dev", "wikisql dev_real"}
    for row in shipped.rows:
        assert row.model in MODELS or row.model in HOSTED
        assert not ("--shots" in row.options and not find_hosted(row.model))
    names = [(row.model, row.strategy) for row in shipped.rows]
    assert len(set(names)) == len(names)


def test_what_cannot_be_measured_says_why(tmp_path: Path, shops: Path) -> None:
    config = comparison(
        tmp_path,
        shops,
        {"model": "gpt-4", "strategy": "zero-shot"},
        {"model": "phi-2", "strategy": "LoRA", "folder": "results/lora-phi-2/model"},
        {"model": "gtp-5"},
    )
    code, rows = evaluate_all(config)
    assert code == 0
    why = {(row["data"], row["model"]): row["missing"]["EX"] for row in rows}
    data = f"{shops.name} dev"
    assert why[data, "gpt-4"] == "no key"
    assert why[data, "phi-2"] == "not trained here"
    assert "no model 'gtp-5'" in why[data, "gtp-5"]
    assert why["wikisql dev", "gpt-4"].startswith("no data")
    assert all(row["execution"] is None and row["per_1000"] is None for row in rows)


def test_a_cell_that_fails_leaves_the_others(tmp_path: Path, shops: Path) -> None:
    config = comparison(
        tmp_path, shops, {"model": "bundled", "strategy": "odd", "options": ["--no-such-option"]}
    )
    code, rows = evaluate_all(config, "--published", published(tmp_path))
    assert code == 1
    by_model = {row["model"]: row for row in rows if row["data"] == f"{shops.name} dev"}
    assert "no-such-option" in by_model["bundled"]["missing"]["EX"].lower()
    assert by_model["theirs"]["execution"]["mean"] == 0.75
    assert "of_another_split" not in by_model


def test_a_table_is_made_once_and_again_when_something_changed(
    tmp_path: Path, shops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = comparison(tmp_path, shops, {"model": "gpt-4"}), published(tmp_path)
    _, first = evaluate_all(config, "--published", folder)
    for name in ("table.md", "table.csv"):
        assert "theirs" in Path("results/evaluate_all", name).read_text(encoding="utf-8")
    capsys.readouterr()
    start = time.monotonic()
    _, again = evaluate_all(config, "--published", folder)
    assert again == first
    assert "evaluate all:" not in capsys.readouterr().err, "nothing was measured again"
    assert time.monotonic() - start < 5
    theirs = folder / "theirs.jsonl"
    theirs.write_text(theirs.read_text(encoding="utf-8").replace("nothing", "id"), encoding="utf-8")
    _, other = evaluate_all(config, "--published", folder)
    means = [row["execution"]["mean"] for row in other if row["execution"]]
    assert means == [0.75]
    assert "evaluate all: 1/1" in capsys.readouterr().err


def test_a_memory_of_something_else_is_not_believed(tmp_path: Path) -> None:
    cell = Cell(Part("x"), "a", "b", made_of="hash")
    assert remembered(cell, tmp_path) is None
    file = tmp_path / f"{cell.name}.json"
    for content in (
        [],
        {},
        {"made_of": "other", "report": {"metrics": {}}},
        {"made_of": "hash", "report": {"unanswered": {"timeout": 1}}},
    ):
        write(file, content)
        assert remembered(cell, tmp_path) is None
    write(file, {"made_of": "hash", "report": {"metrics": {}}})
    assert remembered(cell, tmp_path) == {"metrics": {}}


def test_models_trained_here_are_found(tmp_path: Path, shops: Path) -> None:
    for name in ("lora-x", "odd"):
        write(tmp_path / "results" / name / "model" / "config.json", {"model_type": "llama"})
    facts = {"base": "phi-2", "method": "lora", "datasets": [], "held_out": [], "measured": []}
    write(tmp_path / "results" / "lora-x" / "model" / "training.json", facts)
    write(tmp_path / "results" / "lora-x" / "step-1" / "config.json", {"model_type": "llama"})
    cells = list(plan(Comparison((Part(str(shops)),), (RowPlan("gpt-4"),)), Draw(), None))
    found = {(cell.model, cell.strategy) for cell in cells}
    assert found == {
        ("gpt-4", "greedy"),
        ("phi-2", "LoRA (lora-x)"),
        ("odd", "trained here (odd)"),
    }


@pytest.mark.slow
def test_hosted_models_share_one_budget(tmp_path: Path, shops: Path) -> None:
    pytest.importorskip("litellm", reason="needs the extra api")
    prices = {"openai-stub": {"input": 30, "output": 60}}
    asking = {"concurrency": 1, "timeout_s": 20}
    content = {"models": {}, "generalists": {"asking": asking, "prices": prices}}
    write(tmp_path / "config" / "model_config.yaml", content)
    stub = StubProvider({}, price=(30.0, 60.0))
    with stub as url:
        name = f"api:openai/stub@{url}/v1"
        config = comparison(tmp_path, shops, {"model": name, "strategy": "zero-shot"})
        code, rows = evaluate_all(config, "--max-cost", "0.262")
        [row] = [row for row in rows if row["data"] != "wikisql dev"]
        assert code == 1
        assert 0 < row["execution"]["n"] < 4
        assert row["unanswered"] == 4 - row["execution"]["n"]
        assert stub.bill <= 0.262
        code, rows = evaluate_all(config, "--max-cost", "9")
    [row] = [row for row in rows if row["data"] != "wikisql dev"]
    assert code == 0
    assert (row["execution"]["n"], row["unanswered"]) == (4, 0)
    assert row["per_1000"] == pytest.approx(1000 * stub.bill / 4)
    assert set(stub.answered.values()) == {1}


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
@pytest.mark.parametrize(
    "command", [[sys.executable, "experiments/evaluate_all.py"], ["scripts/evaluate.sh"]]
)
def test_the_doors_lead_here(command: list[str]) -> None:
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [*command, "--help"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "results table" in done.stdout or "one table" in " ".join(done.stdout.split())
