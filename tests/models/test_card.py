"""Model cards, and their upload by the hub's client."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi

from txt2sql.errors import ModelError
from txt2sql.models.card import Facts, push, read_facts, write_card


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "phi"}')
    return tmp_path


def test_what_others_can_load_is_uploaded_to_a_private_repository(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def create(api: HfApi, repo_id: str, **options: Any) -> Any:
        calls.append({"repo_id": repo_id, **options})
        return SimpleNamespace(repo_id=repo_id)

    monkeypatch.setattr(HfApi, "create_repo", create)
    monkeypatch.setattr(HfApi, "upload_folder", lambda api, **options: calls.append(options))
    adapter = folder / "adapter"
    adapter.mkdir()
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({"base_model_name_or_path": str(folder)}))
    with pytest.raises(ModelError, match="lies on this machine only"):
        push(adapter, "me/model")
    assert not calls
    config.write_text('{"base_model_name_or_path": "bundled"}')
    push(adapter, "me/model")
    push(folder, "me/model", private=False)
    assert [call.get("private") for call in calls] == [True, None, False, None]
    assert [call.get("folder_path") for call in calls] == [None, adapter, None, folder]
    assert calls[1]["ignore_patterns"] == [".*"]  # what was half written


def test_a_card_says_what_is_known_and_no_path(tmp_path: Path) -> None:
    share = {"data": "spider dev", "metric": "execution_accuracy", "n": 100, "mean": 0.5, "low": 0.404, "high": 0.596}  # fmt: skip
    data = ("spider", "/home/me/mine"), ("spider dev",)
    settings = {"adapter": {"r": 16}, "output": "/home/me/run", "epochs": 3}
    more = {"steps": 1200}, settings, {"peft": "0.21"}, "abc"
    write_card(tmp_path, Facts("phi-2", "lora", *data, (share,), *more))
    card = (tmp_path / "README.md").read_text()
    for text in (
        "base_model: microsoft/phi-2\nbase_model_relation: finetune\nlicense: cc-by-sa-4.0\n",
        "# phi-2 for text-to-SQL",
        "| spider dev | execution accuracy | 100 | 50.0% | 40.4% to 59.6% |",
        "spider, mine.\n\nNot trained on: spider dev.",
        "trained:\n  steps: 1200\nconfig:\n  adapter:\n    r: 16\n  epochs: 3\nversions:\n  peft: '0.21'\n",
        "the base model: MIT; spider: CC BY-SA 4.0.",
    ):
        assert text in card
    assert "/home/me" not in card + (tmp_path / "training.json").read_text()
    assert read_facts(tmp_path).measured == (share,)
    write_card(tmp_path, Facts("bundled", "full"))
    card = (tmp_path / "README.md").read_text()
    assert "Nothing was measured." in card and "base_model" not in card
    assert "The model that ships with txt2sql" in card and "## Training\n" not in card
