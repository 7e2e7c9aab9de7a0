"""Questions for filled shapes: how many, what is, list, which has the most, for each.

The template grammar: a frame ("Show {x}.", "What are {x}?") around what is shown, of which rows, in
which order. Shapes that no frame says raise Unsayable: nothing is asked that the words leave open.

>>> question(filled, random.Random(0))  # doctest: +SKIP
'How many singers from France are there?'
"""

from __future__ import annotations

import random

from txt2sql.data.synthesis import lexicon
from txt2sql.data.synthesis.conditions import Unsayable
from txt2sql.data.synthesis.fill import Filled
from txt2sql.data.synthesis.groups import grouped
from txt2sql.data.synthesis.mention import unshielded
from txt2sql.data.synthesis.phrases import Phrases, Rows, of_many
from txt2sql.data.synthesis.sets import combined
from txt2sql.data.synthesis.shape import Compound, Ref, Select, Term
from txt2sql.data.synthesis.shown import aggregate, framed, ordering, shown
from txt2sql.data.synthesis.words import is_person, plural


def question(filled: Filled, rng: random.Random) -> str:
    """One question for a filled shape. Raises Unsayable."""
    said = Phrases(filled, rng)
    query = filled.query
    if isinstance(query, Compound):
        text = combined(said, query)
    elif query.group:
        text = grouped(said, query)
    elif any(term.aggregate for term in query.terms):
        text = _aggregates(said, query)
    else:
        text = _listing(said, query)
    return _finished(text, rng)


def _finished(text: str, rng: random.Random) -> str:
    text = unshielded(" ".join(text.split()))
    roll = rng.random()
    if roll < 0.03:
        start = rng.choice(
            ("Hi, ", "Hello, ", "Please tell me: ", "I was wondering: ", "Quick question: ")
        )
        lower = not text.startswith("I ") and not text[1:2].isupper()
        text = start + (text[0].lower() if lower else text[0]) + text[1:]
    elif roll < 0.07:
        text = text[0].lower() + text[1:]
    if roll > 0.93:
        text = text.rstrip("?.")
    return text[0].upper() + text[1:] if roll >= 0.07 else text


def _aggregates(said: Phrases, query: Select) -> str:
    if query.distinct:
        raise Unsayable("distinct aggregates")
    if any(not term.aggregate for term in query.terms) or query.limit >= 0 or query.having:
        raise Unsayable("aggregates beside columns")
    if len(query.terms) == 1 and query.terms[0].aggregate == "count":
        return _count(said, query, query.terms[0])
    counts = [term for term in query.terms if term.aggregate == "count"]
    refs = [term.ref for term in query.terms if term.ref is not None]
    head = said.row_table(query)
    if any(ref.table != head for ref in refs):
        raise Unsayable("an aggregate over repeated rows")
    if any(term.ref is not None and not term.distinct for term in counts):
        raise Unsayable("a count of filled cells")
    rows = said.rows(query, head)
    of = _of(said, rows)
    groups: list[str] = []
    places = {term.ref for term in query.terms}
    if len(places) == 1 and len(query.terms) > 1 and not counts:
        adjectives = [aggregate(said, term, alone=True)[0] for term in query.terms]
        (ref,) = places
        assert ref is not None
        if any(adjective.endswith("of the") for adjective in adjectives):
            raise Unsayable("a sum among others")
        text = f"the {_and(adjectives)} {said.column(ref)} {of}"
        return framed(said, text, many=True)
    for term in query.terms:
        if term.aggregate == "count":
            noun = (
                f"{said.pick(lexicon.DIFFERENT)} {plural(said.column(term.ref))}"
                if term.ref
                else ""
            )
            groups.append(f"the number of {noun}" if term.ref else f"the number of {rows.plural}")
        else:
            groups.append("the " + " ".join(aggregate(said, term)))
    star = [i for i, term in enumerate(query.terms) if term.ref is None]
    if star:  # the rows are named there, so that the others need only "their"
        first = groups.pop(star[0])
        text = f"{first} and {_and([g.replace('the ', 'their ', 1) for g in groups])}"
    else:
        text = f"{_and(groups)} {of}"
    return framed(said, text, many=len(query.terms) > 1)


