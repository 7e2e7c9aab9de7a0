"""Spider's SQL subset as the official evaluator reads it: grammar, hardness, exact set match, execution.

Field's names: Spider SQL parser, hardness, exact set match (Yu et al., "Spider", EMNLP 2018). The parser
accepts and rejects what the official one does, oddities included: aliases hold for the whole query, a table
may be aliased only with AS, `<>` and IS NULL are unknown, what follows a complete query is ignored.
Literals are compared nowhere but in queries inside FROM; DISTINCT goes, and foreign keys become the column
that stands for them, in the outermost query and its set operations only.

>>> schema = SpiderSchema({"singer": ("name", "age")})
>>> query = parse("SELECT T1.Name FROM singer AS T1 WHERE T1.Age > 20 ORDER BY T1.Age", schema)
>>> query.select[0].expression.left.id, query.tables, query.where[0].operator, level(query)
('singer.name', ('singer',), '>', 'medium')
>>> parse("SELECT name FROM singer s", schema) is None
True
>>> as_executed("SELECT DISTINCT a FROM t WHERE b > = 1", keep_distinct=False)
'SELECT  a FROM t WHERE b >= 1'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count
from typing import Any, NamedTuple, TypeAlias

from txt2sql.errors import DataError


class Column(NamedTuple):
    """`aggregate(DISTINCT id)`; `id` is "table.column", or "*"."""

    aggregate: str
    id: str
    distinct: bool


class Expression(NamedTuple):
    """One column, or two with an arithmetic operator between them."""

    operator: str
    left: Column
    right: Column | None


class Item(NamedTuple):
    """What SELECT lists: `aggregate(expression)`."""

    aggregate: str
    expression: Expression


class Condition(NamedTuple):
    """`expression [NOT] operator value`, and for BETWEEN `AND upper`."""

    negated: bool
    operator: str
    expression: Expression
    value: Value
    upper: Value


class Query(NamedTuple):
    """A query as read. Lists of conditions hold conditions and, between them, "and" or "or"; `direction` is ""
    without ORDER BY, and the last ASC or DESC holds for all of its expressions.
    """

    distinct: bool
    select: tuple[Item, ...]
    tables: tuple[str | Query, ...]
    on: Conditions
    where: Conditions
    group: tuple[Column, ...]
    having: Conditions
    direction: str
    order: tuple[Expression, ...]
    limit: bool
    branches: tuple[Query | None, ...]
    """Other side of INTERSECT, UNION and EXCEPT."""


Value: TypeAlias = "Column | Query | str | float | None"
Conditions: TypeAlias = tuple[Condition | str, ...]


class SpiderSchema:
    """Tables and columns in lower case; `keys` maps a column of a foreign key to the one that stands for it."""

    def __init__(
        self, tables: Mapping[str, tuple[str, ...]], keys: Mapping[str, str] | None = None
    ) -> None:
        self.tables = {
            name.lower(): frozenset(map(str.lower, columns)) for name, columns in tables.items()
        }
        self.keys = dict(keys or {})
        columns = (f"{table}.{column}" for table, own in self.tables.items() for column in own)
        self.ids = frozenset(["*", *self.tables, *columns])


_QUOTED = re.compile('"[^"]*"')

# The evaluator cuts SQL with an English word tokeniser: `age = 3` is three tokens, `age=3` is one and cannot
# be read, `age>3` is three again. These are the rules of the Penn Treebank tokeniser (Marcus et al. 1993),
# and those of Punkt (Kiss and Strunk 2006) for where a sentence, and with it a full stop, ends.
# White space, and the characters that stand alone; words with single dots and dashes inside.
_CUT = r"\s;@#$%&?!*()\[\]{}<>«»“”„‘’\u2012-\u2015`"
_INNER = rf"(?:\.(?!\.)|-(?!-))[^{_CUT}.-]*"
_TOKEN = re.compile(rf"[^{_CUT}.-]+(?:{_INNER})*|(?:{_INNER})+|`+|--|\.\.+|\S")

# A comma or colon stands alone unless a digit follows, of two in a row the second stays with what comes
# after it, and some English words are two.
_COMMA = re.compile(r"([,:])(\D|$)")
_CONTRACTION = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)"
    rf"|(wan)(na)(?=$|[{_CUT}]|--|\.\.))\b"
)

# A full stop before white space or one of these characters may end a sentence; then it stands alone.
# Not so after a number when a small letter follows, nor after a single letter when any does.
_STOP = re.compile(r"\.[\s)\";}\]*:@({\[!?«»‘’“”]")
_RUN = re.compile(r"(\S+)(?=\s*(\S?))")
_END = re.compile(r"[.?!](?=$|[)\";}\]*:@({\[!?«»‘’“”])")
_NUMBER_OR_INITIAL = re.compile(r"(?:^|[^\w.,-])(?:-?[.,]?\d[\d,.-]*|([^\W\d_]))$")
_CLOSERS = ")]}>»”’ "


def tokenise(sql: str) -> list[str] | None:
    """Lower-case tokens, quoted text as it stands between double quotes; None: a quote is open.

    Linear in the text.
    """
    quoted: dict[str, str] = {}
    text = sql.replace("'", '"')
    if '"' in text:
        if text.count('"') % 2:
            return None

        def hide(match: re.Match[str]) -> str:
            # The word that stands for quoted text holds its place, as Spider's does: glued to
            # something else it is never put back, and two of them differ.
            mark = f"__val_{match.start()}_{match.end() - 1}__"
            quoted[mark] = match.group()
            return mark

        text = _QUOTED.sub(hide, text)
    if "." in text:
        text = _split_stops(text)
    text = _COMMA.sub(r" \1 \2", text.lower())
    text = _CONTRACTION.sub(lambda match: f" {' '.join(filter(None, match.groups()))} ", text)
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        if token == "=" and tokens and tokens[-1] in ("!", ">", "<"):
            tokens[-1] += "="
        else:
            tokens.append(quoted.get(token, token))
    return tokens


def _split_stops(text: str) -> str:
    bare = text.rstrip().rstrip(_CLOSERS)
    if bare.endswith(".") and not bare.endswith(".."):
        text = f"{bare[:-1]} . {text[len(bare) :]}"
    if _STOP.search(text):
        text = _RUN.sub(_split_stop, text)
    return text


def _split_stop(run: re.Match[str]) -> str:
    """Set apart the last full stop of a run without white space, where a sentence ends there."""
    text, following = run.groups()
    ends = [match.start() for match in _END.finditer(text)]
    if not (ends and following) and ends[-1:] == [len(text) - 1]:
        ends.pop()
    if not ends or text[ends[-1]] != "." or text[: ends[-1]][-1:] in ("", "."):
        return text
    before, after = text[: ends[-1]], text[ends[-1] + 1 :]
    following = after[:1] or following
    short = _NUMBER_OR_INITIAL.search(before)
    if short and (
        following in ";:,.!?" or (following.isalpha() if short[1] else following.islower())
    ):
        return text
    return f"{before} . {after}"


MAX_DEPTH = 100
"""Deepest nesting of queries that is read."""

_AGGREGATES = {"none": "", **{name: name for name in ("max", "min", "count", "sum", "avg")}}
_ARITHMETIC = {"none": "", **{sign: sign for sign in "-+*/"}}
_COMPARISONS = frozenset("not between = > < >= <= != in like is exists".split())
_SET_OPERATORS = ("intersect", "union", "except")

# "" is the mark at the end of the tokens.
_CLAUSES = frozenset(["select", "from", "where", "group", "order", "limit", *_SET_OPERATORS, ""])
_SOURCES_END = _CLAUSES | {")", ";"}
_CONDITIONS_END = _SOURCES_END | {"join", "on", "as"}
_VALUE_END = _CLAUSES | {"join", "on", "as", ",", ")", "and"}


def parse(sql: str, schema: SpiderSchema) -> Query | None:
    """The query, or None when it is not in the subset or names what the schema lacks."""
    tokens = tokenise(sql)
    if not tokens:
        return None
    try:
        return _Reader(tokens, schema).query()
    except (KeyError, ValueError, IndexError):  # an unknown name, another grammar, beyond the end
        return None


class _Reader:
    """Recursive descent over tokens; `at` is the next one. Methods are named for what they read."""

    def __init__(self, tokens: list[str], schema: SpiderSchema) -> None:
        self.schema = schema
        self.names = _names(tokens, schema)
        self.tokens = [*tokens, ""]
        self.at = 0
        self.depth = 0

    def take(self, token: str) -> bool:
        matches = self.tokens[self.at] == token
        self.at += matches
        return matches

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise ValueError

    def word(self, words: Mapping[str, str]) -> str | None:
        meaning = words.get(self.tokens[self.at])
        self.at += meaning is not None
        return meaning

    def query(self) -> Query:
        # FROM is read first, since it says which tables SELECT may name.
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError
        tokens = self.tokens
        block = self.take("(")
        self.expect("select")
        start = self.at
        self.at = tokens.index("from", start) + 1
        tables, on, own = self.sources()
        after, self.at = self.at, start
        distinct = self.take("distinct")
        select = self.items(own)
        self.at = after
        where = self.conditions(own) if self.take("where") else ()
        group = self.group(own) if self.take("group") else ()
        having = self.conditions(own) if self.take("having") else ()
        direction, order = self.order(own) if self.take("order") else ("", ())
        limit = self.take("limit")
        if limit:  # by whatever comes next
            if not tokens[self.at]:
                raise ValueError
            self.at += 1
        while self.take(";"):
            pass
        if block:
            self.expect(")")
        while self.take(";"):
            pass
        branches = tuple([self.query() if self.take(word) else None for word in _SET_OPERATORS])
        self.depth -= 1
        clauses = (distinct, select, tables, on, where, group, having, direction, order, limit)
        return Query(*clauses, branches)

    def sources(self) -> tuple[tuple[str | Query, ...], Conditions, list[str]]:
        tokens = self.tokens
        tables: list[str | Query] = []
        own: list[str] = []
        on: list[Condition | str] = []
        while tokens[self.at]:
            block = self.take("(")
            if tokens[self.at] == "select":
                tables.append(self.query())
            else:
                self.take("join")
                table = self.names[tokens[self.at]]
                if table not in self.schema.ids:
                    raise ValueError
                self.at += 3 if tokens[self.at + 1] == "as" else 1
                tables.append(table)
                own.append(table)
            if self.take("on"):
                if on:
                    on.append("and")
                on += self.conditions(own)
            if block:
                self.expect(")")
            if tokens[self.at] in _SOURCES_END:
                break
        return tuple(tables), tuple(on), own

    def items(self, own: list[str]) -> tuple[Item, ...]:
        items = []
        while self.tokens[self.at] not in _CLAUSES:
            items.append(Item(self.word(_AGGREGATES) or "", self.expression(own)))
            self.take(",")  # which may be missing
        return tuple(items)

    def expression(self, own: list[str]) -> Expression:
        block = self.take("(")
        left = self.column(own)
        operator = self.word(_ARITHMETIC)
        right = self.column(own) if operator is not None else None
        if block:
            self.expect(")")
        return Expression(operator or "", left, right)

    def column(self, own: list[str]) -> Column:
        """A parenthesis before an aggregate is never closed."""
        block = self.take("(")
        aggregate = self.word(_AGGREGATES)
        if aggregate is not None:
            self.expect("(")
        distinct = self.take("distinct")
        column = self.column_id(own)
        if block or aggregate is not None:
            self.expect(")")
        return Column(aggregate or "", column, distinct)

    def column_id(self, own: list[str]) -> str:
        """Without a table, a column is of the first table in FROM that has one of that name."""
        token = self.tokens[self.at]
        self.at += 1
        if token == "*":
            return token
        if "." in token:
            table, name = token.split(".")
            column = f"{self.names[table]}.{name}"
            if column in self.schema.ids:
                return column
            raise ValueError
        for table in own:
            if token in self.schema.tables[table]:
                return f"{table}.{token}"
        raise ValueError

    def conditions(self, own: list[str]) -> Conditions:
        """One flat list; AND and OR may be missing, and do not bind differently."""
        tokens = self.tokens
        listed: list[Condition | str] = []
        while tokens[self.at]:
            expression = self.expression(own)
            negated = self.take("not")
            operator = tokens[self.at]
            if operator not in _COMPARISONS:
                raise ValueError
            self.at += 1
            value, upper = self.value(own), None
            if operator == "between":
                self.expect("and")
                upper = self.value(own)
            listed.append(Condition(negated, operator, expression, value, upper))
            token = tokens[self.at]
            if token in _CONDITIONS_END:
                break
            if token in ("and", "or"):
                listed.append(token)
                self.at += 1
        return tuple(listed)

    def value(self, own: list[str]) -> Value:
        """A query, quoted text, a number or a column; after a column all is skipped up to a keyword."""
        tokens, start = self.tokens, self.at
        block = self.take("(")
        token = tokens[self.at]
        value: Value
        if token == "select":
            value = self.query()
        elif '"' in token:
            value = token
            self.at += 1
        else:
            try:
                value = float(token)
                self.at += 1
            except ValueError:
                end = next(i for i in count(start) if tokens[i] in _VALUE_END)
                distinct = self.take("distinct")
                value = Column("", self.column_id(own), distinct)
                if block or self.at > end:
                    raise ValueError from None
                self.at = end
        if block:
            self.expect(")")
        return value

    def group(self, own: list[str]) -> tuple[Column, ...]:
        self.expect("by")
        columns = []
        while self.tokens[self.at] not in _SOURCES_END:
            columns.append(self.column(own))
            if not self.take(","):
                break
        return tuple(columns)

    def order(self, own: list[str]) -> tuple[str, tuple[Expression, ...]]:
        self.expect("by")
        direction = "asc"
        expressions = []
        while self.tokens[self.at] not in _SOURCES_END:
            expressions.append(self.expression(own))
            direction = self.word({"asc": "asc", "desc": "desc"}) or direction
            if not self.take(","):
                break
        return direction, tuple(expressions)


def _names(tokens: list[str], schema: SpiderSchema) -> dict[str, str]:
    """Table names, and every `X as Y` of the whole text: the last Y wins, none may be a table."""
    names = {table: table for table in schema.tables}
    at = -1
    for _ in range(tokens.count("as")):
        at = tokens.index("as", at + 1)
        alias = tokens[at + 1]
        if alias in schema.tables:
            raise ValueError
        names[alias] = tokens[at - 1]
    return names


LEVELS = ("easy", "medium", "hard", "extra")


def level(query: Query) -> str:
    """The hardness of a gold query, one of LEVELS."""
    conditions, connectors = _conditions(query)
    clauses = (
        sum(map(bool, (query.where, query.group, query.direction, query.limit)))
        + max(len(query.tables) - 1, 0)
        + connectors.count("or")
        + sum(condition.operator == "like" for condition in conditions)
    )
    # Queries compared with, and the other side of a set operation; those in FROM do not count.
    values = [value for each in conditions for value in (each.value, each.upper)]
    nested = sum(isinstance(part, Query) for part in chain(values, query.branches))
    lists = _lists(query)
    if nested == 0:
        if clauses <= 1 and lists == 0:
            return "easy"
        if (clauses <= 1 and lists <= 2) or (clauses <= 2 and lists <= 1):
            return "medium"
        if (clauses <= 2 and lists > 2) or (clauses == 3 and lists <= 2):
            return "hard"
    return "hard" if nested == 1 and clauses <= 1 and lists == 0 else "extra"


def _conditions(query: Query) -> tuple[list[Condition], list[Condition | str]]:
    """Of ON, WHERE and HAVING: the conditions, at the even places of the lists, and what stands at the odd
    ones, "and" and "or" unless one is missing.
    """
    lists = (query.on, query.where, query.having)
    even = [each for listed in lists for each in listed[::2] if not isinstance(each, str)]
    return even, [each for listed in lists for each in listed[1::2]]


def _lists(query: Query) -> int:
    """How many of these are more than one: aggregates, and what SELECT, WHERE and GROUP BY list."""
    # The official count of aggregates takes NOT, and each AND or OR in HAVING, for one.
    aggregates = chain(
        (item.aggregate for item in query.select),
        (not isinstance(each, str) and each.negated for each in query.where[::2]),
        (column.aggregate for column in query.group),
        (each.left.aggregate for each in query.order),
        (each.right.aggregate for each in query.order if each.right),
        (isinstance(each, str) or each.negated for each in query.having),
    )
    counts = (sum(map(bool, aggregates)), len(query.select), len(query.where), len(query.group))
    return sum(count > 1 for count in counts)


class Form(NamedTuple):
    """What is compared of a query: `where` holds conditions only, `connectors` what stands between them,
    `group` ids.
    """

    select: tuple[Item, ...]
    tables: tuple[str | Query, ...]
    where: Conditions
    connectors: frozenset[Condition | str]
    group: tuple[str, ...]
    having: Conditions
    order: tuple[str, tuple[Expression, ...]]
    limit: bool
    keywords: frozenset[str]
    branches: tuple[Form | None, ...]


EMPTY = Form((), (), (), frozenset(), (), (), ("", ()), False, frozenset(), (None, None, None))
"""What an unreadable prediction is compared as."""


def normalise(
    query: Query, keys: Mapping[str, str], tables: frozenset[str | Query] | None = None
) -> Form:
    """What is compared of a query; `tables` are those of the outermost FROM, whose keys are rewritten."""
    if tables is None:
        tables = frozenset(query.tables)

    def column(given: Column) -> Column:
        rewritten = given.id in keys and given.id.partition(".")[0] in tables
        return Column(given.aggregate, keys[given.id] if rewritten else given.id, False)

    def expression(given: Expression) -> Expression:
        return Expression(given.operator, column(given.left), given.right and column(given.right))

    where = _blank_conditions(query.where, expression)
    return Form(
        select=tuple([Item(item.aggregate, expression(item.expression)) for item in query.select]),
        tables=query.tables,
        where=where[::2],
        connectors=frozenset(where[1::2]),
        group=tuple([column(each).id for each in query.group]),
        having=_blank_conditions(query.having, expression),
        order=(query.direction, tuple([expression(each) for each in query.order])),
        limit=query.limit,
        keywords=_keywords(query),
        branches=tuple([branch and normalise(branch, keys, tables) for branch in query.branches]),
    )


def _keywords(query: Query) -> frozenset[str]:
    conditions, connectors = _conditions(query)
    occurring = {
        query.direction: query.direction,
        "order": query.direction,
        "where": query.where,
        "group": query.group,
        "having": query.having,
        "limit": query.limit,
        **dict(zip(_SET_OPERATORS, query.branches, strict=True)),
        "or": "or" in connectors,
        "not": any(condition.negated for condition in conditions),
    }
    operators = {condition.operator for condition in conditions} & {"in", "like"}
    return frozenset([*operators, *(word for word, there in occurring.items() if there)])


def _blank(value: Value) -> Query | None:
    if not isinstance(value, Query):
        return None
    return value._replace(
        on=_blank_conditions(value.on),
        where=_blank_conditions(value.where),
        having=_blank_conditions(value.having),
        branches=tuple(map(_blank, value.branches)),
    )


def _blank_conditions(
    given: Conditions, expression: Callable[[Expression], Expression] = lambda each: each
) -> Conditions:
    """Only even places are conditions to the official evaluator, even where a connector is missing."""
    parts = list(given)
    for place, each in enumerate(parts):
        if place % 2 == 0 and not isinstance(each, str):
            left, values = expression(each.expression), (_blank(each.value), _blank(each.upper))
            parts[place] = Condition(each.negated, each.operator, left, *values)
    return tuple(parts)


def key_map(entry: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Column -> the column that stands for it, from an item of tables.json; None where there is none.

    >>> key_map({"table_names_original": ["a", "b"], "foreign_keys": [[2, 1]],
    ...          "column_names_original": [[-1, "*"], [0, "id"], [1, "a_id"]]})
    {'a.id': 'a.id', 'b.a_id': 'a.id'}
    """
    if entry is None:
        return None
    try:
        tables = [str(name).lower() for name in entry["table_names_original"]]
        columns = [
            f"{tables[at]}.{name.lower()}" if at >= 0 else "*"
            for at, name in entry["column_names_original"]
        ]
        pairs = [(int(source), int(target)) for source, target in entry.get("foreign_keys", [])]
        return group_keys(columns, pairs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"tables.json describes '{entry.get('db_id')}' in another way than Spider's ({error!r}); "
            "mend the item or remove tables.json to use the keys in the database"
        ) from error


