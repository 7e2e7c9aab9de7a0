"""An adapter that is active after the schema part only: the loss of rows is that of each row alone."""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from txt2sql.models import decoder
from txt2sql.models.export import export_onnx
from txt2sql.runs import read_rows
from txt2sql.training import activated
from txt2sql.training.activated import ActivatedConfig, Group, Pair, Run, _parts, train

SCHEMA = "CREATE TABLE singer (name TEXT)\n"


@pytest.fixture
def config(tiny_lm: Callable[..., Path], tmp_path: Path) -> ActivatedConfig:
    folder = tiny_lm("qwen2", chat=True)
    engine = export_onnx(folder, tmp_path / "engine", bits=32)
    return ActivatedConfig(
        model=str(folder), engine=str(engine), output=str(tmp_path / "run"), rank=4, alpha=8,
        learning_rate=5e-3, warmup=1, max_steps=6, group=3, groups=2, validated=4, validate_every=3,
        checkpoint_every=2, threads=1, held_out=0.0,
    )  # fmt: skip


def opened(config: ActivatedConfig) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return Run(config)


def group(run: Run) -> Group:
    encode = run.decoder.vocabulary.encode
    end = run.decoder.vocabulary.end_ids[0]
    pairs = [
        ("how many singers ?", "SELECT count(*) FROM singer"),
        ("names", "SELECT name FROM singer"),
    ]
    made = tuple(Pair(tuple(encode(q)), (*encode(a), end)) for q, a in pairs)
    return Group("test", tuple(encode(SCHEMA)), made)


def test_the_loss_of_rows_together_is_that_of_each_alone(config: ActivatedConfig) -> None:
    run = opened(config)
    both = group(run)
    for parameter in run.weights:
        torch.nn.init.normal_(parameter, std=0.2)
    with torch.no_grad():
        together, *_ = run.loss(both)
        alone = [run.loss(replace(both, pairs=(pair,)))[0] for pair in both.pairs]
    assert float(together) == pytest.approx(sum(map(float, alone)), rel=1e-4)
    # By a plain forward pass: the schema part without the adapter gives the keys and values.
    run.model.get_base_model().set_attn_implementation("sdpa")
    with torch.inference_mode(), run.model.disable_adapter():
        past = run.model(torch.tensor([both.prefix]), use_cache=True).past_key_values
    pair = both.pairs[0]
    ids = torch.tensor([[*pair.question, *pair.answer]])
    with torch.no_grad():
        logits = run.model(ids, past_key_values=past).logits[0, len(pair.question) - 1 : -1]
    plain = torch.nn.functional.cross_entropy(logits, torch.tensor(pair.answer), reduction="sum")
    assert float(plain) == pytest.approx(float(alone[0]), rel=1e-3)


def test_answers_are_learnt_and_the_engine_answers_as_it_was_trained(
    config: ActivatedConfig, tmp_path: Path
) -> None:
    run = opened(config)
    both = group(run)
    first = run.update([both])["loss"]
    for _ in range(60):
        last = run.update([both])
    assert last["loss"] < 0.7 * first
    run.save(tmp_path / "adapter")
    engine = run.decoder.engine
    before = engine.identity  # type: ignore[attr-defined]
    engine.adapt([tmp_path / "adapter"])  # type: ignore[attr-defined]
    assert engine.identity == before  # cached schema parts stay valid
    for pair in both.pairs:
        cache, seen = run.decoder._prefix(both.prefix)
        row = decoder.Row(seen, len(both.prefix), waiting=[*pair.question, *pair.answer[:-1]])
        logits = torch.from_numpy(run.decoder.step(cache, [row]).logits)
        with torch.no_grad():
            one = Group("test", both.prefix, (Pair(row_question(pair), pair.answer[-1:]),))
            expected = float(run.loss(one)[0])
        told = torch.nn.functional.cross_entropy(logits, torch.tensor(pair.answer[-1:]))
        assert float(told) == pytest.approx(expected, abs=1e-3)


