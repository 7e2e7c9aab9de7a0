"""`txt2sql merge` and `txt2sql export`: an adapter, from typing to asking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.cli.main import main
from txt2sql.types import Prompt, Sampling


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    return error


def succeed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    assert not stop.value.code
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A DoRA adapter that changes a model a little."""
    import torch

    from txt2sql.models.adapters import Adapter, attach
    from txt2sql.models.weights import load_weights

    folder = tmp_path_factory.mktemp("adapter")
    loaded = load_weights(tiny_model, device="cpu", dtype="float32")
    model = attach(loaded.model, Adapter(r=2, dropout=0.0, dora=True))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "magnitude" in name:
                parameter.mul_(1.5)
    model.peft_config["default"].base_model_name_or_path = str(tiny_model)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


def test_a_name_that_is_no_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no model" in fail(capsys, "merge", tmp_path / "no", "--output", tmp_path / "out")
    assert "nothing to merge" in fail(capsys, "merge", "bundled", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = ("--format", "gguf", "--output", tmp_path / "x.gguf")
    assert "--outtype" in fail(capsys, "export", "bundled", *target, "--dtype", "float16")
    (tmp_path / "config.json").write_text('{"model_type": "phi"}')
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    monkeypatch.setenv("PATH", "")
    assert "git clone" in fail(capsys, "export", tmp_path, *target)


def test_merged_weights_have_no_dtype_that_there_is_not(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = fail(capsys, "merge", adapter, "--output", tmp_path / "out", "--dtype", "int4")
    assert "choose float32, float16 or bfloat16" in error
    assert list(tmp_path.iterdir()) == []


def test_a_merged_model_answers(
    adapter: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from txt2sql.models import torch_engine

    merged = tmp_path / "merged"
    assert succeed(capsys, "merge", adapter, "--output", merged).strip() == str(merged)
    assert "not empty" in fail(capsys, "merge", adapter, "--output", merged)
    with pytest.raises(SystemExit):  # what it answers is chance
        main(["ask", "--json", "--model", str(merged), "How many shops are there?"])
    assert json.loads(capsys.readouterr().out)["model"] == "merged"
    written = [
        torch_engine.load(each, device="cpu").generate([Prompt("SELECT")], Sampling(20))[0][0].text
        for each in (adapter, merged, tiny_model)
    ]
    assert written[0] == written[1] != written[2]
    card = (merged / "README.md").read_text(encoding="utf-8")
    assert "library_name: transformers" in card
