"""Our judge inside lm-evaluation-harness (EleutherAI): one function for a task's `process_results`.

A document is a row of Spider's layout: `db_id`, `query`, and where its database is: `db_path`, or
`<root>/database/<db_id>/<db_id>.sqlite` under $TXT2SQL_DATA/spider. The completion may hold prose and
code fences around its SQL. docs/metrics.md has a task to copy.

>>> process_results({"db_id": "shop", "query": "SELECT 1"}, ["```sql\\nSELECT 1\\n```"])  # doctest: +SKIP
{'execution_accuracy': 1.0, 'exact_match': 0.0}
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from txt2sql.errors import DataError
from txt2sql.evaluation.metrics.exact_set_match import ExactSetMatch
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database, find_database, open_database
from txt2sql.sql import extract_sql
from txt2sql.types import Example, Prediction


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Execution accuracy and exact match of the first completion, in strict mode."""
    return _judge(doc, results, "strict")


def process_results_official(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The same in official mode: what Spider's test-suite evaluator says."""
    return _judge(doc, results, "official")


def _judge(doc: Mapping[str, Any], results: Sequence[str], mode: str) -> dict[str, float]:
    try:
        db_id, gold = str(doc["db_id"]), str(doc["query"])
    except KeyError as missing:
        raise DataError(f"a document has no {missing}; it needs 'db_id' and 'query'") from None
    prediction = Prediction("", extract_sql(results[0]) if results else None)
    database = _database(db_id, str(doc.get("db_path") or ""))
    judges = _judges(mode)
    return {
        judge.name: judge(Example("", db_id, "", gold), prediction, database).score
        for judge in judges
    }


@lru_cache(maxsize=2)
def _judges(mode: str) -> tuple[ExecutionAccuracy, ExactSetMatch]:
    judging = Judging(mode, both=False)
    return ExecutionAccuracy(judging), ExactSetMatch(official=judging.official)


@lru_cache(maxsize=1024)
def _database(db_id: str, path: str) -> Database:
    if path:
        return open_database(Path(path), db_id)
    return find_database(Path(os.environ.get("TXT2SQL_DATA", "data/raw")) / "spider", db_id)
