"""`txt2sql ask`: answers in text and JSON, exit codes, questions from a pipe."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from txt2sql.cli.ask import answer_all
from txt2sql.cli.main import main
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service

KEYS = [
    *("question", "previous", "sql", "columns", "rows", "truncated", "seconds", "model", "error"),
    *("confidence", "certainty", "unknown", "doubt", "readings", "dropped"),
]


@pytest.fixture
def service(shops: Path) -> Service:
    """Knows two questions; anything else gets prose."""
    completions = {
        "How many shops": "SELECT count(*) FROM shop",
        "cities": "SELECT city, id FROM shop",
        "towns": "SELECT town FROM shop",
        "": "I cannot help with that.",
    }
    return Service(shops / "database" / "shop" / "shop.sqlite", ScriptedGenerator(completions))


def test_no_question_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n\n"))
    with pytest.raises(SystemExit) as caught:
        main(["ask"])
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("txt2sql: no question was given")


@pytest.mark.parametrize("question", ["Which towns?", "Why?", ""])
@pytest.mark.parametrize("json", [True, False])
def test_one_failure_fails_all_but_stops_none(
    service: Service, question: str, json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [question, "How many shops are there?"]
    assert answer_all(service, questions, None, json=json, explain=False) is False
    assert "3" in capsys.readouterr().out


def test_json_is_one_object_per_question(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = ["How many shops are there?", "Which towns?"]
    answer_all(service, questions, None, json=True, explain=True)
    captured = capsys.readouterr()
    first, second = (json.loads(line) for line in captured.out.splitlines())
    assert list(first) == list(second) == KEYS
    assert (first["question"], first["rows"], first["error"]) == (questions[0], [[3]], None)
    assert (first["columns"], first["model"]) == (["count(*)"], "scripted")
    assert second["rows"] == []
    assert "town" in second["error"]
    assert "matched values" in captured.err


def test_text_shows_question_sql_and_rows(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer_all(service, ["Which cities?"], 2, json=False, explain=False) is True
    out = capsys.readouterr().out
    for part in ("Which cities?", "SELECT city, id FROM shop", "Lisbon", "… 1 more row", "3 rows"):
        assert part in out


def test_max_rows_limits_json_too(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    answer_all(service, ["Which cities?"], 2, json=True, explain=False)
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 2
