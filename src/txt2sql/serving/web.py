"""The web service: routes of the JSON API and of the page, on FastAPI; nothing is decided here.

>>> app = create_app(Backend(ModelSettings("shop.sqlite")))  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.exceptions import HTTPException

from txt2sql import __version__, search
from txt2sql.errors import ConfigError, Text2SQLError
from txt2sql.serving import metrics, openai_api
from txt2sql.serving.backend import Backend
from txt2sql.serving.downloads import csv_lines, cut_off, parquet
from txt2sql.serving.gate import Gate
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
from txt2sql.serving.queue import Closed, Full, Ticket

PAGE = Path(__file__).parent / "page"
SEARCH = Path(search.__file__).parent
_TREE = ("tree.js", "tree.css")
"""What draws a search, on the page and in a file of its own."""
_HEARTBEAT_S = 15.0
_SENTENCES = {404: "there is nothing at this address", 405: "this address takes other methods"}
_WHY = {
    400: "the request cannot be understood",
    401: "the access token is missing or wrong",
    404: "nothing of this id",
    409: "it was stopped",
    413: "the request is too large",
    422: "the body does not fit",
    429: "too much is waiting; see Retry-After",
    501: "a package is missing",
    503: "no answer can be given now",
}
_Responses = dict[int | str, dict[str, Any]]


def create_app(backend: Backend, *, token: str | None = None, hosts: Iterable[str] = ()) -> FastAPI:
    """The application; the back end starts and ends with it. `hosts` are further names it goes by."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await backend.start()
        yield
        await backend.close()

    app = FastAPI(
        title="txt2sql",
        description=f"Ask the database {backend.schema.db_id} in plain language.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_failures(400, 401, 413),
    )
    _handle_errors(app)
    _questions(app, backend)
    _history(app, backend)
    _state(app, backend)
    openai_api.add_routes(app, backend)
    _page(app)
    app.add_middleware(metrics.Counted, metrics=backend.metrics)
    names = {"localhost", socket.gethostname(), *hosts}
    app.add_middleware(Gate, token=token, hosts=names, public={"/", "/health", *_assets()})
    return app


def _failures(*statuses: int) -> _Responses:
    return {status: {"model": Failed, "description": _WHY[status]} for status in statuses}


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": " ".join(sentence.split())}, status, headers)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return _error(422, f"{where or 'the body'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        sentence = _SENTENCES.get(error.status_code, str(error.detail))
        return _error(error.status_code, sentence, dict(error.headers or {}))

    @app.exception_handler(Full)
    async def full(_: Request, error: Full) -> Response:
        return _error(429, str(error), {"Retry-After": str(error.seconds)})

    @app.exception_handler(Closed)
    async def closed(_: Request, error: Closed) -> Response:
        return _error(503, str(error))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return _error(500, f"unexpected {type(error).__name__}; its traceback is on the console")


# ------------------------------------------------------------------------------------------ asking


def _questions(app: FastAPI, backend: Backend) -> None:
    @app.get("/api/database")
    async def database() -> dict[str, Any]:
        """The database: its tables, and what may be asked of it. Rows are counted and examples tried
        in the background: ask again until `complete`."""
        backend.look_around()
        return backend.describe()

    @app.post("/api/database/refresh", responses=_failures(503))
    async def refresh() -> dict[str, Any]:
        """Read the tables anew, and tell the model of them."""
        try:
            return {"changed": await backend.refresh(), **backend.describe()}
        except Text2SQLError as problem:
            raise HTTPException(503, str(problem)) from None

    answered: _Responses = {200: {"model": Answered}}
    streamed: _Responses = {200: {"model": Answered, "content": {"text/event-stream": {}}}}

    @app.post("/api/ask", responses=streamed | _failures(409, 422, 429, 503))
    async def ask(body: Question, request: Request) -> Response:
        """Ask a question. With `Accept: text/event-stream`, events are sent as they happen: queued,
        started, progress, then answer, stopped or error."""
        try:
            follows = _text(body.previous)
            previous = await backend.turn(follows) if follows else None
            ticket = backend.ask(body.question, body.search, _text(body.id), previous, follows)
        except (KeyError, ValueError) as problem:
            return _error(422, problem.args[0])
        if "text/event-stream" in request.headers.get("accept", ""):
            return StreamingResponse(_stream(backend, ticket), media_type="text/event-stream")
        return await _unless_gone(request, _answer(backend, ticket))

    @app.delete("/api/ask/{id}", status_code=204, responses=_failures(404, 422))
    async def stop(id: UUID) -> Response:
        """Stop a question or a statement: the search or the statement really ends."""
        if await backend.stop(str(id)):
            return Response(status_code=204)
        return _error(404, "nothing of this id is under way")

    @app.post("/api/sql", responses=answered | _failures(422, 429, 503))
    async def sql(body: Statement, request: Request) -> Response:
        """Run one statement that reads, within the same limits as an answer's."""

        async def run() -> Response:
            try:
                return _json(await backend.sql(body.sql, _text(body.id)))
            except KeyError as problem:
                return _error(422, problem.args[0])

        return await _unless_gone(request, run())


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)


