"""`txt2sql train grpo`, its door and its settings."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from txt2sql.cli.main import main
from txt2sql.errors import ConfigError
from txt2sql.models.catalog import MODELS
from txt2sql.training.grpo import SECTIONS, GRPOConfig, load_settings
from txt2sql.training.rewards import PRESETS
from txt2sql.training.sft_settings import run_folder

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "training_config.yaml"
MODEL_CONFIG = ROOT / "config" / "model_config.yaml"
DOOR = ROOT / "experiments" / "train_grpo.py"


@pytest.fixture
def lessons(shops: Path) -> Path:
    """The shops as a data set to train on."""
    (shops / "dev.json").rename(shops / "train.json")
    return shops


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["train", "grpo", *map(str, arguments)])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_the_mission_is_the_default_with_a_file_and_without() -> None:
    given = load_settings(SECTIONS["mission"], CONFIG)
    assert (given.group, given.learning_rate, given.kl) == (8, 1e-5, 0.1)
    assert given == load_settings("grpo") == GRPOConfig()


def test_what_is_recommended_is_as_published() -> None:
    given = load_settings(SECTIONS["recommended"], CONFIG, MODEL_CONFIG)
    assert given.trl["loss_type"] == "dapo" and given.trl["epsilon_high"] == 0.28
    assert given.trl["num_iterations"] > 1  # else no ratio differs from 1 and nothing is clipped
    assert given.kl == 0.001 and given.rewards == PRESETS["dense"]


def test_what_suits_a_model_is_between_the_section_and_the_command_line() -> None:
    large = load_settings("grpo", CONFIG, MODEL_CONFIG, ["model=mistral-7b"])
    assert large.adapter.targets == MODELS["mistral-7b"].lora_targets
    assert (large.batch_tokens, large.gradient_checkpointing) == (2048, True)
    assert large.learning_rate == 1e-5
    mine = load_settings("grpo", CONFIG, MODEL_CONFIG, ["model=mistral-7b", "batch_tokens=512"])
    assert mine.batch_tokens == 512


def test_a_run_is_named_by_what_it_is() -> None:
    assert run_folder(GRPOConfig(model="mistral-7b")) == Path("results/grpo-mistral-7b")
    dora = load_settings("grpo", CONFIG, None, ["adapter.dora=true", "datasets=[/data/mine]"])
    assert run_folder(dora) == Path("results/grpo-dora-bundled-mine")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["lernin_rate=1"], "did you mean 'learning_rate'"),
        (["group=1"], "group must be 2 or more"),
        (["rewards={component: 1.0}"], "give the reward execution a weight above 0"),
        (["rewards={speed: 1.0}"], "no reward 'speed'"),
        (["temperature=0"], "temperature must be above 0"),
        (["kl=-1"], "kl and filter_samples must be 0 or more"),
        (["loss=dapo"], "loss is not a known key"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings("grpo", CONFIG, None, settings)


def test_the_door_plans(
    lessons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert len(DOOR.read_text().splitlines()) <= 40
    monkeypatch.chdir(tmp_path)
    typed = (
        f"--dataset {lessons} --epochs 2 --rewards sparse --kl 0 --dora --prompts 2 --output_dir r"
    )
    monkeypatch.setattr(sys, "argv", [str(DOOR), *typed.split(), "--dry-run", "--json"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(DOOR), run_name="__main__")
    assert not stop.value.code
    plan = json.loads(capsys.readouterr().out)
    assert (plan["method"], plan["rewards"]) == ("GRPO, dora", PRESETS["sparse"])
    assert (plan["questions"], plan["steps"], plan["answers"]) == (4, 4, 64)
    assert not (tmp_path / "r").exists()


def test_every_preset_of_rewards_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "grpo", "--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in PRESETS) and "recommended" in said


def test_resume_wants_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fail(capsys, "--resume", "--output", tmp_path / "run")
    assert "holds no run to resume" in said and said.count("\n") == 1


def test_missing_data_names_the_script_that_gets_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fail(capsys, "--data", tmp_path / "nowhere", "--output", tmp_path / "run")
    assert "data/scripts/download_spider.py" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()
