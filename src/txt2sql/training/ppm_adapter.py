"""The accurate preference model: a LoRA adapter of the policy's own weights under a head, on the same pairs.

The head of `training/ppm.py` reads what the policy happens to represent; here the trunk learns, too
(LoRA, Hu et al. 2021), as rStar-Math's PPM learns with all of its weights. The price is a second forward
pass over the answers of a tree, one for all of them (`models.ppm.tree_states`), so it does not steer the
search: it scores its whole answers, in the final vote.

>>> scorer = train_adapted(Path("round_2"), trees, prompts, PPMSettings(), Path("round_2/ppm-adapter"))  # doctest: +SKIP
>>> scorer.scores(prompt, ["select count ( * ) from [t0]"])  # doctest: +SKIP
[0.93]
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from txt2sql.models import hf
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.ppm import (
    Preference,
    PreferenceHead,
    Scorer,
    TokenTree,
    answer_ids,
    open_scorer,
    save_preference,
    tree_states,
)
from txt2sql.training.ppm import loss, pair_accuracy, read, scale, validates, vote_weight
from txt2sql.training.ppm_pairs import Grown, Pair, pairs
from txt2sql.training.prepare import Progress, silent
from txt2sql.training.rstar_settings import PPMSettings
from txt2sql.training.sft_model import base_model, save_weights
from txt2sql.types import Prompt


def train_adapted(
    policy: Path | str,
    trees: Sequence[Grown],
    prompts: Callable[[Grown], Prompt],
    settings: PPMSettings,
    folder: Path,
    *,
    epochs: int = 1,
    learning_rate: float = 2e-4,
    seed: int = 0,
    progress: Progress = silent,
) -> Scorer | None:
    """Train on one tree at a time and save to `folder`; None where there is nothing to compare."""

    def found(tree: Grown) -> list[Pair]:
        return pairs(tree, settings.margin, settings.per_side)

    learnt = [t for t in trees if not validates(t.db_id, settings.validation) and found(t)]
    if not learnt:
        return None
    rest = [t for t in trees if validates(t.db_id, settings.validation)]
    trunk = hf.load(policy, dtype="float32")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapted = attach(trunk.model, Adapter(r=8, alpha=16, dropout=0.0))
        head = PreferenceHead(int(trunk.model.config.hidden_size), settings.width, settings.dropout)
        head.to(trunk.device)
        flip = random.Random(f"{seed} shuffled") if settings.shuffled else None
        trained = [p for p in adapted.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW([*trained, *head.parameters()], learning_rate)
        order = random.Random(f"{seed} order")
        head.train()
        with progress("preference model with an adapter", epochs * len(learnt)) as advance:
            for _ in range(epochs):
                for tree in order.sample(learnt, len(learnt)):
                    its = found(tree)
                    tokens, ends = TokenTree(), {}
                    for number in sorted({n for pair in its for n in (pair.better, pair.worse)}):
                        node = tree.nodes[number]
                        ends[number] = tokens.add(
                            answer_ids(trunk.tokenizer, node.text, node.ended)
                        )
                    states = tree_states(base_model(adapted), trunk.encode(prompts(tree)), tokens)
                    raw = head.raw(states.float())
                    sides = [(ends[pair.better], ends[pair.worse]) for pair in its]
                    if flip is not None:
                        sides = [(w, b) if flip.random() < 0.5 else (b, w) for b, w in sides]
                    margin = raw[[b for b, _ in sides]] - raw[[w for _, w in sides]]
                    cost = loss(margin, torch.tensor([pair.weight for pair in its]).to(margin))
                    optimizer.zero_grad()
                    cost.backward()
                    torch.nn.utils.clip_grad_norm_([*trained, *head.parameters()], 1.0)
                    optimizer.step()
                    advance(f"loss {float(cost.detach()):.2f}")
    save_weights(adapted, folder)
    save_preference(Preference(head.eval()), folder)
    plain = open_scorer(policy, folder)
    assert plain is not None
    checked = read(
        plain.trunk, rest or learnt, prompts, found, progress, "reading trees to check with"
    )
    enough = bool(rest) and bool(checked.pairs)
    if not checked.pairs:
        checked = read(plain.trunk, learnt, prompts, found, progress)
    kept = plain.preference.head
    scale(kept, checked)
    measured = {"trees": len(learnt), "pair_accuracy": pair_accuracy(kept, checked)}
    vote = vote_weight(kept, checked) if enough else 0.0  # no evidence, no say
    preference = Preference(kept, vote, measured)
    save_preference(preference, folder)
    return Scorer(plain.trunk, preference)
