"""Whoever searches, the same trees come out, each question once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from threading import Thread

import pytest
from tests.training.methods import quiet, rstar
from tests.training.test_self_evolution import made

from txt2sql.errors import ConfigError, ModelError
from txt2sql.training.self_evolution import Job, Row, batched, evolve, rollouts
from txt2sql.training.settings import RolloutSettings, RStarConfig
from txt2sql.training.trees import open_questions

Trees = dict[Job, list[Row]]


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, tiny_spider: Path, tiny_lm: Callable[..., Path]
) -> RStarConfig:
    return rstar(tmp_path_factory.mktemp("run"), tiny_spider, tiny_lm())


@pytest.fixture(scope="module")
def jobs(settings: RStarConfig) -> list[Job]:
    questions = open_questions(settings)
    train_set = batched([example.id for example in questions.train_set[:8]], 2)
    held_out = batched([example.id for example in questions.held_out[:2]], 2)
    return [*(Job("grow", ids, 3) for ids in train_set), *(Job("measure", m) for m in held_out)]


@pytest.fixture(scope="module")
def expected(settings: RStarConfig, jobs: list[Job]) -> Trees:
    return grown(settings, jobs)


def grown(settings: RStarConfig, jobs: list[Job], **asked: object) -> Trees:
    settings = replace(settings, rollouts=RolloutSettings(**asked))  # type: ignore[arg-type]
    found = {tuple(r.get("id") or r["question_id"] for r in rows): rows
             for rows in rollouts(settings, settings.model, jobs)}  # fmt: skip
    return {job: found[job.ids] for job in jobs}


def test_a_question_that_is_held_out_is_never_learnt_from(
    settings: RStarConfig, jobs: list[Job]
) -> None:
    with pytest.raises(KeyError):
        grown(settings, [Job("grow", jobs[-1].ids, 3)])
    with pytest.raises(KeyError):
        grown(settings, [Job("measure", jobs[0].ids)])


@pytest.mark.slow
def test_processes_grow_the_same_trees(
    settings: RStarConfig, jobs: list[Job], expected: Trees
) -> None:
    assert grown(settings, jobs, processes=2) == expected


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_with_a_sentence(
    settings: RStarConfig, jobs: list[Job]
) -> None:
    def kill() -> None:
        while not (children := active_children()):
            time.sleep(0.05)
        children[0].kill()

    Thread(target=kill, daemon=True).start()
    with pytest.raises(ModelError, match="too little memory"):
        grown(settings, jobs, processes=2)


@pytest.mark.slow
def test_a_run_may_go_on_with_more_processes(
    tmp_path: Path, tiny_spider: Path, tiny_lm: Callable[..., Path]
) -> None:
    alone = rstar(tmp_path / "alone", tiny_spider, tiny_lm(), "evolution.num_rounds=1")
    evolve(alone, quiet)
    spread = replace(alone, output_dir=str(tmp_path / "spread"))
    (tmp_path / "spread" / "rounds" / "1").mkdir(parents=True)
    rows = (tmp_path / "alone" / "rounds" / "1" / "trees.jsonl").read_text().splitlines()
    (tmp_path / "spread" / "rounds" / "1" / "trees.jsonl").write_text(rows[2] + "\n" + rows[1][:40])
    evolve(replace(spread, rollouts=RolloutSettings(processes=2)), quiet)
    assert made(tmp_path / "spread")[0] == made(tmp_path / "alone")[0]
    with pytest.raises(ConfigError, match="seed"):
        evolve(replace(spread, seed=1), quiet)
