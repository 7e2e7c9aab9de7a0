"""The sample database: seven bookshops in Portugal and Spain, their staff, stock and customers.

All names, titles and sales are invented. The folder is also a data set in Spider's layout: dev.json
holds questions with their SQL (`txt2sql evaluate --dataset` takes `sample.folder()`).

>>> path().name
'bookshops.sqlite'
"""

from __future__ import annotations

from pathlib import Path

DB_ID = "bookshops"


def folder() -> Path:
    """The folder in Spider's layout: dev.json and database/bookshops/bookshops.sqlite."""
    return Path(__file__).parent


def path() -> Path:
    """The SQLite file; it is only ever opened read-only."""
    return folder() / "database" / DB_ID / f"{DB_ID}.sqlite"
