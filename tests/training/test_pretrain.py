"""Pre-training: a fall in loss, the best kept, and a killed run that goes on as if it had not been."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from txt2sql.errors import ConfigError, ModelError
from txt2sql.runs import read_rows
from txt2sql.training.pretrain import pack_data, pretrain
from txt2sql.training.selection import is_held_out
from txt2sql.training.settings import PretrainConfig, learning_rate
from txt2sql.training.tracking import Speed, has_bf16
from txt2sql.training.warm_start import warm_start


def config(output: Path, data: Path, encoder: Path | str, **changes: object) -> PretrainConfig:
    base = PretrainConfig(
        output=str(output), encoder=str(encoder), datasets=(str(data),), shares=(1.0,),
        held_out=0.2, batch_tokens=512, max_steps=8, warmup_steps=2, checkpoint_every=4,
        measure_every=100, learning_rate=1e-2, bf16=False, threads=1, pool=32, log_every=10,
        peak_tflops=0.1,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def quiet(line: str) -> None:
    """Nothing."""


def losses(run: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in read_rows(run / "metrics.jsonl") if "loss" in row}


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoint.pt")["model"]
    return found


def test_an_encoder_lends_its_pieces(tiny_encoder: Path) -> None:
    model, tokenizer = warm_start(tiny_encoder, ["how many shops"])
    source = AutoModelForCausalLM.from_pretrained(tiny_encoder, is_decoder=True)
    pieces = (tiny_encoder / "vocab.txt").read_text().split("\n")
    row = source.get_input_embeddings().weight[pieces.index("shop")]
    assert torch.equal(
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("▁shop")], row
    )
    with pytest.raises(ModelError, match="vocab.txt"):
        warm_start(tiny_encoder / "nowhere", [])


def test_the_rate_warms_up_stays_and_decays() -> None:
    plan = PretrainConfig(output="x", max_steps=1_000, warmup_steps=100, decay_share=0.4)
    rates = [learning_rate(plan, step) for step in (0, 99, 500, 800, 999)]
    assert rates[0] == pytest.approx(3e-6)
    assert rates[1] == rates[2] == pytest.approx(3e-4)
    assert rates[2] > rates[3] > rates[4] > 0
    cosine = dataclasses.replace(plan, schedule="cosine")
    assert learning_rate(cosine, 99) == pytest.approx(3e-4)
    assert learning_rate(cosine, 550) == pytest.approx(1.5e-4)
    assert learning_rate(cosine, 999) == pytest.approx(6e-6)


def test_a_model_learns_and_is_asked_from_its_folder(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    folder = pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=30), quiet)
    assert folder == tmp_path / "run" / "model"
    curve = list(losses(tmp_path / "run").values())
    assert curve[-1] < curve[0] / 1.5
    kept = load_file(folder / "model.safetensors")
    assert {value.dtype for value in kept.values()} == {torch.float16}
    assert (folder / "prompt.json").read_text() == '{"style": "compact"}\n'
    last = list(read_rows(tmp_path / "run" / "metrics.jsonl"))[-1]
    assert 0 <= last["execution_accuracy/tiny"] <= 1
    assert 0 <= last["sequence_accuracy/tiny"] <= 1


@pytest.mark.slow
def test_a_run_killed_at_any_step_goes_on_to_the_same_curve(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    changes = {"max_steps": 40, "log_every": 3, "checkpoint_every": 2, "measure_every": 17}
    whole = config(tmp_path / "whole", tiny_spider, tiny_encoder, **changes)
    pretrain(whole, quiet)
    plan = dataclasses.replace(whole, output=str(tmp_path / "killed"))
    settings = [
        f"{f.name}={getattr(plan, f.name)}"
        for f in dataclasses.fields(plan)
        if getattr(plan, f.name) != f.default and f.name not in ("datasets", "shares")
    ]
    settings += [f"datasets=['{tiny_spider}']", "shares=[1.0]"]
    (tmp_path / "empty.yaml").write_text("pretrain: {}\n")
    arguments = ["pretrain", "--config", str(tmp_path / "empty.yaml")]
    arguments += [part for setting in settings for part in ("--set", setting)]
    process = subprocess.Popen(
        [sys.executable, "-m", "txt2sql", *arguments],
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    last = random.randrange(4, 28)
    try:
        while max(losses(tmp_path / "killed"), default=0) < last and process.poll() is None:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert max(losses(tmp_path / "killed")) < 39
    notes: list[str] = []
    pretrain(plan, notes.append)
    assert any("continuing at step" in note for note in notes)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    measured = [
        [{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second", "mfu")}
         for row in read_rows(tmp_path / name / "metrics.jsonl")]
        for name in ("killed", "whole")
    ]  # fmt: skip
    assert measured[0] == measured[1]
    states = [weights(tmp_path / name) for name in ("whole", "killed")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_packed_accumulated_and_drawn_by_workers_it_goes_on_the_same(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    changes = {"packing": True, "row_tokens": 256, "accumulate": 2, "max_steps": 5, "pool": 16}
    whole = config(tmp_path / "whole", tiny_spider, tiny_encoder, **changes)
    pretrain(whole, quiet)
    parts = dataclasses.replace(whole, output=str(tmp_path / "parts"))
    pretrain(dataclasses.replace(parts, max_steps=3, decay_share=0.0), quiet)
    pretrain(dataclasses.replace(parts, workers=1), quiet)
    states = [weights(tmp_path / name) for name in ("whole", "parts")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_when_its_minutes_are_over_a_run_saves_and_goes_on_later(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    notes: list[str] = []
    plan = config(tmp_path / "run", tiny_spider, tiny_encoder, max_minutes=1e-9)
    assert pretrain(plan, notes.append) is None
    assert "run it again" in notes[-1]
    assert not (tmp_path / "run" / "model").exists()
    assert pretrain(dataclasses.replace(plan, max_minutes=None), quiet) is not None


def test_a_model_can_be_gone_on_from(tmp_path: Path, tiny_spider: Path, tiny_encoder: Path) -> None:
    first = pretrain(config(tmp_path / "first", tiny_spider, tiny_encoder), quiet)
    second = config(tmp_path / "second", tiny_spider, "", start=str(first), max_steps=1,
                    learning_rate=0.0, final="last")  # fmt: skip
    folder = pretrain(second, quiet)
    assert first is not None and folder is not None
    old, new = (load_file(each / "model.safetensors") for each in (first, folder))
    assert all(torch.equal(old[key], new[key]) for key in old)
    with pytest.raises(ModelError, match="no model"):
        pretrain(config(tmp_path / "third", tiny_spider, "", start=str(tmp_path)), quiet)


def test_the_best_on_held_out_databases_is_kept(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    plan = config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=40, measure_every=10,
                  learning_rate=3e-2)  # fmt: skip
    folder = pretrain(plan, quiet)
    assert folder is not None
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    scores = {row["step"]: row[key] for row in rows if (key := "execution_accuracy/tiny") in row}
    assert sorted(scores) == [10, 20, 30, 40]
    place = torch.load(tmp_path / "run" / "checkpoint.pt")["place"]
    assert place["best"] == max(scores.values()) == scores[place["best_step"]]
    kept, best = (
        load_file(each / "model.safetensors") for each in (folder, folder.parent / "best")
    )
    assert all(torch.equal(kept[key], best[key]) for key in kept)


def test_packed_data_train_the_same_model(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    here = config(tmp_path / "here", tiny_spider, tiny_encoder, max_steps=3)
    pack_data(here, tmp_path / "packed")
    there = dataclasses.replace(
        here, output=str(tmp_path / "there"), datasets=(str(tmp_path / "packed" / "tiny"),)
    )
    pretrain(here, quiet)
    pretrain(there, quiet)
    states = [weights(tmp_path / name) for name in ("here", "there")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    rows = [list(read_rows(tmp_path / name / "metrics.jsonl"))[-1] for name in ("here", "there")]
    assert rows[0]["execution_accuracy/tiny"] == rows[1]["execution_accuracy/tiny"]


def test_another_setting_does_not_go_on_with_the_run(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=1), quiet)
    with pytest.raises(ConfigError, match="seed"):
        pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, seed=1), quiet)


def test_a_damaged_checkpoint_is_named(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    plan = config(tmp_path / "run", tiny_spider, tiny_encoder, max_steps=1)
    pretrain(plan, quiet)
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match="delete it"):
        pretrain(plan, quiet)


def test_held_out_databases_are_the_same_on_every_machine() -> None:
    assert [n for n in range(60) if is_held_out(f"shop_{n}", 0.1)] == [
        19,
        20,
        28,
        37,
        39,
        41,
        43,
        54,
    ]
    assert 300 < sum(is_held_out(f"db {n}", 0.4) for n in range(1_000)) < 500


def test_a_run_without_encoder_start_or_checkpoint_says_so(
    tmp_path: Path, tiny_spider: Path
) -> None:
    with pytest.raises(ConfigError, match="encoder"):
        pretrain(config(tmp_path / "run", tiny_spider, ""), quiet)


def test_wandb_that_is_missing_is_told(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="pip install"):
        pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, use_wandb=True), quiet)


def test_tensorboard_gets_the_same_numbers(
    tmp_path: Path, tiny_spider: Path, tiny_encoder: Path
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pretrain(config(tmp_path / "run", tiny_spider, tiny_encoder, log_every=2), quiet)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    shown = {event.step: event.value for event in board.Scalars("loss")}
    assert shown == pytest.approx(losses(tmp_path / "run"))


def test_operations_are_counted_by_weights_tokens_and_pairs(tiny_encoder: Path) -> None:
    from txt2sql.training.batches import padded

    model, tokenizer = warm_start(tiny_encoder, [])
    speed = Speed(model, False, 1.0)
    (batch,) = padded([([5] * 7, [6] * 3)], tokenizer.pad_token_id, 99)
    layer = 4 * 32 * 32 + 2 * 32 * 64
    matrices = 2 * layer + 32 * 32  # the head's own matrix, too
    expected = 6 * matrices * 10 + 6 * 32 * len(tokenizer) * 3 + 12 * 2 * 32 * 10**2
    assert speed.flops(batch) == expected
    assert speed.peak == 1e12
    assert not has_bf16(torch.device("meta"))
