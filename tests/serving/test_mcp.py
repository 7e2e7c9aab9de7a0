"""The MCP server through the official SDK's client: in memory, over stdio, and over HTTP."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="needs the extra mcp")

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from txt2sql import sample
from txt2sql.execution.pool import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.backend import Backend
from txt2sql.serving.mcp import create_app, create_server
from txt2sql.serving.server import Access, Server
from txt2sql.serving.worker import ModelSettings

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
SCRIPT = {"How many shops": "SELECT count(*) FROM shops", "bad": "DROP TABLE shops", "": "?"}


def talk(conversation: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    """Start a back end, connect the SDK's client to its server in memory, and talk."""

    async def run() -> None:
        database = str(options.pop("database", sample.path()))
        settings = ModelSettings(database, ScriptedGenerator(SCRIPT), search=0, **options)
        backend = Backend(settings, history=False)
        try:
            await backend.start()
            async with Client(create_server(backend)) as client:
                await conversation(client)
        finally:
            await backend.close()

    asyncio.run(run())


def sentence(result: CallToolResult) -> str:
    """What an error result says."""
    assert result.is_error
    [content] = result.content
    assert content.type == "text"
    assert "Traceback" not in content.text and "\n" not in content.text
    return content.text


def value(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    [content] = result.content
    assert content.type == "text"
    assert json.loads(content.text) == result.structured_content
    return result.structured_content


def test_what_fails_is_an_error_of_one_sentence() -> None:
    async def conversation(client: Client) -> None:
        for tool, arguments, part in (
            ("run_sql", {"sql": "DELETE FROM shops"}, "only SELECT"),
            ("run_sql", {"sql": "SELECT 1; SELECT 2"}, "only one statement"),
            ("run_sql", {"sql": "SELECT town FROM shops"}, "no such column: town"),
            ("ask", {"question": "bad"}, "DROP TABLE shops"),
            ("ask", {"question": "what?"}, "no SQL"),
            ("ask", {"question": "How many shops?", "search": 5}, "at most 0"),
            ("describe_schema", {"table": "shop"}, "no table 'shop'"),
        ):
            assert part in sentence(await client.call_tool(tool, arguments)), (tool, arguments)
        for tool, arguments in (
            ("ask", {"question": " "}),
            ("ask", {}),
            ("run_sql", {"sql": ""}),
            ("run_sql", {"sql": "SELECT 1", "max_rows": 10**9}),
        ):
            assert (await client.call_tool(tool, arguments)).is_error

    talk(conversation)


def test_tools_answer() -> None:
    async def conversation(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert sorted(tool.name for tool in tools) == ["ask", "describe_schema", "run_sql"]
        for tool in tools:
            assert tool.description and tool.output_schema is not None
            wanted = {"describe_schema": "tables"}.get(tool.name, "rows")
            assert tool.output_schema["properties"][wanted]["type"] == "array"
            assert tool.annotations is not None and tool.annotations.read_only_hint
        answer = value(await client.call_tool("ask", {"question": "How many shops?"}))
        assert (answer["sql"], answer["rows"]) == ("SELECT count(*) FROM shops", [[7]])
        assert answer["explanation"] == "Counts the rows of shops."
        sql = "SELECT title FROM books ORDER BY title"
        few = value(await client.call_tool("run_sql", {"sql": sql, "max_rows": 3}))
        assert len(few["rows"]) == 3
        assert few["truncated"]
        odd = value(await client.call_tool("run_sql", {"sql": "SELECT x'00ff', 9e999"}))
        assert odd["rows"] == [["x'00ff'", "Infinity"]]
        schema = value(await client.call_tool("describe_schema", {}))
        assert len(schema["tables"]) == 8
        one = value(await client.call_tool("describe_schema", {"table": "SHOPS"}))
        [table] = one["tables"]
        assert table["columns"][1]["values"]

    talk(conversation)


def test_answers_fit_a_context_window(tmp_path: Path) -> None:
    path = tmp_path / "wide.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        for number in range(300):
            columns = ", ".join(f"column_{number}_{i} TEXT" for i in range(30))
            connection.execute(f"CREATE TABLE table_{number} ({columns}, big_text TEXT)")
        connection.execute(
            "INSERT INTO table_7 (column_7_1, big_text) SELECT 'x', printf('%.*c', 800206, 'y')"
        )
        connection.commit()

    async def conversation(client: Client) -> None:
        async def size(tool: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
            result = value(await client.call_tool(tool, arguments))
            return len(json.dumps(result)), result

        length, rows = await size("run_sql", sql="SELECT big_text FROM table_7")
        assert length < 5_000 and rows["truncated"]
        assert rows["rows"][0][0].endswith("… (800,206 characters)")
        many = "WITH n(i) AS (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) SELECT a.i, printf('%.*c', 1900, 'z') FROM n a, n b"
        length, rows = await size("run_sql", sql=many)
        assert 50_000 < length < 110_000 and rows["truncated"] and len(rows["rows"]) < 100
        length, schema = await size("describe_schema")
        assert length <= 110_000 and "shortened" in schema["note"] and len(schema["tables"]) == 300
        length, schema = await size("describe_schema", pattern="COLUMN_7_1")
        names = {t["name"]: [c["name"] for c in t["columns"]] for t in schema["tables"]}
        assert names["table_7"][0] == "column_7_1" and len(names) == 1
        _, schema = await size("describe_schema", pattern="table_29", detail="tables")
        assert {tuple(t) for t in schema["tables"]} == {("name", "comment")}
        assert len(schema["tables"]) == 11

    talk(conversation, database=path)


def test_a_slow_statement_is_stopped_at_the_limit() -> None:
    async def conversation(client: Client) -> None:
        assert "stopped after 0.3 s" in sentence(
            await client.call_tool("run_sql", {"sql": ENDLESS})
        )

    talk(conversation, limits=Limits(timeout_s=0.3))


def test_over_http_it_wants_the_token() -> None:
    import httpx

    async def run() -> None:
        limits = Limits(timeout_s=20)
        settings = ModelSettings(
            str(sample.path()), ScriptedGenerator(SCRIPT), search=0, limits=limits
        )
        backend = Backend(settings, history=False)
        access = Access(port=0, token="s3cret")
        app = create_app(create_server(backend), token=access.token, hosts=access.hosts)
        server = Server(backend, access, app)
        ready: asyncio.Queue[str] = asyncio.Queue()
        serving = asyncio.create_task(server.run_on(ready.put_nowait))
        url = f"{await ready.get()}/mcp"
        body: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "run_sql", "arguments": {"sql": "SELECT 41 + 1"}},
        }
        accept = {"accept": "application/json, text/event-stream"}
        async with httpx.AsyncClient(headers=accept, timeout=30) as client:
            assert (await client.post(url, json=body)).status_code == 401
            wrong = {"authorization": "Bearer s3cret", "host": "evil.example"}
            assert (await client.post(url, json=body, headers=wrong)).status_code == 400
            right = {"authorization": "Bearer s3cret"}
            answer = await client.post(url, json=body, headers=right)
            assert answer.json()["result"]["structuredContent"]["rows"] == [[42]]
            body["params"]["arguments"]["sql"] = (
                ENDLESS  # a client that hangs up stops its statement
            )
            with pytest.raises(httpx.ReadTimeout):
                await client.post(url, json=body, headers=right, timeout=1)
        started = asyncio.get_running_loop().time()
        while backend._running:
            assert asyncio.get_running_loop().time() < started + 5
            await asyncio.sleep(0.02)
        server.stop()
        await serving

    asyncio.run(run())


@pytest.mark.slow
def test_the_command_speaks_over_stdio_with_the_bundled_model() -> None:
    async def run() -> None:
        command = ["-m", "txt2sql", "mcp", "--search", "30"]
        async with Client(StdioServerParameters(command=sys.executable, args=command)) as client:
            answer = value(await client.call_tool("ask", {"question": "How many shops are there?"}))
            assert answer["rows"] == [[7]]
            searched = {"question": "Which shop is the oldest?", "search": 20}
            assert value(await client.call_tool("ask", searched))["rows"]

    asyncio.run(run())
