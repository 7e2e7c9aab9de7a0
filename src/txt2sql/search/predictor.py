"""SearchPredictor: a tree of clauses for each question, and the answer that the vote chooses."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.tree_decoder import Decoding, TreeDecoder
from txt2sql.models.vote import Candidate, ScoredAnswer, Weights
from txt2sql.search.mcts import Settings, Tree, TreeCallback, Value, search
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
from txt2sql.types import Example, Executor, Prediction


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How questions are searched, `together` of them at a time. `temperature` is of the priors.
    `early`: stop as soon as one answer that returns something has more than half of the
    probability."""

    mcts: Settings = field(default_factory=Settings)
    steps: Decoding = field(default_factory=Decoding)
    vote: Weights = field(default_factory=Weights)
    value: ValueSettings = field(default_factory=ValueSettings)
    temperature: float = 2.0
    together: int = 1
    checked: bool = True
    early: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    rendered: RenderedQuestion
    tree: Tree[State]
    answers: tuple[ScoredAnswer, ...]
    candidates: tuple[Candidate, ...]
    seconds: float


class SearchPredictor:
    """Answers examples by search over what `direct` asks and `engine` proposes. `scored`: the
    engine has a value head, which then judges states."""

    def __init__(
        self,
        direct: DirectPredictor,
        engine: TreeDecoder,
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

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        remaining = iter(examples)
        while batch := list(islice(remaining, self.options.together)):
            for result in self.search([Question.of(example) for example in batch]):
                yield prediction(result)

    def forest(
        self,
        questions: Sequence[Question],
        callback: TreeCallback[State] | None = None,
        value: Value[State] | None = None,
    ) -> list[Tree[State]]:
        """The trees of some questions, searched together; `value` takes the place of `StateValue`."""
        direct, options = self.direct, self.options
        rendered = [
            RenderedQuestion(each, direct.prompt(each.example()), direct.schemas(each.db_id))
            for each in questions
        ]
        expander = StepExpander(self.engine, self.run, options.checked, options.temperature)
        value = value or StateValue(self.run, self.engine if self.scored else None, options.value)
        # A preference model may overturn a majority of the policy's probability.
        settled = _decided if options.early and not options.vote.preference else None
        roots = expander.roots(rendered)
        try:
            return search(roots, expander, value, options.mcts, settled, callback)
        finally:  # also where a callback ends the search: its trees hold a cache each
            expander.free(roots)

    def search(
        self, questions: Sequence[Question], callback: TreeCallback[State] | None = None
    ) -> list[SearchResult]:
        """The trees of some questions and what the vote makes of them; see `mcts.TreeCallback`."""
        started = time.perf_counter()
        forest = self.forest(questions, callback)
        seconds = (time.perf_counter() - started) / len(forest)
        results = []
        for tree in forest:
            rendered, answers = tree.root.state.rendered, scored_answers(tree)
            example = rendered.question.example()
            vote = self.direct.vote(example, rendered.prompt, answers, self.options.vote)
            results.append(SearchResult(rendered, tree, answers, tuple(vote), seconds))
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
        # What was reached in several ways, or written in several and repaired to one, is one answer.
        other = answers.get(state.sql) or ScoredAnswer(state.sql, 0.0, 0, state.result, score=-1.0)
        answers[state.sql] = ScoredAnswer(
            state.sql,
            state.probability + other.probability,
            visits[id(node)] + other.visits,
            state.result,
            own=node is tree.first or other.own,
            score=max(state.score or 0.0, other.score),
            suspect=state.suspect,
        )
    return tuple(answers.values())


def _decided(tree: Tree[State]) -> str:
    for state in (node.state for node in tree.nodes):
        if state.result and state.result.says_something and state.probability > 0.5:
            return "one answer has more than half"
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
        tokens=(0, result.tree.tokens),
        seconds=result.seconds,
        confidence=best.share if best else None,
        tree=as_json(result.tree, result.candidates),
        dropped=result.rendered.prompt.dropped,
        prompt=result.rendered.prompt,
        repaired=best is not None and all(s.repaired for s in ends if s.sql == best.sql),
        problem="" if best else next((r for r in refused if r.startswith(WROTE)), ""),
    )
