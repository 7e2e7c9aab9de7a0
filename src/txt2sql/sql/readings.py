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
from collections.abc import Container, Iterable, Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from txt2sql.identifiers import name_parts, quote_identifier, stem
from txt2sql.sql.date_formats import column_format
from txt2sql.sql.repair import mend
from txt2sql.sql.sources import Node
from txt2sql.sql.stored_texts import folded
from txt2sql.types import Column, Schema, Table, ValueMatch

_WORD = re.compile(r"[^\W_]+")
_SIZE = re.compile(r"\b(?:biggest|largest|smallest|greatest|größte[rns]?|kleinste[rns]?)\b", re.I)
_SUPERLATIVE = re.compile(
    r"\b(?:best|worst|top|main|leading|\w{3,}est|(?:most|least) (\w+)|"
    r"(?:beste|beliebteste|erfolgreichste|aktivste)[rns]?)\b(?!-)",
    re.I,
)
_TOLD = re.compile(
    r"\b(?:highest|lowest|oldest|youngest|newest|latest|earliest|longest|shortest|cheapest|dearest|heaviest|"
    r"lightest|tallest|deepest|fastest|slowest|nearest|closest|fewest|interest|request|guest|forest|west|test|"
    r"latest|(?:most|least) (?:of|recent\w*|expensive|often|frequent\w*|common\w*)|by|in terms of|nach)\b",
    re.I,
)
"""What says itself by what something is the first."""
_TRADE = re.compile(
    r"\b(?:how much|sales|sold|sells?|selling|used|usage|returns?|returned|consumption|verkauft|verkäufe|wie viel)\b",
    re.I,
)
_COUNTED = re.compile(
    r"\b(?:numbers? of|counts?|how (?:many|often)|anzahl|wie (?:viele|oft))\b", re.I
)
_MEASURED = re.compile(
    r"\b(?:numbers? of|counts?|copies|units|pieces|items|shares|value|worth|revenue|turnover|amount|money|"
    r"quantity|per|anzahl|stück|umsatz|wert)\b(?<!sales per)",
    re.I,
)
"""What says how sales are counted; a rate has its own measure."""

