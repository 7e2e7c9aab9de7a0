"""Questions over groups: "how many singers are there for each country", "which has the most".

>>> grouped(phrases, select)  # doctest: +SKIP
'For each country, how many singers are there?'
"""

from __future__ import annotations

from txt2sql.data.synthesis import lexicon
from txt2sql.data.synthesis.conditions import Unsayable
from txt2sql.data.synthesis.phrases import Phrases, Rows
from txt2sql.data.synthesis.shape import Condition, Select, Term
from txt2sql.data.synthesis.shown import framed
from txt2sql.data.synthesis.words import an, listed, plural


class Group:
    """What a group is: rows of a table (`entity` its place) or equal values of a column."""

    def __init__(self, said: Phrases, query: Select) -> None:
        if len(query.group) != 1:
            raise Unsayable("groups by two columns")
        self.said, self.query, self.ref = said, query, query.group[0]
        shown = [t.ref for t in query.terms if t.ref and not t.aggregate]
        if any(t.ref is None and not t.aggregate for t in query.terms):
            raise Unsayable("all columns of groups")
        tables = {ref.table for ref in shown}
        if len(tables) > 1:
            raise Unsayable("columns of two tables for groups")
        self.entity = next(iter(tables)) if any(ref != self.ref for ref in shown) else None
        self.columns = [said.column(ref) for ref in shown]
        facts = said.filled.column(self.ref)
        owner = self._owner()
        if self.entity is None and owner is not None and (facts.primary or not shown):
            self.entity = owner
        self.row = said.row_table(query)
        busy = {c.term.ref.table for c in query.where if c.term.ref}
        busy |= self._referred()
        head = self.entity if self.entity is not None else self.ref.table
        self.head = head
        self.counted = said.counted_table(query, busy | {head})
        if self.entity == self.row and self.counted == self.row:
            raise Unsayable("a group for each row")
        said_of = self.counted if self.counted != head else self.row
        self.rows: Rows = said.rows(
            query, said_of, (head,) if self.entity is None else (head, *self._referred())
        )

    def _owner(self) -> int | None:
        """The place of the table whose rows the groups are, when the column is its key."""
        facts = self.said.filled.column(self.ref)
        return self.ref.table if facts.primary and facts.unique else None

    def _referred(self) -> set[int]:
        """The places of the tables whose keys the groups are."""
        filled = self.said.filled
        ends = (filled.tables[self.ref.table], filled.columns[self.ref])
        parents = {e.parent for e in filled.facts.edges if (e.child, e.child_column) == ends}
        return {slot for slot in self.query.tables if filled.tables[slot] in parents}

    @property
    def noun(self) -> str:
        """ "country", "singer"."""
        if self.entity is not None:
            return self.said.noun(self.entity)
        noun = self.said.column(self.ref)
        if self.ref.table != self.row:
            return f"{self.said.noun(self.ref.table)} {noun}"
        return noun

    @property
    def names(self) -> str:
        """The columns shown, "name and age"; '' when none is, or only what the groups are."""
        return listed(self.columns) if self.entity is not None else ""


def grouped(said: Phrases, query: Select) -> str:
    """A question for a SELECT with GROUP BY. Raises Unsayable."""
    if query.distinct:
        raise Unsayable("distinct groups")
    group = Group(said, query)
    aggregates = [term for term in query.terms if term.aggregate]
    if query.limit >= 0:
        return _top(said, query, group, aggregates)
    if query.having:
        return _having(said, query, group, aggregates)
    if not aggregates:
        if query.order and len(query.order) == 1 and query.order[0][0].aggregate:
            key, order = _measure_and_direction(said, query, group)
            what = group.names or group.noun
            text = f"the {_many(what)}{f' of {plural(group.noun)}' if group.names else ''}"
            return framed(
                said, f"{text}, {said.pick('sorted|ordered')} by {key} {order}", many=True
            )
        raise Unsayable("groups of which nothing is counted")
    return _each(said, query, group, aggregates)


def _many(names: str) -> str:
    parts = [plural(part) for part in names.replace(" and ", ", ").split(", ")]
    return listed(parts)


def _measure(said: Phrases, group: Group, term: Term) -> str:
    """ "the number of singers", "the average age of singers"."""
    if term.aggregate == "count":
        if term.ref is None or not term.distinct:
            if term.ref is not None and said.filled.column(term.ref).nulls:
                raise Unsayable("a count of filled cells")
            return f"{said.pick('the number of|the number of|the count of|the total number of')} {group.rows.plural}"
        noun = plural(said.column(term.ref))
        return f"the number of {said.pick(lexicon.DIFFERENT)} {noun} of {group.rows.plural}"
    assert term.ref is not None
    if term.ref.table != group.row or term.distinct:
        raise Unsayable("an aggregate over repeated rows")
    time = said.filled.column(term.ref).kind in ("year", "date")
    kinds = (
        lexicon.TIME_AGGREGATES if time and term.aggregate in ("min", "max") else lexicon.AGGREGATES
    )
    word = said.pick(kinds[term.aggregate]).replace("sum of the", "total")
    return f"the {word} {said.column(term.ref)} of {group.rows.plural}"


