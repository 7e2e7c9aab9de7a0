"""Results as files: CSV for spreadsheets (RFC 4180), Parquet for programs.

A spreadsheet runs text that begins like a formula, and cells come from strangers: in CSV such text
gets an apostrophe in front (OWASP, CSV injection). Parquet holds every cell as it is.

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
_BREAKS = ("\t", "\r", "\n")
_FORMULA = tuple("=+-@＝＋－＠")
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
    # Some spreadsheets skip spaces first; full-width signs are read as the plain ones.
    if isinstance(cell, str) and (cell[:1] in _BREAKS or cell.lstrip()[:1] in _FORMULA):
        return f"'{cell}"
    return cell


def parquet(columns: Sequence[str], rows: Sequence[Row], last: str = "") -> bytes:
    """One Parquet file; `last` is in its metadata under "notice". Raises ConfigError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow; run: pip install pyarrow")
    import pyarrow
    from pyarrow import parquet as writer

    arrays = [pyarrow.array(_one_type([row[i] for row in rows])) for i in range(len(columns))]
    names: list[str] = []
    for name in map(_written, columns):  # `count`, `count_2`
        number, free = 1, name
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names.append(free)
    sink = io.BytesIO()
    table = pyarrow.Table.from_arrays(arrays, names=names)
    writer.write_table(table.replace_schema_metadata({"notice": last} if last else None), sink)
    return sink.getvalue()


def _one_type(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one type: whole numbers, numbers, bytes or text; what is mixed becomes text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    whole = all(-_INT64 <= cell < _INT64 for cell in cells if isinstance(cell, int))
    if kinds == {bytes} or (kinds <= {int} and whole):
        return list(cells)
    convert = float if kinds <= {int, float} and whole else _written
    return [None if cell is None else convert(cell) for cell in cells]


def _written(cell: Cell) -> str:
    text = f"x'{cell.hex()}'" if isinstance(cell, bytes) else str(cell)
    return text.encode("utf-8", "replace").decode()
