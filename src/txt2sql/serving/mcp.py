"""The MCP server: tools for agents that only read, on the official SDK (modelcontextprotocol.io).

What fails is an error result of one sentence, which the agent can act on. Results are cut to what a
context window can hold; the result says when they are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from txt2sql import __version__, types
from txt2sql.errors import DatabaseError
from txt2sql.serving.backend import Backend, ServedDatabase
from txt2sql.serving.scheduler import Refused
from txt2sql.serving.server import Gate
from txt2sql.serving.service import Reading, cell, explanation, facts

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
_Database = Annotated[
    str, Field(description="The name of a database, see list_databases; the first one without.")
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


class Column(BaseModel):
    """A column with cells that match: how many different ones of those looked at, and some of them."""

    table: str
    column: str
    count: int
    values: list[str]


class Columns(BaseModel):
    """The columns that hold a text, those with exactly this text first. A text may also be in those of
    `not_read_whole` (table.column): they have more cells than are looked at."""

    database: str
    columns: list[Column]
    not_read_whole: list[str]


class Explanation(BaseModel):
    """What a statement computes, null where one sentence cannot say it."""

    sql: str
    explanation: str | None


class Database(BaseModel):
    """A database in a few words; `tables` counts."""

    name: str
    dialect: str
    tables: int


class Databases(BaseModel):
    """The databases that are served, the one that is meant without a name first."""

    databases: list[Database]


class Description(BaseModel):
    """A schema, with as much detail as was asked for and fits."""

    database: str
    dialect: str
    tables: list[dict[str, Any]]
    foreign_keys: list[str] = []
    note: str = ""


def create_server(backend: Backend) -> MCPServer:
    """The server of a back end that was started."""
    names = ", ".join(f"{each['name']} ({each['dialect']})" for each in backend.overview())
    one = f"The database {backend.first.name}, in {backend.first.schema.dialect}'s SQL."
    some = f"The databases {names}: every tool takes the name of one."
    server = MCPServer(
        "txt2sql",
        version=__version__,
        instructions=(
            f"{some if backend.settings.others else one} Nothing can be changed. `ask` has a small "
            "language model write the SQL, so read what it wrote; `describe_schema` before `run_sql`."
        ),
    )

    async def ask(
        question: _Question,
        context: Context[Any, Any],
        search: _Search = 0,
        max_rows: _Rows = _ROWS,
        database: _Database = "",
    ) -> Answer:
        """Answer a question about the database: SQL, what it does in words, and its rows."""
        with _refusals():
            served = backend.of(database)
            ticket = served.ask(question, search)
        async for event in served.events(ticket):
            if event.kind == "progress":
                done, of, sql = event.value
                await context.report_progress(done, of, sql)
            elif event.kind == "answer":
                return Answer(**{**event.value, **_rows(event.value, max_rows)})
            elif event.kind == "failed":
                raise ToolError(event.value)
        raise ToolError("it was stopped")

    async def run_sql(sql: _Sql, max_rows: _Rows = _ROWS, database: _Database = "") -> Rows:
        """Run one SELECT, WITH or VALUES statement; anything that does more than read is refused."""
        with _refusals():
            return Rows(**_rows(await backend.of(database).sql(sql), max_rows))

    async def describe_schema(
        table: Annotated[str, Field(description="One table; all of them without.")] = "",
        pattern: Annotated[
            str, Field(description="Only tables and columns whose name or comment has this text.")
        ] = "",
        detail: Annotated[
            Literal["tables", "columns", "values"],
            Field(description="Names of tables; their columns too; or values of these as well."),
        ] = "values",
        database: _Database = "",
    ) -> Description:
        """The tables with columns, types, keys, comments and some values of each column."""
        with _refusals():
            return Description(**_schema(backend.of(database), table, pattern, detail))

    async def search_values(
        text: Annotated[
            str,
            Field(
                min_length=1,
                max_length=200,
                pattern=r"[^\s*]",
                description="What a cell has in it, such as lisbon; with *, what a whole cell is like.",
            ),
        ],
        database: _Database = "",
    ) -> Columns:
        """Find which columns hold a value, and how it is spelt there: among short texts, without regard to
        case and accents. Ten cells of a column at most; `count` says how many there are among those looked
        at. Columns in `not_read_whole` have more, of which run_sql tells."""
        with _refusals():
            served = backend.of(database)
            index = await asyncio.to_thread(served.values)
            columns = await asyncio.to_thread(index.search, text)
        return Columns(
            database=served.name,
            columns=[Column(table=t, column=c, count=n, values=v) for t, c, n, v in columns],
            not_read_whole=[".".join(place) for place in index.unread()],
        )

    async def explain(sql: _Sql, database: _Database = "") -> Explanation:
        """Say in one sentence what a statement computes, without running it."""
        with _refusals():
            schema = backend.of(database).schema
        sentence = await asyncio.to_thread(explanation, sql, schema)
        return Explanation(sql=sql, explanation=sentence)

    async def list_databases() -> Databases:
        """The names of the databases, with their SQL's dialect and their number of tables."""
        return Databases(databases=[Database(**each) for each in backend.overview()])

    for tool in (ask, run_sql, describe_schema, search_values, explain, list_databases):
        server.add_tool(tool, annotations=_READS)
    return server


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (Refused, DatabaseError) as problem:
        raise ToolError(str(problem)) from None


