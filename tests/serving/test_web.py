"""The API: what is refused and how, before what is answered."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from stand_ins import Slow

from txt2sql import sample
from txt2sql.errors import ConfigError, ModelError
from txt2sql.execution.pool import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.backend import _SAMPLE_EXAMPLES
from txt2sql.serving.server import Access, listen

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def is_refusal(response: httpx.Response, status: int) -> bool:
    """One sentence, and nothing else."""
    sentence = response.json()["error"]
    assert list(response.json()) == ["error"]
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return response.status_code == status and len(sentence) > 10


# ------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": ""},
        {"question": " \n\t"},
        {"question": "\x1c\x1f"},  # separators, white space to Python alone
        {"question": "x" * 10_001},
        {"question": 5},
        {"question": None},
        {"question": "How many?", "search": -1},
        {"question": "How many?", "search": 10**9},
        {"question": "How many?", "id": "not a uuid"},
        {"question": "How many?", "sql": "DROP TABLE shops"},
        [],
        "How many?",
    ],
)
def test_a_body_that_does_not_fit_is_refused(served: Any, body: Any) -> None:
    assert is_refusal(served.client.post("/api/ask", json=body), 422)


def test_what_is_no_json_is_refused(served: Any) -> None:
    for content in (b"", b"{", b"\xff\xfe", b'{"question": NaN}', b"[" * 100_000):
        headers = {"content-type": "application/json"}
        response = served.client.post("/api/ask", content=content, headers=headers)
        assert is_refusal(response, response.status_code)
        assert response.status_code in (400, 422)
    form = served.client.post("/api/ask", data={"question": "How many?"})
    assert is_refusal(form, 422)


@pytest.mark.parametrize("path", ["/api", "/api/tables", "/../secret", "/page.py", "/api/ask/"])
def test_an_unknown_address_is_told_as_such(served: Any, path: str) -> None:
    assert is_refusal(served.client.get(path, follow_redirects=True), 404)


def test_a_wrong_method_is_told_as_such(served: Any) -> None:
    assert is_refusal(served.client.get("/api/ask"), 405)
    assert is_refusal(served.client.put("/api/sql", json={"sql": "SELECT 1"}), 405)


def test_a_large_body_is_refused_with_and_without_its_length(served: Any) -> None:
    large = json.dumps({"sql": "x" * 2_000_000}).encode()
    headers = {"content-type": "application/json"}
    assert is_refusal(served.client.post("/api/sql", content=large, headers=headers), 413)
    pieces = (large[i : i + 50_000] for i in range(0, len(large), 50_000))
    try:
        response = served.client.post("/api/sql", content=pieces, headers=headers)
    except (httpx.WriteError, httpx.RemoteProtocolError):  # it hung up before it had heard all
        return
    assert is_refusal(response, 413)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "", "localhost.evil.example"]
)
def test_another_host_name_is_refused(served: Any, host: str) -> None:
    response = served.client.get("/api/database", headers={"host": host})
    assert is_refusal(response, 400)


def test_answers_on_a_kept_connection_do_not_wait_for_an_acknowledgement() -> None:
    """asyncio sets TCP_NODELAY on connections of a socket that names its protocol."""
    with closing(listen(Access(port=0))) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_our_own_host_names_are_not(served: Any) -> None:
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000"):
        assert served.client.get("/api/database", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_is_refused(served: Any, origin: str) -> None:
    response = served.client.post(
        "/api/ask", json={"question": "How many?"}, headers={"origin": origin}
    )
    assert is_refusal(response, 403)


def test_a_page_of_ours_is_not(served: Any) -> None:
    response = served.client.get("/api/history", headers={"origin": served.url})
    assert response.status_code == 200


def test_every_answer_tells_the_browser_to_do_no_more_than_needed(served: Any) -> None:
    for path in ("/", "/health", "/api/database", "/docs", "/nothing"):
        headers = served.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_with_a_token_everything_but_the_page_and_health_wants_it(
    serve: Callable[..., Any],
) -> None:
    served = serve(token="s3cret word")
    client = served.client
    guarded = [
        *(
            ("GET", p)
            for p in ("/api/database", "/api/history", "/metrics", "/openapi.json", "/docs")
        ),
        *(("POST", p) for p in ("/api/ask", "/api/sql", "/api/feedback")),
        ("DELETE", "/api/history"),
        ("GET", "/api/feedback/export"),
        ("GET", "/no such file"),
        ("GET", "/health/"),
    ]
    wrong = (None, "Bearer wrong", "Bearer", "Basic s3cret word", "Bearer s3cret", "Bearer \xe9")
    for method, path in guarded:
        for given in wrong:
            headers = {} if given is None else {"authorization": given.encode("latin-1")}
            assert is_refusal(client.request(method, path, headers=headers), 401), (path, given)
    for path in ("/", "/health", "/page.css"):
        assert client.get(path).status_code == 200
    right = {"authorization": "Bearer s3cret word"}
    assert client.get("/api/database", headers=right).status_code == 200


def test_the_page_s_address_with_the_token_sets_a_cookie_that_is_not_the_token(
    serve: Callable[..., Any],
) -> None:
    client = serve(token="s3cret").client
    assert client.get("/?token=wrong").status_code == 200
    assert not client.cookies
    entered = client.get("/?token=s3cret")
    assert entered.status_code == 303
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert "s3cret" not in cookie
    assert client.get("/api/database").status_code == 200
    client.cookies.clear()
    client.cookies.set("txt2sql", "0" * 64)
    assert client.get("/api/database").status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_other_machines_are_let_in_only_with_a_token_or_on_demand(host: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        Access(host)
    assert Access(host, token="t").host == Access(host, insecure=True).host == host


@pytest.mark.parametrize("token", ["", " ", "naïve", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="token"):
        Access(token=token)


def test_a_model_that_cannot_be_loaded_is_told_at_the_start(tmp_path: Path) -> None:
    import asyncio

    from txt2sql import sample
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.worker import ModelSettings

    async def start() -> None:
        backend = Backend(ModelSettings(str(sample.path()), "no such model", search=0))
        try:
            await backend.start()
        finally:
            await backend.close()

    with pytest.raises(ModelError, match="no model 'no such model'"):
        asyncio.run(start())


# ------------------------------------------------------------------------------------- answered


def test_what_columns_mean_and_what_was_left_out_are_in_the_payloads(tmp_path: Path) -> None:
    import asyncio

    from txt2sql import sample
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.payload import payload
    from txt2sql.serving.service import Answer
    from txt2sql.serving.worker import ModelSettings

    file = tmp_path / "meanings.yaml"
    file.write_text("shops: where books are sold\nshops.city: where its door is\n")

    async def described() -> tuple[Any, Any]:
        backend = Backend(ModelSettings(str(sample.path()), describe=file), history=False)
        try:
            return backend.describe()["schema"], backend.schema
        finally:
            await backend.close()

    shown, schema = asyncio.run(described())
    [shops] = [table for table in shown["tables"] if table["name"] == "shops"]
    comments = {column["name"]: column["comment"] for column in shops["columns"]}
    assert shops["comment"] == "where books are sold"
    assert comments["city"] == "where its door is" and not comments["shop_id"]
    answer = Answer("How many?", "SELECT 1", ("1",), ((1,),), dropped=("log", "shops.city"))
    assert payload("x", answer, schema)["dropped"] == ["log", "shops.city"]


def test_the_database_is_described_without_where_it_is(served: Any) -> None:
    found = served.client.get("/api/database").json()
    assert found["name"] == "bookshops"
    assert found["dialect"] == "sqlite"
    assert found["model"] == "scripted"
    assert found["search"] == {"available": False, "default": 0, "max": 0}
    shops = next(t for t in found["schema"]["tables"] if t["name"] == "shops")
    assert shops["columns"][0] == {
        "name": "shop_id", "type": "number", "primary_key": True, "comment": "", "samples": []
    }  # fmt: skip
    first = found["schema"]["foreign_keys"][0]
    assert set(first) == {"table", "column", "to_table", "to_column", "inferred", "score"}
    assert (first["inferred"], first["score"]) == (False, 1)
    assert "/" not in json.dumps(found["schema"])
    while not found["complete"]:  # rows are counted and examples tried in the background
        time.sleep(0.1)
        found = served.client.get("/api/database").json()
    shops = next(t for t in found["schema"]["tables"] if t["name"] == "shops")
    assert (shops["rows"], shops["more_rows"]) == (7, False)
    assert found["examples"] == list(_SAMPLE_EXAMPLES)


def test_examples_that_give_nothing_are_not_shown(serve: Callable[..., Any]) -> None:
    script = {
        "How many shops": "SELECT count(*) FROM shops",
        "genre": "SELECT town FROM shops",
        "expensive": "SELECT name FROM shops WHERE 0",
        "never": "SELECT NULL",
        "": "no",
    }
    served = serve(model=ScriptedGenerator(script))
    while not (found := served.client.get("/api/database").json())["complete"]:
        time.sleep(0.1)
    assert found["examples"] == ["How many shops are there?"]


def test_tables_are_read_anew(serve: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    shutil.copyfile(sample.path(), file)
    served = serve(database=file)
    first = served.client.post("/api/database/refresh").json()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE visits (visit_id INTEGER PRIMARY KEY)")
    second = served.client.post("/api/database/refresh").json()
    assert (first["changed"], second["changed"]) == (False, True)
    assert "visits" in {table["name"] for table in second["schema"]["tables"]}
    assert served.ask("How many shops?").json()["rows"] == [[7]]


def test_an_answer_has_the_keys_of_the_contract(served: Any) -> None:
    answer = served.ask("Which cities have shops?").json()
    assert set(answer) == {
        "id", "question", "previous", "sql", "explanation", "columns", "rows", "types", "truncated", "seconds",
        "model", "error", "confidence", "matches", "chart", "candidates", "tree",
        "dropped", "labels", "amounts", "next", "certainty", "unknown", "doubt", "readings",
    }  # fmt: skip
    assert answer["dropped"] == []
    assert answer["labels"] == ["city", "Number of shops"]
    assert answer["amounts"] == [1]
    assert "What is the average floor area of shops?" in answer["next"]
    assert answer["question"] == "Which cities have shops?"
    assert answer["columns"] == ["city", "count(*)"]
    assert ["Lisbon", 2] in answer["rows"]
    assert answer["types"] == ["text", "number"]
    assert answer["chart"] == {"kind": "bar", "x": 0, "y": [1]}
    assert (answer["error"], answer["truncated"], answer["tree"]) == (None, False, None)
    assert uuid.UUID(answer["id"])


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ("Please drop it", "DROP"),
        ("nonsense", "no SQL"),
        ("broken", "a column that its tables do not have"),
    ],
)
def test_what_the_model_writes_badly_is_an_answer_with_an_error(
    served: Any, question: str, error: str
) -> None:
    response = served.ask(question)
    assert response.status_code == 200
    assert error in response.json()["error"]
    assert response.json()["rows"] == []


def test_a_statement_is_run_as_it_is(served: Any) -> None:
    found = served.sql("SELECT name FROM shops ORDER BY name LIMIT 1").json()
    assert found["question"] is None
    assert found["sql"] == "SELECT name FROM shops ORDER BY name LIMIT 1"
    assert len(found["rows"]) == 1
    assert "DELETE" in served.sql("DELETE FROM shops").json()["error"]


def test_cells_that_json_cannot_carry_are_written(served: Any) -> None:
    found = served.sql("SELECT x'0aff', 9e999, NULL, 9223372036854775807, 'a\u2028</script>'")
    assert found.json()["rows"] == [
        ["x'0aff'", "Infinity", None, 9223372036854775807, "a\u2028</script>"]
    ]


def test_what_happens_is_streamed(served: Any) -> None:
    id = str(uuid.uuid4())
    headers = {"accept": "text/event-stream"}
    body = {"question": "How many shops?", "id": id}
    with served.client.stream("POST", "/api/ask", json=body, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        blocks = response.read().decode().strip().split("\n\n")
    events = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    assert [event["event"] for event in events] == ["queued", "started", "answer"]
    data = [json.loads(event["data"]) for event in events]
    assert data[0] == {"id": id, "position": 1}
    assert data[1] == {"id": id}
    assert data[2]["rows"] == [[7]]


def test_a_statement_really_stops(served: Any) -> None:
    served = served
    id = str(uuid.uuid4())
    found: list[httpx.Response] = []
    slow = threading.Thread(target=lambda: found.append(served.sql(ENDLESS, id=id)))
    start = time.perf_counter()
    slow.start()
    while served.client.delete(f"/api/ask/{id}").status_code == 404:
        time.sleep(0.02)
        assert time.perf_counter() - start < 1.5
    slow.join()
    assert found[0].json()["error"] in ("interrupted", "stopped")
    assert served.client.delete(f"/api/ask/{id}").status_code == 404
    assert is_refusal(served.client.delete(f"/api/ask/{id}"), 404)


def test_an_id_that_is_in_use_is_refused(serve: Callable[..., Any]) -> None:
    served = serve(model=Slow(0.6))
    id = str(uuid.uuid4())
    first = threading.Thread(target=served.ask, args=("How many shops?",), kwargs={"id": id})
    first.start()
    time.sleep(0.3)
    assert is_refusal(served.ask("How many shops?", id=id), 422)
    first.join()


# ------------------------------------------------------------------------------------- history


def test_history_keeps_answers_without_rows_and_runs_them_again(served: Any) -> None:
    served.client.delete("/api/history")
    answer = served.ask("Which cities have shops?").json()
    [past] = served.client.get("/api/history").json()
    assert past["id"] == answer["id"]
    assert (past["question"], past["sql"]) == (answer["question"], answer["sql"])
    assert (past["rows"], past["error"], past["feedback"]) == (len(answer["rows"]), None, None)
    stored = served.client.get(f"/api/answers/{answer['id']}").json()
    assert stored == {**answer, "rows": []}
    again = served.client.get(f"/api/answers/{answer['id']}?rows=1").json()
    assert again == {**answer, "next": again["next"]}
    assert served.client.delete("/api/history").status_code == 204
    assert served.client.get("/api/history").json() == []
    assert is_refusal(served.client.get(f"/api/answers/{answer['id']}"), 404)


def test_no_row_reaches_the_disk(served: Any) -> None:
    served.sql("SELECT 'very' || ' secret ' || 'cell' FROM shops")
    served.client.get("/api/history")
    with sqlite3.connect(served.backend.history.path) as connection:
        everything = "".join(connection.iterdump())
    assert "very secret cell" not in everything
    connection.close()


def test_without_history_nothing_is_on_disk(
    serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    served = serve(history=False)
    answer = served.ask("How many shops?").json()
    assert served.client.get(f"/api/answers/{answer['id']}/rows.csv").status_code == 200
    assert not list(tmp_path.glob("cache/answers/*"))


def test_rows_are_downloaded(served: Any) -> None:
    sql = "SELECT '=1+1' AS a, -2 AS b, NULL AS c, 'x' AS c UNION ALL SELECT 'ü,\"', 3, NULL, 'y'"
    id = served.sql(sql).json()["id"]
    response = served.client.get(f"/api/answers/{id}/rows.csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert "attachment" in response.headers["content-disposition"]
    assert response.content.decode("utf-8-sig") == ('a,b,c,c\r\n\'=1+1,-2,,x\r\n"ü,""",3,,y\r\n')
    pytest.importorskip("pyarrow")
    import io

    from pyarrow import parquet

    response = served.client.get(f"/api/answers/{id}/rows.parquet")
    table = parquet.read_table(io.BytesIO(response.content))
    assert table.column_names == ["a", "b", "c", "c_2"]
    assert table.to_pydict()["a"] == ["=1+1", 'ü,"']
    for kind in ("csv", "parquet"):
        unknown = served.client.get(f"/api/answers/{uuid.uuid4()}/rows.{kind}")
        assert is_refusal(unknown, 404)
    failed = served.sql("SELECT town FROM shops").json()["id"]
    assert is_refusal(served.client.get(f"/api/answers/{failed}/rows.csv"), 409)