def row_question(pair: Pair) -> tuple[int, ...]:
    return (*pair.question, *pair.answer[:-1])


def test_a_large_group_is_read_in_parts_of_the_same_loss(
    config: ActivatedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(config)
    large = group(run)
    large = replace(large, pairs=large.pairs * 4)
    for parameter in run.weights:
        torch.nn.init.normal_(parameter, std=0.2)
    assert list(_parts(large)) == [large]
    tokens = sum(len(pair.question) + len(pair.answer) for pair in large.pairs)
    monkeypatch.setattr(activated, "_SCORES", tokens * (len(large.prefix) + tokens) // 4)
    parts = list(_parts(large))
    assert len(parts) > 1 and sum((part.pairs for part in parts), ()) == large.pairs
    with torch.no_grad():
        whole = float(run.loss(large)[0])
        assert sum(float(run.loss(part)[0]) for part in parts) == pytest.approx(whole, rel=1e-5)


def test_half_precision_learns_the_same(config: ActivatedConfig) -> None:
    runs = [opened(replace(config, bf16=bf16)) for bf16 in (False, True)]
    first, second = ([run.update([group(run)])["loss"] for _ in range(8)] for run in runs)
    assert second != first  # it was computed otherwise
    assert second == pytest.approx(first, rel=0.05)
    assert first[-1] < 0.9 * first[0]
    assert all(weight.dtype == torch.float32 for run in runs for weight in run.weights)


class Killed(Exception):
    """Ends a run as a kill would: nothing is saved."""


def kill() -> None:
    raise Killed


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(("end", "step"), [(terminate, 3), (kill, 2)])
def test_a_run_goes_on_where_it_stopped(
    bf16: bool, end: Callable[[], None], step: int,
    config: ActivatedConfig, tiny_spider: Path, tmp_path: Path,
) -> None:  # fmt: skip
    config = replace(config, datasets=(str(tiny_spider),), shares=(1.0,), bf16=bf16)
    lines: list[str] = []

    def ending(line: str) -> None:
        if json.loads(line if line.startswith("{") else "{}").get("step") == 3:
            end()

    whole = replace(config, output=str(tmp_path / "whole"))
    assert train(whole, lines.append) == tmp_path / "whole" / "model"
    handler = signal.getsignal(signal.SIGTERM)
    with suppress(Killed):
        assert train(config, ending) is None
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not (tmp_path / "run" / "model").exists()
    assert train(config, lines.append) == tmp_path / "run" / "model"
    assert f"going on at step {step}" in lines
    losses = [
        {row["step"]: row["loss"] for row in read_rows(tmp_path / name / "metrics.jsonl")}
        for name in ("whole", "run")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 6
    weights = [
        (tmp_path / name / "model" / "adapter_model.safetensors").read_bytes()
        for name in ("whole", "run")
    ]
    assert weights[0] == weights[1]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_finished_run_saves_the_average_with_what_it_started_from(
    config: ActivatedConfig, tiny_spider: Path, tmp_path: Path
) -> None:
    config = replace(config, datasets=(str(tiny_spider),), shares=(1.0,), max_steps=2)
    start = train(config)
    config = replace(config, output=str(tmp_path / "second"), adapter=str(start), max_steps=3)
    saved = []
    for average in (0.0, 1.0, 0.25):  # the run goes on at its last step, and saves again
        folder = train(replace(config, average=average))
        saved.append(load_file(f"{folder}/adapter_model.safetensors"))
    start_weights = load_file(f"{start}/adapter_model.safetensors")
    assert start_weights.keys() == saved[1].keys()
    for name, value in start_weights.items():
        torch.testing.assert_close(saved[0][name], value)
        torch.testing.assert_close(saved[2][name], torch.lerp(value, saved[1][name], 0.25))
    assert any(not torch.equal(saved[0][name], saved[1][name]) for name in start_weights)
