"""The engine of a tree search over a `Decoder`: which steps can follow a step, by a small beam within it.

A *step* is a clause of a query (or a line of reasoning). Where one ends, the model's own probability
says: that of a token which begins a new step, or of the end. The tokens of all answers to a question
form a tree over one flat cache, so that a token is read once whatever follows it. A place joins the
batch whenever it is asked for and leaves it when it is done (continuous batching, Yu et al. 2022): all
open places go on by a token at a time, with those that the grammar then forces.

    engine = TreeDecoder(decoder, starts_step)
    [root] = engine.prefill([prompt])
    [(place, steps, tokens)] = engine.expand([root])
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.models.constraint import token_bytes
from txt2sql.models.decoder import Decoder, Row
from txt2sql.models.onnx_engine import Array
from txt2sql.models.tokenizer import decode
from txt2sql.prompts import ANSWER_TOKENS
from txt2sql.types import Prompt


class Place(NamedTuple):
    """A point in a tree where steps can follow: the number of its last token in that tree."""

    tree: int
    token: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `text` is the whole answer up to its end; `logprob` is of the step, and of its ending
    there, after its place. `ended`: the answer is whole. `tokens` counts those of the step.
    """

    place: Place
    text: str
    logprob: float
    tokens: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Decoding:
    """How steps are proposed: at most `width` for a place, by a beam of as many.

    A step less likely than `least`, in a step of more than 16 tokens less likely for each 16 of them,
    and what comes after steps that have `enough` of the probability between them, is not looked for.
    """

    width: int = 3
    least: float = 0.02
    enough: float = 0.97
    candidates: int = 12
    """Next tokens that are looked at after each token."""
    max_new_tokens: int | None = None
    """Of an answer. None: `prompts.ANSWER_TOKENS`."""
    max_rows: int = 128


class Engine(Protocol):
    """What a search asks of a model."""

    name: str

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """Read prompts; the place where each answer begins. Trees read together are batched."""
        ...

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        """Take places, return those that are done, with their steps and the tokens these cost.

        The steps are distinct, the policy's own choice (token by token the likeliest) first, then by
        falling probability. At least one place comes back while any is open, unless `until` (of
        time.perf_counter) is as near as may be. An unfinished place is given only once.
        """
        ...

    def score(self, places: Sequence[Place]) -> list[float]:
        """What a value head says of the steps that end at these places."""
        ...

    def free(self, root: Place) -> None:
        """Forget a tree and all that is open in it."""
        ...


Head = Callable[[Any], Any]
"""Hidden states (n, size) of the last tokens of steps -> scores (n,)."""


@dataclass(slots=True, eq=False)
class _Token:
    """A token that was read, with those that were forced after it. `ids` and `text` are of the whole
    answer so far; `following` are (token, log-probability) of what can come next, likeliest first.
    """

    ids: tuple[int, ...]
    text: str
    row: Row
    following: list[tuple[int, float]] = field(default_factory=list)
    hidden: Array | None = None
    """(size,) hidden state after it, for a value head."""
    ended: bool = False


@dataclass(slots=True, eq=False)
class _TokenTree:
    """The tokens of one question's answers over their cache; its prompt has `length` tokens."""

    length: int
    cache: Any
    tokens: list[_Token]


class _Beam(NamedTuple):
    """A token that may be read next: log-probability since the step's place, the number of the token it
    follows, and whether the policy would have chosen just this, token by token.
    """

    logprob: float
    parent: int
    token: int
    own: bool


@dataclass(slots=True, eq=False)
class _Open:
    """A place whose steps are being decoded; the text before it has `before` characters."""

    place: Place
    before: int
    beams: list[_Beam] = field(default_factory=list)
    steps: list[tuple[bool, Step]] = field(default_factory=list)
    mass: float = 0.0
    """Probability of the steps so far."""
    cost: int = 0
    length: int = 0
    """Tokens that its beams have."""


_DECODING = Decoding()


