"""The engine of a tree search over a `Decoder`: which steps can follow a step, by a small beam within it.

A *step* is a clause of a query. Where one ends, the model's own probability says: that of a token which
begins a new step, or of the end. The tokens of all answers to a question form a tree over one flat cache,
so that a token is read once whatever follows it. All open places go on by a token at a time, with those
that the grammar then forces (continuous batching, Yu et al. 2022).
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.models.decoder import Decoder, Row
from txt2sql.models.onnx_engine import Array
from txt2sql.prompts import ANSWER_TOKENS
from txt2sql.types import Prompt

_ROWS = 128  # tokens that are read together, at most


class Place(NamedTuple):
    """A point in a tree where steps can follow: the number of its last token in that tree."""

    tree: int
    token: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `text` is the whole answer up to its end; `logprob` is of the step, and of its
    ending there, after its place. `ended`: the answer is whole."""

    place: Place
    text: str
    logprob: float
    tokens: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Decoding:
    """How steps are proposed: at most `width` for a place, by a beam of as many that looks at
    `candidates` next tokens. Steps less likely than `least`, or after `enough` of the probability,
    are not looked for."""

    width: int = 3
    least: float = 0.02
    enough: float = 0.97
    candidates: int = 12
    max_new_tokens: int = ANSWER_TOKENS

    def floor(self, length: int) -> float:
        """The least log-probability of a step of so many tokens: long ones, such as lines of
        reasoning, are all unlikely."""
        return math.log(self.least) * max(1.0, length / 16)


Head = Callable[[Any], Any]  # hidden states (n, size) of the last tokens of steps -> scores (n,)


@dataclass(slots=True, eq=False)
class _Token:
    """A token that was read, with those that were forced after it: the row that ends with them and
    the whole text so far. `following` are (token, log-probability), likeliest first."""

    row: Row
    text: str = ""
    following: list[tuple[int, float]] = field(default_factory=list)
    hidden: Array | None = None


class _TokenTree(NamedTuple):
    cache: Any
    tokens: list[_Token]


class _Beam(NamedTuple):
    """A token that may be read next: log-probability since the step's place, the number of the
    token it follows, and whether the policy would have chosen just this, token by token."""

    logprob: float
    parent: int
    token: int
    own: bool


@dataclass(slots=True, eq=False)
class _Open:
    """A place whose steps are being decoded. `steps` are those that were found, and whether each is
    the policy's own; they have the probability `mass`. `length` counts the tokens of a beam."""

    place: Place
    start: _Token
    beams: list[_Beam] = field(default_factory=list)
    steps: list[tuple[bool, Step]] = field(default_factory=list)
    mass: float = 0.0
    cost: int = 0
    length: int = 0


