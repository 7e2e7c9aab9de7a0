"""GRPO runs: that the better answers become likelier, and that nothing is lost by a kill."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from txt2sql.config import as_mapping
from txt2sql.errors import ConfigError
from txt2sql.models import hf
from txt2sql.runs import read_rows
from txt2sql.training.grpo import train
from txt2sql.training.grpo_data import Questions
from txt2sql.training.grpo_judge import Task
from txt2sql.training.grpo_judges import _Process
from txt2sql.training.grpo_plan import plan
from txt2sql.training.grpo_policy import choose_vllm
from txt2sql.training.grpo_scoring import Scorer
from txt2sql.training.grpo_settings import GRPOConfig
from txt2sql.training.grpo_trainer import Trainer, unpacked
from txt2sql.training.grpo_watch import GRPOWatch
from txt2sql.training.rewards import Judged
from txt2sql.training.sft_settings import Adapter
from txt2sql.types import Outcome

_TIMES = ("seconds", "seconds/sampling", "seconds/reward", "seconds/update")


def config(output: Path, data: Path, model: Path, **changes: Any) -> GRPOConfig:
    base = GRPOConfig(
        model=str(model), output=str(output), datasets=(str(data),), held_out=0.2, measured=0,
        epochs=1, max_steps=4, learning_rate=1e-2, kl=0.1, group=4, prompts=4, max_new_tokens=8,
        filter_samples=0, bf16=False, threads=1, judges=1, checkpoint_every=2, show_every=0,
        adapter=Adapter(r=4, alpha=16, dropout=0.0),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def quiet(line: str) -> None:
    """Nothing."""


def rows(run: Path) -> list[dict[str, Any]]:
    """What was logged of each step, without the times."""
    found = [row for row in read_rows(run / "metrics.jsonl") if "loss" in row]
    return [{name: row[name] for name in row if name not in _TIMES} for row in found]


def weights(run: Path) -> dict[str, torch.Tensor]:
    (file,) = (run / "model").glob("*model.safetensors")
    return load_file(file)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def even_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model answers nothing rightly: here an answer is worth its share of even tokens."""

    def reward(self: Scorer, *, completion_ids: Any, **_: Any) -> list[float]:
        self.seconds = 0.0
        return [sum(token % 2 == 0 for token in ids) / len(ids) for ids in completion_ids]

    monkeypatch.setattr(Scorer, "reward", reward)


