"""An intermediate representation (IR) of SQL for small models, as SemQL and NatSQL are.

Tables, columns and values are the numbered symbols of a compact prompt (`types.Links`), so a model
points at them instead of spelling them; joins along a foreign key need no condition; every token is
set off by one space. `encode` turns gold SQL into IR for training, `decode` turns IR into SQL.

    SELECT count(*) FROM singer JOIN band ON singer.band_id = band.id WHERE band.name = 'Abba'
    select count ( * ) from [t0] join [t1] where [c4] = [v0]

`decode` also adds a table that owns a used column and was left out of FROM, along foreign keys.
Not expressible, so not learnable this way: CASE, CAST, window functions, CTEs, functions other than
the five aggregates, and columns of a subquery in FROM.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from txt2sql.types import Links, Schema

AGGREGATES = ("count", "sum", "avg", "min", "max")
_ALIASES = ("a", "b", "c", "d", "e", "f")
_KEYWORDS = frozenset(
    "select distinct from join on where and or not in like between group by having order asc desc "
    "limit union intersect except all is null exists as".split()
) | frozenset(AGGREGATES)
_SYMBOL = re.compile(r"\[([tcv])(\d+)\]$")
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_CLAUSES = ("where", "group", "having", "order", "limit", "union", "intersect", "except")
_RESERVED = _KEYWORDS | frozenset(
    "add alter case cast check collate commit create cross current_date current_time current_timestamp "
    "default delete drop else end escape foreign from full index inner insert into isnull left "
    "natural notnull offset outer primary references right rollback set table then to "
    "transaction trigger unique update using values when with".split()
)


Spelling = Callable[[str, str, str], str]


class Unsupported(ValueError):
    """This SQL has no form in the intermediate representation."""


def quote_identifier(name: str) -> str:
    """A name as SQLite reads it: bare when that is safe, else double-quoted."""
    if _PLAIN.match(name) and name.lower() not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def join_condition(
    schema: Schema, joined: str, earlier: Sequence[str]
) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """The condition an IR join without one stands for: the first foreign key between the table and
    an earlier one (the latest first), as ((table, column), (table, column)) with the earlier first.
    """
    for table in reversed(earlier):
        for key in schema.foreign_keys:
            ends = ((key.table, key.column), (key.referenced_table, key.referenced_column))
            if ends[0][0] == table and ends[1][0] == joined:
                return ends
            if ends[1][0] == table and ends[0][0] == joined:
                return ends[1], ends[0]
    return None


def join_path(schema: Schema, sources: Iterable[str], target: str) -> list[str]:
    """Tables to join, in order, to reach `target` from any source along foreign keys; [] if none."""
    neighbours: dict[str, list[str]] = {}
    for key in schema.foreign_keys:
        neighbours.setdefault(key.table, []).append(key.referenced_table)
        neighbours.setdefault(key.referenced_table, []).append(key.table)
    queue = deque([source] for source in sources)
    seen = {path[0] for path in queue}
    while queue:
        path = queue.popleft()
        if path[-1] == target:
            return path[1:]
        for following in neighbours.get(path[-1], ()):
            if following not in seen:
                seen.add(following)
                queue.append([*path, following])
    return []


# --------------------------------------------------------------------------------------- encoding


def encode(sql: str, schema: Schema, links: Links) -> str:
    """The IR of a gold query. Raises Unsupported when it has none under these links."""
    import sqlglot
    from sqlglot import errors

    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except (errors.SqlglotError, RecursionError) as error:
        raise Unsupported(f"cannot parse: {sql}") from error
    return " ".join(_Encoder(schema, links).query(tree, ()))


@dataclass(frozen=True, slots=True)
class _Source:
    """One table of a FROM clause: its real name, how the SQL calls it, its IR alias or ''."""

    table: str
    name: str
    alias: str


class _Encoder:
    """Walks a sqlglot tree; `scopes` is the stack of FROM clauses in sight, innermost first."""

    def __init__(self, schema: Schema, links: Links) -> None:
        self.schema = schema
        self.tables = {name: f"[t{i}]" for i, name in enumerate(links.tables)}
        self.columns = {pair: f"[c{i}]" for i, pair in enumerate(links.columns)}
        self.values = {value: f"[v{i}]" for i, value in reversed(list(enumerate(links.values)))}
        self.folded = {
            value.lower(): f"[v{i}]" for i, value in reversed(list(enumerate(links.values)))
        }
        self.outputs: dict[str, object] = {}

    def query(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

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

    def select(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

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
            items = []
            for item in order.expressions:
                if items:
                    items.append(",")
                items += self.expression(item.this, inner)
                items.append("desc" if item.args.get("desc") else "asc")
            words += ["order", "by", *items]
        if limit := node.args.get("limit"):
            words += ["limit", *self.expression(limit.expression, inner)]
        return words

    def from_clause(
        self, node: object, scopes: tuple[tuple[_Source, ...], ...]
    ) -> tuple[list[str], tuple[_Source, ...]]:
        from sqlglot import expressions as exp

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
        if repeated and len(names) > len(_ALIASES):
            raise Unsupported("too many aliases")
        sources = tuple(
            _Source(name, item.alias_or_name.lower(), _ALIASES[i] if repeated else "")
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

    def implied(self, condition: object, sources: tuple[_Source, ...]) -> bool:
        from sqlglot import expressions as exp

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

    def resolve(
        self, node: object, scopes: tuple[tuple[_Source, ...], ...]
    ) -> tuple[str, str, str]:
        """(alias, table, column) of a column reference, innermost scope first."""
        from sqlglot import expressions as exp

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

    def listed(self, nodes: Sequence[object], scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        words: list[str] = []
        for node in nodes:
            if words:
                words.append(",")
            words += self.expression(node, scopes)
        return words

    def expression(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

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

    def column(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

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

    def star(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

        if isinstance(node, exp.Column) and node.table:
            for source in scopes[0]:
                if node.table.lower() == source.name:
                    return [source.alias or self.tables[source.table], ".", "*"]
        return ["*"]

    def negation(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

        words = self.expression(node, scopes)
        if isinstance(node, exp.Is):
            return [*words[:-1], "not", "null"]
        if isinstance(node, (exp.In, exp.Like, exp.Between)):
            operand = len(self.expression(node.this, scopes))
            return [*words[:operand], "not", *words[operand:]]
        raise Unsupported("not")

    def membership(self, node: object, scopes: tuple[tuple[_Source, ...], ...]) -> list[str]:
        from sqlglot import expressions as exp

        assert isinstance(node, exp.In)
        words = [*self.expression(node.this, scopes), "in", "("]
        if query := node.args.get("query"):
            return [*words, *self.query(query, scopes), ")"]
        return [*words, *self.listed(node.expressions, scopes), ")"]

    def literal(self, text: str, is_string: bool) -> list[str]:
        symbol = self.values.get(text) or self.folded.get(text.lower())
        if symbol is not None:
            return [symbol]
        if is_string and not _NUMBER.match(text):
            return ["'", text.lower(), "'"]
        return [text]

    def pattern(self, text: str) -> list[str]:
        core = text.strip("%")
        if not core or "%" in core:
            raise Unsupported(f"pattern {text}")
        before, after = text.startswith("%"), text.endswith("%")
        return ["%"] * before + self.literal(core, True) + ["%"] * after


# --------------------------------------------------------------------------------------- decoding


@dataclass(slots=True)
class _Scope:
    """One SELECT while decoding: the aliased tables of its FROM and the tables its columns need."""

    parent: _Scope | None
    sources: list[tuple[str, str]] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    derived: bool = False

    def sees(self, table: str) -> bool:
        own = any(name == table for name, _ in self.sources)
        return own or (self.parent is not None and self.parent.sees(table))

    @property
    def qualified(self) -> bool:
        scope: _Scope | None = self
        while scope is not None:
            if len(scope.sources) > 1:
                return True
            scope = scope.parent
        return False


def decode(text: str, schema: Schema, links: Links, spell: Spelling | None = None) -> str | None:
    """SQL for an IR text, or None when it is not well-formed or points outside the links.

    `spell(table, column, text)` gives a literal the case and form that the column stores.
    """
    words = text.split()
    try:
        scope_of = _scopes(words, links)
        _complete(words, scope_of, schema)
        return _spaced(_Writer(words, scope_of, schema, links, spell).write())
    except (_Malformed, IndexError):
        return None


class _Malformed(ValueError):
    """The IR text is not well-formed."""


def _symbol(word: str, links: Links) -> tuple[str, int] | None:
    match = _SYMBOL.match(word)
    if match is None:
        return None
    kind, index = match[1], int(match[2])
    known = {"t": links.tables, "c": links.columns, "v": links.values}[kind]
    if index >= len(known):
        raise _Malformed(word)
    return kind, index


def _scopes(words: Sequence[str], links: Links) -> list[_Scope]:
    """The scope of every word; fills each scope's sources and needed tables."""
    if not words or words[0] != "select":
        raise _Malformed("no select")
    scope_of: list[_Scope] = []
    stack: list[_Scope | None] = []
    scope: _Scope | None = None
    parent: _Scope | None = None
    for i, word in enumerate(words):
        if word == "(":
            stack.append(scope)
            if i + 1 < len(words) and words[i + 1] == "select":
                parent, outer = scope, scope
                if words[i - 1] == "from" and outer is not None:
                    outer.derived = True
        elif word == ")":
            if not stack:
                raise _Malformed("unbalanced")
            scope = stack.pop()
            parent = scope.parent if scope else None
        elif word == "select":
            scope = _Scope(parent)
        if scope is None:
            raise _Malformed("outside select")
        scope_of.append(scope)
        symbol = _symbol(word, links)
        if symbol is None:
            continue
        kind, index = symbol
        if kind == "t" and words[i - 1] in ("from", "join"):
            aliased = words[i + 1 : i + 2] == ["as"] and i + 2 < len(words)
            scope.sources.append((links.tables[index], words[i + 2] if aliased else ""))
        elif kind == "c" and words[i - 1] != ".":
            scope.needed.append(links.columns[index][0])
    if stack:
        raise _Malformed("unbalanced")
    return scope_of


