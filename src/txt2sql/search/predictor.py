"""SearchPredictor: a tree of clauses for each question, and the answer that the vote chooses.

>>> predictor = SearchPredictor(direct, engine)  # doctest: +SKIP
>>> prediction = next(predictor.predict([example]))  # doctest: +SKIP
>>> prediction.sql, prediction.tree["reason"]  # doctest: +SKIP
('SELECT count(*) FROM shop', 'all 100 simulations')
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.tree_decoder import Decoding, Engine
from txt2sql.models.vote import Candidate, ScoredAnswer, Weights, choose
from txt2sql.search.mcts import Settings, Tree, TreeCallback, search
from txt2sql.search.states import (
    Question,
    RenderedQuestion,
    State,
    StateValue,
    StepExpander,
    ValueSettings,
)
from txt2sql.search.tree import as_json
from txt2sql.sql.names import WROTE
from txt2sql.types import Example, Executor, Prediction, Prompt


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How questions are searched; `together` of them at a time, in one batch of the model."""

    mcts: Settings = field(default_factory=Settings)
    steps: Decoding = field(default_factory=Decoding)
    vote: Weights = field(default_factory=Weights)
    value: ValueSettings = field(default_factory=ValueSettings)
    temperature: float = 2.0
    """Of the policy's probabilities when they become priors."""
    together: int = 1
    checked: bool = True
    early: bool = False
    """Stop as soon as no other answer can win the vote, where probability alone decides it."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One question's tree, its whole answers, and the candidates, best first."""

    rendered: RenderedQuestion
    tree: Tree[State]
    answers: tuple[ScoredAnswer, ...]
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
            for result in self.search([Question.of(example) for example in batch]):
                yield prediction(result)

    def search(
        self, questions: Sequence[Question], callback: TreeCallback[State] | None = None
    ) -> list[SearchResult]:
        """The trees of some questions, searched together; see `mcts.TreeCallback`."""
        started = time.perf_counter()
        rendered = [
            RenderedQuestion(
                question,
                self.direct.prompt(question.example()),
                self.direct.schemas(question.db_id),
            )
            for question in questions
        ]
        expander = StepExpander(
            self.engine, self.run, self.options.checked, self.options.temperature
        )
        value = StateValue(self.run, self.engine if self.scored else None, self.options.value)
        roots = expander.roots(rendered)
        try:
            weights = self.options.vote
            early = self.options.early and not (
                weights.visits or weights.value or weights.preference
            )
            settled = decided if early else None
            forest = search(roots, expander, value, self.options.mcts, settled, callback)
        finally:
            expander.free(roots)
        seconds = (time.perf_counter() - started) / len(rendered)
        results = []
        for question, tree in zip(rendered, forest, strict=True):
            answers = scored_answers(tree)
            candidates = tuple(choose(answers, self.options.vote))
            tokens = (0, tree.tokens)
            results.append(SearchResult(question, tree, answers, candidates, tokens, seconds))
        return results


def scored_answers(tree: Tree[State]) -> tuple[ScoredAnswer, ...]:
    """The whole answers of a tree that were reached, each text of SQL once."""
    visits: Counter[int] = Counter()
    for node in tree.nodes:
        for edge in node.edges or ():
            visits[id(edge.node)] += edge.visits
    answers: dict[str, ScoredAnswer] = {}
    for node in tree.nodes:
        state = node.state
        if not node.terminal or state.sql is None or state.result is None:
            continue
        answer = ScoredAnswer(
            state.sql,
            state.probability,
            visits[id(node)],
            node.value if node.value is not None else -1.0,
            state.result,
            node is tree.first,
            state.score or 0.0,
        )
        if other := answers.get(state.sql):
            answer = replace(
                answer,
                probability=answer.probability + other.probability,
                visits=answer.visits + other.visits,
                value=max(answer.value, other.value),
                own=answer.own or other.own,
                score=max(answer.score, other.score),
            )
        answers[state.sql] = answer
    return tuple(answers.values())


def decided(tree: Tree[State]) -> str:
    """Why a vote by probability is over: one answer that returns something has more than half."""
    for node in tree.nodes:
        state = node.state
        reached = node.terminal and state.result is not None and state.result.says_something
        if reached and state.probability > 0.5:
            return "no other answer can win"
    return ""


def prediction(result: SearchResult) -> Prediction:
    """What a predictor answers: the best candidate, its share as confidence, and the tree."""
    best = result.candidates[0] if result.candidates else None
    ends = [node.state for node in result.tree.nodes if node.terminal]
    refused = (reason for node in result.tree.nodes for _, reason in node.refused)
    return Prediction(
        example_id=result.rendered.question.id,
        sql=best.sql if best else None,
        completion=best.sql if best else "",
        candidates=tuple(candidate.sql for candidate in result.candidates),
        tokens=result.tokens,
        seconds=result.seconds,
        confidence=best.share if best else None,
        tree=as_json(result.tree, result.candidates),
        dropped=result.rendered.prompt.dropped,
        prompt=result.rendered.prompt,
        repaired=best is not None and all(s.repaired for s in ends if s.sql == best.sql),
        problem="" if best else next((r for r in refused if r.startswith(WROTE)), ""),
    )
