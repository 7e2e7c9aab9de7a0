"""The API: what is refused and how, before what is answered. Answers as such are in tests/golden."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import time
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_files import build

from txt2sql import sample
from txt2sql.errors import ModelError
from txt2sql.execution.database import open_database
from txt2sql.execution.pool import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.backend import _SAMPLE_EXAMPLES, Backend
from txt2sql.serving.scheduler import CLIENT, Refused
from txt2sql.serving.worker import ModelSettings
from txt2sql.training.adapt import read_given

from .conftest import ENDLESS, Serve, Served

JSON = {"content-type": "application/json"}


def is_refusal(response: httpx.Response, *statuses: int) -> bool:
    """One sentence, and nothing else."""
    sentence = response.json()["error"]
    assert list(response.json()) == ["error"]
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return response.status_code in statuses and len(sentence) > 10


def test_what_does_not_fit_is_refused(served: Served) -> None:
    for body in (
        {"question": "\x1c\x1f"},  # separators, white space to Python alone
        {"question": "x" * 10_001},
        {"question": "How many?", "search": 10**9},
        {"question": "How many?", "id": "not a uuid"},
        [],
    ):
        assert is_refusal(served.client.post("/api/ask", json=body), 422), body
    for content in (b"", b"{", b"\xff\xfe", b'{"question": NaN}', b"[" * 100_000):
        response = served.client.post("/api/ask", content=content, headers=JSON)
        assert is_refusal(response, 400, 422)
    for path in ("/api", "/../secret", "/page.py", "/api/ask/"):
        assert is_refusal(served.client.get(path, follow_redirects=True), 404), path


def test_a_large_body_is_refused_with_and_without_its_length(served: Served) -> None:
    large = json.dumps({"sql": "x" * 2_000_000}).encode()
    assert is_refusal(served.client.post("/api/sql", content=large, headers=JSON), 413)
    pieces = (large[i : i + 50_000] for i in range(0, len(large), 50_000))
    try:
        response = served.client.post("/api/sql", content=pieces, headers=JSON)
    except (httpx.WriteError, httpx.RemoteProtocolError):  # it hung up before it had heard all
        return
    assert is_refusal(response, 413)


def test_other_host_names_and_pages_of_other_sites_are_refused(served: Served) -> None:
    def get(**headers: str) -> httpx.Response:
        return served.client.get("/api/database", headers=headers)

    for host in ("evil.example", "evil.example:8000", "", "localhost.evil.example"):
        assert is_refusal(get(host=host), 400), host
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000"):
        assert get(host=host).status_code == 200, host
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert is_refusal(get(origin=origin), 403), origin
    assert get(origin=served.url).status_code == 200


def test_every_answer_tells_the_browser_to_do_no_more_than_needed(served: Served) -> None:
    for path in ("/", "/health", "/api/database", "/docs", "/nothing"):
        headers = served.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_with_a_token_everything_but_the_page_and_health_wants_it(serve: Serve) -> None:
    client = serve(token="s3cret word").client
    guarded = {
        "GET": ("/api/database", "/api/history", "/api/feedback/export", "/metrics", "/docs"),
        "POST": ("/api/ask", "/api/sql", "/api/feedback", "/v1/chat/completions"),
        "DELETE": ("/api/history", "/no such file", "/health/"),
    }
    wrong = (None, "Bearer wrong", "Bearer", "Basic s3cret word", "Bearer s3cret", "Bearer \xe9")
    for method, paths in guarded.items():
        for path in paths:
            for given in wrong:
                headers = {} if given is None else {"authorization": given.encode("latin-1")}
                response = client.request(method, path, headers=headers)
                assert is_refusal(response, 401), (path, given)
    for path in ("/", "/health", "/page.css"):
        assert client.get(path).status_code == 200
    right = {"authorization": "Bearer s3cret word"}
    assert client.get("/api/database", headers=right).status_code == 200

    # The page's address with the token sets a cookie that is not the token.
    assert client.get("/?token=wrong").status_code == 200
    assert not client.cookies
    entered = client.get("/?token=s3cret%20word")
    assert entered.status_code == 303
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert "s3cret" not in cookie
    assert client.get("/api/database").status_code == 200
    client.cookies.clear()
    client.cookies.set("txt2sql", "0" * 64)
    assert client.get("/api/database").status_code == 401


def test_a_model_that_cannot_be_loaded_is_told_at_the_start() -> None:
    async def start() -> None:
        backend = Backend(ModelSettings(str(sample.path()), "no such model", search=0))
        try:
            await backend.start()
        finally:
            await backend.close()

    with pytest.raises(ModelError, match="no model 'no such model'"):
        asyncio.run(start())


def looked_around(served: Served) -> dict[str, Any]:
    """The database, after rows were counted and examples tried in the background."""
    while not (facts := served.client.get("/api/database").json())["complete"]:
        time.sleep(0.1)
    return facts


def test_the_database_is_described_without_where_it_is(served: Served) -> None:
    facts = looked_around(served)
    assert "/" not in json.dumps(facts["schema"])
    [shops] = [table for table in facts["schema"]["tables"] if table["name"] == "shops"]
    assert (shops["rows"], shops["more_rows"]) == (7, False)
    assert facts["examples"] == list(_SAMPLE_EXAMPLES)


def test_who_asks_is_known(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sql(sql: str, id: str | None) -> None:
        raise Refused(f"nothing for {CLIENT.get()}", 503)

    monkeypatch.setattr(served.backend.first, "sql", sql)
    assert served.sql("SELECT 1").json() == {"error": "nothing for 127.0.0.1"}


def test_examples_that_give_nothing_are_not_shown_and_tables_are_read_anew(
    serve: Serve, tmp_path: Path
) -> None:
    script = {
        "How many shops": "SELECT count(*) FROM shops",
        "Show": "SELECT town FROM shops",
        "visit_id": "SELECT count(*) + 40 FROM visits",  # where the prompt tells of it
        "": "SELECT NULL",
    }
    file = Path(shutil.copy(sample.path(), tmp_path / "shop.sqlite"))
    meanings = tmp_path / "meanings.yaml"
    meanings.write_text("shops: {}\n")
    served = serve(database=file, model=ScriptedGenerator(script), describe=meanings)
    assert looked_around(served)["examples"] == ["How many shops are there in each country?"]
    first = served.client.post("/api/database/refresh").json()
    build(file, "CREATE TABLE visits (visit_id INTEGER PRIMARY KEY)")
    second = served.client.post("/api/database/refresh").json()
    meanings.write_text("shops: {floor_area: in square metres}\n")
    third = served.client.post("/api/database/refresh").json()
    changed = [each["changed"] for each in (first, second, third)]
    assert changed == [False, True, True]
    [shops] = [table for table in third["schema"]["tables"] if table["name"] == "shops"]
    assert "in square metres" in {column["comment"] for column in shops["columns"]}
    assert "visits" in {table["name"] for table in second["schema"]["tables"]}
    assert served.ask("How many shops?").json()["rows"] == [[7]]
    assert served.ask("How often were they visited?").json()["rows"] == [[40]]
    assert served.backend.scheduler.restarts == 0


def test_a_statement_really_stops(served: Served) -> None:
    id = str(uuid.uuid4())
    with ThreadPoolExecutor(1) as pool:
        start = time.perf_counter()
        slow = pool.submit(served.sql, ENDLESS, id=id)
        while id not in served.backend.statements.requests:
            time.sleep(0.02)
        assert is_refusal(served.sql("SELECT 1", id=id), 422), "the id is in use"
        assert served.client.delete(f"/api/ask/{id}").status_code == 204
        assert slow.result().json()["error"] in ("interrupted", "stopped")
        assert time.perf_counter() - start < 1.9, "before its time is over"
    assert is_refusal(served.client.delete(f"/api/ask/{id}"), 404)


def test_no_row_reaches_the_disk(served: Served) -> None:
    served.sql("SELECT 'very' || ' secret ' || 'cell' FROM shops")
    assert served.backend.first.history.path is not None
    with closing(sqlite3.connect(served.backend.first.history.path)) as connection:
        payloads = connection.execute("SELECT payload FROM answer").fetchall()
        everything = "".join(connection.iterdump())
    everything += "".join(zlib.decompress(payload).decode() for (payload,) in payloads)
    assert "' secret '" in everything and "very secret cell" not in everything


def test_without_history_nothing_is_on_disk_and_files_are_whole_or_say_that_they_are_not(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    served = serve(history=False, limits=Limits(timeout_s=2.0, max_rows=10))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    for rows, name, last in ((99, "", "99"), (101, "-first-100-rows", "cut off after 100 rows")):
        id = served.sql(numbers.format(rows)).json()["id"]
        response = served.client.get(f"/api/answers/{id}/rows.csv")
        lines = response.content.decode("utf-8-sig").splitlines()
        assert f"{id[:8]}{name}.csv" in response.headers["content-disposition"]
        assert lines[:2] == ["i", "1"] and len(lines) == 1 + min(rows, 101)
        assert lines[-1].strip('"').startswith(last)
    assert not list(tmp_path.glob("cache/answers/*"))


def test_rows_are_downloaded(served: Served) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    id = served.sql("SELECT '=1+1' AS a, -2 AS b, NULL AS c, 'x' AS c").json()["id"]
    response = served.client.get(f"/api/answers/{id}/rows.csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert "attachment" in response.headers["content-disposition"]
    assert response.content.decode("utf-8-sig") == "a,b,c,c\r\n'=1+1,-2,,x\r\n"
    response = served.client.get(f"/api/answers/{id}/rows.parquet")
    table = parquet.read_table(io.BytesIO(response.content))
    assert table.to_pydict() == {"a": ["=1+1"], "b": [-2], "c": [None], "c_2": ["x"]}
    failed = served.sql("SELECT town FROM shops").json()["id"]
    for kind in ("csv", "parquet"):
        unknown = served.client.get(f"/api/answers/{uuid.uuid4()}/rows.{kind}")
        assert is_refusal(unknown, 404)
        assert is_refusal(served.client.get(f"/api/answers/{failed}/rows.{kind}"), 409)


def test_feedback_becomes_pairs_that_adapt_reads(served: Served, tmp_path: Path) -> None:
    client = served.client
    client.delete("/api/history")
    questions = ("How many shops?", "Which cities?", "broken", "Who?")
    count, cities, broken, unjudged = (served.ask(q).json()["id"] for q in questions)
    ran = served.sql("SELECT 1").json()["id"]
    corrected = "SELECT city FROM shops\nWHERE city <> '\t'"
    for id, good, sql, status in (
        (count, True, None, 204),
        (cities, False, corrected, 204),
        (cities, False, "SELECT town FROM shops", 422),  # kept only if it runs
        (cities, False, "DROP TABLE shops", 422),
        (broken, False, None, 204),
        (ran, True, None, 204),
        (str(uuid.uuid4()), True, None, 404),
    ):
        response = client.post("/api/feedback", json={"id": id, "good": good, "sql": sql})
        assert response.status_code == 204 == status or is_refusal(response, status)
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(client.get("/api/feedback/export").content)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines == [
        {"question": "How many shops?", "sql": "SELECT count(*) FROM shops", "db_id": "bookshops"},
        {"question": "Which cities?", "sql": corrected, "db_id": "bookshops"},
    ]
    given, wrong = read_given(file, open_database(sample.path()), lambda _: None)
    assert ([pair.sql for pair in given], wrong) == ([lines[0]["sql"], corrected], [])
    judged = {each["id"]: each["feedback"] for each in client.get("/api/history").json()}
    assert judged[cities] == {"good": False, "sql": corrected}
    assert judged[unjudged] is None


def test_health_metrics_and_the_description(served: Served) -> None:
    assert served.client.get("/health").json()["status"] == "ok"
    served.ask("How many shops?")
    text = served.client.get("/metrics").text
    assert 'txt2sql_requests_total{path="/api/ask",status="200"}' in text
    assert 'txt2sql_questions_total{end="answer",kind="greedy"}' in text
    assert "txt2sql_model_up 1.0" in text
    docs = served.client.get("/docs").text
    assert "POST /api/ask" in docs
    assert "body: {question, search?, id?, previous?, database?}" in docs