def _rows(answer: Mapping[str, Any], max_rows: int) -> dict[str, Any]:
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
    about = {name: answer[name] for name in ("sql", "explanation", "columns")}
    return {**about, "rows": rows, "truncated": truncated}


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _CELL_CHARACTERS:
        return f"{value[:_CELL_CHARACTERS]}… ({len(value):,} characters)"
    return value


def _schema(served: ServedDatabase, name: str, pattern: str, detail: str) -> dict[str, Any]:
    """A description of at most MOST_CHARACTERS: with less detail where it would be longer."""
    schema, text = served.schema, pattern.lower()
    table = schema.table(name)
    if name and table is None:
        listed = ", ".join(table.name for table in schema.tables[:50])
        raise ToolError(f"there is no table {name!r}; there are {listed}")
    chosen: list[tuple[types.Table, list[types.Column]]] = []
    for each in (table,) if table else schema.tables:
        whole = text in f"{each.name} {each.comment}".lower()
        columns = [c for c in each.columns if whole or text in f"{c.name} {c.comment}".lower()]
        if columns or not text:
            chosen.append((each, columns))
    names = {each.name for each, _ in chosen}
    keys = [
        f"{key.table}.{key.column} = {key.referenced_table}.{key.referenced_column}"
        for key in schema.foreign_keys
        if key.table in names
    ]
    for level in _DETAILS[_DETAILS.index(detail) :]:
        described: dict[str, Any] = {
            "database": served.name,
            "dialect": schema.dialect,
            "tables": [_described(each, columns, level) for each, columns in chosen],
            "foreign_keys": keys if level != "tables" else [],
            "note": ""
            if level == detail
            else "shortened; name a table, or give a pattern, to see more of it",
        }
        if len(json.dumps(described, default=str)) <= MOST_CHARACTERS:
            return described
    while len(json.dumps(described, default=str)) > MOST_CHARACTERS:
        described["tables"] = described["tables"][: len(described["tables"]) // 2]
        described["note"] = f"shortened; {len(chosen):,} tables match: give a pattern"
    return described


def _described(table: types.Table, columns: list[types.Column], level: str) -> dict[str, Any]:
    about = facts(table, "name comment")
    if level == "tables":
        return about
    about["columns"] = fields = []
    for column in columns:
        kind = column.declared_type or column.type
        fields.append({**facts(column, "name primary_key comment"), "type": kind})
        if level == "values":
            fields[-1]["values"] = [_short(sample) for sample in column.samples]
    return about


def create_app(server: MCPServer, *, token: str | None, hosts: tuple[str, ...]) -> ASGIApp:
    """The server as streamable HTTP at /mcp, behind the same gate as the web service."""
    app = server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return Gate(app, token=token, hosts={"localhost", *hosts})
