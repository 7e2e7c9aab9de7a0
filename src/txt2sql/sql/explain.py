"""What a statement does, as one sentence of plain English: for people who do not read SQL.

It is made from the parsed statement alone, so it says what is asked of the database and not what was
meant. A statement that one sentence cannot hold gets none.

>>> explain("SELECT city, avg(age) FROM staff WHERE age > 30 GROUP BY city ORDER BY 2 DESC LIMIT 3")
'Shows city and the average age of staff where age is more than 30, for each city; sorted by the average age, largest first; the first 3 only.'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from txt2sql.sql.sources import Node

MAX_CHARS = 5_000
_LONGEST = 400
_LONGEST_PART = 60

_COMPARED: dict[Any, str] = {
    exp.EQ: "is",
    exp.Is: "is",
    exp.NEQ: "is not",
    exp.GT: "is more than",
    exp.GTE: "is at least",
    exp.LT: "is less than",
    exp.LTE: "is at most",
}
_AGGREGATES: dict[Any, str] = {
    exp.Avg: "the average",
    exp.Sum: "the sum of",
    exp.Min: "the smallest",
    exp.Max: "the largest",
}
_ARITHMETIC: dict[Any, str] = {
    exp.Add: "plus",
    exp.Sub: "minus",
    exp.Mul: "times",
    exp.Div: "divided by",
}
_SETS: dict[Any, str] = {
    exp.Union: "together with",
    exp.Except: "but without",
    exp.Intersect: "and of that only what is also in",
}


_PARTS = (
    "expressions", "from_", "from", "joins", "where", "group", "having", "order", "limit", "offset",
    "distinct",
)  # fmt: skip


class Tangled(Exception):
    """More than one sentence can say."""


def explain(sql: str, dialect: str = "sqlite") -> str | None:
    """One sentence, or None where the statement is not understood or too long for one."""
    if len(sql) > MAX_CHARS:
        return None
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
        sentence = _query(tree)
    except (SqlglotError, Tangled, RecursionError, ValueError):
        return None
    return None if len(sentence) > _LONGEST else f"{sentence[0].upper()}{sentence[1:]}."


def _query(tree: Node) -> str:
    if isinstance(tree, exp.Subquery):
        tree = tree.this
    for kind, words in _SETS.items():
        if isinstance(tree, kind):
            _only(tree, "this", "expression", "distinct", "order", "limit", "offset")
            first, second = _query(tree.left), _phrase(tree.right)
            return f"{first}, {words} {second}{_order(tree)}"
    if not isinstance(tree, exp.Select) or not tree.expressions:
        raise Tangled
    return _Select(tree).sentence()


def select_words(tree: exp.Select) -> _Select:
    """The words for one SELECT's values: `select_words(tree).name(node)`; Tangled where there are none."""
    return _Select(tree)


def _phrase(tree: Node) -> str:
    """A query as part of a sentence: "the average price of books"."""
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    return _Select(tree).phrase() if isinstance(tree, exp.Select) else f"({_query(tree)})"


def _only(node: Node, *known: str) -> None:
    """What is said of a node is all that there is to it: it has no parts but these."""
    if any(value and name not in known for name, value in node.args.items()):
        raise Tangled


