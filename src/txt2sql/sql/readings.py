"""Other statements that a question may as well mean, where its words leave open what they name.

"orders by city" does not say whether it is the shop's city or the customer's; "the biggest account", by
what it is measured; "deals in 2024", which of two dates counts; "sales per shop", whether they are
counted or pieces or money are added up. Each reading is one change of the statement that was chosen.

>>> columns = (Column("name"), Column("founded_on", "time"), Column("closed_on", "time"))
>>> schema = Schema("s", (Table("shops", columns),))
>>> readings("shops of 2024", "SELECT name FROM shops WHERE founded_on LIKE '2024%'", schema)
["SELECT name FROM shops WHERE closed_on LIKE '2024%'"]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import name_parts, quote_identifier, stem
from txt2sql.sql.repair import mend
from txt2sql.sql.sources import Node
from txt2sql.types import Column, Schema, Table, ValueMatch

_WORD = re.compile(r"[^\W_]+")
_SIZE = re.compile(r"\b(?:biggest|largest|smallest|greatest|größte[rns]?|kleinste[rns]?)\b", re.I)
_SUCCESS = re.compile(
    r"\b(?:best|worst|top|main|leading|(?:most|least) (?:popular|successful|important|active|valuable)|"
    r"(?:beste|beliebteste|erfolgreichste)[rns]?)\b(?!-)",
    re.I,
)
_BY = re.compile(r"\b(?:by|in terms of|nach)\b", re.I)
_TRADE = re.compile(
    r"\b(?:sales|sold|sells?|selling|used|usage|returns?|returned|consumption|verkauft|verkäufe)\b",
    re.I,
)
_MEASURED = re.compile(
    r"\b(?:numbers? of|counts?|copies|units|pieces|items|shares|value|worth|revenue|turnover|amount|money|"
    r"quantity|per|anzahl|stück|umsatz|wert)\b(?<!sales per)",
    re.I,
)
"""What says how sales are counted; a rate has its own measure."""

# The words of columns, by what adding them up or comparing them says.
_QUANTITY = frozenset("quantity qty unit piece copy volume kwh minute min hour hr".split())
_MONEY = frozenset("amount amt total revenue turnover value net gross paid sum".split())
_RATING = frozenset(("rating", "score", "star", "grade"))
_PRICE = frozenset(("price",))
_PARTS_OF_IT = frozenset("discount tax vat tip shipping target offset tz budget".split())
_DATE = frozenset(("date", "on", "at", "timestamp", "datetime"))
_OF_DATES = _DATE | set("day month year time ts utc valid from to".split())
_LABELS = frozenset(
    "id key no nr number code cd zip postcode phone version name title desc description is has type".split()
)


def readings(
    question: str,
    sql: str,
    schema: Schema,
    matches: Sequence[ValueMatch] = (),
    without: Container[str] = (),
) -> list[str]:
    """Statements that the question may mean beside `sql`, the chosen one, likeliest first; none where its
    words say what is meant. Each may be run; none brings in a table of those `without`.
    """
    try:
        tree: Node = sqlglot.parse_one(sql, dialect="sqlite")
    except SqlglotError:
        return []
    if not isinstance(tree, exp.Select) or len(list(tree.find_all(exp.Select))) > 1:
        return []
    tables = [schema.table(entry.name) for entry in tree.find_all(exp.Table)]
    if not tables or None in tables or len(set(tables)) < len(tables):
        return []
    reader = _Reader(question, tree, schema, matches, without)
    own = tree.sql("sqlite")
    texts = (each if isinstance(each, str) else each.sql("sqlite") for each in reader.all())
    # Tables that a reading needs and does not join are joined by keys.
    mended = [
        mend(text, schema, matches, question).sql for text in dict.fromkeys(texts) if text != own
    ]
    return [each for each in mended if each]


class _Reader:
    """The readings of one statement that names each of its tables once."""

    def __init__(
        self,
        question: str,
        tree: Node,
        schema: Schema,
        matches: Sequence[ValueMatch],
        without: Container[str],
    ) -> None:
        self.question, self.matches, self.tree = question, matches, tree
        self.words = frozenset(stem(word) for word in _WORD.findall(question.lower()))
        self.others = [table for table in schema.tables if table.name not in without]
        self.tables: dict[str, Table] = {}
        for entry in tree.find_all(exp.Table):
            if table := schema.table(entry.name):
                self.tables[entry.alias_or_name.lower()] = table
        self.labels = {table.name: label for label, table in self.tables.items()}
        by_name = {table.name: table for table in self.others}
        self.references = [
            (by_name[key.table], by_name[key.referenced_table])
            for key in schema.foreign_keys
            if {key.table, key.referenced_table} <= by_name.keys()
        ]
        """Pairs of tables, the first of which has a key to the second."""
        self.keys = {(k.table, k.column) for k in schema.foreign_keys}
        self.keys |= {(k.referenced_table, k.referenced_column) for k in schema.foreign_keys}

    def all(self) -> Iterator[Node | str]:
        yield from self.by_another_date()
        yield from self.of_another_column()
        order = self.tree.args.get("order")
        if order and self.tree.args.get("limit"):
            yield from self.all_of_the_first(order.expressions[0])
            yield from self.by_another_measure(order.expressions[0])
        yield from self.of_another_amount()

    def said(self, name: str) -> frozenset[str]:
        """The words of a name that the question says."""
        return self.words.intersection(map(stem, name_parts(name)))

    def owner(self, node: Node) -> tuple[Table, Column] | None:
        """The table of a column of the statement, and that column."""
        tables = [self.tables.get(node.table.lower())] if node.table else self.tables.values()
        for table in tables:
            if table is not None and (column := table.column(node.name)):
                return table, column
        return None

    def text(self, table: Table, column: Column) -> str:
        label = self.labels.get(table.name, table.name)
        return f"{quote_identifier(label)}.{quote_identifier(column.name)}"

    def columns(self) -> list[tuple[Table, Column]]:
        """The columns of the statement outside of its joins."""
        nodes = [n for n in self.tree.find_all(exp.Column) if not n.find_ancestor(exp.Join)]
        return [each for each in dict.fromkeys(map(self.owner, nodes)) if each is not None]

    # ------------------------------------------------------------------------- another column

    def replaced(self, old: tuple[Table, Column], table: Table, column: Column) -> Node:
        """The statement with another column in the place of one."""
        tree = self.tree.copy()
        alone = list(self.tables.values()) == [table]
        for each in list(tree.find_all(exp.Column)):
            owner = self.owner(each)
            if owner is None or (alone and owner != old):
                continue
            owner = (table, column) if owner == old else owner
            text = quote_identifier(column.name) if alone else self.text(*owner)
            each.replace(sqlglot.parse_one(text, dialect="sqlite"))
        return tree

    def by_another_date(self) -> Iterator[Node]:
        """The other dates of a table, where the question does not say which one it asks for."""
        dates = [each for each in self.columns() if _is_date(each[1])]
        where = self.tree.args.get("where")
        if len(dates) != 1 or self.says_when(dates[0][1]):
            return
        if where and len({n.name for n in where.find_all(exp.Column)}) > 1:
            return  # the state that is asked for tells its date
        table = dates[0][0]
        for column in table.columns:
            if column != dates[0][1] and _is_date(column):
                yield self.replaced(dates[0], table, column)

    def says_when(self, column: Column) -> bool:
        """Whether the question says what sets a date apart, as "opened" does `opened_at`."""
        own = set(map(stem, name_parts(column.name))) - _OF_DATES
        return any(word[:4] == said[:4] for word in own for said in self.words)

    def of_another_column(self) -> Iterator[Node]:
        """Columns of other tables that a word or a value of the question names as well."""
        columns = self.columns()
        averages = self.tree.find(exp.Avg) is not None
        for table, own in columns:
            said = self.said(own.name) - _LABELS - _OF_DATES
            spans = {m.span for m in self.matches if (m.table, m.column) == (table.name, own.name)}
            if own.primary_key or _is_date(own) or (table.name, own.name) in self.keys:
                continue
            alone = averages and columns == [(table, own)]
            for other in self.others:
                below = averages and (other, table) in self.references
                beside = any((each, other) in self.references for each in self.tables.values())
                if other is table or not (alone or below or (beside and not self.said(table.name))):
                    continue
                for column in other.columns:
                    cell = (other.name, column.name)
                    same_value = any(
                        (m.table, m.column) == cell and m.span in spans for m in self.matches
                    )
                    same_word = said and said == self.said(column.name)
                    if column.type != own.type or cell in self.keys:
                        continue
                    if alone and same_word:
                        yield f"SELECT AVG({quote_identifier(column.name)}) FROM {quote_identifier(other.name)}"
                    elif same_word or same_value:
                        yield self.replaced((table, own), other, column)

    # ------------------------------------------------------------------------ another measure

    def of_another_amount(self) -> Iterator[Node]:
        """Sales that are counted, or added up in pieces or in money."""
        aggregates = list(self.tree.find_all(exp.Count, exp.Sum))
        if (
            len(aggregates) != 1
            or not _TRADE.search(self.question)
            or _MEASURED.search(self.question)
        ):
            return
        old, how_many = aggregates[0], "how many" in self.question.lower()
        summed = old.find(exp.Column) if isinstance(old, exp.Sum) else None
        if summed is not None and (how_many or self.said(summed.name)):
            return
        if isinstance(old.parent, exp.Binary):  # a rate
            return
        for table in self.tables.values():
            if any((other, table) in self.references for other in self.tables.values()):
                continue
            for value in self.totals(table):
                tree = self.tree.copy()
                for each in list(tree.find_all(type(old))):
                    if each == old:
                        each.replace(sqlglot.parse_one(value, dialect="sqlite"))
                yield tree

    def totals(self, table: Table) -> list[str]:
        """What of the rows of a table adds up: pieces, money, ratings, or the rows themselves."""

        def first(words: frozenset[str], *tables: Table) -> str | None:
            options = [
                (bool(parts & _PARTS_OF_IT), "net" not in parts, self.text(each, column))
                for each in tables
                for column in each.columns
                for parts in [{stem(part) for part in name_parts(column.name)}]
                if column.type == "number" and parts & words and not parts & _LABELS
            ]
            best = min(options, key=lambda each: each[:2], default=None)
            return best[2] if best and not best[0] else None

        quantity, money = first(_QUANTITY, table), first(_MONEY, table)
        price = first(_PRICE, table, *(other for each, other in self.references if each is table))
        rating = first(_RATING, table)
        if quantity and price and not money:
            money = f"{quantity} * {price}"
        sums = [quantity and f"SUM({quantity})", money and f"SUM({money})"]
        return [each for each in (*sums, rating and f"AVG({rating})", "COUNT(*)") if each]

    def all_of_the_first(self, ordered: Node) -> Iterator[Node]:
        """All that share the first place."""
        key, limit = ordered.this, self.tree.args["limit"]
        if not isinstance(key, exp.Column) or len(self.tables) > 1 or limit.expression.name != "1":
            return
        tree = self.tree.copy()
        best = exp.select((exp.Max if ordered.args.get("desc") else exp.Min)(this=key.copy()))
        best.set("from_", tree.args["from_"].copy())
        best.set("where", tree.args.get("where") and tree.args["where"].copy())
        tree.set("order", None)
        tree.set("limit", None)
        yield tree.where(exp.EQ(this=key.copy(), expression=best.subquery()))

    def by_another_measure(self, ordered: Node) -> Iterator[str]:
        """The first by other measures: its own numbers, what refers to it counted or added up."""
        size, success = _SIZE.search(self.question), _SUCCESS.search(self.question)
        measure = ordered.this.find(exp.Column)
        items = [self.owner(n) for n in self.tree.expressions if isinstance(n, exp.Column)]
        if not (size or success) or _BY.search(self.question) or self.tree.args.get("where"):
            return
        if measure is not None and self.said(measure.name):
            return
        shown = [item for item in items if item is not None]
        if not shown or len(shown) < len(self.tree.expressions):
            return
        entity, name = shown[0]
        labels = {*_LABELS, *map(stem, name_parts(entity.name))}
        is_label = not labels.isdisjoint(map(stem, name_parts(name.name)))
        key = next((c for c in entity.columns if c.primary_key), name) if is_label else name
        select = f"SELECT {', '.join(self.full(*each) for each in shown)} FROM"
        end = f"{'DESC' if ordered.args.get('desc') else 'ASC'} {self.tree.args['limit'].sql('sqlite').strip()}"
        numbers = [
            (column, set(map(stem, name_parts(column.name))))
            for column in entity.columns
            if is_label and column.type == "number" and (entity.name, column.name) not in self.keys
        ]
        # Its size may be any number of its own; its success is told by few.
        own = [
            f"{select} {quote_identifier(entity.name)} ORDER BY {self.full(entity, column)} {end}"
            for column, words in numbers
            if not words & (_LABELS | _OF_DATES)
            and (size or words & (_QUANTITY | _MONEY | _RATING))
        ]
        central = Counter(table.name for pair in self.references for table in pair)
        children = [t for t, other in self.references if other is entity is not t]
        children = sorted(dict.fromkeys(children), key=lambda table: -central[table.name])
        below = [t for t, other in self.references if other in children and t not in children]
        self.labels = {}
        counted, added = [], []
        for table in dict.fromkeys([*children, *below]):
            for value in self.totals(table):
                text = f"{select} {quote_identifier(table.name)} GROUP BY {self.full(entity, key)} ORDER BY {value} {end}"
                if value != "COUNT(*)":
                    added.append(text)
                elif table in children:
                    counted.append(text)
        yield from [*own[:1], *counted[:2], *own[1:], *added] if size else [*added, *counted, *own]

    @staticmethod
    def full(table: Table, column: Column) -> str:
        return f"{quote_identifier(table.name)}.{quote_identifier(column.name)}"


def _is_date(column: Column) -> bool:
    return column.type == "time" or not _DATE.isdisjoint(name_parts(column.name))