def test_a_file_is_whole_or_says_that_it_is_not(serve: Callable[..., Any]) -> None:
    served = serve(limits=Limits(timeout_s=2.0, max_rows=10))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    for rows, name, last in ((99, "", "99"), (101, "-first-100-rows", "cut off after 100 rows")):
        id = served.sql(numbers.format(rows)).json()["id"]
        response = served.client.get(f"/api/answers/{id}/rows.csv")
        lines = response.content.decode("utf-8-sig").splitlines()
        assert f"{id[:8]}{name}.csv" in response.headers["content-disposition"]
        assert lines[:2] == ["i", "1"] and len(lines) == 1 + min(rows, 101)
        assert lines[-1].strip('"').startswith(last)


def test_sql_of_feedback_is_kept_only_if_it_runs(served: Any) -> None:
    id = served.ask("How many shops?").json()["id"]
    for sql in ("SELECT town FROM shops", "DROP TABLE shops"):
        body = {"id": id, "good": False, "sql": sql}
        assert is_refusal(served.client.post("/api/feedback", json=body), 422)
    assert sql not in served.client.get("/api/feedback/export").text


def test_feedback_becomes_pairs_that_adapt_reads(served: Any, tmp_path: Path) -> None:
    from txt2sql.execution.database import open_database
    from txt2sql.training.pairs import read_given

    client = served.client
    client.delete("/api/history")
    ids = [
        served.ask(q).json()["id"] for q in ("How many shops?", "Which cities?", "broken", "Who?")
    ]
    ran = served.sql("SELECT 1").json()["id"]
    corrected = "SELECT city FROM shops\nWHERE city <> '\t'"
    for body in (
        {"id": ids[0], "good": True},
        {"id": ids[1], "good": False, "sql": corrected},
        {"id": ids[2], "good": False},
        {"id": ran, "good": True},
    ):
        assert client.post("/api/feedback", json=body).status_code == 204
    unknown = client.post("/api/feedback", json={"id": str(uuid.uuid4()), "good": True})
    assert is_refusal(unknown, 404)
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(client.get("/api/feedback/export").content)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines == [
        {"question": "How many shops?", "sql": "SELECT count(*) FROM shops", "db_id": "bookshops"},
        {"question": "Which cities?", "sql": corrected, "db_id": "bookshops"},
    ]
    told: list[str] = []
    given, wrong = read_given(file, open_database(served.backend.database.path), told.append)
    assert ([pair.sql for pair in given], wrong) == ([lines[0]["sql"], corrected], [])
    judged = {each["id"]: each["feedback"] for each in client.get("/api/history").json()}
    assert judged[ids[1]] == {"good": False, "sql": corrected}
    assert judged[ids[3]] is None


# ------------------------------------------------------------------------------------- the rest


def test_health_metrics_and_the_description(served: Any) -> None:
    client = served.client
    assert client.get("/health").json()["status"] == "ok"
    served.ask("How many shops?")
    text = client.get("/metrics").text
    assert 'txt2sql_requests_total{path="/api/ask",status="200"}' in text
    assert 'txt2sql_questions_total{end="answer",kind="greedy"}' in text
    assert "txt2sql_model_up 1.0" in text
    document = client.get("/openapi.json").json()
    assert {"/api/ask", "/api/sql", "/api/history", "/health"} <= set(document["paths"])
    docs = client.get("/docs").text
    assert "POST /api/ask" in docs
    assert "body: {question, search?, id?, previous?}" in docs
