"""One spelling for expressions that say the same: `3 < x`, `x>3` and `(X > 3.0)` are `(x > 3)`.

Operands of symmetric operators are sorted, comparisons put constants last, numbers are written one
way, BETWEEN is two comparisons, an IN of one literal is an equality, NOT turns a comparison round.
Literals keep their text. Each holds whatever the values are, NULL included.

>>> expression = sqlglot.parse_one("3 < t.x AND t.y IN (2.0, 1)")  # doctest: +SKIP
>>> Spelling(subquery).text(expression, Scope(None))  # doctest: +SKIP
'((t.x > 3) and (t.y in (1, 2)))'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import expressions as exp

from txt2sql.sql.scope import Scope, resolve, string

_MAX_NODES = 20_000
"""In a query with its CTEs written out; real ones have about a hundred."""

_COMPARISONS: dict[type, tuple[str, str, str]] = {  # as it is, with operands swapped, negated
    exp.EQ: ("=", "=", "!="),
    exp.NEQ: ("!=", "!=", "="),
    exp.GT: (">", "<", "<="),
    exp.GTE: (">=", "<=", "<"),
    exp.LT: ("<", ">", ">="),
    exp.LTE: ("<=", ">=", ">"),
}
_SWAPPED = {operator: swapped for operator, swapped, _ in _COMPARISONS.values()}
_SYMMETRIC: dict[type, str] = {exp.And: "and", exp.Or: "or", exp.Add: "+", exp.Mul: "*"}
_OPERATORS: dict[type, str] = {
    **{exp.Sub: "-", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||"},
    **{exp.Is: "is", exp.Like: "like", exp.Glob: "glob"},
}
_LAST = frozenset("'-0123456789\x01")
_QUERIES = (exp.Subquery, exp.Select, exp.Union, exp.Intersect, exp.Except)


class Spelling:
    """Writes expressions; `subquery` writes the queries inside them.

    The texts are made so that two expressions share one only when they say the same: whatever has
    an operator between operands stands in brackets.
    """

    def __init__(self, subquery: Callable[[exp.Expr, Scope], str]) -> None:
        self.subquery = subquery  # its texts open with \x01
        self.nodes = 0

    def text(self, node: exp.Expr, scope: Scope) -> str:
        """An expression as text."""
        self.spend(1)
        kind = type(node)
        if kind is exp.Column:
            return resolve(node, scope)[0]
        if kind in _COMPARISONS:
            return self._comparison(node, scope, _COMPARISONS[kind][0])
        if kind in _SYMMETRIC:
            texts = [text for o in operands(node, kind) for text in self.conjuncts(o, scope)]
            return f"({f' {_SYMMETRIC[kind]} '.join(sorted(texts))})"
        if kind in _OPERATORS:
            left, right = self.text(node.this, scope), self.text(node.expression, scope)
            negation = "not " if node.args.get("negate") else ""
            return f"{negation}({left} {_OPERATORS[kind]} {right})"
        if kind in _QUERIES:
            return self.subquery(node, scope)
        return _WRITERS.get(kind, Spelling._other)(self, node, scope)

    def spend(self, nodes: int) -> None:
        """Count work done; ValueError when it is too much."""
        self.nodes += nodes
        if self.nodes > _MAX_NODES:
            raise ValueError("too large once its CTEs are written out")

    def conjuncts(self, node: exp.Expr, scope: Scope) -> list[str]:
        """An operand of AND as text; BETWEEN is two of them."""
        if type(node) is not exp.Between:
            return [self.text(node, scope)]
        value, low, high = (self.text(node.args[end], scope) for end in ("this", "low", "high"))
        return [compared(value, ">=", low), compared(value, "<=", high)]

    def _comparison(self, node: exp.Expr, scope: Scope, operator: str) -> str:
        return compared(self.text(node.this, scope), operator, self.text(node.expression, scope))

    def _not(self, node: exp.Expr, scope: Scope) -> str:
        inner = node.this.unnest()
        if type(inner) in _COMPARISONS:
            return self._comparison(inner, scope, _COMPARISONS[type(inner)][2])
        return f"not {self.text(inner, scope)}"

    def _between(self, node: exp.Expr, scope: Scope) -> str:
        return f"({' and '.join(sorted(self.conjuncts(node, scope)))})"

    def _in(self, node: exp.Expr, scope: Scope) -> str:
        value, query = self.text(node.this, scope), node.args.get("query")
        if query is not None:
            return f"({value} in {self.text(query, scope)})"
        if not node.expressions:
            return self._other(node, scope)
        listed = sorted({self.text(item, scope) for item in node.expressions})
        if len(listed) == 1:
            return compared(value, "=", listed[0])
        return f"({value} in ({', '.join(listed)}))"

    def _minus(self, node: exp.Expr, scope: Scope) -> str:
        text = self.text(node.this, scope)
        return f"-{text}" if text[0].isdigit() else f"-({text})"

    def _count(self, node: exp.Expr, scope: Scope) -> str:
        if isinstance(node.this, exp.Literal):  # no literal is NULL: every row counts
            return "count(*)"
        return f"count({self.text(node.this, scope)})" if node.this else self._other(node, scope)

    def _distinct(self, node: exp.Expr, scope: Scope) -> str:
        return f"distinct {', '.join(self.text(item, scope) for item in node.expressions)}"

    def _function(self, node: exp.Expr, scope: Scope) -> str:
        arguments = ", ".join(self.text(item, scope) for item in node.expressions)
        return f"{node.name.lower()}({arguments})"

    def _other(self, node: exp.Expr, scope: Scope) -> str:
        """Any other kind of node: its name and what it holds."""
        held = []
        for key, value in node.args.items():
            if value is None or key == "alias" or isinstance(value, bool) or value == []:
                continue
            several = value if isinstance(value, list) else [value]
            text = ", ".join(
                self.text(item, scope) if isinstance(item, exp.Expr) else str(item).lower()
                for item in several
            )
            held.append(text if key in ("this", "expression", "expressions") else f"{key}: {text}")
        return f"{node.key}({', '.join(held)})"


_Writer = Callable[[Spelling, Any, Scope], str]
_WRITERS: dict[type, _Writer] = {
    exp.Paren: lambda spelling, node, scope: spelling.text(node.this, scope),
    exp.Literal: lambda spelling, node, scope: (
        string(node.name) if node.is_string else _number(node.name)
    ),
    exp.Not: Spelling._not,
    exp.Between: Spelling._between,
    exp.In: Spelling._in,
    exp.Neg: Spelling._minus,
    exp.Count: Spelling._count,
    exp.Distinct: Spelling._distinct,
    exp.Anonymous: Spelling._function,
    exp.Star: lambda spelling, node, scope: "*",
    exp.Null: lambda spelling, node, scope: "null",
    exp.Boolean: lambda spelling, node, scope: "1" if node.this else "0",
    exp.Identifier: lambda spelling, node, scope: node.name.lower(),
    exp.Var: lambda spelling, node, scope: node.name.lower(),
}


def operands(node: exp.Expr, kind: type) -> Iterator[exp.Expr]:
    """The operands of a chain of one operator, whatever its parentheses."""
    stack = [node]
    while stack:
        top = stack.pop()
        if type(top) is exp.Paren:
            stack.append(top.this)
        elif type(top) is kind:
            stack += [top.expression, top.this]
        else:
            yield top


def compared(left: str, operator: str, right: str) -> str:
    """A comparison with its operands in a fixed order, constants and subqueries last."""
    if (left[0] in _LAST, left) > (right[0] in _LAST, right):
        left, operator, right = right, _SWAPPED[operator], left
    return f"({left} {operator} {right})"


def _number(text: str) -> str:
    try:
        value = float(text) if any(mark in text for mark in ".eE") else int(text)
    except ValueError:
        return text.lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return repr(value)
