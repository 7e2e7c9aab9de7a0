"""What tables and columns mean: files that people write, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import build

from txt2sql.errors import ConfigError, Text2SQLError
from txt2sql.execution.database import open_database
from txt2sql.execution.descriptions import described_schema, read_meanings, with_meanings
from txt2sql.types import Column, Schema, Table

SHOP = Schema(
    "shop",
    (
        Table("customers", (Column("id"), Column("status", comment="old words"), Column("no"))),
        Table("Orders", (Column("ttl"), Column("order date"))),
    ),
)


def comments(schema: Schema) -> dict[str, str]:
    named = {f"{t.name}.{c.name}": c.comment for t in schema.tables for c in t.columns}
    tables = {table.name: table.comment for table in schema.tables}
    return {name: comment for name, comment in {**named, **tables}.items() if comment}


@pytest.mark.parametrize(
    "text",
    [
        "customers:\n  description: who bought\n  columns:\n    status: 1 active\n    no: its number\n"
        "Orders.ttl: total in cents\n",
        "customers: who bought\ncustomers.status: 1 active\ncustomers.no: its number\n"
        "orders.TTL: total in cents\n",
        '{"customers": {"description": "who bought", "columns": {"status": "1 active", '
        '"no": {"description": "its number"}}}, "ORDERS": {"ttl": "total in cents"}}',
    ],
)
def test_the_forms_that_people_write_say_the_same(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(text, encoding="utf-8")
    assert comments(with_meanings(SHOP, read_meanings(file))) == {
        "customers": "who bought",
        "customers.status": "1 active",
        "customers.no": "its number",
        "Orders.ttl": "total in cents",
    }


CSV = (
    "\ufefforiginal_column_name,column_name,column_description,data_format,value_description\r\n"
    "status ,status,whether it is active,integer,1: active. 2: left\r\nORDER DATE,,day,text,\r\n"
)


@pytest.mark.parametrize("given", ["database_description", "", "database_description/Orders.csv"])
def test_birds_descriptions_are_read_from_a_folder_or_a_file(tmp_path: Path, given: str) -> None:
    folder = tmp_path / "database_description"
    folder.mkdir()
    (folder / "Orders.csv").write_bytes(CSV.encode())
    (folder / "customers.csv").write_bytes(CSV.replace("left", "café").encode("cp1252", "ignore"))
    made = comments(with_meanings(SHOP, read_meanings(tmp_path / given)))
    assert made["Orders.order date"] == "day"
    if not given.endswith("csv"):
        assert made["customers.status"] == "whether it is active; 1: active. 2: café"


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.yaml", b"customers: [1, 2]", "customers should be a text"),
        ("a.yaml", b"customers.status: {a: b}", "customers.status should be a text"),
        ("a.yaml", b"- customers", "names and what they mean"),
        ("a.yaml", b"a: 'b", "not valid YAML"),
        ("a.yaml", b"\xff\xfe\x00", "UTF-8"),
        ("a.csv", b"x,y\n1,2\n", "original_column_name"),
        ("missing.yaml", None, "No such file"),
        ("", None, "no CSV file"),
    ],
)
def test_a_broken_file_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, part: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=part) as caught:
        read_meanings(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert (name or tmp_path.name) in str(caught.value)


@settings(max_examples=60)
@given(st.text().map(lambda text: text.encode("utf-8", "replace")) | st.binary())
def test_any_file_is_read_or_refused(folder: Path, content: bytes) -> None:
    for name in ("a.yaml", "a.csv"):
        file = folder / name
        file.write_bytes(content)
        try:
            with_meanings(SHOP, read_meanings(file))
        except Text2SQLError as error:
            assert "\n" not in str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@pytest.fixture
def database(tmp_path: Path) -> Any:
    script = "CREATE TABLE customers (id INTEGER PRIMARY KEY, status INTEGER)"
    return open_database(build(tmp_path / "my.shop.sqlite", script))


def test_a_file_beside_the_database_is_read_by_itself(database: Any, tmp_path: Path) -> None:
    assert described_schema(database.schema(), database) == (database.schema(), "")
    (tmp_path / "my.shop.describe.yaml").write_text("customers.status: 1 active")
    schema, notice = described_schema(database.schema(), database)
    assert (comments(schema), notice) == ({"customers.status": "1 active"}, "")
    other = tmp_path / "other.yaml"
    other.write_text("customers.status: 2 left")
    schema, _ = described_schema(database.schema(), database, other)
    assert comments(schema) == {"customers.status": "2 left"}


def test_unknown_names_are_told_once_with_the_nearest(database: Any, tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "custmers: x\ncustmers.status: y\ncustomers.stauts: z\ncustomers.status: 1 active\n"
        "zzz: far\nyyy: far\nxxx: far\n"
    )
    schema, notice = described_schema(database.schema(), database, file)
    assert comments(schema) == {"customers.status": "1 active"}
    assert notice == (
        "'m.yaml' describes names that the database does not have: 'custmers' (did you mean "
        "'customers'?), 'customers.stauts' (did you mean 'customers.status'?), 'zzz' and 2 more"
    )
