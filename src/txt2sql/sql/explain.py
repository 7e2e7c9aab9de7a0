"""A statement in words: one sentence of plain English, and labels for the columns of its result.

Both are made from the parsed statement alone, so they say what is asked of the database and not what was
meant. A statement that one sentence cannot hold gets none; a column that has a name keeps it.

>>> explain("SELECT city, avg(age) FROM staff WHERE age > 30 GROUP BY city ORDER BY 2 DESC LIMIT 3")
'Shows city and the average age of staff where age is more than 30, for each city; sorted by the average age, largest first; the first 3 only.'
>>> from txt2sql.types import Column, Table
>>> schema = Schema("shop", (Table("books", (Column("genre"), Column("price", "number"))),))
>>> labels("SELECT genre, count(*), avg(price) FROM books GROUP BY 1", ["genre", "c", "a"], schema)
['genre', 'Number of books', 'Average price']
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from txt2sql.sql.sources import Node, conjuncts, entries, only
from txt2sql.sql.stored_texts import plain
from txt2sql.types import Schema

_MAX_CHARS, _MAX_SENTENCE, _MAX_PART = 5_000, 400, 60
_SETS = {
    exp.Union: "together with",
    exp.Except: "but without",
    exp.Intersect: "and of that only what is also in",
}
# How a node is said; one with a part that has no place here is not.
_FORMS: dict[Any, str] = {
    exp.EQ: "{this} is {no}{expression}",
    exp.Is: "{this} is {no}{expression}",
    exp.NEQ: "{this} is not {no}{expression}",
    exp.GT: "{this} is more than {no}{expression}",
    exp.GTE: "{this} is at least {no}{expression}",
    exp.LT: "{this} is less than {no}{expression}",
    exp.LTE: "{this} is at most {no}{expression}",
    exp.Between: "{this} is {no}between {low} and {high}",
    exp.In: "{this} is {no}one of {expressions}",
    exp.Exists: "there is {no}{this}",
    exp.Count: "the number of rows with {this}",
    exp.Avg: "the average {this}",
    exp.Sum: "the sum of {this}",
    exp.Min: "the smallest {this}",
    exp.Max: "the largest {this}",
    exp.Distinct: "different {expressions}",
    exp.Add: "{this} plus {expression}",
    exp.Sub: "{this} minus {expression}",
    exp.Mul: "{this} times {expression}",
    exp.Div: "{this} divided by {expression}",
    exp.Paren: "{this}",
}
_NEGATED = (exp.In, exp.Like, exp.ILike, exp.Between, exp.Is, exp.Exists)
_UNSAID = {"negate", "big_int", "typed", "safe"}
_CLAUSES = "expressions from_ joins where group having order limit offset distinct".split()
_PARTS_OF_DATES = {"%Y": "Year", "%Y-%m": "Month", "%m": "Month", "%Y-%m-%d": "Day", "%d": "Day"}
_WRAPPERS = (exp.Round, exp.Cast, exp.Paren, exp.TsOrDsToTimestamp, exp.TsOrDsToDate)
# Of hostile text sqlglot builds trees that lack what every query has.
_FAILURES = (SqlglotError, RecursionError, ValueError, LookupError, AttributeError, TypeError)


def explain(sql: str, dialect: str = "sqlite") -> str | None:
    """One sentence, or None where the statement is not understood or too long for one."""
    if len(sql) > _MAX_CHARS:
        return None
    try:
        sentence = _query(plain(sqlglot.parse_one(sql, read=dialect)))
    except _FAILURES:
        return None
    return None if len(sentence) > _MAX_SENTENCE else f"{sentence[0].upper()}{sentence[1:]}."


def _query(tree: Node) -> str:
    tree = tree.unnest()
    if isinstance(tree, exp.SetOperation):
        only(tree, "this", "expression", "distinct", "order", "limit", "offset")
        word = _SETS[type(tree)]
        return f"{_query(tree.left)}, {word} {_phrase(tree.right)}{_order(tree, _verbatim)}"
    if not isinstance(tree, exp.Select) or not tree.expressions:
        raise ValueError
    return _Select(tree).sentence()


def _phrase(tree: Node) -> str:
    tree = tree.unnest()
    return _Select(tree).phrase() if isinstance(tree, exp.Select) else f"({_query(tree)})"


class _Select:
    def __init__(self, tree: exp.Select) -> None:
        only(tree, *_CLAUSES)
        self.tree, self.columns = tree, tree.expressions
        listed = list(entries(tree))
        self.aliases = {entry.alias_or_name.lower(): entry for entry, _ in listed}
        self.sources = [self.source(entry, join) for entry, join in listed]

    def sentence(self) -> str:
        item = self.columns[0].unalias()
        if len(self.columns) > 1 or self.tree.args.get("group") or not isinstance(item, exp.Count):
            return f"shows {self.phrase()}"
        return f"counts the {self.say(item).removeprefix('the number of ')}{self.rest()}"

    def phrase(self) -> str:
        if len(self.columns) == 1 and isinstance(self.columns[0], exp.Star):
            shown = "everything"
        else:
            shown = _listed([self.column(each) for each in self.columns])
        if distinct := self.tree.args.get("distinct"):
            only(distinct)
            shown = f"each different {shown}"
        return shown + self.rest()

    def column(self, column: Node) -> str:
        name = column.alias if isinstance(column, exp.Alias) else ""
        shown = self.say(column.unalias())
        return f"{shown} (as {name})" if name and name.lower() not in shown.lower() else shown

    def rest(self) -> str:
        tree, text = self.tree, f" of {_listed(self.sources)}" if self.sources else ""
        if where := tree.args.get("where"):
            text += f" where {self.say(where.this)}"
        if group := tree.args.get("group"):
            only(group, "expressions")
            text += f", for each {_listed([self.key(each) for each in group.expressions])}"
        if having := tree.args.get("having"):
            text += f"; only where {self.say(having.this)}"
        return text + _order(tree, self.key)

    def key(self, term: Node) -> str:
        if isinstance(term, exp.Literal) and not term.is_string:
            if 0 < int(term.this) <= len(self.columns):
                term = self.columns[int(term.this) - 1].unalias()
        elif isinstance(term, exp.Column) and not term.table:
            aliased = [column for column in self.columns if isinstance(column, exp.Alias)]
            term = next((column.this for column in aliased if column.alias == term.name), term)
        return self.say(term)

    def source(self, entry: Node, join: Node | None) -> str:
        # Rows that belong together by columns need no words; any other condition does.
        if isinstance(entry, exp.Table) and entry.name:
            only(entry, "this", "alias", "db", "catalog")
            name = str(entry.name)
        elif isinstance(entry, exp.Subquery):
            name = f"({_phrase(entry)})"
        else:
            raise ValueError
        if join is None:
            return name
        only(join, "this", "side", "kind", "on", "using")
        if join.side not in ("", "LEFT") or join.kind not in ("", "INNER", "OUTER", "CROSS"):
            raise ValueError
        tests = conjuncts(join.args["on"]) if join.args.get("on") else ()
        conditions = [
            self.say(test)
            for test in tests
            if not isinstance(test, exp.EQ) or {type(test.left), type(test.right)} != {exp.Column}
        ]
        if conditions:
            name += f" (where {' and '.join(conditions)})"
        return f"{name} (where there are any)" if join.side else name

    def say(self, node: Node, no: str = "") -> str:
        """A value, or a condition; `no` is "not " where it must not hold."""
        if isinstance(node, exp.Column):
            return self.column_name(node)
        if isinstance(node, exp.Query):
            return f"({_phrase(node)})" if isinstance(node, exp.Subquery) else _phrase(node)
        if isinstance(node, exp.Connector):
            texts = []
            for part in node.flatten():
                text = self.say(part)
                texts.append(f"({text})" if isinstance(part, exp.Connector) else text)
            return f" {node.key} ".join(texts)
        if isinstance(node, exp.Not):
            inner = node.this.unnest()
            negated = isinstance(inner, _NEGATED)
            return self.say(inner, "not ") if negated else f"not ({self.say(inner)})"
        if node.args.get("negate"):
            no = "" if no else "not "
        if isinstance(node, (exp.Like, exp.ILike)):
            return f"{self.say(node.this)} {_like(node.expression, no)}"
        if period := _part_of_date(node):
            return f"the {period.lower()} of {self.say(node.find(exp.Column))}"
        form, inner = _FORMS.get(type(node)), node.this
        if form is None:
            return _verbatim(node)
        if isinstance(node, exp.Count) and isinstance(inner, (exp.Star, exp.Literal, type(None))):
            return "the number of rows"
        if isinstance(node, exp.Binary) and isinstance(node.right, exp.Null):
            known = bool(no) != isinstance(node, exp.NEQ)
            return f"{self.say(inner)} is {'known' if known else 'not known'}"
        if isinstance(node, exp.Count) and isinstance(inner, exp.Distinct):
            form = "the number of {this}"
        elif isinstance(node, exp.In) and node.args.get("query"):
            form = "{this} is {no}among {query}"
        elif isinstance(node, exp.Exists):
            no = "no " if no else ""
        parts, word = {}, "or" if isinstance(node, exp.In) else "and"
        for name, part in node.args.items():
            if part and name not in _UNSAID:
                if f"{{{name}}}" not in form:
                    raise ValueError
                listed = part if isinstance(part, list) else [part]
                parts[name] = _listed([self.part(each, node) for each in listed], word)
        return form.format(no=no, **parts)

    def part(self, part: Node, node: Node) -> str:
        if isinstance(node, exp.In) and part.arg_key == "query":
            return _phrase(part)
        condition = isinstance(part, exp.Predicate) and not isinstance(node, exp.Paren)
        return _verbatim(part) if condition else self.say(part)

    def column_name(self, node: exp.Column) -> str:
        if isinstance(node.this, exp.Star):
            return f"everything of {node.table}"
        source = self.aliases.get(node.table.lower())
        if not node.table or (source is not None and len(self.aliases) == 1):
            return str(node.name)
        return f"{source.name if isinstance(source, exp.Table) else node.table}.{node.name}"


def _like(pattern: Node, no: str) -> str:
    # %x% contains, x% begins with, %x ends with
    text = pattern.this if isinstance(pattern, exp.Literal) else ""
    inner = text.strip("%")
    if not inner or "%" in inner or "_" in inner:
        return f"is {no}like {_verbatim(pattern)}"
    open_ends = text[0] == "%", text[-1] == "%"
    verb = ("equal", "begin", "end", "contain")[2 * open_ends[0] + open_ends[1]]
    rest = " with" if sum(open_ends) == 1 else ""
    return f"{f'does not {verb}' if no else f'{verb}s'}{rest} '{inner}'"


def _order(tree: Node, name: Callable[[Node], str]) -> str:
    text = ""
    if order := tree.args.get("order"):
        keys = [
            f"{name(key.this)}, {'largest' if key.args.get('desc') else 'smallest'} first"
            for key in order.expressions
        ]
        text += f"; sorted by {', then by '.join(keys)}"
    limit, offset = tree.args.get("limit"), tree.args.get("offset")
    if offset and not limit:
        raise ValueError
    if limit:
        count = _verbatim(limit.args.get("expression") or limit.args.get("count") or limit)
        text += "; the first only" if count == "1" else f"; the first {count} only"
        text += f", after {_verbatim(offset.expression)} others" if offset else ""
    return text


def _listed(parts: Sequence[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _verbatim(node: Node) -> str:
    text: str = node.sql(dialect="sqlite", comments=False)
    if len(text) > _MAX_PART or node.find(exp.Select):
        raise ValueError
    return text


def labels(sql: str, columns: Sequence[str], schema: Schema) -> list[str]:
    """One label for each column; its own name where there is nothing better."""
    tree = _labelled(sql, len(columns), schema.dialect)
    items = zip(tree.expressions, columns) if tree else ()
    return [_label(tree, each, name, schema) for each, name in items] or list(columns)


def origins(sql: str, columns: Sequence[str], dialect: str = "sqlite") -> list[str]:
    """What the cells of each column are, whatever its alias: a column's own name, "max year" for the
    largest or smallest of one, "" for a count or a sum, "average"; else the name of the result.

    >>> origins("SELECT count(*) AS number, max(year) AS last, a AS b FROM t", ["number", "last", "b"])
    ['', 'max year', 'a']
    """
    tree = _labelled(sql, len(columns), dialect)
    items = zip(tree.expressions, columns) if tree else ()
    return [_origin(_unwrapped(each), name) for each, name in items] or list(columns)


def _origin(node: Node, name: str) -> str:
    if isinstance(node, (exp.Count, exp.Sum)):
        return ""
    if isinstance(node, exp.Avg):
        return "average"
    if isinstance(node, (exp.Min, exp.Max)) and isinstance(node.this, exp.Column):
        return f"max {node.this.name}"
    return str(node.name) if isinstance(node, exp.Column) else name


def _unwrapped(node: Node) -> Node:
    node = node.unalias()
    while isinstance(node, _WRAPPERS):
        node = node.this
    return node


def _labelled(sql: str, columns: int, dialect: str) -> Node:
    tree: Node = None
    if len(sql) <= _MAX_CHARS:
        with suppress(*_FAILURES):
            tree = plain(sqlglot.parse_one(sql, read=dialect))
    while isinstance(tree, (exp.Subquery, exp.SetOperation)):
        tree = tree.this
    fits = isinstance(tree, exp.Select) and len(tree.expressions) == columns
    return tree if fits and not any(each.is_star for each in tree.expressions) else None


def _label(tree: exp.Select, node: Node, name: str, schema: Schema) -> str:
    if isinstance(node, (exp.Alias, exp.Column, exp.Star)):
        return name
    node = _unwrapped(node)
    if isinstance(node, exp.Count) and (table := _counted_table(tree, node, schema)):
        return f"Number of {table}".replace("_", " ")
    if part := _part_of_date(node):
        return f"{part} of {node.find(exp.Column).name}".replace("_", " ")
    try:
        words = _Select(tree).say(node).removeprefix("the ")
    except _FAILURES:
        return name
    same = words == node.sql(dialect="sqlite", comments=False)
    return name if same else (words[:1].upper() + words[1:]).replace("_", " ")


def _part_of_date(node: Node) -> str:
    """What STRFTIME takes from a column: "Year"; "" for anything else."""
    if not isinstance(node, exp.TimeToStr) or len(list(node.find_all(exp.Column))) != 1:
        return ""
    return _PARTS_OF_DATES.get(node.text("format"), "")


def _counted_table(tree: exp.Select, node: exp.Count, schema: Schema) -> str:
    """The table whose rows are counted: the one whose keys lead to all the others, else ""."""
    tables = {e.alias_or_name.lower(): e.name for e, _ in entries(tree) if isinstance(e, exp.Table)}
    names = {name.lower() for name in tables.values()}
    if isinstance(node.this, exp.Column):
        alone = min(tables.values()) if len(tables) == 1 else ""
        owner = tables.get(node.this.table.lower(), alone)
        table = schema.table(owner)
        column = table.column(node.this.name) if table else None
        return owner if column is not None and column.primary_key else ""
    if not isinstance(node.this, (exp.Star, exp.Literal)):
        return ""
    referenced = {
        key.referenced_table.lower()
        for key in schema.foreign_keys
        if key.table.lower() in names and key.table.lower() != key.referenced_table.lower()
    }
    left = [name for name in tables.values() if name.lower() not in referenced]
    return left[0] if len(left) == 1 else ""
