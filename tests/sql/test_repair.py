"""Repair: one reading is taken, two are not, and what is right is not touched."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_select import RandomSelect, objection, random_schema

from txt2sql.sql.names import check
from txt2sql.sql.repair import Repair, mend, repair
from txt2sql.types import Column, ForeignKey, Schema, Table


def table(name: str, *columns: str) -> Table:
    kinds = {
        "id": ("number", True),
        **dict.fromkeys(("member_id", "visit_id", "giver"), ("number",)),
    }
    return Table(name, tuple(Column(column, *kinds.get(column, ())) for column in columns))


SCHEMA = Schema(
    "club",
    (
        table("members", "id", "name", "town", "joined_on"),
        table("visits", "id", "member_id", "day", "minutes"),
        table("bills", "visit_id", "amount"),
        table("coaches", "id", "name", "Hourly Rate"),
        table("order", "number", "group"),
        table("notes", "Written By", "subject"),
        table("Gifts", "giver", "value"),
    ),
    (
        ForeignKey("Gifts", "giver", "members", "id"),
        ForeignKey("visits", "member_id", "members", "id"),
        ForeignKey("bills", "visit_id", "visits", "id", 0.9),
    ),
)


UNCLEAR = """
SELECT subject FROM visits
    no key leads there
SELECT id FROM bills
    visits and members have it
SELECT "colour" FROM members
    nothing has it, and it is no compared value
SELECT name FROM members WHERE "colour" = 1
    it is the column that is compared
SELECT name FROM members WHERE town = "subject"
    a column has that name
SELECT name FROM members, visits, coaches
    no key connects them all
SELECT id FROM members JOIN coaches ON members.name = coaches.name
    two have it
SELECT town FROM members AS T1 LEFT JOIN members AS T1 ON T1.id = T1.colour
    T1 is two
SELECT * FROM members AS T1 CROSS JOIN members AS T1
    T1 is two
SELECT sum(minutes) FROM visits WHERE value > 9
    each visit would meet each gift
SELECT FROM WHERE
    it is no SQL
"""


REPAIRED = """
SELECT T2.name FROM visits AS T1
    SELECT members.name FROM visits AS T1 JOIN members ON members.id = T1.member_id
select  id, members.town from visits v where minutes > 5 /* long */ order by id
    select  v.id, members.town from visits v JOIN members ON members.id = v.member_id where minutes > 5 /* long */ order by v.id
SELECT sum(amount), town FROM bills GROUP BY town
    SELECT sum(amount), town FROM bills JOIN visits ON visits.id = bills.visit_id JOIN members ON members.id = visits.member_id GROUP BY town
SELECT * FROM visits WHERE members.town = 'Rome'
    SELECT visits.* FROM visits JOIN members ON members.id = visits.member_id WHERE members.town = 'Rome'
SELECT name FROM members WHERE id IN (SELECT member_id FROM visits WHERE amount > 3)
    SELECT name FROM members WHERE id IN (SELECT member_id FROM visits JOIN bills ON bills.visit_id = visits.id WHERE amount > 3)
SELECT T1.town FROM visits T1 JOIN members T2 ON T1.member_id = T2.id
    SELECT T2.town FROM visits T1 JOIN members T2 ON T1.member_id = T2.id
SELECT visits.day FROM visits AS v
    SELECT v.day FROM visits AS v
SELECT joinedOn FROM member
    SELECT joined_on FROM members
SELECT hourly_rates FROM coaches
    SELECT "Hourly Rate" FROM coaches
SELECT group FROM order GROUP BY group
    SELECT "group" FROM "order" GROUP BY "group"
SELECT minutes FROM visits JOIN members WHERE town = 'Rome'
    SELECT minutes FROM visits JOIN members ON members.id = visits.member_id WHERE town = 'Rome'
SELECT town FROM members, visits WHERE minutes > 5
    SELECT town FROM members JOIN visits ON visits.member_id = members.id WHERE minutes > 5
