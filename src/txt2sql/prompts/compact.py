"""The `compact` style: a short serialisation for models below 1B parameters.

Tables, columns and values are followed by a numbered symbol that the model answers with (see
`sql.intermediate`), so nothing has to be spelled. Marks before a column's symbol say what plain
string work already knows: `!` the question names it, `~` it shares a word, `#` number, `@` time,
`key`, `> [t1]` references a table, `= france [v0]` the question mentions this cell.

    how many singers are from france ? | | singer [t0] : singer id # key [c0] , name [c1] ,
    country = france [v0] [c2] |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from txt2sql.prompts.reduce import reduce_schema
from txt2sql.types import Links, Prompt, Schema, ValueMatch

MAX_TABLES, MAX_COLUMNS, MAX_VALUES = 40, 160, 32
SYMBOLS = {"t": MAX_TABLES, "c": MAX_COLUMNS, "v": MAX_VALUES}
"""How many symbols of each kind a prompt can use."""

BUDGET = 400
"""Tokens of a prompt, counted as `count_words` does."""

_MAX_QUESTION_CHARS = 600
_NUMBER = re.compile(
    r"(?<![\w.])\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?|(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\w)"
    r"|(?<![\w.])\d+(?:\.\d+)?(?!\w)"
)
_QUOTED = re.compile(
    r"\"([^\"]{1,60})\"|(?<!\w)'([^']{1,60})'(?!\w)|“([^”]{1,60})”|‘([^’]{1,60})’(?!\w)"
)
_PROPER = re.compile(r"(?<=[\w,] )(?:[A-Z][\w.&-]*)(?: (?:[A-Z0-9][\w.&-]*))*")
_WORD = re.compile(r"\w+")
_NAMELESS = re.compile(r"(?:table|t)[\d_ -]*")
_TYPE_MARKS = {"number": "#", "time": "@", "boolean": "?"}
_NUMBER_WORDS = {
    word: str(i)
    for i, word in enumerate("zero one two three four five six seven eight nine ten".split())
    if i > 1
}


def count_words(text: str) -> int:
    """A quick upper estimate of the tokens of a text: its words and marks, and a quarter more."""
    return len(re.findall(r"\[\w+\]|\w+|[^\w\s]", text)) * 5 // 4


def mentions(question: str) -> tuple[str, ...]:
    """Literals that stand in the question itself: numbers, quoted text, names in capitals."""
    found = [
        (m.start(), m.end(), next(g for g in m.groups() if g).strip())
        for m in _QUOTED.finditer(question)
    ]
    quoted = [(start, end) for start, end, _ in found]
    found += [(*m.span(), m[0].replace(",", "")) for m in _NUMBER.finditer(question)]
    found += [
        (*m.span(), m[0].rstrip("."))
        for m in _PROPER.finditer(question)
        if not any(start < m.start() < end for start, end in quoted)
    ]
    found += [
        (*m.span(), _NUMBER_WORDS[m[0].lower()])
        for m in _WORD.finditer(question)
        if m[0].lower() in _NUMBER_WORDS
    ]
    return tuple(dict.fromkeys(text for _, _, text in sorted(found) if text))


def render_compact(
    question: str,
    schema: Schema,
    *,
    matches: Sequence[ValueMatch] = (),
    evidence: str = "",
    budget: int = BUDGET,
    count: Callable[[str], int] = count_words,
) -> Prompt:
    """Question, literals, schema with symbols; the schema is reduced when it exceeds the budget."""
    asked = " ".join(f"{question} {evidence}".split())[:_MAX_QUESTION_CHARS]

    def render_within(candidate: Schema) -> tuple[str, Links] | None:
        columns = sum(len(table.columns) for table in candidate.tables)
        if len(candidate.tables) > MAX_TABLES or columns > MAX_COLUMNS:
            return None
        rendered = _render(asked, candidate, matches)
        return rendered if count(rendered[0]) <= budget else None

    dropped: tuple[str, ...] = ()
    whole = render_within(schema)
    if whole is None:
        schema, dropped = reduce_schema(
            asked, schema, matches, lambda candidate: render_within(candidate) is not None
        )
    text, links = whole or _render(asked, schema, matches)
    return Prompt(text=text, style="compact", links=links, dropped=dropped)


def _render(question: str, schema: Schema, matches: Sequence[ValueMatch]) -> tuple[str, Links]:
    values = _Values()
    cells: dict[tuple[str, str], list[str]] = {}
    for match in matches:
        if not match.condition:  # which this style cannot say
            cells.setdefault((match.table, match.column), []).append(match.value)
    linked = {value.casefold() for found in cells.values() for value in found}
    literals = [
        f"{_plain(text)} {symbol}"
        for text in mentions(question)
        if text.casefold() not in linked and (symbol := values.symbol(text))
    ]
    asked = [_stem(word) for word in _WORD.findall(question.lower())]
    stems, phrase = set(asked), f" {' '.join(asked)} "
    positions = {table.name: i for i, table in enumerate(schema.tables)}
    references = {
        (k.table, k.column): positions.get(k.referenced_table) for k in schema.foreign_keys
    }
    columns: list[tuple[str, str]] = []
    held: list[tuple[int, int]] = []
    parts = []
    for i, table in enumerate(schema.tables):
        items = []
        for column in table.columns:
            here = (table.name, column.name)
            marks = [
                _plain(column.words or column.name),
                _mention_mark(column.words or column.name, stems, phrase),
                _TYPE_MARKS.get(column.type, ""),
                "key" if column.primary_key else "",
            ]
            target = references.get(here)
            marks.append(f"> [t{target}]" if target is not None else "")
            for value in dict.fromkeys(cells.get(here, ())):
                if symbol := values.symbol(value):
                    marks.append(f"= {_plain(value)} {symbol}")
                    held.append((len(columns), values.texts.index(value)))
            items.append(" ".join(filter(None, [*marks, f"[c{len(columns)}]"])))
            columns.append(here)
        name = table.words or table.name
        name = "table" if _NAMELESS.fullmatch(name) else name
        head = " ".join(filter(None, [_plain(name), _mention_mark(name, stems, phrase), f"[t{i}]"]))
        parts.append(f"{head} : {' , '.join(items)}")
    text = f"{_plain(question)} | {' ; '.join(literals)} | {' ; '.join(parts)} |"
    names = tuple(table.name for table in schema.tables)
    return text, Links(names, tuple(columns), tuple(values.texts), tuple(held))


class _Values:
    """Numbers the distinct value texts of one prompt, up to MAX_VALUES."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def symbol(self, text: str) -> str:
        """The symbol of a value, or '' when there is no room for it."""
        if text not in self.texts:
            if len(self.texts) >= MAX_VALUES:
                return ""
            self.texts.append(text)
        return f"[v{self.texts.index(text)}]"


def _plain(text: str) -> str:
    """Text that cannot be taken for a symbol or a separator."""
    return " ".join(text.replace("[", "(").replace("]", ")").replace("|", "/").split())[
        :_MAX_QUESTION_CHARS
    ]


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _mention_mark(name: str, stems: set[str], phrase: str) -> str:
    words = [_stem(word) for word in _WORD.findall(name.lower())]
    if not words:
        return ""
    if f" {' '.join(words)} " in phrase:
        return "!"
    return "~" if any(len(word) > 2 and word in stems for word in words) else ""
