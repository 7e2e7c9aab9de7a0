"""Questions that follow others, typed SQL and wishes to change something, at every door to people."""

from __future__ import annotations

import io
import json
import sys
import uuid

import pytest

from txt2sql import sample
from txt2sql.cli import ask as shell
from txt2sql.cli.ask import answer_all
from txt2sql.cli.main import main
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.search.states import Question
from txt2sql.serving.service import Service
from txt2sql.types import Example, Turn

from .conftest import SCRIPT, Served

CITIES = SCRIPT["Shops per city"]


@pytest.fixture
def service() -> Service:
    return Service(sample.path(), ScriptedGenerator(SCRIPT))


def prompts(service: Service) -> list[str]:
    return [prompt.text for prompt in service.direct.generator.prompts]  # type: ignore[attr-defined]


def test_the_turn_before_is_used_where_a_question_refers_back(service: Service) -> None:
    first = service.ask("Shops per city")
    assert first.previous is None and first.turn == Turn("Shops per city", CITIES)
    follow = service.ask("only in Lisbon", first.turn)
    assert (follow.rows, follow.previous) == (((7,),), first.turn)
    assert f"Its SQL: {CITIES}" in prompts(service)[-1]
    alone = service.ask("Which shops are there?", first.turn)
    assert alone.previous is None and "name" in alone.columns
    assert service.ask("only in Lisbon").previous is None
    example = Example("a", "shop", "only 2024", previous=Turn("Shops?", "SELECT 1"))
    assert Question.of(example).example() == example, "a search is told of it, too"


def test_wishes_and_statements_ask_no_model(service: Service) -> None:
    declined = service.ask("delete all shops")
    assert (declined.sql, declined.turn) == (None, None)
    assert "only read" in (declined.error or "")
    ran = service.ask(" SELECT count(*) FROM shops; ")
    assert (ran.question, ran.rows, ran.error, ran.turn) == ("", ((7,),), None, None)
    assert service.ask("SELECT town FROM shops").error == "no such column: town"
    assert "EXPLAIN" in (service.ask("EXPLAIN SELECT 1").error or "")
    assert prompts(service) == []


def test_questions_of_one_command_follow_each_other(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = ["Shops per city", "SELECT 1", "only in Lisbon", ".new", "only in Lisbon"]
    answer_all(service, questions, 1, json=True, explain=False)
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["previous"] for each in answers] == [None, None, "Shops per city", None]
    assert [each["truncated"] for each in answers] == [True, False, False, True]
    assert answers[1]["question"] == ""
    answer_all(service, questions[:3], None, json=False, explain=False)
    assert "follows: Shops per city" in capsys.readouterr().out


def test_a_pipe_has_commands(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("help\n \nSELECT count(*) FROM shops\nquit\nHm\n"))
    monkeypatch.setattr("txt2sql.serving.service.Service", lambda *_, **__: service)
    with pytest.raises(SystemExit, match="0"):
        main(["ask", "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out)["rows"] == [[7]] and ".schema" in captured.err


def test_the_prompt_remembers_until_new(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["Shops per city", "only in Lisbon", ".new", "only in Lisbon", "help", "exit", "never"]
    monkeypatch.setattr("builtins.input", lambda _: lines.pop(0))
    monkeypatch.setitem(sys.modules, "readline", None)
    shell.converse(service, 20, False)
    assert lines == ["never"] and ".new" in capsys.readouterr().out
    assert ["Previous question" in text for text in prompts(service)] == [False, True, False]


def test_an_answer_of_the_history_can_be_followed(served: Served) -> None:
    first = served.ask("Shops per city").json()
    assert first["previous"] is None
    follow = served.ask("only in Lisbon", previous=first["id"]).json()
    assert (follow["rows"], follow["previous"]) == ([[7]], first["id"])
    stored = served.client.get(f"/api/answers/{follow['id']}").json()
    assert stored["previous"] == first["id"]
    alone = served.ask("Which shops are there?", previous=first["id"]).json()
    assert alone["previous"] is None and alone["columns"] == ["name"]
    unknown = served.ask("only in Lisbon", previous=str(uuid.uuid4()))
    assert unknown.status_code == 422 and "no answer of this id" in unknown.json()["error"]


def test_sql_and_wishes_are_answered_without_the_model(served: Served) -> None:
    ran = served.ask("select count(*) from shops").json()
    assert (ran["question"], ran["rows"], ran["error"], ran["model"]) == (None, [[7]], None, "")
    assert served.ask("only in Lisbon", previous=ran["id"]).json()["previous"] == ran["id"]
    declined = served.ask("delete all shops").json()
    assert declined["sql"] is None and "only read" in declined["error"] and not declined["model"]
    assert served.ask("only in Lisbon", previous=declined["id"]).json()["previous"] is None
    headers = {"Accept": "text/event-stream"}
    text = served.client.post("/api/ask", json={"question": "SELECT 1"}, headers=headers).text
    assert text.startswith("event: answer\ndata: {") and '"rows": [[1]]' in text


def test_a_chat_goes_on(served: Served) -> None:
    def say(*messages: dict[str, str]) -> str:
        body = {"messages": list(messages)}
        reply = served.client.post("/v1/chat/completions", json=body).json()
        return str(reply["choices"][0]["message"]["content"])

    question = {"role": "user", "content": "Shops per city"}
    follow = {"role": "user", "content": "only in Lisbon"}
    reply = {"role": "assistant", "content": say(question)}
    other = {"role": "assistant", "content": "I cannot tell."}
    again = {"role": "user", "content": "?"}
    assert "SELECT count(*) FROM shops" in say(question, reply, follow)
    assert "SELECT count(*) FROM shops" in say(question, reply, again, other, follow)
    assert "SELECT name" in say(question, other, follow)
