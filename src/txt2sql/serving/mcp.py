"""The MCP server: tools for agents, on the official SDK (modelcontextprotocol.io).

Three tools, all of which only read: `ask` (a question in plain language), `run_sql` (one statement of
the agent's own) and `describe_schema`. What fails is an error result of one sentence, which the agent
can act on. Results are cut to what a context window can hold; the result says when they are.

>>> await create_server(backend).run_stdio_async()  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from txt2sql import __version__
from txt2sql.serving.backend import Backend
from txt2sql.serving.gate import Gate
from txt2sql.serving.queue import Refused
from txt2sql.serving.service import Reading, cell
from txt2sql.types import Column, Table

MOST_ROWS = 1000
MOST_CHARACTERS = 100_000
"""Of a result, as JSON: what a context window can hold."""
_CELL_CHARACTERS = 2000
_DETAILS = ("values", "columns", "tables")
"""Of a described schema, the most first."""
_ROWS = 100
_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)

_Question = Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"\S")]
_Sql = Annotated[str, Field(min_length=1, max_length=100_000)]
_Search = Annotated[
    int, Field(ge=0, description="Simulations of a tree search, such as 50: slower, better.")
]
_Rows = Annotated[int, Field(ge=1, le=MOST_ROWS, description="Rows to return at most.")]


class Rows(BaseModel):
    """What a statement gave; `truncated`: there is more than stands here."""

    sql: str
    explanation: str | None
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class Answer(Rows):
    """The answer to a question: where it is not sure, other readings stand beside it."""

    confidence: float | None
    certainty: Literal["sure", "unsure", "unknown"] | None
    unknown: str | None
    readings: list[Reading]
    dropped: list[str]


class Description(BaseModel):
    """A schema, with as much detail as was asked for and fits."""

    database: str
    dialect: str
    tables: list[dict[str, Any]]
    foreign_keys: list[str] = []
    note: str = ""


def create_server(backend: Backend) -> MCPServer:
    """The server of a back end that was started."""
    name, dialect = backend.schema.db_id, backend.schema.dialect
    server = MCPServer(
        "txt2sql",
        version=__version__,
        instructions=(
            f"The database {name}, in {dialect}'s SQL. Nothing can be changed. `ask` has a small "
            "language model write the SQL, so read what it wrote; `describe_schema` before `run_sql`."
        ),
    )

    @_guarded
    async def ask(
        question: _Question,
        context: Context[Any, Any],
        search: _Search = 0,
        max_rows: _Rows = _ROWS,
    ) -> Answer:
        """Answer a question about the database: SQL, what it does in words, and its rows."""
        ticket = backend.ask(question, search)
        async for event in backend.events(ticket):
            if event.kind == "progress":
                done, of, sql = event.value
                await context.report_progress(done, of, sql)
            elif event.kind == "answer":
                return Answer(**{**event.value, **_rows(event.value, max_rows)})
            elif event.kind == "failed":
                raise ToolError(event.value)
        raise ToolError("it was stopped")

    @_guarded
    async def run_sql(sql: _Sql, max_rows: _Rows = _ROWS) -> Rows:
        """Run one SELECT, WITH or VALUES statement; anything that does more than read is refused."""
        return Rows(**_rows(await backend.sql(sql), max_rows))

    @_guarded
    async def describe_schema(
        table: Annotated[str, Field(description="One table; all of them without.")] = "",
        pattern: Annotated[
            str, Field(description="Only tables and columns whose name or comment has this text.")
        ] = "",
        detail: Annotated[
            Literal["tables", "columns", "values"],
            Field(description="Names of tables; their columns too; or values of these as well."),
        ] = "values",
    ) -> Description:
        """The tables with columns, types, keys, comments and some values of each column."""
        return Description(**_schema(backend, table, pattern, detail))

    for tool in (ask, run_sql, describe_schema):
        server.add_tool(tool, annotations=_READS)
    return server


def _guarded(tool: Callable[..., Awaitable[BaseModel]]) -> Callable[..., Any]:
    """The tool, with what the back end refuses as a sentence for the agent."""

    @wraps(tool)
    async def guarded(*args: Any, **kwargs: Any) -> BaseModel:
        try:
            return await tool(*args, **kwargs)
        except Refused as problem:
            raise ToolError(str(problem)) from None

    return guarded


def _rows(answer: Mapping[str, Any], max_rows: int) -> dict[str, Any]:
    """What `Rows` tells of an answer of the API, as much as fits."""
    if answer["error"] is not None:
        wrote = f" The statement was: {answer['sql']}" if answer["question"] else ""
        raise ToolError(f"{answer['error']}.{wrote if answer['sql'] else ''}")
    rows: list[list[Any]] = []
    size, whole = 0, not answer["truncated"]
    for row in answer["rows"][:max_rows]:
        cells = [_short(cell(value)) for value in row]
        size += len(json.dumps(cells, default=str))
        if rows and size > MOST_CHARACTERS:
            break
        whole = whole and all(a == cell(b) for a, b in zip(cells, row, strict=True))
        rows.append(cells)
    truncated = not whole or len(answer["rows"]) > len(rows)
    facts = {name: answer[name] for name in ("sql", "explanation", "columns")}
    return {**facts, "rows": rows, "truncated": truncated}


def _short(value: Any) -> Any:
    """A cell that leaves room for others."""
    if isinstance(value, str) and len(value) > _CELL_CHARACTERS:
        return f"{value[:_CELL_CHARACTERS]}… ({len(value):,} characters)"
    return value


def _schema(backend: Backend, name: str, pattern: str, detail: str) -> dict[str, Any]:
    """A description of at most MOST_CHARACTERS: with less detail where it would be longer."""
    schema = backend.schema
    tables = list(schema.tables)
    if name:
        table = schema.table(name)
        if table is None:
            names = ", ".join(table.name for table in tables[:50])
            raise ToolError(f"there is no table {name!r}; there are {names}")
        tables = [table]
    if pattern:
        tables = [
            replace(table, columns=columns)
            for table in tables
            if (columns := _matching(table, pattern.lower()))
        ]
    for level in _DETAILS[_DETAILS.index(detail) :]:
        described = _described(backend, tables, level)
        if _fits(described):
            break
    if level != detail:
        described["note"] = "shortened; name a table, or give a pattern, to see more of it"
    while not _fits(described):
        described["tables"] = described["tables"][: len(described["tables"]) // 2]
        described["note"] = f"shortened; {len(tables):,} tables match: give a pattern"
    return described


def _fits(described: dict[str, Any]) -> bool:
    return len(json.dumps(described, default=str)) <= MOST_CHARACTERS


def _matching(table: Table, text: str) -> tuple[Column, ...]:
    """The columns with a text in their name or comment; all where the table's own has it."""
    if text in f"{table.name} {table.comment}".lower():
        return table.columns
    return tuple(c for c in table.columns if text in f"{c.name} {c.comment}".lower())


def _described(backend: Backend, tables: Sequence[Table], detail: str) -> dict[str, Any]:
    schema, names = backend.schema, {table.name for table in tables}
    described: dict[str, Any] = {"database": schema.db_id, "dialect": schema.dialect}
    described["tables"] = [{"name": t.name, "comment": t.comment} for t in tables]
    if detail == "tables":
        return described
    for table, facts in zip(tables, described["tables"]):
        facts["columns"] = [
            {
                "name": column.name,
                "type": column.declared_type or column.type,
                "primary_key": column.primary_key,
                "comment": column.comment,
                **({"values": list(map(_short, column.samples))} if detail == "values" else {}),
            }
            for column in table.columns
        ]
    described["foreign_keys"] = [
        f"{key.table}.{key.column} = {key.referenced_table}.{key.referenced_column}"
        for key in schema.foreign_keys
        if key.table in names
    ]
    return described


def create_app(server: MCPServer, *, token: str | None, hosts: tuple[str, ...]) -> ASGIApp:
    """The server as streamable HTTP at /mcp, behind the same gate as the web service."""
    app = server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return Gate(app, token=token, hosts={"localhost", *hosts}, public=())
