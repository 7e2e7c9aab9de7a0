"""WikiSQL's logical form (query sketch) and the SQL that it stands for.

One selected column with at most one aggregate, and conditions joined by AND, all by position in one
table. Source: Zhong et al., "Seq2SQL", 2017; values are read as its official evaluator reads them.

>>> table = WikiTable("1-2-3", ("Player", "Team"), ("text", "text"))
>>> form_to_sql(LogicalForm("dev-0", "1-2-3", sel=0, agg=3, conds=((1, 0, "Butler CC"),)), table)
'SELECT COUNT("Player") FROM "table_1_2_3" WHERE "Team" = \\'butler cc\\''
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from txt2sql.errors import DataError
from txt2sql.types import Cell

AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
OPERATORS = ("=", ">", "<")


@dataclass(frozen=True, slots=True)
class LogicalForm:
    """WikiSQL's query sketch: column and aggregate by position, conditions as (column, op, value)."""

    example_id: str
    table_id: str
    sel: int
    agg: int
    conds: tuple[tuple[int, int, str | int | float], ...] = ()


@dataclass(frozen=True, slots=True)
class WikiTable:
    """One table: unique, non-empty column names; `types` are text or real; cells in lower case."""

    id: str
    header: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    words: str = ""
    provenance: str = ""

    @property
    def name(self) -> str:
        """The name in SQL, as the official databases have it: `1-10-2` is `table_1_10_2`."""
        return "table_" + re.sub(r"\W", "_", self.id)


def form_to_sql(form: LogicalForm, table: WikiTable) -> str:
    """The SQL text of a logical form, with the table's real column names.

    Raises DataError when the form points outside the table or the operators.
    """
    try:
        selected = quote(table.header[form.sel])
        aggregate = AGGREGATES[form.agg]
        conditions = [
            f"{quote(table.header[column])} {OPERATORS[operator]} "
            f"{_literal(value, table.types[column])}"
            for column, operator, value in form.conds
        ]
    except IndexError:
        raise DataError(
            f"the logical form of '{form.example_id}' does not fit table '{table.id}'; "
            "download the data set again"
        ) from None
    what = f"{aggregate}({selected})" if aggregate else selected
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {what} FROM {quote(table.name)}{where}"


def parse_number(text: str) -> int | float | None:
    """A condition value on a real column as a number, or None where there is none.

    As the official evaluator reads it: the whole text with thousands separators, else the first
    number in it.
    """
    text = text.strip()
    if re.fullmatch(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)", text):
        text = text.replace(",", "")
        return float(text) if "." in text else int(text)
    found = re.search(r"[-+]?\d*\.\d+|\d+", text)
    if found is None:
        return None
    return float(found[0]) if "." in found[0] else int(found[0])


def _literal(value: str | int | float, kind: str) -> str:
    number = None
    if kind == "real":
        number = parse_number(value) if isinstance(value, str) else value
    if number is not None:
        return repr(number)
    return "'" + str(value).lower().replace("'", "''") + "'"


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