SELECT town FROM members JOIN visits ON minutes > 5
    SELECT town FROM members JOIN visits ON visits.member_id = members.id AND minutes > 5
SELECT id FROM members JOIN visits ON members.id = visits.id
    SELECT members.id FROM members JOIN visits ON members.id = visits.id
SELECT max(value) FROM members
    SELECT max(value) FROM members JOIN Gifts ON Gifts.giver = members.id
SELECT name, count(*) FROM members JOIN coaches ON town = coaches.id GROUP BY coaches.id
    SELECT coaches.name, count(*) FROM members JOIN coaches ON town = coaches.id GROUP BY coaches.id
SELECT name, count(*) FROM members JOIN coaches ON members.id = coaches.id GROUP BY coaches.id
    SELECT coaches.name, count(*) FROM members JOIN coaches ON members.id = coaches.id GROUP BY coaches.id
SELECT name, count(*) FROM members JOIN coaches ON town = coaches.id GROUP BY town
    SELECT coaches.name, count(*) FROM members JOIN coaches ON town = coaches.id GROUP BY town
SELECT name FROM members JOIN coaches ON town = coaches.id WHERE coaches.name = 'Ann'
    SELECT members.name FROM members JOIN coaches ON town = coaches.id WHERE coaches.name = 'Ann'
SELECT name FROM members WHERE town = "Saint John's" OR town IN ("Rome", 'Bern')
    SELECT name FROM members WHERE town = 'Saint John''s' OR town IN ('Rome', 'Bern')
SELECT strftime("%Y", day), name || " " || town FROM visits, members WHERE members.id = member_id
    SELECT strftime('%Y', day), name || ' ' || town FROM visits, members WHERE members.id = member_id
"""


def pairs(text: str) -> list[tuple[str, str]]:
    """Each statement and, in the line below it, what it becomes."""
    lines = [line.strip() for line in text.strip().split("\n")]
    return list(zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(("sql", "wrong"), pairs(UNCLEAR))
def test_what_has_no_single_reading_is_not_repaired(sql: str, wrong: str) -> None:
    assert repair(sql, SCHEMA) is None, wrong


@pytest.mark.parametrize(("sql", "expected"), pairs(REPAIRED))
def test_what_has_one_reading_is_repaired(sql: str, expected: str) -> None:
    assert repair(sql, SCHEMA) == expected
    assert check(expected, SCHEMA) == ()
    assert objection(SCHEMA, expected) == ""


def test_what_is_right_is_not_touched() -> None:
    sql = "select  NAME\nfrom members -- all;\n where town='x' ;"
    assert mend(sql, SCHEMA).sql == sql
    assert not mend(sql, SCHEMA).changed


def test_two_ways_along_keys_are_none_unless_only_one_is_declared() -> None:
    second = ForeignKey("visits", "id", "members", "id", 0.8)
    sql = "SELECT town FROM visits"
    inferred = replace(SCHEMA, foreign_keys=(*SCHEMA.foreign_keys, second))
    declared = replace(SCHEMA, foreign_keys=(*SCHEMA.foreign_keys, replace(second, score=1.0)))
    assert repair(sql, inferred) == repair(sql, SCHEMA)
    assert repair(sql, declared) is None


def test_a_composite_key_is_joined_on_all_its_columns() -> None:
    keys = tuple(
        ForeignKey("lines", name, "sheets", other, constraint=1)
        for name, other in (("sheet_year", "year"), ("sheet_number", "number"))
    )
    tables = (
        table("sheets", "year", "number", "title"),
        table("lines", "sheet_year", "sheet_number", "text"),
    )
    assert repair("SELECT text, title FROM lines", Schema("s", tables, keys)) == (
        "SELECT text, title FROM lines JOIN sheets ON sheets.year = lines.sheet_year"
        " AND sheets.number = lines.sheet_number"
    )


def test_what_cannot_be_repaired_has_a_sentence() -> None:
    said = "the model wrote SQL with a column that its tables do not have (subject); ask in other words"
    assert mend("SELECT subject FROM visits", SCHEMA) == Repair(None, problem=said)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_whatever_is_repaired_prepares(seed: int) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng)
    sql = RandomSelect(rng, schema, rng.choice((0.02, 0.1)), double=rng.random() < 0.5).statement()
    mended = repair(sql, schema)
    if mended is not None:
        refused = objection(schema, mended)
        assert check(mended, schema) == (), (sql, mended)
        assert not refused or "misuse of aggregate" in refused, (sql, mended)


def numbers(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "number", name in ("sale", "product_id")) for name in names)


STORES = Schema(
    "stores",
    (
        Table("sales", (*numbers("sale", "product", "buyer", "units"), Column("promo"))),
        Table("products", (*numbers("product_id", "group_id"), Column("label"))),
        Table("people", numbers("person_id")),
        Table("groups", (*numbers("group_no"), Column("title"))),
        Table("weather", (*numbers("rain"), Column("place"))),
    ),
    (
        ForeignKey("sales", "product", "products", "product_id", 0.9),
        ForeignKey("sales", "buyer", "people", "person_id"),
        ForeignKey("products", "group_id", "groups", "group_no"),
    ),
)
CHAIN = "sales JOIN products ON products.product_id = sales.product JOIN groups ON groups.group_no = products.group_id"
ALONG_KEYS = f"""
SELECT units, title FROM sales JOIN groups ON sales.buyer = groups.group_no WHERE units > 1
    SELECT units, title FROM {CHAIN} WHERE units > 1
