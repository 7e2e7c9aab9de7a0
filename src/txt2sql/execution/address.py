"""Addresses of databases behind a URL, and the engines that they may be of.

A URL is taken apart so that what may be shown is never what is secret. The URLs are SQLAlchemy's (RFC
1738 with a driver in the scheme, which is ours to choose), read here because DuckDB needs no SQLAlchemy.

>>> parse_address("postgresql://ann:s3cret@db.example/shop?sslmode=require")
Address(engine='postgresql', place='postgresql://ann@db.example/shop')
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple
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
        schemes = ", ".join(sorted(f"{name}://" for name in _SCHEMES))
        raise DatabaseError(f"no engine for '{scheme[1]}://'; a database URL begins with {schemes}")
    parts = _URL.fullmatch(text)
    if parts is None or not (parts["name"] or "").strip("/"):
        example = "duckdb:///shop.duckdb" if engine == "duckdb" else f"{engine}://user@host/name"
        raise DatabaseError(
            f"the database URL is not complete; write it like {example}, special characters of a "
            "password percent-encoded (@ as %40, / as %2F)"
        )
    if parts["port"] and not parts["port"].isdigit():
        raise DatabaseError(
            "the port in the database URL is not a number; write special characters of a password "
            "percent-encoded (@ as %40, / as %2F)"
        )
    if engine in ("duckdb", "sqlite"):
        name = unquote(parts["name"])
        return Address(engine, f"{engine}:///{name}", text, name)
    if "@" in parts["name"]:  # what looks like a host and a port may be a user and a password
        raise DatabaseError(
            "there is an @ after the first / of the database URL; write special characters of a "
            "password or a name percent-encoded (@ as %40, / as %2F)"
        )
    user = f"{parts['user']}@" if parts["user"] else ""
    port = f":{parts['port']}" if parts["port"] else ""
    place = f"{engine}://{user}{parts['host']}{port}/{parts['name']}"
    return Address(engine, place, text, unquote(parts["name"]), _secrets(parts))


def _secrets(parts: re.Match[str]) -> tuple[str, ...]:
    """The password as written and as meant, and every option that is called one, longest first."""
    values = {parts["password"] or ""}
    for name, value in parse_qsl(parts["query"] or ""):
        if "password" in name.lower() or "passwd" in name.lower():
            values.add(value)
    values |= {unquote(value) for value in values}
    return tuple(sorted(values - {""}, key=len, reverse=True))


class Engine(NamedTuple):
    """One engine beside SQLite. `dialect` is sqlglot's name of its SQL; `packages` are what it needs,
    which `pip install "txt2sql[extra]"` brings."""

    title: str
    dialect: str
    extra: str
    packages: tuple[str, ...]
    driver: str = ""
    """SQLAlchemy's name of dialect and driver."""


ENGINES: dict[str, Engine] = {
    "postgresql": Engine(
        "PostgreSQL", "postgres", "postgres", ("sqlalchemy", "psycopg"), "postgresql+psycopg"
    ),
    "mysql": Engine("MySQL", "mysql", "mysql", ("sqlalchemy", "pymysql"), "mysql+pymysql"),
    "duckdb": Engine("DuckDB", "duckdb", "duckdb", ("duckdb",)),
}


def sqlalchemy_url(address: Address) -> Any:
    """The URL as SQLAlchemy has it, with the driver that we use."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address.url)
    except (ArgumentError, ValueError):  # whose text may quote the URL
        raise DatabaseError(
            f"the URL of '{address.place}' is not understood; write special characters of the "
            "password percent-encoded (@ as %40, / as %2F)"
        ) from None
    return url.set(drivername=ENGINES[address.engine].driver)
