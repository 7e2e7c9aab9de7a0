"""Conditions in words: "named V", "older than 30", "whose country is not France", "with no email".

A `Part` is what follows (or, as "female", precedes) a noun; its `lead` says how it can be joined to
others: "whose" and "with" parts are joined by "and", a "bare" part stands right after the noun.

>>> own(speech, condition)  # doctest: +SKIP
Part(lead='whose', text='age is greater than 30')
"""

from __future__ import annotations

import random
from typing import NamedTuple

from txt2sql.data.synthesis import lexicon
from txt2sql.data.synthesis.facts import ColumnFacts, TableFacts
from txt2sql.data.synthesis.fill import Filled
from txt2sql.data.synthesis.mention import mention, number, quoted, shielded
from txt2sql.data.synthesis.shape import Condition, Ref
from txt2sql.data.synthesis.words import an, be, in_words, is_person, plural


class Unsayable(Exception):
    """No question of ours says this; the text is the reason."""


class Part(NamedTuple):
    """A modifier of a noun. `lead`: before, bare, with, that, whose."""

    lead: str
    text: str


class Speech:
    """A filled shape, a source of randomness, and the nouns chosen for this question."""

    def __init__(self, filled: Filled, rng: random.Random) -> None:
        self.filled, self.rng = filled, rng
        self._nouns: dict[int, str] = {}
        self._columns: dict[Ref, str] = {}

    def pick(self, alternatives: str) -> str:
        """One of the alternatives of a lexicon text."""
        return self.rng.choice(alternatives.split("|"))

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def table(self, slot: int) -> TableFacts:
        return self.filled.facts.tables[self.filled.tables[slot]]

    def noun(self, slot: int) -> str:
        """The table as a singular noun, now and then by a synonym that the schema leaves free."""
        if slot not in self._nouns:
            said = self.table(slot).noun
            self._nouns[slot] = self._or_synonym(said, lexicon.TABLE_SYNONYMS)
        return self._nouns[slot]

    def nouns(self, slot: int) -> str:
        return plural(self.noun(slot))

    def column(self, ref: Ref) -> str:
        """The column as a singular noun."""
        if ref not in self._columns:
            facts = self.filled.column(ref)
            said = facts.noun
            if said == self.table(ref.table).noun and facts.kind == "text":
                said = f"{said} name" if not said.endswith("name") else said
            elif said in ("id", "code", "number", "key") and self.chance(0.4):
                said = f"{self.table(ref.table).noun} {said}"
            self._columns[ref] = self._or_synonym(said, lexicon.SYNONYMS)
        return self._columns[ref]

    def _or_synonym(self, said: str, synonyms: dict[str, str]) -> str:
        if said in synonyms and self.chance(0.12):
            other = self.pick(synonyms[said])
            if other not in self.filled.facts.nouns:
                return other
        return said

    def who(self, slot: int) -> str:
        return "who" if is_person(self.noun(slot)) and self.chance(0.7) else "that"

    def value(self, condition: Condition, place: int = 0) -> str:
        """The mention of a condition's value."""
        cell = self.filled.values[condition.values[place]]
        if condition.term.ref is None or condition.term.aggregate:
            assert not isinstance(cell, (bytes, type(None)))
            return str(cell) if isinstance(cell, str) else number(cell, self.rng)
        column = self.filled.column(condition.term.ref)
        return shielded(mention(column, cell, self.rng, whole=condition.operator == "="))

    def amount(self, count: object) -> str:
        """A small whole number, in digits or words."""
        assert isinstance(count, int)
        return in_words(count) if count < 11 and self.chance(0.5) else str(count)