def _json(answer: dict[str, Any]) -> Response:
    return Response(encoded(answer), media_type="application/json")


async def _answer(backend: Backend, ticket: Ticket) -> Response:
    kind, value = await backend.outcome(ticket)
    if kind == "answer":
        return await asyncio.to_thread(_json, value)
    return _error(503, value) if kind == "failed" else _error(409, "it was stopped")


async def _stream(backend: Backend, ticket: Ticket) -> AsyncIterator[bytes]:
    """Server-sent events (html.spec.whatwg.org, 9.2), and a comment now and then to keep it open."""
    events = backend.events(ticket)
    coming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=_HEARTBEAT_S)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(events))
            yield await asyncio.to_thread(_event, ticket.ask.id, event.kind, event.value)
    finally:
        coming.cancel()
        backend.scheduler.stop(ticket.ask.id)


def _event(id: str, kind: str, value: Any) -> bytes:
    if kind == "answer":
        return b"event: answer\ndata: " + encoded(value) + b"\n\n"
    data: dict[str, Any] = {"id": id}
    if kind == "queued":
        data["position"] = value
    elif kind == "progress":
        data |= dict(zip(("simulations", "of", "sql"), value))
    elif kind == "failed":
        kind, data = "error", {"error": value}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


async def _unless_gone(request: Request, answer: Awaitable[Response]) -> Response:
    """The answer; given up when the client has hung up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    working, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else _error(400, "the client has gone")
    finally:
        leaving.cancel()
        working.cancel()


# ------------------------------------------------------------------------------------------ history


def _history(app: FastAPI, backend: Backend) -> None:
    answers = "/api/answers/{id}"
    answered: _Responses = {200: {"model": Answered}}

    @app.get("/api/history")
    def history(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        search: Annotated[str, Query(max_length=1000)] = "",
    ) -> list[Past]:
        """What was asked and run, newest first; with `search` where name, question or SQL hold it."""
        return [Past(**each) for each in backend.history.latest(limit, search)]

    @app.delete("/api/history", status_code=204)
    def forget() -> None:
        """Forget all of it, and what was said of the answers."""
        backend.history.clear()

    @app.get(answers, responses=answered | _failures(404, 422, 429, 503))
    async def stored_answer(id: UUID, rows: Annotated[int, Query(ge=0, le=1)] = 0) -> Response:
        """A stored answer; with `rows=1`, with the rows that its statement gives now."""
        answer = await (backend.again(str(id)) if rows else backend.stored(str(id)))
        return _unknown() if answer is None else _json({"rows": (), **answer})

    @app.patch(answers, status_code=204, responses=_failures(404, 422))
    def rename(id: UUID, body: Name) -> Response:
        """Name an answer of the history."""
        exists = backend.history.rename(str(id), body.name)
        return Response(status_code=204) if exists else _unknown()

    csv: _Responses = {200: {"content": {"text/csv": {}}}}

    @app.get(f"{answers}/rows.csv", responses=csv | _failures(404, 409, 422, 429, 503))
    async def rows_csv(id: UUID) -> Response:
        """The rows that the statement of an answer gives now, for spreadsheets. A file that is not
        whole says so in its name and its last line."""
        answer = await backend.again(str(id), whole=True)
        if answer is None or answer["error"] is not None:
            return _unknown(answer)
        lines = csv_lines(answer["columns"], answer["rows"], _last_line(answer))
        headers = _as_file(backend, id, "csv", answer)
        return StreamingResponse(lines, media_type="text/csv", headers=headers)

    binary: _Responses = {200: {"content": {"application/vnd.apache.parquet": {}}}}

    @app.get(f"{answers}/rows.parquet", responses=binary | _failures(404, 409, 422, 429, 501, 503))
    async def rows_parquet(id: UUID) -> Response:
        """The rows that the statement of an answer gives now, for programs. A file that is not whole
        says so in its name and its metadata."""
        answer = await backend.again(str(id), whole=True)
        if answer is None or answer["error"] is not None:
            return _unknown(answer)
        try:
            file = await asyncio.to_thread(
                parquet, answer["columns"], answer["rows"], _last_line(answer)
            )
        except ConfigError as problem:
            return _error(501, str(problem))
        return StreamingResponse(
            _pieces(file),
            media_type="application/vnd.apache.parquet",
            headers=_as_file(backend, id, "parquet", answer),
        )

    @app.post("/api/feedback", status_code=204, responses=_failures(404, 422, 429, 503))
    async def feedback(body: Feedback) -> Response:
        """Say whether an answer is right, or what would be: SQL that runs."""
        if body.sql and (problem := await backend.checked(body.sql)):
            return _error(422, f"the SQL is not kept, since it does not run: {problem}")
        exists = await asyncio.to_thread(
            backend.history.judge, str(body.id), body.good, body.sql or None
        )
        return Response(status_code=204) if exists else _unknown()

    lines: _Responses = {200: {"content": {"application/jsonl": {}}}}

    @app.get("/api/feedback/export", responses=lines, response_class=PlainTextResponse)
    def export() -> Response:
        """Questions with the SQL that was accepted or corrected: what `txt2sql adapt` learns from."""
        pairs = (
            json.dumps({"question": question, "sql": sql, "db_id": backend.schema.db_id})
            for question, sql in backend.history.pairs()
        )
        return Response("".join(f"{pair}\n" for pair in pairs), media_type="application/jsonl")


def _unknown(answer: dict[str, Any] | None = None) -> Response:
    if answer is None:
        return _error(404, "there is no answer of this id")
    return _error(409, answer["error"])


def _last_line(answer: dict[str, Any]) -> str:
    return cut_off(len(answer["rows"])) if answer["truncated"] else ""


def _as_file(backend: Backend, id: UUID, kind: str, answer: dict[str, Any]) -> dict[str, str]:
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in backend.schema.db_id)
    part = f"-first-{len(answer['rows'])}-rows" if answer["truncated"] else ""
    return {"Content-Disposition": f'attachment; filename="{name}-{str(id)[:8]}{part}.{kind}"'}


def _pieces(body: bytes, size: int = 65_536) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


# ------------------------------------------------------------------------------------------ the rest


def _state(app: FastAPI, backend: Backend) -> None:
    @app.get("/health", responses=_failures(503))
    def health() -> Response:
        """Whether questions can be answered now."""
        state = backend.health()
        return JSONResponse(state, 200 if state["status"] == "ok" else 503)

    text: _Responses = {200: {"content": {"text/plain": {}}}}

    @app.get("/metrics", responses=text, response_class=PlainTextResponse)
    def prometheus() -> Response:
        """What Prometheus scrapes."""
        return Response(backend.prometheus(), media_type=metrics.CONTENT_TYPE)

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return PlainTextResponse("\n".join(_description(app.openapi())))


def _description(document: dict[str, Any]) -> Iterator[str]:
    """The API as text: what each operation does, and what its body holds."""
    yield f"{document['info']['title']} {document['info']['version']}: API"
    yield "For programs: /openapi.json"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"\n{method.upper()} {path}"
            yield f"  {operation.get('description') or operation['summary']}"
            for parameter in operation.get("parameters", ()):
                yield f"  {parameter['name']} (in {parameter['in']})"
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                name = body["schema"]["$ref"].rpartition("/")[2]
                schema = document["components"]["schemas"][name]
                required = schema.get("required", ())
                fields = (f if f in required else f"{f}?" for f in schema["properties"])
                yield f"  body: {{{', '.join(fields)}}}"


def _page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> Response:
        if (PAGE / "index.html").is_file():
            return _file(PAGE / "index.html")
        return HTMLResponse("<p>There is no page here; the API is described at /docs.")

    for address, path in _assets().items():
        app.add_api_route(address, partial(_file, path), include_in_schema=False)


def _file(path: Path) -> Response:
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def _assets() -> dict[str, Path]:
    """The page's own files by address; nothing of the database is in them."""
    files = {path.relative_to(PAGE): path for path in sorted(PAGE.rglob("*")) if path.is_file()}
    page = {f"/{name.as_posix()}": path for name, path in files.items()}
    tree = {f"/{name}": SEARCH / name for name in _TREE}
    return page | tree
