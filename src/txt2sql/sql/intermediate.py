"""An intermediate representation (IR) of SQL for small models, as SemQL and NatSQL are.

Tables, columns and values are the numbered symbols of a compact prompt (`types.Links`), so a model
points at them instead of spelling them; joins along a foreign key need no condition; every token is
set off by one space. `sql.encode` turns gold SQL into IR for training, `sql.decode` turns IR into SQL.

    SELECT count(*) FROM singer JOIN band ON singer.band_id = band.id WHERE band.name = 'Abba'
    select count ( * ) from [t0] join [t1] where [c4] = [v0]

`decode` also adds a table that owns a used column and was left out of FROM, along foreign keys.
Not expressible, so not learnable this way: CASE, CAST, window functions, CTEs, functions other than
the five aggregates, and columns of a subquery in FROM.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from txt2sql.types import Links, Schema

AGGREGATES = ("count", "sum", "avg", "min", "max")
ALIASES = ("a", "b", "c", "d", "e", "f")
KEYWORDS = frozenset(
    "select distinct from join on where and or not in like between group by having order asc desc "
    "limit union intersect except all is null exists as".split()
) | frozenset(AGGREGATES)
NUMBER = re.compile(r"-?\d+(\.\d+)?$")
SYMBOL = re.compile(r"\[([tcv])(\d+)\]")


class Unsupported(ValueError):
    """This SQL has no form in the intermediate representation."""


class Template(NamedTuple):
    """A gold query whose tables, columns and literals are all symbols: of the whole schema, numbered
    in its order, and of `literals`, each a text and whether it was a string.
    """

    text: str
    literals: tuple[tuple[str, bool], ...]

    def answer(self, links: Links, whole: Links) -> str:
        """The IR under the links of a prompt, where `whole` are those of the whole schema. Raises
        Unsupported when the prompt lacks something.

        >>> Template("select [c1] from [t0]", ()).answer(
        ...     Links(("a",), (("a", "y"),)), Links(("a",), (("a", "x"), ("a", "y"))))
        'select [c0] from [t0]'
        """
        places = {name: f"[t{i}]" for i, name in enumerate(links.tables)}
        columns = {pair: f"[c{i}]" for i, pair in enumerate(links.columns)}

        def symbol(match: re.Match[str]) -> str:
            kind, i = match[1], int(match[2])
            if kind == "v":
                return spell_literal(*self.literals[i], links.values)
            name = whole.tables[i] if kind == "t" else whole.columns[i]
            found = places.get(name) if isinstance(name, str) else columns.get(name)
            if found is None:
                raise Unsupported(f"{name} is not in the prompt")
            return found

        return SYMBOL.sub(symbol, self.text)


def whole_links(schema: Schema) -> Links:
    """The links of all tables and columns, in the schema's order."""
    tables = tuple(table.name for table in schema.tables)
    return Links(tables, tuple((t.name, c.name) for t in schema.tables for c in t.columns))


def spell_literal(text: str, is_string: bool, values: Sequence[str]) -> str:
    """The symbol of a literal among the values of a prompt, else the literal itself."""
    if text in values:
        return f"[v{values.index(text)}]"
    folded = [value.lower() for value in values]
    if text.lower() in folded:
        return f"[v{folded.index(text.lower())}]"
    return f"' {text.lower()} '" if is_string and not NUMBER.match(text) else text


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
