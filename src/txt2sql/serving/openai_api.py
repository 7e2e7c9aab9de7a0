"""OpenAI's chat protocol in front of the service, so that chat programs can ask the database.

/v1/models and /v1/chat/completions, whole or streamed: enough for Open WebUI, LibreChat, LangChain and
the official client. The question is the last message of the user, which may
refer back to one that was answered here; what the answer says is its SQL and
the first rows as a table in Markdown. Source: https://platform.openai.com/docs/api-reference/chat

>>> OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none").chat.completions.create(
...     model="txt2sql", messages=[{"role": "user", "content": "How many shops are there?"}])  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from txt2sql.serving.backend import Backend
from txt2sql.serving.queue import Closed, Full, Ticket
from txt2sql.serving.service import cell
from txt2sql.types import Turn

MODEL = "txt2sql"
_ROWS, _CELL_CHARACTERS = 20, 200
_OUR_SQL = re.compile(r"\s*(`{3,})sql\n(.+?)\n\1\s+\|", re.S)
"""The beginning of an answer, see `as_markdown`."""


class Part(BaseModel):
    """A part of a message; only text is read."""

    type: str
    text: str = ""


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class ChatRequest(BaseModel):
    """What is read of a request; settings of sampling do not change a query, and are ignored."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    model: str = MODEL
    stream: bool = False
    n: Annotated[int, Field(ge=1, le=1)] = 1


def add_routes(app: FastAPI, backend: Backend) -> None:
    """Add /v1/models and /v1/chat/completions to the application."""

    @app.get("/v1/models", include_in_schema=False)
    def models() -> dict[str, Any]:
        card = {"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}
        return {"object": "list", "data": [card]}

    @app.post("/v1/chat/completions", include_in_schema=False)
    async def complete(body: ChatRequest) -> Response:
        question = next((m.text for m in reversed(body.messages) if m.role == "user"), "").strip()
        if not question:
            return _error(400, "the last message of the user is empty; ask a question")
        if len(question) > 10_000:
            return _error(400, "the question has more than 10,000 characters; ask a shorter one")
        try:
            ticket = backend.ask(question, previous=_previous(body.messages))
        except Full as problem:
            return _error(429, str(problem), {"Retry-After": str(problem.seconds)})
        except Closed as problem:
            return _error(503, str(problem))
        if body.stream:
            return StreamingResponse(_stream(backend, ticket), media_type="text/event-stream")
        status, text = await _answer(backend, ticket)
        if status != 200:
            return _error(status, text)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            "logprobs": None,
        }
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        facts = _head(ticket, "chat.completion")
        return JSONResponse({**facts, "choices": [choice], "usage": usage})


def _previous(messages: Sequence[ChatMessage]) -> Turn | None:
    """The last turn before the question that was answered with SQL of ours, and rows."""
    question, turn = "", None
    last = max(i for i, message in enumerate(messages) if message.role == "user")
    for message in messages[:last]:
        if message.role == "user":
            question = message.text
        elif message.role == "assistant" and (match := _OUR_SQL.match(message.text)):
            turn = Turn(question, match[2])
    return turn


async def _answer(backend: Backend, ticket: Ticket) -> tuple[int, str]:
    kind, value = await backend.outcome(ticket)
    if kind == "answer":
        return 200, await asyncio.to_thread(as_markdown, value)
    return (503, str(value)) if kind == "failed" else (409, "it was stopped")


async def _stream(backend: Backend, ticket: Ticket) -> AsyncIterator[bytes]:
    """The role first, so that a client sees that it is heard; then the whole answer as one piece."""

    def chunk(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        data = {**_head(ticket, "chat.completion.chunk"), "choices": [choice]}
        return b"data: " + json.dumps(data).encode() + b"\n\n"

    yield chunk({"role": "assistant", "content": ""})
    _, text = await _answer(backend, ticket)
    yield chunk({"content": text})
    yield chunk({}, "stop")
    yield b"data: [DONE]\n\n"


def _head(ticket: Ticket, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{ticket.ask.id}", "object": kind, "created": int(time.time()), "model": MODEL,
    }  # fmt: skip


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": sentence, "type": kind, "param": None, "code": None}
    return JSONResponse({"error": error}, status, headers)


def as_markdown(answer: Mapping[str, Any]) -> str:
    """An answer of the API as text: the SQL, then the first rows as a table, or why there are none."""
    parts = []
    if answer["unknown"]:
        parts.append(f"{answer['unknown']}. What follows is a guess.")
    elif answer["certainty"] == "unsure":
        parts.append(f"I am not sure of this: about {answer['confidence']:.0%}.")
    if answer["sql"]:
        fence = "`" * 3 if "```" not in answer["sql"] else "`" * 5
        parts.append(f"{fence}sql\n{answer['sql']}\n{fence}")
    if answer["error"] is not None:
        return "\n\n".join([*parts, str(answer["error"])])
    rows = answer["rows"]
    table = [[_in_table(name) for name in answer["columns"]], ["---"] * len(answer["columns"])]
    table += [[_in_table(value) for value in row] for row in rows[:_ROWS]]
    parts.append("\n".join(f"| {' | '.join(row)} |" for row in table))
    if not rows:
        parts.append("No rows.")
    elif len(rows) > _ROWS or answer["truncated"]:
        more = "more than " if answer["truncated"] else ""
        parts.append(f"The first {min(_ROWS, len(rows))} of {more}{len(rows):,} rows.")
    if answer["readings"]:
        readings = [f"- {each['explanation'] or each['sql']}" for each in answer["readings"]]
        parts.append("\n".join(["It may also mean:", *readings]))
    return "\n\n".join(parts)


def _in_table(value: Any) -> str:
    text = "" if value is None else str(cell(value))
    if len(text) > _CELL_CHARACTERS:
        text = text[:_CELL_CHARACTERS] + "…"
    text = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("<", "&lt;")
