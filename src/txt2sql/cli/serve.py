"""`txt2sql serve`: a page to ask on, and a JSON API, for one database.

$ txt2sql serve --db shop.sqlite
$ TXT2SQL_TOKEN=s3cret txt2sql serve --db postgresql://reader@localhost/shop --host 0.0.0.0
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from txt2sql.cli.options import DatabaseOption, DescribeOption, ModelOption, TimeoutOption
from txt2sql.errors import ConfigError

_NEEDED = ("fastapi", "prometheus_client", "uvicorn")


def serve(
    db: DatabaseOption = None,
    model: ModelOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TXT2SQL_TOKEN",
            help="Access token that everybody has to give; the variable keeps it out of process lists.",
        ),
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
    max_rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows of an answer at most.")
    ] = 10_000,
    queue: Annotated[
        int, typer.Option(metavar="N", min=1, help="Questions that may wait; more are refused.")
    ] = 64,
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Questions computed together at most.")
    ] = 16,
    deadline: Annotated[
        float, typer.Option(metavar="S", min=1, help="Seconds after which a question is given up.")
    ] = 60.0,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Keep nothing of what is asked on disk.")
    ] = False,
    describe: DescribeOption = None,
) -> None:
    """Ask a database on a web page, and by a JSON API.

    The database is only read. Questions of several people are answered together; Ctrl-C ends it once
    what was asked is answered. The page is at /, the API is described at /docs.

    \b
    Examples:
      txt2sql serve
      txt2sql serve --db shop.sqlite --port 8080
      txt2sql serve --db postgresql://reader@localhost/shop --search 300
      TXT2SQL_TOKEN=s3cret txt2sql serve --db shop.sqlite --host 0.0.0.0
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ConfigError(f'this needs {", ".join(missing)}; run: pip install "txt2sql[serve]"')
    import asyncio

    from txt2sql import sample
    from txt2sql.cli import display
    from txt2sql.execution.limits import Limits
    from txt2sql.serving.backend import Backend
    from txt2sql.serving.messages import ModelSettings
    from txt2sql.serving.server import Access, Server
    from txt2sql.serving.tickets import Load
    from txt2sql.serving.web import create_app

    access = Access(host, port, token, insecure, tuple(allow_host or ()))
    settings = ModelSettings(
        db or str(sample.path()),
        model,
        limits=Limits(timeout_s=timeout, max_rows=max_rows),
        search=search,
        describe=describe,
    )
    backend = Backend(
        settings, Load(queue=queue, batch=batch, deadline_s=deadline), history=not no_history
    )
    loading = display.working("loading the model")

    def ready(url: str) -> None:
        loading.__exit__(None, None, None)
        if backend.notice:
            print(f"txt2sql: {backend.notice}", file=sys.stderr)
        print(f"{backend.schema.db_id} is served at {url}", file=sys.stderr, flush=True)

    with loading:
        app = create_app(backend, token=access.token, hosts=access.hosts)
        asyncio.run(Server(backend, access, app).run_on(ready))
