"""Several databases in one service: each has its own answers, history, names and questions that follow."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlite_files import build

from txt2sql.execution.database import open_database
from txt2sql.serving.backend import distinct_names

from .conftest import Serve, Served

SMALL = "CREATE TABLE shops (name TEXT, city TEXT); INSERT INTO shops VALUES ('One', 'Here')"


@pytest.fixture
def two(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The sample, and a database with one shop."""
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    return serve(others=[build(tmp_path / "small.sqlite", SMALL)])


def get(served: Served, path: str, **parameters: Any) -> Any:
    return served.client.get(path, params=parameters).json()


def test_an_answer_belongs_to_its_database(two: Served) -> None:
    listed = get(two, "/api/databases")
    assert listed == [
        {"name": "bookshops", "dialect": "sqlite", "tables": 8},
        {"name": "small", "dialect": "sqlite", "tables": 1},
    ]
    for name, count in (("", 7), ("bookshops", 7), ("small", 1)):
        for answer in (
            two.ask("How many shops?", database=name),
            two.ask("SELECT count(*) FROM shops", database=name),
            two.sql("SELECT count(*) FROM shops", database=name),
        ):
            assert answer.json()["rows"] == [[count]]
            assert answer.json()["database"] == (name or "bookshops")
    assert len(get(two, "/api/database", database="small")["schema"]["tables"]) == 1
    assert len(get(two, "/api/history")) == 6
    past = get(two, "/api/history", database="small")
    assert [each["database"] for each in past] == ["small"] * 3
    id = past[0]["id"]
    stored = f"/api/answers/{id}"
    assert get(two, stored, rows=1, database="small")["rows"] == [[1]]
    assert two.client.get(f"{stored}/rows.csv", params={"database": "small"}).text.endswith("1\r\n")
    body = {"id": id, "good": True}
    assert two.client.post("/api/feedback", json=body).status_code == 404
    assert two.client.get(stored).status_code == 404
    assert two.client.post("/api/feedback", json={**body, "database": "small"}).status_code == 204
    named = {"name": "mine", "database": "small"}
    assert two.client.patch(stored, json=named).status_code == 204
    assert two.client.delete("/api/history", params={"database": "bookshops"}).status_code == 204
    assert get(two, "/api/history") == []
    assert get(two, "/api/history", database="small")[0]["name"] == "mine"


def test_a_question_follows_only_what_its_own_database_answered(two: Served) -> None:
    first = two.ask("Shops per city", database="small").json()
    followed = two.ask("only in Lisbon", previous=first["id"], database="small").json()
    assert followed["previous"] == first["id"]
    other = two.ask("only in Lisbon", previous=first["id"])
    assert (other.status_code, other.json()["error"]) == (
        422,
        "previous: there is no answer of this id",
    )


def test_an_unknown_name_is_a_sentence_with_those_there_are(two: Served) -> None:
    id, sentence = uuid.uuid4(), "there is no database 'x'; choose one of 'bookshops', 'small'"
    for method, path, body in (
        ("POST", "/api/ask", {"question": "How many?"}),
        ("POST", "/api/sql", {"sql": "SELECT 1"}),
        ("POST", "/api/feedback", {"id": str(id), "good": True}),
        ("PATCH", f"/api/answers/{id}", {"name": "a"}),
    ):
        response = two.client.request(method, path, json={**body, "database": "x"})
        assert (response.status_code, response.json()) == (404, {"error": sentence})
    for method, path in (
        ("GET", "/api/database"),
        ("POST", "/api/database/refresh"),
        ("GET", "/api/history"),
        ("DELETE", "/api/history"),
        ("GET", f"/api/answers/{id}"),
        ("GET", f"/api/answers/{id}/rows.csv"),
        ("GET", "/api/feedback/export"),
    ):
        response = two.client.request(method, path, params={"database": "x"})
        assert (response.status_code, response.json()) == (404, {"error": sentence})


def test_questions_that_wait_together_are_answered_each_by_its_database(two: Served) -> None:
    with ThreadPoolExecutor(12) as pool:
        names = ["small", "bookshops", ""] * 8
        answers = pool.map(lambda name: two.ask("How many shops?", database=name).json(), names)
        counts = [answer["rows"] for answer in answers]
    assert counts == [[[1]], [[7]], [[7]]] * 8


def test_chat_programs_choose_a_database_by_the_model(two: Served) -> None:
    def chat(model: str, *before: tuple[str, str]) -> Any:
        messages = [{"role": role, "content": content} for role, content in before]
        messages.append({"role": "user", "content": "How many shops?"})
        body = {"model": model, "messages": messages}
        return two.client.post("/v1/chat/completions", json=body).json()

    models = [each["id"] for each in get(two, "/v1/models")["data"]]
    assert models == ["txt2sql", "txt2sql/bookshops", "txt2sql/small"]
    texts = {}
    for model, count in (("txt2sql", 7), ("gpt", 7), (models[1], 7), (models[2], 1)):
        answer = chat(model)
        texts[model] = answer["choices"][0]["message"]["content"]
        assert f"| {count} |" in texts[model]
        assert answer["model"] == ("txt2sql" if model == "gpt" else model)
    assert "choose one of 'bookshops', 'small'" in chat("txt2sql/x")["error"]["message"]

    def follow_up(model: str) -> str:
        before = [("user", "Shops per city"), ("assistant", texts[models[2]])]
        messages = [{"role": role, "content": content} for role, content in before]
        messages.append({"role": "user", "content": "only in Lisbon"})
        body = {"model": model, "messages": messages}
        answer = two.client.post("/v1/chat/completions", json=body).json()
        return str(answer["choices"][0]["message"]["content"])

    assert "SELECT count(*) FROM shops" in follow_up(models[2])
    assert "SELECT name FROM shops" in follow_up(models[1])  # nothing of its own came before


def test_with_one_database_nothing_is_named(served: Served) -> None:
    assert "database" not in served.ask("How many shops?").json()
    assert "database" not in get(served, "/api/history")[0]
    body = {"model": "txt2sql/x", "messages": [{"role": "user", "content": "How many shops?"}]}
    answer = served.client.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"].startswith("```sql\n")


def test_names_are_distinct(tmp_path: Path) -> None:
    paths = ["a/db/shop", "b/db/shop", "b/db/shop", "c/shop", "c/library"]
    opened = []
    for path in paths:
        file = tmp_path / f"{path}.sqlite"
        file.parent.mkdir(parents=True, exist_ok=True)
        opened.append(open_database(file if file.exists() else build(file, SMALL)))
    names = distinct_names(opened)
    assert names == ["a/db/shop", "b/db/shop", "b/db/shop (3)", "c/shop", "library"]
