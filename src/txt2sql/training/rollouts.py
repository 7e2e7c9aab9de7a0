"""Rollouts: the policy and its preference model search questions, in this process or in many.

It is `txt2sql evaluate --search` with two differences: whole answers of questions to learn from are worth
what the one judge says of them, and there is noise at the root. Held-out questions are searched as any
question is, without their gold.

A job is a few questions, by id, that are searched together. Whoever does it opens the training questions
through `cot_synthesis.open_questions` and keeps the policy for the next job, so only ids, settings and
trees travel. What comes out depends on the job alone, not on who did it or when. More processes are a
pool on this machine, or tasks of a Ray cluster (Moritz et al. 2018).

>>> actor = open_actor("bundled", open_questions(config), config)  # doctest: +SKIP
>>> actor.rows(Job("grow", ("spider-train-0",), 100))[0]["simulations"]  # doctest: +SKIP
100
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import torch

from txt2sql.errors import ConfigError, ModelError
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
    """Questions, by id, that are asked together: "grow" trees of so many `simulations`, or "measure"
    held-out ones.
    """

    work: Literal["grow", "measure"]
    ids: tuple[str, ...]
    simulations: int = 0


def batched(ids: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Questions as they are searched together.

    >>> batched(["a", "b", "c"], 2)
    [('a', 'b'), ('c',)]
    """
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]


class Actor:
    """A policy over the databases of a data set, with its preference model where it has one."""

    def __init__(
        self,
        decoder: Decoder,
        preference: Preference | None,
        questions: Questions,
        config: RStarConfig,
    ) -> None:
        self.dataset, self.config = questions.dataset, config
        self.train_set = {example.id: example for example in questions.train_set}
        self.held_out = {example.id: example for example in questions.held_out}
        self.judge = ExecutionAccuracy(Judging(both=False))
        index = lru_cache(maxsize=64)(lambda db_id: open_value_index(self.dataset.database(db_id)))
        self.direct = DirectPredictor(
            decoder,
            self.dataset.schema,
            lambda example: index(example.db_id).match(example.question),
            lambda db_id, sql: execute(self.dataset.database(db_id), sql),
            PredictorOptions(second_beams=0),
        )
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
            best = each.candidates[0].sql if each.candidates else ""
            rows.append(
                {
                    "id": example.id,
                    "greedy": any(marks[answer.sql] for answer in each.answers if answer.own),
                    "search": marks.get(best, False),
                    "oracle": any(marks.values()),
                }
            )
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


# ----------------------------------------------------------------------------------------- processes


def rollouts(
    config: RStarConfig, policy: Path | str, jobs: Sequence[Job], questions: Questions | None = None
) -> Iterator[tuple[Job, list[Row]]]:
    """Every job once, with its rows, in whatever order they are done.

    Raises ConfigError without Ray where it is asked for, and ModelError where a process died.
    """
    processes = min(config.rollouts.processes or 1, len(jobs))
    if config.rollouts.ray is not None:
        yield from _on_ray(config, str(policy), jobs)
    elif processes > 1:
        yield from _in_processes(config, str(policy), jobs, processes)
    elif jobs:
        actor = open_actor(policy, questions or open_questions(config), config)
        for job in jobs:
            yield job, actor.rows(job)


@lru_cache(maxsize=1)
def _actor(config: RStarConfig, policy: str, threads: int | None) -> Actor:
    """This process's actor, as long as the policy stays the same."""
    if threads:
        torch.set_num_threads(threads)
    return open_actor(policy, open_questions(config), config)


def _work(config: RStarConfig, policy: str, threads: int | None, job: Job) -> list[Row]:
    return _actor(config, policy, threads).rows(job)


def _in_processes(
    config: RStarConfig, policy: str, jobs: Sequence[Job], count: int
) -> Iterator[tuple[Job, list[Row]]]:
    threads = config.threads or max(1, (os.cpu_count() or 1) // count)
    pool = ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent)
    try:
        futures = {pool.submit(_work, config, policy, threads, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise ModelError(_DIED.format(f"one of {count} processes")) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _on_ray(
    config: RStarConfig, policy: str, jobs: Sequence[Job]
) -> Iterator[tuple[Job, list[Row]]]:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "rollouts.ray needs Ray; install it with `pip install 'txt2sql[ray]'`"
        ) from error
    settings, joined = config.rollouts, ray.is_initialized()
    if not joined:
        cpus = settings.processes if settings.ray == "local" else None
        try:
            ray.init(address=settings.ray, num_cpus=cpus, log_to_driver=False, logging_level=logging.ERROR)  # fmt: skip
        except (ConnectionError, ValueError) as error:
            raise ConfigError(
                f"there is no Ray cluster at '{settings.ray}' ({error}); start one with "
                "`ray start --head`, or set rollouts.ray to local"
            ) from error
    try:
        resources = ray.cluster_resources()
        gpus = resources.get("GPU", 0.0)
        count = settings.processes or int(gpus or resources.get("CPU", 1.0)) or 1
        # A process keeps its actor: with a GPU, Ray would end it after each call.
        task = ray.remote(num_cpus=1, num_gpus=min(1.0, gpus / count), max_calls=0)(_work)
        waiting = iter(jobs)
        running: dict[Any, Job] = {}
        while True:
            for job in islice(waiting, count - len(running)):
                running[task.remote(config, policy, config.threads, job)] = job
            if not running:
                return
            done = ray.wait(list(running))[0][0]
            try:
                rows = ray.get(done)
            except ray.exceptions.RayTaskError as error:  # of our own, on the other side
                raise error.cause from error
            except ray.exceptions.RayError as error:
                raise ModelError(_DIED.format("one of the cluster's processes")) from error
            yield running.pop(done), rows
    finally:
        if not joined:
            ray.shutdown()


_DIED = (
    "{} died while it searched; there may be too little memory: lower rollouts.processes or "
    "evolution.together, and run it again to go on"
)
