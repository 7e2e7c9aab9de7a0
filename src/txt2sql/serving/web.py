"""The web service: routes of the JSON API and of the page, on FastAPI; nothing is decided here.

>>> app = create_app(Backend(ModelSettings("shop.sqlite")))  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from txt2sql import __version__, search
from txt2sql.serving.backend import Backend
from txt2sql.serving.payload import encoded
from txt2sql.serving.scheduler import Closed, Full, Ticket

PAGE = Path(__file__).parent / "page"
TREE = Path(search.__file__).parent
"""Where tree.js and tree.css are, which draw a search on the page and in a file of its own."""
_HEARTBEAT_S = 15.0


class Question(BaseModel):
    """What to ask: `search` simulations, 0 for one greedy answer."""

    model_config = ConfigDict(extra="forbid")
    question: Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"\S")]
    search: Annotated[int, Field(ge=0)] = 0
    id: UUID | None = None


class Statement(BaseModel):
    """One statement that reads."""

    model_config = ConfigDict(extra="forbid")
    sql: Annotated[str, Field(min_length=1, max_length=100_000)]
    id: UUID | None = None


def create_app(backend: Backend) -> FastAPI:
    """The application; the back end starts and ends with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await backend.start()
        yield
        await backend.close()

    app = FastAPI(
        title="txt2sql", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )

    @app.get("/api/database")
    def database() -> dict[str, Any]:
        """The database: its tables, and what may be asked of it."""
        return backend.describe()

    @app.post("/api/ask")
    async def ask(body: Question, request: Request) -> Response:
        """Ask a question. With `Accept: text/event-stream`, what happens is told as it does."""
        if body.search > backend.settings.search:
            return _error(422, f"search is at most {backend.settings.search}")
        try:
            ticket = backend.ask(body.question, body.search, str(body.id) if body.id else None)
        except Full as full:
            return _error(429, str(full), {"Retry-After": str(full.seconds)})
        except Closed as closed:
            return _error(503, str(closed))
        except KeyError:
            return _error(422, "a request of this id is under way; make a new one")
        if "text/event-stream" in request.headers.get("accept", ""):
            return StreamingResponse(_stream(backend, ticket), media_type="text/event-stream")
        return await _unless_gone(request, _answer(backend, ticket))

    @app.delete("/api/ask/{id}", status_code=204)
    async def stop(id: UUID) -> Response:
        """Stop a question or a statement: the search or the statement really ends."""
        if await backend.stop(str(id)):
            return Response(status_code=204)
        return _error(404, "nothing of this id is under way")

    @app.post("/api/sql")
    async def sql(body: Statement, request: Request) -> Response:
        """Run one statement that reads, within the same limits as an answer's."""

        async def run() -> Response:
            found = await backend.sql(body.sql, str(body.id) if body.id else None)
            return Response(encoded(found), media_type="application/json")

        return await _unless_gone(request, run())

    @app.get("/health")
    def health() -> Response:
        """Whether questions can be answered now."""
        up = backend.scheduler.ready
        status = {"status": "ok" if up else "loading", "version": __version__}
        return JSONResponse(status, 200 if up else 503)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return _error(422, f"{where or 'the body'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail))

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        page = PAGE / "index.html"
        if not page.is_file():
            return HTMLResponse("<p>The page is not installed; the API is described at /docs.")
        return HTMLResponse(page.read_text(encoding="utf-8"))

    @app.get("/tree.js", include_in_schema=False)
    @app.get("/tree.css", include_in_schema=False)
    def tree(request: Request) -> Response:
        return FileResponse(TREE / request.url.path[1:])

    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE))
    return app


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)


async def _answer(backend: Backend, ticket: Ticket) -> Response:
    async for event in backend.events(ticket):
        if event.kind == "answer":
            return Response(encoded(event.value), media_type="application/json")
        if event.kind == "failed":
            return _error(503, event.value)
    return _error(409, "stopped")


async def _stream(backend: Backend, ticket: Ticket) -> AsyncIterator[bytes]:
    """Server-sent events (html.spec.whatwg.org, 9.2), with a comment now and then to keep it open."""
    id = ticket.ask.id
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
            if event.kind == "answer":
                yield b"event: answer\ndata: " + encoded(event.value) + b"\n\n"
                continue
            data: dict[str, Any] = {"id": id}
            kind = event.kind
            if kind == "queued":
                data["position"] = event.value
            elif kind == "progress":
                data |= dict(zip(("simulations", "of", "sql"), event.value))
            elif kind == "failed":
                kind, data = "error", {"error": event.value}
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
    finally:
        coming.cancel()
        backend.scheduler.stop(id)


async def _unless_gone(request: Request, answer: Any) -> Response:
    """The answer; given up when the client has hung up."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    working, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else _error(499, "the client has gone")
    finally:
        leaving.cancel()
        working.cancel()
