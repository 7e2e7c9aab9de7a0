"""A Generator that replays completions: for tests, examples and predictions made elsewhere.

>>> from txt2sql.types import Prompt, Sampling
>>> generator = ScriptedGenerator(["SELECT 1"])
>>> generator.generate([Prompt("how many?")], Sampling())[0][0].text
'SELECT 1'
"""

from __future__ import annotations

from collections.abc import Sequence

from txt2sql.errors import ModelError
from txt2sql.types import Completion, Prompt, Sampling


class ScriptedGenerator:
    """Replays one item per prompt, in order: a completion, or several candidates, best first."""

    name = "scripted"

    def __init__(self, items: Sequence[str | Completion | Sequence[str | Completion]]) -> None:
        self.items = items
        self.prompts: list[Prompt] = []
        """Every prompt asked so far, in order."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """The candidates of each prompt, at most `sampling.n` (or `sampling.beams`) of them."""
        made: list[list[Completion]] = []
        for prompt in prompts:
            self.prompts.append(prompt)
            number = len(self.prompts)
            if number > len(self.items):
                raise ModelError(f"the script has no completion for prompt {number}; add one to it")
            item = self.items[number - 1]
            candidates = [item] if isinstance(item, (str, Completion)) else item
            texts = candidates[: max(sampling.n, sampling.beams)]
            made.append([Completion(each) if isinstance(each, str) else each for each in texts])
        return made
