"""Pairs of queries with the components that differ are in `tests/fixtures/sql/spider/matches.jsonl`,
as the official evaluator finds them; for its verdicts on real predictions see test_conformance.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlite_files
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.evaluation.metrics.exact_set_match import ComponentMatch, ExactSetMatch, compare
from txt2sql.execution.database import Database, open_database
from txt2sql.sql.spider import SpiderSchema
from txt2sql.types import Example, Outcome, Prediction, Verdict

FILE = Path(__file__).parents[2] / "fixtures" / "sql" / "spider" / "matches.jsonl"
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
TABLES = {
    "singer": ("id", "name", "age", "country"),
    "stadium": ("id", "name", "capacity"),
    "concert": ("id", "title", "stadium_id", "year"),
    "plays": ("singer_id", "concert_id"),
}
KEYS = {f"{name}.id": f"{name}.id" for name in ("stadium", "singer", "concert")}
KEYS |= {"concert.stadium_id": "stadium.id", "plays.singer_id": "singer.id"}
KEYS |= {"plays.concert_id": "concert.id"}
SCHEMA = SpiderSchema(TABLES, KEYS)
NAMES = "SELECT name FROM singer"
GOLD = "SELECT name, age FROM singer WHERE age > 3 AND id > 4 ORDER BY age"


def build(path: Path, *statements: str) -> Database:
    tables = [f"CREATE TABLE {name} ({', '.join(columns)})" for name, columns in TABLES.items()]
    return open_database(sqlite_files.build(path, *tables, *statements))


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return build(tmp_path_factory.mktemp("stage") / "stage.sqlite")


def judged(
    database: Database, gold: str, sql: str | None, metric: Callable[..., Verdict] | None = None
) -> Verdict:
    metric = metric or ExactSetMatch(lambda db_id: KEYS)
    return metric(Example("e", database.db_id, "?", gold), Prediction("e", sql), database)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_parts_that_differ_are_those_of_the_official_evaluator(
    stage: Database, case: dict[str, Any]
) -> None:
    verdict = judged(stage, case["gold"], case["predicted"])
    assert verdict.score == (0.0 if case["differing"] else 1.0)
    assert verdict.correct == (not case["differing"])
    if verdict.outcome is Outcome.WRONG_RESULT:
        assert verdict.reason == f"other {', '.join(case['differing'])}"
    partial = compare(SCHEMA, case["gold"], case["predicted"].replace("value", "1")).partial
    differing = [name for name, score in partial.items() if not score["f1"]]
    assert differing == [name for name in case["differing"] if name != "tables"]


@pytest.mark.parametrize("sql", ["hello", "SELECT town FROM singer", "DROP TABLE singer"])
def test_an_unreadable_prediction_is_an_error_of_the_prediction(stage: Database, sql: str) -> None:
    verdict = judged(stage, NAMES, sql)
    assert (verdict.outcome, verdict.score) == (Outcome.PREDICTION_ERROR, 0.0)
    assert verdict.details == {"hardness": "easy", "parsed": False}


@pytest.mark.parametrize("sql", [None, NAMES])
def test_a_gold_or_a_database_that_cannot_be_read_is_nobodys_fault(
    stage: Database, tmp_path: Path, sql: str | None
) -> None:
    for gold in ("", "SELECT town FROM singer", "SELECT name FROM singer s"):
        assert judged(stage, gold, sql).outcome is Outcome.GOLD_ERROR
    (tmp_path / "ruin.sqlite").write_bytes(b"no database" * 100)
    for name in ("ruin.sqlite", "none.sqlite"):
        verdict = judged(Database(tmp_path / name, "ruin"), NAMES, sql)
        assert verdict.outcome is Outcome.GOLD_ERROR
        assert str(tmp_path / name) in verdict.reason


def test_only_official_reads_value_as_1(stage: Database) -> None:
    pair = f"{NAMES} WHERE age > 1", f"{NAMES} WHERE age > value"
    assert judged(stage, *pair).correct
    strict = ExactSetMatch(lambda db_id: KEYS, official=False)
    assert judged(stage, *pair, strict).outcome is Outcome.PREDICTION_ERROR


CONDITIONS = ["age > 3", "id = 4", "name LIKE 'x'", "country NOT IN ('y')", "age < id"]
ITEMS = ["name", "age", "count(*)", "max(age)", "count(DISTINCT id)", "age - id"]


def test_component_match_scores_ten_parts_each_all_or_nothing(stage: Database) -> None:
    def parts(sql: str | None, gold: str = GOLD) -> tuple[Verdict, dict[str, dict[str, int]]]:
        verdict = judged(stage, gold, sql, ComponentMatch())
        return verdict, (verdict.details or {})["partial"]

    verdict, _ = parts(f"{GOLD} DESC")
    assert (verdict.outcome, verdict.reason) == (Outcome.WRONG_RESULT, "other order, keywords")
    assert verdict.score == pytest.approx(0.8)
    assert parts(GOLD)[0].score == 1.0
    # Component: its score, its number in gold and in the prediction. Official has the totals of and/or
    # the wrong way round: it is the gold that has a connector.
    totals = {"select": (0, 2, 1), "where": (0, 2, 1), "and/or": (0, 0, 1), "order": (1, 1, 1)}
    _, partial = parts("SELECT name FROM singer WHERE age > 5 ORDER BY age")
    for name, numbers in {**totals, "IUEN": (1, 0, 0)}.items():
        score = partial[name]
        assert (score["f1"], score["label_total"], score["pred_total"]) == numbers
        assert score["acc"] == score["rec"] == score["f1"]
    # What cannot be read has the parts of an empty query.
    for sql, outcome in ((None, Outcome.NO_SQL), ("no SQL at all", Outcome.PREDICTION_ERROR)):
        verdict, partial = parts(sql)
        assert (verdict.outcome, verdict.score) == (outcome, 0.0)
        assert (partial["select"]["pred_total"], partial["group"]["f1"]) == (0, 1)
    verdict, _ = parts(GOLD, "SELECT town FROM singer")
    assert verdict.outcome is Outcome.GOLD_ERROR
    assert verdict.details == {"hardness": None, "partial": {}}
    verdict, _ = parts("SELECT count(*) FROM singer JOIN singer", "SELECT count(*) FROM singer")
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert (verdict.reason, verdict.score) == ("other tables", 1.0)


@settings(max_examples=25)
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