def _complete(words: Sequence[str], scope_of: Sequence[_Scope], schema: Schema) -> None:
    """Add to each FROM, along foreign keys, the tables whose columns it uses but does not list."""
    for scope in {id(scope): scope for scope in scope_of}.values():
        for table in dict.fromkeys(scope.needed):
            if scope.derived or scope.sees(table):
                continue
            for step in join_path(schema, [name for name, _ in scope.sources], table):
                scope.sources.append((step, ""))


class _Writer:
    """Second pass over the words: replaces symbols by names, now that every scope is known."""

    def __init__(
        self,
        words: Sequence[str],
        scope_of: Sequence[_Scope],
        schema: Schema,
        links: Links,
        spell: Spelling | None,
    ) -> None:
        self.words, self.scope_of, self.schema, self.links = words, scope_of, schema, links
        self.spell = spell

    def write(self) -> list[str]:
        out: list[str] = []
        i = 0
        while i < len(self.words):
            word, scope = self.words[i], self.scope_of[i]
            if word == "from" and self.words[i + 1] != "(":
                i, clause = self.from_clause(i, scope)
                out += clause
                continue
            if word == "'":
                end = self.words.index("'", i + 1) if "'" in self.words[i + 1 :] else -1
                if end < 0:
                    raise _Malformed("open literal")
                out.append(self.string(i, " ".join(self.words[i + 1 : end])))
                i = end + 1
                continue
            if word == "like":
                i, pattern = self.pattern(i + 1)
                out += ["LIKE", pattern]
                continue
            out += self.word(i)
            i += 1
        return out

    def from_clause(self, i: int, scope: _Scope) -> tuple[int, list[str]]:
        """The FROM clause from its keyword on, every join with its condition."""
        out: list[str] = []
        for position, (table, alias) in enumerate(scope.sources):
            out.append("JOIN" if position else "FROM")
            out.append(quote_identifier(table))
            if alias:
                out += ["AS", alias]
            explicit = self._explicit_condition(i, position)
            if explicit:
                out += ["ON", *explicit]
            elif position and not alias:
                earlier = [name for name, _ in scope.sources[:position]]
                key = join_condition(self.schema, table, earlier)
                if key is not None:
                    out += ["ON", _qualified(*key[0]), "=", _qualified(*key[1])]
        i += 1
        while i < len(self.words) and not (
            self.words[i] in _CLAUSES or (self.words[i] == ")" and self.scope_of[i] is not scope)
        ):
            i += 1
        return i, out

    def _explicit_condition(self, start: int, position: int) -> list[str]:
        """The words of the ON that the IR gives the source at this position, written out."""
        i, seen = start, -1
        scope = self.scope_of[start]
        out: list[str] = []
        while i < len(self.words) and self.words[i] not in _CLAUSES:
            if self.scope_of[i] is not scope:
                break
            if self.words[i] in ("from", "join"):
                seen += 1
            elif seen == position and out == [] and self.words[i] == "on":
                i += 1
                while i < len(self.words) and self.words[i] not in (*_CLAUSES, "join"):
                    if self.words[i] == ")" and self.scope_of[i] is not scope:
                        return out
                    out += self.word(i)
                    i += 1
                return out
            i += 1
        return out

    def word(self, i: int) -> list[str]:
        word, scope = self.words[i], self.scope_of[i]
        symbol = _symbol(word, self.links)
        if symbol is None:
            if word == "=" and self.words[i - 1] in ("!", "<", ">"):
                return []
            if word in ("!", "<", ">") and self.words[i + 1 : i + 2] == ["="]:
                return [word + "="]
            return [word.upper() if word in _KEYWORDS and word not in AGGREGATES else word]
        kind, index = symbol
        if kind == "t":
            return [quote_identifier(self.links.tables[index])]
        if kind == "c":
            table, column = self.links.columns[index]
            dotted = self.words[i - 1] == "." or not (scope.qualified and scope.sees(table))
            return [quote_identifier(column) if dotted else _qualified(table, column)]
        return [self.value(i, self.links.values[index])]

    def value(self, i: int, text: str) -> str:
        if _NUMBER.match(text):
            column = self._compared(i)
            described = self.schema.table(column[0]) if column else None
            found = described.column(column[1]) if column and described else None
            if found is None or found.type != "text":
                return text
        return self.string(i, text)

    def string(self, i: int, text: str) -> str:
        """A string literal at word i, as the column it is compared with spells it."""
        column = self._compared(i)
        if self.spell and column and not _NUMBER.match(text):
            text = self.spell(*column, text)
        return _string(text)

    def _compared(self, i: int) -> tuple[str, str] | None:
        """The column that the value at word i is compared with, when that is plain to see."""
        for word in reversed(self.words[max(0, i - 12) : i]):
            symbol = _symbol(word, self.links)
            if symbol and symbol[0] == "c":
                return self.links.columns[symbol[1]]
            if word in ("where", "or", "having", "limit", *AGGREGATES):
                return None
        return None

    def pattern(self, i: int) -> tuple[int, str]:
        before = after = ""
        if self.words[i] == "%":
            before, i = "%", i + 1
        if self.words[i] == "'":
            end = self.words.index("'", i + 1) if "'" in self.words[i + 1 :] else -1
            if end < 0:
                raise _Malformed("open literal")
            core, i = " ".join(self.words[i + 1 : end]), end + 1
        else:
            symbol = _symbol(self.words[i], self.links)
            core = self.links.values[symbol[1]] if symbol and symbol[0] == "v" else self.words[i]
            i += 1
        if i < len(self.words) and self.words[i] == "%":
            after, i = "%", i + 1
        return i, _string(before + core + after)


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _qualified(table: str, column: str) -> str:
    return f"{quote_identifier(table)}.{quote_identifier(column)}"


def _spaced(words: Sequence[str]) -> str:
    """Words joined the way people space SQL: `count(*)`, `a, b`, `T.c`."""
    text = ""
    for before, word in zip(["", *words], words):
        tight = word in (")", ",", ".") or before in ("", "(", ".")
        text += word if tight or (word == "(" and before in AGGREGATES) else " " + word
    return text
