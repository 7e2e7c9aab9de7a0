"""What the columns of a data set's databases mean, as BIRD describes them (data dictionaries).

BIRD's release has `database_description/<table>.csv` beside each database, with the columns
`original_column_name, column_name, column_description, data_format, value_description`. Collections
that were made of it have one `descriptions.json`: {db_id: {table: {column: meaning}}}.

>>> shortened("the code of the county.  \\n commonsense evidence: codes are unique", 40)
'the code of the county'
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from txt2sql.errors import DataError
from txt2sql.types import Column, Schema, Table

MAX_CHARS = 120
"""Of a meaning: a schema has hundreds of columns, and a prompt some thousand tokens."""

Meanings = Mapping[tuple[str, str], str]
"""(table, column), in lower case -> what it means."""


def column_meanings(roots: Iterable[Path], database: Path, db_id: str) -> Meanings:
    """The meanings of one database's columns; empty where nothing describes them."""
    meanings: dict[tuple[str, str], str] = {}
    for root in roots:
        entry = _descriptions(root / "descriptions.json").get(db_id)
        for table, columns in entry.items() if isinstance(entry, dict) else ():
            for column, meaning in columns.items() if isinstance(columns, dict) else ():
                meanings.setdefault((table.lower(), column.lower()), str(meaning or ""))
    for path in sorted((database.parent / "database_description").glob("*.csv")):
        for row in _rows(path):
            column = row.get("original_column_name", "").strip()
            texts = (row.get(key, "") for key in ("column_description", "value_description"))
            meaning = "; ".join(filter(None, map(_folded, texts))) or row.get("column_name", "")
            if column:
                meanings.setdefault((path.stem.lower(), column.lower()), meaning)
    return meanings


def with_meanings(schema: Schema, meanings: Meanings) -> Schema:
    """The schema with what its columns mean as their comments, where they have none."""
    if not meanings:
        return schema

    def described(table: Table, column: Column) -> Column:
        meaning = shortened(meanings.get((table.name.lower(), column.name.lower()), ""))
        telling = _letters(meaning) not in (_letters(column.name), _letters(column.words))
        return replace(column, comment=meaning) if telling and not column.comment else column

    tables = (
        replace(table, columns=tuple(described(table, column) for column in table.columns))
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))


def shortened(text: str, longest: int = MAX_CHARS) -> str:
    """One line of whole words, without what annotators added for other annotators."""
    line = _folded(
        re.split(r"common\s?sense (?:evidence|reasoning)", text, maxsplit=1, flags=re.I)[0]
    )
    if len(line) > longest:
        line = line[: longest + 1].rpartition(" ")[0] or line[:longest]
    return line.rstrip(" .,;:-(")


def _folded(text: str) -> str:
    return " ".join(text.replace("\\n", " ").split()).strip(" .;")


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


@lru_cache(maxsize=4)
def _descriptions(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{path}' as JSON ({error}); mend or remove it") from error
    return entries if isinstance(entries, dict) else {}


def _rows(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file; BIRD's are in several encodings."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    reader = csv.DictReader(io.StringIO(text))
    return [
        {key.strip().lstrip("\ufeff"): value or "" for key, value in row.items() if key}
        for row in reader
        if all(not isinstance(value, list) for value in row.values())
    ]