def own(speech: Speech, condition: Condition, whose_only: bool = False, owner: str = "") -> Part:
    """One condition on a column of the table that the noun stands for.

    `owner` is put before the column ("album title") for `whose` parts of another table.
    """
    ref = condition.term.ref
    assert ref is not None
    if condition.term.aggregate:
        raise Unsayable("an aggregate in WHERE")
    if condition.query is not None:
        raise Unsayable("a nested query here")
    facts = speech.filled.column(ref)
    noun = f"{owner} {speech.column(ref)}".strip()
    special = [] if whose_only or owner else _special(speech, condition, facts, ref)
    if special and speech.chance(0.6):
        return speech.rng.choice(special)
    return _general(speech, condition, facts, noun, whose_only or bool(owner))


def _special(speech: Speech, condition: Condition, facts: ColumnFacts, ref: Ref) -> list[Part]:
    """Ways that only some columns have; each must still tell which column is meant."""
    operator, noun, table = condition.operator, facts.noun, speech.table(ref.table)
    last = noun.rpartition(" ")[2]
    if operator == "=":
        return _special_equality(speech, condition, facts, ref)
    if operator in ("<", ">") and condition.values:
        said = lexicon.more(noun, operator)
        if said and facts.kind == "number":
            text = speech.pick(said).format(v=speech.value(condition))
            return [Part("that" if text.startswith("that") else "bare", text)]
    if operator == "!=" and last in lexicon.PLACES and noun in lexicon.PLACES:
        text = speech.value(condition)
        return [Part("bare", f"not from {text}"), Part("that", f"{{who}} {{are}} not from {text}")]
    times = [c for c in table.columns if c.kind in ("year", "date")]
    if facts.kind == "year" and len(times) == 1 and operator in ("<", ">") and noun != "year":
        return []
    return []


def _special_equality(
    speech: Speech, condition: Condition, facts: ColumnFacts, ref: Ref
) -> list[Part]:
    noun, table = facts.noun, speech.table(ref.table)
    cell = speech.filled.values[condition.values[0]]
    said = speech.value(condition)
    if noun in ("name", "title", "full name") or (noun == table.noun and facts.kind == "text"):
        verb = "titled" if noun == "title" else "named"
        parts = [Part("bare", f"{verb} {said}"), Part("bare", f"called {said}")]
        return (
            parts
            if speech.chance(0.85)
            else [Part("bare", shielded(quoted(str(cell), speech.rng)))]
        )
    if noun in lexicon.PLACES and facts.kind == "text":
        parts = [Part("bare", f"from {said}"), Part("bare", f"from {said}")]
        if not is_person(speech.noun(ref.table)):
            parts = [Part("bare", f"in {said}"), Part("bare", f"located in {said}"), parts[0]]
        return parts
    if noun in ("gender", "sex"):
        word = lexicon.SEX.get(str(cell).lower())
        return [Part("before", word)] if word else []
    if noun in lexicon.KINDS and facts.kind == "text":
        parts = [Part("bare", f"of {noun} {said}"), Part("bare", f"of the {said} {noun}")]
        if str(cell).isalpha() and len(str(cell)) > 3:
            parts.append(Part("before", str(cell).lower() if speech.chance(0.5) else str(cell)))
        return parts
    if facts.kind == "year" and noun == "year":
        return [Part("bare", f"in {said}"), Part("bare", f"in the year {said}"), Part("bare", f"from {said}")]  # fmt: skip
    if noun == "age":
        return [Part("bare", f"aged {said}"), Part("that", f"{{who}} {{are}} {said} years old")]
    return []


