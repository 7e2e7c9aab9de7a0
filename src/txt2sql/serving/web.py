"""The web service: routes of the JSON API and of the page, on FastAPI; nothing is decided here."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException

from txt2sql import __version__, search
from txt2sql.errors import ConfigError, Text2SQLError
from txt2sql.serving import openai_api
from txt2sql.serving.backend import Backend, ServedDatabase
from txt2sql.serving.payload import (
    Answered,
    Failed,
    Feedback,
    Name,
    Past,
    Question,
    Statement,
    encoded,
)
from txt2sql.serving.scheduler import Refused, Ticket
from txt2sql.serving.server import Gate
from txt2sql.types import Cell, Row

PAGE = Path(__file__).parent / "page"
_ASSETS = {f"/{path.name}": path for path in sorted(PAGE.iterdir())} | {
    f"/{name}": Path(search.__file__).parent / name for name in ("tree.js", "tree.css")
}
"""The page's own files by address; nothing of the database is in them."""
_FAILURES = (RequestValidationError, HTTPException, Refused, Exception)
_SENTENCES = {404: "there is nothing at this address", 405: "this address takes other methods"}
_ROWS_AT_A_TIME = 500
_BREAKS = ("\t", "\r", "\n")
_FORMULA = tuple("=+-@＝＋－＠")
_INT64 = 2**63
_Name = Annotated[str, Query(max_length=1000)]
_ANSWERED: dict[int | str, dict[str, Any]] = {200: {"model": Answered}}
_FAILED = {"model": Failed, "description": "Why not, in one sentence"}


def create_app(backend: Backend, *, token: str | None = None, hosts: Iterable[str] = ()) -> FastAPI:
    """The application of a back end that was started. `hosts` are further names it goes by."""
    app = FastAPI(
        title="txt2sql",
        description=f"Ask the database {', '.join(backend.databases)} in plain language.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": _FAILED, "5XX": _FAILED},
        exception_handlers=dict.fromkeys(_FAILURES, _failed),
    )
    _questions(app, backend)
    _history(app, backend)
    _files(app, backend)
    _state(app, backend)
    openai_api.add_routes(app, backend)
    for address, path in {"/": PAGE / "index.html", **_ASSETS}.items():
        app.add_api_route(address, partial(_file, path), include_in_schema=False)
    app.add_middleware(
        Gate,
        token=token,
        hosts={"localhost", socket.gethostname(), *hosts},
        public={"/", "/health", *_ASSETS},
        metrics=backend.metrics,
    )
    return app


def _file(path: Path) -> Response:
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def _answers(type: str, **more: Any) -> dict[int | str, dict[str, Any]]:
    """What a route answers where all is well, for OpenAPI."""
    return {200: {"content": {type: {}}, **more}}


async def _failed(_: Request, error: Exception) -> Response:
    status, headers = 500, {}
    sentence = f"unexpected {type(error).__name__}; its traceback is on the console"
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        status, sentence = 422, f"{where or 'the body'}: {first['msg']}"
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        sentence = _SENTENCES.get(status, str(error.detail))
    elif isinstance(error, Refused):
        status, headers, sentence = error.status, error.headers, str(error)
    return JSONResponse({"error": " ".join(sentence.split())}, status, headers)


def _questions(app: FastAPI, backend: Backend) -> None:
    @app.get("/api/databases")
    async def databases() -> list[dict[str, Any]]:
        """The databases that are served. Everywhere else, `database` is the name of one; the first is
        meant without."""
        return backend.overview()

    @app.get("/api/database")
    async def one_database(database: _Name = "") -> dict[str, Any]:
        """A database: its tables, and what may be asked of it. Rows are counted and examples tried
        in the background: ask again until `complete`."""
        served = backend.of(database)
        served.look_around()
        return served.describe()

    @app.post("/api/database/refresh")
    async def refresh(database: _Name = "") -> dict[str, Any]:
        """Read the tables anew, and tell the model of them."""
        served = backend.of(database)
        try:
            return {"changed": await served.refresh(), **served.describe()}
        except Text2SQLError as problem:
            raise Refused(str(problem), 503) from None

    streamed = _answers("text/event-stream", model=Answered)

    @app.post("/api/ask", responses=streamed)
    async def ask(body: Question, request: Request) -> Response:
        """Ask a question. With `Accept: text/event-stream`, events are sent as they happen: queued,
        started, progress, then answer, stopped or error."""
        follows, id = _text(body.previous), _text(body.id)
        served = backend.of(body.database)
        previous = await served.turn(follows) if follows else None
        ticket = served.ask(body.question, body.search, id, previous, follows)
        if "text/event-stream" in request.headers.get("accept", ""):
            return StreamingResponse(_stream(served, ticket), media_type="text/event-stream")
        return await asyncio.to_thread(_json, await served.answer(ticket))

    @app.delete("/api/ask/{id}", status_code=204)
    async def stop(id: UUID) -> None:
        """Stop a question or a statement: the search or the statement really ends."""
        if not await backend.stop(str(id)):
            raise Refused("nothing of this id is under way", 404)

    @app.post("/api/sql", responses=_ANSWERED)
    async def sql(body: Statement) -> Response:
        """Run one statement that reads, within the same limits as an answer's."""
        return _json(await backend.of(body.database).sql(body.sql, _text(body.id)))


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)


