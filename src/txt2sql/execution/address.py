"""Addresses of databases: a URL taken apart, so that what may be shown is never what is secret.

The URLs are those of SQLAlchemy (RFC 1738 with a driver in the scheme, which is ours to choose).
DuckDB's name a file: `duckdb:///shop.duckdb` here, `duckdb:////data/shop.duckdb` anywhere.

>>> parse_address("postgresql://ann:s3cret@db.example/shop?sslmode=require")
Address(engine='postgresql', place='postgresql://ann@db.example/shop')
>>> parse_address("shop.sqlite") is None
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from txt2sql.errors import DatabaseError

_SCHEMES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "duckdb": "duckdb",
    "sqlite": "sqlite",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]+)(?:\+[A-Za-z0-9_]+)?:/")
# A password ends at the first @, as SQLAlchemy has it.
_URL = re.compile(
    r"[^:]+://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<host>\[[^\]/]*\]|[^:/?@]*)(?::(?P<port>[^/?]*))?(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `place` is what may be shown; `url` may hold a password and never is.

    `name` is the database on its server, or the path of its file.
    """

    engine: str
    place: str
    url: str = field(repr=False)
    name: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def without_secrets(self, text: str) -> str:
        """The text, with *** where it held the password."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def is_url(text: str) -> bool:
    """True when the text is meant as a URL, also where `Path` has folded its two slashes into one."""
    return _SCHEME.match(text) is not None


def parse_address(text: str) -> Address | None:
    """The address, or None when the text is no URL. DatabaseError: a URL that is not understood."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    engine = _SCHEMES.get(scheme[1].lower())
    if engine is None:
        known = ", ".join(sorted(f"{name}://" for name in _SCHEMES))
        raise DatabaseError(f"no engine for '{scheme[1]}://'; a database URL begins with {known}")
    found = _URL.fullmatch(text)
    if found is None or not (found["name"] or "").strip("/"):
        example = "duckdb:///shop.duckdb" if engine == "duckdb" else f"{engine}://user@host/name"
        raise DatabaseError(
            f"the database URL is not complete; write it like {example}, special characters of a "
            "password percent-encoded (@ as %40, / as %2F)"
        )
    if found["port"] and not found["port"].isdigit():
        raise DatabaseError(
            "the port in the database URL is not a number; write special characters of a password "
            "percent-encoded (@ as %40, / as %2F)"
        )
    if engine in ("duckdb", "sqlite"):
        name = unquote(found["name"])
        return Address(engine, f"{engine}:///{name}", text, name)
    if "@" in found["name"]:  # what looks like a host and a port may be a user and a password
        raise DatabaseError(
            "there is an @ after the first / of the database URL; write special characters of a "
            "password or a name percent-encoded (@ as %40, / as %2F)"
        )
    user = f"{found['user']}@" if found["user"] else ""
    port = f":{found['port']}" if found["port"] else ""
    place = f"{engine}://{user}{found['host']}{port}/{found['name']}"
    return Address(engine, place, text, unquote(found["name"]), _secrets(found))


def _secrets(found: re.Match[str]) -> tuple[str, ...]:
    """The password as written and as meant, and every option that is called one, longest first."""
    values = {found["password"] or ""}
    for name, value in parse_qsl(found["query"] or ""):
        if "password" in name.lower() or "passwd" in name.lower():
            values.add(value)
    values |= {unquote(value) for value in values}
    return tuple(sorted(values - {""}, key=len, reverse=True))
