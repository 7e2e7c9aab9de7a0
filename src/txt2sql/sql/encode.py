"""Gold SQL -> the intermediate representation, for training.

A walk over sqlglot's tree that resolves every alias and unqualified column against the schema.

>>> encode("SELECT count(*) FROM singer", schema, links)  # doctest: +SKIP
'select count ( * ) from [t0]'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import errors
from sqlglot import expressions as exp

from txt2sql.sql.intermediate import (
    AGGREGATES,
    ALIASES,
    Template,
    Unsupported,
    join_condition,
    spell_literal,
    whole_links,
)
from txt2sql.types import Links, Schema

_Scopes = tuple[tuple["_Source", ...], ...]
"""The FROM clauses in sight, the innermost first."""


def encode(sql: str, schema: Schema, links: Links) -> str:
    """The IR of a gold query. Raises Unsupported when it has none under these links."""
    return " ".join(_Encoder(schema, links).query(_parsed(sql), ()))


def encode_template(sql: str, schema: Schema) -> Template:
    """The IR with every name and literal a symbol, to be filled in for any prompt without parsing
    again. Raises Unsupported.
    """
    literals: dict[tuple[str, bool], None] = {}
    encoder = _Encoder(schema, whole_links(schema), literals)
    return Template(" ".join(encoder.query(_parsed(sql), ())), tuple(literals))


def _parsed(sql: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(sql, read="sqlite")
    except (errors.SqlglotError, RecursionError) as error:
        raise Unsupported(f"cannot parse: {sql}") from error


@dataclass(frozen=True, slots=True)
class _Source:
    """One table of a FROM clause: its real name, how the SQL calls it, its IR alias or ''."""

    table: str
    name: str
    alias: str


class _Encoder:
    """Walks a sqlglot tree; `scopes` is the stack of FROM clauses in sight, innermost first.

    Given `literals`, it notes every literal there and writes its number instead.
    """

    def __init__(
        self, schema: Schema, links: Links, literals: dict[tuple[str, bool], None] | None = None
    ) -> None:
        self.schema, self.links, self.literals = schema, links, literals
        self.tables = {name: f"[t{i}]" for i, name in enumerate(links.tables)}
        self.columns = {pair: f"[c{i}]" for i, pair in enumerate(links.columns)}
        self.outputs: dict[str, exp.Expr] = {}

    def query(self, node: exp.Expr, scopes: _Scopes) -> list[str]:

        if isinstance(node, exp.Subquery):
            node = node.unnest()
        if isinstance(node, (exp.Union, exp.Intersect, exp.Except)):
            name = type(node).__name__.lower()
            words = [name, "all"] if name == "union" and not node.args.get("distinct") else [name]
            if any(node.args.get(part) for part in ("order", "limit", "with_", "with")):
                raise Unsupported("ordered set operation")
            return self.query(node.this, scopes) + words + self.query(node.expression, scopes)
        if not isinstance(node, exp.Select):
            raise Unsupported(f"not a select: {type(node).__name__}")
        return self.select(node, scopes)

    def select(self, node: exp.Expr, scopes: _Scopes) -> list[str]:
        assert isinstance(node, exp.Select)
        known = {"kind", "expressions", "distinct", "from_", "from", "joins", "where", "group"}
        known |= {"having", "order", "limit", "hint", "laterals"}
        extra = [key for key, value in node.args.items() if value and key not in known]
        if extra:
            raise Unsupported(f"clause {extra[0]}")
        from_words, sources = self.from_clause(node, scopes)
        inner = (sources, *scopes)
        words = ["select"]
        if node.args.get("distinct"):
            words.append("distinct")
        self.outputs = {
            e.alias.lower(): e.this for e in node.expressions if isinstance(e, exp.Alias)
        }
        outputs = self.outputs
        words += self.listed(node.expressions, inner) + from_words
        if where := node.args.get("where"):
            words += ["where", *self.expression(where.this, inner)]
        if group := node.args.get("group"):
            words += ["group", "by", *self.listed(group.expressions, inner)]
        if having := node.args.get("having"):
            self.outputs = outputs
            words += ["having", *self.expression(having.this, inner)]
        if order := node.args.get("order"):
            self.outputs = outputs
            items: list[str] = []
            for item in order.expressions:
                if items:
                    items.append(",")
                items += self.expression(item.this, inner)
                items.append("desc" if item.args.get("desc") else "asc")
            words += ["order", "by", *items]
        if limit := node.args.get("limit"):
            words += ["limit", *self.expression(limit.expression, inner)]
        return words

    def from_clause(self, node: exp.Expr, scopes: _Scopes) -> tuple[list[str], tuple[_Source, ...]]:
        assert isinstance(node, exp.Select)
        clause = node.args.get("from_") or node.args.get("from")
        if clause is None:
            raise Unsupported("no from")
        if isinstance(clause.this, exp.Subquery):
            if node.args.get("joins"):
                raise Unsupported("join with a subquery")
            inner = self.query(clause.this, scopes)
            return ["from", "(", *inner, ")"], ()
        joins = node.args.get("joins") or []
        nodes = [clause.this, *(join.this for join in joins)]
        if not all(isinstance(item, exp.Table) for item in nodes):
            raise Unsupported("join with a subquery")
        names = [self.table(item.name) for item in nodes]
        repeated = len(set(names)) < len(names)
        if repeated and len(names) > len(ALIASES):
            raise Unsupported("too many aliases")
        sources = tuple(
            _Source(name, item.alias_or_name.lower(), ALIASES[i] if repeated else "")
            for i, (name, item) in enumerate(zip(names, nodes))
        )
        words = ["from", *self.source(sources[0])]
        for i, join in enumerate(joins, start=1):
            if join.args.get("side") or join.args.get("using") or join.args.get("method"):
                raise Unsupported("outer, using or natural join")
            words += ["join", *self.source(sources[i])]
            condition = join.args.get("on")
            if condition is None:
                if repeated or join_condition(self.schema, names[i], names[:i]) is not None:
                    raise Unsupported("cross join")
                continue
            if repeated or not self.implied(condition, sources[: i + 1]):
                words += ["on", *self.expression(condition, (sources, *scopes))]
        return words, sources

    def implied(self, condition: exp.Expr, sources: tuple[_Source, ...]) -> bool:

        names = [source.table for source in sources]
        key = join_condition(self.schema, names[-1], names[:-1])
        if key is None or not isinstance(condition, exp.EQ):
            return False
        sides = (condition.left, condition.right)
        if not all(isinstance(side, exp.Column) for side in sides):
            return False
        return {self.resolve(side, (sources,))[1:] for side in sides} == set(key)

    def source(self, source: _Source) -> list[str]:
        symbol = self.tables.get(source.table)
        if symbol is None:
            raise Unsupported(f"table {source.table} is not in the prompt")
        return [symbol, "as", source.alias] if source.alias else [symbol]

    def table(self, name: str) -> str:
        table = self.schema.table(name)
        if table is None:
            raise Unsupported(f"no table {name}")
        return table.name

    def resolve(self, node: exp.Expr, scopes: _Scopes) -> tuple[str, str, str]:
        """(alias, table, column) of a column reference, innermost scope first."""
        assert isinstance(node, exp.Column)
        qualifier = node.table.lower()
        for sources in scopes:
            for source in sources:
                if qualifier and qualifier not in (source.name, source.table.lower()):
                    continue
                table = self.schema.table(source.table)
                column = table.column(node.name) if table else None
                if column is not None:
                    return source.alias, source.table, column.name
        raise Unsupported(f"no column {node.sql()}")

    def listed(self, nodes: Sequence[exp.Expr], scopes: _Scopes) -> list[str]:
        words: list[str] = []
        for node in nodes:
            if words:
                words.append(",")
            words += self.expression(node, scopes)
        return words

    def expression(self, node: exp.Expr, scopes: _Scopes) -> list[str]:
        binary = {
            exp.EQ: "=", exp.NEQ: "! =", exp.GT: ">", exp.LT: "<", exp.GTE: "> =", exp.LTE: "< =",
            exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.And: "and", exp.Or: "or",
        }  # fmt: skip
        go = self.expression
        if isinstance(node, exp.Alias):
            return go(node.this, scopes)
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            return self.column(node, scopes)
        if isinstance(node, exp.Star) or (
            isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
        ):
            return self.star(node, scopes)
        if isinstance(node, exp.Literal):
            return self.literal(node.this, node.is_string)
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            return self.literal("-" + node.this.this, False)
        if type(node) in binary:
            assert isinstance(node, exp.Binary)
            return [*go(node.left, scopes), *binary[type(node)].split(), *go(node.right, scopes)]
        if isinstance(node, exp.Paren):
            return ["(", *go(node.this, scopes), ")"]
        if isinstance(node, exp.AggFunc) and node.key in AGGREGATES and not node.expressions:
            return [node.key, "(", *go(node.this, scopes), ")"]
        if isinstance(node, exp.Distinct) and len(node.expressions) == 1:
            return ["distinct", *go(node.expressions[0], scopes)]
        if isinstance(node, exp.Between):
            low, high = node.args["low"], node.args["high"]
            return [*go(node.this, scopes), "between", *go(low, scopes), "and", *go(high, scopes)]
        if isinstance(node, exp.Not):
            return self.negation(node.this, scopes)
        if isinstance(node, exp.In):
            return self.membership(node, scopes)
        if isinstance(node, exp.Like) and isinstance(node.expression, (exp.Literal, exp.Column)):
            words = ["not", "like"] if node.args.get("negate") else ["like"]
            return [*go(node.this, scopes), *words, *self.pattern(node.expression.name)]
        if isinstance(node, exp.Boolean):
            return ["1" if node.this else "0"]
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return [*go(node.this, scopes), "is", "null"]
        if isinstance(node, exp.Subquery):
            return ["(", *self.query(node, scopes), ")"]
        raise Unsupported(f"expression {type(node).__name__}")

    def column(self, node: exp.Expr, scopes: _Scopes) -> list[str]:
        assert isinstance(node, exp.Column)
        try:
            alias, table, column = self.resolve(node, scopes)
        except Unsupported:
            # SQLite reads "Abba" as a string when no column has that name.
            if node.this.args.get("quoted") and not node.table:
                return self.literal(node.name, True)
            if not node.table and node.name.lower() in self.outputs:
                return self.expression(self.outputs.pop(node.name.lower()), scopes)
            raise
        symbol = self.columns.get((table, column))
        if symbol is None:
            raise Unsupported(f"column {table}.{column} is not in the prompt")
        return [alias, ".", symbol] if alias else [symbol]

    def star(self, node: exp.Expr, scopes: _Scopes) -> list[str]:

        if isinstance(node, exp.Column) and node.table:
            for source in scopes[0]:
                if node.table.lower() == source.name:
                    return [source.alias or self.tables[source.table], ".", "*"]
        return ["*"]

    def negation(self, node: exp.Expr, scopes: _Scopes) -> list[str]:

        words = self.expression(node, scopes)
        if isinstance(node, exp.Is):
            return [*words[:-1], "not", "null"]
        if isinstance(node, (exp.In, exp.Like, exp.Between)):
            operand = len(self.expression(node.this, scopes))
            return [*words[:operand], "not", *words[operand:]]
        raise Unsupported("not")

    def membership(self, node: exp.Expr, scopes: _Scopes) -> list[str]:
        assert isinstance(node, exp.In)
        words = [*self.expression(node.this, scopes), "in", "("]
        if query := node.args.get("query"):
            return [*words, *self.query(query, scopes), ")"]
        return [*words, *self.listed(node.expressions, scopes), ")"]

    def literal(self, text: str, is_string: bool) -> list[str]:
        if self.literals is None:
            return spell_literal(text, is_string, self.links.values).split(" ")
        self.literals.setdefault((text, is_string))
        return [f"[v{list(self.literals).index((text, is_string))}]"]

    def pattern(self, text: str) -> list[str]:
        core = text.strip("%")
        if not core or "%" in core:
            raise Unsupported(f"pattern {text}")
        before, after = text.startswith("%"), text.endswith("%")
        return ["%"] * before + self.literal(core, True) + ["%"] * after
