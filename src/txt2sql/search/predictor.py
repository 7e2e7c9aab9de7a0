"""SearchPredictor: a tree of clauses for each question, and the answer that the vote chooses.

>>> predictor = SearchPredictor(direct, engine)  # doctest: +SKIP
>>> prediction = next(predictor.predict([example]))  # doctest: +SKIP
>>> prediction.sql, prediction.tree["reason"]  # doctest: +SKIP
('SELECT count(*) FROM shop', 'all 100 simulations')
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.tree_decoder import Decoding, Engine
from txt2sql.search.mcts import Settings, Tree, Watch, search
from txt2sql.search.state import Asked, Question, State
from txt2sql.search.steps import StepExpander
from txt2sql.search.trajectory import as_json
from txt2sql.search.value import Judging, StateValue
from txt2sql.search.vote import Ballot, Candidate, Weights, choose
from txt2sql.sql.names import WROTE
from txt2sql.types import Example, Executor, Prediction, Prompt


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How questions are searched; `together` of them at a time, in one batch of the model."""

    mcts: Settings = field(default_factory=Settings)
    steps: Decoding = field(default_factory=Decoding)
    vote: Weights = field(default_factory=Weights)
    value: Judging = field(default_factory=Judging)
    temperature: float = 2.0
    """Of the policy's probabilities when they become priors."""
    together: int = 1
    checked: bool = True
    early: bool = False
    """Stop as soon as no other answer can win the vote, where probability alone decides it."""


@dataclass(frozen=True, slots=True)
class Searched:
    """One question's tree, the ballots it held and the candidates, best first."""

    asked: Asked
    tree: Tree[State]
    ballots: tuple[Ballot, ...]
    candidates: tuple[Candidate, ...]
    tokens: tuple[int, int] = (0, 0)
    seconds: float = 0.0


class SearchPredictor:
    """Answers examples by search over what `direct` asks and `engine` proposes.

    `scored`: the engine has a value head, which then judges states.
    """

    def __init__(
        self,
        direct: DirectPredictor,
        engine: Engine,
        options: SearchOptions = SearchOptions(),
        *,
        scored: bool = False,
    ) -> None:
        if direct.executor is None:
            raise ValueError("a search runs its answers; give the predictor an executor")
        self.direct, self.engine, self.options = direct, engine, options
        self.run: Executor = direct.executor
        self.name = f"{direct.name}+search{options.mcts.num_simulations}"
        self.scored = scored

    def prompt(self, example: Example) -> Prompt:
        """The prompt of an example, as the model reads it."""
        return self.direct.prompt(example)

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order; `options.together` are searched at a time."""
        remaining = iter(examples)
        while batch := list(islice(remaining, self.options.together)):
            for found in self.search([Question.of(example) for example in batch]):
                yield prediction(found)

    def search(
        self, questions: Sequence[Question], watch: Watch[State] | None = None
    ) -> list[Searched]:
        """The trees of some questions, searched together; see `mcts.Watch`."""
        started = time.perf_counter()
        asked = [
            Asked(question, self.direct.prompt(question.example()), self.direct.schemas(question.db_id))
            for question in questions
        ]  # fmt: skip
        expander = StepExpander(
            self.engine, self.run, self.options.checked, self.options.temperature
        )
        value = StateValue(self.run, self.engine if self.scored else None, self.options.value)
        roots = expander.roots(asked)
        try:
            weights = self.options.vote
            early = self.options.early and not (
                weights.visits or weights.value or weights.preference
            )
            settled = decided if early else None
            forest = search(roots, expander, value, self.options.mcts, settled, watch)
        finally:
            expander.free(roots)
        found = []
        for each, tree in zip(asked, forest, strict=True):
            votes = ballots(tree)
            chosen = tuple(choose(votes, self.options.vote))
            found.append(Searched(each, tree, votes, chosen, (0, tree.tokens)))
        seconds = (time.perf_counter() - started) / len(asked)
        return [replace(each, seconds=seconds) for each in found]


def ballots(tree: Tree[State]) -> tuple[Ballot, ...]:
    """The whole answers of a tree that were reached, each text of SQL once."""
    visits: dict[int, int] = {}
    for node in tree.nodes:
        for edge in node.edges or ():
            visits[id(edge.node)] = visits.get(id(edge.node), 0) + edge.visits
    found: dict[str, Ballot] = {}
    for node in tree.nodes:
        state = node.state
        if not node.terminal or state.sql is None or state.result is None:
            continue
        own, count = node is tree.first, visits.get(id(node), 0)
        before = found.get(state.sql)
        worth = node.value if node.value is not None else -1.0
        score = state.score or 0.0
        found[state.sql] = Ballot(
            state.sql,
            state.probability + (before.probability if before else 0.0),
            count + (before.visits if before else 0),
            max(worth, before.value) if before else worth,
            state.result,
            own or (before.own if before else False),
            max(score, before.score) if before else score,
        )
    return tuple(found.values())


def decided(tree: Tree[State]) -> str:
    """Why a vote by probability is over: one answer that returns something has more than half."""
    for node in tree.nodes:
        state = node.state
        reached = node.terminal and state.result is not None and state.result.says_something
        if reached and state.probability > 0.5:
            return "no other answer can win"
    return ""


def prediction(found: Searched) -> Prediction:
    """What a predictor answers: the best candidate, its share as confidence, and the tree."""
    best = found.candidates[0] if found.candidates else None
    ends = [node.state for node in found.tree.nodes if node.terminal]
    refused = (reason for node in found.tree.nodes for _, reason in node.refused)
    return Prediction(
        example_id=found.asked.question.id,
        sql=best.sql if best else None,
        completion=best.sql if best else "",
        candidates=tuple(candidate.sql for candidate in found.candidates),
        tokens=found.tokens,
        seconds=found.seconds,
        confidence=best.share if best else None,
        tree=as_json(found.tree, found.candidates),
        dropped=found.asked.prompt.dropped,
        prompt=found.asked.prompt,
        repaired=best is not None and all(s.repaired for s in ends if s.sql == best.sql),
        problem="" if best else next((r for r in refused if r.startswith(WROTE)), ""),
    )
