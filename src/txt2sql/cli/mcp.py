"""`txt2sql mcp`: a database as tools for agents, over standard input and output or HTTP.

$ txt2sql mcp --db shop.sqlite
$ claude mcp add shop -- txt2sql mcp --db shop.sqlite
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from txt2sql.cli.options import DatabaseOption, DescribeOption, ModelOption, TimeoutOption
from txt2sql.errors import ConfigError


def mcp(
    db: DatabaseOption = None,
    model: ModelOption = None,
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP at /mcp instead of standard input.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --http: the port.")] = 8001,
    token: Annotated[
        str | None,
        typer.Option(envvar="TXT2SQL_TOKEN", help="With --http: an access token."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in without a token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further host name it is reached by; may be repeated."),
    ] = None,
    search: Annotated[
        int, typer.Option(metavar="N", min=0, help="Most simulations of a search; 0 offers none.")
    ] = 100,
    timeout: TimeoutOption = 5.0,
    describe: DescribeOption = None,
) -> None:
    """Give agents a database: tools ask, run_sql and describe_schema (MCP).

    Nothing can be changed: run_sql takes one statement that reads. Nothing is kept of what is asked.

    \b
    Examples:
      txt2sql mcp --db shop.sqlite
      txt2sql mcp --db postgresql://reader@localhost/shop
      txt2sql mcp --db shop.sqlite --http --port 8001
    """
    for name, extra in (("mcp", "mcp"), ("prometheus_client", "serve"), ("uvicorn", "serve")):
        if find_spec(name) is None:
            raise ConfigError(f'this needs {name}; run: pip install "txt2sql[mcp,{extra}]"')
    import asyncio

    from txt2sql import sample
    from txt2sql.execution.limits import Limits
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.mcp import create_app, create_server
    from txt2sql.serving.messages import ModelSettings
    from txt2sql.serving.server import Access, Server

    access = Access(host, port, token, insecure, tuple(allow_host or ()))
    settings = ModelSettings(
        db or str(sample.path()),
        model,
        limits=Limits(timeout_s=timeout),
        search=search,
        describe=describe,
    )

    async def run() -> None:
        backend = Backend(settings, history=False)
        server = create_server(backend)
        if http:
            app = create_app(server, token=access.token, hosts=access.hosts)
            await Server(backend, access, app).run_on(_tell)
            return
        try:
            await backend.start()
            await server.run_stdio_async()
        finally:
            await backend.close()

    asyncio.run(run())


def _tell(url: str) -> None:
    print(f"MCP at {url}/mcp", file=sys.stderr, flush=True)
