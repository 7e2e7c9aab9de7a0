"""`txt2sql train`, its doors and its settings: each is what it is called, and mistakes are one sentence."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from txt2sql.cli.main import main
from txt2sql.errors import ConfigError
from txt2sql.models.catalog import MODELS
from txt2sql.training.sft_settings import (
    METHODS,
    Adapter,
    ModelConfig,
    SFTConfig,
    load_settings,
    method,
    run_folder,
)

ROOT = Path(__file__).parents[2]
CONFIG, MODEL_CONFIG = (
    ROOT / "config" / "training_config.yaml",
    ROOT / "config" / "model_config.yaml",
)
DOORS = sorted((ROOT / "experiments").glob("train_*ora.py"))


@pytest.fixture
def lessons(shops: Path) -> Path:
    """The shops as a data set to train on."""
    (shops / "dev.json").rename(shops / "train.json")
    return shops


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, arguments)])
    assert stop.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("section", METHODS)
def test_a_preset_is_the_method_it_is_called(section: str) -> None:
    given = load_settings(section, CONFIG, MODEL_CONFIG)
    assert method(given) == method(load_settings(section)) == section
    assert run_folder(given) == Path("results") / f"{section}-bundled"
    assert given.split == "train" and given.datasets == ("spider",)


def test_lora_is_as_published_and_dora_is_one_field_apart() -> None:
    assert load_settings("lora", CONFIG).adapter == Adapter(r=16, alpha=32, dropout=0.05)
    dora = load_settings("dora", CONFIG, overrides=["adapter.dropout=0.05"])
    lora = load_settings("lora", CONFIG, overrides=["adapter.dora=true"])
    assert dora == lora


def test_what_suits_a_model_is_between_the_section_and_the_command_line() -> None:
    phi = load_settings("lora", CONFIG, MODEL_CONFIG, ["model=phi-2"])
    assert phi.adapter is not None and phi.gradient_checkpointing is True
    assert phi.adapter.targets == MODELS["phi-2"].lora_targets and phi.batch_tokens == 2048
    mine = load_settings("lora", CONFIG, MODEL_CONFIG, ["model=phi-2", "batch_tokens=512"])
    assert mine.batch_tokens == 512
    assert load_settings("full", CONFIG, MODEL_CONFIG, ["model=phi-2"]).adapter is None


def test_the_models_that_have_settings_are_known() -> None:
    from txt2sql.config import load

    assert set(load(ModelConfig, MODEL_CONFIG).models) <= set(MODELS)


def test_a_mistake_in_the_settings_of_models_is_told(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models:\n  phi-2: {batch_token: 5}\n")
    with pytest.raises(ConfigError, match=r"phi-2\.batch_token .*did you mean 'batch_tokens'"):
        load_settings("lora", CONFIG, tmp_path / "models.yaml")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["lernin_rate=1"], "did you mean 'learning_rate'"),
        (["adapter.rank=1"], "adapter.rank is not a known key"),
        (["adapter.r=0"], "r is 0"),
        (["bits=3"], "bits should be one of 4, 16"),
        (["shares=[1.0, 2.0]"], "shares must have one number for each"),
        (["batch_tokens=0"], "batch_tokens must be 1 or more"),
        (["epochs=0"], "above 0"),
    ],
)
def test_settings_that_do_not_fit_are_told(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings("lora", CONFIG, None, settings)


def test_weights_in_4_bits_are_not_trained_themselves() -> None:
    with pytest.raises(ConfigError, match="give an adapter"):
        load_settings("full", CONFIG, None, ["bits=4"])


def test_a_run_is_named_by_what_it_is() -> None:
    given = SFTConfig(model="some/model-1b", datasets=("spider", "/data/my_own"))
    assert run_folder(given) == Path("results/lora-model-1b-spider-my_own")


def test_a_door_plans_and_trains_and_its_model_answers(
    lessons: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    door = ROOT / "experiments" / "train_dora.py"
    monkeypatch.chdir(tmp_path)
    typed = f"--model {tiny_model} --dataset {lessons} --epochs 1 --set measured=0 --set bf16=false --output_dir run"
    for last in ("--dry-run --json", ""):
        monkeypatch.setattr(sys, "argv", [str(door), *typed.split(), *last.split()])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(door), run_name="__main__")
        assert not stop.value.code
        if last:
            plan = json.loads(capsys.readouterr().out)
            assert plan["method"] == "dora"
            assert (plan["examples"], plan["steps"], plan["model"]) == (4, 1, "tiny")
            assert not (tmp_path / "run").exists()
    assert capsys.readouterr().out == f"{Path('run') / 'model'}\n"
    database = str(lessons / "database/shop/shop.sqlite")
    with pytest.raises(SystemExit):  # what it answers is chance
        main(["ask", "--model", "run/model", "--db", database, "--json", "How many shops?"])
    assert json.loads(capsys.readouterr().out)["model"] == "model"


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.name)
def test_a_door_is_a_command_and_no_more(
    door: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(door.read_text().splitlines()) <= 40
    monkeypatch.setattr(sys, "argv", [str(door), "--help"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(door), run_name="__main__")
    assert f"txt2sql train {door.stem.removeprefix('train_')}" in capsys.readouterr().out


def test_the_script_is_the_same_command() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "train.sh", "dora", "--help"],
        capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable},
    )  # fmt: skip
    assert "usage: txt2sql train dora" in done.stdout.lower(), done.stderr


def test_missing_data_names_the_script_that_gets_it(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fail(capsys, "lora", "--model", tiny_model, "--data", tmp_path / "nowhere",
                "--output", tmp_path / "run")  # fmt: skip
    assert "data/scripts/download_spider.py" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_not_here_says_how_to_point_at_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    said = fail(capsys, "dora", "--model", "llama-7b", "--output", tmp_path / "run")
    assert "give --model a folder" in said and "mirror" in said and said.count("\n") == 1


def test_what_is_not_finished_does_not_exit_with_0(
    lessons: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fail(capsys, "lora", "--model", tiny_model, "--dataset", lessons,
                "--output", tmp_path / "run", "--set", "measured=0", "--set", "max_minutes=1e-6", "--max_steps", 5)  # fmt: skip
    assert said.splitlines()[-1] == "stopped at step 1 of 5; run it again to go on"


def test_resume_wants_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fail(capsys, "lora", "--resume", "--output", tmp_path / "run")
    assert "holds no run to resume" in said and said.count("\n") == 1


def test_an_unknown_model_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean phi-2" in fail(capsys, "lora", "--model", "phi2")
