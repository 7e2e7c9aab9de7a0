"""Process preference model (PPM): how good a step of an answer is, from the policy's hidden states.

After rStar-Math (Guan et al. 2025), a small head on the hidden state of a step's last token, which a
search has computed anyway. It lies beside the weights of its policy (ppm.safetensors, ppm.json) and is of
use for no other. Scores s are scaled so that tanh(s / 5) is the reward to be expected of an answer, 1 for
right and -1 for wrong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from txt2sql.errors import ModelError
from txt2sql.models.catalog import PREFERENCE, has_preference
from txt2sql.models.decoder import Decoder
from txt2sql.models.onnx_engine import Array
from txt2sql.runs import write_atomically
from txt2sql.types import Prompt

WEIGHTS, FACTS = "ppm.safetensors", PREFERENCE
_TOGETHER = 16


class PreferenceHead(nn.Module):
    """Hidden states (n, size) -> scores (n,). `width` 0 is one linear layer, as in rStar-Math."""

    scale: Tensor
    shift: Tensor

    def __init__(self, size: int, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.size, self.width = size, width
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        self.inner = nn.Linear(size, width) if width else None
        self.out = nn.Linear(width or size, 1)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))

    def raw(self, hidden: Tensor) -> Tensor:
        """Scores before they are scaled: what the preference loss compares."""
        states = self.dropout(self.norm(hidden))
        if self.inner is not None:
            states = self.dropout(nn.functional.gelu(self.inner(states)))
        scores: Tensor = self.out(states).squeeze(-1)
        return scores

    def forward(self, hidden: Tensor) -> Tensor:
        """Scaled scores; tanh(s / 5) is the reward to be expected."""
        place = self.out.weight
        scores: Tensor = self.scale * self.raw(hidden.to(place.device, place.dtype)) + self.shift
        return scores


@dataclass(frozen=True, slots=True)
class Preference:
    """A trained head, how much it counts in the final vote, and its results: both on databases that
    it was not trained on."""

    head: PreferenceHead
    vote: float = 0.0
    validation: dict[str, Any] = field(default_factory=dict)

    @torch.inference_mode()
    def scores(self, hidden: Array) -> list[float]:
        return list(self.head(torch.from_numpy(hidden)).tolist())


def save_preference(preference: Preference, folder: Path) -> None:
    """Write it beside the policy that it belongs to; a kill leaves no half of it."""
    head = preference.head
    tensors = {name: tensor.contiguous().cpu() for name, tensor in head.state_dict().items()}
    write_atomically(folder / WEIGHTS, save(tensors))
    vote, measured = preference.vote, preference.validation
    facts = {"size": head.size, "width": head.width, "vote": vote, "measured": measured}
    write_atomically(folder / FACTS, json.dumps(facts, indent=1) + "\n")


def find(folder: Path | None) -> Preference | None:
    """The preference model in a policy's folder, None where there is none. Raises ModelError."""
    if folder is None or not has_preference(folder):
        return None
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        head = PreferenceHead(int(facts["size"]), int(facts["width"]))
        head.load_state_dict(load_file(str(folder / WEIGHTS)))
        vote, validation = float(facts["vote"]), dict(facts["measured"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"the preference model in '{folder}' is damaged; remove {WEIGHTS} and {FACTS}, or copy "
            "them again"
        ) from error
    return Preference(head.eval(), vote, validation)


def step_states(policy: Decoder, prompt: Prompt, steps: Sequence[tuple[str, bool]]) -> Tensor:
    """The policy's last hidden states (steps, size) after answers so far, each given as its text
    and whether it is whole: what a search scores."""
    vocabulary = policy.vocabulary
    cache, row, _ = policy.prefill(replace(prompt, grammar=None))
    length, states = cache.length, []
    for start in range(0, len(steps), _TOGETHER):
        rows = []
        for text, ended in steps[start : start + _TOGETHER]:
            end = vocabulary.end_ids[:1] if ended else []
            rows.append(replace(row, waiting=[*vocabulary.encode(text), *end]))
        states.append(policy.step(cache, rows).hidden)
        cache.truncate(length)
    return torch.from_numpy(np.concatenate(states))
