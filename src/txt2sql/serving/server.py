"""The web server around an application: who may come in, its socket, and an end that loses nothing.

`Gate` is an ASGI middleware in front of the whole service:
- Host and Origin: names that are not ours are refused, so that no other site's page reaches the service,
  by a DNS name of its own either (DNS rebinding).
- Token: with one set, everything but the page's own files and /health wants it, as
  `Authorization: Bearer T` or the cookie that `/?token=T` sets.
- Size: a body of more than 1 MB is refused.
- Who hangs up is not worked for any more: a cancelled request stops its statement.
- Every answer carries headers that keep a browser from doing more than the page needs (CSP).

On SIGTERM or Ctrl-C nothing new is accepted (503), what was accepted gets its answer up to a deadline,
then the connections close. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from txt2sql.errors import ConfigError
from txt2sql.serving.backend import Backend
from txt2sql.serving.scheduler import CLIENT, Metrics

MOST_BODY_BYTES = 1_000_000
_TOO_LARGE = f"the request is larger than {MOST_BODY_BYTES // 1_000_000} MB"
COOKIE = "txt2sql"
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_CLOSING_S = 5
_BACKLOG = 1024


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that is written in figures."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@dataclass
class Gate:
    """Refuses what must not come in, and counts. `public` are the paths that want no token."""

    app: ASGIApp
    token: str | None
    hosts: Collection[str]
    public: Collection[str] = ()
    metrics: Metrics | None = None

    def __post_init__(self) -> None:
        self.hosts = {host.lower() for host in self.hosts}
        # Not the token itself: cookies of one host go to every port of it.
        secret = (self.token or "").encode()
        self.cookie = hmac.new(secret, b"txt2sql cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        if scope["type"] != "http":
            return
        request, started = Request(scope), False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers.update(_HEADERS)
                if scope["path"].startswith("/api/"):
                    headers["cache-control"] = "no-store"
                message["headers"] = headers.raw
                if self.metrics is not None:
                    path = getattr(scope.get("route"), "path", None) or "other"
                    self.metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        response = self._refusal(request) or self._entrance(request)
        if response is None:
            CLIENT.set(request.client.host if request.client else "")
            if await self._attend(scope, receive, guarded) or started:
                return
            response = _refused(413, _TOO_LARGE)
        await response(scope, receive, guarded)

    async def _attend(self, scope: Scope, receive: Receive, send: Send) -> bool:
        messages: asyncio.Queue[Message] = asyncio.Queue()

        async def listen() -> bool:
            size, message = 0, await receive()
            while message["type"] != "http.disconnect":
                size += len(message.get("body", b""))
                if size > MOST_BODY_BYTES:
                    return False
                messages.put_nowait(message)
                message = await receive()
            return True

        working = asyncio.ensure_future(self.app(scope, messages.get, send))
        listening = asyncio.ensure_future(listen())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return True
            return listening.result()
        finally:
            for task in (working, listening):
                task.cancel()
            await asyncio.gather(working, listening, return_exceptions=True)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        host = ""
        with suppress(ValueError):
            host = (urlsplit(f"//{headers.get('host', '')}").hostname or "").lower()
        # An address in figures is ours: a name is what a stranger's DNS could point at us.
        if host not in self.hosts and _address(host) is None:
            return _refused(400, "this host name is not served here; allow it with --allow-host")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
            return _refused(403, "a page of another site may not use this service")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > MOST_BODY_BYTES:
            return _refused(413, _TOO_LARGE)
        if self.token is None or request.scope["path"] in self.public or self._known(request):
            return None
        sentence = "this needs the access token, as 'Authorization: Bearer TOKEN'"
        return _refused(401, sentence, {"www-authenticate": "Bearer"})

    def _known(self, request: Request) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(given.strip(), self.token or ""):
            return True
        return _same(request.cookies.get(COOKIE, ""), self.cookie)

    def _entrance(self, request: Request) -> Response | None:
        given = request.query_params.get("token", "")
        if request.scope["path"] != "/" or not self.token or not _same(given, self.token):
            return None
        cookie = f"{COOKIE}={self.cookie}; Path=/; HttpOnly; SameSite=Strict"
        return Response(status_code=303, headers={"location": "./", "set-cookie": cookie})


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode("utf-8", "replace"))


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


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
        host = self.host.strip("[]").lower()
        address = _address("127.0.0.1" if host == "localhost" else host)
        here = address is not None and address.is_loopback
        if not here and self.token is None and not self.insecure:
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
    try:
        family, *_, address = socket.getaddrinfo(host, access.port, type=socket.SOCK_STREAM)[0]
        # With the protocol named, asyncio sets TCP_NODELAY; else each answer on a kept connection waits
        # 40 ms for the client's delayed acknowledgement.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)  # who comes before the first is served waits
        except OSError:
            listening.close()
            raise
    except OSError as problem:
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
