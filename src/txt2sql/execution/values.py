"""The value index: which cells does a question mention? (value linking, or value retrieval)

Every distinct short text cell is stored once under its folded words (`execution/cells.py`); a question is
answered by one look-up of all its word n-grams. These are the n-grams of IRNet's schema
linking (Guo et al., ACL 2019), over cells as in BRIDGE (Lin et al., EMNLP Findings 2020).

>>> index = open_value_index(open_database("concert_singer.sqlite"))  # doctest: +SKIP
>>> index.match("singers from france")  # doctest: +SKIP
(ValueMatch(table='singer', column='Country', value='France', span='france', score=1.0),)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from txt2sql.execution.cells import Cells, open_cells
from txt2sql.execution.database import Database
from txt2sql.execution.nationalities import other_forms
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.words import COMMON, WORD, allowed, distance, fold, key
from txt2sql.types import ValueMatch

MAX_WORDS = 8
MAX_QUESTION_CHARS = 2_000
MAX_MATCHES = 12
MAX_COLUMNS_PER_SPAN = 4
MAX_MISSPELT = 6
"""Words of a question that are looked at as misspelt ones."""
MAX_NEAR, MAX_TYPOS = 3, 4
MAX_FORM_WORDS = 4
_STOPWORDS = frozenset(
    "a about above after all also am an and any are as at average be been before below between both "
    "but by can count different do does each every find first for from give had has have he her his "
    "how i id if in into is it its last least less list many maximum me minimum more most name "
    "number of on one or order other our out over per please same she show so some such sum tell "
    "than that the their them then there these they this those to total under up us use value was "
    "we were what when where which who whom whose why will with without year you your".split()
)


EXACT, CASE, FOLDED, OTHER_FORM, TYPO = 1.0, 0.9, 0.8, 0.75, 0.5
"""Scores of mentions; those of hints (`hints.py`) lie between the last two."""

Span = tuple[int, int, int]
"""(first character, end, words)"""


@dataclass(frozen=True, slots=True)
class ValueIndex:
    """The cells of one database by their folded words; made by `open_value_index`."""

    cells: Cells

    def match(self, question: str, limit: int = MAX_MATCHES) -> tuple[ValueMatch, ...]:
        """What the question mentions, at most `limit`: cells as they are spelt, the longest first,
        cells in another spelling, conditions (dates, flags, codes, NULL), cells that a word of the
        question misspells.
        """
        asked = question[:MAX_QUESTION_CHARS]
        spans = _spans(asked)
        cells = [_mention(asked, spans[gram], row) for gram, *row in self.cells.find(spans)]
        cells += self._other_forms(asked, spans, [span for _, span in cells])
        plain = _chosen(cells)
        hints = self.cells.hints.match(asked)
        plain, hints = _settled(asked, plain, hints)
        plain = plain[: max(0, limit - len(hints))]
        made = [*(match for match, _ in plain), *hints]
        if len(made) < limit:
            cells_made = {(match.table, match.column, match.value) for match in made}
            typos = [
                (match, span)
                for match, span in self._typos(asked, spans, made)
                if (match.table, match.column, match.value) not in cells_made
            ]
            made += [match for match, _ in _chosen(typos)][:MAX_TYPOS]
        return tuple(made[:limit])

    def _other_forms(
        self, question: str, spans: dict[str, Span], taken: list[Span]
    ) -> list[Mention]:
        """France for "French", where no cell is "French" or a part of it."""
        forms: dict[str, Span] = {}
        for gram, span in spans.items():
            if span[2] > MAX_FORM_WORDS or not (names := other_forms(gram)):
                continue
            if not any(a < span[1] and span[0] < b for a, b, _ in taken):
                for name in names:
                    forms.setdefault(key(name), span)
        return [
            _mention(question, forms[gram], row, OTHER_FORM)
            for gram, *row in (self.cells.find(forms) if forms else ())
        ]

    def _typos(
        self, question: str, spans: dict[str, Span], made: Sequence[ValueMatch]
    ) -> Iterator[Mention]:
        """Cells of which one word is misspelt in the question."""
        covered = {word for match in made for word in fold(match.span)}
        names = self.cells.hints.names
        cased = question.lstrip()[:1].isupper() and not question.isupper()
        words = [
            word
            for word, (start, end, size) in spans.items()
            if size == 1
            and allowed(word)
            and word not in covered
            and word not in names
            and question[start:end].lower() not in COMMON
        ][:MAX_MISSPELT]
        for word in words:
            most, letters = allowed(word), set(word)
            if any(
                len(letters.difference(name)) <= most and distance(word, name, most) <= most
                for name in names
            ):
                continue  # a misspelt name of a table or column
            for other in self.cells.near(word)[:MAX_NEAR]:
                grams = {
                    " ".join(other if part == word else part for part in parts): gram
                    for gram in spans
                    if word in (parts := gram.split(" "))
                }
                for gram, *row in self.cells.find(grams):
                    start, end, _ = span = spans[grams[gram]]
                    # Who writes capitals would write this name with one.
                    small = cased and question[start:end].islower() and row[2][:1].isupper()
                    if not small or (row[0], row[1]) in self.cells.hints.few:
                        yield _mention(question, span, row, TYPO)

    def spell(self, table: str, column: str, text: str) -> str:
        """The text as the column spells it (case, accents, spaces), or as it is."""
        found = [row[3] for row in self.cells.find([key(text)]) if row[1:3] == (table, column)]
        if text in found or not found:
            return text
        return min(found, key=lambda value: (value.casefold() != text.casefold(), len(value)))


Mention = tuple[ValueMatch, Span]


def _mention(question: str, span: Span, row: Sequence[str], score: float = 0.0) -> Mention:
    table, column, value = row
    text = question[span[0] : span[1]]
    if not score:
        same = text.casefold() == value.casefold()
        score = EXACT if text == value else CASE if same else FOLDED
    return ValueMatch(table, column, value, text, score), span


def _spans(question: str) -> dict[str, Span]:
    """Folded n-gram -> the first place it stands at."""
    # An accent that is a character of its own belongs to the word that it stands in.
    shape = question
    if not question.isascii():
        shape = "".join("_" if unicodedata.combining(c) else c for c in question)
    words = [match.span() for match in WORD.finditer(shape)]
    folded = [key(question[a:b]) for a, b in words]
    spans: dict[str, Span] = {}
    for i, (start, end) in enumerate(words):
        word = question[start:end]
        alone = word.casefold() not in _STOPWORDS or word == "US"
        for n in range(1 if alone else 2, min(MAX_WORDS, len(words) - i) + 1):
            gram = " ".join(folded[i : i + n])
            if gram not in spans:
                spans[gram] = (start, words[i + n - 1][1], n)
    return spans


def _rank(mention: Mention) -> tuple[int, int, float, str, str, str]:
    match, (start, _, words) = mention
    return -words, start, -match.score, match.table, match.column, match.value


def _chosen(mentions: list[Mention]) -> list[Mention]:
    """Drop what lies inside a longer mention, cap the columns per mention, order by likeness."""
    taken: list[tuple[int, int]] = []
    columns: dict[tuple[int, int], set[tuple[str, str]]] = {}
    chosen = []
    for match, span in sorted(mentions, key=_rank):
        start, end, _ = span
        if any(a <= start and end <= b and (a, b) != (start, end) for a, b in taken):
            continue
        place = (match.table, match.column)
        seen = columns.setdefault((start, end), set())
        if place in seen or len(seen) >= MAX_COLUMNS_PER_SPAN:
            continue
        if not seen:
            taken.append((start, end))
        seen.add(place)
        chosen.append((match, span))
    return sorted(chosen, key=lambda mention: mention[0].score < CASE)


def _settled(
    question: str, mentions: list[Mention], hints: list[ValueMatch]
) -> tuple[list[Mention], list[ValueMatch]]:
    """A cell that is a longer mention wins over a hint, and a hint over the cells inside it."""
    wide = [match.span for match, (*_, words) in mentions if words > 1 and match.score >= FOLDED]
    hints = [
        hint for hint in hints if not any(hint.span in text and hint.span != text for text in wide)
    ]
    inside = [hint for hint in hints if hint.span]
    plain = [
        (match, span)
        for match, span in mentions
        if not any(
            match.span in hint.span
            and (
                match.span != hint.span or (match.table, match.column) == (hint.table, hint.column)
            )
            for hint in inside
        )
    ]
    return plain, hints


def open_value_index(database: Database | UrlDatabase, cache: Path | None = None) -> ValueIndex:
    """The index of a database, built when there is none of its present content.

    `cache` is the folder of the index files. Where it cannot be used, or when `database.tables`
    names the few tables that matter, the index is in memory. DatabaseError: no cell can be read.

    A server does not tell when its content changed: its index is built again every hour.
    """
    return ValueIndex(open_cells(database, cache))
