"""`txt2sql serve` and `txt2sql mcp`: databases for people (a page, a JSON API) and for agents (MCP)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from txt2sql.cli.options import DatabasesOption, Listening, Target, flag, grouped, option
from txt2sql.errors import ConfigError

if TYPE_CHECKING:
    from txt2sql.execution.pool import Limits
    from txt2sql.serving.server import Access
    from txt2sql.serving.worker import ModelSettings


def _settings(
    db: list[str] | None, target: Target, listening: Listening, port: int, limits: Limits
) -> tuple[ModelSettings, Access]:
    from txt2sql import sample
    from txt2sql.serving.server import Access
    from txt2sql.serving.worker import ModelSettings

    once: dict[str, str] = {}
    for each in db or [str(sample.path())]:  # one file may be spelt in several ways
        once.setdefault(os.path.realpath(each) if os.path.exists(each) else each, each)
    database, *others = once.values()
    if others and target.describe:
        raise ConfigError(
            "--describe is of one database; with several, put <database>.describe.yaml beside each file"
        )
    hosts = tuple(listening.allow_host or ())
    return (
        ModelSettings(
            database,
            target.model,
            limits=limits,
            search=listening.search,
            describe=target.describe,
            others=tuple(others),
        ),
        Access(listening.host, port, listening.token, listening.insecure, hosts),
    )


@grouped
def serve(
    *,
    db: DatabasesOption = None,
    target: Target,
    listening: Listening,
    port: int = option("Port; 0 takes a free one.", default=8000, min=0, max=65535),
    max_rows: int = option("Rows of an answer at most.", default=10_000, metavar="N", min=1),
    queue: int = option("Questions that may wait.", default=64, metavar="N", min=1),
    batch: int = option("Questions computed together at most.", default=16, metavar="N", min=1),
    deadline: float = option("Seconds of a question.", default=60.0, metavar="S", min=1),
    no_history: bool = flag("Keep nothing of what is asked on disk.", "--no-history"),
) -> None:
    """Ask databases on a web page, and by a JSON API.

    They are only read. Questions of several people are answered together; Ctrl-C ends it once
    what was asked is answered. The page is at /, the API is described at /docs.

    \b
    Examples:
      txt2sql serve
      txt2sql serve --db shop.sqlite --db library.sqlite
      TXT2SQL_TOKEN=s3cret txt2sql serve --db shop.sqlite --host 0.0.0.0
    """
    import asyncio
    from contextlib import ExitStack

    from txt2sql.cli.display import working
    from txt2sql.execution.pool import Limits
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.scheduler import Load
    from txt2sql.serving.server import Server
    from txt2sql.serving.web import create_app

    limits = Limits(timeout_s=target.timeout, max_rows=max_rows)
    settings, access = _settings(db, target, listening, port, limits)
    load = Load(queue=queue, batch=batch, deadline_s=deadline)
    backend = Backend(settings, load, history=not no_history)
    with ExitStack() as loading:
        loading.enter_context(working("loading the model"))

        def ready(url: str) -> None:
            loading.close()
            if backend.notice:
                print(f"txt2sql: {backend.notice}", file=sys.stderr)
            names = " and ".join(backend.databases)
            print(
                f"{names} {'are' if settings.others else 'is'} served at {url}",
                file=sys.stderr,
                flush=True,
            )

        app = create_app(backend, token=access.token, hosts=access.hosts)
        asyncio.run(Server(backend, access, app).run_on(ready))


@grouped
def mcp(
    *,
    db: DatabasesOption = None,
    target: Target,
    listening: Listening,
    http: bool = flag("Streamable HTTP at /mcp instead of standard input.", "--http"),
    port: int = option("With --http: the port.", default=8001, min=0, max=65535),
) -> None:
    """Give agents databases to ask, to search and to run SQL on (MCP).

    Nothing can be changed: run_sql takes one statement that reads. Nothing is kept of what is asked.
    Address, token and host names are for --http.

    \b
    Examples:
      txt2sql mcp --db shop.sqlite
      txt2sql mcp --db shop.sqlite --http --port 8001
    """
    import asyncio

    from txt2sql.execution.pool import Limits
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.mcp import create_app, create_server
    from txt2sql.serving.server import Server

    settings, access = _settings(db, target, listening, port, Limits(timeout_s=target.timeout))

    async def run() -> None:
        backend = Backend(settings, history=False)
        server = create_server(backend)
        if http:
            app = create_app(server, token=access.token, hosts=access.hosts)
            await Server(backend, access, app).run_on(
                lambda url: print(f"MCP at {url}/mcp", file=sys.stderr, flush=True)
            )
            return
        try:
            await backend.start()
            await server.run_stdio_async()
        finally:
            await backend.close()

    asyncio.run(run())
