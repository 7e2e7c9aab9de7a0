"""`txt2sql export`: an adapter, from typing to asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Command


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    from txt2sql.models.adapters import Adapter, attach
    from txt2sql.models.weights import load_weights

    folder = tmp_path_factory.mktemp("adapter")
    loaded = load_weights(tiny_model, device="cpu", dtype="float32")
    attach(loaded.model, Adapter(r=2, dropout=0.0, dora=True)).save_pretrained(str(folder))
    return folder


def test_what_cannot_be_exported_is_told_and_nothing_written(
    adapter: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    assert "no model" in refused("export", "no", "--output", "out")
    sentence = refused("export", adapter, "--output", "out", "--dtype", "int4")
    assert "choose float32, float16 or bfloat16" in sentence
    onnx = ("--output", "out", "--format", "onnx")
    assert "--dtype is for" in refused("export", adapter, *onnx, "--dtype", "float16")
    assert "choose 4, 8 or 32 bits" in refused("export", adapter, *onnx, "--bits", "5")
    assert list(tmp_path.iterdir()) == []


def test_a_merged_model_answers(
    adapter: Path, txt2sql: Command, refused: Callable[..., str]
) -> None:
    done = txt2sql("export", adapter, "--output", "merged")
    assert (done.code, done.out.strip()) == (0, "merged")
    assert "merged into" in done.err
    assert "not empty" in refused("export", adapter, "--output", "merged")
    # What it answers is chance.
    answer = txt2sql("ask", "--json", "--model", "merged", "How many shops are there?").json
    assert answer["model"] == "merged"
    assert "library_name: transformers" in Path("merged/README.md").read_text(encoding="utf-8")
