"""Rounds of self-evolution with a tiny model: whole, resumable wherever they end, never from dev."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.training.methods import quiet, rstar

import txt2sql.training
from txt2sql.errors import ConfigError
from txt2sql.models import torch_engine
from txt2sql.models.weights import load_weights
from txt2sql.runs import read_rows
from txt2sql.search.mcts import Settings
from txt2sql.training import settings as training_settings
from txt2sql.training.data import is_held_out
from txt2sql.training.self_evolution import (
    Actor,
    Evolution,
    Job,
    evolve,
    rounds_of,
)
from txt2sql.training.settings import RStarConfig
from txt2sql.training.trees import open_questions

FILE = Path(__file__).parents[2] / "config" / "rstar_config.yaml"


class Stopped(Exception):
    """What stands for a kill, inside a process."""


def stopping(after: int) -> Callable[..., object]:
    """Progress that ends the run after so many steps."""
    left = after

    @contextmanager
    def progress(label: str, total: int) -> Iterator[Callable[[str], None]]:
        def advance(note: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Stopped

        yield advance

    return progress


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft against a newer transformers
@pytest.mark.parametrize("method", ["full", "lora"])
def test_each_round_is_whole_and_a_run_that_ended_early_goes_on(
    method: str, tmp_path: Path, tiny_spider: Path, tiny_lm: Callable[..., Path]
) -> None:
    model = tiny_lm("phi" if method == "lora" else "qwen2")
    changes = ("evolution.num_rounds=1", f"policy_training.method={method}")
    settings = rstar(tmp_path, tiny_spider, model, *changes)
    with pytest.raises(Stopped):
        evolve(settings, quiet, stopping(4))  # type: ignore[arg-type]
    searched = list(read_rows(tmp_path / "rounds" / "1" / "trees.jsonl"))
    assert 0 < len(searched) < 4 and not rounds_of(tmp_path)
    assert evolve(settings, quiet) == tmp_path / "round_1"
    assert list(read_rows(tmp_path / "rounds" / "1" / "trees.jsonl"))[: len(searched)] == searched
    [found] = rounds_of(tmp_path)
    assert found["traces"] > 0 and found["n"] == 2 and found["searched"] == 4
    assert load_weights(tmp_path / "round_1").model
    kept = read_rows(tmp_path / "rounds" / "1" / "traces" / "traces.jsonl")
    assert not [row for row in kept if is_held_out(row["db_id"], 0.2)]
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1]
    with pytest.raises(ConfigError, match="c_puct"):
        evolve(dataclasses.replace(settings, mcts=Settings(c_puct=3.0, num_simulations=2)), quiet)


def test_a_policy_that_fine_tuning_made_worse_is_not_kept(
    tmp_path: Path, tiny_spider: Path, tiny_lm: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = shutil.copytree(tiny_lm(), tmp_path / "base")
    (base / "trained.json").write_text("what a round before has left")
    settings = rstar(tmp_path, tiny_spider, base, "evolution.num_rounds=1")
    monkeypatch.setattr(Evolution, "fine_tuned", lambda *_: {"greedy": -0.5})
    evolve(settings, quiet)
    [found] = rounds_of(tmp_path)
    assert found["fine_tuned"] == -0.5
    kept, before, tuned = (
        load_file(folder / "model.safetensors")
        for folder in (tmp_path / "round_1", base, tmp_path / "rounds/1/policy/model")
    )
    assert all((kept[name] == before[name]).all() for name in kept)
    assert any((kept[name] != tuned[name]).any() for name in kept)
    assert (
        json.loads((tmp_path / "round_1" / "trained.json").read_text())["pairs"] == found["pairs"]
    )


def test_the_door_opens_the_training_split_only(tmp_path: Path, tiny_spider: Path) -> None:
    """The dev split beside it cannot even be read; held-out databases are never learnt from."""
    root = tmp_path / "tiny"
    root.mkdir()
    for name in ("train.json", "database"):
        (root / name).symlink_to(tiny_spider / name)
    (root / "dev.json").write_text("[ this is not JSON")
    door = open_questions(rstar(tmp_path, root, root))
    assert len(door.train_set) + len(door.held_out) == 24
    assert {e.db_id for e in door.train_set}.isdisjoint(e.db_id for e in door.held_out)
    assert all(is_held_out(e.db_id, 0.2) for e in door.held_out)
    with pytest.raises(ConfigError, match="held_out"):
        open_questions(rstar(tmp_path, root, root, "evolution.held_out=0.000001"))


def test_a_question_that_is_held_out_is_never_learnt_from(
    tmp_path: Path, tiny_spider: Path, tiny_lm: Callable[..., Path]
) -> None:
    settings = rstar(tmp_path, tiny_spider, tiny_lm())
    questions = open_questions(settings)
    actor = Actor(torch_engine.load(settings.model), None, questions, settings)
    for work, examples in (("grow", questions.held_out), ("measure", questions.train_set)):
        with pytest.raises(KeyError):
            actor.rows(Job(work, (examples[0].id,), 3))


def test_no_setting_names_a_split_and_no_other_code_reads_questions() -> None:
    """Self-evolution reads questions through `with_gold` in one module, and asks for SPLIT."""
    assert training_settings.SPLIT == "train"
    assert not [f.name for f in dataclasses.fields(RStarConfig) if "split" in f.name]
    folder = Path(txt2sql.training.__file__).parent
    for name in ("ppm", "self_evolution", "trees"):
        code = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert '"dev"' not in code and '"test"' not in code and ".examples(" not in code, name
        wanted = ["with_gold(dataset, SPLIT)"] if name == "trees" else []
        assert re.findall(r"with_gold\(.*?\)", code) == wanted


def test_what_stays_unsolved_comes_first_and_gets_more(
    tmp_path: Path, tiny_spider: Path, tiny_lm: Callable[..., Path]
) -> None:
    settings = rstar(tmp_path, tiny_spider, tiny_lm(), "evolution.most_simulations=3")
    run = Evolution(settings, tmp_path, quiet)
    first = run.plan(1)
    assert [simulations for _, simulations in first] == [2] * 4
    work = run.work(1)
    work.mkdir(parents=True)
    rows = []
    for position, (example, _) in enumerate(first):
        answer = {"text": "a", "ended": True, "right": position == 0}
        rows.append({"question_id": example.id, "db_id": example.db_id, "simulations": 2,
                     "nodes": [{"edges": [[1, 1, 0.0]]}, answer]})  # fmt: skip
    (work / "trees.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = run.plan(2)
    hard = [example.id for example, simulations in second if simulations == 3]
    assert len(second) == 4 and len(hard) == 2  # at most half, 4 simulations cut to the most
    assert set(hard) < {example.id for example, _ in first[1:]}
    assert not {e.id for e, _ in second[2:]} & {e.id for e, _ in first}
