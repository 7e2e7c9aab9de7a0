"""WikiSQL's metrics: wrong sketches first, then the quirks of the official evaluator, one by one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.data.wikisql import WikiSQLDataset
from txt2sql.evaluation.metrics.logical_form import (
    LogicalFormAccuracy,
    WikiSQLExecutionAccuracy,
    official_sql,
    same_sketch,
)
from txt2sql.execution.database import Database
from txt2sql.sql.sketch import Sketch
from txt2sql.types import Column, Example, Outcome, Prediction, Schema, Table, Verdict

GAME = Table("game", (Column("Team", "text"), Column("No.", "number"), Column("Won by", "text")))
COLUMNS = '("Team" TEXT COLLATE NOCASE, "No." NUMERIC, "Won by" TEXT)'
ROWS = [("lions", 3, "2"), ("bears", 5, "2"), ("lions", 8, "10"), ("wolves", None, "o'neil")]
GOLD = Sketch(0, 0, ((2, 0, "2"), (1, 1, 2)))
GOLD_SQL = """SELECT "Team" FROM "game" WHERE "Won by" = '2' AND "No." > 2"""


def schema(db_id: str) -> Schema:
    return Schema(db_id, (GAME,))


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("games") / "games.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE game {COLUMNS}")
        connection.executemany("INSERT INTO game VALUES (?, ?, ?)", ROWS)
        connection.commit()
    return Database(path, "games")


def as_json(sketch: Sketch) -> str:
    return json.dumps({"query": {"sel": sketch.sel, "agg": sketch.agg, "conds": sketch.conds}})


def logical(sql: str | None, gold: Sketch | None = GOLD, **options: Any) -> Verdict:
    metric = LogicalFormAccuracy(schema, {"e": gold}.get, **options)
    nowhere = Database(Path("nowhere.sqlite"), "games")
    return metric(Example("e", "games", "?", GOLD_SQL), Prediction("e", sql), nowhere)


def executed(games: Database, gold: Sketch, sql: str | None) -> Verdict:
    metric = WikiSQLExecutionAccuracy(schema, {"e": gold}.get)
    return metric(Example("e", "games", "?"), Prediction("e", sql), games)


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize(
    ("sketch", "reason"),
    [
        (Sketch(1, 0, GOLD.conds), "column"),
        (Sketch(0, 3, GOLD.conds), "aggregate"),
        (Sketch(0, 0), "conditions"),
        (Sketch(0, 0, ((2, 0, "2"), (1, 2, 2))), "conditions"),
        (Sketch(0, 0, ((2, 0, "3"), (1, 1, 2))), "conditions"),
        (Sketch(9, 0, ((99, 0, "2"), (-1, 1, 2))), "column"),
    ],
)
def test_another_sketch_is_wrong(sketch: Sketch, reason: str, official: bool) -> None:
    verdict = logical(as_json(sketch), official=official)
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG_RESULT, 0.0)
    assert reason in verdict.reason


@pytest.mark.parametrize("sql", ["SELECT * FROM game", '{"error": "beam is empty"}', "{"])
def test_a_text_without_a_sketch_is_an_error_and_no_text_is_no_sql(
    games: Database, sql: str
) -> None:
    for verdict in (logical(None), executed(games, GOLD, " \n")):
        assert verdict.outcome is Outcome.NO_SQL
    for verdict in (logical(sql), executed(games, GOLD, sql)):
        assert verdict.outcome is Outcome.PREDICTION_ERROR
        assert "sketch" in verdict.reason


@pytest.mark.parametrize(
    ("gold", "predicted", "official", "strict"),
    [
        ((1, 0, 3), (1, 0, "3"), True, True),
        ((1, 0, 3), (1, 0, 3.0), False, True),  # "3" is not "3.0"
        ((2, 0, 3), (2, 0, 3.0), False, True),  # a text column: both are '3' in SQL
        ((2, 0, "3"), (2, 0, "3.0"), False, False),  # other texts
        ((0, 0, "Lions"), (0, 0, "LIONS"), True, True),
        ((1, 0, float("nan")), (1, 0, float("nan")), True, True),
        ((1, 0, 2**60), (1, 0, 2**60 + 1), False, False),
    ],
)
def test_values_are_compared_as_texts_officially_and_by_type_strictly(
    gold: tuple[int, int, Any], predicted: tuple[int, int, Any], official: bool, strict: bool
) -> None:
    for first, second in ((gold, predicted), (predicted, gold)):
        pair = Sketch(0, 0, (first,)), Sketch(0, 0, (second,))
        assert same_sketch(*pair) is official
        assert same_sketch(*pair, [False, True, False]) is strict


def test_sql_text_is_right_when_it_says_what_the_gold_sql_says() -> None:
    # The form has the text "2,0", which is the number 2 to SQL.
    gold = Sketch(0, 0, ((2, 0, "2"), (1, 1, "2.0")))
    assert logical(GOLD_SQL, gold).correct
    assert not logical(as_json(GOLD), gold).correct
    assert not logical(GOLD_SQL.replace("> 2", "> 3"), gold).correct


CASES: list[tuple[Sketch, str, bool]] = [
    (GOLD, as_json(Sketch(0, 0, ((2, 0, "10"),))), False),
    (GOLD, "SELECT Team FROM game", False),
    # As lists: the same values in another number are wrong, and so is what only looks the same.
    (Sketch(0, 0, ((1, 0, 3),)), "SELECT Team FROM game WHERE Team = 'lions'", False),
    (Sketch(2, 0, ((1, 2, 6),)), "SELECT 'Won by' FROM game", False),
    (Sketch(1, 0, ((1, 0, 3),)), "SELECT [No.] FROM game WHERE [No.] < 4", True),
    # Two empty lists are the same, and so are two lists of NULL.
    (Sketch(0, 0, ((0, 0, "x"),)), "SELECT [No.] FROM game WHERE [No.] > 99", True),
    (Sketch(1, 1, ((0, 0, "x"),)), "SELECT SUM([No.]) FROM game WHERE Team = 'y'", True),
    # Strings are lower-cased, and become numbers for number columns.
    (Sketch(1, 0, ((0, 0, "LIONS"),)), "SELECT [No.] FROM game WHERE Team = 'Lions'", True),
    (Sketch(0, 0, ((1, 0, "about 5"),)), "SELECT Team FROM game WHERE Team = 'bears'", True),
    (Sketch(0, 0, ((2, 0, "O'Neil"),)), "SELECT Team FROM game WHERE Team = 'wolves'", True),
    # A number on a text column is compared as its text.
    (Sketch(0, 0, ((2, 0, 10),)), "SELECT Team FROM game WHERE [Won by] = '10'", True),
    (Sketch(0, 0, ((2, 0, 10.0),)), "SELECT Team FROM game WHERE [Won by] = '10'", False),
    # One value per column, the last: 'between 4 and 9' is 'above 9 and below 9'.
    (Sketch(0, 0, ((1, 1, 4), (1, 2, 9))), "SELECT Team FROM game WHERE [No.] = 5", False),
    (Sketch(0, 0, ((1, 1, 4), (1, 2, 9))), "SELECT Team FROM game WHERE Team = 'x'", True),
]


@pytest.mark.parametrize(("gold", "sql", "correct"), CASES)
def test_results_are_compared_with_the_quirks_of_the_official_evaluator(
    games: Database, gold: Sketch, sql: str, correct: bool
) -> None:
    assert executed(games, gold, sql).correct is correct


@pytest.mark.parametrize(
    "sketch",
    [
        Sketch(3, 0),
        Sketch(0, 6),
        Sketch(0, 0, ((3, 0, 1),)),
        Sketch(0, 0, ((0, 3, 1),)),  # 'OP'
        Sketch(0, 0, ((1, 0, "none"),)),  # no number in it
        Sketch(0, 0, ((1, 0, 2**63),)),
    ],
)
def test_a_sketch_that_cannot_run_is_an_error(games: Database, sketch: Sketch) -> None:
    assert executed(games, GOLD, as_json(sketch)).outcome is Outcome.PREDICTION_ERROR
    assert executed(games, sketch, GOLD_SQL).outcome is Outcome.GOLD_ERROR


VALUES = st.sampled_from(
    [2, 3, 3.0, 5, 8.5, "2", "3", "10", "Lions", "o'neil", "-8 wins", "x", None]
)
CONDITIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), VALUES), max_size=3)
SKETCHES = st.builds(Sketch, st.integers(0, 3), st.integers(0, 6), CONDITIONS.map(tuple))


@settings(max_examples=60)
@given(SKETCHES)
def test_the_rebuilt_sql_finds_what_bound_parameters_find(sketch: Sketch) -> None:
    """Against the description in words: columns colN, one parameter per column, values bound."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE game (col0 TEXT, col1 REAL, col2 TEXT)")
        connection.execute(f"CREATE TABLE named {COLUMNS}")
        for table in ("game", "named"):
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", ROWS)
        sql = official_sql(sketch, Table("named", GAME.columns))
        expected = bound_run(connection, sketch)
        assert expected == (None if sql is None else connection.execute(sql).fetchall())