SELECT * FROM sales JOIN groups ON sales.buyer = groups.group_no
    SELECT sales.*, groups.* FROM {CHAIN}
SELECT max(p.label) FROM sales AS s JOIN products AS p ON s.sale = p.product_id
    SELECT max(p.label) FROM sales AS s JOIN products AS p ON p.product_id = s.product
SELECT label, units FROM products JOIN sales ON sales.promo = products.product_id
    SELECT label, units FROM products JOIN sales ON sales.product = products.product_id
SELECT label FROM products WHERE product_id NOT IN (SELECT promo FROM sales WHERE units > 1)
    SELECT label FROM products WHERE product_id NOT IN (SELECT product FROM sales WHERE units > 1)
SELECT (SELECT MAX(units) FROM sales JOIN products ON sales.units = products.group_id)
    SELECT (SELECT MAX(units) FROM sales JOIN products ON products.product_id = sales.product)
"""


@pytest.mark.parametrize(("sql", "expected"), pairs(ALONG_KEYS))
def test_numbers_that_no_key_connects_are_joined_along_keys(sql: str, expected: str) -> None:
    assert mend(sql, STORES).sql == expected
    assert mend(sql, STORES).changed


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT units, title FROM {CHAIN}",
        "SELECT label FROM sales JOIN products ON sales.promo = products.label",  # texts tell
        "SELECT label FROM products WHERE product_id NOT IN (SELECT rain FROM weather)",
        "SELECT label FROM products WHERE label IN (SELECT promo FROM sales)",
        "SELECT units FROM sales JOIN weather ON sales.buyer = weather.rain",  # no keys lead there
        "SELECT units FROM sales JOIN groups ON sales.units = groups.group_no",  # who knows?
        "SELECT title FROM sales LEFT JOIN groups ON sales.buyer = groups.group_no",
        "SELECT a.units FROM sales AS a JOIN sales AS b ON a.units = b.units",
    ],
)
def test_other_joins_stay_as_they_are(sql: str) -> None:
    assert mend(sql, STORES).sql == sql


@pytest.mark.parametrize(
    ("sql", "repeats"),
    [
        ("SELECT name FROM members JOIN visits ON members.id = member_id WHERE minutes > 5", True),
        ("select m.name, m.town from visits v join members m on v.member_id = m.id", True),
        ("SELECT day, name FROM members JOIN visits ON members.id = member_id", False),
        ("SELECT day FROM members JOIN visits ON members.id = member_id", False),
        ("SELECT name FROM members JOIN visits ON members.id = member_id ORDER BY day", False),
        ("SELECT name FROM members JOIN visits ON members.id = member_id GROUP BY day", False),
        ("SELECT name FROM members LEFT JOIN visits ON members.id = member_id", False),
    ],
)
def test_rows_that_only_a_join_repeats_are_listed_once(sql: str, repeats: bool) -> None:
    want = re.sub("(?i)^select", lambda match: f"{match[0]} DISTINCT", sql) if repeats else sql
    assert mend(sql, SCHEMA).sql == want


@pytest.mark.parametrize(
    ("sql", "suspect"),
    [
        ("SELECT name FROM members WHERE id NOT IN (SELECT visit_id FROM bills)", True),
        ("SELECT day FROM visits, Gifts WHERE member_id = value", True),
        ("SELECT count(*) FROM visits JOIN Gifts ON member_id = giver", False),
        ("SELECT name FROM members WHERE id NOT IN (SELECT member_id FROM visits)", False),
        ("SELECT name, town, name FROM members", True),
        ("SELECT name, name || town FROM members", False),
        ("SELECT count(*) FROM members EXCEPT SELECT count(*) FROM visits", True),
        ("SELECT count(*) FROM members UNION SELECT count(*) FROM visits", False),
        ("SELECT name FROM members INTERSECT SELECT name FROM coaches", False),
        ("SELECT FROM WHERE", False),
    ],
)
def test_what_runs_and_is_hardly_meant_is_suspect(sql: str, suspect: bool) -> None:
    assert mend(sql, SCHEMA).suspect is suspect


def test_texts_that_two_tables_happen_to_have_do_not_join_them() -> None:
    schema = Schema(
        "practice",
        (
            table("clinics", "id", "name", "town"), table("doctors", "id", "clinic_id", "name"),
            table("patients", "id", "town"), table("visits", "id", "doctor_id", "patient_id", "fee"),
        ),
        (
            ForeignKey("visits", "doctor_id", "doctors", "id"),
            ForeignKey("visits", "patient_id", "patients", "id"),
            ForeignKey("doctors", "clinic_id", "clinics", "id"),
        ),
    )  # fmt: skip
    visits = "SELECT clinics.name, SUM(fee) FROM visits JOIN patients ON patient_id = patients.id"
    sql = f"{visits} JOIN clinics ON patients.town = clinics.town GROUP BY clinics.name"
    keys = "JOIN doctors ON doctors.id = visits.doctor_id JOIN clinics ON clinics.id = doctors.clinic_id"
    assert mend(sql, schema).sql == f"{visits} {keys} GROUP BY clinics.name"
    towns = "SELECT clinics.name FROM patients JOIN clinics ON patients.town = clinics.town"
    assert mend(towns, schema).sql == towns  # every way of keys would multiply the rows


def test_words_are_not_added_up() -> None:
    columns = (
        Column("rep", samples=("Ann", "Bo")),
        Column("amount", samples=("1,200 EUR", "80 EUR")),
        Column("share", "number", samples=("0.2",)),
        Column("unseen"),
    )
    schema = Schema("s", (Table("deals", columns),))
    suspects = [
        each.name for each in columns if mend(f"SELECT SUM({each.name}) FROM deals", schema).suspect
    ]
    assert suspects == ["rep"]


PHARMACY = Schema(
    "pharmacy",
    (
        Table("drugs", (Column("drug_id", "number", True), Column("brand_name"), Column("price", "number"))),
        Table("staff", (Column("id", "number", True), Column("FirstName"), Column("LastName"))),
        Table("shelves", (Column("shelf_id", "number", True), Column("row_name"), Column("room_name"))),
        Table("buyers", (Column("Buyer No", "number", True), Column("First Name"), Column("Surname"))),
        Table("branch", (Column("nr", "number", True), Column("branch"), Column("town"))),
        Table("sales", (
            *table("sales", "sale_id", "drug_id", "StaffId", "shelf_id", "day", "Buyer No").columns,
            Column("site", "number"),
        )),
    ),
    (
        ForeignKey("sales", "drug_id", "drugs", "drug_id"),
        ForeignKey("sales", "StaffId", "staff", "id"),
        ForeignKey("sales", "Buyer No", "buyers", "Buyer No"),
        ForeignKey("sales", "shelf_id", "shelves", "shelf_id"),
        ForeignKey("sales", "site", "branch", "nr"),
    ),
)  # fmt: skip
BY_NAME = """
SELECT drug_id FROM drugs WHERE price > 9
    SELECT brand_name FROM drugs WHERE price > 9
