"""Answers that are unsure or not known, in the terminal, the prompt, JSON, the API and the chat protocol."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.cli import ask as shell
from txt2sql.cli import display
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.openai_api import as_markdown
from txt2sql.serving.payload import payload
from txt2sql.serving.service import Answer, Reading, Service

READINGS = (Reading("SELECT 11 AS n", "The number 11."), Reading("SELECT 12 AS n", None))
UNSURE = Answer(
    "How many?", "SELECT 10 AS n", ("n",), ((10,),), confidence=0.4, certainty="unsure",
    readings=READINGS,
)  # fmt: skip
UNKNOWN = replace(
    UNSURE, confidence=0.02, certainty="unknown", doubt="nothing in this database is called 'llama'"
)


def test_an_answer_is_shown_with_how_sure_it_is(capsys: Any) -> None:
    display.answer(replace(UNSURE, doubt="nothing here is called 'llama'"), 20)
    text = capsys.readouterr().out
    assert "10" in text and "unsure, confidence 40%" in text
    assert "1  The number 11." in text and "2  SELECT 12 AS n" in text
    assert "nothing here is called 'llama'" in text
    display.answer(UNKNOWN, 20)
    text = capsys.readouterr().out
    assert "I do not know: nothing in this database is called 'llama'" in text
    assert "SELECT 10" not in text and "The number 11." in text
    display.answer(UNKNOWN, 20, guess=True)
    assert "SELECT 10" in capsys.readouterr().out


def test_json_the_api_and_chats_say_how_sure_it_is() -> None:
    schema = Service(sample.path(), ScriptedGenerator([])).schema
    line = json.loads(display.answer_json(UNKNOWN, None))
    sent = payload("1", UNKNOWN, schema)
    assert (line["confidence"], line["rows"]) == (0.02, [[10]])
    assert line["readings"][0] == {"sql": "SELECT 11 AS n", "explanation": "The number 11."}
    assert line["certainty"] == sent["certainty"] == "unknown" and len(sent["readings"]) == 2
    assert line["unknown"].startswith("I do not know: ")
    text = as_markdown(sent)
    assert "I do not know" in text and "a guess" in text and "- The number 11." in text
    assert "not sure of this: about 40%" in as_markdown(payload("1", UNSURE, schema))
    sure = payload("1", replace(UNSURE, certainty="sure", readings=()), schema)
    assert "sure" not in as_markdown(sure) and sure["unknown"] is None


def test_the_number_of_a_reading_runs_it_at_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    service = Service(sample.path(), ScriptedGenerator([]))
    turns: list[Any] = []

    def ask(question: str, previous: Any = None) -> Answer:
        turns.append(previous)
        return UNKNOWN

    monkeypatch.setattr(service, "ask", ask)
    lines = ["How many?", ".guess", "2", "and in Porto?", "exit"]
    monkeypatch.setattr("builtins.input", lambda _: lines.pop(0))
    monkeypatch.setitem(sys.modules, "readline", None)
    shell.converse(service, 20, False)
    text = capsys.readouterr().out
    assert text.index("I do not know") < text.index("SELECT 10 AS n")
    assert text.index("SELECT 10 AS n") < text.rindex("SELECT 12 AS n")
    assert [turn and turn.sql for turn in turns] == [None, "SELECT 12 AS n"]
