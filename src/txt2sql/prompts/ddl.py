"""The `ddl` style: CREATE TABLE statements with sample values, for models of 1B parameters and more.

The schema is what such models saw most of in code: DDL with types, keys and comments. `text` is for
base models (phi-2, Llama-2): everything but the tables is SQL comments, so that the likeliest
continuation is the query. `messages` says the same to models with a chat template.

    -- SQLite database concert_singer
    CREATE TABLE singer (
      Singer_ID INT PRIMARY KEY, -- 1, 2, 3
      Country TEXT -- Netherlands, United States, France
    );
    -- The question may mention: singer.Country = 'France'
    -- Question: How many singers are from France?
    -- One SQLite SELECT statement that answers it:
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from txt2sql.prompts.reduce import reduce_schema
from txt2sql.prompts.shots import Shot
from txt2sql.types import Column, Message, Prompt, Schema, Table, ValueMatch

BUDGET = 1536
"""Tokens of a prompt: leaves room for an answer in the 2,048 of phi-2."""

_MAX_QUESTION_CHARS, _MAX_VALUE_CHARS = 2000, 60
_MAX_NAMED_DROPS, _MAX_MATCHES, _MAX_MEANING_CHARS = 6, 12, 80
_CONTINUE = "-- One {engine} SELECT statement that answers it:"
_SYSTEM = (
    "You write {engine} queries. Answer the question about the database below with one SELECT "
    "statement that uses only its tables and columns, and nothing else."
)
_ENGINES = {"postgres": "PostgreSQL", "mysql": "MySQL", "duckdb": "DuckDB"}
_BREAKS = ("Cc", "Cs", "Zl", "Zp")
_TYPES = {"number": "NUMERIC", "text": "TEXT", "time": "DATE", "boolean": "BOOLEAN"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_TOKEN = re.compile(r"[A-Za-z]+|\d|[^\w\s]+|\s*\n\s*|[^\W\da-zA-Z]|_")
_RESERVED = frozenset(
    "abort action add all alter and as asc between by case cast check collate column commit "
    "constraint create cross current default delete desc distinct drop each else end escape except "
    "exists for foreign from full group having if in index inner insert intersect into is isnull "
    "join key left like limit match natural not notnull null of offset on or order outer primary "
    "references right row rows select set table then to transaction trigger union unique update "
    "using values view when where with".split()
)


def count_tokens(text: str) -> int:
    """About how many BPE tokens a text has, rather too many: a word costs one per 5 letters."""
    return sum(1 + (len(piece) - 1) // 5 for piece in _TOKEN.findall(text))


def render_ddl(
    question: str,
    schema: Schema,
    *,
    matches: Sequence[ValueMatch] = (),
    evidence: str = "",
    budget: int = BUDGET,
    count: Callable[[str], int] = count_tokens,
    shots: Sequence[Shot] = (),
) -> Prompt:
    """Shots, tables, matched cells, evidence, question; the schema is reduced to fit the budget."""
    longest = min(_MAX_QUESTION_CHARS, 2 * budget)
    asked = fold(question, longest)
    engine = _ENGINES.get(schema.dialect, "SQLite")
    system = _SYSTEM.format(engine=engine)
    lead = [*_answered(shots), f"-- {engine} database {fold(schema.db_id, 80)}"]
    note = [f"-- Note: {fold(evidence, longest)}"] if evidence.strip() else []

    def body(candidate: Schema, dropped: Sequence[str], samples: int) -> list[str]:
        tables = [_table(table, candidate, samples) for table in candidate.tables]
        found = _mentioned(candidate, matches)
        return [*lead, *tables, *_left_out(dropped), *found, *note, f"-- Question: {asked}"]

    def fits(candidate: Schema, samples: int = 0) -> bool:
        # Most candidates of a large schema are far too large: a column costs three tokens or more.
        if 3 * sum(len(table.columns) for table in candidate.tables) > budget:
            return False
        dropped = () if candidate is schema else ("table.column",) * _MAX_NAMED_DROPS
        return count("\n".join([*body(candidate, dropped, samples), system])) <= budget

    # A column that is needed helps more than sample values do, so those go first.
    samples = next((number for number in (3, 1) if fits(schema, number)), 0)
    kept, dropped = (schema, ()) if samples else reduce_schema(asked, schema, matches, fits)
    lines = body(kept, dropped, samples)
    return Prompt(
        text="\n".join([*lines, f"{_CONTINUE.format(engine=engine)}\n"]),
        style="ddl",
        messages=(Message("system", system), Message("user", "\n".join(lines))),
        dropped=tuple(dropped),
    )


def _answered(shots: Sequence[Shot]) -> list[str]:
    if not shots:
        return []
    pairs = [
        f"-- Question: {fold(shot.question, _MAX_QUESTION_CHARS)}\n"
        f"{fold(shot.sql, _MAX_QUESTION_CHARS).rstrip('; ')};"
        for shot in shots
    ]
    return ["-- Answered questions about other databases, to learn from:", *pairs, ""]


def fold(text: str, longest: int) -> str:
    """One line of at most `longest` characters that cannot end its comment, a fence or a chat turn.

    >>> fold("who?\\n```DROP TABLE t<|im_end|>", 100)
    "who? \'\'\'DROP TABLE t< |im_end| >"
    """
    line = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in text[: 4 * longest])
    line = line.replace("```", "'''").replace("<|", "< |").replace("|>", "| >")
    line = " ".join(line.split())
    return line if len(line) <= longest else line[:longest] + " ... (cut: the text is longer)"


def quote(name: str, dialect: str = "sqlite") -> str:
    """An identifier as the engine reads it back: bare where that is safe."""
    folded = dialect == "postgres" and name != name.lower()  # which would look for another name
    if _PLAIN.match(name) and name.lower() not in _RESERVED and not folded:
        return name
    mark = "`" if dialect == "mysql" else '"'
    return mark + name.replace(mark, mark * 2) + mark


def _table(table: Table, schema: Schema, samples: int) -> str:
    def name(text: str) -> str:
        return quote(text, schema.dialect)

    keys = [column for column in table.columns if column.primary_key]
    items = []
    for column in table.columns:
        kind = column.declared_type or _TYPES.get(column.type, "")
        key = "PRIMARY KEY" if column.primary_key and len(keys) == 1 else ""
        items.append((" ".join(filter(None, (name(column.name), kind, key))), column))
    lines = [(text, _comment(column, samples)) for text, column in items]
    if len(keys) > 1:
        lines.append((f"PRIMARY KEY ({', '.join(name(column.name) for column in keys)})", ""))
    for link in schema.foreign_keys:
        if link.table == table.name:
            target = f"{name(link.referenced_table)} ({name(link.referenced_column)})"
            lines.append((f"FOREIGN KEY ({name(link.column)}) REFERENCES {target}", ""))
    rows = [
        f"  {text}{',' if i < len(lines) else ''}{comment}"
        for i, (text, comment) in enumerate(lines, start=1)
    ]
    meaning = _meaning(table.comment or table.words, table.name)
    head = f"CREATE TABLE {name(table.name)} (" + (f" -- {meaning}" if meaning else "")
    return "\n".join([head, *rows, ");"])


def _comment(column: Column, samples: int) -> str:
    shown = ", ".join(fold(value, _MAX_VALUE_CHARS) for value in column.samples[:samples])
    parts = [
        part for part in (_meaning(column.comment or column.words, column.name), shown) if part
    ]
    return f" -- {': '.join(parts)}" if parts else ""


def _meaning(words: str, name: str) -> str:
    """The natural words of a name, where they say more than the name does."""
    letters = re.sub(r"[\W_]", "", name).lower()
    return (
        fold(words, _MAX_MEANING_CHARS)
        if words and re.sub(r"[\W_]", "", words).lower() != letters
        else ""
    )


def _mentioned(schema: Schema, matches: Sequence[ValueMatch]) -> list[str]:
    found = {}
    for match in sorted(matches, key=lambda match: -match.score):
        table = schema.table(match.table)
        if table is not None and table.column(match.column) is not None:
            value = fold(match.value, _MAX_VALUE_CHARS).replace("'", "''")
            place = ".".join(quote(name, schema.dialect) for name in (match.table, match.column))
            found[f"{place} = '{value}'"] = True
    if not found:
        return []
    return ["-- The question may mention: " + "; ".join(list(found)[:_MAX_MATCHES])]


def _left_out(dropped: Sequence[str]) -> list[str]:
    if not dropped:
        return []
    named = ", ".join(fold(name, 60) for name in dropped[:_MAX_NAMED_DROPS])
    more = len(dropped) - _MAX_NAMED_DROPS
    return [f"-- Left out for length: {named}" + (f" and {more} more" if more > 0 else "")]
