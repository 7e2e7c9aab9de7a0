"""Who may come in, and how: an ASGI middleware in front of the whole service.

- Host: a name that is not ours is refused, so that no web page reaches the service through a DNS
  name of its own (DNS rebinding).
- Origin: what another site's page sends is refused.
- Token: with one set, everything but the page's own files and /health wants it, as
  `Authorization: Bearer T` or the cookie that `/?token=T` sets.
- Size: a body of more than 1 MB is refused.
- Every answer carries headers that keep a browser from doing more than the page needs (CSP).

>>> Gate(app, token="s3cret", hosts={"localhost"}, public={"/", "/health"})  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from txt2sql.serving.queue import CLIENT

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

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


def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Gate:
    """Refuses what must not come in. `public` are the paths that want no token."""

    def __init__(
        self, app: App, *, token: str | None, hosts: Iterable[str], public: Iterable[str]
    ) -> None:
        self.app, self.token = app, token
        self.hosts = frozenset(host.lower() for host in hosts)
        self.public = frozenset(public)
        secret = (token or "").encode()
        # Not the token itself: cookies of one host go to every port of it.
        self.cookie = hmac.new(secret, b"txt2sql cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        body = _Body(receive)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_encoded(_HEADERS)]
                if scope["path"].startswith("/api/"):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(guarded, *refusal)
            return
        if scope["path"] == "/" and self._enters(scope):
            await self._let_in(guarded)
            return

        CLIENT.set((scope.get("client") or ("",))[0])

        async def sized(message: Message) -> None:
            if not body.too_large:
                await guarded(message)

        await self.app(scope, body.receive, sized)
        if body.too_large:
            await _refuse(guarded, 413, _TOO_LARGE)

    def _refusal(
        self, scope: MutableMapping[str, Any], headers: dict[str, str]
    ) -> tuple[int, str] | None:
        if not self._is_ours(headers.get("host", "")):
            return 400, "this host name is not served here; allow it with --allow-host"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
            return 403, "a page of another site may not use this service"
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > MOST_BODY_BYTES:
            return 413, _TOO_LARGE
        if self.token is None or scope["path"] in self.public or self._known(headers):
            return None
        return 401, "this needs the access token, as 'Authorization: Bearer TOKEN'"

    def _is_ours(self, host: str) -> bool:
        """An address in figures is ours: a name is what a stranger's DNS could point at us."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _known(self, headers: dict[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(
            cookie.value.encode("utf-8", "replace"), self.cookie.encode()
        )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(
            given.encode("utf-8", "replace"), (self.token or "").encode("utf-8", "replace")
        )

    def _enters(self, scope: MutableMapping[str, Any]) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return self.token is not None and bool(given) and self._is_token(given)

    async def _let_in(self, send: Send) -> None:
        """Set the cookie, and take the token out of the address bar."""
        cookie = f"{COOKIE}={self.cookie}; Path=/; HttpOnly; SameSite=Strict"
        headers = _encoded({"location": "./", "set-cookie": cookie, "content-length": "0"})
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


_TOO_LARGE = f"the request is larger than {MOST_BODY_BYTES // 1_000_000} MB"


class _Body:
    """A body as it comes: its length need not be declared beforehand, and it ends when it is too large."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._bytes = receive, 0
        self.too_large = False

    async def receive(self) -> Message:
        if self.too_large:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > MOST_BODY_BYTES:
            self.too_large = True
            return {"type": "http.disconnect"}
        return message


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
