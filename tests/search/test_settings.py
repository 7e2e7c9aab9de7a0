"""config/rstar_config.yaml says what the code would do without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from txt2sql.config import load
from txt2sql.errors import ConfigError
from txt2sql.models.tree_decoder import Decoding
from txt2sql.models.vote import Weights
from txt2sql.search.mcts import Settings
from txt2sql.search.states import ValueSettings

FILE = Path(__file__).parents[2] / "config" / "rstar_config.yaml"


def test_the_file_holds_the_defaults_and_a_wrong_override_is_refused() -> None:
    kinds = {"mcts": Settings, "steps": Decoding, "value": ValueSettings, "vote": Weights}
    for section, kind in kinds.items():
        assert load(kind, FILE, section=section) == kind()
    assert load(Settings, FILE, ["c_puct=2"], section="mcts").c_puct == 2.0
    with pytest.raises(ConfigError, match="num_simulations"):
        load(Settings, FILE, ["num_simulations=0"], section="mcts")
    with pytest.raises(ConfigError, match="must not be negative"):
        load(Weights, FILE, ["empty=-1"], section="vote")
