"""`txt2sql train`, its scripts and its settings: each is what it is called, and mistakes are one sentence."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.main import main
from txt2sql.errors import ConfigError
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import MODELS
from txt2sql.training.rewards import PRESETS
from txt2sql.training.settings import (
    GRPO_SECTIONS,
    METHODS,
    GRPOConfig,
    ModelConfig,
    SFTConfig,
    load_grpo,
    load_sft,
    run_folder,
)

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "training_config.yaml"
MODEL_CONFIG = ROOT / "config" / "model_config.yaml"
EXPERIMENTS = ROOT / "experiments"
SCRIPTS = [EXPERIMENTS / f"train_{name}.py" for name in ("lora", "dora", "grpo", "rstar")]


@pytest.fixture
def train_set(shops: Path) -> Path:
    """The shops as a data set to train on."""
    (shops / "dev.json").rename(shops / "train.json")
    return shops


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence that a command says and exits with 1."""
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, arguments)])
    assert stop.value.code == 1
    return capsys.readouterr().err


def run_script(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> str:
    monkeypatch.setattr(sys, "argv", [str(script), *typed.split()])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(script), run_name="__main__")
    assert not stop.value.code
    return capsys.readouterr().out


# ----------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("section", METHODS)
def test_a_preset_is_the_method_it_is_called(section: str) -> None:
    given = load_sft(section, CONFIG, MODEL_CONFIG)
    assert given.method == load_sft(section).method == section
    assert run_folder(given) == Path("results") / f"{section}-bundled"
    assert given.split == "train" and given.datasets == ("spider",)


def test_lora_is_as_published_and_dora_is_one_field_apart() -> None:
    assert load_sft("lora", CONFIG).adapter == Adapter(r=16, alpha=32, dropout=0.05)
    dora = load_sft("dora", CONFIG, overrides=["adapter.dropout=0.05"])
    lora = load_sft("lora", CONFIG, overrides=["adapter.dora=true"])
    assert dora == lora


def test_grpo_is_as_the_mission_or_as_published() -> None:
    given = load_grpo(GRPO_SECTIONS["mission"], CONFIG)
    assert (given.group, given.learning_rate, given.kl) == (8, 1e-5, 0.1)
    assert given == load_grpo("grpo") == GRPOConfig()
    given = load_grpo(GRPO_SECTIONS["recommended"], CONFIG, MODEL_CONFIG)
    assert given.trl["loss_type"] == "dapo" and given.trl["epsilon_high"] == 0.28
    assert given.trl["num_iterations"] > 1  # else no ratio differs from 1 and nothing is clipped
    assert given.kl == 0.001 and given.rewards == PRESETS["dense"]


@pytest.mark.parametrize(
    ("load", "section", "model"),
    [(load_sft, "lora", "phi-2"), (load_grpo, "grpo", "mistral-7b")],
)
def test_what_suits_a_model_is_between_the_section_and_the_command_line(
    load: Any, section: str, model: str
) -> None:
    given = load(section, CONFIG, MODEL_CONFIG, [f"model={model}"])
    assert given.adapter.targets == MODELS[model].lora_targets
    assert (given.batch_tokens, given.gradient_checkpointing) == (2048, True)
    assert given.learning_rate == load(section, CONFIG).learning_rate
    mine = load(section, CONFIG, MODEL_CONFIG, [f"model={model}", "batch_tokens=512"])
    assert mine.batch_tokens == 512


def test_full_fine_tuning_has_no_adapter() -> None:
    assert load_sft("full", CONFIG, MODEL_CONFIG, ["model=phi-2"]).adapter is None


def test_models_with_settings_are_in_the_catalogue() -> None:
    from txt2sql.config import load

    assert set(load(ModelConfig, MODEL_CONFIG).models) <= set(MODELS)


def test_a_mistake_in_the_settings_of_models_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models:\n  phi-2: {batch_token: 5}\n")
    with pytest.raises(ConfigError, match=r"phi-2\.batch_token .*did you mean 'batch_tokens'"):
        load_sft("lora", CONFIG, tmp_path / "models.yaml")


@pytest.mark.parametrize(
    ("section", "setting", "message"),
    [
        ("lora", "lernin_rate=1", "did you mean 'learning_rate'"),
        ("lora", "adapter.rank=1", "adapter.rank is not a known key"),
        ("lora", "adapter.r=0", "r is 0"),
        ("lora", "bits=3", "bits should be one of 4, 16"),
        ("lora", "shares=[1.0, 2.0]", "shares must have one number for each"),
        ("lora", "batch_tokens=0", "batch_tokens must be 1 or more"),
        ("lora", "epochs=0", "above 0"),
        ("full", "bits=4", "give an adapter"),
        ("grpo", "lernin_rate=1", "did you mean 'learning_rate'"),
        ("grpo", "group=1", "group must be 2 or more"),
        ("grpo", "rewards={component: 1.0}", "give the reward execution a weight above 0"),
        ("grpo", "rewards={speed: 1.0}", "no reward 'speed'"),
        ("grpo", "temperature=0", "temperature must be above 0"),
        ("grpo", "kl=-1", "kl and filter_samples must be 0 or more"),
        ("grpo", "loss=dapo", "loss is not a known key"),
    ],
)
def test_settings_that_do_not_fit_are_errors(section: str, setting: str, message: str) -> None:
    load: Any = load_grpo if section == "grpo" else load_sft
    with pytest.raises(ConfigError, match=message):
        load(section, CONFIG, None, [setting])


