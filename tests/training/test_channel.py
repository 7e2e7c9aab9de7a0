"""A tiny model learns to read answers back, goes on after a kill, and votes with what it learnt."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from txt2sql.config import load
from txt2sql.errors import ConfigError, ModelError
from txt2sql.models.channel import FOLDER, Channel, Exponents, in_words, open_adapter, open_channel
from txt2sql.models.weights import load_weights
from txt2sql.search.vote import Weights, choose
from txt2sql.serving.service import build_predictor, searching
from txt2sql.training import channel as training
from txt2sql.training.channel import comparison, plan, train
from txt2sql.training.channel_run import run, searched
from txt2sql.training.channel_vote import fit
from txt2sql.training.cot_synthesis import open_questions
from txt2sql.training.ppm_pairs import Grown, Node, to_row
from txt2sql.training.prepare import silent
from txt2sql.training.rstar_settings import ChannelSettings, RStarConfig
from txt2sql.training.self_evolution import evolve
from txt2sql.training.sft_model import base_model
from txt2sql.types import Column, Example, Schema, Table

SHOP = Schema("shop", (Table("shop", (Column("id", "number"), Column("town"))),))
COUNT, TOWN = "SELECT count(*) FROM shop", "SELECT town FROM shop"


def tree(number: int, right: str, wrong: str, *, likely: float = 0.3) -> Grown:
    nodes = (
        Node(""), Node("a", "a", True, True, right, likely, False, 0, True),
        Node("b", "b", True, False, wrong, 1 - likely, True, 1, True),
        Node("c", "c", True, False, "SELECT nothing", 0.1, False, None, False),
    )  # fmt: skip
    return Grown(f"q{number}", f"shop_{number}", nodes)


def config(output: Path, data: Path, model: Path, *changes: str) -> RStarConfig:
    return load(
        RStarConfig,
        None,
        [
            f"model={model}", f"dataset={data}", f"output_dir={output}", "evolution.held_out=0.2",
            "evolution.together=2", "mcts.num_simulations=2", "steps.width=2", "threads=1",
            "steps.max_new_tokens=12", "channel.epochs=1", "channel.batch_tokens=200", *changes,
        ],
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft against a newer transformers
@pytest.mark.parametrize("kind", ["compact", "prefix", "phi"])
def test_it_learns_which_question_follows_and_which_answer_is_right(
    kind: str, tmp_path: Path, tiny_compact: Callable[..., Path], tiny_lm: Callable[..., Path]
) -> None:
    policy = tiny_lm("phi") if kind == "phi" else tiny_compact(kind == "prefix")
    loaded = load_weights(policy, dtype="float32")
    reader = Channel(loaded.model, loaded.tokenizer)
    asked = {COUNT: "how many shop are there", TOWN: "the town of each shop"}
    rows = [reader.row(in_words(sql, SHOP), question) for sql, question in asked.items()]
    settings = ChannelSettings(epochs=40, learning_rate=3e-2, r=8)
    train(loaded, rows, (), settings, tmp_path / "taught")
    taught = open_adapter(tmp_path / "taught")
    for sql, question in asked.items():
        scores = dict(zip(asked, taught.scores(question, list(asked), SHOP), strict=True))
        assert max(scores, key=lambda each: scores[each]) == sql
    # Of the same question the other answer can be preferred, against what was taught.
    example = Example("q", "shop", asked[COUNT], TOWN)
    found = comparison(reader, tree(0, TOWN, COUNT), example, SHOP, 8)
    assert found is not None
    again = load_weights(policy, dtype="float32")
    turned = ChannelSettings(preference_epochs=40, preference_learning_rate=3e-2, teaching=0.0)
    train(again, (), [found], turned, tmp_path / "turned", start=tmp_path / "taught")
    right, wrong = open_adapter(tmp_path / "turned").scores(asked[COUNT], [TOWN, COUNT], SHOP)
    assert right > wrong
    with pytest.raises(ConfigError, match="nothing to learn"):
        train(again, (), (), settings, tmp_path / "none")


def test_what_is_compared_holds_right_and_wrong_answers(tiny_compact: Callable[..., Path]) -> None:
    loaded = load_weights(tiny_compact())
    reader = Channel(loaded.model, loaded.tokenizer)
    example = Example("q", "shop", "how many", COUNT)
    found = comparison(reader, tree(0, COUNT, TOWN), example, SHOP, 8)
    assert found is not None
    assert found[1] == (
        True,
        False,
    )  # gold is one wording with the right answer; what failed is none
    alike = comparison(reader, tree(0, COUNT, "SELECT count(*) FROM shop AS a"), example, SHOP, 8)
    assert alike is None  # the same words are not compared with themselves


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    rows = [([1, number], [2]) for number in range(40)]
    pair = ((([1], [2]), ([3], [4])), (True, False))
    settings = ChannelSettings(epochs=2, batch_tokens=30, preference_epochs=1, together=2)
    first, *others = (plan(rows[1:], rows[:1], [pair] * 3, settings, seed) for seed in (0, 0, 1))
    assert first == others[0] != others[1]
    assert sorted(row for step in first for row in step.rows) == sorted([*rows[1:] * 2, rows[0]])
    assert [len(step.trees) for step in first if step.trees] == [2, 1]
    assert not first[-1].rows  # preferring comes last


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_killed_training_goes_on_to_the_same_weights(
    tmp_path: Path, tiny_compact: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_EVERY", 2)
    settings = ChannelSettings(epochs=3, batch_tokens=8, r=4)
    rows = [([1, 5, 6], [7, number, 2]) for number in range(8, 14)]

    def trained(folder: Path) -> dict[str, torch.Tensor]:
        train(load_weights(tiny_compact(), dtype="float32"), rows, (), settings, folder)
        return load_file(folder / "adapter_model.safetensors")

    whole = trained(tmp_path / "whole")
    update = training.Trainer.update
    left = 5

    def stopping(self: training.Trainer, step: training.Step) -> float:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return update(self, step)

    monkeypatch.setattr(training.Trainer, "update", stopping)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed")
    assert not (tmp_path / "killed" / "adapter_model.safetensors").exists()
    monkeypatch.setattr(training.Trainer, "update", update)
    again = trained(tmp_path / "killed")
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_exponents_give_right_answers_the_most_weight() -> None:
    """The policy is mistaken in every tree, the channel in none: it gets nearly all the say."""
    trees = [tree(number, COUNT, TOWN, likely=0.4) for number in range(8)]
    told = [{1: -5.0, 2: -9.0}] * 8
    found = fit(trees, told, 0.05)
    assert found.question * 4 > found.policy * math.log(0.6 / 0.4)
    lying = fit(trees, [{1: -9.0, 2: -5.0}] * 8, 0.05)
    assert lying.question < 0.05  # it may be ignored, never turned around
    none = [
        replace(t, nodes=(*t.nodes[:1], replace(t.nodes[1], right=False), *t.nodes[2:]))
        for t in trees
    ]
    doubted = fit([*trees, *none], told * 2, 0.05)  # half of the trees hold no right answer
    chosen = choose(
        none[0].ballots(told[0]),
        Weights(1, policy=doubted.policy, preference=doubted.question, doubt=doubted.doubt),
    )
    assert chosen[0].share == pytest.approx(0.5, abs=0.1)
    sure = [Grown(t.question_id, t.db_id, t.nodes[:2]) for t in trees]
    assert fit(sure, [{1: -5.0}] * 8, 0.05) == Exponents()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_makes_a_model_that_votes_by_reading_back(
    tmp_path: Path,
    tiny_spider: Path,
    tiny_compact: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = tiny_compact(True)
    settings = config(tmp_path / "out", tiny_spider, policy)
    questions = open_questions(settings)
    evolved = tmp_path / "rstar" / "rounds" / "1"
    evolved.mkdir(parents=True)
    example, unknown = questions.learnt[0], questions.held_out[0]
    rows = [
        to_row(Grown(each.id, each.db_id, tree(0, each.gold_sql, "SELECT id FROM sale").nodes))
        for each in (example, unknown)
    ]
    (evolved / "trees.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [each.question_id for each in searched(evolved.parents[1], questions)] == [example.id]
    folder = run(settings, evolved.parents[1], lambda line: None, silent)
    found = open_channel(folder)
    assert found is not None
    assert found.measured["n"] == len(questions.held_out)
    assert run(settings, evolved.parents[1], lambda line: None, silent) == folder
    direct = build_predictor(
        str(folder), questions.dataset.schema, questions.dataset.database, batch_size=1
    )
    from txt2sql.search.mcts import Settings
    from txt2sql.search.predictor import SearchOptions
    from txt2sql.search.second_look import ReadingBack
    from txt2sql.search.state import Question

    assert isinstance(direct.chooser, ReadingBack)
    plain = build_predictor(
        str(folder), questions.dataset.schema, questions.dataset.database, channel=False
    )
    assert plain.chooser is None and searching(plain, SearchOptions()).judge is None
    search = searching(direct, SearchOptions(mcts=Settings(num_simulations=3)))
    assert search.options.vote.policy == found.exponents.policy
    (answer,) = search.search([Question.of(unknown)])
    ran = [b for b in answer.ballots if b.result.ok]
    schema = questions.dataset.schema(unknown.db_id)
    scores = found.scores(unknown.question, [b.sql for b in ran], schema)
    assert [b.score for b in ran] == pytest.approx(scores, abs=1e-4)
    with pytest.raises(ConfigError, match="no searched trees"):
        searched(tmp_path, questions)
    evolving = config(
        tmp_path / "rounds", tiny_spider, folder, "evolution.num_rounds=1", "channel.rounds=true",
        "evolution.cot_examples_per_round=4", "evolution.measured=2", "policy_training.epochs=1",
    )  # fmt: skip
    pair = (([1, 5], [6, 2]), ([1, 7], [6, 2])), (True, False)
    monkeypatch.setattr(training, "compared", lambda *_: [pair] * 4)
    last = evolve(evolving, lambda line: None)
    assert last is not None
    trained = open_channel(last)
    assert trained is not None and trained.exponents == found.exponents
    files = [each / FOLDER / "adapter_model.safetensors" for each in (folder, last)]
    before, after = (load_file(file) for file in files)
    assert any(not torch.equal(before[name], after[name].half()) for name in before)
    (folder / FOLDER / "channel.json").write_text("{}")
    with pytest.raises(ModelError, match="damaged"):
        open_channel(folder)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_are_added_are_those_that_peft_would_add(
    tmp_path: Path, tiny_compact: Callable[..., Path]
) -> None:
    from txt2sql.models.adapters import load_adapter

    rows = [([1, 5, 6], [7, 8, 2]), ([1, 6, 6], [9, 9, 2])]
    settings = ChannelSettings(epochs=60, learning_rate=5e-2, r=4)
    train(load_weights(tiny_compact(), dtype="float32"), rows, (), settings, tmp_path)
    ours = open_adapter(tmp_path).model.float()
    theirs = load_adapter(load_weights(tiny_compact(), dtype="float32").model, tmp_path)
    inputs = torch.tensor([[1, 5, 6, 7, 8]])
    with torch.no_grad():
        expected = base_model(theirs)(input_ids=inputs).logits
        assert torch.allclose(ours(input_ids=inputs).logits, expected, atol=1e-1)
        plain = load_weights(tiny_compact(), dtype="float32").model(input_ids=inputs).logits
    assert not torch.allclose(plain, expected, atol=1e-1)
