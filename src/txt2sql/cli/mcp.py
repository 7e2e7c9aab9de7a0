"""`txt2sql mcp`: a database as tools for agents, over standard input and output or HTTP.

$ txt2sql mcp --db shop.sqlite
$ claude mcp add shop -- txt2sql mcp --db shop.sqlite
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from txt2sql.cli.options import Asked, Listening, grouped
from txt2sql.cli.serve import model_settings, require


@grouped
def mcp(
    asked: Asked,
    listening: Listening,
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP at /mcp instead of standard input.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --http: the port.")] = 8001,
) -> None:
    """Give agents a database: tools ask, run_sql and describe_schema (MCP).

    Nothing can be changed: run_sql takes one statement that reads. Nothing is kept of what is asked.
    Address, token and host names are for --http.

    \b
    Examples:
      txt2sql mcp --db shop.sqlite
      txt2sql mcp --db postgresql://reader@localhost/shop
      txt2sql mcp --db shop.sqlite --http --port 8001
    """
    require(("mcp", "prometheus_client", "uvicorn"), "mcp,serve")
    import asyncio

    from txt2sql.execution.limits import Limits
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.mcp import create_app, create_server
    from txt2sql.serving.server import Access, Server

    hosts = tuple(listening.allow_host or ())
    access = Access(listening.host, port, listening.token, listening.insecure, hosts)
    settings = model_settings(asked, listening.search, Limits(timeout_s=asked.timeout))

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