def test_a_run_is_named_by_what_it_is() -> None:
    given = SFTConfig(model="some/model-1b", datasets=("spider", "/data/my_own"))
    assert run_folder(given) == Path("results/lora-model-1b-spider-my_own")
    assert run_folder(GRPOConfig(model="mistral-7b")) == Path("results/grpo-mistral-7b")
    dora = load_grpo("grpo", CONFIG, None, ["adapter.dora=true", "datasets=[/data/mine]"])
    assert run_folder(dora) == Path("results/grpo-dora-bundled-mine")


# ------------------------------------------------------------------------------------------ scripts


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_a_command_and_no_more(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(script.read_text().splitlines()) <= 40
    text = run_script(script, monkeypatch, capsys, "--help")
    assert f"txt2sql train {script.stem.removeprefix('train_')}" in text
    if script.stem == "train_grpo":
        assert all(name in text for name in (*PRESETS, "recommended"))


def test_evaluate_rstar_takes_the_options_of_the_mission() -> None:
    script = EXPERIMENTS / "evaluate_rstar.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 40
    done = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--mcts_simulations" in done.stdout


def test_the_shell_script_is_the_same_command() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "train.sh", "dora", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable},
    )
    assert "usage: txt2sql train dora" in done.stdout.lower(), done.stderr


def test_a_script_plans_and_trains_and_its_model_answers(
    train_set: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = f"--model {tiny_model} --dataset {train_set} --epochs 1 --set measured=0 --set bf16=false --output_dir run"
    script = EXPERIMENTS / "train_dora.py"
    plan = json.loads(run_script(script, monkeypatch, capsys, f"{typed} --dry-run --json"))
    assert plan["method"] == "dora"
    assert (plan["examples"], plan["steps"], plan["model"]) == (4, 1, "tiny")
    assert not (tmp_path / "run").exists()
    assert run_script(script, monkeypatch, capsys, typed) == f"{Path('run') / 'model'}\n"
    database = str(train_set / "database/shop/shop.sqlite")
    with pytest.raises(SystemExit):  # what it answers is chance
        main(["ask", "--model", "run/model", "--db", database, "--json", "How many shops?"])
    assert json.loads(capsys.readouterr().out)["model"] == "model"


def test_grpo_plans(
    train_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = f"--dataset {train_set} --epochs 2 --rewards sparse --kl 0 --dora --prompts 2 --output_dir r"
    script = EXPERIMENTS / "train_grpo.py"
    plan = json.loads(run_script(script, monkeypatch, capsys, f"{typed} --dry-run --json"))
    assert (plan["method"], plan["rewards"]) == ("GRPO, dora", PRESETS["sparse"])
    assert (plan["questions"], plan["steps"], plan["answers"]) == (4, 4, 64)
    assert not (tmp_path / "r").exists()


# ------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize("command", ["lora", "grpo"])
def test_missing_data_and_missing_runs_are_one_sentence(
    command: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", tiny_model] if command == "lora" else []
    nowhere = ["--data", tmp_path / "nowhere", "--output", tmp_path / "run"]
    message = fail(capsys, command, *model, *nowhere)
    assert "data/scripts/download_spider.py" in message and message.count("\n") == 1
    assert not (tmp_path / "run").exists()
    message = fail(capsys, command, "--resume", "--output", tmp_path / "run")
    assert "holds no run to resume" in message and message.count("\n") == 1


def test_a_model_that_is_not_here_says_how_to_point_at_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = fail(capsys, "dora", "--model", "llama-7b", "--output", tmp_path / "run")
    assert "give --model a folder" in message and "mirror" in message
    assert message.count("\n") == 1
    assert "did you mean phi-2" in fail(capsys, "lora", "--model", "phi2")


def test_what_is_not_finished_does_not_exit_with_0(
    train_set: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--model", tiny_model, "--dataset", train_set, "--output", tmp_path / "run"]
    limits = ["--set", "measured=0", "--set", "max_minutes=1e-6", "--max_steps", 5]
    message = fail(capsys, "lora", *data, *limits)
    assert message.splitlines()[-1] == "stopped at step 1 of 5; run it again to go on"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--num_rounds", "0"], "num_rounds"),
        (["--mcts_simulations", "0"], "num_simulations"),
        (["--set", "evolution.split=dev"], "split"),
        (["--set", "ppm.validation=1"], "validation"),
        (["--dataset", "no-such-folder"], "no-such-folder"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_a_wrong_setting_of_rstar_is_one_sentence(
    arguments: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "rstar", "--output_dir", str(tmp_path / "run"), *arguments])
    assert stopped.value.code not in (0, None)
    assert word in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
