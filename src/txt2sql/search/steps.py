"""The expander of a search: an engine's steps become states, and those that cannot be right do not.

It is what `mcts.search` calls `expand`: places go into the engine, finished ones come back, and each
step is checked by its executable relaxation before it may enter the tree. A whole answer whose names
are wrong enters only if it can be repaired, checked or not.

    expander = StepExpander(engine, executor)
    forest = search(expander.roots(asked), expander, StateValue(executor))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from txt2sql.models.step_beam import Engine, Place, Step
from txt2sql.search.actions import split_steps
from txt2sql.search.mcts import Choice, Expansion
from txt2sql.search.relaxation import fault, partial_fault
from txt2sql.search.state import Asked, State, state_key
from txt2sql.sql.decode import decode
from txt2sql.sql.repair import mend
from txt2sql.sql.text import extract_sql
from txt2sql.types import Executor, QueryResult

Spell = Callable[[str, str, str, str], str]
"""(db_id, table, column, text) -> the text as the column stores it."""


@dataclass(slots=True)
class StepExpander:
    """Expands states with an engine. `checked` False lets every step into the tree; a `temperature`
    above 1 brings the priors of likely and unlikely steps nearer to each other.
    """

    engine: Engine
    run: Executor
    spell: Spell | None = None
    checked: bool = True
    temperature: float = 1.0
    _waiting: dict[Place, State] = field(default_factory=dict)

    def roots(self, asked: Sequence[Asked]) -> list[State]:
        """The states before any step; their trees are read by the model together."""
        places = self.engine.prefill([each.prompt for each in asked])
        return [State(each, place) for each, place in zip(asked, places, strict=True)]

    def __call__(
        self, states: Sequence[State], until: float
    ) -> list[tuple[State, Expansion[State]]]:
        """See `mcts.Expand`."""
        for state in states:
            self._waiting[state.place] = state
        finished = self.engine.expand([state.place for state in states], until)
        return [
            (state, self._expansion(state, steps, tokens))
            for place, steps, tokens in finished
            for state in (self._waiting.pop(place),)
        ]

    def free(self, roots: Sequence[State]) -> None:
        """Forget trees."""
        for root in roots:
            self.engine.free(root.place)
            self._waiting = {p: s for p, s in self._waiting.items() if p.tree != root.place.tree}

    def _expansion(self, state: State, steps: Sequence[Step], tokens: int) -> Expansion[State]:
        choices, refused = [], []
        for step in steps:
            following = state.following(step)
            links = state.asked.links is not None
            reason = self._mend(following) if following.ended else ""
            if not reason and self.checked:
                reason = self._fault(following) or ""
            if reason:
                refused.append((following.step, reason))
                continue
            key = (
                state.place.tree,
                *state_key(split_steps(following.text), following.ended, links),
            )
            choices.append(
                Choice(following, math.exp(step.logprob / self.temperature), key, following.ended)
            )
        return Expansion(tuple(choices), tokens, tuple(refused))

    def _mend(self, state: State) -> str:
        """Give a whole answer the query that may be run; why there is none, else ""."""
        schema = state.asked.schema
        written = self.sql(state)
        native = state.asked.links is None and schema.dialect != "sqlite"
        if written is None or native:  # every other engine refuses unknown names itself
            state.sql = written
            return ""
        repair = mend(written, schema)
        state.sql, state.repaired = repair.sql, repair.changed
        return repair.problem

    def sql(self, state: State) -> str | None:
        """The query of a whole answer, None where there is none."""
        asked, spell = state.asked, self.spell
        if asked.links is None:
            return extract_sql(state.text)
        db_id = asked.question.db_id
        return decode(
            state.text,
            asked.schema,
            asked.links,
            (lambda table, column, text: spell(db_id, table, column, text)) if spell else None,
        )

    def _fault(self, state: State) -> str | None:
        asked, db_id = state.asked, state.asked.question.db_id

        def run(sql: str) -> QueryResult:
            return self.run(db_id, sql)

        if not state.ended:
            return partial_fault(state.text, asked.schema, asked.links, run)
        if state.sql is None:
            return "not a query"
        return fault(state.sql, run, text_allowed=asked.links is None)
