"""Who may come in, and how: an ASGI middleware in front of the whole service.

- Host and Origin: names that are not ours are refused, so that no other site's page reaches the service,
  by a DNS name of its own either (DNS rebinding).
- Token: with one set, everything but the page's own files and /health wants it, as
  `Authorization: Bearer T` or the cookie that `/?token=T` sets.
- Size: a body of more than 1 MB is refused.
- Who hangs up is not worked for any more: a cancelled request stops its statement.
- Every answer carries headers that keep a browser from doing more than the page needs (CSP).

>>> Gate(app, token="s3cret", hosts={"localhost"}, public={"/", "/health"})  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from txt2sql.serving.metrics import Metrics
from txt2sql.serving.queue import CLIENT

MOST_BODY_BYTES = 1_000_000
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


def is_address(host: str) -> bool:
    """True for an address in figures."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    host = host.strip("[]").lower()
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


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
            response = _too_large()
        await response(scope, receive, guarded)

    async def _attend(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Have the app answer until the client hangs up; False where it sends too much."""
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
        try:
            host = (urlsplit(f"//{headers.get('host', '')}").hostname or "").lower()
        except ValueError:
            host = ""
        # An address in figures is ours: a name is what a stranger's DNS could point at us.
        if host not in self.hosts and not is_address(host):
            return _refused(400, "this host name is not served here; allow it with --allow-host")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
            return _refused(403, "a page of another site may not use this service")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > MOST_BODY_BYTES:
            return _too_large()
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
        """Set the cookie, and take the token out of the address bar."""
        given = request.query_params.get("token", "")
        if request.scope["path"] != "/" or not self.token or not _same(given, self.token):
            return None
        cookie = f"{COOKIE}={self.cookie}; Path=/; HttpOnly; SameSite=Strict"
        return Response(status_code=303, headers={"location": "./", "set-cookie": cookie})


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode("utf-8", "replace"))


def _too_large() -> Response:
    return _refused(413, f"the request is larger than {MOST_BODY_BYTES // 1_000_000} MB")


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)
