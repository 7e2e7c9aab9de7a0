"""What SQLite's walls make of each statement of tests/fixtures/safety/attacks.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.execution.pool import Limits
from txt2sql.types import QueryResult

ATTACKS = Path(__file__).parents[1] / "fixtures" / "safety" / "attacks.json"
LIMITS = Limits(timeout_s=1.0, max_memory_bytes=128_000_000)
OWN = ("only ", "refused: ", "the statement ")


def outcome(result: QueryResult) -> str:
    """rows; refused: not run, or held back while it ran; stopped at a limit; or SQLite's own error,
    whose wording differs between its versions."""
    if result.error is None:
        return "rows"
    if result.error.startswith("stopped"):
        return "stopped"
    return "refused" if result.error.startswith(OWN) else "SQLite fails"


def test_outcomes(golden: Callable[[str, Any], None], tmp_path: Path) -> None:
    copy = tmp_path / "books.sqlite"
    shutil.copy(sample.path(), copy)
    database = open_database(copy)
    outcomes: dict[str, dict[str, str]] = {}
    for attack in json.loads(ATTACKS.read_text(encoding="utf-8")):
        sql = attack["sql"].replace("{folder}", str(tmp_path / "out"))
        outcomes.setdefault(attack["kind"], {})[attack["sql"]] = outcome(
            execute(database, sql, LIMITS)
        )
    golden("attacks", outcomes)
    assert copy.read_bytes() == sample.path().read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["books.sqlite"]