SELECT d.drug_id, price FROM drugs AS d
    SELECT d.brand_name, price FROM drugs AS d
SELECT drug_id, COUNT(*) FROM sales GROUP BY drug_id
    SELECT drugs.brand_name, COUNT(*) FROM sales JOIN drugs ON drugs.drug_id = sales.drug_id GROUP BY sales.drug_id
SELECT s.drug_id FROM sales AS s JOIN drugs AS d ON s.drug_id = d.drug_id ORDER BY price LIMIT 1
    SELECT d.brand_name FROM sales AS s JOIN drugs AS d ON s.drug_id = d.drug_id ORDER BY price LIMIT 1
SELECT StaffId FROM sales GROUP BY StaffId ORDER BY COUNT(*) DESC LIMIT 1
    SELECT staff.FirstName, staff.LastName FROM sales JOIN staff ON staff.id = sales.StaffId GROUP BY StaffId ORDER BY COUNT(*) DESC LIMIT 1
SELECT day, site FROM sales
    SELECT day, branch.branch FROM sales LEFT JOIN branch ON branch.nr = sales.site
SELECT drug_id, brand_name FROM drugs
    SELECT drug_id, brand_name FROM drugs
SELECT DISTINCT "Buyer No" FROM sales WHERE day > 3
    SELECT DISTINCT buyers."First Name", buyers.Surname FROM sales JOIN buyers ON buyers."Buyer No" = sales."Buyer No" WHERE day > 3
