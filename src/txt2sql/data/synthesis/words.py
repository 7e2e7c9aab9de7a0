"""English for schemas: nouns of tables and columns, plurals, articles, numbers in words.

A few rules and lists, enough for names of tables and columns; no full morphology.

>>> plural("city"), singular("addresses"), noun("stu_fname")
('cities', 'address', 'student first name')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from txt2sql.execution.names import natural_name

_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "foot": "feet",
    "series": "series", "species": "species", "staff": "staff", "information": "information",
    "data": "data", "faculty": "faculty", "aircraft": "aircraft", "gas": "gases", "bus": "buses",
    "status": "statuses", "news": "news", "money": "money", "weather": "weather", "media": "media",
    "campus": "campuses", "bonus": "bonuses", "personnel": "personnel", "equipment": "equipment",
    "sales": "sales", "stock": "stock", "address": "addresses", "class": "classes",
    "business": "businesses", "index": "indexes", "life": "lives", "leaf": "leaves",
    "shelf": "shelves", "analysis": "analyses", "basis": "bases", "half": "halves",
    "lens": "lenses", "wife": "wives", "knife": "knives", "crisis": "crises", "virus": "viruses",
    "census": "censuses", "access": "accesses", "process": "processes", "boss": "bosses",
}  # fmt: skip
_SINGULAR = {many: one for one, many in _IRREGULAR.items() if many != one}
PEOPLE = frozenset(
    "person people student teacher employee customer singer artist author actor actress player "
    "member instructor professor physician patient nurse doctor driver staff user client worker "
    "manager director writer editor candidate coach athlete swimmer gymnast wrestler pilot guest "
    "visitor owner host scientist engineer technician journalist captain head reviewer inventor "
    "designer musician performer entrepreneur investor politician representative delegate reader "
    "rider climber cyclist employer chef seller buyer supplier passenger resident adviser advisor "
    "participant contestant voter builder friend parent child man woman lawyer agent partner "
    "subscriber tenant borrower lender composer conductor reporter winner".split()
)
_NOUNS_IN_ED = frozenset("speed breed creed seed reed weed feed steed shed sled".split())
_NO_NOUNS = frozenset(
    "in out from to by on of at up off over yn usd km ft billion billions million millions not "
    "old new high low best worst more less other".split()
)
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()


@lru_cache(maxsize=4096)
def plural(words: str) -> str:
    """The plural of a noun phrase: of the noun before "of" or "in", else of its last word."""
    return _with_head(words, _plural)


def _plural(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_NOUNS or not word or not word[-1].isalpha() or not word.isascii():
        return word
    if word.endswith("ed") and word not in _NOUNS_IN_ED and len(word) > 4:
        return word  # "founded", "killed": they have no plural
    if word in _SINGULAR or (word.endswith("s") and not word.endswith("ss") and len(word) > 3):
        return word
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "ch", "sh", "z")):
        return word + "es"
    return word + "s"


@lru_cache(maxsize=4096)
def singular(words: str) -> str:
    """The singular of a noun phrase."""
    return _with_head(words, _singular)


def _with_head(words: str, change: Callable[[str], str]) -> str:
    for link in (" of ", " in ", " for ", " with ", " per ", " by ", " at ", " to "):
        first, separator, rest = words.partition(link)
        if separator and first:
            return _with_head(first, change) + link + rest
    head, space, last = words.rpartition(" ")
    return head + space + change(last)


def _singular(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _IRREGULAR or len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and len(word) > 4 and word not in ("movies", "cookies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "goes", "does")) and word != "shoes":
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=4096)
def noun(words: str, table: str = "") -> str:
    """A name as a person says it: lower case, abbreviations written out, no doubled words.

    >>> noun("num employees"), noun("tbl_order")
    ('number of employees', 'order')
    """
    named = natural_name(words, table).split()
    if len(named) > 1 and named[0] in ("tbl", "has", "have", "dim", "fact", "ref", "reference"):
        del named[0]  # "has pet": a table of who has which pet
    if named[:1] == ["number"] and len(named) > 1 and named[1] != "of" and named[-1].endswith("s"):
        named.insert(1, "of")
    once = [word for i, word in enumerate(named) if not i or word != named[i - 1]]
    return " ".join(once) or re.sub(r"\s+", " ", words).strip().lower() or "value"


def is_person(noun_phrase: str) -> bool:
    """Whether the noun is one of people."""
    return noun_phrase.rpartition(" ")[2] in PEOPLE


def be(noun_phrase: str) -> str:
    """`is` or `are`, as the noun is written: "age is", "seats are"."""
    last = noun_phrase.rpartition(" ")[2]
    return "are" if " of " not in noun_phrase and _singular(last) != last else "is"


def an(noun_phrase: str) -> str:
    """With its indefinite article."""
    vowel = noun_phrase[:1] in "aeiou" and not noun_phrase.startswith(("uni", "use", "eu", "one"))
    return f"{'an' if vowel else 'a'} {noun_phrase}"


def in_words(number: int) -> str:
    """`3` -> `three`, up to twelve."""
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else str(number)


def listed(items: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"
