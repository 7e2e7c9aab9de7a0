"""Models that do what no real one can be relied on to do: be slow, die, hang, count their batches.

They travel to the model's process by name, so they stand where both sides can import them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from txt2sql.types import Completion, Prompt, Sampling


class Slow:
    name = "slow"
    prompt_style = "ddl"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        time.sleep(self.seconds)
        return [[Completion(f"SELECT {len(prompts)}")] for _ in prompts]


class Mortal(Slow):
    """Dies of a question with `perish now`; of `perish once` only if `marker` does not exist yet."""

    def __init__(self, seconds: float, marker: str = "") -> None:
        super().__init__(seconds)
        self.marker = marker

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        for prompt in prompts:
            if "perish now" in prompt.text:
                os._exit(9)
            if "perish once" in prompt.text and not os.path.exists(self.marker):
                open(self.marker, "w").close()
                os._exit(9)
        return super().generate(prompts, sampling)


class Hanging(Slow):
    def __init__(self, marker: str) -> None:
        super().__init__(0.0)
        self.marker = marker

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        if any("hang" in prompt.text for prompt in prompts) and not os.path.exists(self.marker):
            time.sleep(3600)
        return super().generate(prompts, sampling)