SELECT shelf_id FROM shelves
    SELECT shelf_id FROM shelves
SELECT sale_id FROM sales
    SELECT sale_id FROM sales
SELECT drug_id FROM drugs EXCEPT SELECT drug_id FROM sales
    SELECT drug_id FROM drugs EXCEPT SELECT drug_id FROM sales
SELECT COUNT(drug_id) FROM drugs WHERE drug_id IN (SELECT drug_id FROM sales)
    SELECT COUNT(drug_id) FROM drugs WHERE drug_id IN (SELECT drug_id FROM sales)
"""


@pytest.mark.parametrize(("sql", "want"), pairs(BY_NAME))
def test_what_has_a_name_is_listed_by_it_unless_its_id_is_asked_for(sql: str, want: str) -> None:
    assert mend(sql, PHARMACY, (), "which are they?").sql == want
    for question in ("", "the id of each", "the drug_id, StaffId and shelf id", "drug numbers"):
        assert mend(sql, PHARMACY, (), question).sql == mend(sql, PHARMACY).sql


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("SELECT day, town FROM visits", "SELECT day, town FROM visits JOIN members ON members.id = visits.member_id"),
        ("SELECT nothing FROM members", "SELECT nothing FROM members"),
        ("SELECT FROM WHERE", "SELECT FROM WHERE"),
        ("SELECT town FROM members, bills", None),
        ("SELECT sum(minutes - minutes) FROM visits", None),
    ],
)  # fmt: skip
def test_other_engines_get_what_can_be_mended_and_refuse_names_themselves(
    sql: str, want: str | None
) -> None:
    assert mend(sql, replace(SCHEMA, dialect="postgresql")).sql == want