def bound_run(connection: sqlite3.Connection, sketch: Sketch) -> list[Any] | None:
    bound = {}
    where = []
    try:
        for column, operator, value in sketch.conds:
            if isinstance(value, str):
                value = value.lower()
            if column == 1 and not isinstance(value, (int, float)):
                value = {"2": 2.0, "3": 3.0, "10": 10.0, "-8 wins": 8.0}[value]
            bound[f"col{column}"] = value
            where.append(f"col{column} {['=', '>', '<', 'OP'][operator]} :col{column}")
        name = ["", "MAX", "MIN", "COUNT", "SUM", "AVG"][sketch.agg]
        text = f"SELECT {name}(col{sketch.sel}) FROM game"
        if where:
            text += " WHERE " + " AND ".join(where)
        return connection.execute(text, bound).fetchall()
    except (KeyError, IndexError, sqlite3.OperationalError):
        return None


def test_the_gold_of_a_data_set_is_correct(data_root: Path) -> None:
    """A window of dev that holds forms whose numbers are text ("1,352.1"), which SQL cannot hold."""
    if not (data_root / "wikisql" / "dev.jsonl").is_file():
        pytest.skip("no WikiSQL here")
    wikisql = WikiSQLDataset(data_root / "wikisql")
    forms = {
        form.example_id: Sketch(form.sel, form.agg, form.conds)
        for form in islice(wikisql.logical_forms("dev"), 3700, 4200)
    }
    metrics = [
        LogicalFormAccuracy(wikisql.schema, forms.get),
        LogicalFormAccuracy(wikisql.schema, forms.get, official=False),
        WikiSQLExecutionAccuracy(wikisql.schema, forms.get),
    ]
    for one in islice(wikisql.examples("dev"), 3700, 4200):
        for sql in (one.gold_sql, as_json(forms[one.id])):
            for metric in metrics:
                verdict = metric(one, Prediction(one.id, sql), wikisql.database(one.db_id))
                assert verdict.correct, (metric, one, verdict)
