"""The safety matrix at the doors: every attack on every engine, through the API and through MCP.

The role may do anything and the model is bypassed (`/api/sql`, `run_sql`): nothing has an effect, and
each attack is refused or stopped with one sentence. What the walls behind the doors hold off is tested
in tests/execution/test_safety.py.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from txt2sql.execution.pool import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.backend import Backend
from txt2sql.serving.worker import ModelSettings

ENGINES = ("sqlite", "postgresql", "mariadb", "duckdb")
ATTACKS = Path(__file__).parents[1] / "fixtures" / "safety" / "attacks.json"
LIMITS = Limits(timeout_s=0.3, max_memory_bytes=128_000_000)
MARGIN_S = 8.0
"""A busy machine starts a process slowly; a sleep of nine seconds is longer than that."""

_TOGETHER = 4

Attacked = Callable[[str], tuple[str, Callable[[], Any]]]


def attacks(folder: Path) -> list[dict[str, Any]]:
    found = json.loads(ATTACKS.read_text(encoding="utf-8"))
    return [{**each, "sql": each["sql"].replace("{folder}", str(folder))} for each in found]


def faults(each: dict[str, Any], engine: str, error: str | None, seconds: float) -> list[str]:
    """What is wrong with how an attack was met."""
    wrong = []
    if error is None and engine not in each.get("harmless_on", ()):
        wrong.append(f"{each['sql']!r} was run")
    if error is not None and ("\n" in error or len(error) > 600 or "Traceback" in error):
        wrong.append(f"{each['sql']!r} got no sentence: {error!r}")
    if seconds > MARGIN_S:
        wrong.append(f"{each['sql']!r} took {seconds:.1f} s")
    return wrong


async def through_api(backend: Backend, engine: str, folder: Path) -> list[str]:
    """All attacks as bodies of POST /api/sql, a few at a time."""
    from txt2sql.serving.web import create_app

    transport = httpx.ASGITransport(create_app(backend))
    turns = asyncio.Semaphore(_TOGETHER)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

        async def attack(each: dict[str, Any]) -> list[str]:
            async with turns:
                start = time.perf_counter()
                response = await client.post("/api/sql", json={"sql": each["sql"]})
                assert response.status_code in (200, 422), response.text
                error = response.json()["error"]
                return faults(each, engine, error, time.perf_counter() - start)

        found = await asyncio.gather(*(attack(each) for each in attacks(folder)))
    return [fault for wrong in found for fault in wrong]


async def through_mcp(backend: Backend, engine: str, folder: Path) -> list[str]:
    """All attacks as arguments of the tool run_sql, by the SDK's client."""
    from mcp import Client

    from txt2sql.serving.mcp import create_server

    turns = asyncio.Semaphore(_TOGETHER)
    async with Client(create_server(backend)) as client:

        async def attack(each: dict[str, Any]) -> list[str]:
            async with turns:
                start = time.perf_counter()
                result = await client.call_tool("run_sql", {"sql": each["sql"]})
                [content] = result.content
                error = content.text if result.is_error else None  # type: ignore[union-attr]
                if error is not None and "validation error" in error:  # an empty statement
                    error = "refused"
                return faults(each, engine, error, time.perf_counter() - start)

        found = await asyncio.gather(*(attack(each) for each in attacks(folder)))
    return [fault for wrong in found for fault in wrong]


def attack(
    door: Callable[[Backend, str, Path], Any], engine: str, attacked: Attacked, folder: Path
) -> None:
    """Throw everything at a fresh database, and compare what could have changed."""
    url, state = attacked(engine)
    before = state()
    folder.chmod(0o777)  # a server that wrote would be able to

    async def run() -> list[str]:
        settings = ModelSettings(url, ScriptedGenerator([]), limits=LIMITS, search=0)
        backend = Backend(settings, history=False)
        try:
            found: list[str] = await door(backend, engine, folder)
            return found
        finally:
            await backend.close()

    assert asyncio.run(run()) == []
    assert state() == before
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_no_attack_through_the_api_has_an_effect(
    engine: str, attacked: Attacked, tmp_path: Path
) -> None:
    attack(through_api, engine, attacked, tmp_path)


# Beyond the door, MCP's statements take the way of the API's: one engine in the default run.
@pytest.mark.parametrize(
    "engine", ["sqlite", *(pytest.param(each, marks=pytest.mark.slow) for each in ENGINES[1:])]
)
def test_no_attack_through_mcp_has_an_effect(
    engine: str, attacked: Attacked, tmp_path: Path
) -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    attack(through_mcp, engine, attacked, tmp_path)


def test_nor_one_that_the_model_writes(serve: Callable[..., Any], attacked: Attacked) -> None:
    url, state = attacked("sqlite")
    before = state()
    kinds = {each["kind"]: each for each in attacks(Path("/x")) if each["kind"] != "bombs"}
    script = {f"attack by {kind}": each["sql"] for kind, each in kinds.items()}
    served = serve(database=url, model=ScriptedGenerator(script), limits=LIMITS)
    for question in script:
        answer = served.ask(question).json()
        assert answer["error"] or answer["sql"].lower().startswith("select"), question
    assert state() == before
