"""One model, several threads: each computes in its turn, so that none waits for another's statement.

A batch of questions computes, then runs SQL, which may take seconds; a search computes a wave, then
checks its steps. Whoever computes holds the turn and nothing longer, and turns go round in the order
they were asked for: beside one search, a batch of questions waits for one wave at most.

>>> turn = Turn()
>>> with turn:
...     pass
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from txt2sql.types import Completion, Generator, Prompt, Sampling

if TYPE_CHECKING:
    from txt2sql.models.tree_decoder import Engine, Place, Step


class Turn:
    """A lock that is had in the order it was asked for (a ticket lock)."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = self._serving = 0

    def __enter__(self) -> None:
        with self._changed:
            ticket, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._serving == ticket)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._serving += 1
            self._changed.notify_all()


class SharedGenerator:
    """A Generator that computes in its turn; `done` is called after each."""

    def __init__(
        self, generator: Generator, turn: Turn, done: Callable[[], None] = lambda: None
    ) -> None:
        self._generator, self._turn, self._done = generator, turn, done
        self.name = generator.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """See `Generator.generate`."""
        try:
            with self._turn:
                return self._generator.generate(prompts, sampling)
        finally:
            self._done()


class SharedEngine:
    """An Engine of a search that computes in its turn."""

    def __init__(self, engine: Engine, turn: Turn) -> None:
        self._engine, self._turn, self.name = engine, turn, engine.name

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`."""
        with self._turn:
            return self._engine.prefill(prompts)

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        """See `Engine.expand`."""
        with self._turn:
            return self._engine.expand(places, until)

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`."""
        with self._turn:
            return self._engine.score(places)

    def free(self, root: Place) -> None:
        """See `Engine.free`."""
        self._engine.free(root)
