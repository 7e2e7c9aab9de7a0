"""Noun phrases for the rows of a query: "female singers from France that have at least one concert".

The head is a table of the FROM; conditions on other tables become relations ("whose album is titled
V", "with a pet of type dog"), by the direction of the keys between; nested queries become relations
too, or comparisons ("whose age is above the average").

>>> Phrases(filled, rng).rows(select, head=0).plural  # doctest: +SKIP
'singers from France'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from txt2sql.data.synthesis import lexicon
from txt2sql.data.synthesis.conditions import Part, Speech, Unsayable, own
from txt2sql.data.synthesis.facts import Edge
from txt2sql.data.synthesis.nested import nested
from txt2sql.data.synthesis.shape import Condition, Select
from txt2sql.data.synthesis.words import an, be, is_person, listed, plural

_ORDER = {"bare": 0, "with": 1, "that": 2, "whose": 3}


class Rows(NamedTuple):
    """The rows of a query as a noun phrase: adjectives, the noun, what follows it."""

    before: str
    noun: str
    after: str
    parts: tuple[Part, ...] = ()

    @property
    def plural(self) -> str:
        return _joined(self.before, plural(self.noun), _agreeing(self.after, self.noun, _MANY))

    @property
    def singular(self) -> str:
        return _joined(self.before, self.noun, _agreeing(self.after, self.noun, _ONE))

    @property
    def bare(self) -> bool:
        """Whether nothing follows the noun."""
        return not self.after


_MANY = (
    ("{have}", "have"),
    ("{belong}", "belong"),
    ("{are}", "are"),
    ("{do}", "do"),
    ("{their}", "their"),
)
_ONE = (
    ("{have}", "has"),
    ("{belong}", "belongs"),
    ("{are}", "is"),
    ("{do}", "does"),
    ("{their}", "its"),
)


def of_many(text: str, noun: str) -> str:
    """What follows a noun, said of several."""
    return _agreeing(text, noun, _MANY)


def _agreeing(text: str, noun: str, forms: tuple[tuple[str, str], ...]) -> str:
    """Verbs and pronouns in the number of their noun. Not by format(): a value may hold braces."""
    for place, word in forms:
        text = text.replace(place, word)
    return text.replace("{who}", "who" if is_person(noun) else "that")


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)


class Phrases(Speech):
    """Says which rows are meant."""

    # Which table each row stands for ------------------------------------------------------------

    def steps(self, select: Select, start: int, goal: int) -> list[tuple[int, Edge]]:
        """The tables between two of one FROM, each with the edge that leads to it."""
        paths: dict[int, list[tuple[int, Edge]]] = {start: []}
        queue = [start]
        while queue:
            here = queue.pop(0)
            for slot in select.tables:
                edge = self.filled.links.get((here, slot))
                if edge is not None and slot not in paths:
                    paths[slot] = [*paths[here], (slot, edge)]
                    queue.append(slot)
        return paths[goal]

    def upward(self, select: Select, start: int, goal: int) -> bool:
        """Whether a row of `start` has exactly one row of `goal`."""
        return all(
            edge.parent == self.filled.tables[slot]
            for slot, edge in self.steps(select, start, goal)
        )

    def row_table(self, select: Select) -> int:
        """The table of which the join has one row for each of its rows. Unsayable if there is none."""
        for slot in select.tables:
            if all(self.upward(select, slot, other) for other in select.tables):
                return slot
        raise Unsayable("rows of the join are rows of no table")

    def counted_table(self, select: Select, busy: set[int]) -> int:
        """What a person would say that COUNT(*) counts: for a bridge, the end without other use.

        Not where a condition is on the bridge itself: the same end may then be met more than once.
        """
        slot = self.row_table(select)
        if self.table(slot).bridge and slot not in busy:
            ends = [other for other in select.tables if (slot, other) in self.filled.links]
            free = [other for other in ends if other not in busy]
            if len(free) == 1 and len(ends) > 1:
                return free[0]
        return slot

    # Noun phrases ----------------------------------------------------------------------------------

    def rows(self, select: Select, head: int, mentioned: Sequence[int] = ()) -> Rows:
        """The rows that WHERE keeps, said of `head`; `mentioned` tables are said elsewhere."""
        parts = self.parts(select, head, mentioned)
        before = [part.text for part in parts if part.lead == "before"]
        after = [part for part in parts if part.lead != "before"]
        if len(before) > 1:
            raise Unsayable("two adjectives")
        return Rows(" ".join(before), self.noun(head), self.after(after), tuple(parts))

    def after(self, parts: Sequence[Part]) -> str:
        """What follows the noun, parts in an order that reads well."""
        ordered = sorted(parts, key=lambda part: _ORDER[part.lead])
        text, last = "", ""
        for place, (lead, said) in enumerate(ordered):
            if place == 0:
                text = self.leading(lead, said)
            elif lead == last and lead in ("whose", "with"):
                repeated = f"{lead} " if self.chance(0.4) else ""
                text += f" and {repeated}{said}"
            elif lead == "bare" or (place == len(ordered) - 1 and place == 1 and self.chance(0.6)):
                text += f" {self.leading(lead, said)}"
            else:
                text += f" and {self.leading(lead, said)}"
            last = lead
        return text

    @staticmethod
    def leading(lead: str, said: str) -> str:
        if lead == "bare":
            return said
        if lead == "that":
            return said if said.startswith(("that ", "{who}")) else f"{{who}} {said}"
        return f"{lead} {said}"

    def parts(self, select: Select, head: int, mentioned: Sequence[int] = ()) -> list[Part]:
        """Every condition, and every table joined only to be there, as modifiers of `head`."""
        groups: dict[int, list[Condition]] = {}
        for condition in select.where:
            if condition.term.ref is None:
                raise Unsayable("a condition on no column")
            groups.setdefault(condition.term.ref.table, []).append(condition)
        if select.either and len(select.where) > 1:
            return [self.either(select, head, groups)]
        parts = []
        for slot, conditions in groups.items():
            if slot == head:
                parts += [self.condition(select, condition) for condition in conditions]
            else:
                parts.append(self.relation(select, head, slot, conditions))
        for slot in select.tables:
            if slot != head and slot not in groups and slot not in mentioned:
                if self.between(select, head, slot, {*groups, *mentioned}):
                    continue
                if parts:
                    raise Unsayable("a table joined for nothing")
                parts.append(self.existence(select, head, slot))
        return parts

    def between(self, select: Select, head: int, slot: int, others: set[int]) -> bool:
        """Whether a table only links `head` to a table that is said."""
        return any(
            slot in [step for step, _ in self.steps(select, head, other)]
            for other in others
            if other in select.tables and other != slot
        )

    def either(self, select: Select, head: int, groups: dict[int, list[Condition]]) -> Part:
        """Conditions joined by OR; they must all be of one table."""
        if len(groups) > 1 or any(condition.query for condition in select.where):
            raise Unsayable("OR across tables")
        ((slot, conditions),) = groups.items()
        refs = {condition.term.ref for condition in conditions}
        if len(refs) == 1 and all(condition.operator == "=" for condition in conditions):
            ref = conditions[0].term.ref
            assert ref is not None
            values = listed([self.value(condition) for condition in conditions], "or")
            noun = self.column(ref)
            either = "either " if self.chance(0.4) else ""
            if self.filled.column(ref).noun in lexicon.PLACES and self.chance(0.5):
                part = Part("bare", f"from {either}{values}")
            else:
                part = Part(*(("whose", f"{noun} {be(noun)} {either}{values}") if self.chance(0.6) else ("with", f"{noun} {either}{values}")))  # fmt: skip
        else:
            texts = [own(self, condition, whose_only=True).text for condition in conditions]
            part = Part("whose", listed(texts, "or whose" if self.chance(0.5) else "or"))
        return part if slot == head else self.related(select, head, slot, [part], False)

    def condition(self, select: Select, condition: Condition) -> Part:
        """A condition on the head itself."""
        if condition.query is not None:
            return nested(self, condition)
        return own(self, condition)

    # Other tables ----------------------------------------------------------------------------------

    def relation(
        self, select: Select, head: int, slot: int, conditions: Sequence[Condition]
    ) -> Part:
        """Conditions on another table of the FROM."""
        simple = len(conditions) == 1 and conditions[0].query is None
        if simple and self.upward(select, head, slot) and self.chance(0.3):
            part = own(self, conditions[0], whose_only=True, owner=self.called(select, head, slot))
            return Part("whose", part.text)
        parts = [self.condition(select, condition) for condition in conditions]
        return self.related(select, head, slot, parts, all(c.operator == "=" for c in conditions))

    def called(self, select: Select, head: int, slot: int) -> str:
        """The noun of another table, told apart by its key where several lead there."""
        steps = self.steps(select, head, slot)
        noun = self.noun(slot)
        here = self.filled.tables[head]
        there = self.filled.tables[slot]
        ways = [e for e in self.filled.facts.edges if {e.child, e.parent} == {here, there}]
        if len(steps) == 1 and len(ways) > 1:
            edge = steps[0][1]
            role = self.filled.facts.tables[edge.child].columns[edge.child_column].noun
            role = role.removesuffix(" id").removesuffix(" code")
            if noun in role.split():
                return role
            if role == noun or len(role) < 3:
                raise Unsayable("several keys between two tables")
            return f"{role} {noun}"
        return noun

    def related(
        self, select: Select, head: int, slot: int, parts: Sequence[Part], definite: bool
    ) -> Part:
        """ "of the album titled V", "that have a pet of type dog"."""
        before = " ".join(part.text for part in parts if part.lead == "before")
        after = self.after([part for part in parts if part.lead != "before"])
        other = Rows(before, self.called(select, head, slot), after)
        if self.upward(select, head, slot):
            link = self.pick(
                "of|of|for|from|in|belonging to|that {belong} to|that {have}|related to|associated with|with"
            )
            if link in ("of", "for", "from", "in", "belonging to", "related to") and not is_person(
                other.noun
            ):
                text = f"{link} the {other.singular}" if definite else f"{link} {other.plural}"
            else:
                link = "of" if link in ("in", "from") else link
                text = f"{link} {'the ' if definite and link != 'that {have}' else ''}{other.singular if definite and link != 'that {have}' else an(other.singular)}"  # fmt: skip
            return self.lead(text)
        link = self.pick("that {have}|that {have}|that {have}|with|with|related to|associated with")
        some = self.pick(f"{an(other.singular)}|{other.plural}|at least one {other.singular}|some {other.plural}")  # fmt: skip
        return self.lead(f"{link} {some}")

    @staticmethod
    def lead(text: str) -> Part:
        for lead in ("with", "that", "whose"):
            if text.startswith(lead + " "):
                return Part(lead, text[len(lead) + 1 :])
        return Part("bare", text)

    def existence(self, select: Select, head: int, slot: int) -> Part:
        """A table joined only so that it is there."""
        noun = self.called(select, head, slot)
        if self.upward(select, head, slot):
            return Part("that", f"{{have}} {an(noun)}")
        text = self.pick(f"at least one {noun}|at least one {noun}|{plural(noun)}|any {plural(noun)}|some {noun}")  # fmt: skip
        return Part("that", f"{{have}} {text}") if self.chance(0.7) else Part("with", text)

    # Superlatives ----------------------------------------------------------------------------------

    def ranked(self, select: Select, head: int) -> Rows:
        """The rows that ORDER BY and LIMIT keep: "the three oldest singers from France"."""
        if len(select.order) != 1:
            raise Unsayable("ranked by two columns")
        (term, descending), limit = select.order[0], self.filled.values[select.limit]
        if term.aggregate or term.ref is None:
            raise Unsayable("ranked by an aggregate")
        facts = self.filled.column(term.ref)
        time = facts.kind in ("year", "date")
        mentioned = {t.ref.table for t in select.terms if t.ref} | {term.ref.table}
        rows = self.rows(select, head, tuple(mentioned))
        noun = self.column(term.ref)
        only = sum(c.kind in ("year", "date") for c in self.table(term.ref.table).columns) == 1
        amount = "" if limit == 1 else self.amount(limit)
        if term.ref.table == head:
            said = lexicon.ranks(facts.noun, descending, time and only)
            if said and self.chance(0.5 if not time else 0.3):
                before = _joined(amount, self.pick(said), rows.before)
                return rows._replace(before=before)
            adjective = self.pick(lexicon.highest(noun, descending, time))
            if facts.noun.startswith("number of "):
                adjective = "most" if descending else "fewest"
                after = f"with the {adjective} {plural(noun[10:])}" if self.chance(0.5) else f"with the {self.pick('largest|greatest|highest' if descending else 'smallest|lowest')} {noun}"  # fmt: skip
            else:
                after = f"with the {adjective} {noun if limit == 1 else plural(noun) if self.chance(0.4) else noun}"
        else:
            adjective = self.pick(lexicon.highest(noun, descending, time))
            other = self.called(select, head, term.ref.table)
            if not self.upward(select, head, term.ref.table):
                after = f"that {{have}} the {other} with the {adjective} {noun}"
                if limit != 1:
                    raise Unsayable("several by the rank of another table")
            else:
                after = self.pick(f"with the {adjective} {other} {noun}|whose {other} has the {adjective} {noun}")  # fmt: skip
        before = _joined(
            amount and self.pick(f"{amount}|{amount}|top {amount}") if descending else amount,
            rows.before,
        )
        both = (
            _joined(rows.after, after)
            if not rows.after.startswith("whose")
            else _joined(after, rows.after)
        )
        return rows._replace(before=before, after=both)
