"""What a state is worth, from what can be known without its gold query.

A partial answer is worth what the policy's mean log-probability says, or what a value head (process
preference model) says, or both. A whole answer is run: a failure is worth -1, no rows cost
something.

>>> confidence(State(asked, place, total=0.0))  # doctest: +SKIP
1.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from txt2sql.models.tree_decoder import Engine
from txt2sql.search.state import State
from txt2sql.types import QueryResult


@dataclass(frozen=True, slots=True)
class Judging:
    """`confidence` scales what the policy's own probability says: below 1, less likely steps are tried
    sooner. `head` is the part of a value that is the head's, where there is one; `empty` what a result
    without rows costs.
    """

    confidence: float = 0.25
    head: float = 0.6
    empty: float = 0.3
    temperature: float = 5.0
    """A head's score s is read as tanh(s / temperature)."""


@dataclass(frozen=True, slots=True)
class StateValue:
    """The value function of a search: `run` executes whole answers."""

    run: Callable[[str, str], QueryResult]
    engine: Engine | None = None
    """An engine with a value head; None: the policy's probability alone."""
    judging: Judging = Judging()

    def __call__(self, states: Sequence[State]) -> list[float]:
        """One value in [-1, 1] for each state; results and scores are kept in the states."""
        if self.engine is not None:
            scores = self.engine.score([state.place for state in states])
            for state, score in zip(states, scores, strict=True):
                state.score = math.tanh(score / self.judging.temperature)
        return [self._of(state) for state in states]

    def _of(self, state: State) -> float:
        worth = self.judging.confidence * confidence(state)
        if state.score is not None:
            worth += self.judging.head * (state.score - worth)
        if not state.ended:
            return worth
        if state.result is None:
            state.result = (
                self.run(state.asked.question.db_id, state.sql)
                if state.sql
                else QueryResult(error="no SQL")
            )
        if not state.result.ok:
            return -1.0
        return worth if state.result.says_something else max(-1.0, worth - self.judging.empty)


def confidence(state: State) -> float:
    """The policy's mean probability of a token so far (geometric), mapped to [-1, 1]."""
    return 2 * math.exp(state.total / max(1, state.tokens)) - 1