# The words of columns, by what adding them up or comparing them says.
_QUANTITY = frozenset(
    "quantity qty unit piece copy volume kwh minute min hour hr weight wt kg litre liter pallet period".split()
)
_MONEY = frozenset("amount amt total revenue turnover value net gross paid sum fee betrag".split())
_BILLED = frozenset("amount amt total sum fee betrag".split())
_RATING = frozenset(("rating", "score", "star", "grade", "mark", "severity"))
_PRICE = frozenset(("price",))
_PARTS_OF_IT = frozenset(
    "discount tax vat tip shipping target offset tz budget limit dose cost received".split()
)
_DATE = frozenset(("date", "on", "at", "timestamp", "datetime", "dt", "datum"))
_OF_DATES = _DATE | set("day month year yr time ts utc valid from to jahr".split())
_LABELS = frozenset(
    "id key no nr nm number code cd zip postcode phone version name title desc description is has type".split()
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
        self.referenced = {(k.table, k.column): k.referenced_table for k in schema.foreign_keys}
        self.keys = {(k.table, k.column) for k in schema.foreign_keys}
        self.keys |= {(k.referenced_table, k.referenced_column) for k in schema.foreign_keys}

    def all(self) -> Iterator[Node | str]:
        yield from self.in_any_case()
        yield from self.by_another_date()
        yield from self.by_another_key()
        yield from self.of_another_column()
        yield from self.of_another_table()
        yield from self.of_a_sibling()
        yield from self.of_all()
        order = self.tree.args.get("order")
        if order and self.tree.args.get("limit"):
            yield from self.all_of_the_first(order.expressions[0])
            yield from self.by_another_measure(order.expressions[0])
        yield from self.of_another_amount()

    def stated(self, name: str) -> frozenset[str]:
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

    def in_any_case(self) -> Iterator[Node]:
        """One name for "Yoga" and "yoga ", where a column has both."""
        tree, changed = self.tree.copy(), False
        for node in list(tree.find_all(exp.Column)):
            owner, parent = self.owner(node), node.parent
            if owner is None or not owner[1].cells.varied:
                continue
            names = [each for each in parent.iter_expressions() if each is not node]
            compared = isinstance(parent, (exp.EQ, exp.NEQ, exp.In)) and parent.this is node
            if compared and all(isinstance(n, exp.Literal) and n.is_string for n in names):
                for name in names:
                    name.replace(exp.Literal.string(folded(name.name)))
            elif not tree.args.get("group") or node.find_ancestor(exp.AggFunc, exp.Join):
                continue
            node.replace(sqlglot.parse_one(f"LOWER(TRIM({node.sql('sqlite')}))", dialect="sqlite"))
            changed = True
        if changed:
            yield tree

    def by_another_date(self) -> Iterator[Node]:
        """The other dates of a table, where the question does not say which one it asks for."""
        where, group = self.tree.args.get("where"), self.tree.args.get("group")
        used = {node.name for part in (where, group) if part for node in part.find_all(exp.Column)}
        dates = [each for each in self.columns() if _is_date(each[1]) and each[1].name in used]
        if len(dates) != 1 or self.says_when(dates[0][1]):
            return
        if {"from", "to", "start", "end", "until"} & set(name_parts(dates[0][1].name)):
            return  # of a span
        if where and (where.find(exp.Is) or len({n.name for n in where.find_all(exp.Column)}) > 1):
            return  # the state that is asked for tells its date
        table = dates[0][0]
        for column in table.columns:
            if column != dates[0][1] and _is_date(column):
                yield self.replaced(dates[0], table, column)

    def says_when(self, column: Column) -> bool:
        """Whether the question says what sets a date apart, as "opened" does `opened_at`."""
        return self.hints_at(set(name_parts(column.name)) - _OF_DATES)

    def hints_at(self, parts: Iterable[str], but: Container[str] = ()) -> bool:
        """Whether the question has a word that begins as one of these, and not as one of `but`."""
        beginnings = {stem(part)[:4] for part in parts if part[:4] not in but}
        return any(word[:4] in beginnings for word in self.words)

    def of_another_column(self) -> Iterator[Node]:
        """Columns of other tables that a word or a value of the question names as well."""
        columns = self.columns()
        averages = self.tree.find(exp.Avg) is not None
        for table, own in columns:
            words = self.stated(own.name) - _LABELS - _OF_DATES
            spans = {m.span for m in self.matches if (m.table, m.column) == (table.name, own.name)}
            if own.primary_key or _is_date(own) or (table.name, own.name) in self.keys:
                continue
            alone = averages and columns == [(table, own)]
            for other in self.others:
                below = averages and (other, table) in self.references
                beside = any((each, other) in self.references for each in self.tables.values())
                if other is table or not (
                    alone or below or (beside and not self.stated(table.name))
                ):
                    continue
                for column in other.columns:
                    cell = (other.name, column.name)
                    same_value = any(
                        (m.table, m.column) == cell and m.span in spans for m in self.matches
                    )
                    same_word = words and words == self.stated(column.name)
                    if column.type != own.type or cell in self.keys:
                        continue
                    if alone and same_word:
                        yield f"SELECT AVG({quote_identifier(column.name)}) FROM {quote_identifier(other.name)}"
                    elif same_word or same_value:
                        yield self.replaced((table, own), other, column)

    def by_another_key(self) -> Iterator[Node]:
        """Joined by the other key between two tables: shipments from a depot, shipments to it."""
        for join in self.tree.args.get("joins") or ():
            condition = join.args.get("on")
            if not isinstance(condition, exp.EQ):
                continue
            for side in (condition.this, condition.expression):
                owner = self.owner(side) if isinstance(side, exp.Column) else None
                if owner is None or (owner[0].name, owner[1].name) not in self.referenced:
                    continue
                to = self.referenced.get((owner[0].name, owner[1].name))
                for column in owner[0].columns:
                    if (
                        column is owner[1]
                        or self.referenced.get((owner[0].name, column.name)) != to
                    ):
                        continue
                    apart = set(name_parts(owner[1].name)) - set(name_parts(column.name))
                    if not self.hints_at(apart):
                        yield self.replaced(owner, owner[0], column)

    def of_another_table(self) -> Iterator[Node]:
        """The same of another table that holds what is compared, where none is named: all called Hansen."""
        columns = self.columns()
        tables = list(self.tables.values())
        if len(tables) > 1 or self.stated(tables[0].name) or not self.tree.args.get("where"):
            return
        for other in self.others:
            cells = [(m.table, m.column) for m in self.matches if m.table == other.name]
            if other in tables or not all(other.column(own.name) for _, own in columns):
                continue
            if any((other.name, own.name) in cells for _, own in columns):
                tree = self.tree.copy()
                tree.find(exp.Table).replace(
                    exp.to_table(quote_identifier(other.name), dialect="sqlite")
                )
                yield tree

    def of_a_sibling(self) -> Iterator[Node]:
        """The sum or average of another column in the same unit: what was claimed, what was paid."""
        aggregates = list(self.tree.find_all(exp.Sum, exp.Avg))
        if len(aggregates) != 1 or not isinstance(aggregates[0].this, exp.Column):
            return
        owner = self.owner(aggregates[0].this)
        if owner is None:
            return
        table, own = owner
        parts = [stem(part) for part in name_parts(own.name)]
        if self.hints_at(parts, {part[:4] for part in name_parts(table.name)}):
            return
        for column in table.columns:
            others = [stem(part) for part in name_parts(column.name)]
            alike = column is not own and column.type == "number" and len(others) == len(parts) > 1
            if alike and others[-1] == parts[-1] and not set(others) & (_LABELS | _PARTS_OF_IT):
                yield self.replaced(owner, table, column)

    def of_all(self) -> Iterator[str]:
        """So many per one, with those that have none: appointments per doctor, of all doctors."""
        ratio = self.tree.find(exp.Div)
        counted = ratio.expression if ratio else None
        if not isinstance(counted, exp.Count) or not isinstance(counted.this, exp.Distinct):
            return
        owner = self.owner(counted.this.expressions[0])
        key = (owner[0].name, owner[1].name) if owner else ("", "")
        if referenced := self.referenced.get(key):
            text, old = self.tree.sql("sqlite"), counted.sql("sqlite")
            yield text.replace(old, f"(SELECT COUNT(*) FROM {quote_identifier(referenced)})")

    # ------------------------------------------------------------------------ another measure

    def of_another_amount(self) -> Iterator[Node]:
        """Sales that are counted, or added up in pieces or in money."""
        aggregates = list(self.tree.find_all(exp.Count, exp.Sum))
        if len(aggregates) != 1 or isinstance(aggregates[0].parent, exp.Binary):  # a rate
            return
        old, how_many = aggregates[0], _COUNTED.search(self.question)
        traded = _TRADE.search(self.question) and not _MEASURED.search(self.question)
        summed = old.find(exp.Column) if isinstance(old, exp.Sum) else None
        if summed is not None and (how_many or self.stated(summed.name)):
            return
        if not traded:
            if not how_many and isinstance(old, exp.Count) and self.tree.args.get("group"):
                yield from self.billed(old)
            return
        for table in self.tables.values():
            if any((other, table) in self.references for other in self.tables.values()):
                continue
            for value in self.totals(table):
                yield self.with_measure(old, value)

    def with_measure(self, old: Node, new: str) -> Node:
        tree = self.tree.copy()
        for each in list(tree.find_all(type(old))):
            if each == old:
                each.replace(sqlglot.parse_one(new, dialect="sqlite"))
        return tree

    def billed(self, old: Node) -> Iterator[Node]:
        """What invoices come to, in the place of how many there are."""
        for table in self.tables.values():
            if self.stated(table.name) and (money := self.first(_BILLED, table)):
                yield self.with_measure(old, f"SUM({money})")

    def first(self, words: frozenset[str], *tables: Table) -> str | None:
        """The first number of tables with one of the words in its name."""
        options = [
            (bool(parts & _PARTS_OF_IT), "net" not in parts, self.text(each, column))
            for each in tables
            for column in each.columns
            for parts in [{stem(part) for part in name_parts(column.name)}]
            if column.type == "number" and parts & words and not parts & _LABELS
        ]
        best = min(options, key=lambda each: each[:2], default=None)
        return best[2] if best and not best[0] else None

    def totals(self, table: Table) -> list[str]:
        """What of the rows of a table adds up: pieces, money, ratings, or the rows themselves."""
        quantity, rating = self.first(_QUANTITY, table), self.first(_RATING, table)
        money = self.first(_MONEY, table)
        parents = [other for each, other in self.references if each is table]
        price = self.first(_PRICE, table) or self.first(_PRICE, *parents)
        if price and not money and quantity:
            money = (
                f"{quantity} * {price}"
                if "unit" in price or not self.first(_PRICE, table)
                else price
            )
        money = money or self.first(_PRICE, table)
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
        size, superlative = _SIZE.search(self.question), _SUPERLATIVE.search(self.question)
        measure = ordered.this.find(exp.Column)
        items = [self.owner(n) for n in self.tree.expressions if isinstance(n, exp.Column)]
        if not superlative or _TOLD.search(self.question) or self.tree.args.get("where"):
            return
        noun = stem((superlative.group(1) or "").lower())  # of "the most orders"
        names = (name for t in self.others for name in (t.name, *(c.name for c in t.columns)))
        if noun in _QUANTITY | _MONEY or any(noun in map(stem, name_parts(name)) for name in names):
            return
        if measure is not None and self.stated(measure.name):
            return
        shown = [item for item in items if item is not None]
        if not shown or len(shown) < len(self.tree.expressions):
            return
        entity, name = shown[0]
        labels = {*_LABELS, *map(stem, name_parts(entity.name))}
        is_label = not labels.isdisjoint(map(stem, name_parts(name.name)))
        key = next((c for c in entity.columns if c.primary_key), name) if is_label else name
        select = f"SELECT {', '.join(self.full(*each) for each in shown)} FROM"
        least = re.search(r"\b(?:smallest|least|worst|kleinste)", self.question, re.I)
        end = f"{'ASC' if least else 'DESC'} {self.tree.args['limit'].sql('sqlite').strip()}"
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
        children += [] if is_label else [entity]
        children = sorted(dict.fromkeys(children), key=lambda table: -central[table.name])
        below = [t for t, other in self.references if other in children and t not in children]
        shown_in = [table for table in self.tables.values() if table is not entity]
        self.labels = {}
        counted, added = [], []
        for table in dict.fromkeys([*children, *below]):
            for value in self.totals(table):
                text = f"{select} {quote_identifier(table.name)} GROUP BY {self.full(entity, key)} ORDER BY {value} {end}"
                if value != "COUNT(*)":
                    added.append(text)
                elif table in children:
                    counted.append(text)
        here = [
            text
            for text in added
            if any(f"FROM {quote_identifier(t.name)} " in text for t in shown_in)
        ]
        added = [*here, *(text for text in added if text not in here)]
        yield from (
            [*own[:1], *counted[:2], *added[:2], *own[1:]] if size else [*added, *counted, *own]
        )

    @staticmethod
    def full(table: Table, column: Column) -> str:
        return f"{quote_identifier(table.name)}.{quote_identifier(column.name)}"


def _is_date(column: Column) -> bool:
    form = column_format(column)
    if column.samples:
        return form is not None and form.kind != "year"
    return column.type == "time" or not _DATE.isdisjoint(name_parts(column.name))
