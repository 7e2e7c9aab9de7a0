"""`txt2sql adapt`: wrong use is told, adapters in use are listed and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.cli.main import main
from txt2sql.execution.database import open_database
from txt2sql.models import adapters


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["adapt", *arguments])
    return int(str(caught.value.code))


@pytest.fixture(autouse=True)
def _empty_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which database"),
        (["--db", "none.sqlite"], "no file 'none.sqlite'"),
        (["--db", "{db}", "--model", "no such model"], "no model 'no such model'"),
        (["--db", "{db}", "--set", "step=3"], "did you mean 'steps'"),
        (["--db", "{db}", "--set", "steps=0"], "steps must be 1 or more"),
        (["--db", "{db}", "--pairs", "none.tsv"], "cannot read pairs"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str],
    message: str,
    shops: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    db = str(shops / "database" / "shop" / "shop.sqlite")
    assert run(*(each.format(db=db) for each in arguments)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert message in line


def test_adapters_in_use_are_listed_and_forgotten(
    shops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = shops / "database" / "shop" / "shop.sqlite"
    assert run("--list") == 0
    assert "no adapter is in use" in capsys.readouterr().out
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    adapters.put_to_use(open_database(db).schema(), db, folder, "bundled", {})
    assert run("--list", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["name"] == "bundled+shop"
    assert entry["path"] == str(db)
    assert run("--list") == 0
    assert "bundled+shop" in capsys.readouterr().out
    assert run("--db", str(db), "--forget") == 0
    assert run("--list", "--json") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "[]"
