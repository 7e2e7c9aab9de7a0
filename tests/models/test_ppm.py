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
    TokenTree,
    find,
    save_preference,
    tree_states,
)

PROMPT = [10, 20, 30, 40, 50]
ANSWERS = ([11, 12, 13], [11, 12, 14, 15], [16])


@pytest.mark.parametrize("architecture", ["phi", "mistral", "qwen2"])
def test_a_tree_in_one_pass_is_what_each_answer_alone_is(
    architecture: str, generator_of: Callable[..., Decoder]
) -> None:
    model = generator_of(architecture).engine.model
    tree = TokenTree()
    ends = [tree.add(answer) for answer in ANSWERS]
    assert len(tree.tokens) == 6  # what answers share is there once
    with torch.no_grad():
        states = tree_states(model, PROMPT, tree)
        for answer, end in zip(ANSWERS, ends, strict=True):
            plain = model.base_model(input_ids=torch.tensor([[*PROMPT, *answer]]))
            assert torch.allclose(states[end], plain.last_hidden_state[0, -1], atol=2e-5)


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
