from __future__ import annotations

import pytest

from txt2sql.errors import ModelError
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.types import Completion, Prompt, Sampling

ASK, TELL = Prompt("ask"), Prompt("tell")


def test_in_order_and_no_further() -> None:
    generator = ScriptedGenerator(["one", Completion("two", (-0.5,))])
    assert [c[0].text for c in generator.generate([ASK, TELL], Sampling())] == ["one", "two"]
    with pytest.raises(ModelError, match="no completion for prompt 3"):
        generator.generate([ASK], Sampling())
    assert generator.prompts == [ASK, TELL, ASK]


def test_by_what_the_prompt_says() -> None:
    generator = ScriptedGenerator({"tell": "told", "a": ["x", "y", "z"]})
    made = generator.generate([ASK, TELL], Sampling(beams=2))
    assert [[c.text for c in one] for one in made] == [["x", "y"], ["told"]]
    with pytest.raises(ModelError):
        generator.generate([Prompt("other")], Sampling())