class _Select:
    """One SELECT, and how its parts are called."""

    def __init__(self, tree: exp.Select) -> None:
        _only(tree, *_PARTS)
        self.tree = tree
        first = tree.args.get("from_") or tree.args.get("from")
        joins = tree.args.get("joins") or []
        found = ([first.this] if first else []) + [join.this for join in joins]
        self.aliases = {source.alias_or_name.lower(): source for source in found}
        self.sources = [self._source(first.this)] if first else []
        self.sources += [self._joined(join) for join in joins]

    def sentence(self) -> str:
        columns = self.tree.expressions
        if len(columns) == 1 and not self.tree.args.get("group"):
            only = columns[0].unalias()
            if isinstance(only, exp.Count):
                counted = self._counted(only).removeprefix("the number of ")
                return f"counts the {counted}{self._rest()}"
        return f"shows {self._columns()}{self._rest()}"

    def phrase(self) -> str:
        return f"{self._columns()}{self._rest()}"

    def _columns(self) -> str:
        columns = self.tree.expressions
        if len(columns) == 1 and isinstance(columns[0], exp.Star):
            shown = "everything"
        else:
            shown = _listed([self._column(column) for column in columns])
        if distinct := self.tree.args.get("distinct"):
            _only(distinct)
            return f"each different {shown}"
        return shown

    def _column(self, column: Node) -> str:
        name = column.alias if isinstance(column, exp.Alias) else ""
        shown = self.name(column.unalias())
        return f"{shown} (as {name})" if name and name.lower() not in shown.lower() else shown

    def _rest(self) -> str:
        """All that follows the columns."""
        tree, text = self.tree, ""
        if self.sources:
            text += f" of {_listed(self.sources)}"
        if where := tree.args.get("where"):
            text += f" where {self.condition(where.this)}"
        if group := tree.args.get("group"):
            _only(group, "expressions")
            text += f", for each {_listed([self._numbered(each) for each in group.expressions])}"
        if having := tree.args.get("having"):
            text += f"; only where {self.condition(having.this)}"
        return text + _order(tree, self)

    def _numbered(self, term: Node) -> str:
        """A column, which GROUP BY and ORDER BY may call by its place."""
        if isinstance(term, exp.Literal) and not term.is_string:
            place = int(term.this)
            if 0 < place <= len(self.tree.expressions):
                term = self.tree.expressions[place - 1].unalias()
        elif isinstance(term, exp.Column) and not term.table:
            aliased = [c for c in self.tree.expressions if isinstance(c, exp.Alias)]
            term = next((c.this for c in aliased if c.alias == term.name), term)
        return self.name(term)

    def _source(self, source: Node) -> str:
        if isinstance(source, exp.Table) and source.name:
            _only(source, "this", "alias", "db", "catalog")
            return str(source.name)
        if isinstance(source, exp.Subquery):
            return f"({_phrase(source)})"
        raise Tangled

    def _joined(self, join: Node) -> str:
        """Rows that belong together by columns need no words; any other condition does."""
        _only(join, "this", "side", "kind", "on", "using")
        side, kind = str(join.args.get("side") or ""), str(join.args.get("kind") or "")
        if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER", "CROSS"):
            raise Tangled
        name = self._source(join.this)
        on = join.args.get("on")
        tests = list(on.flatten()) if isinstance(on, exp.And) else [on] if on else []
        keys = [t for t in tests if isinstance(t, exp.EQ) and _columns_only(t)]
        if len(keys) < len(tests):
            conditions = [self.condition(test) for test in tests if test not in keys]
            name += f" (where {' and '.join(conditions)})"
        return f"{name} (where there are any)" if side else name

    # ------------------------------------------------------------------------------- expressions

    def name(self, node: Node) -> str:
        """A value: a column, a literal, an aggregate, arithmetic."""
        if isinstance(node, exp.Paren):
            return self.name(node.this)
        if isinstance(node, exp.Column):
            return self._column_name(node)
        if isinstance(node, exp.Count):
            return self._counted(node)
        for kind, words in _AGGREGATES.items():
            if isinstance(node, kind):
                _only(node, "this")
                return f"{words} {self._distinct(node.this)}"
        for kind, words in _ARITHMETIC.items():
            if isinstance(node, kind):
                return f"{self.name(node.left)} {words} {self.name(node.right)}"
        if isinstance(node, exp.Subquery):
            return f"({_phrase(node)})"
        return _verbatim(node)

    def _column_name(self, node: exp.Column) -> str:
        if isinstance(node.this, exp.Star):
            return f"everything of {node.table}"
        source = self.aliases.get(node.table.lower())
        if not node.table or (source is not None and len(self.aliases) == 1):
            return str(node.name)
        owner = source.name if isinstance(source, exp.Table) else node.table
        return f"{owner}.{node.name}"

    def _counted(self, node: exp.Count) -> str:
        _only(node, "this", "big_int")
        if isinstance(node.this, exp.Distinct):
            return f"the number of {self._distinct(node.this)}"
        if isinstance(node.this, (exp.Star, exp.Literal)):
            return "the number of rows"
        return f"the number of rows with {self.name(node.this)}"

    def _distinct(self, node: Node) -> str:
        if isinstance(node, exp.Distinct):
            return f"different {_listed([self.name(each) for each in node.expressions])}"
        return self.name(node)

    def condition(self, node: Node) -> str:
        """What must hold."""
        for kind, other, word in ((exp.And, exp.Or, "and"), (exp.Or, exp.And, "or")):
            if isinstance(node, kind):
                return f" {word} ".join(self._part(each, other) for each in node.flatten())
        if isinstance(node, exp.Paren):
            return self.condition(node.this)
        if isinstance(node, exp.Not):
            return self._not(node.this)
        return self._tested(node)

    def _part(self, node: Node, other: Any) -> str:
        inner = node.unnest()
        found = self.condition(inner)
        return f"({found})" if isinstance(inner, other) else found

    def _not(self, node: Node) -> str:
        inner = node.unnest()
        if isinstance(inner, (exp.In, exp.Like, exp.ILike, exp.Between, exp.Is)):
            return self._tested(inner, "not ")
        if isinstance(inner, exp.Exists):
            return f"there is no {_phrase(inner.this)}"
        return f"not ({self.condition(inner)})"

    def _tested(self, node: Node, negated: str = "") -> str:
        if node.args.get("negate"):
            negated = "" if negated else "not "
        for kind, words in _COMPARED.items():
            if isinstance(node, kind):
                if isinstance(node.right, exp.Null):
                    known = bool(negated) != isinstance(node, exp.NEQ)
                    return f"{self.name(node.left)} is {'known' if known else 'not known'}"
                return f"{self.name(node.left)} {words} {negated}{self.name(node.right)}"
        if isinstance(node, exp.Between):
            _only(node, "this", "low", "high", "negate")
            low, high = self.name(node.args["low"]), self.name(node.args["high"])
            return f"{self.name(node.this)} is {negated}between {low} and {high}"
        if isinstance(node, exp.In):
            _only(node, "this", "expressions", "query", "negate")
            return f"{self.name(node.this)} is {negated}{self._among(node)}"
        if isinstance(node, (exp.Like, exp.ILike)):
            return f"{self.name(node.this)} {_like(node.expression, negated)}"
        if isinstance(node, exp.Exists):
            return f"there is {_phrase(node.this)}"
        return _verbatim(node)

    def _among(self, node: exp.In) -> str:
        if query := node.args.get("query"):
            return f"among {_phrase(query)}"
        return f"one of {_listed([self.name(each) for each in node.expressions], 'or')}"


