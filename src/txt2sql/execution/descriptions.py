"""What the tables and columns of a database mean: a data dictionary, from a file beside it.

People write YAML, one entry a table or one line a column:

    customers:
      description: everybody who ever bought something
      columns:
        status: 1 active, 2 left, 3 blocked
    orders.ttl: total in cents, with tax

BIRD's release has `database_description/<table>.csv` beside each database, with the columns
`original_column_name, column_name, column_description, data_format, value_description`; collections
made of it have one `descriptions.json`: {db_id: {table: {column: meaning}}}.

>>> shortened("the code of the county.  \\n commonsense evidence: codes are unique", 40)
'the code of the county'
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from txt2sql.errors import ConfigError, DataError
from txt2sql.execution.database import Database
from txt2sql.execution.remote import UrlDatabase
from txt2sql.types import Column, Schema, Table

MAX_CHARS = 120
"""Of a meaning: a schema has hundreds of columns, and a prompt some thousand tokens."""

Meanings = Mapping[tuple[str, str], str]
"""(table, column) -> what it means; the column "" stands for the table itself."""

_FOLDER = "database_description"
_MAX_NAMED = 3
_EXAMPLE = "write lines such as 'customers.status: 1 active, 2 left'"


def described_schema(
    schema: Schema, database: Database | UrlDatabase, file: Path | None = None
) -> tuple[Schema, str]:
    """The schema with the meanings of `file`, or of `<stem>.describe.yaml` beside a SQLite file, which
    outrank comments of the database; and a sentence about names that it does not have, or "".
    Raises ConfigError for a file that cannot be read.
    """
    paths = [file] if file else []
    if file is None and isinstance(database, Database):
        beside = database.path.with_name(f"{database.path.stem}.describe.yaml")
        paths = [path for path in (beside, beside.with_suffix(".yml")) if path.is_file()]
    if not paths:
        return schema, ""
    meanings = read_meanings(paths[0])
    return with_meanings(schema, meanings), _strangers(schema, meanings, paths[0])


def read_meanings(path: Path) -> Meanings:
    """The meanings in a YAML file, one of BIRD's CSV files, or a folder of those."""
    folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
    files = sorted(folder.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"no CSV file is in '{path}'; give BIRD's {_FOLDER}, or a YAML file")
    try:
        if path.suffix.lower() != ".csv" and not path.is_dir():
            return dict(_yaml_meanings(path.read_text(encoding="utf-8-sig"), path))
        if meanings := dict(pair for file in files for pair in _csv_meanings(file)):
            return meanings
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            f"cannot read the descriptions in '{path}': {reason}; give a YAML file, a CSV file or a "
            "folder of them"
        ) from None
    raise ConfigError(
        f"'{path}' describes nothing: a CSV file needs the columns original_column_name and "
        "column_description, as BIRD's have, and the name of its table"
    )


def _yaml_meanings(text: str, path: Path) -> Iterator[tuple[tuple[str, str], str]]:
    import yaml

    try:
        # Every scalar is text: a column may be called `no` or `on`, which YAML reads as booleans.
        tree = yaml.load(text, yaml.BaseLoader) or {}
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"'{path}' is not valid YAML: {reason}; {_EXAMPLE}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"'{path}' should hold names and what they mean; {_EXAMPLE}")
    for name, entry in tree.items():
        table, _, column = (part.strip() for part in str(name).partition("."))
        if isinstance(entry, str):
            yield (table, column), entry
            continue
        described = isinstance(entry, dict) and {"columns", "description"} & entry.keys()
        columns = (entry.get("columns") or {}) if described else entry
        if column or not isinstance(columns, dict):
            raise ConfigError(f"'{path}': {name} should be a text, or have columns; {_EXAMPLE}")
        own = {"": entry.get("description", "")} if described else {}
        for other, meaning in {**own, **columns}.items():
            if isinstance(meaning, dict):
                meaning = meaning.get("description", "")
            if not isinstance(meaning, str):
                where = f"{name}.{other or 'description'}"
                raise ConfigError(f"'{path}': the meaning of {where} should be a text; {_EXAMPLE}")
            yield (table, str(other)), meaning


def _strangers(schema: Schema, meanings: Meanings, path: Path) -> str:
    tables = {table.name.lower(): table.name for table in schema.tables}
    columns = {
        f"{t.name}.{c.name}".lower(): f"{t.name}.{c.name}" for t in schema.tables for c in t.columns
    }
    parts: dict[str, str] = {}
    for table, column in meanings:
        known = tables if not column or table.lower() not in tables else columns
        name = f"{tables[table.lower()]}.{column}" if known is columns else table
        if name.lower() not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            parts[name] = f"'{name}'" + (f" (did you mean '{known[near[0]]}'?)" if near else "")
    if not parts:
        return ""
    more = len(parts) - _MAX_NAMED
    listed = ", ".join(list(parts.values())[:_MAX_NAMED])
    ending = f" and {more} more" if more > 0 else ""
    return f"'{path.name}' describes names that the database does not have: {listed}{ending}"


def column_meanings(roots: Iterable[Path], database: Path, db_id: str) -> Meanings:
    """The meanings of one database's columns in a data set; empty where nothing describes them."""
    meanings: dict[tuple[str, str], str] = {}
    for root in roots:
        entry = _descriptions(root / "descriptions.json").get(db_id)
        for table, columns in entry.items() if isinstance(entry, dict) else ():
            for column, meaning in columns.items() if isinstance(columns, dict) else ():
                meanings.setdefault((table, column), str(meaning or ""))
    for path in sorted((database.parent / _FOLDER).glob("*.csv")):
        meanings = {**dict(_csv_meanings(path)), **meanings}
    return meanings


def with_meanings(schema: Schema, meanings: Meanings) -> Schema:
    """The schema with what its tables and columns mean as their comments."""
    if not meanings:
        return schema
    by_name = {(table.lower(), column.lower()): text for (table, column), text in meanings.items()}

    def comment(item: Table | Column, table: str, column: str) -> str:
        meaning = shortened(by_name.get((table.lower(), column.lower()), ""))
        telling = _letters(meaning) not in ("", _letters(item.name), _letters(item.words))
        return meaning if telling else item.comment

    tables = (
        replace(
            table,
            comment=comment(table, table.name, ""),
            columns=tuple(
                replace(c, comment=comment(c, table.name, c.name)) for c in table.columns
            ),
        )
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))


def shortened(text: str, longest: int = MAX_CHARS) -> str:
    """One line of whole words, without what annotators added for other annotators."""
    line = _folded(re.split(r"common\s?sense (?:evidence|reasoning)", text, flags=re.I)[0])
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


def _csv_meanings(path: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """What one of BIRD's files, in one of several encodings, says of the table that it is called after."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    for cells in csv.DictReader(io.StringIO(text)):
        if any(isinstance(value, list) for value in cells.values()):
            continue  # more cells than columns
        row = {name.strip().lstrip("\ufeff"): value or "" for name, value in cells.items() if name}
        if column := row.get("original_column_name", "").strip():
            texts = (row.get(name, "") for name in ("column_description", "value_description"))
            meaning = "; ".join(filter(None, map(_folded, texts)))
            yield (path.stem, column), meaning or row.get("column_name", "")
