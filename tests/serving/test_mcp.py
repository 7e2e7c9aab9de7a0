"""The MCP server through the official SDK's client: in memory, over stdio, and over HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_files import build

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

from .conftest import ENDLESS

SCRIPT = {"How many shops": "SELECT count(*) FROM shops", "bad": "DROP TABLE shops", "": "?"}


def back_end(
    database: Path | None = None, timeout_s: float = 20.0, others: tuple[str, ...] = ()
) -> Backend:
    place, limits = str(database or sample.path()), Limits(timeout_s=timeout_s)
    model = ScriptedGenerator(SCRIPT)
    settings = ModelSettings(place, model, limits=limits, search=0, others=others)
    return Backend(settings, history=False)


def talk(conversation: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    """Start a back end, connect the SDK's client to its server in memory, and talk."""

    async def run() -> None:
        backend = back_end(**options)
        try:
            await backend.start()
            async with Client(create_server(backend)) as client:
                await conversation(client)
        finally:
            await backend.close()

    asyncio.run(run())


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
            ("run_sql", {"sql": "SELECT town FROM shops"}, "no such column: town"),
            ("run_sql", {"sql": ENDLESS}, "stopped after 0.3 s"),
            ("ask", {"question": "bad"}, "DROP TABLE shops"),
            ("ask", {"question": "what?"}, "no SQL"),
            ("ask", {"question": "How many shops?", "search": 5}, "at most 0"),
            ("describe_schema", {"table": "shop"}, "no table 'shop'"),
            ("run_sql", {"sql": "SELECT 1", "database": "x"}, "choose one of 'bookshops'"),
            ("search_values", {"text": "x", "database": "x"}, "no database 'x'"),
        ):
            result = await client.call_tool(tool, arguments)
            [content] = result.content
            assert result.is_error and content.type == "text"
            assert "Traceback" not in content.text and "\n" not in content.text
            assert part in content.text, (tool, arguments)
        for tool, arguments in (
            ("ask", {"question": " "}),
            ("ask", {}),
            ("run_sql", {"sql": "SELECT 1", "max_rows": 10**9}),
            ("search_values", {"text": " * "}),
        ):
            assert (await client.call_tool(tool, arguments)).is_error

    talk(conversation, timeout_s=0.3)


def test_tools_answer() -> None:
    async def conversation(client: Client) -> None:
        tools = (await client.list_tools()).tools
        names = "ask describe_schema explain list_databases run_sql search_values"
        assert sorted(tool.name for tool in tools) == names.split()
        for tool in tools:
            assert tool.description and tool.output_schema is not None
            assert tool.annotations is not None and tool.annotations.read_only_hint
        answer = value(await client.call_tool("ask", {"question": "How many shops?"}))
        assert (answer["sql"], answer["rows"]) == ("SELECT count(*) FROM shops", [[7]])
        assert answer["explanation"] == "Counts the rows of shops."
        sql = "SELECT title FROM books ORDER BY title"
        few = value(await client.call_tool("run_sql", {"sql": sql, "max_rows": 3}))
        assert len(few["rows"]) == 3 and few["truncated"]
        odd = value(await client.call_tool("run_sql", {"sql": "SELECT x'00ff', 9e999"}))
        assert odd["rows"] == [["x'00ff'", "Infinity"]]
        assert len(value(await client.call_tool("describe_schema", {}))["tables"]) == 8
        [table] = value(await client.call_tool("describe_schema", {"table": "SHOPS"}))["tables"]
        assert table["columns"][1]["values"]

    talk(conversation)


def test_a_statement_is_explained_and_not_run() -> None:
    async def conversation(client: Client) -> None:
        for sql, sentence in (
            ("SELECT count(*) FROM nowhere", "Counts the rows of nowhere."),
            (ENDLESS, None),
            ("DROP TABLE shops", None),
        ):
            explained = value(await client.call_tool("explain", {"sql": sql}))
            assert explained == {"sql": sql, "explanation": sentence}

    talk(conversation)


def test_values_are_searched_by_text_and_by_pattern(tmp_path: Path) -> None:
    path = build(
        tmp_path / "towns.sqlite",
        "CREATE TABLE towns (name TEXT, mayor TEXT); CREATE TABLE shops (town TEXT, code TEXT);"
        "INSERT INTO towns VALUES ('São Paulo', 'Paulo Reis'), ('Paulo', NULL), ('50% off_season', 'x');"
        "INSERT INTO shops SELECT 'São Paulo', 'c-' || value FROM json_each('[1,2,3,4,5,6,7,8,9,10,11]')",
    )

    async def conversation(client: Client) -> None:
        async def search(text: str) -> list[tuple[str, str, int, list[str]]]:
            result = value(await client.call_tool("search_values", {"text": text}))
            assert (result["database"], result["not_read_whole"]) == ("towns", [])
            return [tuple(each.values()) for each in result["columns"]]

        assert await search("nobody") == await search("c_1") == []
        assert await search("PAULO") == [
            ("towns", "name", 2, ["Paulo", "São Paulo"]),
            ("shops", "town", 1, ["São Paulo"]),
            ("towns", "mayor", 1, ["Paulo Reis"]),
        ]
        assert await search("sao*") == [
            ("shops", "town", 1, ["São Paulo"]),
            ("towns", "name", 1, ["São Paulo"]),
        ]
        assert await search("0% off_") == [("towns", "name", 1, ["50% off_season"])]
        [(table, column, count, values)] = await search("c-*")
        assert (table, column, count, len(values)) == ("shops", "code", 11, 10)

    talk(conversation, database=path)


