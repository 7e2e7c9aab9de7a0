"""How a question mentions a value: quoted or not, in another case, by part of a name, in words.

>>> date_in_words("2014-05-03", random.Random(0)) in ("May 3, 2014", "3 May 2014", "May 3rd, 2014")
True
"""

from __future__ import annotations

import random

from txt2sql.data.synthesis.facts import ColumnFacts
from txt2sql.data.synthesis.words import in_words
from txt2sql.types import Cell

_SHIELD = {ord("|"): "\ue000", ord("{"): "\ue001", ord("}"): "\ue002"}  # private use: in no text
_UNSHIELD = {ord(mark): chr(plain) for plain, mark in _SHIELD.items()}
_MONTHS = (
    "January February March April May June July August September October November December".split()
)


def mention(column: ColumnFacts, cell: Cell, rng: random.Random, whole: bool = True) -> str:
    """The value as a question has it; `whole` when it is a cell, not a part or a bound."""
    if isinstance(cell, (int, float)):
        return number(cell, rng, plain=column.kind == "year" or column.key)
    text = str(cell)
    if column.kind == "date" and len(text) == 10 and rng.random() < 0.4:
        return date_in_words(text, rng)
    roll = rng.random()
    if whole and column.kind == "text" and roll < 0.04:
        text = _by_part(column, text)
    elif roll < 0.12:
        text = text.lower()
    elif roll < 0.15 and text.islower():
        text = text.title()
    return quoted(text, rng)


def shielded(text: str) -> str:
    """Text of a cell without the marks of the templates ("|" between alternatives, braces)."""
    return text.translate(_SHIELD)


def unshielded(text: str) -> str:
    """What `shielded` was given."""
    return text.translate(_UNSHIELD)


def quoted(text: str, rng: random.Random) -> str:
    """In double, single or no quotes; in double ones where there would be doubt."""
    roll = rng.random()
    lonely = len(text) == 1 or not text[0].isalnum() or text != " ".join(text.split())
    if (roll < 0.35 or (lonely and "'" in text)) and '"' not in text:
        return f'"{text}"'
    if (roll < 0.5 or lonely) and "'" not in text:
        return f"'{text}'"
    return text


def number(value: int | float, rng: random.Random, plain: bool = False) -> str:
    """Digits, small ones often in words, large ones sometimes with commas."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e12 and rng.random() < 0.7:
        value = int(value)
    if plain or not isinstance(value, int):
        return str(value)
    if 0 <= value <= 12 and rng.random() < 0.35:
        return in_words(value)
    if abs(value) >= 10_000 and rng.random() < 0.2:
        return f"{value:,}"
    return str(value)


def date_in_words(text: str, rng: random.Random) -> str:
    """`2014-05-03` -> `May 3, 2014` and the like; as it is when it is no date."""
    year, month, day = text[:4], int(text[5:7]), int(text[8:10])
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return text
    name = _MONTHS[month - 1]
    ending = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return rng.choice(
        (f"{name} {day}, {year}", f"{day} {name} {year}", f"{name} {day}{ending}, {year}")
    )


def _by_part(column: ColumnFacts, text: str) -> str:
    """One word of a name, when no other name has it and all names are known."""
    if not column.complete:
        return text
    for word in reversed(text.split()[:4]):
        if len(word) < 4 or not word.isalpha() or word == text:
            continue
        low = word.lower()
        if sum(low in str(value).lower() for value in column.values) == 1:
            return word
    return text