def _of(said: Phrases, rows: Rows) -> str:
    """ "of all singers", "for the singers from France", "across the singers"."""
    if rows.bare and not rows.before:
        return said.pick("of all {0}|of all {0}|of all the {0}|of the {0}|for all {0}|across all {0}|of {0}|among all {0}").format(rows.plural)  # fmt: skip
    return said.pick("of {0}|of the {0}|for {0}|for all {0}|of all {0}|among {0}").replace(
        "{0}", rows.plural
    )


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _count(said: Phrases, query: Select, term: Term) -> str:
    busy = {c.term.ref.table for c in query.where if c.term.ref}
    if term.ref is None or not term.distinct:
        if term.ref is not None and (
            said.filled.column(term.ref).nulls or term.ref.table != said.row_table(query)
        ):
            raise Unsayable("a count of filled cells")
        head = said.counted_table(query, busy)
        rows = said.rows(query, head)
        return _counting(said, rows)
    rows = said.rows(query, term.ref.table)
    noun = plural(said.column(term.ref))
    different = said.pick(lexicon.DIFFERENT)
    facts = said.filled.column(term.ref)
    if facts.primary and said.chance(0.7):  # how many rows, however often they are joined
        return _counting(said, rows._replace(before=f"{different} {rows.before}".strip()))
    if rows.bare and not rows.before:
        return said.pick(
            f"How many {different} {noun} are there?|How many {different} {noun} are there among all {rows.plural}?|"
            f"How many {different} {noun} do the {rows.plural} have?|Count the number of {different} {noun} of {rows.plural}.|"
            f"What is the number of {different} {rows.noun} {noun}?|Count the {different} {rows.noun} {noun}.|"
            f"Find the number of {different} {noun} across all {rows.plural}.|How many {different} {rows.noun} {noun} are there?"
        )  # fmt: skip
    if len(rows.after.split()) < 6 and said.chance(0.3):
        return f"How many {different} {noun} do {rows.plural} have?"
    return said.pick(
        f"How many {different} {noun} are there for {rows.plural}?|"
        f"Count the number of {different} {noun} of {rows.plural}.|What is the number of {different} {noun} of {rows.plural}?|"
        f"Find the number of {different} {noun} among {rows.plural}."
    )  # fmt: skip


def _counting(said: Phrases, rows: Rows) -> str:
    parts = [part for part in rows.parts if part.lead != "before"]
    subject = " ".join(filter(None, (rows.before, plural(rows.noun))))
    if len(parts) == 1 and said.chance(0.35):
        lead, text = parts[0]
        text = of_many(text.removeprefix("{who} ").removeprefix("that "), rows.noun)
        if lead == "with" and not text.startswith(("no ", "the word")):
            return f"How many {subject} have {text}?"
        if lead == "that":
            return f"How many {subject} {text}?"
        if lead == "bare":
            return f"How many {subject} are {text}?"
    return said.pick(lexicon.COUNT_FRAMES).replace("{np}", rows.plural)


def _listing(said: Phrases, query: Select) -> str:
    """Columns of rows, all of them or the first by some order."""
    refs = [term.ref for term in query.terms if term.ref is not None]
    if query.limit >= 0 and not query.order:
        raise Unsayable("a limit without an order")
    head = refs[0].table if refs else said.row_table(query)
    mentioned = tuple({ref.table for ref in refs})
    if query.limit >= 0:
        if query.distinct:
            raise Unsayable("distinct and ranked")
        rows = said.ranked(query, head)
        one = said.filled.values[query.limit] == 1
        return _of_ranked(said, query, refs, rows, head, one)
    rows = said.rows(query, head, mentioned)
    if not refs:
        text = said.pick("all columns of {0}|everything about {0}|all the information about {0}|all details of {0}|the {0} with all their columns").format(rows.plural)  # fmt: skip
        return framed(said, text + ordering(said, query, head), many=True)
    one = _single(said, query, head)
    who = _who(said, query, refs, rows, head, one)
    if who:
        return who
    does = _does(said, query, refs, rows, head, one)
    if does:
        return does
    text = shown(said, query, refs, rows, head, one)
    order = ordering(said, query, head)
    if order.startswith(", sorted by") and said.chance(0.15):
        return f"Sort {text}{order.removeprefix(', sorted')}."
    own = sum(ref.table == head for ref in refs)
    return framed(said, text + order, many=not one or own > 1)


