"""Process preference model (PPM): how good a step of an answer is, from the policy's hidden states.

Field's name and source: PPM, Guan et al. 2025 (rStar-Math), trained on pairs of steps with a
Bradley-Terry loss (`training/ppm.py`). Here it is a small head on the hidden state of a step's last
token, which a search has computed anyway, so a score costs next to nothing. It lies beside the weights
of its policy and is of use for no other:

    round_2/
    ├── model.safetensors, config.json, tokenizer.json, prompt.json     the policy
    └── ppm.safetensors, ppm.json                                       its preference model

Scores s are scaled so that tanh(s / 5), as a search reads them, is the reward to be expected of an
answer, 1 for right and -1 for wrong: fitted on databases that the head was not trained on.

>>> preference = find(Path("results/rstar/round_2"))  # doctest: +SKIP
>>> preference.head(hidden)                           # (n, size) -> (n,)  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from txt2sql.errors import ModelError
from txt2sql.models.catalog import PREFERENCE, has_preference
from txt2sql.models.torch_engine import additive_mask
from txt2sql.runs import write_atomically

Array = np.ndarray[Any, Any]
WEIGHTS, FACTS = "ppm.safetensors", PREFERENCE


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
    """A trained head, and how much it counts in the final vote."""

    head: PreferenceHead
    vote: float = 0.0
    """`models.vote.Weights.preference`, chosen on databases that the head was not trained on."""
    validation: dict[str, Any] = field(default_factory=dict)
    """Its results on databases that it was not trained on."""

    @torch.inference_mode()
    def scores(self, hidden: Array) -> list[float]:
        """Of hidden states (n, size) in numpy, as a search has them."""
        scores: list[float] = self.head(torch.from_numpy(hidden)).tolist()
        return scores


def save_preference(preference: Preference, folder: Path) -> None:
    """Write it beside the policy that it belongs to; a kill leaves no half of it."""
    head = preference.head
    tensors = {name: tensor.contiguous().cpu() for name, tensor in head.state_dict().items()}
    write_atomically(folder / WEIGHTS, save(tensors))
    facts = {
        "size": head.size,
        "width": head.width,
        "vote": preference.vote,
        "measured": preference.validation,
    }
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


@dataclass(slots=True)
class TokenTree:
    """Answers to one question as a tree of tokens: what they share is there once."""

    tokens: list[int] = field(default_factory=list)
    paths: list[tuple[int, ...]] = field(default_factory=list)
    """Of each token the numbers of those before it, in order."""
    _numbers: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, ids: Sequence[int]) -> int:
        """The number of the last token of an answer or of a part of one; -1 for none."""
        number = -1
        for token in ids:
            parent, number = number, self._numbers.setdefault((number, token), len(self.tokens))
            if number == len(self.tokens):
                self.tokens.append(token)
                self.paths.append(() if parent < 0 else (*self.paths[parent], parent))
        return number


def tree_states(model: Any, prompt: Sequence[int], tree: TokenTree) -> Tensor:
    """The policy's last hidden states (tokens, size) of a whole tree, in one forward pass.

    Equal to what a search sees: each token attends to the prompt and to its own ancestors. Gradients
    flow where they are on.
    """
    start, count = len(prompt), len(tree.tokens)
    # (start + count, start + count): the prompt is causal, a token of the tree sees it and its ancestors.
    seen = torch.zeros(start + count, start + count, dtype=torch.bool)
    seen[:start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
    seen[start:, :start] = True
    for number, path in enumerate(tree.paths):
        # Tree attention: siblings stand beside each other in the sequence and do not see each other.
        seen[start + number, [start + before for before in (*path, number)]] = True
    # A token's position is its depth, as if its path were the only answer.
    positions = [*range(start), *(start + len(path) for path in tree.paths)]
    device = next(model.parameters()).device
    output = model.base_model(
        input_ids=torch.tensor([[*prompt, *tree.tokens]], device=device),
        attention_mask=additive_mask(seen, model.dtype)[None, None].to(device),
        position_ids=torch.tensor([positions], device=device),
        use_cache=False,
    )
    states: Tensor = output.last_hidden_state[0, start:]
    return states


def answer_ids(vocabulary: Any, text: str, ended: bool) -> list[int]:
    """The tokens of an answer so far, and the end token where it is whole, as a policy writes them."""
    ids = list(vocabulary.encode(text))
    return [*ids, int(vocabulary.tokenizer.eos_token_id)] if ended else ids
