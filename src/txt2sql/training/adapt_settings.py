"""The settings of an adaptation.

>>> AdaptConfig(count=500).steps
150
"""

from __future__ import annotations

from dataclasses import dataclass, field

from txt2sql.models.adapters import Adapter


@dataclass(frozen=True)
class AdaptConfig:
    """What `txt2sql adapt --set` sets; docs/adapt.md says what was measured of the defaults."""

    count: int = 2000
    """Made pairs to train on; fewer where the database has no more to ask."""
    held_out: int = 300
    """Made pairs that measure, at most a quarter of all."""
    given_share: float = 0.5
    """Of the given pairs, the share that trains."""
    general: str = ""
    """A data set whose training split is mixed in where it is on this machine; empty: none."""
    general_share: float = 0.5
    """Of the examples trained on."""
    steps: int = 150
    learning_rate: float = 5e-4
    batch_tokens: int = 1536
    adapter: Adapter = field(default_factory=lambda: Adapter(r=16, alpha=32, dropout=0.0))
    strength: float = 0.5
    """How far the weights go from the model's own to the fine-tuned ones (`interpolation`)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError("strength must be above 0 and at most 1")
        if self.adapter.dora and self.strength != 1:
            raise ValueError("a DoRA adapter is used whole; set strength to 1")
        if min(self.count, self.held_out, self.steps) < 1:
            raise ValueError("count, held_out and steps must be 1 or more")
        if not 0 <= self.given_share <= 1 or not 0 <= self.general_share < 1:
            raise ValueError(
                "given_share must be between 0 and 1, general_share 0 or more and below 1"
            )
