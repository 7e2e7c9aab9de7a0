"""GRPO runs: that the better answers become likelier, and that nothing is lost by a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.methods import rows, train, weights

from txt2sql.data import open_dataset
from txt2sql.data.gold import with_gold
from txt2sql.errors import ConfigError
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import resolve
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.torch_engine import decoder_of
from txt2sql.models.weights import load_weights
from txt2sql.training.data import prompter
from txt2sql.training.grpo import GRPOConfig, Question, Sampler, choose, share_beginnings
from txt2sql.training.rewards import Judge, RewardFunction
from txt2sql.types import Completion, Prompt, Sampling

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
DORA = Adapter(r=4, alpha=16, dropout=0.0, dora=True)


@pytest.mark.parametrize(
    ("architecture", "chat", "changes"),
    [
        ("llama", True, {}),
        pytest.param(
            "phi", False, {"adapter": DORA, "kl": 0.0, "trl": {"loss_type": "dapo", "num_iterations": 2}},
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_answers_that_earn_more_become_likelier(
    architecture: str, chat: bool, changes: dict[str, Any], tmp_path: Path,
    tiny_lm: Callable[..., Path], tiny_spider: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    base = tiny_lm(architecture, chat)
    # What a small adapter can learn in a few steps: to turn the last hidden state one way.
    head = load_file(base / "model.safetensors")["lm_head.weight"]

    def reward(self: RewardFunction, *, completion_ids: Any, **_: Any) -> list[float]:
        return [float((head[ids, 0] > 0).float().mean()) for ids in completion_ids]

    monkeypatch.setattr(RewardFunction, "__call__", reward)
    run = tmp_path / "run"
    folder = train(
        "grpo", run, tiny_spider, base, max_steps=14, limit=4, group=8, learning_rate=3e-2,
        max_new_tokens=2, **changes,
    )  # fmt: skip
    assert folder == run / "model" == resolve(folder).folder
    curve = [row["reward"] for row in rows(run, "reward")]
    first, later = curve[:2], curve[3:]
    assert sum(later) / len(later) > sum(first) / len(first) + 0.05, curve
    saved = weights(run)
    assert all(saved[name].abs().max() > 0 for name in saved)
    assert ("lora_magnitude" in " ".join(saved)) == (changes.get("adapter") == DORA)
    assert "GRPO" in (folder / "README.md").read_text()


def test_rewards_are_logged_and_a_run_that_gets_no_better_ends(
    tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    run, lines = tmp_path / "run", list[str]()
    changes = {"measured": 4, "patience": 1, "max_steps": 8}
    assert train("grpo", run, tiny_spider, tiny_lm("llama"), lines.append, **changes) is not None
    logged = {"reward/execution", "reward/executes", "right", "hacks", "kl", "entropy", "grad_norm"}
    assert logged <= rows(run, "reward")[0].keys()
    # Nothing is answered rightly at random, so the second measurement is no better and ends the run.
    assert [row["step"] for row in rows(run, "eval_right")] == [2, 4]
    assert max(row["step"] for row in rows(run, "reward")) == 4
    assert any(line.startswith("step 2  eval_reward") for line in lines)
    assert any("tensorboard" in str(path) for path in run.rglob("events*"))
    facts = json.loads((run / "model" / "training.json").read_text())
    assert (facts["measured"][0]["mean"], facts["measured"][0]["n"]) == (0.0, 4)


def test_answers_are_sampled_under_the_grammar_and_what_it_forces_is_not_learnt(
    tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    policy, dataset = load_weights(str(tiny_lm("llama"))), open_dataset(tiny_spider)
    example = next(iter(with_gold(dataset, "train")))
    prompt = prompter(dataset, lambda text: len(text))(example)
    prompt = replace(prompt, grammar=sql_grammar(dataset.schema(example.db_id)))
    sampler = Sampler(GRPOConfig(max_new_tokens=24), policy, {prompt.text: prompt})
    trainer = SimpleNamespace(
        state=SimpleNamespace(global_step=3), args=SimpleNamespace(top_p=1.0),
        accelerator=SimpleNamespace(process_index=0),
    )  # fmt: skip
    policy.model.train()
    rolled = sampler([prompt.text] * 5, trainer)
    assert policy.model.training and rolled == sampler([prompt.text] * 5, trainer)
    decoder = decoder_of(policy)
    assert rolled["prompt_ids"] == [decoder.encode(prompt)[0]] * 5
    assert len({tuple(each) for each in rolled["completion_ids"]}) > 1
    assert prompt.grammar is not None
    for tokens, mask in zip(rolled["completion_ids"], rolled["env_mask"], strict=True):
        matcher = decoder.grammars.matcher(prompt.grammar)
        for token, learnt in zip(tokens, mask, strict=True):
            allowed = decoder.grammars.allowed(matcher)
            assert token in allowed and (not learnt or len(allowed) > 1)
            matcher.consume_token(token)


@pytest.mark.parametrize("architecture", ["llama", "phi", "mistral", "qwen2"])
def test_a_prompt_that_is_read_once_teaches_the_same(
    architecture: str, tiny_lm: Callable[..., Path]
) -> None:
    model = load_weights(str(tiny_lm(architecture))).model.float()
    draw = torch.Generator().manual_seed(1)
    prompts = torch.randint(5, 40, (2, 20), generator=draw).repeat_interleave(4, 0)
    rows = torch.cat([prompts, torch.randint(5, 40, (8, 6), generator=draw)], 1)
    rows = rows[torch.randperm(8, generator=draw)]
    mask = torch.ones_like(rows)
    mask[rows[:, 0] == prompts[0, 0], :5] = 0  # padded on the left
    mask[2, -2:] = 0

    def learnt() -> list[torch.Tensor]:
        model.zero_grad()
        states = model.base_model(input_ids=rows, attention_mask=mask).last_hidden_state
        (states[:, 19:].pow(2) * mask[:, 19:, None]).sum().backward()
        read.append(states.shape[:2])
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        return [states.detach() * mask[..., None], *gradients]

    read: list[Any] = []
    layer = model.base_model.layers[0]
    layer.register_forward_pre_hook(lambda _, args: read.append(args[0].shape[:2]))
    alone = learnt()
    share_beginnings(model)
    for one, other in zip(alone, learnt(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert read == [(8, 26), (8, 26), (2, 20), (8, 6), (8, 26)]


class Policy:
    """Answers every question with one right query in so many, by its place among the questions."""

    name = "policy"

    def __init__(self, questions: Sequence[Question], right: Sequence[int]) -> None:
        self.texts = {
            question.prompt.text: [question.example.gold_sql] * n + ["SELECT 7"] * (10 - n)
            for question, n in zip(questions, right, strict=True)
        }
        self.prompts = 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        self.prompts += len(prompts)
        return [[Completion(text) for text in self.texts[prompt.text]] for prompt in prompts]


def test_questions_that_all_or_no_samples_answer_are_left_out(
    tmp_path: Path, tiny_spider: Path
) -> None:
    dataset = open_dataset(tiny_spider)
    examples = [e for e in with_gold(dataset, "train") if "count" in e.gold_sql]
    questions = [Question(e, dataset, Prompt(e.id, "ddl"), 1) for e in examples]
    policy = Policy(questions, [0, 1, 5, 9, 10, 10])
    file, settings = tmp_path / "rates.jsonl", GRPOConfig(filter_samples=10)
    chosen = choose(questions, policy, Judge(1.0), settings, file)
    assert chosen == ([1, 2, 3], {"too hard": 1, "too easy": 2})
    # What was counted before a kill is not sampled again; a line cut in half is.
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]) + lines[4][:9])
    assert choose(questions, policy, Judge(1.0), settings, file, stopped=lambda: True) is None
    assert choose(questions, policy, Judge(1.0), settings, file) == chosen
    assert policy.prompts == 6 + 2
    every = GRPOConfig(filter_samples=10, filter_low=0.0, filter_high=1.0, filter_enough=4)
    four = choose(questions, policy, Judge(1.0), every, file)
    assert four is not None and len(four[0]) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": 25}, "24 questions are too few for a step of 25"),
        ({"trl": {"los_type": "dapo"}}, "trl refuses these settings: .*'los_type'"),
        ({"trl": {"beta": 0.5}}, "trl.beta is set by"),
        ({"trl": {"generation_batch_size": 3}}, "trl refuses these settings"),
        ({"max_length": 12}, "too few"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_named(
    changes: dict[str, Any], message: str, tmp_path: Path, tiny_lm: Callable[..., Path],
    tiny_spider: Path,
) -> None:  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        train("grpo", tmp_path / "run", tiny_spider, tiny_lm("llama"), **changes)