def _general(
    speech: Speech, condition: Condition, facts: ColumnFacts, noun: str, whose_only: bool
) -> Part:
    operator, pick = condition.operator, speech.pick
    time = facts.kind in ("year", "date")
    verbal = noun.endswith((" by", " in", " on", " from", " to"))  # "directed by"
    leads = "whose" if whose_only or verbal else "whose|with|with|that"
    lead = pick(leads)
    if operator in ("is null", "is not null"):
        if operator == "is null":
            text = pick(f"no {noun}|no known {noun}|no recorded {noun}")
            return Part("whose", f"{noun} {be(noun)} {pick('missing|not known|not given')}") if lead == "whose" else Part("with", text)  # fmt: skip
        return Part("whose", f"{noun} {be(noun)} {pick('known|given|recorded')}") if lead == "whose" else Part("with", f"a known {noun}")  # fmt: skip
    if operator.endswith("between"):
        low, high = speech.value(condition, 0), speech.value(condition, 1)
        text = pick(f"between {low} and {high}|between {low} and {high}|in the range from {low} to {high}|from {low} to {high}")  # fmt: skip
        negated = operator.startswith("not")
        if negated or lead != "with":
            return Part("whose", f"{noun} {be(noun)} {'not ' if negated else ''}{text}")
        return Part("with", f"{an(noun)} {text}")
    if operator.endswith("like"):
        return _pattern(speech, condition, noun, lead)
    value = speech.value(condition)
    if operator == "=":
        if facts.kind == "number" and not facts.key and facts.noun.startswith("number of "):
            return Part("with", f"exactly {value} {plural(noun[10:])}")
        if time and lead == "with":
            return Part("with", f"{an(noun)} of {value}")
        texts = {
            "whose": f"{noun} {be(noun)} {value}",
            "with": pick(f"{noun} {value}|the {noun} {value}|{an(noun)} of {value}"),
            "that": f"{{have}} {pick(f'the {noun} {value}|{noun} {value}|{an(noun)} of {value}')}",
        }
        return Part(lead, texts[lead])
    if operator == "!=":
        if lead == "with":
            return Part("with", f"{an(noun)} other than {value}")
        return Part("whose", f"{noun} {be(noun)} {pick(f'not {value}|not {value}|different from {value}|anything but {value}')}")  # fmt: skip
    counted = facts.noun.startswith("number of ") and not whose_only
    if counted and isinstance(speech.filled.values[condition.values[0]], int):
        amount = pick(lexicon.COUNTS[operator]).format(n=value)
        return Part("with", f"{amount} {plural(noun[10:])}")
    words = pick((lexicon.TIME_OPERATORS if time else lexicon.OPERATORS)[operator])
    if facts.kind == "date":
        words = words.replace("in or", "on or")
    if lead == "whose":
        return Part("whose", f"{noun} {be(noun)} {words} {value}")
    if words in ("greater than", "higher than", "larger than", "bigger than", "less than", "lower than", "smaller than", "later than", "earlier than", "no earlier than", "no later than"):  # fmt: skip
        text = f"{an(noun)} {words} {value}"
    else:
        link = (
            "" if words in ("above", "below", "over", "under", "after", "before") or time else "of "
        )
        text = f"{an(noun)} {link}{words} {value}"
    return Part("with", text) if lead == "with" else Part("that", f"{{have}} {text}")


def _pattern(speech: Speech, condition: Condition, noun: str, lead: str) -> Part:
    text = shielded(str(speech.filled.values[condition.values[0]]))
    value = quoted(text, speech.rng) if len(text) > 1 else f"'{text}'"
    if "'" in text:
        value = text
    verbs = {
        "%v%": ("contains|includes|has {v} in it", "contain|include"),
        "v%": ("starts with|begins with", "start with|begin with"),
        "%v": ("ends with|ends in", "end with"),
        "v": ("is like|matches", "match"),
    }[condition.pattern]
    if condition.operator.startswith("not"):
        return Part("whose", f"{noun} does not {speech.pick(verbs[1])} {value}")
    verb = speech.pick(verbs[0])
    if "{v}" in verb:
        return Part("whose", f"{noun} {verb.format(v=value)}")
    if condition.pattern == "%v%" and lead == "with":
        return Part(
            "with", f"{an(noun)} {speech.pick('containing|that contains|including')} {value}"
        )
    if condition.pattern == "%v%" and lead != "whose":
        word = "word " if text.isalpha() and len(text) > 3 and speech.chance(0.3) else ""
        return Part("with", f"the {word}{value} in {{their}} {noun}" if word else f"{value} in {{their}} {noun}")  # fmt: skip
    return Part("whose", f"{noun} {verb} {value}")
