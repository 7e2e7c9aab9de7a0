"""What is shown, and in which order: "the names and ages of ...", "sorted by age, oldest first".

>>> framed(speech, "the names of all singers", many=True)  # doctest: +SKIP
'What are the names of all singers?'
"""

from __future__ import annotations

from txt2sql.data.synthesis import lexicon
from txt2sql.data.synthesis.conditions import Speech, Unsayable
from txt2sql.data.synthesis.phrases import Phrases, Rows
from txt2sql.data.synthesis.shape import Ref, Select, Term
from txt2sql.data.synthesis.words import NUMBERS, listed, plural


def framed(said: Speech, text: str, many: bool) -> str:
    """A question or a request around what is wanted."""
    roll = said.rng.random()
    if text.startswith("everything"):
        roll = max(roll, 0.5)
    if roll < 0.48:
        if " of each " in text or " of every " in text:
            many = many and " and " in text.partition(" of ")[0]
        return f"What {'are' if many else 'is'} {text}?"
    if roll < 0.95:
        verb = said.pick(lexicon.LIST_VERBS)
        return f"{verb} {text}{'?' if verb.startswith(('Can', 'Could')) else '.'}"
    return text.removeprefix("the ")


def shown(said: Phrases, query: Select, refs: list[Ref], rows: Rows, head: int, one: bool) -> str:
    """The columns that are shown, of those rows."""
    own = [ref for ref in refs if ref.table == head]
    others: dict[int, list[Ref]] = {}
    for ref in refs:
        if ref.table != head:
            others.setdefault(ref.table, []).append(ref)
    different = f"{said.pick(lexicon.DIFFERENT)} " if query.distinct else ""
    if query.distinct and (others or len(refs) > 2):
        different = "different "
    if not own:
        raise Unsayable("nothing of the head is shown")
    columns = [said.column(ref) for ref in own]
    text = _of_rows(said, columns, different, rows, one, bool(others))
    for slot, theirs in others.items():
        names = [said.column(ref) for ref in theirs]
        owner = said.called(query, head, slot)
        single = said.upward(query, head, slot)
        if single and said.chance(0.5):
            words = listed(
                [f"{owner} {name}" if one else plural(f"{owner} {name}") for name in names]
            )
            text += said.pick(f" and the corresponding {words}|, together with the {words}|, along with the {words}|, as well as the {words}|, and the {words}")  # fmt: skip
        elif single:
            words = listed([name if one else plural(name) for name in names])
            text += f"{said.pick(' and|, together with|, along with')} the {words} of {('its' if one else 'their')} {owner if one else plural(owner)}"
        else:
            words = listed([plural(name) for name in names])
            text += f"{said.pick(' and|, together with|, along with')} the {words} of {('its' if one else 'their')} {plural(owner)}"
    return text


def _of_rows(
    said: Phrases, columns: list[str], different: str, rows: Rows, one: bool, more: bool
) -> str:
    if one:
        return f"the {different}{listed(columns)} of the {rows.singular}"
    roll = said.rng.random()
    ranked = rows.before[:1].isdigit() or rows.before.split(" ")[0] in ("top", *NUMBERS)
    simple = rows.bare and not rows.before
    if different:
        names = listed([plural(column) for column in columns])
        if simple and len(columns) == 1 and roll < 0.3:
            return f"the {different}{plural(f'{rows.noun} {columns[0]}')}"
        return f"the {different}{names} {said.pick('of|of|for')} {said.pick('the |all |') if simple else ''}{rows.plural}"
    if simple and len(columns) == 1 and roll < 0.15 and not more:
        return f"{said.pick('all |the |all the |')}{plural(f'{rows.noun} {columns[0]}')}"
    if roll < 0.22 and not ranked:
        names = listed(columns)
        return f"the {names} of {said.pick('each|every')} {rows.singular}"
    names = listed([plural(column) for column in columns])
    quantity = (
        said.pick("all |all the |the ||every ") if simple else said.pick("||||the |all |all the ")
    )
    if quantity == "every ":
        return f"the {listed(columns)} of every {rows.singular}"
    return f"the {names} {said.pick('of|of|of|for')} {quantity}{rows.plural}"


def aggregate(said: Phrases, term: Term, alone: bool = False) -> tuple[str, str]:
    """(adjective, column) of an aggregate: ("average", "age")."""
    assert term.ref is not None
    facts = said.filled.column(term.ref)
    kinds = lexicon.AGGREGATES
    if facts.kind in ("year", "date") and term.aggregate in lexicon.TIME_AGGREGATES:
        kinds = lexicon.TIME_AGGREGATES
    word = said.pick(kinds[term.aggregate])
    if word == "sum of the" and alone:
        word = "total"
    if word == "sum of the":
        return word, plural(said.column(term.ref))
    if term.distinct:
        raise Unsayable("an aggregate of distinct values")
    return word, said.column(term.ref)


def ordering(said: Phrases, query: Select, head: int) -> str:
    """The ORDER BY of a query without LIMIT, with a space before it; '' when it has none."""
    if not query.order:
        return ""
    if len(query.order) > 2:
        raise Unsayable("sorted by three columns")
    parts = [_direction(said, query, head, *entry) for entry in query.order]
    if len(parts) == 2:
        (first, a), (second, b) = parts
        return f" {said.pick('sorted|ordered')} by {first} {a} and then by {second} {b}"
    ((key, _),) = parts
    (term, descending) = query.order[0]
    assert term.ref is not None
    facts = said.filled.column(term.ref)
    style = said.pick("sorted|ordered|in order|direction|direction")
    if facts.kind == "text":
        if descending:
            return said.pick(f" in reverse alphabetical order of {key}|, sorted by {key} in descending alphabetical order|, sorted by {key} from Z to A")  # fmt: skip
        return said.pick(f" in alphabetical order of {key}|, sorted alphabetically by {key}|, ordered by {key} alphabetically|, in alphabetical order of {key}|, sorted by {key}")  # fmt: skip
    down = said.pick("descending|descending|decreasing") if descending else said.pick("ascending|ascending|increasing")  # fmt: skip
    if facts.kind in ("year", "date") and said.chance(0.35):
        return f", {said.pick('sorted|ordered')} by {key} from {said.pick('latest to earliest|most recent to oldest|newest to oldest') if descending else said.pick('earliest to latest|oldest to newest|oldest to most recent')}"  # fmt: skip
    if style == "direction" and facts.kind == "number":
        ends = "highest to lowest|high to low|largest to smallest" if descending else "lowest to highest|low to high|smallest to largest"  # fmt: skip
        return f", {said.pick('sorted|ordered')} by {key} from {said.pick(ends)}"
    if style == "in order":
        return f" in {down} order of {key}"
    if not descending and said.chance(0.3):
        return f", {said.pick('sorted|ordered')} by {key}"
    return said.pick(f", sorted by {key} in {down} order|, ordered by {key} in {down} order|, ordered by {key} {down}|, sorted by {down} {key}|, sorted in {down} order of {key}")  # fmt: skip


def _direction(
    said: Phrases, query: Select, head: int, term: Term, descending: bool
) -> tuple[str, str]:
    if term.aggregate or term.ref is None:
        raise Unsayable("sorted by an aggregate")
    key = said.column(term.ref)
    if term.ref.table != head:
        key = f"{said.called(query, head, term.ref.table)} {key}"
    elif said.chance(0.25):
        key = f"{'the' if said.chance(0.5) else 'their'} {key}"
    return key, "in descending order" if descending else "in ascending order"
