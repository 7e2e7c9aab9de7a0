"""The engine of a search over a `Decoder`: trees of tokens that share one flat cache.

All open places of a search go on together: the next token of every beam, with those that the grammar
then forces, is one forward pass. How steps are found: `step_beam`.

    engine = TreeDecoder(decoder, starts_step)
    [root] = engine.prefill([prompt])
    [(place, steps, tokens)] = engine.expand([root])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.decoder import Decoder, Row
from txt2sql.models.step_beam import (
    Beam,
    Decoding,
    Head,
    Open,
    Place,
    StepBeam,
    Token,
    TokenTree,
)
from txt2sql.types import Prompt

_DECODING = Decoding()


class TreeDecoder(StepBeam):
    """A search's Engine on a Decoder. `path` of a token is the Row that ends with it, read already."""

    def __init__(
        self,
        decoder: Decoder,
        starts: Callable[[str, str], bool],
        *,
        head: Head | None = None,
        decoding: Decoding = _DECODING,
    ) -> None:
        super().__init__(
            decoder.vocabulary, decoder.engine.vocabulary, decoder.vocabulary.end_ids,
            decoder.engine.context, starts, decoding,
            ends_read=head is not None,  # "stop here" and "go on" are scored apart
        )  # fmt: skip
        self.decoder, self.name, self.head = decoder, decoder.name, head

    def grammars(self) -> GrammarEngine:
        """See `StepBeam.grammars`."""
        return self.decoder.grammars()

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`: a cache for each prompt, its schema part from the store."""
        places = []
        for prompt in prompts:
            cache, row, output = self.decoder.prefill(prompt)
            following = self.following(output.logits[0], row.matcher)
            root = Token((), "", row.matcher, following, path=row, hidden=output.hidden[0])
            places.append(self.planted(TokenTree(row.position, cache), root))
        return places

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`. Raises ModelError without a head."""
        if self.head is None:
            raise ModelError("this engine has no value head; give it one to score steps")
        if not places:
            return []
        states = [self.trees[place.tree].tokens[place.token].hidden for place in places]
        return [float(score) for score in self.head(np.stack(states))]

    def read(self, asked: Sequence[tuple[Open, Beam]]) -> list[int]:
        """See `StepBeam.read`: one forward pass for all beams of a tree."""
        numbers = [0] * len(asked)
        by_tree: dict[int, list[int]] = {}
        for i, (each, _) in enumerate(asked):
            by_tree.setdefault(each.place.tree, []).append(i)
        for members in by_tree.values():
            rows, tokens = [], []
            for i in members:
                each, beam = asked[i]
                _, parent = self.at(each, beam)
                token = self.next(parent, beam.token)
                forced = [] if token.ended else self._force(token, each.before)
                before: Row = parent.path
                rows.append(replace(before, waiting=[beam.token, *forced]))
                tokens.append(token)
            tree = self.trees[asked[members[0]][0].place.tree]
            output = self.decoder.step(tree.home, rows)
            for n, i in enumerate(members):
                token = tokens[n]
                token.path, token.hidden = rows[n], output.hidden[n]
                if not token.ended:
                    token.following = self.following(output.logits[n], token.matcher)
                numbers[i] = self.grown(tree, token)
        return numbers

    def _force(self, token: Token, before: int) -> list[int]:
        """The tokens that the grammar forces after this one, which takes them in, up to the next step."""
        if token.matcher is None:
            return []
        forced: list[int] = []
        for each in self.grammars().forced(token.matcher):
            piece = self.pieces[each]
            if each in self.ends or self.starts(token.text[before:], piece):
                break
            token.matcher.consume_token(each)
            token.ids, token.text = (*token.ids, each), token.text + piece
            forced.append(each)
        return forced
