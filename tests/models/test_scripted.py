from __future__ import annotations

import pytest

from txt2sql.errors import ModelError
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.types import Completion, Prompt, Sampling

ASK, TELL = Prompt("ask"), Prompt("tell")


def test_in_order_and_no_further() -> None:
    generator = ScriptedGenerator(["one", Completion("two", (-0.5,)), ["x", "y", "z"]])
    made = generator.generate([ASK, TELL], Sampling())
    made += generator.generate([ASK], Sampling(beams=2))
    assert [[c.text for c in candidates] for candidates in made] == [["one"], ["two"], ["x", "y"]]
    with pytest.raises(ModelError, match="no completion for prompt 4"):
        generator.generate([ASK], Sampling())
    assert generator.prompts == [ASK, TELL, ASK, ASK]
