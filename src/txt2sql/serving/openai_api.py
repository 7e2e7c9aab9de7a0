"""OpenAI's chat protocol in front of the service, so that chat programs can ask the database.

The question is the last message of the user, which may refer back to one that was answered here; what the
answer says is its SQL and the first rows as a table in Markdown.
Source: https://platform.openai.com/docs/api-reference/chat
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

from txt2sql.serving.backend import Backend, ServedDatabase
from txt2sql.serving.scheduler import Refused, Ticket
from txt2sql.serving.service import cell
from txt2sql.types import Turn

MODEL = "txt2sql"
_ROWS, _CELL_CHARACTERS = 20, 200
_OUR_SQL = re.compile(r"\s*(`{3,})sql(?: (\S+))?\n(.+?)\n\1\s+\|", re.S)
"""The beginning of an answer, see `as_markdown`: the mark of its database, and its SQL."""


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
        names = [f"{MODEL}/{name}" for name in backend.databases if backend.settings.others]
        card = {"object": "model", "created": 0, "owned_by": MODEL}
        return {"object": "list", "data": [{"id": each, **card} for each in (MODEL, *names)]}

    @app.post("/v1/chat/completions", include_in_schema=False)
    async def complete(body: ChatRequest) -> Response:
        question = next((m.text for m in reversed(body.messages) if m.role == "user"), "").strip()
        kind, _, name = body.model.partition("/")
        one = kind == MODEL and name and backend.settings.others
        model = body.model if one else MODEL
        try:
            served = backend.of(name if one else "")
            if not question:
                raise Refused("the last message of the user is empty; ask a question", 400)
            if len(question) > 10_000:
                sentence = "the question has more than 10,000 characters; ask a shorter one"
                raise Refused(sentence, 400)
            ticket = served.ask(question, previous=_previous(body.messages, _mark(served.label)))
            if body.stream:
                events = _stream(served, ticket, model)
                return StreamingResponse(events, media_type="text/event-stream")
            text = await asyncio.to_thread(as_markdown, await served.answer(ticket))
        except Refused as problem:
            kind = "invalid_request_error" if problem.status < 500 else "server_error"
            error = {"message": str(problem), "type": kind, "param": None, "code": None}
            return JSONResponse({"error": error}, problem.status, problem.headers)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        completion = _completion(ticket, model, "chat.completion", **choice)
        return JSONResponse({**completion, "usage": usage})


def _completion(ticket: Ticket, model: str, kind: str, **choice: Any) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{ticket.ask.id}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, **choice, "logprobs": None}],
    }


def _mark(answer: Mapping[str, Any]) -> str | None:
    """The database of an answer as one word, None where one is served."""
    name = answer.get("database")
    return name and re.sub(r"[\s`]", "_", name)


def _previous(messages: Sequence[ChatMessage], mark: str | None) -> Turn | None:
    """The last turn before the question that this database answered with SQL of ours, and rows."""
    question, turn = "", None
    last = max(i for i, message in enumerate(messages) if message.role == "user")
    for message in messages[:last]:
        if message.role == "user":
            question = message.text
        elif message.role == "assistant" and (match := _OUR_SQL.match(message.text)):
            turn = Turn(question, match[3]) if match[2] == mark else None
    return turn


async def _stream(served: ServedDatabase, ticket: Ticket, model: str) -> AsyncIterator[bytes]:
    """The role first, so that a client sees that it is heard; then the whole answer as one piece."""

    def chunk(reason: str | None = None, **delta: str) -> bytes:
        kind = "chat.completion.chunk"
        data = _completion(ticket, model, kind, delta=delta, finish_reason=reason)
        return b"data: " + json.dumps(data).encode() + b"\n\n"

    yield chunk(role="assistant", content="")
    try:
        text = await asyncio.to_thread(as_markdown, await served.answer(ticket))
    except Refused as problem:
        text = str(problem)
    yield chunk(content=text)
    yield chunk("stop") + b"data: [DONE]\n\n"


def as_markdown(answer: Mapping[str, Any]) -> str:
    """An answer of the API as text: the SQL, then the first rows as a table, or why there are none."""
    parts, rows = [], answer["rows"]
    if answer["unknown"]:
        parts.append(f"{answer['unknown']}. What follows is a guess.")
    elif answer["certainty"] == "unsure":
        parts.append(f"I am not sure of this: about {answer['confidence']:.0%}.")
    if answer["sql"]:
        fence = "`" * 3 if "```" not in answer["sql"] else "`" * 5
        language = " ".join(filter(None, ("sql", _mark(answer))))
        parts.append(f"{fence}{language}\n{answer['sql']}\n{fence}")
    if answer["error"] is not None:
        return "\n\n".join([*parts, str(answer["error"])])
    table = [answer["columns"], ["---"] * len(answer["columns"]), *rows[:_ROWS]]
    parts.append("\n".join(f"| {' | '.join(map(_in_table, row))} |" for row in table))
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
