"""English for schemas (nouns, plurals, articles, numbers in words), and how people write.

A few rules and lists, enough for names of tables and columns; no full morphology. Requests come in many
forms, with synonyms, haste and typing errors. Values of the database stand between two marks, and
nothing is done to them but to take those away.

>>> plural("city"), singular("addresses"), noun("stu_fname")
('cities', 'address', 'student first name')
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
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
