"""Pairs of queries with the components that differ are in `tests/fixtures/sql/spider/matches.jsonl`,
as the official evaluator finds them; its verdicts on real predictions follow at the end.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.evaluation.metrics.exact_set_match import (
    ComponentMatch,
    ExactSetMatch,
    Matcher,
    compare,
)
from txt2sql.execution.database import Database, open_database
from txt2sql.sql.spider_query import SpiderSchema, key_map
from txt2sql.types import Example, Outcome, Prediction, Verdict

FILE = Path(__file__).parents[2] / "fixtures" / "sql" / "spider" / "matches.jsonl"
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
TABLES = {
    "singer": ("id", "name", "age", "country"),
    "stadium": ("id", "name", "capacity"),
    "concert": ("id", "title", "stadium_id", "year"),
    "plays": ("singer_id", "concert_id"),
}
KEYS = {
    "concert.stadium_id": "stadium.id",
    "stadium.id": "stadium.id",
    "plays.singer_id": "singer.id",
    "singer.id": "singer.id",
    "plays.concert_id": "concert.id",
    "concert.id": "concert.id",
}
SCHEMA = SpiderSchema(TABLES, KEYS)
NAMES = "SELECT name FROM singer"


def build(path: Path, *statements: str) -> Database:
    with closing(sqlite3.connect(path)) as connection:
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return open_database(path)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return build(tmp_path_factory.mktemp("stage") / "stage.sqlite")


def judged(
    database: Database, gold: str, sql: str | None, metric: ExactSetMatch | None = None
) -> Verdict:
    metric = metric or ExactSetMatch(lambda db_id: KEYS)
    return metric(Example("e", database.db_id, "?", gold), Prediction("e", sql), database)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_pair(stage: Database, case: dict[str, Any]) -> None:
    verdict = judged(stage, case["gold"], case["predicted"])
    assert verdict.score == (0.0 if case["differing"] else 1.0)
    assert verdict.correct == (not case["differing"])
    if verdict.outcome is Outcome.WRONG_RESULT:
        assert verdict.reason == f"other {', '.join(case['differing'])}"
    partial = compare(SCHEMA, case["gold"], case["predicted"].replace("value", "1")).partial
    found = [name for name, score in partial.items() if not score.f1]
    assert found == [name for name in case["differing"] if name != "tables"]


@pytest.mark.parametrize("sql", ["hello", "SELECT town FROM singer", "DROP TABLE singer"])
def test_an_unreadable_prediction_is_an_error_of_the_prediction(stage: Database, sql: str) -> None:
    verdict = judged(stage, NAMES, sql)
    assert verdict.outcome is Outcome.PREDICTION_ERROR
    assert verdict.score == 0.0
    assert verdict.details == {"hardness": "easy", "parsed": False}


@pytest.mark.parametrize("gold", ["", "SELECT town FROM singer", "SELECT name FROM singer s"])
@pytest.mark.parametrize("sql", [None, NAMES])
def test_an_unreadable_gold_is_nobodys_fault(stage: Database, gold: str, sql: str | None) -> None:
    assert judged(stage, gold, sql).outcome is Outcome.GOLD_ERROR


def test_a_database_that_cannot_be_read_is_nobodys_fault(tmp_path: Path) -> None:
    ruin = tmp_path / "ruin.sqlite"
    ruin.write_bytes(b"no database" * 100)
    for database in (Database(ruin, "ruin"), Database(tmp_path / "none.sqlite", "none")):
        verdict = judged(database, NAMES, NAMES)
        assert verdict.outcome is Outcome.GOLD_ERROR
        assert str(database.path) in verdict.reason


def test_only_official_reads_value_as_1(stage: Database) -> None:
    sql = f"{NAMES} WHERE age > value"
    assert judged(stage, f"{NAMES} WHERE age > 1", sql).correct
    strict = ExactSetMatch(lambda db_id: KEYS, official=False)
    verdict = judged(stage, f"{NAMES} WHERE age > 1", sql, strict)
    assert verdict.outcome is Outcome.PREDICTION_ERROR


def test_keys_that_the_file_declares_are_taken_where_none_are_given(tmp_path: Path) -> None:
    seat = "CREATE TABLE seat (stadium_id REFERENCES stadium(id), id INTEGER PRIMARY KEY)"
    database = build(tmp_path / "stage.sqlite", seat)
    join = "FROM stadium AS T1 JOIN seat AS T2 ON T1.id = T2.stadium_id"
    pair = f"SELECT T1.id {join}", f"SELECT T2.stadium_id {join}"
    assert not judged(database, *pair, ExactSetMatch(lambda db_id: {})).correct
    assert judged(database, *pair, ExactSetMatch(lambda db_id: None)).correct
    assert judged(database, *pair, ExactSetMatch()).correct


def test_the_schema_is_that_of_the_file_without_its_views(tmp_path: Path) -> None:
    counted = "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)"
    view = "CREATE VIEW names AS SELECT name FROM singer"
    database = build(tmp_path / "stage.sqlite", counted, view)
    schema = Matcher().schema(database)
    assert list(schema.tables) == [*TABLES, "counted", "sqlite_sequence"]
    assert schema.tables["singer"] == set(TABLES["singer"])


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    database = build(tmp_path / "stage.sqlite")
    matcher = Matcher(lambda db_id: KEYS)
    before = matcher.schema(database)
    assert matcher.schema(database) is before
    assert Matcher(lambda db_id: dict(KEYS)).schema(database) is before
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TABLE added (id)")
    assert set(matcher.schema(database).tables) == {*TABLES, "added"}


CONDITIONS = ["age > 3", "id = 4", "name LIKE 'x'", "country NOT IN ('y')", "age < id"]
ITEMS = ["name", "age", "count(*)", "max(age)", "count(DISTINCT id)", "age - id"]


@given(st.permutations(ITEMS), st.permutations(CONDITIONS), st.integers(1, 5), st.data())
def test_order_within_select_and_where_never_counts(
    items: list[str], conditions: list[str], n: int, data: st.DataObject
) -> None:
    def written(listed: list[str], filtered: list[str]) -> str:
        return f"SELECT {', '.join(listed)} FROM singer WHERE {' AND '.join(filtered)}"

    listed, filtered = items[:n], conditions[:n]
    gold = written(listed, filtered)
    shuffled = written(data.draw(st.permutations(listed)), data.draw(st.permutations(filtered)))
    assert compare(SCHEMA, gold, shuffled).exact
    assert not compare(SCHEMA, gold, written(items[: n + 1], filtered)).exact
    assert not compare(SCHEMA, gold, written(listed, [*filtered, filtered[0]])).exact


def test_official_verdicts_on_real_predictions(data_root: Path) -> None:
    if not (data_root / "verdicts").is_dir():
        pytest.skip("no folder verdicts/ beside the data sets")
    tables = json.loads((data_root / "spider" / "tables.json").read_text(encoding="utf-8"))
    entries = {entry["db_id"]: entry for entry in tables}
    matcher = Matcher(lambda db_id: key_map(entries[db_id]))
    lines = [
        line
        for file in sorted((data_root / "verdicts").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    for row in map(json.loads, lines):
        path = data_root / "spider" / "database" / row["db_id"] / f"{row['db_id']}.sqlite"
        example = Example(str(row["i"]), row["db_id"], "", row["gold"])
        match = matcher.judge(
            example, Prediction(example.id, row["pred"]), Database(path, row["db_id"])
        )[2]
        partial = {name: score._asdict() for name, score in match.partial.items()}
        found = match.exact, match.hardness, match.parsed, partial
        official = row["exact"], row["hardness"], row["pred_parse"] == "ok", row["partial"]
        assert found == official, row["pred"]
    assert len(lines) >= 1034


# --------------------------------------------------------------------------------- component match

GOLD = "SELECT name, age FROM singer WHERE age > 3 AND id > 4 ORDER BY age"


def component_verdict(database: Database, gold: str, sql: str | None) -> Verdict:
    example = Example("e", database.db_id, "?", gold)
    return ComponentMatch()(example, Prediction("e", sql), database)


def part(verdict: Verdict, name: str) -> dict[str, Any]:
    assert verdict.details is not None
    score: dict[str, Any] = verdict.details["partial"][name]
    return score


def test_each_differing_part_costs_a_tenth(stage: Database) -> None:
    verdict = component_verdict(stage, GOLD, f"{GOLD} DESC")
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert verdict.reason == "other order, keywords"
    assert verdict.score == pytest.approx(0.8)
    assert component_verdict(stage, GOLD, GOLD).score == 1.0


def test_a_part_is_all_or_nothing_and_counts_both_sides(stage: Database) -> None:
    verdict = component_verdict(stage, GOLD, "SELECT name FROM singer WHERE age > 5 ORDER BY age")
    nothing = {"acc": 0, "rec": 0, "f1": 0}
    assert part(verdict, "select") == {**nothing, "label_total": 2, "pred_total": 1}
    assert part(verdict, "where") == {**nothing, "label_total": 2, "pred_total": 1}
    # Official has these two totals the wrong way round: it is the gold that has a connector.
    assert part(verdict, "and/or") == {**nothing, "label_total": 0, "pred_total": 1}
    assert part(verdict, "order") == {
        **dict.fromkeys(nothing, 1),
        "label_total": 1,
        "pred_total": 1,
    }
    assert part(verdict, "IUEN") == {**dict.fromkeys(nothing, 1), "label_total": 0, "pred_total": 0}


@pytest.mark.parametrize(
    ("sql", "outcome"),
    [(None, Outcome.NO_SQL), ("no SQL at all", Outcome.PREDICTION_ERROR)],
)
def test_an_unreadable_prediction_scores_0_and_has_the_parts_of_an_empty_query(
    stage: Database, sql: str | None, outcome: Outcome
) -> None:
    verdict = component_verdict(stage, GOLD, sql)
    assert verdict.outcome is outcome
    assert verdict.score == 0.0
    assert part(verdict, "select")["pred_total"] == 0
    assert part(verdict, "group")["f1"] == 1


def test_an_unreadable_gold_has_no_parts(stage: Database) -> None:
    verdict = component_verdict(stage, "SELECT town FROM singer", GOLD)
    assert verdict.outcome is Outcome.GOLD_ERROR
    assert verdict.details == {"hardness": None, "partial": {}}


def test_only_tables_differ(stage: Database) -> None:
    gold = "SELECT count(*) FROM singer"
    verdict = component_verdict(stage, gold, f"{gold} JOIN singer")
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert verdict.reason == "other tables"
    assert verdict.score == 1.0