def _does(said: Phrases, query: Select, refs: list[Ref], rows: Rows, head: int, one: bool) -> str:
    """ "What phone number does the customer named V have?"."""
    if len(refs) != 1 or refs[0].table != head or query.order or query.distinct:
        return ""
    if not rows.parts or said.filled.column(refs[0]).noun == rows.noun or not said.chance(0.1):
        return ""
    if len(rows.after.split()) > 6:
        return ""
    column, which = said.column(refs[0]), said.pick("What|Which")
    if one:
        return f"{which} {column} does the {rows.singular} have?"
    return f"{which} {plural(column)} do the {rows.plural} have?"


def _single(said: Phrases, query: Select, head: int) -> bool:
    """Whether a condition leaves one row: an equality with a column that tells rows apart."""
    return not query.either and any(
        condition.operator == "="
        and condition.values
        and condition.term.ref is not None
        and condition.term.ref.table == head
        and said.filled.column(condition.term.ref).unique
        for condition in query.where
    )


def _who(said: Phrases, query: Select, refs: list[Ref], rows: Rows, head: int, one: bool) -> str:
    """ "Which singers are from France? Give their names." and "Who are the singers from France?"."""
    if query.order or query.distinct or not rows.parts or any(r.table != head for r in refs):
        return ""
    name = len(refs) == 1 and said.filled.column(refs[0]).noun in ("name", "full name")
    parts = [part for part in rows.parts if part.lead != "before"]
    if name and is_person(rows.noun) and said.chance(0.15):
        return f"Who {f'is the {rows.singular}' if one else f'are the {rows.plural}'}?"
    if len(parts) != 1 or not said.chance(0.25):
        return ""
    lead, text = parts[0]
    text = of_many(text.removeprefix("{who} ").removeprefix("that "), rows.noun)
    subject = " ".join(filter(None, (rows.before, plural(rows.noun))))
    verb = {"with": "have ", "that": "", "bare": "are "}.get(lead)
    if verb is None:
        return ""
    columns = _and([plural(said.column(ref)) for ref in refs])
    ask = said.pick(f"Give me their {columns}.|Show their {columns}.|List their {columns}.|Return the {columns}.|Give the {columns}.|Find their {columns}.|Tell me their {columns}.|List the {columns}.")  # fmt: skip
    return f"Which {subject} {verb}{text}? {ask}"


def _of_ranked(
    said: Phrases, query: Select, refs: list[Ref], rows: Rows, head: int, one: bool
) -> str:
    if not refs:
        raise Unsayable("all columns of the first rows")
    text = shown(said, query, refs, rows, head, one)
    own = all(ref.table == head for ref in refs)
    if own and said.chance(0.25):
        columns = _and([said.column(ref) if one else plural(said.column(ref)) for ref in refs])
        which = rows.singular if one else rows.plural
        theirs = ("his or her" if is_person(rows.noun) else "its") if one else "their"
        name = len(refs) == 1 and said.filled.column(refs[0]).is_name
        if name and one and said.chance(0.5):
            return said.pick(f"Which {rows.noun} is the {which}?|What is the {which}?") if rows.before and not rows.after else f"Which {rows.noun} is the one {rows.after}?" if rows.after.startswith(("with", "from", "in")) and "{" not in rows.after and not rows.before else f"Find the {which} and give the {columns}."  # fmt: skip
        return said.pick(
            f"Find the {which} and give {theirs} {columns}.|For the {which}, show the {columns}.|"
            f"{'What is' if one else 'What are'} the {which}? Give {theirs} {columns}.|For the {which}, what {'is' if one and len(refs) == 1 else 'are'} the {columns}?"
        )  # fmt: skip
    return framed(said, text, many=not one or len(refs) > 1)
