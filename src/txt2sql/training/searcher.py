"""A policy over the training databases: grows judged trees, and measures on held-out questions.

Field's name: the actor of a self-improving system. It is `txt2sql evaluate --search` with two
differences: whole answers of questions to learn from are worth what the one judge says of them, and
there is noise at the root. Held-out questions are searched as any question is, without their gold.

>>> searcher = open_searcher("bundled", open_questions(config), config)  # doctest: +SKIP
>>> searcher.rows(Job("grow", ("spider-train-0",), 100))[0]["simulations"]  # doctest: +SKIP
100
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models import torch_engine
from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import Preference, find
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.models.tree_decoder import TreeDecoder
from txt2sql.search.actions import starts_step
from txt2sql.search.mcts import Tree, search
from txt2sql.search.predictor import Searched, SearchOptions, SearchPredictor
from txt2sql.search.state import Asked, Question, State
from txt2sql.search.steps import StepExpander
from txt2sql.search.value import StateValue
from txt2sql.training.cot_synthesis import Questions
from txt2sql.training.ppm_pairs import Grown, grown, to_row
from txt2sql.training.rollouts import Job, Row
from txt2sql.training.rstar_settings import RStarConfig
from txt2sql.types import Example, Prediction, QueryResult

_TRIED = Limits(timeout_s=1.0)


class Searcher:
    """A policy over the databases of a data set, with its preference model where it has one."""

    def __init__(
        self,
        generator: Decoder,
        preference: Preference | None,
        questions: Questions,
        config: RStarConfig,
    ) -> None:
        self.dataset = questions.dataset
        self.learnt = {example.id: example for example in questions.learnt}
        self.held_out = {example.id: example for example in questions.held_out}
        self.config = config
        self.judge = ExecutionAccuracy(Judging(both=False))

        @lru_cache(maxsize=64)
        def index(db_id: str) -> ValueIndex:
            return open_value_index(self.dataset.database(db_id))

        self.direct = DirectPredictor(
            generator,
            self.dataset.schema,
            lambda example: index(example.db_id).match(example.question),
            self.run,
            PredictorOptions(second_beams=0),
        )
        head = preference.scores if preference else None
        self.engine = TreeDecoder(generator, starts_step, head=head, decoding=config.steps)
        vote = config.vote
        if preference and not vote.preference:
            vote = replace(vote, preference=preference.vote)
        self.options = SearchOptions(
            config.mcts, config.steps, vote, config.value, together=config.evolution.together
        )

    def run(self, db_id: str, sql: str) -> QueryResult:
        """A statement on the database of an id."""
        return execute(self.dataset.database(db_id), sql)

    def tried(self, db_id: str, sql: str) -> QueryResult:
        """The same for an answer to learn from: one that takes so long mostly joins without end."""
        return execute(self.dataset.database(db_id), sql, _TRIED)

    def right(self, example: Example, sql: str | None) -> bool:
        """The one judge's verdict."""
        database = self.dataset.database(example.db_id)
        return self.judge(example, Prediction(example.id, sql), database).correct

    def predictor(self) -> SearchPredictor:
        """The same as `txt2sql evaluate --search` asks, which is never shown a gold query."""
        scored = self.engine.head is not None
        return SearchPredictor(self.direct, self.engine, self.options, scored=scored)

    def rows(self, job: Job) -> list[Row]:
        """A row for each question of a job; only what is measured may be held out, and it must be."""
        if job.work == "measure":
            return self.measure([self.held_out[each] for each in job.ids])
        asked = [self.learnt[each] for each in job.ids]
        if job.work == "screen":
            return self.screen(asked)
        return [to_row(tree) for tree in self.grow(asked, job.simulations)]

    def screen(self, examples: Sequence[Example]) -> list[Row]:
        """Whether one greedy answer is right."""
        answers = self.direct.predict(examples)
        return [
            {"question_id": example.id, "right": self.right(example, answer.sql)}
            for example, answer in zip(examples, answers, strict=True)
        ]

    def searched(self, examples: Sequence[Example]) -> list[Searched]:
        """Questions as `txt2sql evaluate --search` asks them."""
        return self.predictor().search([Question.of(example) for example in examples])

    def judged(self, examples: Sequence[Example]) -> list[Grown]:
        """Their trees, with the judge's verdict of each answer, which the search did not know."""

        def right(
            example: Example, state: State
        ) -> bool:  # a repaired query is not what was written
            return not state.repaired and self.right(example, state.sql)

        found = zip(examples, self.searched(examples), strict=True)
        return [grown(each.tree, partial(right, example)) for example, each in found]

    def measure(self, examples: Sequence[Example]) -> list[Row]:
        """Whether the greedy answer, the searched one and any answer of the tree (oracle) are right."""
        rows = []
        for example, each in zip(examples, self.searched(examples), strict=True):
            marks = {b.sql: self.right(example, b.sql) for b in each.ballots}
            best = each.candidates[0].sql if each.candidates else ""
            rows.append(
                {
                    "id": example.id,
                    "greedy": any(marks[b.sql] for b in each.ballots if b.own),
                    "search": marks.get(best, False),
                    "oracle": any(marks.values()),
                }
            )
        return rows

    def grow(self, examples: Sequence[Example], simulations: int) -> list[Grown]:
        """Trees of training questions whose answers are worth what the judge says of them."""
        by_id = {example.id: example for example in examples}
        asked = [
            Asked(Question.of(e), self.direct.prompt(e), self.direct.schemas(e.db_id))
            for e in examples
        ]
        head = self.engine if self.engine.head else None
        plain = StateValue(self.tried, head, self.options.value)

        def right(state: State) -> bool:
            found = state.result
            if found is None or not found.ok or found.truncated or state.repaired:
                return False
            example = by_id[state.asked.question.id]
            gold = self.judge.gold.result(self.dataset.database(example.db_id), example.gold_sql)
            if len(gold.rows) != len(found.rows):  # the judge would run it again to say so
                return False
            return self.right(example, state.sql)

        def value(states: Sequence[State]) -> list[float]:
            worths = plain(states)
            return [
                (1.0 if right(state) else -1.0) if state.ended else worth
                for state, worth in zip(states, worths, strict=True)
            ]

        evolution = self.config.evolution
        settings = replace(
            self.config.mcts, num_simulations=simulations, noise=evolution.noise,
            seed=random.Random(f"{self.config.seed} {examples[0].id}").randrange(2**31),
        )  # fmt: skip
        expander = StepExpander(self.engine, self.tried, True, self.options.temperature)
        roots = expander.roots(asked)
        try:
            forest: list[Tree[State]] = search(roots, expander, value, settings)
        finally:
            expander.free(roots)
        return [grown(tree, right) for tree in forest]


def open_searcher(policy: Path | str, questions: Questions, config: RStarConfig) -> Searcher:
    """A policy by name or folder, with the preference model that its folder holds."""
    generator = torch_engine.load(policy)
    preference = find(generator.folder)
    return Searcher(generator, preference, questions, config)
