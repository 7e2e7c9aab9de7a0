"""An answer as the API gives it: plain JSON values, with what helps to read it.

>>> cell(b"\\n"), cell(float("inf"))
("x'0a'", 'Infinity')
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from txt2sql.serving.chart import amounts, column_types, suggest
from txt2sql.serving.service import Answer, explanation
from txt2sql.types import Cell, Row, Schema

_ROWS_AT_A_TIME = 500


def cell(value: Cell) -> Any:
    """A cell as JSON can carry it: bytes as a blob literal, infinities and NaN as text."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def payload(
    id: str, answer: Answer, question: str | None, schema: Schema, previous: str | None = None
) -> dict[str, Any]:
    """The Answer of the API; rows last, and still as they are. `previous` is the id of what it follows."""
    return {
        "id": id,
        "question": question,
        "previous": previous,
        "sql": answer.sql,
        "explanation": explanation(answer.sql, schema) if answer.error is None else None,
        **columns(answer.sql, answer.columns, answer.rows, schema, answer.error),
        "truncated": answer.truncated,
        "seconds": round(answer.seconds, 4),
        "model": answer.model,
        "error": answer.error,
        "confidence": None if answer.confidence is None else round(answer.confidence, 4),
        "certainty": answer.certainty,
        "unknown": answer.unknown or None,
        "readings": [
            {"sql": each.sql, "explanation": each.explanation} for each in answer.readings
        ],
        "matches": [
            {"table": m.table, "column": m.column, "value": m.value, "text": m.span}
            for m in answer.matches
        ],
        "candidates": list(answer.candidates),
        "dropped": list(answer.dropped),
        "tree": answer.tree,
        "rows": answer.rows,
    }


def columns(
    sql: str | None,
    names: Sequence[str],
    rows: Sequence[Row],
    schema: Schema,
    error: str | None = None,
) -> dict[str, Any]:
    """What is said of the columns of a result: names, labels, types, which are quantities, a chart."""
    from txt2sql.sql.labels import labels, origins

    types, cells = column_types(names, rows), origins(sql or "", names, schema.dialect)
    return {
        "columns": list(names),
        "labels": labels(sql or "", names, schema),
        "types": types,
        "amounts": amounts(types, cells),
        "chart": suggest(types, rows, cells) if error is None else None,
    }


def encoded(found: Mapping[str, Any]) -> bytes:
    """As JSON. Rows are written a few hundred at a time: other threads get their turn meanwhile."""
    head = {key: value for key, value in found.items() if key != "rows"}
    start = json.dumps(head, ensure_ascii=False, allow_nan=False)
    rows = ",".join(_parts(found["rows"]))
    return f'{start[:-1]}, "rows": [{rows}]}}'.encode("utf-8", "replace")


def _parts(rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    for at in range(0, len(rows), _ROWS_AT_A_TIME):
        part = [[cell(value) for value in row] for row in rows[at : at + _ROWS_AT_A_TIME]]
        yield json.dumps(part, ensure_ascii=False, allow_nan=False)[1:-1]