def _measures(said: Phrases, group: Group, terms: list[Term]) -> str:
    texts = [_measure(said, group, term) for term in terms]
    rows = f" of {group.rows.plural}"
    for i, text in enumerate(texts[:-1]):  # "the average and the maximum age of singers"
        if text.endswith(rows) and texts[-1].endswith(rows) and not text.startswith(("the number", "the count", "the total number")):  # fmt: skip
            texts[i] = text.removesuffix(rows)
    return listed(texts)


def _measure_and_direction(said: Phrases, query: Select, group: Group) -> tuple[str, str]:
    term, descending = query.order[0]
    words = "descending|decreasing" if descending else "ascending|increasing"
    return _measure(said, group, term), f"in {said.pick(words)} order"


def _each(said: Phrases, query: Select, group: Group, terms: list[Term]) -> str:
    noun = group.noun
    tail = ""
    if query.order:
        if len(query.order) > 1:
            raise Unsayable("groups sorted by two keys")
        term, _ = query.order[0]
        words = "descending|decreasing" if query.order[0][1] else "ascending|increasing"
        order = f"in {said.pick(words)} order"
        if term.aggregate and term in terms:
            measure = "that number" if term.aggregate == "count" else f"the {said.column(term.ref)}" if term.ref else ""  # fmt: skip
            tail = f", {said.pick('sorted|ordered')} by {measure} {order}"
        elif term.aggregate:
            tail = f", sorted by {_measure(said, group, term)} {order}"
        elif term.ref in query.group or term.ref in [t.ref for t in query.terms]:
            assert term.ref is not None
            tail = f", {said.pick('sorted|ordered')} by {said.column(term.ref)} {order}"
        else:
            raise Unsayable("groups sorted by another column")
    measures = _measures(said, group, terms)
    if not group.columns:  # only the aggregates are shown
        if len(terms) == 1 and terms[0].aggregate == "count" and not terms[0].distinct and said.chance(0.5):  # fmt: skip
            return said.pick(f"How many {group.rows.plural} are there for each {noun}{tail}?|How many {group.rows.plural} does each {noun} have{tail}?")  # fmt: skip
        return framed(said, f"{measures} for each {noun}{tail}", many=len(terms) > 1)
    if group.entity is not None:
        names = group.names
        return said.pick(
            f"For each {noun}, {said.pick('show|list|give|return|find')} the {names} and {measures}{tail}.|"
            f"Show the {names} of each {noun} together with {measures}{tail}.|"
            f"List the {_many(names)} of {plural(noun)} along with {measures} for each{tail}.|"
            f"What is the {names} of each {noun}, and what {'is' if len(terms) == 1 else 'are'} {measures}{tail}?|"
            f"What are the {_many(names)} of all {plural(noun)}, and {measures} for each{tail}?"
        )  # fmt: skip
    many = plural(noun)
    return said.pick(
        f"Show each {noun} and {measures}{tail}.|Show all {many} and {measures} for each{tail}.|"
        f"For each {noun}, show the {noun} and {measures}{tail}.|List the {many} and {measures} for each {noun}{tail}.|"
        f"What are the different {many} and {measures} for each{tail}?|Return the {many} along with {measures} in each{tail}.|"
        f"What is {measures} for each {noun}? Also show the {noun}{tail}.|Give {measures} for every {noun}, with the {noun}{tail}.|"
        f"List {many} together with {measures} for each {noun}{tail}."
    )  # fmt: skip


def _limit_text(said: Phrases, condition: Condition, group: Group) -> str:
    """ "more than 3 singers"; "an average age above 30" for other aggregates."""
    term = condition.term
    if condition.query is not None or not condition.values:
        raise Unsayable("a nested query in HAVING")
    if term.aggregate == "count" and (term.ref is None or not term.distinct):
        if condition.operator == "between":
            low, high = (said.amount(said.filled.values[place]) for place in condition.values)
            return f"between {low} and {high} {group.rows.plural}"
        amount = said.filled.values[condition.values[0]]
        words = said.pick(lexicon.COUNTS[condition.operator])
        text = words.format(n=said.amount(amount))
        return f"{text} {group.rows.singular if amount == 1 else group.rows.plural}"
    if term.ref is None or term.aggregate == "count" or len(condition.values) != 1:
        raise Unsayable("that limit")
    noun = _measure(said, group, term).removeprefix("the ")
    noun = noun.removesuffix(f" of {group.rows.plural}")
    words = said.pick(lexicon.OPERATORS[condition.operator])
    value = said.value(condition)
    if not group.rows.bare or group.rows.before:
        noun = f"{noun} of {group.rows.plural}"
    return f"{an(noun)} {words} {value}"


