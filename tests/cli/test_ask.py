"""`txt2sql ask`: answers in text and JSON, and whether every question got one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.cli.ask import answer_all
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service

KEYS = [
    "question", "previous", "sql", "columns", "rows", "truncated", "seconds", "model", "error",
    "confidence", "certainty", "unknown", "doubt", "readings", "dropped",
]  # fmt: skip


@pytest.fixture
def service(shop: Path) -> Service:
    """Knows three questions; anything else gets prose."""
    completions = {
        "How many shops": "SELECT count(*) FROM shop",
        "cities": "SELECT city, id FROM shop",
        "towns": "SELECT town FROM shop",
        "": "I cannot help with that.",
    }
    return Service(shop, ScriptedGenerator(completions))


@pytest.mark.parametrize("question", ["Which towns?", "Why?", ""])
def test_one_failure_fails_all_but_stops_none(
    service: Service, question: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for as_json in (True, False):
        questions = [question, "How many shops are there?"]
        assert answer_all(service, questions, None, json=as_json, explain=False) is False
        assert "3" in capsys.readouterr().out


def test_json_is_one_object_per_question_and_reasons_stand_beside_it(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = ["How many shops are there?", "Which towns?", "Which cities?"]
    answer_all(service, questions, 2, json=True, explain=True)
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [list(answer) for answer in answers] == [KEYS] * 3
    assert [len(answer["rows"]) for answer in answers] == [1, 0, 2]
    assert "matched values" in captured.err
