"""States of the search: an answer so far, how it goes on (`StepExpander`), what it is worth (`StateValue`).

`Question` is all that a search is given of an example; there is no field for its answer. Each step is
checked by its executable relaxation (`steps.partial_fault`) before it enters the tree. A whole answer
whose names are wrong enters only if it can be repaired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from txt2sql.models.tree_decoder import Place, Step, TreeDecoder
from txt2sql.search.mcts import Choice, Expansion
from txt2sql.search.steps import fault, partial_fault, split_steps
from txt2sql.sql.repair import mend
from txt2sql.sql.text import extract_sql
from txt2sql.types import Example, Executor, Prompt, QueryResult, Schema, Turn


@dataclass(frozen=True, slots=True)
class Question:
    """What may be used to answer a question."""

    id: str
    db_id: str
    text: str
    evidence: str = ""
    previous: Turn | None = None

    @classmethod
    def of(cls, example: Example) -> Question:
        return cls(example.id, example.db_id, example.question, example.evidence, example.previous)

    def example(self) -> Example:
        return Example(
            self.id, self.db_id, self.text, evidence=self.evidence, previous=self.previous
        )


@dataclass(frozen=True, slots=True)
class RenderedQuestion:
    question: Question
    prompt: Prompt
    schema: Schema


@dataclass(slots=True, eq=False)
class State:
    """Where an answer stands: its whole `text`, its last `step`, and at its end the `sql`,
    `repaired` where it is not quite what the text says. `total` is the text's log-probability,
    `score` the value head's, in (-1, 1)."""

    rendered: RenderedQuestion
    place: Place
    text: str = ""
    step: str = ""
    logprob: float = 0.0
    total: float = 0.0
    tokens: int = 0
    ended: bool = False
    sql: str | None = None
    repaired: bool = False
    suspect: bool = False
    result: QueryResult | None = None
    score: float | None = None

    @property
    def question(self) -> Question:
        return self.rendered.question

    @property
    def probability(self) -> float:
        return math.exp(min(0.0, self.total))

    def following(self, step: Step) -> State:
        return State(
            rendered=self.rendered,
            place=step.place,
            text=step.text,
            step=step.text[len(self.text) :].strip(),
            logprob=step.logprob,
            total=self.total + step.logprob,
            tokens=self.tokens + step.tokens,
            ended=step.ended,
        )


@dataclass(slots=True)
class StepExpander:
    """Expands states with an engine. `checked` False lets every step into the tree; a `temperature`
    above 1 brings the priors of likely and unlikely steps nearer to each other."""

    engine: TreeDecoder
    run: Executor
    checked: bool = True
    temperature: float = 1.0
    _waiting: dict[Place, State] = field(default_factory=dict)

    def roots(self, questions: Sequence[RenderedQuestion]) -> list[State]:
        places = self.engine.prefill([each.prompt for each in questions])
        return [State(each, place) for each, place in zip(questions, places, strict=True)]

    def __call__(
        self, states: Sequence[State], until: float
    ) -> list[tuple[State, Expansion[State]]]:
        self._waiting |= {state.place: state for state in states}
        expansions = []
        for place, steps, tokens in self.engine.expand([state.place for state in states], until):
            state = self._waiting.pop(place)
            expansions.append((state, self._expansion(state, steps, tokens)))
        return expansions

    def free(self, roots: Sequence[State]) -> None:
        for root in roots:
            self.engine.free(root.place)
            self._waiting = {p: s for p, s in self._waiting.items() if p.tree != root.place.tree}

    def _expansion(self, state: State, steps: Sequence[Step], tokens: int) -> Expansion[State]:
        choices, refused = [], []
        for step in steps:
            following = state.following(step)
            if reason := self._fault(following):
                refused.append((following.step, reason))
                continue
            # p^(1/T); the tree makes them sum to 1.
            prior = math.exp(step.logprob / self.temperature)
            # Transpositions: answers of one question that are equal but for space can be continued alike.
            clauses = [" ".join(each.split()) for each in split_steps(following.text)]
            key = (state.place.tree, *clauses, following.ended)
            choices.append(Choice(following, prior, key, following.ended))
        return Expansion(tuple(choices), tokens, tuple(refused))

    def _fault(self, state: State) -> str | None:
        schema = state.rendered.schema

        def run(sql: str) -> QueryResult:
            return self.run(state.question.db_id, sql)

        if not state.ended:
            return partial_fault(state.text, schema, run) if self.checked else None
        if written := extract_sql(state.text):
            repair = mend(written, schema, state.rendered.prompt.matches, state.question.text)
            state.sql, state.repaired, state.suspect = repair.sql, repair.changed, repair.suspect
            if repair.problem:
                return repair.problem
        if not self.checked:
            return None
        return fault(state.sql, run) if state.sql is not None else "not a query"


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """`confidence` scales what the policy's own probability says, `head` is the part of a value
    that is the head's, whose score s is read as tanh(s / temperature), `empty` what a result
    without rows costs."""

    confidence: float = 0.25
    head: float = 0.6
    empty: float = 0.3
    temperature: float = 5.0


@dataclass(frozen=True, slots=True)
class StateValue:
    """The value function of a search, in [-1, 1]. Of a partial answer it is the policy's mean
    probability of a token, mixed with the score of a value head; a whole answer is run, and a
    failure has -1."""

    run: Executor
    engine: TreeDecoder | None = None
    settings: ValueSettings = ValueSettings()

    def __call__(self, states: Sequence[State]) -> list[float]:
        """The values; results and scores are stored in the states."""
        if self.engine is not None:
            scores = self.engine.score([state.place for state in states])
            for state, score in zip(states, scores, strict=True):
                state.score = math.tanh(score / self.settings.temperature)
        return [self._of(state) for state in states]

    def _of(self, state: State) -> float:
        # The geometric mean of the probabilities of its tokens, mapped to [-1, 1].
        confidence = 2 * math.exp(state.total / max(1, state.tokens)) - 1
        value = self.settings.confidence * confidence
        if state.score is not None:
            value += self.settings.head * (state.score - value)
        if not state.ended:
            return value
        if state.result is None:
            none = QueryResult(error="no SQL")
            state.result = self.run(state.question.db_id, state.sql) if state.sql else none
        if not state.result.ok:
            return -1.0
        return value if state.result.says_something else max(-1.0, value - self.settings.empty)