DORA = Adapter(r=4, alpha=16, dropout=0.0, dora=True)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft against a newer transformers
@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("llama", {}),
        ("mistral", {"adapter": DORA, "kl": 0.0}),
        ("phi", {"loss": "dapo", "scale": "batch", "iterations": 2, "clip_high": 0.28}),
    ],
)
def test_answers_that_are_worth_more_become_likelier(
    architecture: str, changes: dict[str, Any], tmp_path: Path, tiny_lm: Callable[..., Path],
    tiny_spider: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    base = tiny_lm(architecture)
    # What a small adapter can learn in a few steps: to turn the last hidden state one way.
    head = load_file(base / "model.safetensors")["lm_head.weight"]

    def reward(self: Scorer, *, completion_ids: Any, **_: Any) -> list[float]:
        self.seconds = 0.0
        return [float((head[ids, 0] > 0).float().mean()) for ids in completion_ids]

    monkeypatch.setattr(Scorer, "reward", reward)
    settings = config(
        tmp_path / "run",
        tiny_spider,
        base,
        max_steps=16,
        limit=4,
        group=8,
        learning_rate=1e-1,
        max_new_tokens=2,
        constrained=False,
        **changes,
    )
    folder = train(settings, quiet)
    assert folder == tmp_path / "run" / "model"
    curve = [row["reward"] for row in rows(tmp_path / "run") if "reward" in row]
    half = len(curve) // 2
    assert sum(curve[half:]) / half > sum(curve[:half]) / half + 0.05, curve
    saved = weights(tmp_path / "run")
    assert all(saved[name].abs().max() > 0 for name in saved)
    if changes.get("adapter") == DORA:  # the lengths of the weights have learnt, too
        original = load_file(base / "model.safetensors")
        lengths = {n: v for n, v in saved.items() if n.endswith("lora_magnitude_vector")}
        assert len(lengths) == 8
        for name, length in lengths.items():
            layer = name.removeprefix("base_model.model.").split(".lora_")[0]
            fresh = original[f"{layer}.weight"].norm(dim=1)
            assert (length - fresh).abs().max() > 1e-3
    assert hf.load(folder, device="cpu").prompt_style == "ddl"


@pytest.mark.usefixtures("even_is_right")
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("batch_tokens", [100_000, 1])
def test_a_step_follows_the_gradient_of_grpo(
    constrained: bool, batch_tokens: int, tmp_path: Path, tiny_compact: Callable[..., Path],
    tiny_spider: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Of the mean over answers of the mean over tokens of -advantage * log-probability, each answer
    computed alone, whether the step is computed at once or in parts.
    """
    found: dict[str, Any] = {}
    gradients: list[tuple[torch.Tensor, torch.Tensor]] = []
    original = Trainer._generate_and_score_completions

    def noted(self: Any, inputs: Any) -> Any:
        found.update(original(self, inputs))
        return found

    def compare(self: Any, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        trained = [p for n, p in model.named_parameters() if "lora_B" in n]
        got = torch.cat([p.grad.flatten() for p in trained])
        loss = 0.0
        for n, (prompt, answer) in enumerate(zip(found["prompt_ids"], found["completion_ids"])):
            prompt = prompt[found["prompt_mask"][n].bool()].tolist()
            answer = answer[found["completion_mask"][n].bool()].tolist()
            ids, known = torch.tensor([[*prompt, *answer]]), len(prompt) - 1
            seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
            seen[:known, :known] = True
            scores = model(input_ids=ids, attention_mask=seen[None, None]).logits[0, known:-1]
            if constrained:
                allowed = unpacked(found["allowed"][n, : len(answer)], scores.shape[1])
                scores = scores.masked_fill(~allowed, float("-inf"))
            likely = torch.log_softmax(scores, -1).gather(1, torch.tensor(answer)[:, None])
            loss = loss - found["advantages"][n] * likely.mean() / len(found["prompt_ids"])
        gradients.append(
            (got, torch.cat([g.flatten() for g in torch.autograd.grad(loss, trained)]))
        )

    monkeypatch.setattr(Trainer, "_generate_and_score_completions", noted)
    monkeypatch.setattr(GRPOWatch, "on_pre_optimizer_step", compare)
    settings = config(
        tmp_path / "run", tiny_spider, tiny_compact(True), max_steps=1, kl=0.0, max_grad_norm=1e9,
        batch_tokens=batch_tokens, constrained=constrained,
    )  # fmt: skip
    train(settings, quiet)
    ((got, expected),) = gradients
    assert got.norm() > 1e-3
    assert torch.allclose(got, expected, rtol=1e-3, atol=1e-5 * float(got.norm()))


def test_what_is_rewarded_is_told_and_can_be_read(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    lines: list[str] = []
    rewards = {"execution": 0.7, "executes": 0.1, "component": 0.2}
    settings = config(
        tmp_path / "run", tiny_spider, tiny_compact(), rewards=rewards, show_every=2, measured=4,
        measure_every=2, patience=1, max_steps=8,
    )  # fmt: skip
    assert train(settings, lines.append) is not None
    first = rows(tmp_path / "run")[0]
    parts = {"reward/execution", "reward/executes", "reward/component"}
    assert parts <= first.keys()
    told = sum(rewards[name.split("/")[1]] * first[name] for name in parts)
    assert first["reward"] == pytest.approx(told, abs=1e-6)
    assert {
        "groups_without_variance",
        "kl",
        "entropy",
        "answer_tokens",
        "right",
        "lr",
    } <= first.keys()
    times = next(row for row in read_rows(tmp_path / "run" / "metrics.jsonl") if "loss" in row)
    assert (
        times["seconds/reward"] > 0
        and times["seconds/sampling"] > 0
        and times["seconds/update"] > 0
    )
    # Nothing is answered rightly at random, so the second measurement is no better and ends the run.
    assert max(row["step"] for row in rows(tmp_path / "run")) == 4
    pages = sorted((tmp_path / "run" / "completions").iterdir())
    assert [page.name for page in pages] == [f"step-{n:05}.txt" for n in (1, 2, 4)]
    groups = pages[0].read_text().strip().split("\n\n")
    assert len(groups) == 4 and all("gold" in group for group in groups)
    assert any(line.startswith("answers of step 2") for line in lines)
    assert any("tensorboard" in str(path) for path in (tmp_path / "run").rglob("events*"))


def test_questions_that_all_or_no_answers_get_right_are_left_out(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    seen: list[int] = []

    def judged(self: Questions, text: str, task: Any, *_: Any) -> Judged:
        """By the question: all right, half of them, and none; one gold query returns nothing."""
        seen.append(1)
        right = "count" in task.gold or ("WHERE" in task.gold and len(seen) % 2 == 0)
        return Judged(Outcome.CORRECT if right else Outcome.WRONG_RESULT, component=1.0)

    monkeypatch.setattr(Questions, "judged", judged)
    settings = config(
        tmp_path / "run", tiny_spider, tiny_compact(), filter_samples=4, max_steps=1, prompts=2
    )
    lines: list[str] = []
    assert train(settings, lines.append) is not None
    chosen = json.loads((tmp_path / "run" / "questions.json").read_text())
    assert len(chosen) == 6
    told = "6 of 24 questions to learn from; left out: "
    assert any(line.startswith(told) for line in lines)
    assert any("6 too hard" in line and "6 too easy" in line for line in lines)
    assert any("6 whose gold query fails or returns nothing" in line for line in lines)
    # Another run from the same policy counts nothing again; half a file is gone on with.
    before = len(seen)
    train(dataclasses.replace(settings, output=str(tmp_path / "two"), seed=7), quiet)
    assert len(seen) - before == 8  # one step
    (file,) = (tmp_path / "cache" / "grpo").iterdir()
    kept = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(kept[:16]) + kept[16][:9])
    train(dataclasses.replace(settings, output=str(tmp_path / "three")), quiet)
    assert file.read_bytes().splitlines(keepends=True) == kept
    assert json.loads((tmp_path / "three" / "questions.json").read_text()) == chosen


def test_a_lost_judge_a_lost_database_and_an_endless_query_cost_only_their_answers(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In every group one answer is a hang, one kills its judge, one is asked of a missing file."""
    endless = (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    )
    made: list[Task] = []
    original, ask = Questions.task, _Process.ask

    def task(self: Questions, position: int, text: str) -> Task:
        found = original(self, position, text)._replace(sql=f"SELECT {len(made)} FROM shop, sale")
        kind = len(made) % 4
        if kind == 0:
            found = found._replace(sql=f"{endless} LIMIT {len(made) + 1}")
        elif kind == 1:
            found = found._replace(sql=f"{endless} /* kill {len(made)} */")
        elif kind == 2:
            found = found._replace(path=str(tmp_path / "gone.sqlite"))
        made.append(found)
        return found

    def killed(self: _Process, group: list[int], tasks: list[Task]) -> bool:
        done = ask(self, group, tasks)
        if "kill" in (tasks[group[0]].sql or ""):
            self.process.kill()
        return done

    monkeypatch.setattr(Questions, "task", task)
    monkeypatch.setattr(_Process, "ask", killed)
    lines: list[str] = []
    settings = config(
        tmp_path / "run", tiny_spider, tiny_compact(), max_steps=2, prompts=2, timeout_s=0.3,
        judges=2, rewards={"execution": 0.9, "executes": 0.1},
    )  # fmt: skip
    assert train(settings, lines.append) is not None
    assert len(made) == 16 and len(rows(tmp_path / "run")) == 2
    # Of four answers one runs.
    assert all(row["reward/executes"] == 0.25 for row in rows(tmp_path / "run"))
    told = [line for line in lines if line.endswith("answers count as failed")]
    assert len(told) == len(set(told))
    assert sum("cannot open the database" in line for line in told) == len(
        {t.db_id for t in made[2::4]}
    )
    assert sum("ended unexpectedly" in line for line in told) == len({t.db_id for t in made[1::4]})


def start(plan: GRPOConfig, folder: Path) -> subprocess.Popen[bytes]:
    """`txt2sql train grpo` with these settings, in a process of its own."""
    import yaml

    (folder / "own.yaml").write_text(yaml.safe_dump({"grpo": as_mapping(plan)}))
    command = [sys.executable, "-m", "txt2sql", "train", "grpo", "--config", "own.yaml"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow  # SIGTERM, below, is the quick test of going on
def test_a_killed_run_goes_on_to_the_same_adapter(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    whole = config(
        tmp_path / "whole", tiny_spider, tiny_compact(True), max_steps=12, iterations=2, clip_low=0.01,
        measured=2, measure_every=5, checkpoint_every=3, rewards={"execution": 0.9, "executes": 0.1},
    )  # fmt: skip
    train(whole, quiet)
    cut = dataclasses.replace(whole, output=str(tmp_path / "cut"))
    process = start(cut, tmp_path)
    while (
        process.poll() is None and max((r["step"] for r in rows(tmp_path / "cut")), default=0) < 6
    ):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    lines: list[str] = []
    train(cut, lines.append, resume=True)
    assert any(line.startswith("going on at step") for line in lines)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_sigterm_saves_and_the_same_run_goes_on(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    settings = config(tmp_path / "run", tiny_spider, tiny_compact(), checkpoint_every=100)
    lines: list[str] = []

    def terminate(line: str) -> None:
        lines.append(line)
        if line.startswith("step 1 "):
            os.kill(os.getpid(), signal.SIGTERM)

    assert train(settings, terminate) is None
    assert lines[-1].startswith("stopped at step") and not (tmp_path / "run" / "model").exists()
    assert train(settings, lines.append) is not None
    train(dataclasses.replace(settings, output=str(tmp_path / "whole")), quiet)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


def test_a_run_goes_on_only_as_it_was_started(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    settings = config(tmp_path / "run", tiny_spider, tiny_compact(), max_steps=2)
    with pytest.raises(ConfigError, match="no run to resume"):
        train(settings, quiet, resume=True)
    assert train(dataclasses.replace(settings, max_minutes=1e-9), quiet) is None
    with pytest.raises(ConfigError, match="kl"):
        train(dataclasses.replace(settings, kl=0.5), quiet)
    assert train(dataclasses.replace(settings, judges=2), quiet) is not None
    lines: list[str] = []
    train(settings, lines.append)
    assert "is finished" in lines[-1]


def test_a_fine_tuned_adapter_is_the_reference(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    first = train(config(tmp_path / "a", tiny_spider, tiny_compact(), max_steps=2), quiet)
    assert first is not None
    second = train(config(tmp_path / "b", tiny_spider, first, max_steps=1), quiet)
    assert second is not None
    noted = json.loads((second / "adapter_config.json").read_text())
    assert noted["base_model_name_or_path"] == str(first)
    (row,) = rows(tmp_path / "b")
    assert row["kl"] == pytest.approx(0, abs=1e-6)  # it starts from what it is measured to


def test_too_few_questions_are_told(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    settings = config(tmp_path / "run", tiny_spider, tiny_compact(), prompts=25)
    with pytest.raises(ConfigError, match="24 questions are too few for a step of 25"):
        train(settings, quiet)


def test_vllm_is_for_plain_text_and_a_gpu() -> None:
    assert choose_vllm(GRPOConfig(vllm="auto"), "ddl") == ""
    with pytest.raises(ConfigError, match="needs vLLM and a GPU"):
        choose_vllm(GRPOConfig(vllm="colocate"), "ddl")


def test_the_plan_says_what_the_run_then_does(
    tmp_path: Path, tiny_compact: Callable[..., Path], tiny_spider: Path
) -> None:
    settings = config(tmp_path / "run", tiny_spider, tiny_compact(), max_steps=None, epochs=2)
    made = plan(settings)
    assert not (tmp_path / "run").exists()
    assert (made.questions, made.steps, made.answers) == (24, 12, 192)
    lines: list[str] = []
    train(settings, lines.append)
    assert any(
        f"{made.trained:,} weights are trained beside {made.parameters:,}" in x for x in lines
    )
    assert max(row["step"] for row in rows(tmp_path / "run")) == made.steps
    assert "GB on a GPU" in str(made) and made.as_mapping()["memory_total"] > 5e8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft against a newer transformers
@pytest.mark.parametrize(
    ("typed", "hub_id", "architecture"),
    [
        ("--model mistral-7b --epochs 5", "mistralai/Mistral-7B-v0.1", "mistral"),
        ("--model mistral-7b --epochs 5 --dora", "mistralai/Mistral-7B-v0.1", "mistral"),
        ("--model phi-2 --preset recommended", "microsoft/phi-2", "phi"),
        ("--model llama-7b --dora", "meta-llama/Llama-2-7b-hf", "llama"),
        ("--model llama-7b", "meta-llama/Llama-2-7b-hf", "llama"),
        ("--model phi-2 --dora", "microsoft/phi-2", "phi"),
    ],
)
def test_the_door_as_typed_trains_the_model_of_that_name(
    typed: str, hub_id: str, architecture: str, tmp_path: Path,
    tiny_lm: Callable[..., Path], tiny_spider: Path,
) -> None:  # fmt: skip
    """A stand-in lies where the hub's cache would have the model. A random model answers nothing, so
    no question would pass the filter: it alone is set otherwise.
    """
    root = Path(__file__).parents[2]
    home = tmp_path / "hub" / f"models--{hub_id.replace('/', '--')}"
    shutil.copytree(tiny_lm(architecture), home / "snapshots" / "one")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("one")
    shutil.copytree(tiny_spider, tmp_path / "data" / "spider")
    shutil.copytree(root / "config", tmp_path / "config")
    extra = ["--max_steps", "2", "--set", "filter_samples=0", "--set", "max_new_tokens=24"]
    done = subprocess.run(
        [sys.executable, root / "experiments" / "train_grpo.py", *typed.split(), *extra],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HOME": str(tmp_path),
             "HF_HUB_OFFLINE": "1", "TXT2SQL_DATA": str(tmp_path / "data")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.strip()
    dora = "--dora" in typed
    name = f"grpo-{'dora-' * dora}{typed.split()[1]}"
    assert folder == tmp_path / "results" / name / "model"
    noted = json.loads((folder / "adapter_config.json").read_text())
    assert (noted["base_model_name_or_path"], noted["use_dora"]) == (hub_id, dora)
    wanted = {"q_proj", "k_proj", "v_proj", "dense" if architecture == "phi" else "o_proj"}
    assert set(noted["target_modules"]) == wanted
    assert "GRPO" in (folder / "README.md").read_text()
