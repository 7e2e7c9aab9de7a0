"""What tables and columns mean: files that people write, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path

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
        ("a.yaml", "customers: [1, 2]", "customers should be a text"),
        ("a.yaml", "customers.status: {a: b}", "customers.status should be a text"),
        ("a.yaml", "- customers", "names and what they mean"),
        ("a.yaml", "a: 'b", "not valid YAML"),
        ("a.csv", "x,y\n1,2\n", "original_column_name"),
        ("missing.yaml", None, "No such file"),
        ("folder", "", "no CSV file"),
        ("a.yaml", b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_broken_file_is_one_sentence(
    tmp_path: Path, name: str, content: str | bytes | None, part: str
) -> None:
    file = tmp_path / name
    if content == "":
        file.mkdir()
    elif content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=part) as caught:
        read_meanings(file)
    assert "\n" not in str(caught.value) and name in str(caught.value)


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
def place(tmp_path: Path) -> Path:
    script = "CREATE TABLE customers (id INTEGER PRIMARY KEY, status INTEGER)"
    return build(tmp_path / "my.shop.sqlite", script)


def test_a_file_beside_the_database_is_read_by_itself(place: Path, tmp_path: Path) -> None:
    database = open_database(place)
    assert described_schema(database.schema(), database) == (database.schema(), "")
    (tmp_path / "my.shop.describe.yaml").write_text("customers.status: 1 active")
    schema, notice = described_schema(database.schema(), database)
    assert (comments(schema), notice) == ({"customers.status": "1 active"}, "")
    other = tmp_path / "other.yaml"
    other.write_text("customers.status: 2 left")
    schema, _ = described_schema(database.schema(), database, other)
    assert comments(schema) == {"customers.status": "2 left"}


def test_names_that_are_not_there_are_told_once_with_the_nearest(
    place: Path, tmp_path: Path
) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(
        "custmers: x\ncustmers.status: y\ncustomers.stauts: z\ncustomers.status: 1 active\n"
        "zzz: far\nyyy: far\nxxx: far\n"
    )
    database = open_database(place)
    schema, notice = described_schema(database.schema(), database, file)
    assert comments(schema) == {"customers.status": "1 active"}
    assert notice == (
        "'m.yaml' describes names that the database does not have: 'custmers' (did you mean "
        "'customers'?), 'customers.stauts' (did you mean 'customers.status'?), 'zzz' and 2 more"
    )
