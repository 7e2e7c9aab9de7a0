"""One form for statements that SQLite compiles to the same program, up to the order of columns.

Field's name: canonicalisation of queries, here alpha-equivalence (what tables and columns are called
does not matter) rather than equivalence of meaning. The form is itself SQL: every table has a number
for an alias, every column says whose it is, and what can be said in two ways is said in one. Each
rewriting keeps the plan that SQLite chooses, hence the rows, their order, and which of the equal
ones a LIMIT keeps. Tables, conditions and keys stay in their order, since the plan may follow it.
Names are resolved as in SQLite (resolve.c); whatever is not certainly understood has no form.

>>> canonical("select s.Name AS n, count(*) FROM Singer AS s", {"singer": frozenset({"name"})})
'select count ( * ) , t0.name from singer t0'
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from txt2sql.sql.sqlite_lexer import KEYWORDS, QUOTES, tokenise

_Columns = Mapping[str, frozenset[str]]
_Level = dict[str, tuple[str, frozenset[str]]]
"""Alias of a table in a FROM -> its name in the form, and its columns."""

# Functions that depend on nothing but their arguments, and what may stand between operands.
_FUNCTIONS = (
    "count sum avg min max total abs round length upper lower coalesce ifnull nullif substr"
)
_BETWEEN = "and or not in between like is exists distinct case when then else <= >= != = < > + - * / % || ( ,"
_KEPT = {
    word: word
    for words in (_FUNCTIONS, _BETWEEN, "where group order by having limit offset null desc end )")
    for word in words.split()
} | {"<>": "!=", "==": "="}
_BEFORE_OPERAND = frozenset(_BETWEEN.split()) | {"<>", "=="}
_RESERVED = KEYWORDS.union(_KEPT)
_AFTER_FROM = frozenset(("where", "group", "order", "having", "limit"))
_AFTER_ON = _AFTER_FROM | {"join", "inner", "left", ","}
_NAME = re.compile(r"[a-z_]\w*", re.ASCII)
_SIMPLE = re.compile(r"t\d+\.\w+|(?:count|sum|avg|min|max|total) \( [^()'\"]* \)", re.ASCII)
_AGGREGATE = re.compile(r"(?:count|sum|avg|min|max|total) \( [^()]* \)", re.ASCII)
_PLAIN_LIMIT = re.compile(r"limit \d+(?: (?:,|offset) \d+)?", re.ASCII)
_DIGITS = "0123456789"
_ROW_NUMBERS = ("rowid", "oid", "_rowid_")
_MOST_QUERIES = 50


class _Unclear(Exception):
    """Something that is not certainly understood."""


def canonical(sql: str, columns: _Columns) -> str | None:
    """The form of a statement on a database with these `columns`, or None.

    `columns` has, in small letters, every table's name -> the names of all its columns, generated
    ones too. Two statements of one form give the same rows in the same order, up to one permutation
    of the columns.
    """
    tokens = tokenise(sql)
    if not tokens or tokens[0] != "select":
        return None
    try:
        return _Reader(columns, tokens).form
    except _Unclear:
        return None


class _Reader:
    """Reads one statement."""

    __slots__ = ("aliases", "columns", "form", "queries", "tables", "words")

    def __init__(self, columns: _Columns, tokens: list[str]) -> None:
        self.columns = columns
        self.words = tokens
        self.aliases: set[str] = set()
        self.queries: dict[str, list[str]] = {}
        self.tables = 0
        if tokens.count("select") > 1:
            tokens = self._folded(tokens)
        self.form = self._query(tokens, ())

    def _folded(self, tokens: list[str]) -> list[str]:
        """The outermost query, with a mark for each query in parentheses."""
        stack: list[tuple[list[str], int]] = []
        here: list[str] = []
        depth = 0
        for token in tokens:
            if token == "select" and here and here[-1] == "(":
                stack.append((here, depth))
                here, depth = [], 0
            elif token == "(":
                depth += 1
            elif token == ")":
                depth -= 1
                if depth < 0:
                    if not stack or len(self.queries) == _MOST_QUERIES:
                        raise _Unclear
                    mark = f"#{len(self.queries)}"
                    self.queries[mark] = here
                    here, depth = stack.pop()
                    here.append(mark)
                    depth -= 1
            here.append(token)
        if stack or depth:
            raise _Unclear
        return here

    def _query(self, tokens: list[str], outer: tuple[_Level, ...]) -> str:
        """One SELECT, or several with UNION, INTERSECT or EXCEPT between them."""
        if not ("intersect" in tokens or "except" in tokens or "union" in tokens):
            return self._select(tokens, outer, permute=not outer)
        if "order" in tokens:  # its keys are names of results, not of columns
            raise _Unclear
        parts: list[str] = []
        start = 0
        for i, token in enumerate(tokens):
            if token in ("union", "intersect", "except"):
                parts += self._select(tokens[start:i], outer, permute=False), token
                start = i + 1
            elif token == "all" and i == start:
                parts.append(token)
                start += 1
        parts.append(self._select(tokens[start:], outer, permute=False))
        return " ".join(parts)

    def _select(self, tokens: list[str], outer: tuple[_Level, ...], permute: bool) -> str:
        if tokens[:1] != ["select"] or "from" not in tokens:
            raise _Unclear
        distinct = tokens[1] == "distinct"
        middle = tokens.index("from")
        level: _Level = {}
        levels = (level, *outer)
        source, position = self._from(tokens, middle + 1, level)
        used: dict[str, str] = {}
        items = self._items(tokens[1 + distinct : middle], levels, used)
        rest = tokens[position:]
        ordered = "order" in rest
        if ordered and len(items) > 1 and any(item.endswith("*") for item in items):
            raise _Unclear  # a key may be what * spreads to
        if "asc" in rest:
            rest = _without_asc(rest)
        if permute and not distinct and len(items) > 1 and self._permutable(items, rest):
            items.sort()
        head = "select distinct" if distinct else "select"
        form = f"{head} {' , '.join(items)} from {self._text(source, levels)}"
        if outer and (ordered or "group" in rest):
            # The keys cannot name what belongs to a query around this one.
            levels = (level, *map(_out_of_reach, outer))
        if "limit" in rest and not _PLAIN_LIMIT.fullmatch(" ".join(rest[rest.index("limit") :])):
            raise _Unclear
        return f"{form} {self._text(rest, levels, used)}" if rest else form

    def _from(self, tokens: list[str], position: int, level: _Level) -> tuple[list[str], int]:
        """Fill `level`; the FROM with its tables' new names, and where it ends."""
        out: list[str] = []
        count = len(tokens)
        while position < count:
            table = tokens[position]
            if table[0] == '"':
                table = table[1:-1].lower()
            columns = self.columns.get(table)
            if columns is None or table in _RESERVED or not _NAME.fullmatch(table):
                raise _Unclear
            alias = table
            position += 1
            if position < count:
                following = tokens[position]
                if following == "as" and position + 1 < count:
                    alias = tokens[position + 1]
                    position += 2
                elif following not in _RESERVED:
                    alias = following
                    position += 1
            if alias in level or alias in _RESERVED or not _NAME.fullmatch(alias):
                raise _Unclear
            name = f"t{self.tables}"
            self.tables += 1
            level[alias] = (name, columns)
            out.append(f"#{table} {name}")
            position = _copy_join(tokens, position, out)
            if position == count or tokens[position] in _AFTER_FROM:
                return out, position
            position += 1
        raise _Unclear

    def _items(
        self, tokens: list[str], levels: tuple[_Level, ...], used: dict[str, str]
    ) -> list[str]:
        """The select list without its aliases; those that something else names go to `used`."""
        items: list[str] = []
        start = depth = 0
        for i, token in enumerate(tokens):
            if token == "(":
                depth += 1
            elif token == ")":
                depth -= 1
            elif token == "," and not depth:
                items.append(self._item(tokens[start:i], levels, used))
                start = i + 1
        if depth:
            raise _Unclear
        items.append(self._item(tokens[start:], levels, used))
        return items

    def _item(self, tokens: list[str], levels: tuple[_Level, ...], used: dict[str, str]) -> str:
        alias = None
        if len(tokens) > 1:
            last, before = tokens[-1], tokens[-2]
            if before == "as":
                alias = last
                del tokens[-2:]
            elif last != ")" and last != "end" and before not in _BEFORE_OPERAND:
                alias = last
                tokens.pop()
        if not tokens:
            raise _Unclear
        text = self._text(tokens, levels)
        if alias is None:
            return text
        last = tokens[-1]
        if (last in _RESERVED and last != ")") or last[-1] == "*" or last[0] in "'0123456789":
            raise _Unclear
        name = alias[1:-1].lower() if alias[0] in QUOTES else alias
        plain = name not in KEYWORDS and _NAME.fullmatch(name)
        if not plain and (alias is name or "'" in name or '"' in name):
            raise _Unclear
        self.aliases.add(name)
        # In quotes or not; a string of the same text counts as well.
        uses = sum(1 for word in self.words if word.strip(QUOTES).lower() == name)
        if uses > 1:
            if self.words.count(name) != uses or name in used:
                raise _Unclear
            if name in _RESERVED or name in _ROW_NUMBERS:
                raise _Unclear
            # An alias that is a column too has rules of its own, and one of `1` is no number.
            if any(name in columns for level in levels for _, columns in level.values()):
                raise _Unclear
            if not _SIMPLE.fullmatch(text):
                raise _Unclear
            used[name] = text
        return text

    def _permutable(self, items: list[str], rest: list[str]) -> bool:
        """Whether nothing but the order of columns follows the order of the select list."""
        clause = ""
        for token in rest:
            if token in _AFTER_FROM:
                clause = token
            elif token[0] in _DIGITS and clause in ("group", "order"):
                return False  # it may be the number of an item
        # Which row a bare column is of is up to the last of several min() and max().
        if self.words.count("min") + self.words.count("max") < 2:
            return True
        if "group" in rest or "order" in rest or "having" in rest:
            return False
        return all(_AGGREGATE.fullmatch(item) for item in items)

    def _text(
        self, tokens: list[str], levels: tuple[_Level, ...], used: dict[str, str] | None = None
    ) -> str:
        """The form of some tokens; `used` are the aliases that may stand in them."""
        out: list[str] = []
        for i, token in enumerate(tokens):
            kept = _KEPT.get(token)
            if kept is None:
                first = token[0]
                if first == "'" or first in _DIGITS:
                    kept = token
                elif first == "#":
                    kept = self._marked(token, levels)
                elif tokens[i + 1 : i + 2] == ["("] or (i and tokens[i - 1] == "in"):
                    raise _Unclear  # a function, or a table
                else:
                    kept = self._name(token, levels, used)
                    if kept[0] == "'" and _alone_in_list(tokens, i):
                        raise _Unclear
            out.append(kept)
        return " ".join(out)

    def _marked(self, token: str, levels: tuple[_Level, ...]) -> str:
        """A query in parentheses, or a piece of FROM."""
        query = self.queries.get(token)
        if query is not None:
            return self._query(query, levels)
        if token == "#":
            raise _Unclear
        return token[1:]

    def _name(self, token: str, levels: tuple[_Level, ...], used: dict[str, str] | None) -> str:
        """A column by its table's name in the form; or a string in double quotes."""
        quoted = token[0] == '"'
        if "." in token and not quoted:
            table, _, column = token.partition(".")
            table, column = table.rstrip(" \t\n\f\r"), column.lstrip(" \t\n\f\r")
            for level in levels:
                if table in level:
                    name, columns = level[table]
                    known = column in columns and column not in KEYWORDS
                    if name and (known or column == "*"):
                        return f"{name}.{column}"
                    break
            raise _Unclear
        column = token[1:-1].lower() if quoted else token
        for level in levels:
            names = [name for name, columns in level.values() if column in columns]
            if names:
                if names[1:] or not names[0] or column in KEYWORDS or not _NAME.fullmatch(column):
                    raise _Unclear
                return f"{names[0]}.{column}"
        if used is None:
            raise _Unclear
        if not quoted:
            if token not in used:
                raise _Unclear
            return used[token]
        # What SQLite makes of a name in double quotes that nothing bears: a string.
        if column in self.aliases or column in _ROW_NUMBERS or not token.isascii():
            raise _Unclear
        inner = token[1:-1].replace('""', '"').replace("'", "''")
        return f"'{inner}'"