def _having(said: Phrases, query: Select, group: Group, terms: list[Term]) -> str:
    if len(query.having) != 1 or query.order:
        raise Unsayable("two limits on groups")
    limit = _limit_text(said, query.having[0], group)
    noun, many = group.noun, plural(group.noun)
    beside = f", and {_measures(said, group, terms)}" if terms else ""
    if not group.columns:
        raise Unsayable("groups that are not shown")
    if group.entity is not None:
        names = group.names
        if said.chance(0.3):
            ask = said.pick("Give|List|Show|Return|Find")
            return f"Which {many} have {limit}? {ask} the {_many(names)}{beside}."
        return framed(said, f"the {_many(names)} of {many} that have {limit}{beside}", many=True)
    if beside:
        return (
            f"Which {many} have {limit}? {said.pick('Show|Give|List')} the {noun}{beside} for each."
        )
    frames = f"Which {many} have {limit}?|Which {many} have {limit}?|List the {many} that have {limit}.|What are the {many} with {limit}?|Find the {many} that have {limit}.|Show all {many} with {limit}."  # fmt: skip
    return said.pick(frames)


def _top(said: Phrases, query: Select, group: Group, terms: list[Term]) -> str:
    """The group with the most, or the few with the most."""
    if len(query.order) != 1 or query.having:
        raise Unsayable("ranked by two keys")
    (term, descending), limit = query.order[0], said.filled.values[query.limit]
    if not term.aggregate or not group.columns:
        raise Unsayable("groups ranked by a column")
    one = limit == 1
    noun = group.noun if one else plural(group.noun)
    amount = "" if one else f"{said.amount(limit)} "
    rows = group.rows
    if term.aggregate == "count" and (term.ref is None or not term.distinct):
        if term.ref is not None and said.filled.column(term.ref).nulls:
            raise Unsayable("a count of filled cells")
        few = "fewest|least|smallest number of|lowest number of"
        most = said.pick("most|most|largest number of|highest number of|greatest number of" if descending else few)  # fmt: skip
        best = f"with the {most} {rows.plural}"
        if said.chance(0.4):
            best = f"that {'has' if one else 'have'} the {most} {rows.plural}"
        plain = rows.bare and not rows.before
        if group.entity is None and not terms and (plain or said.chance(0.5)) and said.chance(0.5):
            common = "most common" if descending else "least common"
            if descending and said.chance(0.25):
                common = "most frequent"
            among = said.pick(f"among {rows.plural}|of {rows.plural}|across all {rows.plural}|for {rows.plural}")  # fmt: skip
            return framed(said, f"the {amount}{common} {noun} {among}", many=not one)
    else:
        measure = _measure(said, group, term).removeprefix("the ")
        measure = (
            measure.removesuffix(f" of {rows.plural}") if rows.bare and not rows.before else measure
        )
        best = f"with the {said.pick('highest|largest|greatest' if descending else 'lowest|smallest')} {measure}"
    beside = f", and {_measures(said, group, terms)}" if terms else ""
    if group.entity is not None:
        names = group.names if one else _many(group.names)
        if said.chance(0.3):
            theirs = "its" if one else "their"
            which = f"Which {group.noun} is the one {best}?" if one else f"Which {amount}{noun} are those {best}?"  # fmt: skip
            has = best.replace("with the", "has the" if one else "have the").removeprefix("that ")
            if said.chance(0.7):
                which = f"Which {amount}{noun} {has}?"
            return f"{which} {said.pick('Give|Show|Return|List')} {theirs} {names}{beside}."
        return framed(said, f"the {names} of the {amount}{noun} {best}{beside}", many=not one or len(group.columns) > 1)  # fmt: skip
    if beside:
        return said.pick(f"Show the {amount}{noun} {best}{beside}.|What {'is' if one else 'are'} the {amount}{noun} {best}{beside}?")  # fmt: skip
    has = best.replace("with the", "has the" if one else "have the", 1).removeprefix("that ")
    return said.pick(f"Which {amount}{noun} {has}?|Which {amount}{noun} {has}?|What {'is' if one else 'are'} the {amount}{noun} {best}?|Find the {amount}{noun} {best}.|Give the {amount}{noun} {best}.|Show the {amount}{noun} {best}.|Return the {amount}{noun} {best}.")  # fmt: skip