def group_keys(columns: Sequence[str], pairs: Iterable[tuple[int, int]]) -> dict[str, str]:
    """Foreign keys as groups of columns; the first column of each stands for all. A pair joins the first group
    that has either of its columns; groups that meet later stay apart, as in the official evaluator.
    """
    groups: list[set[int]] = []
    for pair in pairs:
        group = next((group for group in groups if not group.isdisjoint(pair)), None)
        if group is None:
            groups.append(group := set())
        group.update(pair)
    return {columns[at]: columns[min(group)] for group in groups for at in sorted(group)}


_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
# Strings (a backslash escapes there, as in sqlparse), quoted names and comments keep their text.
_PIECE = re.compile(
    r"""'(?:''|\\.|[^'\\])*'|"(?:""|\\.|[^"\\])*"|`[^`]*`|\[[^\]\[]*\]"""
    r"""|--[^\r\n]*|/\*.*?\*/|;|\w+""",
    re.DOTALL,
)


def prediction(sql: str) -> str:
    """The predicted text as the evaluator reads it, to which every `value` is a placeholder."""
    return sql.replace("value", "1")


@lru_cache(maxsize=8192)
def as_executed(sql: str, keep_distinct: bool) -> str:
    """The text that the evaluator runs: `> =` mended, without DISTINCT (and with that, without all statements
    but the first) unless told to keep it.
    """
    sql = sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")
    lowered = sql.lower()
    if not keep_distinct and ("distinct" in lowered or ";" in sql):
        sql = _first_without_distinct(sql)
    return _YEAR.sub("2020", sql) if "curdate" in lowered else sql


def _first_without_distinct(sql: str) -> str:
    end = next((piece.end() for piece in _PIECE.finditer(sql) if piece[0] == ";"), len(sql))
    return _PIECE.sub(lambda piece: "" if piece[0].lower() == "distinct" else piece[0], sql[:end])


def is_ordered(gold_sql: str) -> bool:
    """Whether row order counts, as the evaluator decides it: `order by` with one space, anywhere."""
    return "order by" in gold_sql.lower()
