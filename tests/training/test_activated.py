"""An adapter that is active after the schema part only: the loss of rows is that of each row alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.training import methods
from torch.nn.functional import cross_entropy

from txt2sql.models import decoder
from txt2sql.runs import read_rows
from txt2sql.training import activated
from txt2sql.training.activated import Activated, ActivatedConfig, Group, collate, train

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
FILE = Path(__file__).parents[2] / "config" / "bundled_model.yaml"
SCHEMA = "CREATE TABLE singer (name TEXT)\n"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def config(tiny_lm: Callable[..., Path], tmp_path: Path, tiny_spider: Path) -> ActivatedConfig:
    made: ActivatedConfig = methods.config(
        "activated", tmp_path / "run", tiny_spider, tiny_lm("qwen2", chat=True), measured=4,
        measure_every=3,
    )  # fmt: skip
    return made


def group(model: Activated) -> Group:
    encode = model.decoder.vocabulary.encode
    end = model.decoder.vocabulary.end_ids[0]
    pairs = [
        ("how many singers ?", "SELECT count(*) FROM singer"),
        ("names", "SELECT name FROM singer"),
    ]
    prefix = list(encode(SCHEMA))
    made = [([*prefix, *encode(q)], [*encode(a), end]) for q, a in pairs]
    return Group("test", len(prefix), made)


def loss(model: Activated, *groups: Group) -> float:
    with torch.no_grad():
        return sum(float(model.loss(collate([each]))[0]) for each in groups)


def disturbed(model: Activated) -> Activated:
    """With an adapter that does something."""
    for parameter in model.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


def test_the_loss_of_rows_together_is_that_of_each_alone(
    config: ActivatedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = disturbed(Activated(config))
    both = group(model)
    alone = [replace(both, pairs=[pair]) for pair in both.pairs]
    expected = loss(model, alone[0])
    assert loss(model, both) == pytest.approx(expected + loss(model, alone[1]), rel=1e-4)
    # A group that does not fit memory is cut into parts of the same loss.
    large = replace(both, pairs=both.pairs * 4)
    assert list(large.parts()) == [large]
    monkeypatch.setattr(activated, "_SCORES", large.tokens * (large.shared + large.tokens) // 4)
    parts = list(large.parts())
    assert len(parts) > 1 and [pair for part in parts for pair in part.pairs] == large.pairs
    assert loss(model, *parts) == pytest.approx(loss(model, large), rel=1e-5)
    # By a plain forward pass: the schema part without the adapter gives the keys and values.
    model.model.get_base_model().set_attn_implementation("sdpa")
    with torch.inference_mode(), model.model.disable_adapter():
        prompt, answer = both.pairs[0]
        prefix = torch.tensor([prompt[: both.shared]])
        past = model.model(prefix, use_cache=True).past_key_values
    question = prompt[both.shared :]
    with torch.no_grad():
        logits = model.model(torch.tensor([[*question, *answer]]), past_key_values=past).logits
    plain = cross_entropy(logits[0, len(question) - 1 : -1], torch.tensor(answer), reduction="sum")
    assert float(plain) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("bf16", [False, True])
def test_answers_are_learnt_and_the_engine_answers_as_it_was_trained(
    bf16: bool, config: ActivatedConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = replace(config, max_steps=30, learning_rate=2e-2, bf16=bf16, measure_every=10)
    both = group(Activated(config))
    monkeypatch.setattr(activated, "draw", lambda *_: [both] * 60)
    folder = train(config, lambda line: None)
    assert folder is not None
    curve = [row["loss"] for row in read_rows(tmp_path / "run" / "metrics.jsonl") if "loss" in row]
    assert len(curve) == 30 and curve[-1] < 0.7 * curve[0]
    saved = load_file(folder / WEIGHTS)
    assert all(value.dtype == torch.float32 for value in saved.values())
    if bf16:
        return
    model = Activated(replace(config, start=str(folder)))
    engine = model.decoder.engine
    before = engine.identity  # type: ignore[attr-defined]
    engine.adapt([folder])  # type: ignore[attr-defined]
    assert engine.identity == before  # cached schema parts stay valid
    for prompt, answer in both.pairs:
        written = [*prompt, *answer[:-1]]
        cache, seen = model.decoder._prefix(tuple(prompt[: both.shared]))
        row = decoder.Row(seen, both.shared, waiting=written[both.shared :])
        logits = torch.from_numpy(model.decoder.step(cache, [row]).logits)
        one = Group("test", both.shared, [(written, answer[-1:])])
        told = cross_entropy(logits, torch.tensor(answer[-1:]))
        assert float(told) == pytest.approx(loss(model, one), abs=1e-3)


def test_held_out_databases_measure_and_a_second_run_starts_from_the_first(
    config: ActivatedConfig, tmp_path: Path
) -> None:
    config = replace(config, max_steps=3, measure_every=2, cooldown=0.5)
    start = train(config, lambda line: None)
    rows = list(read_rows(tmp_path / "run" / "metrics.jsonl"))
    assert [row["step"] for row in rows if "held_out_loss/tiny" in row] == [2, 3]
    rates = [row["learning_rate"] for row in rows if "learning_rate" in row]
    assert rates[0] == config.learning_rate > rates[-1]  # it falls at the end
    saved = []
    for average in (0.0, 1.0, 0.25):
        second = replace(
            config, output=str(tmp_path / str(average)), start=str(start), average=average,
            seed=1, cooldown=0.0, frozen_layers=1,
        )  # fmt: skip
        saved.append(load_file(f"{train(second, lambda line: None)}/{WEIGHTS}"))
    before = load_file(f"{start}/{WEIGHTS}")
    assert before.keys() == saved[1].keys()
    for name, value in before.items():
        torch.testing.assert_close(saved[0][name], value)
        torch.testing.assert_close(saved[2][name], torch.lerp(value, saved[1][name], 0.25))
        # Nothing is learnt in the first block, which is frozen.
        assert torch.equal(saved[1][name], value) == (".layers.0." in name), name
