"""Fine-tuning runs: what is trained, what is kept, and that nothing is lost by a kill."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.training.methods import config, rows, train, weights
from transformers import AutoModelForCausalLM

from txt2sql.errors import ModelError
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import LORA_TARGETS
from txt2sql.models.weights import load_weights
from txt2sql.training.plan import out_of_memory_explained, plan
from txt2sql.training.settings import SFTConfig


def losses(run: Path) -> dict[int, float]:
    return {row["step"]: row["loss"] for row in rows(run, "loss")}


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft against a newer transformers
@pytest.mark.parametrize(
    ("architecture", "chat"), [("phi", False), ("llama", True), ("mistral", False), ("qwen2", True)]
)
def test_the_right_modules_learn_and_the_folder_answers_as_what_was_trained(
    architecture: str, chat: bool, tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    base = tiny_lm(architecture, chat)
    dora = architecture in ("mistral", "qwen2")
    adapter = Adapter(r=4, alpha=16, dropout=0.0, dora=dora)
    lines: list[str] = []
    changes = {"adapter": adapter, "limit": 4, "max_steps": 8}
    folder = train("lora", tmp_path / "run", tiny_spider, base, lines.append, **changes)
    assert folder == tmp_path / "run" / "model"
    curve = list(losses(tmp_path / "run").values())
    assert len(curve) == 8 and curve[-1] < curve[0] - 0.5

    saved = weights(tmp_path / "run")
    parts = {"lora_A", "lora_B"} | ({"lora_magnitude_vector"} if dora else set())
    assert {name.split(".")[-2] if "lora_A" in name or "lora_B" in name else name.split(".")[-1]
            for name in saved} <= parts  # fmt: skip
    adapted = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in saved}
    attention = {"q_proj", "k_proj", "v_proj", "dense" if architecture == "phi" else "o_proj"}
    assert adapted == attention == set(LORA_TARGETS[architecture])
    assert all(saved[name].abs().max() > 0 for name in saved)
    # What has a gradient is what is saved: nothing else was trained.
    assert f"{sum(t.numel() for t in saved.values()):,} weights are trained" in lines[1]

    # As loaded, merged, it computes what the adapter beside the base does.
    from peft import PeftModel

    ids = torch.randint(7, 400, (2, 12))
    plain = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        untrained = plain(ids).logits
        beside = PeftModel.from_pretrained(plain, str(folder)).eval()(ids).logits
        merged = load_weights(folder, device="cpu", dtype="float32").model(ids).logits
    assert torch.allclose(beside, merged, atol=1e-4)
    assert not torch.allclose(untrained, merged, atol=1e-3)
    noted = json.loads((folder / "adapter_config.json").read_text())
    assert noted["base_model_name_or_path"] == str(base)
    assert (folder / "README.md").is_file()


def test_the_best_by_execution_accuracy_is_kept(
    tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    run, lines = tmp_path / "run", list[str]()
    changes = {"measured": 5, "measure_every": 2, "patience": 1}
    folder = train("lora", run, tiny_spider, tiny_lm(), lines.append, **changes)
    assert folder is not None
    validated = [row["step"] for row in rows(run, "execution_accuracy/tiny")]
    # Nothing is answered rightly at random, so the second validation is no better and ends the run.
    assert validated == [2, 4] and max(losses(tmp_path / "run")) == 4
    assert any("best is of step 2" in line for line in lines)
    kept = load_file(run / "best" / "adapter_model.safetensors")
    assert all(torch.equal(kept[name], value) for name, value in weights(run).items())
    card = (folder / "README.md").read_text()
    assert "execution accuracy" in card and "0.0%" in card


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "hub_id", "architecture"),
    [
        ("lora --model phi-2 --epochs 3", "microsoft/phi-2", "phi"),
        ("dora --model llama-7b --epochs 3", "meta-llama/Llama-2-7b-hf", "llama"),
        ("lora --model mistral-7b", "mistralai/Mistral-7B-v0.1", "mistral"),
        ("lora --model qwen2.5-coder-0.5b", "Qwen/Qwen2.5-Coder-0.5B-Instruct", "qwen2"),
        # A random model answers nothing, so no question would pass the filter.
        ("grpo --model phi-2 --preset recommended --dora --max_steps 2 --set filter_samples=0 "
         "--set max_new_tokens=24", "microsoft/phi-2", "phi"),
    ],
)  # fmt: skip
def test_a_script_as_typed_trains_the_model_of_that_name(
    typed: str, hub_id: str, architecture: str, tmp_path: Path,
    tiny_lm: Callable[..., Path], tiny_spider: Path,
) -> None:  # fmt: skip
    """A stand-in lies where the hub's cache would have the model."""
    root = Path(__file__).parents[2]
    home = tmp_path / "hub" / f"models--{hub_id.replace('/', '--')}"
    shutil.copytree(tiny_lm(architecture, chat=architecture == "qwen2"), home / "snapshots" / "one")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("one")
    shutil.copytree(tiny_spider, tmp_path / "data" / "spider")
    shutil.copytree(root / "config", tmp_path / "config")
    method, *arguments = typed.split()
    done = subprocess.run(
        [sys.executable, root / "experiments" / f"train_{method}.py", *arguments], cwd=tmp_path,
        capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HOME": str(tmp_path),
             "HF_HUB_OFFLINE": "1", "TXT2SQL_DATA": str(tmp_path / "data")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    dora = "dora" in typed
    name = f"{method}-{'dora-' * (dora and method == 'grpo')}{arguments[1]}"
    folder = tmp_path / done.stdout.strip()
    assert folder == tmp_path / "results" / name / "model"
    noted = json.loads((folder / "adapter_config.json").read_text())
    assert (noted["base_model_name_or_path"], noted["use_dora"]) == (hub_id, dora)
    assert set(noted["target_modules"]) == set(LORA_TARGETS[architecture])


def test_running_out_of_memory_names_settings_that_fit(tiny_lm: Callable[..., Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_lm("llama"))
    plan = SFTConfig(batch_tokens=8192)
    with (
        pytest.raises(ModelError, match="--set batch_tokens=4096 --set accumulate=2"),
        out_of_memory_explained(plan, model, longest=512),
    ):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_explained(plan, model, 512):
        raise RuntimeError("shapes do not fit")


def test_the_plan_counts_what_the_run_then_does(
    tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    arguments, lines = ("lora", tmp_path / "run", tiny_spider, tiny_lm()), list[str]()
    facts = plan(config(*arguments, max_steps=None, epochs=2)).as_mapping()
    assert not (tmp_path / "run").exists()
    train(*arguments, lines.append, max_steps=None, epochs=2)
    assert facts["examples"] == 48
    assert f"{facts['tokens']:,} tokens in {facts['batches']} batches" in lines[0]
    assert f"{facts['trained']:,} weights are trained beside {facts['parameters']:,}" in lines[1]
    assert facts["steps"] == max(losses(tmp_path / "run"))
    assert facts["seconds"] > 0 and facts["memory_total"] > 5e8