def test_each_tool_takes_the_name_of_a_database(tmp_path: Path) -> None:
    path = build(
        tmp_path / "small.sqlite", "CREATE TABLE shops (x TEXT); INSERT INTO shops VALUES ('a')"
    )

    async def conversation(client: Client) -> None:
        [first, second] = value(await client.call_tool("list_databases", {}))["databases"]
        assert (first["tables"], second["tables"]) == (8, 1)
        assert second["name"] == "small" and "small (sqlite)" in (client.instructions or "")

        async def rows(tool: str, **arguments: str) -> Any:
            return value(await client.call_tool(tool, arguments))["rows"]

        for name, count in ((first["name"], 7), ("small", 1), ("", 7)):
            assert await rows("ask", question="How many shops?", database=name) == [[count]]
            assert await rows("run_sql", sql="SELECT count(*) FROM shops", database=name) == [
                [count]
            ]
        for tool, arguments in (("describe_schema", {}), ("search_values", {"text": "a"})):
            result = value(await client.call_tool(tool, {**arguments, "database": "small"}))
            assert result["database"] == "small"

    talk(conversation, others=(str(path),))


def test_answers_fit_a_context_window(tmp_path: Path) -> None:
    columns = ", ".join(f"column_#_{i} TEXT" for i in range(30))
    wide = f"CREATE TABLE table_# (big_text TEXT, {columns})"
    tables = [wide.replace("#", str(number)) for number in range(120)]
    row = "INSERT INTO table_7 (column_7_1, big_text) SELECT 'x', printf('%.*c', 800206, 'y')"
    path = build(tmp_path / "wide.sqlite", ";".join([*tables, row]))

    async def conversation(client: Client) -> None:
        async def size(tool: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
            result = value(await client.call_tool(tool, arguments))
            return len(json.dumps(result)), result

        length, rows = await size("run_sql", sql="SELECT big_text FROM table_7")
        assert length < 5_000 and rows["truncated"]
        assert rows["rows"][0][0].endswith("… (800,206 characters)")
        ten = "WITH n(i) AS (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10))"
        many = f"{ten} SELECT a.i, printf('%.*c', 1900, 'z') FROM n a, n b"
        length, rows = await size("run_sql", sql=many)
        assert 50_000 < length < 110_000 and rows["truncated"] and len(rows["rows"]) < 100
        length, schema = await size("describe_schema")
        assert length <= 110_000 and "shortened" in schema["note"] and len(schema["tables"]) == 120
        length, schema = await size("describe_schema", pattern="COLUMN_7_1")
        [table] = schema["tables"]
        assert (table["name"], table["columns"][0]["name"]) == ("table_7", "column_7_1")
        _, schema = await size("describe_schema", pattern="table_11", detail="tables")
        assert {tuple(t) for t in schema["tables"]} == {("name", "comment")}
        assert len(schema["tables"]) == 11

    talk(conversation, database=path)


def test_over_http_it_wants_the_token_and_stops_what_nobody_waits_for() -> None:
    def body(sql: str) -> dict[str, Any]:
        call = {"name": "run_sql", "arguments": {"sql": sql}}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}

    async def run() -> None:
        backend, access = back_end(), Access(port=0, token="s3cret")
        app = create_app(create_server(backend), token=access.token, hosts=access.hosts)
        server = Server(backend, access, app)
        ready: asyncio.Queue[str] = asyncio.Queue()
        serving = asyncio.create_task(server.run_on(ready.put_nowait))
        url = f"{await ready.get()}/mcp"
        accept = {"accept": "application/json, text/event-stream"}
        async with httpx.AsyncClient(headers=accept, timeout=30) as client:
            simple = body("SELECT 41 + 1")
            assert (await client.post(url, json=simple)).status_code == 401
            wrong = {"authorization": "Bearer s3cret", "host": "evil.example"}
            assert (await client.post(url, json=simple, headers=wrong)).status_code == 400
            right = {"authorization": "Bearer s3cret"}
            answer = await client.post(url, json=simple, headers=right)
            assert answer.json()["result"]["structuredContent"]["rows"] == [[42]]
            with pytest.raises(httpx.ReadTimeout):
                await client.post(url, json=body(ENDLESS), headers=right, timeout=1)
        started = asyncio.get_running_loop().time()
        while backend.statements.requests:
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
