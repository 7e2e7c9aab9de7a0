"""Keys that nobody declared: what must not be inferred first, then notations, then what is read."""

from __future__ import annotations

import string
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import build

from txt2sql.execution import database as databases
from txt2sql.execution import remote
from txt2sql.execution.database import open_database
from txt2sql.execution.keys import THRESHOLD, infer_keys
from txt2sql.types import Cell, Column, ForeignKey, Row, Schema, Table

CUSTOMERS = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO customers VALUES (11, 'Ann'), (12, 'Bo'), (13, 'Cy'), (14, 'Di'), (15, 'Ed');
"""
CODES = """
CREATE TABLE "Sales Reps" (Code TEXT, "Full Name" TEXT);
INSERT INTO "Sales Reps" VALUES ('AH', 'Ann'), ('BK', 'Bo'), ('CL', 'Cy'), ('DN', 'Di');
CREATE TABLE deals (deal TEXT, owner TEXT, stage TEXT);
INSERT INTO deals VALUES ('a', 'AH', 'won'), ('b', 'BK', 'lost'), ('c', 'CL', 'won'), ('d', 'AH', 'open');
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a second is soon over."""
    monkeypatch.setattr(databases, "INFERENCE_S", 60.0)
    monkeypatch.setattr(remote, "INFERENCE_S", 60.0)


def shown(keys: Sequence[ForeignKey]) -> list[str]:
    return [f"{k.table}.{k.column} -> {k.referenced_table}.{k.referenced_column}" for k in keys]


def inferred(path: Path, *statements: str) -> list[str]:
    keys = open_database(build(path, *statements)).schema().foreign_keys
    return shown([key for key in keys if key.inferred])


class NoRows:
    """A reader for which every table is stored and empty."""

    def __init__(self, schema: Schema) -> None:
        self._names = frozenset(table.name for table in schema.tables)

    def stored(self) -> frozenset[str]:
        return self._names

    def rows(self, table: str, columns: Sequence[str], limit: int) -> list[Row] | None:
        return None

    def present(self, table: str, column: str, values: Sequence[Cell]) -> int | None:
        return None


NO_KEY = {
    "ids from 1 to n are in each other": """
        CREATE TABLE shops (id INTEGER PRIMARY KEY, name TEXT, city TEXT, year INT);
        CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, city TEXT, year INT);
        INSERT INTO shops VALUES (1, 'a', 'x', 1), (2, 'b', 'y', 2), (3, 'c', 'z', 3);
        INSERT INTO staff SELECT * FROM shops""",
    "values are not there": f"""{CUSTOMERS} CREATE TABLE sale (n INT, cust_id INT);
        INSERT INTO sale VALUES (1, 901), (2, 902), (3, 903), (4, 904), (5, 905)""",
    "several rows would match": """
        CREATE TABLE customers (customer_id INT, visit TEXT);
        INSERT INTO customers VALUES (1, 'a'), (1, 'b'), (2, 'c');
        CREATE TABLE sale (n INT, customer_id INT);
        INSERT INTO sale VALUES (1, 1), (2, 2), (3, 1)""",
    "another attribute of it": f"""{CUSTOMERS}
        CREATE TABLE sale (n INT, customer_name TEXT, customer_since TEXT);
        INSERT INTO sale VALUES (1, 'Ann', '2024'), (2, 'Bo', '2025')""",
    "the key of a table whose name says a role": """
        CREATE TABLE landowner (owner_id INTEGER PRIMARY KEY, tel TEXT);
        CREATE TABLE emp (emp_id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO landowner VALUES (1, 'a'), (2, 'b');
        INSERT INTO emp VALUES (1, 'x'), (2, 'y'), (3, 'z')""",
    "a code that nothing explains": f"{CODES} UPDATE deals SET owner = 'XX' WHERE deal = 'a'",
    "codes tell no rows apart": f"{CODES} INSERT INTO \"Sales Reps\" VALUES ('AH', 'Al')",
}
MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
KEYS = {
    "employees.reports_to -> employees.id": """
        CREATE TABLE employees (id INTEGER PRIMARY KEY, name TEXT, reports_to INT);
        INSERT INTO employees VALUES (1, 'a', NULL), (2, 'b', 1), (3, 'c', 1), (4, 'd', 2)""",
    # a link table refers to both
    "enrolments.student_id -> students.id, enrolments.course_id -> courses.id": """
        CREATE TABLE students (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE courses (id INTEGER PRIMARY KEY, title TEXT);
        CREATE TABLE enrolments (student_id INT, course_id INT, PRIMARY KEY (student_id, course_id));
        INSERT INTO students VALUES (1, 'a'), (2, 'b'), (3, 'c');
        INSERT INTO courses VALUES (1, 'x'), (2, 'y');
        INSERT INTO enrolments VALUES (1, 1), (1, 2), (3, 1)""",
    # without primary keys, the rows tell what is unique
    "orders.customer_no -> customers.customer_no": """
        CREATE TABLE customers (customer_no TEXT, city TEXT);
        CREATE TABLE orders (order_no TEXT, customer_no TEXT);
        INSERT INTO customers VALUES ('C-1', 'x'), ('C-2', 'x'), ('C-3', 'y');
        INSERT INTO orders VALUES ('O-1', 'C-1'), ('O-2', 'C-1'), ('O-3', 'C-3')""",
    # values beyond the sample are looked up
    "stock.part_id -> parts.id": f"""
        CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE stock (n INTEGER PRIMARY KEY, part_id INT, other_part_id INT);
        INSERT INTO parts {MANY} SELECT i, 'p' || i FROM n;
        INSERT INTO stock {MANY} SELECT i, 5001 - i, 9000 + i FROM n""",
    # codes that one other table explains
    "deals.owner -> Sales Reps.Code": CODES,
    # one to one: to the table that is called so
    "member_details.member_id -> members.member_id": """
        CREATE TABLE member_details (member_id INTEGER PRIMARY KEY, note TEXT);
        INSERT INTO member_details VALUES (5, 'a'), (7, 'b'), (9, 'c'), (12, 'd');
        CREATE TABLE members (member_id INTEGER PRIMARY KEY, note TEXT);
        INSERT INTO members SELECT * FROM member_details""",
}


@pytest.mark.parametrize("script", NO_KEY.values(), ids=NO_KEY)
def test_what_is_no_key(tmp_path: Path, script: str) -> None:
    assert inferred(tmp_path / "a.sqlite", script) == []


@pytest.mark.parametrize("expected", KEYS)
def test_what_is_a_key(tmp_path: Path, expected: str) -> None:
    assert ", ".join(inferred(tmp_path / "a.sqlite", KEYS[expected])) == expected


@pytest.mark.parametrize("rows", [True, False], ids=["rows", "empty"])
def test_notations(tmp_path: Path, rows: bool) -> None:
    for table, own, column in (
        *(("Customer", "Id", "customerId"), ("tblCustomers", "CustomerID", "CustomerID")),
        *(("customers", "id", column) for column in ("customer_no", "cust_ref", "custid")),
        *(("customers", "id", column) for column in ("fk_customer", "billing_customer_id")),
        ("customers", "customer_id", "referring_customer_id"),
        *(("dim_customer", "customer_key", "customer_key"), ("people", "id", "person_id")),
        *(("companies", "id", "company_id"), ("work_orders", "id", "work_order_id")),
        ("sales order", "order no", "order no"),
    ):
        script = f"""
            CREATE TABLE "{table}" ("{own}" INTEGER PRIMARY KEY, title TEXT);
            CREATE TABLE visits (visit_id INTEGER PRIMARY KEY, "{column}" INT, length INT);"""
        if rows:
            script += f"""
                INSERT INTO "{table}" VALUES (11, 'a'), (12, 'b'), (13, 'c'), (14, 'd'), (15, 'e');
                INSERT INTO visits VALUES (1, 11, 3), (2, 12, 4), (3, 15, 9), (4, 12, 1)"""
        keys = inferred(tmp_path / f"{table} {own} {column}.sqlite", script)
        assert keys == [f"visits.{column} -> {table}.{own}"]


def test_a_view_is_never_read_and_never_referred_to(tmp_path: Path) -> None:
    script = f"""{CUSTOMERS}
        CREATE VIEW regions (region_id) AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL
          SELECT x + 1 FROM r) SELECT max(x) FROM r;
        CREATE TABLE sale (id INTEGER PRIMARY KEY, customer_id INT, region_id INT);
        INSERT INTO sale VALUES (1, 11, 1), (2, 12, 1), (3, 13, 1);
        CREATE VIEW sums AS SELECT customer_id, sum(region_id) FROM sale GROUP BY 1"""
    start = time.perf_counter()
    keys = inferred(tmp_path / "a.sqlite", script)
    assert time.perf_counter() - start < 10  # reading `regions` once would take 12
    assert keys == ["sale.customer_id -> customers.id", "sums.customer_id -> customers.id"]


def test_declared_keys_stay_and_what_they_use_gets_no_other(tmp_path: Path) -> None:
    path = build(
        tmp_path / "a.sqlite",
        CUSTOMERS,
        "CREATE TABLE parties (id INTEGER PRIMARY KEY)",
        "CREATE TABLE sale (customer_id INT REFERENCES parties, agent_id INT, party_id INT)",
    )
    keys = open_database(path).schema().foreign_keys
    assert (keys[0].referenced_table, keys[0].score, keys[0].inferred) == ("parties", 1, False)
    assert shown(keys[1:]) == ["sale.party_id -> parties.id"]
    assert all(THRESHOLD <= key.score < 1 for key in keys[1:])
    assert open_database(path).schema(infer=False).foreign_keys == keys[:1]


def test_servers_do_not_compare_across_types() -> None:
    key = Column("id", "number", primary_key=True, declared_type="INTEGER")
    tables = (
        Table("customers", (key, Column("name"))),
        Table("sale", (Column("customer_id", "text", declared_type="TEXT"), Column("n", "number"))),
    )
    for dialect, count in (("sqlite", 1), ("postgres", 0)):
        schema = Schema("shop", tables, dialect=dialect)
        assert len(infer_keys(schema, NoRows(schema))) == count


def test_the_columns_of_a_composite_key_share_a_number(tmp_path: Path) -> None:
    path = build(
        tmp_path / "a.sqlite",
        "CREATE TABLE order_lines (order_id INT, line_no INT, PRIMARY KEY (order_id, line_no))",
        "CREATE TABLE returns (order_id INT, line_no INT, day TEXT, "
        "FOREIGN KEY (order_id, line_no) REFERENCES order_lines (order_id, line_no))",
        "CREATE TABLE shipments (shipment_id INTEGER PRIMARY KEY, order_id INT, line_no INT)",
        "INSERT INTO order_lines VALUES (1, 1), (1, 2), (2, 1), (3, 1), (3, 2)",
        "INSERT INTO shipments VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 3, 2)",
    )
    keys = open_database(path).schema().foreign_keys
    pairs = {(key.table, key.column, key.constraint, key.inferred) for key in keys}
    assert pairs == {
        *(("returns", name, 1, False) for name in ("order_id", "line_no")),
        *(("shipments", name, 2, True) for name in ("order_id", "line_no")),
    }


def test_keys_follow_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    created = inferred(path, CUSTOMERS, "CREATE TABLE sale (customer_id INT)")
    assert created == ["sale.customer_id -> customers.id"]
    assert inferred(path, "INSERT INTO sale VALUES (901), (902), (903), (904), (905)") == []


@pytest.mark.parametrize("engine", ["duckdb", "postgresql", "mariadb"])
def test_every_engine_infers_the_same(
    tmp_path: Path, engine_url: Callable[..., str], engine: str
) -> None:
    script = tmp_path / "inferred_keys.sql"
    script.write_text(f"""{CUSTOMERS}
        CREATE TABLE sales (id INTEGER PRIMARY KEY, cust_no INTEGER, agent_no INTEGER);
        CREATE TABLE agents (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO agents VALUES (21, 'Di'), (22, 'Ed'), (23, 'Fi');
        INSERT INTO sales VALUES (1, 11, 901), (2, 12, 902), (3, 13, 903), (4, 11, 904)""")
    keys = open_database(engine_url(engine, script)).schema().foreign_keys
    assert shown(keys) == ["sales.cust_no -> customers.id"]
    assert keys[0].inferred


NAMES = st.one_of(
    st.sampled_from(
        "id no ID name shop shops shop_id shopId shopno parent_id id_shop number_of_shops ref "
        "customer cust_no customers _id Id2 2 tmIDLoser l_orderkey l_partkey created_by x".split()
    ),
    st.text(string.ascii_letters + string.digits + "_ -é中", min_size=1, max_size=12),
)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower))
    tables = []
    for name in names:
        columns = draw(st.lists(NAMES, max_size=5, unique_by=str.lower))
        keys = draw(st.lists(st.booleans(), min_size=5, max_size=5))
        kinds = draw(st.lists(st.sampled_from(["number", "text", "time"]), min_size=5, max_size=5))
        made = zip(columns, kinds, keys, strict=False)
        tables.append(Table(name, tuple(Column(c, kind, key) for c, kind, key in made)))
    return Schema("any", tuple(tables))


@settings(max_examples=60)
@given(schemas())
def test_any_schema_gives_keys_between_its_columns(schema: Schema) -> None:
    keys = infer_keys(schema, NoRows(schema))
    for key in keys:
        ends = (key.table, key.column), (key.referenced_table, key.referenced_column)
        assert ends[0] != ends[1]
        for table, column in ends:
            owner = schema.table(table)
            assert owner is not None
            assert owner.column(column) is not None
        assert THRESHOLD <= key.score < 1
    single = [(key.table, key.column) for key in keys if not key.constraint]
    assert len(single) == len(set(single))
