"""A prompt: CREATE TABLE statements with sample values, then the question.

The schema part is the same for every question about a database, so its keys and values are computed
once. The question part holds the matched values, evidence, examples, and the question. The model writes
SQLite's SQL whatever the engine is; `sql.translate` makes the engine's own of it.

`text` is for base models: everything but the tables is SQL comments, so that the likeliest continuation is
the query. `messages` says the same to models with a chat template: the schema part is the system message.

    -- SQLite tables, with examples of their values
    CREATE TABLE singer (
     Singer_ID INTEGER PRIMARY KEY,
     Country TEXT -- 'Netherlands', 'United States', 'France'
    );
    -- Values: singer.Country = 'France'
    -- Question: How many singers are from France?
    -- SQLite SELECT statement:
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from txt2sql.errors import PromptError
from txt2sql.identifiers import quote_identifier
from txt2sql.prompts.reduce import reduce_schema, without_copies
from txt2sql.prompts.shots import Shot
from txt2sql.types import Column, ForeignKey, Message, Prompt, Schema, Table, Turn, ValueMatch

BUDGET = 4096  # tokens of a prompt
ANSWER_TOKENS = 256
"""How long an answer may be, where nothing else is said."""

_MAX_QUESTION_CHARS, _MAX_VALUE_CHARS = 2000, 60
_MAX_NAMED_DROPS, _MAX_MATCHES, _MAX_MEANING_CHARS = 6, 12, 80
_HEAD = "-- SQLite tables, with examples of their values"
_CONTINUE = "-- SQLite SELECT statement:"
_SYSTEM = (
    "Answer the question about this database with one SQLite SELECT statement, and nothing else."
)
_BREAKS = ("Cc", "Cs", "Zl", "Zp")
_TYPES = {"number": "NUMERIC", "text": "TEXT", "time": "DATE", "boolean": "BOOLEAN"}
_SPELLINGS = {"INT": "INTEGER", "VARCHAR": "TEXT", "CHARACTER VARYING": "TEXT", "CHAR": "TEXT"}
_TOKEN = re.compile(r"[A-Za-z]+|\d|[^\w\s]+|\s*\n\s*|[^\W\da-zA-Z]|_")
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")


def count_tokens(text: str) -> int:
    """About how many BPE tokens a text has, rather too many: a word costs one per 5 letters."""
    return sum(1 + (len(piece) - 1) // 5 for piece in _TOKEN.findall(text))


def render(
    question: str,
    schema: Schema,
    *,
    matches: Sequence[ValueMatch] = (),
    evidence: str = "",
    previous: Turn | None = None,
    budget: int = BUDGET,
    count: Callable[[str], int] = count_tokens,
    shots: Sequence[Shot] = (),
) -> Prompt:
    """The schema part, reduced where it would exceed the budget (tokens as `count` counts them), and the
    question part. `previous` is the turn that a follow-up refers to; of `shots` the nearest is the last.
    Raises PromptError for an empty question or a schema without columns.
    """
    if not question.strip():
        raise PromptError("the question is empty; ask something about the database")
    if not any(table.columns for table in schema.tables):
        raise PromptError(
            f"database '{schema.db_id}' has no tables; give one that has tables to ask about"
        )
    longest = min(_MAX_QUESTION_CHARS, 2 * budget)
    turn = (previous.question, previous.sql) if previous else ("", "")
    heads = ("Previous question", "Its SQL", "Note", "Question")
    texts = dict(zip(heads, (*turn, evidence.strip(), question), strict=True))
    examples = [
        f"Question: {fold(shot.question, _MAX_QUESTION_CHARS)}\n"
        f"SQL: {fold(shot.sql, _MAX_QUESTION_CHARS).rstrip('; ')}"
        for shot in shots
    ]
    if examples:
        examples = ["Answered questions about other databases:", *examples, "Now this database:"]

    def parts(schema: Schema, dropped: Sequence[str], samples: bool) -> tuple[list[str], list[str]]:
        static = [_table(table, schema, samples) for table in schema.tables]
        if dropped:
            named = ", ".join(fold(name, 60) for name in dropped[:_MAX_NAMED_DROPS])
            more = len(dropped) - _MAX_NAMED_DROPS
            static.append(f"-- Left out for length: {named}" + f" and {more} more" * (more > 0))
        lines = [f"{head}: {fold(text, longest)}" for head, text in texts.items() if text]
        return static, [*examples, *_values(schema, matches), *lines]

    def fits(candidate: Schema, samples: bool = False) -> bool:
        # Most candidates of a large schema are far too large: a column costs three tokens or more.
        if 3 * sum(len(table.columns) for table in candidate.tables) > budget:
            return False
        dropped = () if candidate is schema else ("table.column",) * _MAX_NAMED_DROPS
        return count(_text(*parts(candidate, dropped, samples))) + count(_SYSTEM) <= budget

    words = "\n".join([question, evidence, *(turn if previous else ())])
    schema, copies = without_copies(words, schema)
    # A column that is needed helps more than sample values do, so those go first.
    samples = fits(schema, True)
    reduced, dropped = (schema, ()) if samples else reduce_schema(words, schema, matches, fits)
    static, request = parts(reduced, dropped, samples)
    return Prompt(
        text=_text(static, request),
        prefix=_text(static, []),
        messages=(
            Message("system", "\n".join([_SYSTEM, "", *static])),
            Message("user", "\n".join(request)),
        ),
        dropped=(*copies, *dropped),
        matches=tuple(matches),
    )


def _text(static: Sequence[str], request: Sequence[str]) -> str:
    comments = [f"-- {line}" for part in request for line in part.split("\n")]
    ending = [*comments, _CONTINUE] if request else []
    return "\n".join([_HEAD, *static, *ending, ""])


def fold(text: str, longest: int) -> str:
    """One line of at most `longest` characters that cannot end its comment, a fence or a chat turn.

    >>> fold("who?\\n```DROP TABLE t<|im_end|>", 100)
    "who? \'\'\'DROP TABLE t< |im_end| >"
    """
    line = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in text[: 4 * longest])
    line = line.replace("```", "'''").replace("<|", "< |").replace("|>", "| >")
    line = " ".join(line.split())
    return line if len(line) <= longest else line[:longest] + " ... (cut: the text is longer)"


def _table(table: Table, schema: Schema, samples: bool) -> str:
    """One CREATE TABLE statement, a line a column; one space before it, as a token of BPE has."""
    primary = [quote_identifier(column.name) for column in table.columns if column.primary_key]
    groups: dict[int, list[ForeignKey]] = {}
    for number, key in enumerate(schema.foreign_keys):
        if key.table == table.name:
            groups.setdefault(key.constraint or -number - 1, []).append(key)
    inline: dict[str, str] = {}
    below = [f"PRIMARY KEY ({', '.join(primary)})"] if len(primary) > 1 else []
    for keys in sorted(groups.values(), key=lambda keys: keys[0].constraint > 0):
        own = ", ".join(quote_identifier(key.column) for key in keys)
        other = ", ".join(quote_identifier(key.referenced_column) for key in keys)
        target = f"REFERENCES {quote_identifier(keys[0].referenced_table)}({other})"
        if keys[0].constraint or own in inline:  # composite and further ones
            below.append(f"FOREIGN KEY ({own}) {target}")
        else:
            inline[own] = target
    items = []
    for column in table.columns:
        name = quote_identifier(column.name)
        key_text = "PRIMARY KEY" if primary == [name] else ""
        parts = (name, _type(column), key_text, inline.get(name, ""))
        items.append((" ".join(filter(None, parts)), _comment(column, samples)))
    items += [(line, "") for line in below]
    rows = [
        f" {text}{',' if i < len(items) else ''}{comment}"
        for i, (text, comment) in enumerate(items, start=1)
    ]
    meaning = _meaning(table.comment, table.name)
    head = f"CREATE TABLE {quote_identifier(table.name)} (" + (f" -- {meaning}" if meaning else "")
    return "\n".join([head, *rows, ");"])


def _type(column: Column) -> str:
    declared = re.sub(r"\s*\(.*", "", column.declared_type).strip().upper()
    return _SPELLINGS.get(declared, declared[:_MAX_VALUE_CHARS]) or _TYPES.get(column.type, "")


def _is_numeric(column: Column) -> bool:
    """Whether SQLite's type affinity makes numbers of texts that look like some."""
    declared = column.declared_type.upper() or _TYPES.get(column.type, "")
    texts = ("CHAR", "CLOB", "TEXT", "STRING", "BLOB", "ENUM")
    return bool(declared) and not any(part in declared for part in texts)


