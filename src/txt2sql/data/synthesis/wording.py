"""How people write: requests in many forms, synonyms, haste, typing errors.

Values of the database stand between two marks, and nothing is done to them but to take those away.

>>> finish("what is the number of farms in \\x03Kent\\x04?", random.Random(3), frozenset())
'What is the number of farms in Kent?'
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from txt2sql.data.synthesis.words import plural

_VALUE = re.compile("(\x03[^\x04]*\x04)")
_WORD = re.compile(r"[a-z]{5,}")
_IN_YEAR = re.compile(r" in (\d{4})\b")
_TYPING_ERRORS, _HASTE, _SYNONYMS = 0.04, 0.2, 0.25

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "customer": ("client",), "employee": ("staff member", "worker"), "salary": ("pay", "wage"),
    "film": ("movie",), "movie": ("film",), "car": ("vehicle",), "student": ("pupil",),
    "teacher": ("instructor",), "doctor": ("physician",), "physician": ("doctor",),
    "company": ("firm", "business"), "shop": ("store",), "store": ("shop",), "country": ("nation",),
    "department": ("division",), "supplier": ("vendor",), "vendor": ("supplier",),
    "product": ("item", "article"), "item": ("article",), "invoice": ("bill",), "city": ("town",),
    "revenue": ("income",), "quantity": ("amount",), "number of": ("count of", "amount of", "total number of"),
    "average": ("mean", "avg", "typical"), "address": ("mailing address",), "flight": ("connection",),
    "match": ("game",), "game": ("match",), "nationality": ("citizenship",), "song": ("track",),
    "author": ("writer",), "player": ("athlete",), "email": ("e-mail", "email address", "mail"),
    "percentage": ("percent", "pct"), "minimum": ("lowest", "smallest"),
    "maximum": ("highest", "largest", "max"), "phone": ("telephone",), "category": ("group",),
}  # fmt: skip

ONE = (
    "what is the {}?", "what's the {}?", "show the {}", "give me the {}", "{}", "{}", "find the {}",
    "calculate the {}", "tell me the {}", "I need the {}", "can you tell me the {}?", "get the {}",
    "please show me the {}", "what was the {}?", "return the {}", "compute the {}", "{}?",
    "could you give me the {}?", "I'd like to know the {}", "do you know the {}?",
)  # fmt: skip
"""Requests for something that is one."""
MANY = (
    "what are the {}?", "show the {}", "list the {}", "give me the {}", "{}", "find the {}",
    "show me the {}", "list all {}", "I need the {}", "can you list the {}?", "get me the {}",
    "return the {}", "display the {}", "please list the {}", "show {}",
    "could you show me the {}?", "I'd like to see the {}", "list {}", "tell me the {}",
)  # fmt: skip
"""Requests for several things."""
COUNT = (
    "how many {} are there?", "how many {} are there?", "how many {} do we have?", "count the {}",
    "how many {}?", "how many {} exist?", "what is the number of {}?", "number of {}", "count of {}",
    "count {}", "give me the number of {}", "tell me how many {} there are", "total number of {}",
    "what's the total count of {}?", "I want to know how many {} there are", "find the number of {}",
    "do you know how many {} there are?", "how many {} in total?", "find out how many {} there are",
)  # fmt: skip
WHOLE_ROWS = (
    "show all {}", "show me all {}", "give me everything about {}", "all details of {}",
    "list all details of the {}", "show all columns for {}", "display all information about {}",
    "all {} with all their details", "show the full records of {}", "select all {}",
)  # fmt: skip
EACH = (
    "per {}", "by {}", "for each {}", "for every {}", "per {}", "for each {}", "broken down by {}",
    "grouped by {}", "split by {}", "by {}",
)  # fmt: skip


def each(words: str, rng: random.Random) -> str:
    """`for each month`."""
    return rng.choice(EACH).format(words)


def finish(text: str, rng: random.Random, nouns: frozenset[str]) -> str:
    """The question as it is typed. `nouns` are words of the database, which are no synonyms here."""
    parts = _VALUE.split(text)
    plain = parts[::2]
    if rng.random() < _SYNONYMS:
        plain = _with_synonym(plain, rng, nouns)
    hasty = rng.random() < _HASTE
    if hasty:
        plain = [part.lower() for part in plain]
        plain[-1] = plain[-1].rstrip("?. ")
        if rng.random() < 0.25:  # "sales by region 2024"
            plain = [_IN_YEAR.sub(r" \1", part) for part in plain]
        if rng.random() < 0.3:
            plain = [part.replace("'", "") for part in plain]
    if rng.random() < _TYPING_ERRORS:
        plain = _with_error(plain, rng)
    parts[::2] = plain
    question = " ".join("".join(part.strip("\x03\x04") for part in parts).split())
    if not hasty:
        question = question[:1].upper() + question[1:] if plain[0] else question
        if question[-1:].isalnum() and rng.random() < 0.5:
            question += "."
    return question


def _with_synonym(parts: list[str], rng: random.Random, nouns: frozenset[str]) -> list[str]:
    present = [word for word in SYNONYMS if any(word in part for part in parts)]
    if not present:
        return parts
    word = rng.choice(present)
    other = rng.choice(SYNONYMS[word])
    if not nouns.isdisjoint((other, *other.split())):
        return parts
    forms = {word: other, plural(word): plural(other) if " of" not in other else other}
    pattern = re.compile(
        rf"(?<!a )\b({'|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))})\b"
    )
    return [pattern.sub(lambda match: forms[match[1]], part) for part in parts]


def _with_error(parts: list[str], rng: random.Random) -> list[str]:
    """Two letters swapped, one left out or one doubled, in one word."""
    places = [(i, match) for i, part in enumerate(parts) for match in _WORD.finditer(part)]
    if not places:
        return parts
    i, match = rng.choice(places)
    word, at = match[0], rng.randint(1, len(match[0]) - 3)
    wrong = rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
        )
    )
    changed = list(parts)
    changed[i] = parts[i][: match.start()] + wrong + parts[i][match.end() :]
    return changed
