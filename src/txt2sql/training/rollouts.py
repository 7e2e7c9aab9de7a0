"""Rollouts: the policy and its preference model search questions, in this process or in many.

It is `txt2sql evaluate --search` with two differences: whole answers of questions to learn from are worth
what the one judge says of them, and there is noise at the root. Held-out questions are searched as any
question is, without their gold. A job is a few questions that are searched together; what comes out
depends on it alone, not on which process did it or when.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import torch

from txt2sql.errors import ModelError
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.values import open_value_index
from txt2sql.models import torch_engine
from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import Preference, find
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.models.tree_decoder import TreeDecoder
from txt2sql.search.mcts import Tree, search
from txt2sql.search.predictor import SearchOptions, SearchPredictor
from txt2sql.search.states import Question, RenderedQuestion, State, StateValue, StepExpander
from txt2sql.search.steps import starts_step
from txt2sql.training.cot_synthesis import Questions, open_questions
from txt2sql.training.settings import RStarConfig
from txt2sql.training.trees import JudgedTree, judged, to_row
from txt2sql.types import Example, Prediction, QueryResult

Row = dict[str, Any]
_LIMITS = Limits(timeout_s=1.0)
"""Of an answer to learn from: one that takes longer mostly joins without end."""


@dataclass(frozen=True, slots=True)
class Job:
    """Questions, by id, asked together: "grow" trees of so many `simulations`, or "measure" held-out ones."""

    work: Literal["grow", "measure"]
    ids: tuple[str, ...]
    simulations: int = 0


def batched(ids: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Questions as they are searched together."""
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]


class Actor:
    """A policy over the databases of a data set, with its preference model where it has one."""

    def __init__(
        self, decoder: Decoder, preference: Preference | None, questions: Questions, config: RStarConfig
    ) -> None:  # fmt: skip
        self.dataset, self.config = questions.dataset, config
        self.train_set = {example.id: example for example in questions.train_set}
        self.held_out = {example.id: example for example in questions.held_out}
        self.judge = ExecutionAccuracy(Judging(both=False))
        index = lru_cache(maxsize=64)(lambda db_id: open_value_index(self.dataset.database(db_id)))
        self.direct = DirectPredictor(
            decoder, self.dataset.schema,
            lambda example: index(example.db_id).match(example.question),
            lambda db_id, sql: execute(self.dataset.database(db_id), sql),
            PredictorOptions(second_beams=0),
        )  # fmt: skip
        head = preference.scores if preference else None
        self.engine = TreeDecoder(decoder, starts_step, head=head, decoding=config.steps)
        vote = config.vote
        if preference and not vote.preference:
            vote = replace(vote, preference=preference.vote)
        self.options = SearchOptions(
            config.mcts, config.steps, vote, config.value, together=config.evolution.together
        )

    def rows(self, job: Job) -> list[Row]:
        """A row for each question of a job; only held-out questions are measured, and no others."""
        if job.work == "measure":
            return self.measure([self.held_out[each] for each in job.ids])
        examples = [self.train_set[each] for each in job.ids]
        return [to_row(tree) for tree in self.grow(examples, job.simulations)]

    def run(self, db_id: str, sql: str) -> QueryResult:
        """The result of an answer to learn from."""
        return execute(self.dataset.database(db_id), sql, _LIMITS)

    def right(self, example: Example, sql: str | None) -> bool:
        """The one judge's verdict."""
        database = self.dataset.database(example.db_id)
        return self.judge(example, Prediction(example.id, sql), database).correct

    def measure(self, examples: Sequence[Example]) -> list[Row]:
        """Whether the greedy answer, the searched one and any answer of the tree (oracle) are right."""
        predictor = SearchPredictor(
            self.direct, self.engine, self.options, scored=self.engine.head is not None
        )
        rows = []
        searched = predictor.search([Question.of(example) for example in examples])
        for example, each in zip(examples, searched, strict=True):
            marks = {answer.sql: self.right(example, answer.sql) for answer in each.answers}
            greedy = any(marks[answer.sql] for answer in each.answers if answer.own)
            best = marks.get(each.candidates[0].sql, False) if each.candidates else False
            oracle = any(marks.values())
            rows.append({"id": example.id, "greedy": greedy, "search": best, "oracle": oracle})
        return rows

    def grow(self, examples: Sequence[Example], simulations: int) -> list[JudgedTree]:
        """Trees of training questions whose answers are worth what the judge says of them."""
        by_id = {example.id: example for example in examples}
        questions = [
            RenderedQuestion(Question.of(e), self.direct.prompt(e), self.direct.schemas(e.db_id))
            for e in examples
        ]
        plain = StateValue(self.run, self.engine if self.engine.head else None, self.options.value)

        def right(state: State) -> bool:
            result = state.result
            if result is None or not result.ok or result.truncated or state.repaired:
                return False
            example = by_id[state.question.id]
            gold = self.judge.gold.result(self.dataset.database(example.db_id), example.gold_sql)
            # The judge would run it again to say so.
            return len(gold.rows) == len(result.rows) and self.right(example, state.sql)

        def value(states: Sequence[State]) -> list[float]:
            return [
                (1.0 if right(state) else -1.0) if state.ended else estimate
                for state, estimate in zip(states, plain(states), strict=True)
            ]

        settings = replace(
            self.config.mcts, num_simulations=simulations, noise=self.config.evolution.noise,
            seed=random.Random(f"{self.config.seed} {examples[0].id}").randrange(2**31),
        )  # fmt: skip
        expander = StepExpander(self.engine, self.run, True, self.options.temperature)
        roots = expander.roots(questions)
        try:
            forest: list[Tree[State]] = search(roots, expander, value, settings)
        finally:
            expander.free(roots)
        return [judged(tree, right) for tree in forest]


def open_actor(policy: Path | str, questions: Questions, config: RStarConfig) -> Actor:
    """A policy by name or folder, with the preference model that its folder holds."""
    decoder = torch_engine.load(policy)
    return Actor(decoder, find(decoder.folder), questions, config)


def rollouts(
    config: RStarConfig, policy: Path | str, jobs: Sequence[Job], questions: Questions | None = None
) -> Iterator[tuple[Job, list[Row]]]:
    """Every job once, with its rows, in whatever order they are done. Raises ModelError where a process
    died.
    """
    count = min(config.rollouts.processes or 1, len(jobs))
    if count < 2:
        if jobs:
            actor = open_actor(policy, questions or open_questions(config), config)
            yield from ((job, actor.rows(job)) for job in jobs)
        return
    threads = config.threads or max(1, (os.cpu_count() or 1) // count)
    pool = ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent)
    try:
        # Each process opens the training questions itself: only ids, settings and trees travel.
        futures = {pool.submit(_work, config, str(policy), threads, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise ModelError(
            f"one of {count} processes died while it searched; there may be too little memory: lower "
            "rollouts.processes or evolution.together, and run it again to go on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _actor(config: RStarConfig, policy: str, threads: int) -> Actor:
    """This process's actor, as long as the policy stays the same."""
    torch.set_num_threads(threads)
    return open_actor(policy, open_questions(config), config)


def _work(config: RStarConfig, policy: str, threads: int, job: Job) -> list[Row]:
    return _actor(config, policy, threads).rows(job)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
