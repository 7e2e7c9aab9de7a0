"""A state of the search: a question and the steps of an answer so far, with what is known of them.

`Question` is all that a search is ever told about an example; there is no field for its answer.

>>> Question.of(Example("dev-0", "shop", "How many shops?", gold_sql="SELECT 1")).text
'How many shops?'
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from txt2sql.models.tree_decoder import Place, Step
from txt2sql.types import Example, Prompt, QueryResult, Schema, Turn


@dataclass(frozen=True, slots=True)
class Question:
    """What may be known when a question is answered."""

    id: str
    db_id: str
    text: str
    evidence: str = ""
    previous: Turn | None = None

    @classmethod
    def of(cls, example: Example) -> Question:
        """The question of an example, and nothing else of it."""
        return cls(example.id, example.db_id, example.question, example.evidence, example.previous)

    def example(self) -> Example:
        """The question as predictors take it, without a gold query."""
        return Example(
            self.id, self.db_id, self.text, evidence=self.evidence, previous=self.previous
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its prompt, and the schema of its database."""

    question: Question
    prompt: Prompt
    schema: Schema


@dataclass(slots=True, eq=False)
class State:
    """Where an answer stands. `text` is all of it, `step` its last step; `sql` the whole query at its
    end, before that None. `total` is the log-probability of the text, of `tokens` tokens.
    """

    asked: Asked
    place: Place
    text: str = ""
    step: str = ""
    logprob: float = 0.0
    total: float = 0.0
    tokens: int = 0
    ended: bool = False
    sql: str | None = None
    repaired: bool = False
    """Whether `sql` is not quite what the text says: its names or joins were put right."""
    result: QueryResult | None = None
    score: float | None = None
    """What the value head says, in (-1, 1); None without one."""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def probability(self) -> float:
        """What the policy gives the text so far."""
        return math.exp(min(0.0, self.total))

    def following(self, step: Step) -> State:
        """The state after one more step."""
        return State(
            asked=self.asked,
            place=step.place,
            text=step.text,
            step=step.text[len(self.text) :].strip(),
            logprob=step.logprob,
            total=self.total + step.logprob,
            tokens=self.tokens + step.tokens,
            ended=step.ended,
        )


def state_key(steps: list[str], ended: bool) -> tuple[object, ...]:
    """States of one key mean the same and can be continued alike: equal but for space.

    >>> state_key(["SELECT  name", "FROM shop"], False)
    ('SELECT name', 'FROM shop', False)
    """
    return (*(" ".join(step.split()) for step in steps), ended)
