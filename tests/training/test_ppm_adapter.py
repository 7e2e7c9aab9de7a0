"""The preference model with an adapter: it learns what its trunk did not say, and comes back from its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from txt2sql.models import hf
from txt2sql.models.ppm import open_scorer
from txt2sql.training.ppm_adapter import train_adapted
from txt2sql.training.ppm_pairs import Grown, Node
from txt2sql.training.rstar_settings import PPMSettings
from txt2sql.types import Prompt


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft against a newer transformers
@pytest.mark.parametrize("kind", ["compact", "prefix", "phi"])
def test_an_adapter_learns_which_answers_are_right(
    kind: str, tmp_path: Path, tiny_compact: Callable[..., Path], tiny_lm: Callable[..., Path]
) -> None:
    policy = tiny_lm("phi") if kind == "phi" else tiny_compact(kind == "prefix")
    good, bad = "select count ( * ) from shop", "select town from sale"
    edges = ((1, 2, 1.0), (2, 1, -1.0))
    nodes = (
        Node("", edges=edges), Node(good, good, True, True, good, 0.3, False, 0, True),
        Node(bad, bad, True, False, bad, 0.6, True, 1, True),
    )  # fmt: skip
    trees = [Grown(str(i), f"shop_{i}", nodes) for i in range(12)]
    prompt = Prompt("how many shop are there", hf.load(policy).prompt_style)
    settings = PPMSettings(width=0, dropout=0.0)
    assert train_adapted(policy, [Grown("q", "a", (Node(""),))], lambda _: prompt, settings, tmp_path / "none") is None  # fmt: skip
    made = train_adapted(
        policy, trees, lambda _: prompt, settings, tmp_path / "made", epochs=4, learning_rate=1e-2
    )
    assert made is not None
    right, wrong = made.scores(prompt, [good, bad])
    assert right > 0.3 > -0.3 > wrong
    assert made.preference.measured["pair_accuracy"]["all"][0] == 1.0
    assert made.preference.vote > 0
    again = open_scorer(policy, tmp_path / "made")
    assert again is not None
    assert again.scores(prompt, [good, bad]) == pytest.approx([right, wrong], abs=1e-5)
    assert open_scorer(policy, tmp_path) is None