def _columns_only(test: Node) -> bool:
    return isinstance(test.left, exp.Column) and isinstance(test.right, exp.Column)


def _like(pattern: Node, negated: str) -> str:
    """%x% contains, x% begins with, %x ends with."""
    text = pattern.this if isinstance(pattern, exp.Literal) else ""
    inner = text.strip("%")
    does = "does not " if negated else ""
    if not inner or "%" in inner or "_" in inner:
        return f"{'is not' if negated else 'is'} like {_verbatim(pattern)}"
    verbs: dict[tuple[bool, bool], str] = {
        (True, True): "contain",
        (False, True): "begin with",
        (True, False): "end with",
        (False, False): "equal",
    }
    verb = verbs[text.startswith("%"), text.endswith("%")]
    if not negated:
        verb = {"begin with": "begins with", "end with": "ends with"}.get(verb, f"{verb}s")
    return f"{does}{verb} '{inner}'"


def _order(tree: Node, select: _Select | None = None) -> str:
    name: Callable[[Node], str] = select._numbered if select else _verbatim
    text = ""
    if order := tree.args.get("order"):
        keys = [
            f"{name(key.this)}, {'largest' if key.args.get('desc') else 'smallest'} first"
            for key in order.expressions
        ]
        text += f"; sorted by {', then by '.join(keys)}"
    if tree.args.get("offset") and not tree.args.get("limit"):
        raise Tangled
    if limit := tree.args.get("limit"):
        count = _verbatim(limit.args.get("expression") or limit.args.get("count") or limit)
        text += "; the first only" if count == "1" else f"; the first {count} only"
        if offset := tree.args.get("offset"):
            text += f", after {_verbatim(offset.expression)} others"
    return text


def _listed(parts: Sequence[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _verbatim(node: Node) -> str:
    """As it stands in the statement, where that is short."""
    text: str = node.sql(dialect="sqlite", comments=False)
    if len(text) > _LONGEST_PART or node.find(exp.Select):
        raise Tangled
    return text