def _json(answer: dict[str, Any]) -> Response:
    return Response(encoded(answer), media_type="application/json")


async def _stream(served: ServedDatabase, ticket: Ticket) -> AsyncIterator[bytes]:
    """Server-sent events (html.spec.whatwg.org, 9.2), and a comment now and then to keep it open."""
    async for kind, value in served.events(ticket):
        if kind == "alive":
            yield b": still here\n\n"
            continue
        data: dict[str, Any] = {"id": ticket.ask.id}
        if kind == "queued":
            data["position"] = value
        elif kind == "progress":
            data |= dict(zip(("simulations", "of", "sql"), value))
        elif kind == "failed":
            kind, data = "error", {"error": value}
        is_answer = kind == "answer"
        body = await asyncio.to_thread(encoded, value) if is_answer else json.dumps(data).encode()
        yield b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"


def _history(app: FastAPI, backend: Backend) -> None:
    @app.get("/api/history", response_model_exclude_unset=True)
    def history(
        database: _Name = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        search: Annotated[str, Query(max_length=1000)] = "",
    ) -> list[Past]:
        """What was asked and run, newest first; with `search` where name, question or SQL hold it."""
        served = backend.of(database)
        return [Past(**{**each, **served.label}) for each in served.history.latest(limit, search)]

    @app.delete("/api/history", status_code=204)
    def forget(database: _Name = "") -> None:
        """Forget all of it, and what was said of the answers."""
        backend.of(database).history.clear()

    @app.get("/api/answers/{id}", responses=_ANSWERED)
    async def stored_answer(
        id: UUID, rows: Annotated[int, Query(ge=0, le=1)] = 0, database: _Name = ""
    ) -> Response:
        """A stored answer; with `rows=1`, with the rows that its statement gives now."""
        served = backend.of(database)
        answer = await (served.again(str(id)) if rows else served.stored(str(id)))
        return _json({"rows": (), **_known(answer)})

    @app.patch("/api/answers/{id}", status_code=204)
    def rename(id: UUID, body: Name) -> None:
        """Name an answer of the history."""
        _known(backend.of(body.database).history.rename(str(id), body.name) or None)

    @app.post("/api/feedback", status_code=204)
    async def feedback(body: Feedback) -> None:
        """Say whether an answer is right, or what would be: SQL that runs."""
        served = backend.of(body.database)
        if body.sql and (problem := (await served.run(body.sql)).error):
            raise Refused(f"the SQL is not kept, since it does not run: {problem}", 422)
        judge = partial(served.history.judge, str(body.id), body.good, body.sql or None)
        _known(await asyncio.to_thread(judge) or None)

    @app.get("/api/feedback/export", responses=_answers("application/jsonl"))
    def export(database: _Name = "") -> Response:
        """Questions with the SQL that was accepted or corrected: what `txt2sql adapt` learns from."""
        served = backend.of(database)
        pairs = (
            json.dumps({"question": question, "sql": sql, "db_id": served.schema.db_id})
            for question, sql in served.history.pairs()
        )
        return Response("".join(f"{pair}\n" for pair in pairs), media_type="application/jsonl")


def _known(answer: Any) -> Any:
    if answer is None:
        raise Refused("there is no answer of this id", 404)
    return answer


