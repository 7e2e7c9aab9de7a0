"""The value index: which cells does a question mention? (value linking, or value retrieval)

Every distinct short text cell is stored once under its folded words (`execution/cells.py`); a question is
answered by one look-up of all its word n-grams. These are the n-grams of IRNet's schema
linking (Guo et al., ACL 2019), over cells as in BRIDGE (Lin et al., EMNLP Findings 2020);
`benchmarks/values.py` compares them with FTS5 trigrams and with rapidfuzz over all cells.

>>> index = open_value_index(open_database("concert_singer.sqlite"))  # doctest: +SKIP
>>> index.match("singers from france")  # doctest: +SKIP
(ValueMatch(table='singer', column='Country', value='France', span='france', score=1.0),)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from txt2sql.execution.cells import Cells, key, open_cells
from txt2sql.execution.database import Database
from txt2sql.execution.remote import UrlDatabase
from txt2sql.types import ValueMatch

MAX_WORDS = 8
MAX_QUESTION_CHARS = 2_000
MAX_MATCHES = 12
MAX_COLUMNS_PER_SPAN = 4
_WORD = re.compile(r"\w+")
_STOPWORDS = frozenset(
    "a about above after all also am an and any are as at average be been before below between both "
    "but by can count different do does each every find first for from give had has have he her his "
    "how i id if in into is it its last least less list many maximum me minimum more most name "
    "number of on one or order other our out over per please same she show so some such sum tell "
    "than that the their them then there these they this those to total under up us use value was "
    "we were what when where which who whom whose why will with without year you your".split()
)


@dataclass(frozen=True, slots=True)
class ValueIndex:
    """The cells of one database by their folded words; made by `open_value_index`."""

    cells: Cells

    def match(self, question: str, limit: int = MAX_MATCHES) -> tuple[ValueMatch, ...]:
        """Cells the question mentions, the longest mention first, at most `limit`."""
        spans = _spans(question[:MAX_QUESTION_CHARS])
        found = sorted(
            (
                (gram, spans[gram], tbl, col, value)
                for gram, tbl, col, value in self.cells.find(spans)
            ),
            key=lambda row: (-row[1][2], row[1][0], row[2], row[3], row[4]),
        )
        return tuple(_chosen(found, question, limit))

    def spell(self, table: str, column: str, text: str) -> str:
        """The text as the column spells it (case, accents, spaces), or as it is."""
        found = [row[3] for row in self.cells.find([key(text)]) if row[1:3] == (table, column)]
        if text in found or not found:
            return text
        return min(found, key=lambda value: (value.casefold() != text.casefold(), len(value)))


def _spans(question: str) -> dict[str, tuple[int, int, int]]:
    """Folded n-gram -> (first character, end, words), the first place it stands at."""
    # An accent that is a character of its own belongs to the word that it stands in.
    shape = question
    if not question.isascii():
        shape = "".join("_" if unicodedata.combining(c) else c for c in question)
    words = [match.span() for match in _WORD.finditer(shape)]
    folded = [key(question[a:b]) for a, b in words]
    spans: dict[str, tuple[int, int, int]] = {}
    for i, (start, end) in enumerate(words):
        alone = question[start:end].casefold() not in _STOPWORDS
        for n in range(1 if alone else 2, min(MAX_WORDS, len(words) - i) + 1):
            gram = " ".join(folded[i : i + n])
            if gram not in spans:
                spans[gram] = (start, words[i + n - 1][1], n)
    return spans


def _chosen(
    rows: list[tuple[str, tuple[int, int, int], str, str, str]], question: str, limit: int
) -> Iterator[ValueMatch]:
    """Drop what lies inside a longer mention, cap the columns per mention."""
    taken: list[tuple[int, int]] = []
    columns: dict[tuple[int, int], set[tuple[str, str]]] = {}
    count = 0
    for _, (start, end, _words), table, column, value in rows:
        if any(a <= start and end <= b and (a, b) != (start, end) for a, b in taken):
            continue
        seen = columns.setdefault((start, end), set())
        if (table, column) in seen or len(seen) >= MAX_COLUMNS_PER_SPAN or count >= limit:
            continue
        if not seen:
            taken.append((start, end))
        seen.add((table, column))
        count += 1
        span = question[start:end]
        score = 1.0 if span == value else 0.9 if span.casefold() == value.casefold() else 0.8
        yield ValueMatch(table, column, value, span, score)


def open_value_index(database: Database | UrlDatabase, cache: Path | None = None) -> ValueIndex:
    """The index of a database, built when there is none of its present content.

    `cache` is the folder of the index files. Where it cannot be used, or when `database.tables`
    names the few tables that matter, the index is in memory. DatabaseError: no cell can be read.

    A server does not tell when its content changed: its index is built again every hour.
    """
    return ValueIndex(open_cells(database, cache))
