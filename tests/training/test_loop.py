"""Numbers reach Weights & Biases when asked, and its folder alone when there is no network."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.training.methods import config

from txt2sql.errors import ConfigError
from txt2sql.runs import append_row, read_rows
from txt2sql.training.loop import _boards, forget_rows


def test_wandb_works_offline(
    tmp_path: Path, tiny_lm: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[dict[str, Any]] = []

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    settings = config("lora", tmp_path / "run", tmp_path, tiny_lm(), use_wandb=True)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="wandb"):
        _boards(settings, tmp_path / "run", 0)
    stand_in = SimpleNamespace(init=lambda **given: opened.append(given))
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    monkeypatch.setattr("txt2sql.training.loop.WandbCallback", object)
    assert len(_boards(settings, tmp_path / "run", 0)) == 2
    (given,) = opened
    assert (given["mode"], given["id"]) == ("offline", "txt2sql-run")
    assert given["config"]["epochs"] == 1


def test_steps_that_a_kill_took_back_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    for step in (1, 2, 3):
        append_row(file, {"step": step})
    forget_rows(file, 2)
    assert [row["step"] for row in read_rows(file)] == [1, 2]
