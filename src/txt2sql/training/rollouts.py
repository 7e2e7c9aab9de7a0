"""Who searches: this process, several on this machine, or the machines of a Ray cluster.

Field's names: rollout workers, actors (Espeholt et al. 2018, IMPALA); Ray (Moritz et al. 2018). A job
is a few questions, by id, that are searched together. Whoever does it opens the training questions
through their one door (`cot_synthesis.open_questions`) and keeps the policy for the next job, so only
ids, settings and trees travel. What comes out depends on the job alone, not on who did it or when.

A process that dies (out of memory, a machine that is gone) loses the jobs it had in hand; others do
them again. What kills every process that tries ends the run with an error.

    for job, rows in rollouts(config, policy, jobs, searcher):
        ...   # in whatever order they are done
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import torch

from txt2sql.errors import ConfigError, ModelError
from txt2sql.training.rstar_settings import RStarConfig

if TYPE_CHECKING:
    from txt2sql.training.searcher import Searcher

Row = dict[str, Any]
_DEATHS = 3
"""A job is given up when so many processes died in a row."""


@dataclass(frozen=True, slots=True)
class Job:
    """Questions, by id, that are asked together: "grow" trees of so many `simulations`, "screen" with one
    greedy answer to each, or "measure" held-out ones.
    """

    work: Literal["grow", "screen", "measure"]
    ids: tuple[str, ...]
    simulations: int = 0


def batched(ids: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Questions as they are searched together.

    >>> batched(["a", "b", "c"], 2)
    [('a', 'b'), ('c',)]
    """
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]


def rollouts(
    config: RStarConfig, policy: Path | str, jobs: Sequence[Job], here: Callable[[], Searcher]
) -> Iterator[tuple[Job, list[Row]]]:
    """Every job once, with its rows. `here` opens the searcher of this process, if it is to work.

    Raises ConfigError without Ray where it is asked for, and ModelError where processes keep dying.
    """
    asked = config.rollouts
    if asked.ray is not None:
        yield from _on_ray(config, str(policy), jobs)
    elif (asked.processes or 1) > 1 and len(jobs) > 1:
        yield from _in_processes(config, str(policy), jobs, min(asked.processes or 1, len(jobs)))
    elif jobs:
        searcher = here()
        for job in jobs:
            yield job, searcher.rows(job)


@lru_cache(maxsize=1)
def _searcher(config: RStarConfig, policy: str, threads: int | None) -> Searcher:
    """This process's searcher, as long as the policy stays the same."""
    from txt2sql.training.cot_synthesis import open_questions
    from txt2sql.training.searcher import open_searcher

    if threads:
        torch.set_num_threads(threads)
    return open_searcher(policy, open_questions(config), config)


def _work(config: RStarConfig, policy: str, threads: int | None, job: Job) -> list[Row]:
    return _searcher(config, policy, threads).rows(job)


def _in_processes(
    config: RStarConfig, policy: str, jobs: Sequence[Job], count: int
) -> Iterator[tuple[Job, list[Row]]]:
    threads = config.threads or max(1, (os.cpu_count() or 1) // count)
    left, deaths = list(jobs), 0
    while left:
        pool = ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent)
        try:
            futures = {pool.submit(_work, config, policy, threads, job): job for job in left}
            for future in as_completed(futures):
                rows = future.result()
                left.remove(futures[future])
                deaths = 0
                yield futures[future], rows
        except BrokenProcessPool as error:
            deaths += 1
            if deaths == _DEATHS:
                raise ModelError(_dying(f"{count} processes")) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = parent_process()
    if parent is None:
        return

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
    asked, joined = config.rollouts, ray.is_initialized()
    if not joined:
        local = asked.ray == "local"
        try:
            ray.init(
                address=asked.ray,
                num_cpus=asked.processes if local else None,
                include_dashboard=False if local else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, ValueError) as error:
            raise ConfigError(
                f"there is no Ray cluster at '{asked.ray}' ({error}); start one with "
                "`ray start --head`, or set rollouts.ray to local"
            ) from error
    try:
        has = ray.cluster_resources()
        gpus = has.get("GPU", 0.0)
        count = asked.processes or int(gpus or has.get("CPU", 1.0)) or 1
        # A process keeps its searcher: with a GPU, Ray would end it after each call.
        work = ray.remote(
            num_cpus=1, num_gpus=min(1.0, gpus / count), max_calls=0, max_retries=_DEATHS - 1
        )(_work)
        waiting = iter(jobs)
        running: dict[Any, Job] = {}
        while True:
            for job in islice(waiting, count - len(running)):
                running[work.remote(config, policy, config.threads, job)] = job
            if not running:
                return
            done = ray.wait(list(running))[0][0]
            try:
                rows = ray.get(done)
            except ray.exceptions.RayTaskError as error:  # of our own, on the other side
                raise error.cause from error
            except ray.exceptions.RayError as error:
                raise ModelError(_dying("the cluster's processes")) from error
            yield running.pop(done), rows
    finally:
        if not joined:
            ray.shutdown()


def _dying(who: str) -> str:
    return (
        f"{who} died {_DEATHS} times in a row while they searched; there may be too little memory: "
        "lower rollouts.processes or evolution.together"
    )
