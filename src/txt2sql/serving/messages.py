"""What the server and the model's process say to each other: pickled tuples with their length.

Both ends are this program on this machine, joined by pipes that nobody else has.

>>> import io
>>> stream = io.BytesIO()
>>> send(stream, ("free",))
>>> stream.seek(0) and None
>>> receive(stream)
('free',)
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from txt2sql.execution.limits import DEFAULT_LIMITS, Limits
from txt2sql.types import Generator, Turn

HEADER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What the model's process opens. `search`: the most simulations a question may ask for."""

    database: str
    model: str | Path | Generator | None = None
    limits: Limits = DEFAULT_LIMITS
    constrained: bool = True
    search: int = 100
    searches: int = 2
    """Searches at the same time."""
    batches: int = 4
    """Batches at the same time: one computes while the statements of others run."""
    describe: Path | None = None
    """A file of what tables and columns mean."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. `simulations` 0 is one greedy answer; a search ends after `seconds`. `previous` is
    what it follows, and `follows` the id of that answer where it is stored.
    """

    id: str
    question: str
    simulations: int = 0
    seconds: float | None = None
    previous: Turn | None = None
    follows: str | None = None


def pack(message: tuple[Any, ...]) -> bytes:
    """A message as it goes through a pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def send(stream: BinaryIO, message: tuple[Any, ...]) -> None:
    """Write one message."""
    stream.write(pack(message))
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Any, ...]:
    """Read one message; EOFError when the other end has gone."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    (size,) = HEADER.unpack(header)
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    found: tuple[Any, ...] = pickle.loads(body)
    return found
