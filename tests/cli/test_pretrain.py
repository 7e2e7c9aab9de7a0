"""`txt2sql pretrain`: settings are checked before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from txt2sql.cli.main import main


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["pretrain", *map(str, arguments)])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_an_unknown_setting_names_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = fail(capsys, "--output", tmp_path / "run", "--set", "max_step=3")
    assert "max_step" in error and "max_steps" in error
    assert not (tmp_path / "run").exists()


def test_missing_data_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = fail(capsys, "--output", tmp_path / "run", "--data", tmp_path / "nowhere")
    assert error.count("\n") == 1 and "Traceback" not in error


def test_a_config_without_the_section_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.yaml").write_text("sft: {}\n")
    error = fail(capsys, "--config", tmp_path / "other.yaml", "--output", tmp_path / "run")
    assert "pretrain" in error


def test_an_unknown_preset_names_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text("pretrain: {output: x}\npretrain_gpu: {output: y}\n")
    error = fail(capsys, "--config", tmp_path / "own.yaml", "--preset", "pretrain-gpu")
    assert "pretrain_gpu" in error and error.count("\n") == 1


def test_settings_that_contradict_each_other_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text("pretrain: {datasets: [spider], shares: [0.5, 0.5]}\n")
    error = fail(capsys, "--config", tmp_path / "own.yaml", "--output", tmp_path / "run")
    assert "shares" in error


@pytest.mark.parametrize("preset", ["pretrain", "pretrain_gpu"])
def test_the_presets_of_the_repository_load(preset: str) -> None:
    from txt2sql.config import load
    from txt2sql.training.settings import PretrainConfig

    file = Path(__file__).parents[2] / "config" / "training_config.yaml"
    assert load(PretrainConfig, file, section=preset).max_steps > 1_000
