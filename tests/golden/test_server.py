"""The JSON API of `txt2sql serve`: what each address answers, refusals among them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.models.scripted import ScriptedGenerator

pytest.importorskip("fastapi", reason="the service needs the extra serve")

import httpx

from txt2sql.serving.backend import Backend
from txt2sql.serving.web import create_app
from txt2sql.serving.worker import ModelSettings

VARYING = {"seconds": "<seconds>", "asked_at": "<time>", "version": "<version>"}
ID = "00000000-0000-4000-8000-{:012}"


def ask(number: int, question: str, **more: Any) -> tuple[str, str, Any]:
    return "POST", "/api/ask", {"question": question, "id": ID.format(number), **more}


def run(number: int, sql: str) -> tuple[str, str, Any]:
    return "POST", "/api/sql", {"sql": sql, "id": ID.format(number)}


def judge(number: int, **more: Any) -> tuple[str, str, Any]:
    return "POST", "/api/feedback", {"id": ID.format(number), **more}


REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/health", None),
    ("GET", "/api/database", None),
    # answers
    ask(1, "How many shops are there?"),
    ask(2, "Show the title and price of the most expensive book."),
    ask(3, "How many books are there in each genre?"),
    ask(4, "How many copies of each title were sold in Lisbon?"),
    ask(5, "What is the total salary of all staff?"),
    ask(6, "What is the most common payment method?"),
    run(7, "SELECT opening_year, count(*) FROM shops GROUP BY opening_year LIMIT 3"),
    run(8, "SELECT x'0aff', 1e999, NULL"),
    run(9, "DELETE FROM shops"),
    run(10, "SELECT town FROM shops"),
    run(11, "SELECT 1; SELECT 2"),
    # what was asked, and what was said of it
    ("GET", f"/api/answers/{ID.format(2)}", None),
    ("GET", f"/api/answers/{ID.format(2)}?rows=1", None),
    ("GET", f"/api/answers/{ID.format(3)}/rows.csv", None),
    ("GET", f"/api/answers/{ID.format(5)}/rows.csv", None),
    judge(1, good=True),
    judge(5, good=False, sql="SELECT sum(salary) FROM staff"),
    judge(99, good=True),
    ("GET", "/api/feedback/export", None),
    ("GET", "/api/history?limit=6", None),
    ("DELETE", "/api/history", None),
    ("GET", "/api/history", None),
    ("GET", f"/api/answers/{ID.format(1)}", None),
    # what cannot be answered
    ("POST", "/api/ask", {}),
    ("POST", "/api/ask", {"question": " "}),
    ("POST", "/api/ask", {"question": "How many?", "search": -1}),
    ("POST", "/api/ask", {"question": "How many?", "search": 1000}),
    ("POST", "/api/ask", {"question": "How many?", "model": "other"}),
    ("POST", "/api/sql", {"sql": ""}),
    ("DELETE", f"/api/ask/{ID.format(1)}", None),
    ("GET", "/api/history?limit=0", None),
    ("GET", "/api/tables", None),
    ("GET", "/api/ask", None),
)


def body(response: httpx.Response) -> Any:
    if not response.content:
        return None
    is_json = response.headers["content-type"] == "application/json"
    return response.json() if is_json else response.text.splitlines()


async def stream(client: httpx.AsyncClient, request: tuple[str, str, Any]) -> list[Any]:
    """The events of a question, with what each tells."""
    method, path, sent = request
    headers = {"accept": "text/event-stream"}
    response = await client.request(method, path, json=sent, headers=headers)
    events = re.findall(r"^event: (\w+)\ndata: (.+)$", response.text, re.MULTILINE)
    return [[event, json.loads(data)] for event, data in events]


def test_answers(
    golden: Callable[[str, Any], None],
    mask: Callable[..., Any],
    completions: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path))  # an empty history

    async def serve() -> dict[str, Any]:
        settings = ModelSettings(str(sample.path()), ScriptedGenerator(completions), search=0)
        backend = Backend(settings)
        app = create_app(backend)
        transport = httpx.ASGITransport(app)
        await backend.start()
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                answers = []
                for method, path, sent in REQUESTS:
                    response = await client.request(method, path, json=sent)
                    answers.append(
                        {
                            "request": [method, path] if sent is None else [method, path, sent],
                            "status": response.status_code,
                            "answer": body(response),
                        }
                    )
                events = await stream(client, ask(20, "How many shops are there?"))
                metrics = (await client.get("/metrics")).text
                paths = (await client.get("/openapi.json")).json()["paths"]
        finally:
            await backend.close()
        return {
            "operations": sorted(
                f"{verb.upper()} {path}" for path in paths for verb in paths[path]
            ),
            "answers": answers,
            "events of a streamed answer": events,
            "metrics": sorted(
                set(re.findall(r"^# TYPE (txt2sql\w+(?<!_created) \w+)", metrics, re.M))
            ),
        }

    golden("server", mask(asyncio.run(serve()), VARYING))