def _out_of_reach(level: _Level) -> _Level:
    """The same names, so that they are seen to be meant, without a name in the form."""
    return {alias: ("", columns) for alias, (_, columns) in level.items()}


def _alone_in_list(tokens: list[str], i: int) -> bool:
    """Whether the token may be in an IN of one value, which SQLite's parser makes `=` if it is no name.

    It is not where a comma of the list stands beside it.
    """
    depth, innermost = 0, True
    for j in range(i - 1, 0, -1):
        if tokens[j] == ")":
            depth += 1
        elif tokens[j] == "(" and depth:
            depth -= 1
        elif tokens[j] == "(":
            if tokens[j - 1] == "in":
                return not (innermost and "," in (tokens[i - 1], *tokens[i + 1 : i + 2]))
            innermost = False
    return False


def _copy_join(tokens: list[str], position: int, out: list[str]) -> int:
    """Copy an ON and then the operator before the next table; where the last word of it stands."""
    count = len(tokens)
    if position < count and tokens[position] == "on":
        out.append("#on")
        position += 1
        start = position
        while position < count and tokens[position] not in _AFTER_ON:
            position += 1
        piece = tokens[start:position]
        if not piece or piece.count("(") != piece.count(")"):
            raise _Unclear
        out.extend(piece)
    if position == count or tokens[position] in _AFTER_FROM:
        return position
    operator = tokens[position]
    if operator == ",":
        out.append(operator)
        return position
    if operator in ("left", "inner"):
        position += 1
        if operator == "left":
            out.append("#left")
            if tokens[position : position + 1] == ["outer"]:
                position += 1
    if tokens[position : position + 1] != ["join"]:
        raise _Unclear
    out.append("#join")
    return position


def _without_asc(rest: list[str]) -> list[str]:
    """Without the ASC of the keys of an ORDER BY, since it is the default."""
    order = rest.index("order") if "order" in rest else len(rest)
    end = rest.index("limit") if "limit" in rest else len(rest)
    kept: list[str] = []
    depth = 0
    for i, token in enumerate(rest):
        if token == "asc":
            # Elsewhere it is an error, which must not become none.
            following = rest[i + 1] if i + 1 < len(rest) else "limit"
            previous = rest[i - 1]
            if not order < i < end or depth or following not in (",", "limit"):
                raise _Unclear
            if previous in _RESERVED and previous != ")":
                raise _Unclear
            continue
        depth += (token == "(") - (token == ")")
        kept.append(token)
    return kept
