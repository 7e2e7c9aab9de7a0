"""Test-suite accuracy (TS): right on every database of a distilled suite, not on one by luck.

Source: Zhong, Yu and Klein, "Semantic Evaluation for Text-to-SQL with Distilled Test Suites", EMNLP
2020. The suite of a db_id is every SQLite file of one folder, as in their release:
`<suites>/<db_id>/*.sqlite`.

>>> [database.path.name for database in suite(Path("suites"), "shop")]  # doctest: +SKIP
['shop.sqlite', 'shopv0.sqlite', 'shopv1.sqlite']
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from txt2sql.errors import DatabaseError
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.types import Example, Outcome, Prediction, Verdict

_BESIDE = ("-journal", "-wal", "-shm")


@lru_cache(maxsize=4096)
def suite(folder: Path, db_id: str) -> tuple[Database, ...]:
    """The databases of one db_id: that of its own name first, then the others by name."""
    files = [path for path in (folder / db_id).glob("*.sqlite*") if not path.name.endswith(_BESIDE)]
    if not files:
        raise DatabaseError(
            f"no test suite for '{db_id}' in '{folder}'; it needs {db_id}/*.sqlite there"
        )
    files.sort(key=lambda path: (path.stem != db_id, path.name))
    return tuple(Database(path, db_id) for path in files)


class TestSuiteAccuracy(ExecutionAccuracy):
    """Execution accuracy over all databases of a suite in `folder`, or beside each database."""

    name = "test_suite_accuracy"
    __test__ = False  # for pytest, which takes the name for its own

    def __init__(
        self,
        judging: Judging | None = None,
        *,
        folder: Path | None = None,
        gold: GoldResults | None = None,
    ) -> None:
        def databases(database: Database) -> Sequence[Database]:
            return suite(folder or database.path.parent.parent, database.db_id)

        super().__init__(judging, databases=databases, gold=gold)

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction; without a suite for its db_id, nothing can be judged."""
        try:
            return super().__call__(example, prediction, database)
        except DatabaseError as error:
            return Verdict(example.id, self.name, Outcome.GOLD_ERROR, 0.0, str(error))
