"""What the cells of a column are when they are not what its type says, and SQL that reads them so.

In a CSV file that was imported everything is text. Among texts 9 comes after 10, and "1,250.00" is 1; "" and
"n/a" are no NULL. A model writes SQL as if the columns were clean, and the answer is wrong without an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from txt2sql.sql.names import COMPARISONS, Names
from txt2sql.sql.sources import Edit, Node, span
from txt2sql.types import Cells, Column

_NUMBERS = {
    point: re.compile(
        rf"(?P<sign>[-+]?)(?P<currency>[$€£]?) ?(?P<whole>\d{{1,3}}(?:{group}\d{{3}})+|\d+)"
        rf"(?P<part>{point}\d+)?(?P<unit> ?[A-Za-z%°€]{{0,12}})"
    )
    for point, group in ((r"\.", ","), (",", r"\."))
}
"""1,250.00 and 1.250,00"""
_PLAIN = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_MISSING = frozenset("null nan n/a - --".split())
_ALONE = re.compile(r"\b(?:only|just|exactly|solely|alone|nothing else|no other|nur)\b", re.I)
_PLACE = "{}"
_ITEM_CHARS = 24
SAMPLE_CHARS = 40
"""Characters of a cell that are read; a longer one ends in "..."."""


def examined(cells: Sequence[str | None], kind: str) -> Cells:
    """What a sample of the cells of a column says; of a column of numbers or dates, whether other texts are
    among them."""
    filled = [cell for cell in cells if cell is not None]
    has_null = len(filled) < len(cells)
    missing = tuple(sorted({cell for cell in filled if _is_missing(cell)}))
    names = set(filled).difference(missing)
    if kind != "text":
        mixed = kind == "number" and not all(_PLAIN.fullmatch(each) for each in set(filled))
        number = _as_number(names, missing, mixed=True) if mixed else ""
        return Cells(number, missing, has_null=has_null)
    varied = len({folded(name) for name in names}) < len(names)
    return Cells(_as_number(names, missing), missing, varied, has_null, _separator(filled))


def _is_missing(cell: str) -> bool:
    return not cell.strip() or cell.lower() in _MISSING


def _separator(cells: Sequence[str]) -> str:
    """What stands between the items where cells are lists; "" where they are not.

    >>> _separator(["drama; horror", "comedy", "horror; drama; crime", "crime; comedy", "drama"])
    '; '
    """
    for separator in ("; ", ";", "|", ", ", ","):
        lists = [cell.split(separator) for cell in cells if len(cell) < SAMPLE_CHARS]
        items = [item for items in lists for item in items]
        lengths = [len(each) for each in lists]
        often = 5 * sum(length > 1 for length in lengths) >= len(lists)
        short = all(0 < len(item) <= _ITEM_CHARS and item == item.strip() for item in items)
        # Names as "Ames, Iowa" have one length; sentences have few words in common.
        if often and short and len(set(lengths)) > 1 and 2 * len(set(items)) <= len(items):
            return separator
    return ""


def folded(text: str) -> str:
    """As LOWER(TRIM(text)) of SQLite has it."""
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), text.strip(" "))


def _as_number(names: set[str], missing: Sequence[str], *, mixed: bool = False) -> str:
    """SQL that reads cells as numbers; "" where they are none, or codes, or, not being `mixed` with numbers,
    have the order of their numbers anyway.

    >>> _as_number({"9.50", "1,250.00"}, [""])
    "CAST(REPLACE(NULLIF({}, ''), ',', '') AS REAL)"
    """
    texts = [name.strip() for name in sorted(names)]
    matches = ((point, [*map(pattern.fullmatch, texts)]) for point, pattern in _NUMBERS.items())
    point, read = next((each for each in matches if all(each[1])), ("", []))
    numbers = [match for match in read if match is not None]
    if len(numbers) < 2:
        return ""
    coded = any(re.match(r"0\d", number["whole"]) for number in numbers)  # 007: no quantity
    if coded or len({number["unit"] for number in numbers}) > 1:
        return ""
    group = "." if point == "," else ","
    values = [
        float(n["sign"] + n["whole"].replace(group, "") + (n["part"] or "").replace(",", "."))
        for n in numbers
    ]
    marks = {n["currency"] for n in numbers} | {group * (group in n["whole"]) for n in numbers}
    if values == sorted(values) and not any(marks) and point != "," and not mixed:
        return ""
    text = _without(_PLACE, missing)
    for mark in sorted(filter(None, marks)):
        text = f"REPLACE({text}, '{mark}', '')"
    if point == ",":
        text = f"REPLACE({text}, ',', '.')"
    return f"CAST({text} AS {'REAL' if any(n['part'] for n in numbers) else 'INTEGER'})"


def _without(column: str, missing: Sequence[str]) -> str:
    for each in missing:
        column = f"NULLIF({column}, '{each}')"
    return column


def read_as_meant(names: Names, question: str = "") -> list[Edit]:
    """What makes a statement order, compare and compute by the numbers that texts stand for, take texts for
    no value, and list rows without a value last where it takes the first few."""
    edits: list[Edit] = []
    alone = _ALONE.search(question)  # of lists, those with this one item
    for scope in names.scopes:
        for node, number in scope.resolved:
            column = scope.sources[number].column(node.name)
            start, end = span(node.args.get("table") or node.this)[0], span(node.this)[1]
            if column is None or start < 0 or column.cells == Cells():
                continue
            name, cells = names.sql[start:end], column.cells
            text = _read(node, column, name) if cells.as_number else name
            if cells.missing and _asks_whether_missing(node, cells.missing):
                text = _without(name, cells.missing)
            elif cells.separator and not alone and (edit := _in_list(node, name, cells.separator)):
                edits.append(edit)
                continue
            gaps = cells.has_null or bool(cells.missing)
            if gaps and _groups_for_the_first(node):
                text += f" HAVING {_without(name, cells.missing)} IS NOT NULL"
            if gaps and _takes_least(node) and not _is_filtered(node):
                text = _without(name, cells.missing) if text == name else text
                ascending = re.compile(r"\s+ASC\b", re.I).match(names.sql, end)
                text, end = f"{text} NULLS LAST", ascending.end() if ascending else end
            if text != name:
                edits.append((start, end, text))
    return edits


_COMPUTES = (exp.Sum, exp.Avg, exp.Add, exp.Sub, exp.Mul, exp.Div)


def _read(node: Node, column: Column, name: str) -> str:
    whole = column.cells.as_number.replace(_PLACE, name)
    text = whole.removeprefix("CAST(").rpartition(" AS ")[0]
    parent = node.parent
    if isinstance(parent, exp.Cast):
        number = parent.this is node and parent.to.is_type(*exp.DataType.NUMERIC_TYPES)
        return text if number else name
    if isinstance(parent, (*COMPARISONS, exp.Between)):
        others = [each for each in parent.iter_expressions() if each is not node]
        equal = isinstance(parent, (exp.EQ, exp.NEQ))
        return whole if not any(_is_text(other, equal) for other in others) else name
    if isinstance(parent, (exp.Ordered, exp.Min, exp.Max)):
        return whole
    return whole if isinstance(parent, _COMPUTES) and text != name else name


def _is_text(node: Node, equal: bool) -> bool:
    """Whether texts are compared: with a cell, or with another column."""
    if isinstance(node, exp.Literal):
        return bool(node.is_string) and (equal or not re.fullmatch(r"[-+]?\d+(\.\d+)?", node.name))
    return isinstance(node, exp.Column)


def _asks_whether_missing(node: Node, missing: Sequence[str]) -> bool:
    parent = node.parent
    counted = parent.parent if isinstance(parent, exp.Distinct) else parent
    if not isinstance(counted, exp.Count):
        return isinstance(parent, exp.Is) and isinstance(parent.expression, exp.Null)
    literals = node.find_ancestor(exp.Select).find_all(exp.Literal)
    return not any(each.name in missing for each in literals)  # else it counts those


def _in_list(node: Node, name: str, separator: str) -> Edit | None:
    """Whether a cell has an item, where it is compared with one."""
    parent = node.parent
    item = parent.expression if isinstance(parent, (exp.EQ, exp.NEQ)) else None
    literal = isinstance(item, exp.Literal) and item.is_string and parent.this is node
    if item is None or not literal or separator in item.name or re.search("[%_]", item.name):
        return None
    pattern = exp.Literal.string(f"%{separator}{item.name}{separator}%").sql(dialect="sqlite")
    operator = "LIKE" if isinstance(parent, exp.EQ) else "NOT LIKE"
    between = exp.Literal.string(separator).sql(dialect="sqlite")
    start = span(node.args.get("table") or node.this)[0]
    end = span(item)[1]
    return (
        (start, end, f"{between} || {name} || {between} {operator} {pattern}") if end > 0 else None
    )


def _groups_for_the_first(node: Node) -> bool:
    """Whether rows are counted or added up per value, for the values with the most or the least."""
    group = node.parent
    if not isinstance(group, exp.Group) or group.expressions != [node]:
        return False
    select: Node = group.parent
    return bool(select.args.get("limit") and select.args.get("order")) and not select.args.get(
        "having"
    )


def _takes_least(node: Node) -> bool:
    key = node.parent
    if not isinstance(key, exp.Ordered) or key.args.get("desc"):
        return False
    query: Node = key.find_ancestor(exp.Query)
    explicit = re.search(r"\bNULLS\b", key.sql(dialect="sqlite"))
    return query is not None and query.args.get("limit") is not None and explicit is None


def _is_filtered(node: Node) -> bool:
    where = node.parent.parent.parent.args.get("where")
    columns = where.find_all(exp.Column) if where is not None else ()
    return any(column.name.lower() == node.name.lower() for column in columns)


# ------------------------------------------------------------------------------- and back, to be read

_AROUND = (
    *(exp.Cast, exp.Replace, exp.Nullif, exp.Lower, exp.Trim, exp.Upper, exp.Substring, exp.DPipe),
    *(exp.StrPosition, exp.Literal, exp.DataType, exp.Identifier, exp.Neg, exp.Add, exp.Paren),
)


_READS = re.compile(r"\b(?:NULLIF|REPLACE|INSTR)\(|'-' \|\|", re.I)


def plain_text(sql: str) -> str:
    """`plain` for a text of SQLite; as it is where it reads no cells in such a way, or cannot be parsed."""
    if not _READS.search(sql):
        return sql
    try:
        return str(plain(parse_one(sql, read="sqlite")).sql(dialect="sqlite"))
    except SqlglotError:
        return sql


def plain(tree: Node) -> Node:
    """A statement as it would be for clean columns, to say what it asks for: without what reads dates
    (`sql.date_formats`), numbers, lists and names as they are stored."""
    return tree.transform(_plain)


def _plain(node: Node) -> Node:
    if isinstance(node, exp.Like) and isinstance(node.this, exp.DPipe):
        listed, separator = _read_column(node.this), node.this.expression.name
        if listed is not None:
            item = node.expression.name.replace(separator, "")
            return exp.Like(
                this=listed, expression=exp.Literal.string(item), negate=node.args.get("negate")
            )
    if isinstance(node, exp.Substring):
        column, cut = _read_column(node), (node.args.get("start"), node.args.get("length"))
        if column is not None and [each and each.sql() for each in cut] in (
            ["-4", None],
            ["7", "4"],
        ):
            return exp.TimeToStr(this=column, format=exp.Literal.string("%Y"))
    if isinstance(node, exp.Lower) and (column := _read_column(node)):
        named = exp.to_identifier(f"{column.name} in any spelling", quoted=True)
        return exp.Column(this=named, table=column.args.get("table"))
    wrapped = isinstance(node, (exp.Cast, exp.Nullif))
    day = isinstance(node, exp.DPipe) and node.find(exp.Substring)
    column = _read_column(node) if wrapped or day else None
    return node if column is None else column


def _read_column(node: Node) -> Node | None:
    """The one column that an expression reads, where it does nothing else that matters."""
    columns = list(node.find_all(exp.Column))
    known = all(isinstance(each, (*_AROUND, exp.Column)) for each in node.walk())
    return columns[0].copy() if known and len({each.sql() for each in columns}) == 1 else None
