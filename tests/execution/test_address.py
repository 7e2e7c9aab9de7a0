"""Addresses: what is secret is never shown, however it is written."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from txt2sql.errors import DatabaseError
from txt2sql.execution.database import open_database
from txt2sql.execution.remote import is_url, parse_address


@pytest.mark.parametrize(
    "text", ["mysql://ann:s3cret@/", "postgresql://ann:s3cret@s3cret@db/x", "duckdb:///"]
)
def test_a_wrong_url_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        parse_address(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["/data/a b.sqlite", "C:/x/shop.sqlite", "a:b", ""])
def test_a_path_is_no_url(text: str) -> None:
    assert parse_address(text) is None
    assert not is_url(text)


@pytest.mark.parametrize(
    ("text", "engine", "place", "name"),
    [
        ("postgresql+psycopg://a@h:1/x?sslmode=require", "postgresql", "postgresql://a@h:1/x", "x"),
        ("mariadb://a:p:q@[::1]:33/x", "mysql", "mysql://a@[::1]:33/x", "x"),
        ("mysql+pymysql://a:p%40q@h/x%20y", "mysql", "mysql://a@h/x%20y", "x y"),
        ("duckdb:////d/a.duckdb", "duckdb", "duckdb:////d/a.duckdb", "/d/a.duckdb"),
        ("sqlite:///a.sqlite", "sqlite", "sqlite:///a.sqlite", "a.sqlite"),
    ],
)
def test_what_a_url_says(text: str, engine: str, place: str, name: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert (address.engine, address.place, address.name) == (engine, place, name)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=6))
@example("0000/@")
def test_no_password_is_shown(password: str) -> None:
    try:
        address = parse_address(
            f"postgresql://ann:{password}@db.example/shop?password={quote(password)}"
        )
    except DatabaseError as refused:
        assert password not in str(refused)
        return
    assert address is not None
    message = address.without_secrets(f"failed for {password}: {address.url}")
    assert not any(password in text for text in (repr(address), address.place, message))


def test_a_path_that_was_a_url_is_not_shown() -> None:
    with pytest.raises(DatabaseError, match="needs a SQLite file") as caught:
        open_database(Path("postgresql://ann:s3cret@db/shop"))
    assert "s3cret" not in str(caught.value)