def _files(app: FastAPI, backend: Backend) -> None:
    async def rows(id: UUID, kind: str, name: str) -> tuple[dict[str, Any], str, dict[str, str]]:
        """An answer with all its rows, the last line of its file, and the file's headers."""
        served = backend.of(name)
        answer = _known(await served.again(str(id), whole=True))
        if answer["error"] is not None:
            raise Refused(answer["error"], 409)
        name = re.sub("[^a-zA-Z0-9]", "_", served.name)
        count = len(answer["rows"])
        part, last = (f"-first-{count}-rows", cut_off(count)) if answer["truncated"] else ("", "")
        name = f"{name}-{str(id)[:8]}{part}.{kind}"
        return answer, last, {"Content-Disposition": f'attachment; filename="{name}"'}

    @app.get("/api/answers/{id}/rows.csv", responses=_answers("text/csv"))
    async def rows_csv(id: UUID, database: _Name = "") -> Response:
        """The rows that the statement of an answer gives now, for spreadsheets. A file that is not
        whole says so in its name and its last line."""
        answer, last, headers = await rows(id, "csv", database)
        lines = csv_lines(answer["columns"], answer["rows"], last)
        return StreamingResponse(lines, media_type="text/csv", headers=headers)

    type = "application/vnd.apache.parquet"

    @app.get("/api/answers/{id}/rows.parquet", responses=_answers(type))
    async def rows_parquet(id: UUID, database: _Name = "") -> Response:
        """The rows that the statement of an answer gives now, for programs. A file that is not whole
        says so in its name and its metadata."""
        answer, last, headers = await rows(id, "parquet", database)
        try:
            file = await asyncio.to_thread(parquet, answer["columns"], answer["rows"], last)
        except ConfigError as problem:
            raise Refused(str(problem), 501) from None
        return Response(file, media_type=type, headers=headers)


def cut_off(rows: int) -> str:
    """What a file says that is not whole."""
    return f"cut off after {rows:,} rows: there are more; ask for fewer, or for sums"


def csv_lines(columns: Sequence[str], rows: Sequence[Row], last: str = "") -> Iterator[bytes]:
    """UTF-8 with a mark that spreadsheets know it by; a few hundred rows at a time, and at the end
    a line of its own, where there is something to say."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow([_plain(name) for name in columns])
    for at in range(0, len(rows), _ROWS_AT_A_TIME):
        writer.writerows([_plain(cell) for cell in row] for row in rows[at : at + _ROWS_AT_A_TIME])
        yield buffer.getvalue().encode("utf-8", "replace")
        buffer.seek(0)
        buffer.truncate()
    if last:
        writer.writerow([last])
    yield buffer.getvalue().encode("utf-8", "replace")


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, bytes):
        return f"x'{cell.hex()}'"
    # Some spreadsheets skip spaces first; full-width signs are read as the plain ones.
    if isinstance(cell, str) and (cell[:1] in _BREAKS or cell.lstrip()[:1] in _FORMULA):
        return f"'{cell}"
    return cell


def parquet(columns: Sequence[str], rows: Sequence[Row], last: str = "") -> bytes:
    """One Parquet file; `last` is in its metadata under "notice". Raises ConfigError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow; run: pip install pyarrow")
    import pyarrow
    from pyarrow import parquet as writer

    arrays = [pyarrow.array(_one_type([row[i] for row in rows])) for i in range(len(columns))]
    names: list[str] = []
    for name in map(_written, columns):  # `count`, `count_2`
        number, free = 1, name
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names.append(free)
    sink = io.BytesIO()
    table = pyarrow.Table.from_arrays(arrays, names=names)
    writer.write_table(table.replace_schema_metadata({"notice": last} if last else None), sink)
    return sink.getvalue()


def _one_type(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one type: whole numbers, numbers, bytes or text; what is mixed becomes text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    whole = all(-_INT64 <= cell < _INT64 for cell in cells if isinstance(cell, int))
    if kinds == {bytes} or (kinds <= {int} and whole):
        return list(cells)
    convert = float if kinds <= {int, float} and whole else _written
    return [None if cell is None else convert(cell) for cell in cells]


def _written(cell: Cell) -> str:
    text = f"x'{cell.hex()}'" if isinstance(cell, bytes) else str(cell)
    return text.encode("utf-8", "replace").decode()


def _state(app: FastAPI, backend: Backend) -> None:
    @app.get("/health")
    def health() -> Response:
        """Whether questions can be answered now."""
        state = backend.health()
        return JSONResponse(state, 200 if state["status"] == "ok" else 503)

    @app.get("/metrics", responses=_answers("text/plain"), response_class=PlainTextResponse)
    def prometheus() -> Response:
        """What Prometheus scrapes."""
        text = generate_latest(backend.metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return PlainTextResponse("\n".join(_description(app.openapi())))


def _description(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['info']['title']} {document['info']['version']}: API"
    yield "For programs: /openapi.json"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"\n{method.upper()} {path}"
            yield f"  {operation['description']}"
            for parameter in operation.get("parameters", ()):
                yield f"  {parameter['name']} (in {parameter['in']})"
            if body := operation.get("requestBody"):
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                schema = document["components"]["schemas"][name]
                required = schema.get("required", ())
                fields = (f if f in required else f"{f}?" for f in schema["properties"])
                yield f"  body: {{{', '.join(fields)}}}"
