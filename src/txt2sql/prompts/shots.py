"""Few-shot examples (in-context learning): answered questions, chosen by likeness, shown in the prompt.

Names of their own schema, values and numbers are masked, so that what is compared is what is asked, not
what it is asked about, as in DAIL-SQL (Gao et al. 2023, arXiv:2308.15363). The measure is BM25 (Robertson
and Zaragoza, 2009) over words and pairs of words.

>>> schema = Schema("shop", (Table("shop", (Column("city"),)),))
>>> mask("How many shops are in Lisbon since 1999?", schema)
('how', 'many', '<name>', 'are', 'in', '<value>', 'since', '<value>', '?')
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from txt2sql.identifiers import name_parts, stem
from txt2sql.types import Column, Example, Schema, Table

_PIECES = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|[^\W\d_]+|\d[\d.,:/-]*|[?]")
_NAME, _VALUE = "<name>", "<value>"
_K1, _B = 1.2, 0.75
_SHORTEST_NAME = 3


@dataclass(frozen=True, slots=True)
class Shot:
    question: str
    sql: str


class Shots:
    """Answered questions that are found by likeness; built once, asked for every question."""

    def __init__(self, answered: Iterable[tuple[Example, Schema]]) -> None:
        self.items: list[tuple[str, Shot]] = []  # (db_id, shot) in the order given
        self._found: dict[str, list[tuple[int, int]]] = {}  # term -> (item, count)
        lengths: list[int] = []
        for example, schema in answered:
            terms = _terms(example.question, schema)
            for term, count in Counter(terms).items():
                self._found.setdefault(term, []).append((len(self.items), count))
            lengths.append(len(terms))
            self.items.append((example.db_id, Shot(example.question, example.gold_sql)))
        mean = sum(lengths) / len(lengths) if lengths else 1.0
        self._norm = [_K1 * (1 - _B + _B * length / max(mean, 1.0)) for length in lengths]

    def nearest(self, question: str, schema: Schema, k: int) -> tuple[Shot, ...]:
        """The k likest questions about other databases, the likest last, next to the question.

        One of each query: the many wordings of one question teach as much as one of them.
        """
        scores: dict[int, float] = {}
        n = len(self.items)
        for term in set(_terms(question, schema)):
            places = self._found.get(term, ())
            idf = math.log(1 + (n - len(places) + 0.5) / (len(places) + 0.5))
            for place, count in places:
                gain = idf * count * (_K1 + 1) / (count + self._norm[place])
                scores[place] = scores.get(place, 0.0) + gain
        best: dict[str, Shot] = {}
        for place in heapq.nsmallest(50 * k, scores, key=lambda place: (-scores[place], place)):
            db_id, shot = self.items[place]
            if db_id != schema.db_id and len(best) < k:
                best.setdefault(shot.sql, shot)
        return tuple(reversed(best.values()))


def mask(question: str, schema: Schema) -> tuple[str, ...]:
    """The words of a question, lower-cased, with names of the schema and values as marks."""
    items: list[Table | Column] = [*schema.tables, *(c for t in schema.tables for c in t.columns)]
    texts = [text for item in items for text in (item.name, item.words)]
    parts = {part for text in texts for part in name_parts(text)}
    names = {stem(part) for part in parts if len(part) >= _SHORTEST_NAME}
    pieces: list[str] = []
    for position, piece in enumerate(_PIECES.findall(question)):
        word = piece.lower()
        if stem(word) in names:
            word = _NAME
        elif piece[0].isdigit() or piece[0] in "\"'" or (piece[0].isupper() and position):
            word = _VALUE
        if not (pieces and word == pieces[-1] and word in (_NAME, _VALUE)):
            pieces.append(word)  # a name of several words is one name
    return tuple(pieces)


def _terms(question: str, schema: Schema) -> list[str]:
    words = mask(question, schema)
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]
