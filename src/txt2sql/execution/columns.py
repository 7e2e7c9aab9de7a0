"""What a table's columns are described as, on every engine: their class, and sample values.

>>> column_class("VARCHAR(20)"), column_class("DATE")
('text', 'time')
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from txt2sql.execution.names import natural_name
from txt2sql.sql.stored_texts import SAMPLE_CHARS, examined
from txt2sql.types import Column, Table

SAMPLED_ROWS = 200
"""The first rows of a table are read, and no more."""

_MAX_CODES, _MAX_FLAGS, _MAX_CODE_CHARS = 6, 3, 60
_MAX_TEXTS = 2
_SHORT = re.compile(r"(?<!\d)\d{1,2}(?!\d)")
_DIGIT = re.compile(r"(?<![\d:])\d[/.-]|[/.-]\d(?!\d)")
_DATE = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}")
_MAX_COMMENT_CHARS = 200


def column_class(declared: str) -> str:
    """Spider's five classes of column type from a declared SQL type."""
    name = declared.lower()
    if "bool" in name or name == "bit":
        return "boolean"
    if any(word in name for word in ("date", "time", "year")):
        return "time"
    if any(word in name for word in ("int", "real", "floa", "doub", "num", "dec", "money")):
        return "number"
    if any(word in name for word in ("char", "text", "clob", "str", "enum")):
        return "text"
    return "other" if name else "text"


def described_table(
    name: str,
    columns: Sequence[tuple[str, str, str]],
    key: Sequence[str],
    cells: Sequence[Sequence[str | None]],
    classify: Callable[[str], str],
    comment: str = "",
) -> Table:
    """The table whose columns are (name, declared type, comment), with cells of each of them."""
    described = []
    for (column, declared, meaning), read in zip(columns, cells, strict=True):
        kind, filled = classify(declared), [cell for cell in read if cell]
        described.append(
            Column(
                name=column,
                type=kind,
                primary_key=column in key,
                declared_type=declared,
                samples=choose_samples(filled, kind, primary_key=[column] == list(key)),
                words=natural_name(column, name),
                comment=meaning[:_MAX_COMMENT_CHARS],
                cells=examined(read, kind),
            )
        )
    return Table(name, tuple(described), natural_name(name), comment[:_MAX_COMMENT_CHARS])


def choose_samples(
    cells: Sequence[str], kind: str, *, primary_key: bool = False
) -> tuple[str, ...]:
    """Sample values to show of a column of Spider's class `kind`, from its first non-empty cells: chosen
    to teach a reader what to write in a condition, as in BRIDGE (Lin et al. 2020) and CodeS (Li et al.
    2024). A cell of SAMPLE_CHARS characters counts as cut.

    Codes and flags are shown whole, of other texts two, of numbers and dates one. The number of a primary
    key teaches nothing, but for the one of the row that stands for what is not known (0, -1).

    >>> choose_samples(["paid", "open", "paid", "void", "paid", "open"], "text")
    ('paid', 'open', 'void')
    """
    counts = Counter(cell for cell in cells if cell.strip())
    if not counts:
        return ()
    distinct = list(counts)
    if primary_key and kind == "number":
        return tuple(value for value in distinct if value.startswith("-") or value == "0")[:1]
    repeated = len(cells) >= 2 * len(distinct)
    short = sum(map(len, distinct)) <= _MAX_CODE_CHARS
    few = len(distinct) <= (_MAX_FLAGS if kind == "number" else _MAX_CODES)
    if repeated and short and few:
        return tuple(value for value, _ in counts.most_common())
    if all(map(_DATE.match, distinct)):
        # A day above 12 shows which of the parts is the day, a short date whether parts are padded.
        telling = max(distinct, key=lambda date: max(map(int, _SHORT.findall(date) or "0")))
        shortest = min(distinct, key=lambda date: len(_DATE.match(date)[0]))  # type: ignore[index]
        return (
            (telling,)
            if _DIGIT.search(telling) or not _DIGIT.search(shortest)
            else (telling, shortest)
        )
    if kind == "number":
        return (distinct[0],)
    whole = [value for value in distinct if len(value) < SAMPLE_CHARS]
    return tuple(whole[:_MAX_TEXTS]) or (distinct[0] + "...",)
