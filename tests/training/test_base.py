"""A base that was cut and quantised answers through the engine as transformers reads it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from txt2sql.errors import ModelError
from txt2sql.models import decoder
from txt2sql.models.onnx_engine import OnnxEngine
from txt2sql.models.weights import read_gguf
from txt2sql.training.base import build


def test_a_base_is_smaller_and_says_in_onnx_what_it_says_in_transformers(
    tiny_lm: Callable[..., Path], tiny_spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("txt2sql.training.base._FREQUENT", 100)
    source = tiny_lm("qwen2", chat=True)
    lines: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        base = build(source, tmp_path / "base", datasets=(str(tiny_spider),), report=lines.append)
    before, after = (AutoTokenizer.from_pretrained(str(folder)) for folder in (source, base))
    assert len(after) < len(before) and "pieces of the vocabulary stay" in lines[0]
    for text in ("SELECT town FROM shop", "Größe in São Paulo", "東京 ☃"):
        assert after.decode(after(text)["input_ids"]) == text
    model = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    tokens = after("SELECT COUNT(*) FROM shop WHERE town")["input_ids"]
    with torch.inference_mode():
        expected = model(torch.tensor([tokens])).logits[0].numpy()
    engine = OnnxEngine(base / "onnx", threads=1)
    size = len(tokens)
    sees = np.concatenate([np.zeros((size, 1), bool), np.tri(size, dtype=bool)], 1)
    rows = np.arange(size)
    output, _ = engine.forward(np.array(tokens), sees, engine.cache(), rows)
    assert np.abs(output.logits - expected).mean() < 0.05 * np.abs(expected).mean()
    answering = decoder.load(base / "onnx", threads=1)
    assert answering.vocabulary.end_ids == [model.generation_config.eos_token_id]


def test_a_file_that_is_no_gguf_is_told(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\x00\x00")
    with pytest.raises(ModelError, match="cannot be read as GGUF .*; download it again"):
        read_gguf(path)
