"""The expander of a search: an engine's steps become states, and those that cannot be right do not.

It is what `mcts.search` calls `expand`: places go into the engine, finished ones come back, and each
step is checked by its executable relaxation before it may enter the tree. A whole answer whose names
are wrong enters only if it can be repaired, checked or not.

    expander = StepExpander(engine, executor)
    forest = search(expander.roots(asked), expander, StateValue(executor))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from txt2sql.models.tree_decoder import Engine, Place, Step
from txt2sql.search.actions import split_steps
from txt2sql.search.mcts import Choice, Expansion
from txt2sql.search.relaxation import fault, partial_fault
from txt2sql.search.state import Asked, State, state_key
from txt2sql.sql.repair import mend
from txt2sql.sql.text import extract_sql
from txt2sql.types import Executor, QueryResult


@dataclass(slots=True)
class StepExpander:
    """Expands states with an engine. `checked` False lets every step into the tree; a `temperature`
    above 1 brings the priors of likely and unlikely steps nearer to each other.
    """

    engine: Engine
    run: Executor
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
            reason = self._mend(following) if following.ended else ""
            if not reason and self.checked:
                reason = self._fault(following) or ""
            if reason:
                refused.append((following.step, reason))
                continue
            key = (
                state.place.tree,
                *state_key(split_steps(following.text), following.ended),
            )
            choices.append(
                Choice(following, math.exp(step.logprob / self.temperature), key, following.ended)
            )
        return Expansion(tuple(choices), tokens, tuple(refused))

    def _mend(self, state: State) -> str:
        """Give a whole answer the query that may be run; why there is none, else ""."""
        schema = state.asked.schema
        written = extract_sql(state.text)
        if written is None or schema.dialect != "sqlite":  # others refuse unknown names themselves
            state.sql = written
            return ""
        repair = mend(written, schema)
        state.sql, state.repaired = repair.sql, repair.changed
        return repair.problem

    def _fault(self, state: State) -> str | None:
        asked, db_id = state.asked, state.asked.question.db_id

        def run(sql: str) -> QueryResult:
            return self.run(db_id, sql)

        if not state.ended:
            return partial_fault(state.text, asked.schema, run)
        if state.sql is None:
            return "not a query"
        return fault(state.sql, run)
