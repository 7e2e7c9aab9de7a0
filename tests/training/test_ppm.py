"""The preference model: what is learnt from pairs, what a shuffled one learns, scale and vote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import build, byte_level

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import (  # fmt: skip
    Preference,
    PreferenceHead,
    find,
    save_preference,
    step_states,
)
from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.tree_decoder import Decoding, TreeDecoder
from txt2sql.search.predictor import SearchOptions, SearchPredictor
from txt2sql.serving.service import build_predictor, searching
from txt2sql.training.ppm import TreeStates, fit, pair_accuracy, scale, vote_weight
from txt2sql.training.settings import PPMSettings
from txt2sql.training.trees import JudgedNode, JudgedTree, pairs
from txt2sql.types import Prompt


def model_of(generator: Decoder) -> Any:
    """The model of transformers behind a generator."""
    return getattr(generator.engine, "model", None)


SETTINGS = PPMSettings(epochs=15, learning_rate=2e-2, width=0, dropout=0.0)


def drawn(seed: int, count: int = 60, size: int = 8) -> TreeStates:
    """Trees of a right and two wrong answers; the first number of a state tells them apart. The
    likeliest answer is wrong.
    """
    generator = torch.Generator().manual_seed(seed)
    trees, states, rows, found = [], [], {}, []
    for t in range(count):
        nodes = [JudgedNode("", edges=((1, 2, 1.0), (2, 1, -1.0), (3, 1, -1.0)))]
        for n, right in enumerate((True, False, False), start=1):
            probability = (0.3, 0.5, 0.1)[n - 1]
            nodes.append(
                JudgedNode(f"a{n}", f"a{n}", True, right, f"a{n}", probability, n == 2, n, True)
            )
            state = torch.randn(size, generator=generator)
            state[0] += 2.5 if right else -2.5
            rows[t, n] = len(states)
            states.append(state)
        tree = JudgedTree(str(t), "shop", tuple(nodes))
        found += [(t, pair) for pair in pairs(tree)]
        trees.append(tree)
    return TreeStates(trees, torch.stack(states), rows, found)


def test_a_shuffled_control_learns_nothing_and_has_no_say() -> None:
    learnt, checked = drawn(0), drawn(1)
    head = fit(learnt, checked, replace(SETTINGS, shuffled=True))
    honest = fit(learnt, checked, SETTINGS)
    assert pair_accuracy(honest, checked) > 0.97
    noise = (honest.raw(checked.states).std() / 3).item()
    assert head.raw(checked.states).std().item() < noise


def test_the_vote_listens_to_a_head_that_knows_and_to_no_other() -> None:
    learnt, checked = drawn(0), drawn(1)
    head = fit(learnt, checked, SETTINGS)
    scale(head, checked)
    assert vote_weight(head, checked) > 0  # without it every answer would be wrong
    silent = PreferenceHead(8, 0)
    torch.nn.init.zeros_(silent.out.weight)
    assert vote_weight(silent.eval(), checked) == 0.0


def test_the_scale_says_how_often_an_answer_is_right() -> None:
    learnt, checked = drawn(0), drawn(1, 200)
    head = fit(learnt, checked, SETTINGS)
    before = head.raw(checked.states).argsort()
    scale(head, checked)
    assert torch.equal(head(checked.states).argsort(), before)
    fresh = drawn(2, 200)
    _, rows, right = fresh.answers()
    expected = (torch.tanh(head(fresh.states[rows]) / 5) + 1) / 2
    for low in (0.0, 0.5):  # of the answers so likely to be right, about as many are
        part = (expected >= low) & (expected < low + 0.5)
        assert abs(expected[part].mean() - right[part].mean()) < 0.1


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> DirectPredictor:
    folder = tmp_path_factory.mktemp("policy")
    database = open_database(sample.path())
    schema = database.schema()
    tokenizer = byte_level([], size=0)  # of bytes alone: every text has one way to be written
    build("llama", tokenizer, context=4096).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    found = build_predictor(folder, lambda _: schema, lambda _: database)
    assert isinstance(found, DirectPredictor)
    return found


@pytest.fixture(scope="module")
def generator(direct: DirectPredictor) -> Decoder:
    assert isinstance(direct.generator, Decoder)
    return direct.generator


def test_training_reads_the_states_that_a_search_scores(generator: Decoder) -> None:
    torch.manual_seed(0)
    head = PreferenceHead(int(model_of(generator).config.hidden_size)).eval()
    scored = Preference(head).scores
    engine = TreeDecoder(
        generator, lambda _, piece: piece == "F", head=scored, decoding=Decoding(least=1e-30)
    )
    grammar = 'start: "SELECT " ("name" | "town") (" FROM " ("shop" | "sale"))?'
    prompt = Prompt("-- The towns of shops?\n", grammar=grammar)
    places, steps = engine.prefill([prompt]), []
    for place in places:
        [(_, found, _)] = engine.expand([place])
        steps += found
        places += [step.place for step in found if not step.ended]
    assert {step.ended for step in steps} == {True, False} and len(steps) > 4
    with torch.no_grad():
        expected = head(step_states(generator, prompt, [(s.text, s.ended) for s in steps]))
    found_scores = torch.tensor(engine.score([step.place for step in steps]))
    assert torch.allclose(expected, found_scores, atol=1e-3)
    assert expected.std() > 0.01


def test_a_folder_with_a_preference_model_is_searched_with_it(
    tmp_path: Path, direct: DirectPredictor, generator: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = searching(direct, SearchOptions())
    assert not plain.scored
    head = PreferenceHead(int(model_of(generator).config.hidden_size), 16).eval()
    save_preference(Preference(head, 2.0, {"pairs": 3}), tmp_path)
    saved = find(tmp_path)
    assert saved is not None and saved.vote == 2.0 and saved.validation == {"pairs": 3}
    monkeypatch.setattr(generator, "folder", tmp_path)
    found = searching(direct, SearchOptions())
    assert isinstance(found, SearchPredictor)


PROMPT = Prompt("how many singers ?", grammar='start: "SELECT"')
STEPS = [("SELECT name", False), ("SELECT name FROM singer", True), ("select", True)] * 7


@pytest.mark.parametrize("width", [0, 4])
def test_a_preference_model_lies_beside_its_policy(width: int, tmp_path: Path) -> None:
    assert find(None) is find(tmp_path) is None
    head = PreferenceHead(8, width).eval()
    head.scale.fill_(3.0)
    head.shift.fill_(-1.0)
    save_preference(Preference(head, 1.5, {"pairs": 7}), tmp_path)
    preference = find(tmp_path)
    assert (preference.vote, preference.validation) == (1.5, {"pairs": 7})
    states = torch.randn(5, 8)
    assert torch.equal(preference.head(states), head(states))
    assert torch.allclose(head(states), 3 * head.raw(states) - 1)
    assert preference.scores(states.numpy()) == pytest.approx(head(states).tolist())
