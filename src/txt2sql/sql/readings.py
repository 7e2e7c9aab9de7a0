"""What else a short question may mean: statements that differ from its answer in what it leaves open.

"Orders from Lisbon" may be those of its shops or of its customers, "tickets in March" those opened or
closed then, and "sales per shop" may be counted, or summed up in units or money. An edit of the answer
puts another column of the same name, another date or another amount in the place of one; which of them
a question allows, a model has to say.

>>> from txt2sql.types import Column, Schema, Table
>>> sales = Table("sales", (Column("shop"), Column("units", "number", samples=("3",))))
>>> list(other_readings("SELECT shop, count(*) FROM sales GROUP BY shop", Schema("s", (sales,))))
['SELECT shop, SUM(units) FROM sales GROUP BY shop']
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from txt2sql.identifiers import quote_identifier
from txt2sql.sql.date_formats import column_format
from txt2sql.sql.names import Names, resolved
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.sql.repair import mend
from txt2sql.sql.sources import Edit, Scope, edited, span
from txt2sql.types import Column, Schema, Table

_COUNT = re.compile(r"\bCOUNT\(\*\)", re.I)
_AMOUNT = re.compile(r"\b(SUM|AVG)\(([\w.\"]+|\"[^\"]+\")\)", re.I)


def other_readings(sql: str, schema: Schema) -> Iterator[str]:
    """The statements in normal form, each once; those that cannot be mended into one that runs are left out."""
    names = resolved(sql, schema)
    if names is None or len(names.scopes) != 1 or not isinstance(names.tree, exp.Select):
        return
    seen = {canonical_sql(sql, schema)}
    for text in (*_of_columns(sql, names, schema), *_of_amounts(sql, names, schema)):
        mended = mend(text, schema)
        reading = canonical_sql(mended.sql, schema) if mended.sql and not mended.suspect else ""
        if reading and reading not in seen:
            seen.add(reading)
            yield reading


def _of_columns(sql: str, names: Names, schema: Schema) -> Iterator[str]:
    """With another date of the table, or the column of that name of another table."""
    scope = names.scopes[0]
    places = {
        (number, column.name.lower())
        for column, number in scope.resolved
        if column.find_ancestor(exp.Where, exp.Group, exp.Select) is not scope.select
    }
    for number, name in sorted(places):
        table = scope.sources[number].table
        column = table.column(name) if table is not None else None
        if table is None or column is None or column.primary_key:
            continue
        if column_format(column) is not None:
            others = [(table, other) for other in table.columns if column_format(other) is not None]
        elif column.type == "text":
            others = [(t, other) for t in schema.tables if (other := t.column(name)) is not None]
        else:
            continue
        for owner, other in others:
            if owner is table and other is column:
                continue
            label = scope.sources[number].label if owner is table else quote_identifier(owner.name)
            yield edited(
                sql, _renamed(names, number, name, f"{label}.{quote_identifier(other.name)}")
            )

    # the same of another table that has all these columns
    used = {column.name.lower() for column, _ in scope.resolved}
    source = scope.sources[0]
    plain = len(scope.sources) == 1 and source.table is not None and source.label == sql[slice(*span(source.node.this))]  # fmt: skip
    for table in schema.tables if plain and used and names.tree.find(exp.AggFunc) else ():
        if table is not source.table and all(table.column(name) for name in used):
            here = (source.node.this, *(c.args["table"] for c, _ in scope.resolved if c.table))
            text = quote_identifier(table.name)
            yield edited(sql, ((*span(name), text) for name in here))


def _renamed(names: Names, number: int, name: str, text: str) -> Iterator[Edit]:
    for column, at in names.scopes[0].resolved:
        if at == number and column.name.lower() == name:
            first = column.args.get("table") or column.this
            yield span(first)[0], span(column.this)[1], text


def _of_amounts(sql: str, names: Names, schema: Schema) -> Iterator[str]:
    """With rows counted, or another amount summed up, averaged or sorted by: one of the tables that are
    read, or of a table that refers to one of them, which repair joins.
    """
    scope = names.scopes[0]
    read = [source.table for source in scope.sources if source.table is not None]
    children = _children(read, schema)
    amounts = [
        f"{quote_identifier(table.name)}.{quote_identifier(column.name)}"
        for table in (*read, *children)
        for column in table.columns
        if _is_amount(table, column, schema)
    ]
    if _COUNT.search(sql):
        yield from (_COUNT.sub(f"SUM({amount})".replace("\\", r"\\"), sql) for amount in amounts)
    for call in dict.fromkeys(match.group() for match in _AMOUNT.finditer(sql)):
        if call.upper().startswith("SUM"):
            yield sql.replace(call, "COUNT(*)")
        yield from (sql.replace(call, f"{call[:4]}{amount})") for amount in amounts)
    order, limit = scope.select.args.get("order"), scope.select.args.get("limit")
    key = order.expressions[0].this if order and limit and len(order.expressions) == 1 else None
    if len(read) == 1 and isinstance(key, exp.Column) and not scope.select.args.get("group"):
        place = span(key.args.get("table") or key.this)[0], span(key.this)[1]
        own = quote_identifier(read[0].name) + "."
        yield from (edited(sql, [(*place, a)]) for a in amounts if a.startswith(own))
        yield from _by_children(sql, scope, place, amounts, schema)


def _by_children(
    sql: str, scope: Scope, place: tuple[int, int], amounts: list[str], schema: Schema
) -> Iterator[str]:
    """With the first rows of a table by the number of rows that refer to them, or a total of those."""
    parent = scope.sources[0]
    start = sql.upper().rfind("ORDER BY")
    for key in schema.foreign_keys:
        if (
            parent.table is None
            or scope.clause is None
            or key.referenced_table.lower() != parent.table.name.lower()
        ):
            continue
        child, column = quote_identifier(key.table), quote_identifier(key.referenced_column)
        one = f"{parent.label}.{column}"
        join = f" JOIN {child} ON {one} = {child}.{quote_identifier(key.column)}"
        totals = [f"SUM({amount})" for amount in amounts if amount.startswith(child + ".")]
        for total in ("COUNT(*)", *totals):
            by = edited(sql, [(*place, total)])[start:]
            yield (
                sql[: scope.clause.end]
                + join
                + sql[scope.clause.end : start].rstrip()
                + f" GROUP BY {one} {by}"
            )


def _children(tables: list[Table], schema: Schema) -> list[Table]:
    """The other tables that refer to one of these."""
    names = {table.name.lower() for table in tables}
    found = {k.table.lower() for k in schema.foreign_keys if k.referenced_table.lower() in names}
    return [table for table in schema.tables if table.name.lower() in found - names]


def _is_amount(table: Table, column: Column, schema: Schema) -> bool:
    """Whether the numbers of a column can be added up: no key, flag, date or number of a thing."""
    if column.type != "number" or column.primary_key or not column.samples:
        return False
    keys = {
        (name.lower(), key.lower())
        for each in schema.foreign_keys
        for name, key in (
            (each.table, each.column),
            (each.referenced_table, each.referenced_column),
        )
    }
    if (table.name.lower(), column.name.lower()) in keys or {*column.samples} == {"0", "1"}:
        return False
    words = set((column.words or column.name.replace("_", " ")).lower().split())
    return column_format(column) is None and not words & _NO_AMOUNTS


_NO_AMOUNTS = frozenset("id no number key code year nr month day zip phone level version".split())
