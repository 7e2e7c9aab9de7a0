"""A Generator that replays completions: for tests, examples and predictions made elsewhere.

>>> from txt2sql.types import Prompt, Sampling
>>> generator = ScriptedGenerator(["SELECT 1"])
>>> generator.generate([Prompt("how many?")], Sampling())[0][0].text
'SELECT 1'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from txt2sql.errors import ModelError
from txt2sql.types import Completion, Prompt, Sampling

_Script = str | Completion | Sequence[str | Completion]


class ScriptedGenerator:
    """Replays completions in order (a sequence), or by a text that the prompt contains (a mapping).
    An item is one completion or several candidates, best first."""

    name = "scripted"

    def __init__(self, script: Sequence[_Script] | Mapping[str, _Script]) -> None:
        self._script = script
        self.prompts: list[Prompt] = []
        """Every prompt asked so far, in order."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        most = max(sampling.n, sampling.beams)
        return [self._candidates(prompt)[:most] for prompt in prompts]

    def _candidates(self, prompt: Prompt) -> list[Completion]:
        self.prompts.append(prompt)
        number = len(self.prompts)
        if isinstance(self._script, Mapping):
            item = next((i for key, i in self._script.items() if key in prompt.text), None)
        else:
            item = self._script[number - 1] if number <= len(self._script) else None
        if item is None:
            raise ModelError(f"the script has no completion for prompt {number}; add one to it")
        items = [item] if isinstance(item, (str, Completion)) else list(item)
        return [Completion(one) if isinstance(one, str) else one for one in items]
