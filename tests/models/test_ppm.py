"""A tree of tokens in one forward pass, and a preference model's files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from txt2sql.errors import ModelError
from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import (
    Preference,
    PreferenceHead,
    find,
    save_preference,
    step_states,
)
from txt2sql.types import Prompt

PROMPT = Prompt("how many singers ?", grammar='start: "SELECT"')
STEPS = [("SELECT name", False), ("SELECT name FROM singer", True), ("select", True)] * 7


@pytest.mark.parametrize("architecture", ["phi", "mistral", "qwen2"])
def test_steps_together_have_the_states_of_each_alone(
    architecture: str, generator_of: Callable[..., Decoder]
) -> None:
    generator = generator_of(architecture)
    states = step_states(generator, PROMPT, STEPS)
    for state, (text, ended) in zip(states, STEPS[:3]):
        end = generator.vocabulary.end_ids if ended else []
        ids = [*generator.encode(PROMPT)[0], *generator.vocabulary.encode(text), *end]
        with torch.no_grad():
            plain = generator.engine.model.base_model(input_ids=torch.tensor([ids]))
        assert torch.allclose(state, plain.last_hidden_state[0, -1], atol=2e-5)
    assert torch.allclose(states[:3], states[-3:], atol=2e-5)


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


def test_a_damaged_one_is_reported(tmp_path: Path) -> None:
    save_preference(Preference(PreferenceHead(8)), tmp_path)
    facts = json.loads((tmp_path / "ppm.json").read_text())
    for text in (json.dumps({**facts, "size": 9}), "{"):
        (tmp_path / "ppm.json").write_text(text)
        with pytest.raises(ModelError, match="damaged"):
            find(tmp_path)