class TreeDecoder:
    """What a search asks of a model. `starts(step, piece)`: does the text of a token begin a new
    step? With a `head`, the end token is read as every other, so that stopping and going on are
    scored apart."""

    def __init__(
        self,
        decoder: Decoder,
        starts: Callable[[str, str], bool],
        *,
        head: Head | None = None,
        decoding: Decoding = Decoding(),
    ) -> None:
        self.decoder, self.name, self.head = decoder, decoder.name, head
        self.starts, self.decoding = starts, decoding
        self.pieces = decoder.grammars.pieces()
        semicolons = [i for i, piece in enumerate(self.pieces) if piece.strip().startswith(";")]
        self.ends = frozenset([*decoder.vocabulary.end_ids, *semicolons])
        self.trees: dict[int, _TokenTree] = {}
        self._open: list[_Open] = []
        self._count = 0
        self._pace = 0.0  # seconds of the last token

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        places = []
        for prompt in prompts:
            cache, row, output = self.decoder.prefill(prompt)
            root = _Token(row)
            self._read(root, output.logits[0], output.hidden[0])
            self.trees[self._count] = _TokenTree(cache, [root])
            places.append(Place(self._count, 0))
            self._count += 1
        return places

    def score(self, places: Sequence[Place]) -> list[float]:
        """What the head says of the steps that end at these places. Raises ModelError without one."""
        if self.head is None:
            raise ModelError("this engine has no value head; give it one to score steps")
        if not places:
            return []
        states = [np.asarray(self.trees[p.tree].tokens[p.token].hidden) for p in places]
        return [float(score) for score in self.head(np.stack(states))]

    def free(self, root: Place) -> None:
        self.trees.pop(root.tree, None)
        self._open = [each for each in self._open if each.place.tree != root.tree]

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        """Take places, return those that are done, with their distinct steps, the policy's own
        choice first, and the tokens these cost. At least one comes back while any is open, unless
        `until` (of time.perf_counter) is near. An unfinished place is given only once."""
        self._open += [self._opened(place) for place in places]
        while True:
            done = [each for each in self._open if not each.beams]
            now = time.perf_counter()
            # Where the next token would take longer than what is left twice over, it is not begun.
            if done or not self._open or now + self._pace / 2 >= until:
                self._open = [each for each in self._open if each.beams]
                return [(each.place, self._ordered(each.steps), each.cost) for each in done]
            self._advance()
            self._pace = time.perf_counter() - now

    # ----------------------------------------------------------------------------- reading tokens

    def read(self, tree: _TokenTree, beams: Sequence[tuple[_Open, _Beam]]) -> range:
        """Read one token for each beam, and what is then forced; the numbers they have in the tree."""
        tokens = [self._next(tree, *each) for each in beams]
        output = self.decoder.step(tree.cache, [token.row for token in tokens])
        for token, logits, hidden in zip(tokens, output.logits, output.hidden, strict=True):
            self._read(token, logits, hidden)
        tree.tokens.extend(tokens)
        return range(len(tree.tokens) - len(tokens), len(tree.tokens))

    def _read(self, token: _Token, logits: Array, hidden: Array) -> None:
        token.hidden = hidden
        if not token.row.ended:
            count = self.decoding.candidates
            token.following = self.decoder.likeliest(token.row.matcher, logits, count)

    def _next(self, tree: _TokenTree, each: _Open, beam: _Beam) -> _Token:
        parent = tree.tokens[beam.parent]

        def text(row: Row) -> str:
            return parent.text + "".join(self.pieces[token] for token in row.waiting)

        def goes_on(row: Row, forced: int) -> bool:
            begins = self.starts(text(row)[len(each.start.text) :], self.pieces[forced])
            return forced not in self.ends and not begins

        row = self.decoder.extend(parent.row, beam.token, 0.0, self.ends, goes_on)
        return _Token(row, text(row))

    # ----------------------------------------------------------------------------- finding steps

    def _opened(self, place: Place) -> _Open:
        token = self.trees[place.tree].tokens[place.token]
        likely, scale = token.following, 0.0
        if token.row.tokens:
            # Elsewhere than at the root the step has ended here: only a new one can follow.
            likely = [each for each in likely if self._begins(token.text, each[0])]
            mass = sum(math.exp(logprob) for _, logprob in likely)
            scale = math.log(mass) if mass else 0.0
        opened = _Open(place, token)
        candidates = [
            _Beam(logprob - scale, place.token, following, rank == 0)
            for rank, (following, logprob) in enumerate(likely)
        ]
        self._choose(opened, candidates)
        return opened

    def _begins(self, text: str, token: int) -> bool:
        return token not in self.ends and self.starts(text, self.pieces[token])

    def _advance(self) -> None:
        totals = accumulate(len(each.beams) for each in self._open)
        taken = [each for each, rows in zip(self._open, totals) if rows <= _ROWS] or self._open[:1]
        # A tree has a cache of its own, so it has a forward pass of its own: (beams, vocabulary).
        for number in dict.fromkeys(each.place.tree for each in taken):
            members = [each for each in taken if each.place.tree == number]
            beams = [(each, beam) for each in members for beam in each.beams]
            numbers = iter(self.read(self.trees[number], beams))
            for each in members:
                each.cost += len(each.beams)
                followed = [self._followed(each, beam, next(numbers)) for beam in each.beams]
                self._choose(each, list(chain.from_iterable(followed)))

    def _followed(self, each: _Open, beam: _Beam, number: int) -> Iterator[_Beam]:
        token = self.trees[each.place.tree].tokens[number]
        tokens = token.row.tokens

        def note(last: float, own: bool, ended: bool) -> None:
            text = self.decoder.vocabulary.decode(tokens[:-1] if token.row.ended else tokens)
            logprob, length = beam.logprob + last, len(tokens) - len(each.start.row.tokens)
            step = Step(Place(each.place.tree, number), text, logprob, length, ended)
            each.mass += math.exp(logprob)
            each.steps.append((own, step))

        # An answer that is too long is cut, as `generate` does.
        full = token.row.seen.sum() >= self.decoder.engine.context
        if token.row.ended or full or len(tokens) >= self.decoding.max_new_tokens:
            note(0.0, beam.own, True)
            return
        text = token.text[len(each.start.text) :]
        ending, ends_own = 0.0, False
        for rank, (following, logprob) in enumerate(token.following):
            own = beam.own and rank == 0
            if following in self.ends and self.head is None:
                note(logprob, own, True)
            elif self._begins(text, following):
                ending += math.exp(logprob)
                ends_own = ends_own or own
            else:  # an end, too, where ends are read
                yield _Beam(beam.logprob + logprob, number, following, own)
        if ending:
            # All tokens that begin a new step end this one: their probabilities add up.
            note(math.log(ending), ends_own, False)

    def _choose(self, each: _Open, candidates: Sequence[_Beam]) -> None:
        width = self.decoding.width
        each.length += 1
        floor = self.decoding.floor(each.length)
        if each.mass >= self.decoding.enough:
            floor = 0.0
        elif len(each.steps) >= width:
            floor = max(floor, heapq.nlargest(width, (s.logprob for _, s in each.steps))[-1])
        # A beam below the floor could not end as one of the `width` likeliest steps: it is not read.
        likely = heapq.nlargest(width, candidates)
        each.beams = [beam for beam in likely if beam.logprob > floor]
        # The greedy continuation is never lost, so that the greedy answer is in every tree.
        own = next((beam for beam in candidates if beam.own), None)
        if own is not None and own not in each.beams:
            each.beams.append(own)

    def _ordered(self, steps: Sequence[tuple[bool, Step]]) -> tuple[Step, ...]:
        def rank(step: tuple[bool, Step]) -> tuple[bool, float]:
            return not step[0], -step[1].logprob

        distinct: dict[tuple[str, bool], tuple[bool, Step]] = {}
        for own, step in sorted(steps, key=rank):
            first, likelier = distinct.get((step.text, step.ended), (own, None))
            if likelier is not None:
                logprob = float(np.logaddexp(likelier.logprob, step.logprob))
                step = replace(likelier, logprob=logprob)
            distinct[step.text, step.ended] = first, step
        floor = self.decoding.floor
        likely = [
            step
            for own, step in sorted(distinct.values(), key=rank)
            if own or step.logprob >= floor(step.tokens)
        ]
        return tuple(likely[: self.decoding.width])