def _comment(column: Column, samples: bool) -> str:
    shown = []
    for value in column.samples if samples else ():
        text = fold(value, _MAX_VALUE_CHARS)
        bare = _is_numeric(column) and _NUMBER.match(text)
        shown.append(text if bare else "'" + text.replace("'", "''") + "'")
    parts = [part for part in (_meaning(column.comment, column.name), ", ".join(shown)) if part]
    return f" -- {': '.join(parts)}" if parts else ""


def question_prompt(prompt: Prompt, sql: str) -> Prompt:
    """What asks for the question that a query answers, over the schema part of `prompt`."""
    wish = f"Which question does this query answer?\n{sql}"
    text = f"{prompt.prefix}-- {wish}\n-- Question: "
    messages = (prompt.messages[0], Message("user", wish)) if prompt.messages else ()
    return Prompt(text, messages, prompt.prefix)


def _meaning(words: str, name: str) -> str:
    described, own = (re.sub(r"[\W_]", "", text).lower() for text in (words, name))
    return fold(words, _MAX_MEANING_CHARS) if words and described != own else ""


def _values(schema: Schema, matches: Sequence[ValueMatch]) -> list[str]:
    conditions: dict[str, None] = {}
    for match in sorted(matches, key=lambda match: -match.score):
        table = schema.table(match.table)
        if table is None or table.column(match.column) is None:
            continue
        condition = fold(match.condition, 3 * _MAX_VALUE_CHARS)
        if not condition:
            value = fold(match.value, _MAX_VALUE_CHARS).replace("'", "''")
            place = f"{quote_identifier(match.table)}.{quote_identifier(match.column)}"
            condition = f"{place} = '{value}'"
        conditions[condition] = None
    return ["Values: " + "; ".join(list(conditions)[:_MAX_MATCHES])] if conditions else []
