"""`txt2sql train` and its settings: each is what it is called, and mistakes are one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txt2sql.config import load
from txt2sql.errors import ConfigError
from txt2sql.models.catalog import MODELS
from txt2sql.training.settings import ModelConfig, load_grpo, load_sft

from .conftest import Command

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "training_config.yaml"
MODEL_CONFIG = ROOT / "config" / "model_config.yaml"


@pytest.fixture
def train_set(shops: Path) -> Path:
    (shops / "dev.json").rename(shops / "train.json")
    return shops


# ----------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("section", "setting", "message"),
    [
        ("lora", "adapter.rank=1", "adapter.rank is not a known key"),
        ("lora", "adapter.r=0", "r is 0"),
        ("lora", "shares=[1.0, 2.0]", "shares must have one number for each"),
        ("lora", "batch_tokens=0", "batch_tokens must be 1 or more"),
        ("full", "bits=4", "give an adapter"),
        ("grpo", "group=1", "group must be 2 or more"),
        ("grpo", "rewards={component: 1.0}", "give the reward execution a weight above 0"),
        ("grpo", "rewards={speed: 1.0}", "no reward 'speed'"),
        ("grpo", "kl=-1", "kl and filter_samples must be 0 or more"),
    ],
)
def test_settings_that_do_not_fit_are_errors(
    section: str, setting: str, message: str, tmp_path: Path
) -> None:
    load_one: Any = load_grpo if section == "grpo" else load_sft
    with pytest.raises(ConfigError, match=message):
        load_one(section, CONFIG, None, [setting])
    assert set(load(ModelConfig, MODEL_CONFIG).models) <= set(MODELS)
    (tmp_path / "models.yaml").write_text("models:\n  phi-2: {batch_token: 5}\n")
    with pytest.raises(ConfigError, match=r"phi-2\.batch_token .*did you mean 'batch_tokens'"):
        load_sft("lora", CONFIG, tmp_path / "models.yaml")


# ----------------------------------------------------------------------------------------- commands


def test_dora_plans_and_trains_and_its_model_answers(
    train_set: Path, shop: Path, tiny_model: Path, txt2sql: Command
) -> None:
    data = ("--model", tiny_model, "--dataset", train_set, "--epochs", 1, "--output_dir", "run")
    command = ("train", "dora", *data, "--set", "measured=0", "--set", "bf16=false")
    plan = txt2sql(*command, "--dry-run", "--json").json
    assert plan["method"] == "dora"
    assert (plan["examples"], plan["steps"], plan["model"]) == (4, 1, "tiny")
    assert not Path("run").exists()
    done = txt2sql(*command)
    assert (done.code, done.out) == (0, f"{Path('run') / 'model'}\n")
    # What it answers is chance.
    answer = txt2sql("ask", "--model", "run/model", "--db", shop, "--json", "How many shops?").json
    assert answer["model"] == "model"


def test_a_model_that_is_not_here_says_how_to_point_at_one(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    sentence = refused("train", "dora", "--model", "llama-7b", "--output", "run")
    assert "give --model a folder" in sentence and "mirror" in sentence


def test_what_is_not_finished_does_not_exit_with_0(
    train_set: Path, tiny_model: Path, txt2sql: Command
) -> None:
    data = ("--model", tiny_model, "--dataset", train_set, "--output", "run")
    limits = ("--set", "measured=0", "--set", "max_minutes=1e-6", "--max_steps", 5)
    done = txt2sql("train", "lora", *data, *limits)
    assert done.code == 1
    assert done.err.splitlines()[-1] == "stopped at step 1 of 5; run it again to go on"


def test_a_wrong_setting_of_rstar_is_told(refused: Callable[..., str]) -> None:
    for wrong, word in ((["--num_rounds", 0], "num_rounds"), (["--model", "no-such"], "no-such")):
        assert word in refused("train", "rstar", "--output_dir", "run", *wrong)
    assert not Path("run").exists()
