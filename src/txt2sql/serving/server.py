"""The web server around the application: its socket, its start, and an end that loses nothing.

On SIGTERM or Ctrl-C nothing new is accepted (503), what was accepted gets its answer up to a deadline,
then the connections close. A second signal ends it at once.

>>> await Server(backend, Access(port=8000), create_app(backend)).run_on(print)  # doctest: +SKIP
http://127.0.0.1:8000
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from txt2sql.errors import ConfigError
from txt2sql.serving.backend import Backend
from txt2sql.serving.gate import is_loopback

_CLOSING_S = 5
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Access:
    """Where it listens and whom it lets in. `names` are further host names that it is reached by;
    `drain_s`: how long accepted requests have at the end."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    insecure: bool = False
    names: tuple[str, ...] = ()
    drain_s: float = 30.0

    def __post_init__(self) -> None:
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ConfigError("the access token may hold printable ASCII characters only")
        if self.token is not None and not self.token.strip():
            raise ConfigError("the access token is empty; give one, or leave --token out")
        if not is_loopback(self.host) and self.token is None and not self.insecure:
            raise ConfigError(
                f"{self.host} can be reached from other machines; set an access token with "
                "--token or TXT2SQL_TOKEN, or say --insecure"
            )

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name that it is reached by."""
        return (*self.names, self.host)


def listen(access: Access) -> socket.socket:
    """A socket that takes connections. ConfigError where there can be none."""
    host = access.host.strip("[]")
    listening = None
    try:
        family, *_, address = socket.getaddrinfo(host, access.port, type=socket.SOCK_STREAM)[0]
        # With the protocol named, asyncio sets TCP_NODELAY; else each answer on a kept connection waits
        # 40 ms for the client's delayed acknowledgement.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)  # who comes before the first is served waits
    except OSError as problem:
        if listening is not None:
            listening.close()
        raise ConfigError(
            f"cannot listen on {host} port {access.port} ({problem.strerror or problem}); choose "
            "another with --port"
        ) from problem
    return listening


class Server(uvicorn.Server):
    """One server for one back end; `app` is what it serves of it."""

    def __init__(self, backend: Backend, access: Access, app: ASGIApp) -> None:
        self.backend, self.access = backend, access
        self._draining: asyncio.Task[None] | None = None
        config = uvicorn.Config(app, log_level="warning", server_header=False)
        config.timeout_graceful_shutdown = _CLOSING_S
        super().__init__(config)

    async def run_on(self, ready: Callable[[str], None]) -> None:
        """Start the back end, listen, tell the address, and serve until a signal ends it."""
        listening = listen(self.access)
        host = self.access.host.strip("[]")
        shown = f"[{host}]" if ":" in host else host
        try:
            await self.backend.start()
            ready(f"http://{shown}:{listening.getsockname()[1]}")
            await self.serve([listening])
        finally:
            await self.backend.close()
            listening.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one ends."""
        if self._draining is None:
            asyncio.get_running_loop().call_soon_threadsafe(self.stop)
        else:
            super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Drain, then end. Call it on the server's event loop."""
        self._draining = self._draining or asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        await self.backend.drain(self.access.drain_s)
        self.should_exit = True
