"""The function for lm-evaluation-harness: wrong completions, then right ones in every wrapping."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from txt2sql.errors import DatabaseError, DataError
from txt2sql.evaluation.harness import process_results, process_results_official
from txt2sql.execution.database import Database

GOLD = "SELECT DISTINCT city FROM shop"


@pytest.mark.parametrize(
    "completion", ["", "I do not know.", "SELECT id FROM shop", "DROP TABLE shop"]
)
def test_wrong_completions_score_nothing(shop: Database, completion: str) -> None:
    doc = {"db_id": "shop", "query": GOLD, "db_path": str(shop.path)}
    assert process_results(doc, [completion]) == {"execution_accuracy": 0.0, "exact_match": 0.0}


def test_prose_around_the_sql_is_no_fault(shop: Database) -> None:
    doc = {"db_id": "shop", "query": GOLD, "db_path": str(shop.path)}
    fenced = ["Here it is:\n```sql\nselect distinct city from shop;\n```\nDone."]
    assert process_results(doc, fenced) == {"execution_accuracy": 1.0, "exact_match": 1.0}


def test_the_official_function_drops_distinct(shop: Database) -> None:
    doc = {"db_id": "shop", "query": GOLD, "db_path": str(shop.path)}
    given = ["SELECT city FROM shop"]
    assert process_results(doc, given)["execution_accuracy"] == 0.0
    assert process_results_official(doc, given)["execution_accuracy"] == 1.0


def test_databases_are_found_by_id(
    shop: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "spider" / "database" / "shop_by_id"
    folder.mkdir(parents=True)
    shutil.copy(shop.path, folder / "shop_by_id.sqlite")
    monkeypatch.setenv("TXT2SQL_DATA", str(tmp_path))
    doc = {"db_id": "shop_by_id", "query": GOLD}
    assert process_results(doc, [GOLD])["execution_accuracy"] == 1.0
    with pytest.raises(DatabaseError):
        process_results({"db_id": "unknown", "query": GOLD}, [GOLD])
    with pytest.raises(DataError, match="'query'"):
        process_results({"db_id": "shop_by_id"}, [GOLD])
