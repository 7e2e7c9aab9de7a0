"""The engine of a search: a language model that proposes the steps which can follow a step.

Four methods (`Engine`): `prefill` reads prompts, `expand` proposes next steps, `score` asks a value
head, `free` forgets a tree. On transformers, a tree of tokens shares one cache (`tree_cache`), and the
next tokens of all places that wait are read together. Tokens are weighed under the grammar of
inference (`constraint`), the same as in `HFGenerator`. How steps are found: `step_beam`.

    engine = HFEngine(hf.load("bundled"), starts_step)
    [root] = engine.prefill([prompt])
    [(place, steps, tokens)] = engine.expand([root])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from txt2sql.errors import ModelError
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.hf import HFGenerator
from txt2sql.models.step_beam import (
    Beam,
    Decoding,
    Engine,
    Head,
    Open,
    Place,
    Step,
    StepBeam,
    Token,
    TokenTree,
)
from txt2sql.models.tree_cache import NewToken, TreeCache
from txt2sql.types import Prompt

__all__ = ["Decoding", "Engine", "HFEngine", "Head", "Place", "Step"]

_DECODING = Decoding()


class HFEngine(StepBeam):
    """An Engine on the model of an HFGenerator: any causal model, plain or prefix. See `StepBeam`."""

    def __init__(
        self,
        generator: HFGenerator,
        starts: Callable[[str, str], bool],
        *,
        head: Head | None = None,
        decoding: Decoding = _DECODING,
    ) -> None:
        model = generator.model
        if model.config._attn_implementation not in ("sdpa", "eager"):
            raise ModelError("a search needs sdpa or eager attention; load the model with one")
        window = getattr(model.config, "sliding_window", None) or generator.context
        super().__init__(
            generator.tokenizer, int(model.get_output_embeddings().weight.shape[0]),
            generator.end_ids, min(generator.context, window), starts,
            decoding, ends_read=head is not None,  # "stop here" and "go on" are scored apart
        )  # fmt: skip
        self.generator, self.name, self.model, self.head = generator, generator.name, model, head

    def grammars(self) -> GrammarEngine:
        """See `StepBeam.grammars`."""
        return self.generator.grammars()

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`."""
        encoded = [self.generator.encode(prompt) for prompt in prompts]
        cache = TreeCache(self.model, encoded)
        places = []
        logits = cache.logits.float().cpu().numpy()
        for row, prompt in enumerate(prompts):
            grammar = prompt.grammar
            matcher = None if grammar is None else self.generator.grammars().matcher(grammar)
            following = self.following(logits[row], matcher)
            root = Token((), "", matcher, following, hidden=cache.hidden[row])
            places.append(self.planted(TokenTree(len(encoded[row]), cache, row), root))
        return places

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`. Raises ModelError without a head."""
        if self.head is None:
            raise ModelError("this engine has no value head; give it one to score steps")
        if not places:
            return []
        states = [self.trees[place.tree].tokens[place.token].hidden for place in places]
        with torch.inference_mode():
            return list(self.head(torch.stack(states)).tolist())

    def read(self, asked: Sequence[tuple[Open, Beam]]) -> list[int]:
        """See `StepBeam.read`: a batch of the model for the trees that share a cache."""
        numbers = [0] * len(asked)
        together: dict[int, list[int]] = {}
        for i, (each, _) in enumerate(asked):
            together.setdefault(id(self.trees[each.place.tree].home), []).append(i)
        for members in together.values():
            cache: TreeCache = self.trees[asked[members[0]][0].place.tree].home
            rows: list[list[NewToken]] = [[] for _ in cache.lengths]
            starts, columns = list(cache.used), []
            for i in members:
                tree, parent = self.at(*asked[i])
                columns.append(len(rows[tree.row]))
                rows[tree.row].append(NewToken(asked[i][1].token, parent.path))
            logits, hidden = cache.read(rows)
            values = [each.float().cpu().numpy() for each in logits]
            for i, column in zip(members, columns, strict=True):
                tree, parent = self.at(*asked[i])
                token = self.next(parent, asked[i][1].token)
                if not token.ended:
                    token.following = self.following(values[tree.row][column], token.matcher)
                token.path = (*parent.path, starts[tree.row] + column)
                token.hidden = hidden[tree.row][column]
                numbers[i] = self.grown(tree, token)
        return numbers
