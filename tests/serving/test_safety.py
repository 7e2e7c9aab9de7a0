"""Attacks of every kind on every engine, through the API and through MCP; all of them: tests/execution.

The role may do anything and the model is bypassed (`/api/sql`, `run_sql`): nothing has an effect, and
each attack is refused or stopped with one sentence.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from txt2sql.execution.pool import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.backend import Backend
from txt2sql.serving.worker import ModelSettings

from .conftest import Serve

ATTACKS = Path(__file__).parents[1] / "fixtures" / "safety" / "attacks.json"
OF_A_KIND = 4
TOGETHER = 4
LIMITS = Limits(timeout_s=0.3, max_memory_bytes=128_000_000)
MARGIN_S = 8.0
"""A busy machine starts a process slowly; a sleep of nine seconds is longer than that."""

Attacked = Callable[[str], tuple[str, Callable[[], Any]]]


def attacks(folder: Path) -> list[dict[str, Any]]:
    """Some of each kind."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(ATTACKS.read_text(encoding="utf-8")):
        sql = each["sql"].replace("{folder}", str(folder))
        kinds.setdefault(each["kind"], []).append({**each, "sql": sql})
    assert len(kinds) >= 8
    return [each for same in kinds.values() for each in same[:: -(-len(same) // OF_A_KIND)]]


@asynccontextmanager
async def api(backend: Backend) -> Any:
    """What a statement gets as the body of POST /api/sql: its error."""
    from txt2sql.serving.web import create_app

    transport = httpx.ASGITransport(create_app(backend))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

        async def run(sql: str) -> str | None:
            response = await client.post("/api/sql", json={"sql": sql})
            assert response.status_code in (200, 422), response.text
            error: str | None = response.json()["error"]
            return error

        yield run


@asynccontextmanager
async def mcp(backend: Backend) -> Any:
    """What a statement gets as the argument of the tool run_sql: its error."""
    pytest.importorskip("mcp", reason="needs the extra mcp")
    from mcp import Client

    from txt2sql.serving.mcp import create_server

    async with Client(create_server(backend)) as client:

        async def run(sql: str) -> str | None:
            result = await client.call_tool("run_sql", {"sql": sql})
            [content] = result.content
            error = content.text if result.is_error else None  # type: ignore[union-attr]
            return "refused" if "validation error" in (error or "") else error  # empty SQL

        yield run


# Beyond the door, MCP's statements take the way of the API's: one engine.
@pytest.mark.parametrize(
    ("door", "engine"),
    [(api, "sqlite"), (api, "postgresql"), (api, "mariadb"), (api, "duckdb"), (mcp, "sqlite")],
)
def test_no_attack_has_an_effect(
    door: Any, engine: str, attacked: Attacked, tmp_path: Path
) -> None:
    url, state = attacked(engine)
    before, faults = state(), []
    tmp_path.chmod(0o777)  # a server that wrote would be able to

    async def run() -> None:
        settings = ModelSettings(url, ScriptedGenerator([]), limits=LIMITS, search=0)
        backend, turns = Backend(settings, history=False), asyncio.Semaphore(TOGETHER)

        async def attack(each: dict[str, Any]) -> None:
            async with turns:
                start = time.perf_counter()
                error = await statement(each["sql"])
                seconds = time.perf_counter() - start
            refused = error is not None or engine in each.get("harmless_on", ())
            sentence = "\n" not in (error or "") and len(error or "") < 600
            if not (refused and sentence and seconds < MARGIN_S):
                faults.append((each["sql"], error, seconds))

        try:
            async with door(backend) as statement:
                await asyncio.gather(*(attack(each) for each in attacks(tmp_path)))
        finally:
            await backend.close()

    asyncio.run(run())
    assert faults == []
    assert state() == before
    assert list(tmp_path.iterdir()) == []


def test_nor_one_that_the_model_writes(serve: Serve, attacked: Attacked) -> None:
    url, state = attacked("sqlite")
    before = state()
    kinds = {each["kind"]: each for each in attacks(Path("/x")) if each["kind"] != "bombs"}
    script = {f"attack by {kind}": each["sql"] for kind, each in kinds.items()}
    served = serve(database=url, model=ScriptedGenerator(script), limits=LIMITS)
    for question in script:
        answer = served.ask(question).json()
        assert answer["error"] or answer["sql"].lower().startswith("select"), question
    assert state() == before
