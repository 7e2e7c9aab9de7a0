"""Results as files: CSV for spreadsheets (RFC 4180), Parquet for programs.

A spreadsheet runs text that begins like a formula, and cells come from strangers: in CSV such text
gets an apostrophe in front (OWASP, CSV injection). Numbers stay as they are, and Parquet holds every
cell as it is.

>>> b"".join(csv_lines(["name", "n"], [("=1+1", -2)])).decode("utf-8-sig").splitlines()
['name,n', "'=1+1,-2"]
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from txt2sql.errors import ConfigError
from txt2sql.types import Cell, Row

_ROWS_AT_A_TIME = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_INT64 = 2**63


def cut_off(rows: int) -> str:
    """What a file says that is not whole."""
    return f"cut off after {rows:,} rows: there are more; ask for fewer, or for sums"


def csv_lines(columns: Sequence[str], rows: Sequence[Row], last: str = "") -> Iterator[bytes]:
    """UTF-8 with a mark that spreadsheets know it by; a few hundred rows at a time, and at the end
    a line of its own, where there is something to say."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow([_plain(name) for name in columns])
    for at in range(0, len(rows), _ROWS_AT_A_TIME):
        writer.writerows([_plain(cell) for cell in row] for row in rows[at : at + _ROWS_AT_A_TIME])
        yield buffer.getvalue().encode("utf-8", "replace")
        buffer.seek(0)
        buffer.truncate()
    if last:
        writer.writerow([last])
    yield buffer.getvalue().encode("utf-8", "replace")


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, bytes):
        return f"x'{cell.hex()}'"
    if isinstance(cell, str):
        # Some spreadsheets skip spaces first; full-width signs are read as the plain ones.
        return f"'{cell}" if _first(cell) in _FORMULA else cell
    return cell


def _first(text: str) -> str:
    if text[:1] in "\t\r\n":
        return text[:1]
    first = text.lstrip()[:1]
    return chr(ord(first) - 0xFEE0) if first and first in "＝＋－＠" else first


def parquet(columns: Sequence[str], rows: Sequence[Row], last: str = "") -> bytes:
    """One Parquet file; `last` is in its metadata under "notice". Raises ConfigError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow; run: pip install pyarrow")
    import pyarrow
    from pyarrow import parquet as writer

    cells = [[row[i] for row in rows] for i in range(len(columns))]
    arrays = [pyarrow.array(_one_type(column)) for column in cells]
    sink = io.BytesIO()
    table = pyarrow.Table.from_arrays(arrays, names=_distinct(columns))
    writer.write_table(table.replace_schema_metadata({"notice": last} if last else None), sink)
    return sink.getvalue()


def _one_type(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one type: whole numbers, numbers, bytes or text; what is mixed becomes text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    whole = all(-_INT64 <= cell < _INT64 for cell in cells if isinstance(cell, int))
    if kinds <= {int} and whole:
        return list(cells)
    if kinds <= {int, float} and whole:
        return [None if cell is None else float(cell) for cell in cells]
    if kinds == {bytes}:
        return list(cells)
    return [None if cell is None else _written(cell) for cell in cells]


def _written(cell: Cell) -> str:
    text = f"x'{cell.hex()}'" if isinstance(cell, bytes) else str(cell)
    return text.encode("utf-8", "replace").decode()


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that are each other's only one: `count`, `count_2`."""
    distinct: dict[str, None] = {}
    for name in (_written(name) for name in names):
        number, free = 1, name
        while free in distinct:
            number += 1
            free = f"{name}_{number}"
        distinct[free] = None
    return list(distinct)
