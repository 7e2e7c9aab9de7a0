"""Sketches read from SQL text: what has none, what another writing stands for, and round trips."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from txt2sql.data.wikisql import LogicalForm, WikiTable, form_to_sql
from txt2sql.sql.sketch import Sketch, sketch_of, sketch_of_json
from txt2sql.types import Column, Table

SALE = Table("sale", (Column("City"), Column("No.", "number"), Column("Order"), Column("From")))


NO_SKETCH = """
SELECT | hello | SELECT city FROM shop | SELECT town FROM sale | DELETE FROM sale
SELECT order FROM sale | SELECT No. FROM sale | SELECT * FROM sale | SELECT COUNT(*) FROM sale
SELECT COUNT(DISTINCT city) FROM sale | SELECT DISTINCT city FROM sale | SELECT 'city' FROM sale
SELECT city, city FROM sale | SELECT lower(city) FROM sale | SELECT MAX(MAX(city)) FROM sale
SELECT shop.city FROM sale | SELECT sale.city FROM sale AS t | SELECT city FROM sale, sale
SELECT city FROM sale JOIN sale | SELECT city FROM sale LIMIT 1 | SELECT city FROM sale ORDER BY city
SELECT city FROM sale UNION SELECT city FROM sale | SELECT city FROM (SELECT city FROM sale)
SELECT city FROM sale; SELECT city FROM sale | SELECT city FROM sale -- all
"""
NO_CONDITION = """
 | city | city = | city = 'a' AND | city = 'a' OR city = 'b' | NOT city = 'a' | city != 'a' | city = 1a
city <> 'a' | city >= 'a' | city => 'a' | city LIKE 'a' | city IS NULL | city = a | city = "From"
'a' = 'a' | city = --1 | (city = 'a' | city = 'a') | city = 'a | city = (SELECT 'a')
city = 'a' city = 'b'
"""


def test_what_is_no_sketch() -> None:
    whole, conditions = (re.split(r" \| |\n", text[1:-1]) for text in (NO_SKETCH, NO_CONDITION))
    conditioned = [f"SELECT city FROM sale WHERE {condition}" for condition in conditions]
    assert [sql for sql in ("", *whole, *conditioned) if sketch_of(sql, SALE) is not None] == []


@pytest.mark.parametrize(
    ("sql", "sketch"),
    [
        ("  select `CITY`\nfrom [Sale] ; ", Sketch(0, 0)),
        ("SELECT max ( [No.] ) AS result FROM sale", Sketch(1, 1)),
        ("SELECT COUNT(city) FROM sale", Sketch(0, 3)),
        ("SELECT T1.\"No.\" FROM sale AS T1 WHERE t1.city = 'a'", Sketch(1, 0, ((0, 0, "a"),))),
        ("SELECT city FROM sale WHERE city == 'It''s'", Sketch(0, 0, ((0, 0, "It's"),))),
        ('SELECT city FROM sale WHERE city = "Porto"', Sketch(0, 0, ((0, 0, "Porto"),))),
        ("SELECT city FROM sale WHERE [No.]<-.5e1", Sketch(0, 0, ((1, 2, -5.0),))),
        ("SELECT city FROM sale WHERE [No.] = + 3.0", Sketch(0, 0, ((1, 0, 3.0),))),
        (
            "SELECT city FROM sale WHERE (city='a' AND ([No.]=1)) AND city='b'",
            Sketch(0, 0, ((0, 0, "a"), (1, 0, 1), (0, 0, "b"))),
        ),
    ],
)
def test_other_writings_of_a_sketch(sql: str, sketch: Sketch) -> None:
    made = sketch_of(sql, SALE)
    assert made == sketch
    # 3 == 3.0, but the official evaluator tells them apart.
    assert [type(c[2]) for c in made.conds] == [type(c[2]) for c in sketch.conds]


def test_json_with_and_without_a_sketch() -> None:
    query = {"sel": 2, "agg": 3, "conds": [[0, 1, "A"], [1, 0, 2.5]]}
    sketch = Sketch(2, 3, ((0, 1, "A"), (1, 0, 2.5)))
    assert sketch_of_json(json.dumps({"query": query})) == sketch
    assert sketch_of_json(json.dumps({"query": query, "error": ""})) == sketch
    assert sketch_of_json(json.dumps({"query": query, "error": "cannot"})) is None
    for wrong in ({"agg": None}, {"conds": 3}, {"conds": [[0, 0]]}, {"conds": [[0, 0.5, "a"]]}):
        assert sketch_of_json(json.dumps({"query": query | wrong})) is None
    for text in ("", "{", "[]", "null", "[" * 100_000, '{"query": null}', '{"query": {"sel": 0}}'):
        assert sketch_of_json(text) is None


HEADERS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    min_size=1,
    max_size=5,
    unique_by=str.lower,
)
VALUES = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60)
@given(header=HEADERS, data=st.data())
def test_the_text_of_a_sketch_gives_it_back(header: list[str], data: st.DataObject) -> None:
    position = st.integers(0, len(header) - 1)
    conds = st.lists(st.tuples(position, st.integers(0, 2), VALUES), max_size=3)
    form = LogicalForm(
        "e", "1-2", data.draw(position), data.draw(st.integers(0, 5)), tuple(data.draw(conds))
    )
    # Text columns: their literals keep the whole value, in lower case.
    wiki = WikiTable("1-2", tuple(header), ("text",) * len(header))
    table = Table(wiki.name, tuple(map(Column, header)))
    lowered = tuple((column, op, str(value).lower()) for column, op, value in form.conds)
    assert sketch_of(form_to_sql(form, wiki), table) == Sketch(form.sel, form.agg, lowered)


PIECES = st.sampled_from(
    "SELECT FROM WHERE AND MAX ( ) city sale \"City\" [No.] 'a' -2.5 = > . ; , ' \" [ ` - --".split()
)


@given(st.text() | st.lists(PIECES, max_size=20).map(" ".join))
@example("SELECT sale.")
@example("SELECT city FROM sale WHERE city = " + "9" * 5000)
@example("SELECT city FROM sale WHERE city = 1e999")
@example("\ud800")
def test_any_text_has_a_sketch_or_none(text: str) -> None:
    sketch = sketch_of(text, SALE)
    assert sketch is None or 0 <= sketch.sel < len(SALE.columns)


def test_long_text_takes_linear_time() -> None:
    for text in ("[" * 100_000, '"' * 99_999, "(" * 100_000, "'a" * 50_000, "a." * 50_000):
        start = time.process_time()
        for head in ("", "SELECT city FROM sale WHERE "):
            assert sketch_of(head + text, SALE) is None
        assert time.process_time() - start < 30.0  # quadratic would be minutes