class TreeDecoder:
    """A search's Engine on a Decoder.

    `starts(step, piece)`: does the text of a token begin a new step after a text? With a `head`, the end
    token of an answer is read as every other, so that "stop here" and "go on" are scored apart.
    """

    def __init__(
        self,
        decoder: Decoder,
        starts: Callable[[str, str], bool],
        *,
        head: Head | None = None,
        decoding: Decoding = _DECODING,
    ) -> None:
        self.decoder, self.name, self.head = decoder, decoder.name, head
        self.starts, self.decoding = starts, decoding
        self.size = decoder.engine.vocabulary
        self.most = decoding.max_new_tokens or ANSWER_TOKENS
        pieces = token_bytes(decoder.vocabulary, self.size)
        self.pieces = [piece.decode(errors="replace") for piece in pieces]
        semicolons = [i for i, piece in enumerate(self.pieces) if piece.strip().startswith(";")]
        self.ends = frozenset([*decoder.vocabulary.end_ids, *semicolons])
        self.trees: dict[int, _TokenTree] = {}
        self._open: list[_Open] = []
        self._count = 0
        self._pace = 0.0  # seconds of the last token

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`: a cache for each prompt, its schema part from the store."""
        places = []
        for prompt in prompts:
            cache, row, output = self.decoder.prefill(prompt)
            following = self._following(output.logits[0], row.matcher)
            root = _Token((), "", row, following, output.hidden[0])
            self.trees[self._count] = _TokenTree(row.position, cache, [root])
            places.append(Place(self._count, 0))
            self._count += 1
        return places

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`. Raises ModelError without a head."""
        if self.head is None:
            raise ModelError("this engine has no value head; give it one to score steps")
        if not places:
            return []
        tokens = [self.trees[place.tree].tokens[place.token] for place in places]
        states = [np.asarray(token.hidden) for token in tokens]  # (size,) each
        return [float(score) for score in self.head(np.stack(states))]

    def free(self, root: Place) -> None:
        """See `Engine.free`."""
        self.trees.pop(root.tree, None)
        self._open = [each for each in self._open if each.place.tree != root.tree]

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        """See `Engine.expand`."""
        self._open += [self._opened(place) for place in places]
        while True:
            done = [each for each in self._open if not each.beams]
            now = time.perf_counter()
            # Where the next token would take longer than what is left twice over, it is not begun.
            if done or not self._open or now + self._pace / 2 >= until:
                self._open = [each for each in self._open if each.beams]
                return [(each.place, _ordered(each, self.decoding), each.cost) for each in done]
            self._advance()
            self._pace = time.perf_counter() - now

    # ----------------------------------------------------------------------------- reading tokens

    def read(self, beams: Sequence[tuple[_Open, _Beam]]) -> list[int]:
        """Read one token for each beam, and what is then forced, in one forward pass for each tree; the
        numbers that the tokens have in their trees.
        """
        numbers = [0] * len(beams)
        by_tree: dict[int, list[int]] = {}
        for i, (each, _) in enumerate(beams):
            by_tree.setdefault(each.place.tree, []).append(i)
        # A tree has a cache of its own, so it has a forward pass of its own: (beams, vocabulary).
        for number, members in by_tree.items():
            tree = self.trees[number]
            tokens = [self._next(tree, *beams[i]) for i in members]
            output = self.decoder.step(tree.cache, [token.row for token in tokens])
            for n, (i, token) in enumerate(zip(members, tokens, strict=True)):
                token.hidden = output.hidden[n]
                if not token.ended:
                    token.following = self._following(output.logits[n], token.row.matcher)
                numbers[i] = len(tree.tokens)
                tree.tokens.append(token)
        return numbers

    def _next(self, tree: _TokenTree, each: _Open, beam: _Beam) -> _Token:
        """The token of a beam, its row waiting to be read."""
        parent, ended = tree.tokens[beam.parent], beam.token in self.ends
        # Nothing is copied: the row sees the slots of its ancestors, and its siblings have theirs.
        row = replace(parent.row, waiting=[beam.token])
        token = _Token(
            (*parent.ids, beam.token), parent.text + self.pieces[beam.token], row, ended=ended
        )
        if row.matcher is None or ended:
            return token
        row.matcher = row.matcher.deep_copy()
        row.matcher.consume_token(beam.token)
        for forced in self.decoder.grammars().forced(row.matcher):
            piece = self.pieces[forced]
            if forced in self.ends or self.starts(token.text[each.before :], piece):
                break  # the next step
            row.matcher.consume_token(forced)
            row.waiting.append(forced)
            token.ids, token.text = (*token.ids, forced), token.text + piece
        return token

    def _following(self, logits: Array, matcher: Any) -> list[tuple[int, float]]:
        """The likeliest next tokens with their log-probabilities among those that are allowed."""
        allowed, values = None, logits  # (vocabulary,)
        if matcher is not None:
            allowed = np.flatnonzero(self.decoder.grammars().allowed(matcher, self.size))
            values = logits[allowed]
        highest = values.max()
        logprobs = values - (highest + math.log(np.exp(values - highest).sum()))
        count = min(self.decoding.candidates, len(logprobs))
        best = np.sort(np.argpartition(-logprobs, count - 1)[:count])  # ties: as argmax has them
        best = best[np.argsort(-logprobs[best], kind="stable")]
        ids = best if allowed is None else allowed[best]
        return list(zip(ids.tolist(), logprobs[best].tolist(), strict=True))

    # ----------------------------------------------------------------------------- finding steps

    def _opened(self, place: Place) -> _Open:
        token = self.trees[place.tree].tokens[place.token]
        opened = _Open(place, len(token.text))
        first, mass = not token.ids, 0.0
        likely = []
        for following, logprob in token.following:
            # Elsewhere than at the root the step has ended here: only a new one can follow.
            if first or (
                following not in self.ends and self.starts(token.text, self.pieces[following])
            ):
                likely.append((following, logprob))
                mass += math.exp(logprob)
        scale = 0.0 if first else math.log(mass) if mass else 0.0
        candidates = [
            _Beam(logprob - scale, place.token, following, rank == 0)
            for rank, (following, logprob) in enumerate(likely)
        ]
        self._choose(opened, candidates)
        return opened

    def _advance(self) -> None:
        """Read the next token of every open beam, then see what can follow."""
        taken: list[_Open] = []
        rows = 0
        for each in self._open:
            if rows and rows + len(each.beams) > self.decoding.max_rows:
                break
            taken.append(each)
            rows += len(each.beams)
        beams = [(each, beam) for each in taken for beam in each.beams]
        candidates: dict[int, list[_Beam]] = {id(each): [] for each in taken}
        for (each, beam), number in zip(beams, self.read(beams), strict=True):
            each.cost += 1
            candidates[id(each)] += self._followed(each, beam, number)
        for each in taken:
            self._choose(each, candidates[id(each)])

    def _followed(self, each: _Open, beam: _Beam, number: int) -> Iterable[_Beam]:
        """After a token was read: the steps that end with it are noted, other tokens may go on."""
        tree = self.trees[each.place.tree]
        token = tree.tokens[number]
        length = len(token.ids)
        # An answer that is too long is cut, as `generate` does.
        cut = length >= self.most or length + tree.length >= self.decoder.engine.context
        if token.ended or cut:
            self._note(each, beam, number, 0.0, beam.own, True)
            return
        text = token.text[each.before :]
        ending, own = 0.0, False
        for rank, (following, logprob) in enumerate(token.following):
            likeliest = beam.own and rank == 0
            if following in self.ends and self.head is None:
                self._note(each, beam, number, logprob, likeliest, True)
            elif following not in self.ends and self.starts(text, self.pieces[following]):
                ending += math.exp(logprob)
                own = own or likeliest
            else:  # an end, too, where ends are read
                yield _Beam(beam.logprob + logprob, number, following, likeliest)
        if ending:
            # All tokens that begin a new step end this one: their probabilities add up.
            self._note(each, beam, number, math.log(ending), own, False)

    def _note(
        self, each: _Open, beam: _Beam, number: int, last: float, own: bool, ended: bool
    ) -> None:
        """A step that ends with a token that was read; `last` is the logprob of ending there."""
        tokens = self.trees[each.place.tree].tokens
        token, before = tokens[number], tokens[each.place.token]
        ids = token.ids[:-1] if token.ended else token.ids
        step = Step(
            Place(each.place.tree, number),
            decode(self.decoder.vocabulary, ids),
            beam.logprob + last,
            len(token.ids) - len(before.ids),
            ended,
        )
        each.mass += math.exp(step.logprob)
        each.steps.append((own, step))

    def _choose(self, each: _Open, candidates: Sequence[_Beam]) -> None:
        """Which tokens are read next: the likeliest that can still become one of the best steps."""
        decoding = self.decoding
        each.length += 1
        floor = _floor(decoding, each.length)
        if each.mass >= decoding.enough:
            floor = 0.0
        elif len(each.steps) >= decoding.width:
            best = heapq.nlargest(decoding.width, (step.logprob for _, step in each.steps))
            floor = max(floor, best[-1])
        # A beam below the floor could not end as one of the `width` likeliest steps: it is not read.
        likely = heapq.nlargest(decoding.width, candidates)
        each.beams = [beam for beam in likely if beam.logprob > floor]
        # The greedy continuation is never lost, so that the greedy answer is in every tree.
        own = next((beam for beam in candidates if beam.own), None)
        if own is not None and own not in each.beams:
            each.beams.append(own)


def _ordered(each: _Open, decoding: Decoding) -> tuple[Step, ...]:
    """The policy's own step, then the likeliest of the others; what tokens spell in two ways is one."""
    distinct: dict[tuple[str, bool], tuple[bool, Step]] = {}
    for own, step in sorted(each.steps, key=_rank):
        key = (step.text, step.ended)
        if key in distinct:
            first, likelier = distinct[key]
            logprob = float(np.logaddexp(likelier.logprob, step.logprob))
            distinct[key] = (first, replace(likelier, logprob=logprob))
        else:
            distinct[key] = own, step
    ranked = sorted(distinct.values(), key=_rank)
    likely = [step for own, step in ranked if own or step.logprob >= _floor(decoding, step.tokens)]
    return tuple(likely[: decoding.width])


def _rank(step: tuple[bool, Step]) -> tuple[bool, float]:
    return not step[0], -step[1].logprob


def _floor(decoding: Decoding, length: int) -> float:
    """The least log-probability of a step of so many tokens: long ones, such as lines of reasoning, are
    all unlikely.
    """
    return math.log(decoding.least) * max(1.0, length / 16)
