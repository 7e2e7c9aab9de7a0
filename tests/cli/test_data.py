"""`txt2sql data`: what a person and a script see of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from txt2sql.cli.data import app
from txt2sql.sample import __file__ as sample

SAMPLE = Path(sample).parent
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample database as a data set in Spider's official layout."""
    root = tmp_path / "sets" / "spider"
    shutil.copytree(SAMPLE / "database", root / "database")
    for name in ("dev", "train_spider"):
        shutil.copy(SAMPLE / "dev.json", root / f"{name}.json")
    (root / "tables.json").write_text("[]")
    return root


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_download_of_an_archive_prints_its_checksum(folder: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "spider"), "zip", folder)
    arguments = ("download", "spider", "--source", archive, "--dest", tmp_path / "got")
    result = run(*arguments, "--json")
    assert len(json.loads(result.stdout)["sha256"]) == 64
    assert json.loads(result.stdout)["sha256"] in run(*arguments, "--force").stdout


def test_info_lists_the_splits(folder: Path) -> None:
    result = run("info", "--data", folder.parent, "--json")
    splits = json.loads(result.stdout)["splits"]
    assert [(row["split"], row["questions"], row["databases"]) for row in splits] == [
        ("dev", 30, 1),
        ("train_spider", 30, 1),
        ("train", 30, 1),
    ]
    assert "train_spider" in run("info", "--dataset", folder).stdout


def test_check_exits_with_1_when_something_is_wrong(folder: Path) -> None:
    good = run("check", "--dataset", folder)
    assert (good.exit_code, "no problems" in good.stdout) == (0, True)
    shutil.rmtree(folder / "database" / "bookshops")
    bad = run("check", "--dataset", folder)
    assert bad.exit_code == 1
    assert "30 questions on bookshops" in bad.stdout
    assert json.loads(run("check", "--dataset", folder, "--json").stdout)["spider"]["problems"]


def test_preprocess_shows_a_summary_and_lists_failures(folder: Path, tmp_path: Path) -> None:
    questions = json.loads((folder / "dev.json").read_text())
    questions[3]["query"] = "SELECT 1 FROM nowhere"
    (folder / "dev.json").write_text(json.dumps(questions))
    arguments = ("preprocess", "--data", folder, "--dataset", "spider", "--out", tmp_path / "out")
    result = run(*arguments)
    assert result.exit_code == 0
    assert "1 failed" in result.stdout
    assert "dev-3: no such table: nowhere" in result.stdout
    rows = json.loads(run(*arguments, "--json").stdout)["splits"]
    assert [(row["split"], row["n"], row["failed"], row["made"]) for row in rows] == [
        ("dev", 30, 1, 0),
        ("train_spider", 30, 0, 0),
    ]


@pytest.mark.parametrize("script", ["download_spider", "download_wikisql", "preprocess"])
def test_the_scripts_are_doors_to_it(script: str, tmp_path: Path) -> None:
    path = ROOT / "data" / "scripts" / f"{script}.py"
    assert len(path.read_text().splitlines()) <= 40
    source = str(tmp_path / "nothing")
    options = ["--source", source, "--dest", source] if "download" in script else ["--data", source]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, str(path), *options], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert done.stderr.startswith("txt2sql: no ")
    assert "Traceback" not in done.stderr
