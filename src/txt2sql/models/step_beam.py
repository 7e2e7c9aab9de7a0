"""How the steps that can follow a step are found: a small beam within the step, whatever reads the tokens.

Where a step ends, the model's own probability says: that of a token which begins a new step, or of the
end. A place joins the batch whenever it is asked for and leaves it when it is done (continuous
batching, Yu et al. 2022): all open places go on by a token at a time.

`StepBeam` does this for every engine; how tokens are read is the engine's (`engine`).
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from txt2sql.models.constraint import GrammarEngine, token_bytes
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


@dataclass(slots=True, eq=False)
class Token:
    """A token of a tree that the model has read, and what can follow it: (token, log-probability),
    likeliest first. `path` and `hidden` are the engine's own.
    """

    ids: tuple[int, ...]
    text: str
    matcher: Any
    following: list[tuple[int, float]]
    ended: bool = False
    path: Any = ()
    hidden: Any = None


@dataclass(slots=True, eq=False)
class TokenTree:
    """The tokens of one question's answers; its prompt has `length` tokens, `home` is the engine's."""

    length: int
    home: Any
    row: int = 0
    tokens: list[Token] = field(default_factory=list)


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
"""Hidden states (n, size) of the last tokens of steps, as the engine has them -> scores (n,)."""


class Beam(NamedTuple):
    """A token that may be read next: log-probability since the step's place, ..."""

    logprob: float
    parent: int
    token: int
    own: bool
    """Whether the policy would have chosen just this, token by token."""


@dataclass(slots=True, eq=False)
class Open:
    """A place whose steps are being decoded."""

    place: Place
    before: int
    beams: list[Beam] = field(default_factory=list)
    steps: list[tuple[bool, Step]] = field(default_factory=list)
    found: float = 0.0
    cost: int = 0
    length: int = 0
    """Tokens that its beams have."""


class StepBeam:
    """What engines have in common. An engine fills `trees` and says how tokens are read (`read`).

    `starts(step, piece)`: does the text of a token begin a new step after a text? With `ends_read`, the
    end token of an answer is read, too, as every other.
    """

    def __init__(
        self,
        tokenizer: Any,
        size: int,
        end_ids: Sequence[int],
        context: int,
        starts: Callable[[str, str], bool],
        decoding: Decoding,
        ends_read: bool = False,
    ) -> None:
        self.tokenizer, self.size, self.context = tokenizer, size, context
        self.starts, self.decoding, self.ends_read = starts, decoding, ends_read
        self.most = decoding.max_new_tokens or ANSWER_TOKENS
        self.pieces = [piece.decode(errors="replace") for piece in token_bytes(tokenizer, size)]
        semicolons = [i for i, piece in enumerate(self.pieces) if piece.strip().startswith(";")]
        self.ends = frozenset([*end_ids, *semicolons])
        self.trees: dict[int, TokenTree] = {}
        self._open: list[Open] = []
        self._count = 0
        self._pace = 0.0

    def read(self, asked: Sequence[tuple[Open, Beam]]) -> list[int]:
        """Read one token for each beam; the numbers that the tokens have in their trees."""
        raise NotImplementedError

    def grammars(self) -> GrammarEngine:
        """What restricts the model's tokens to a grammar."""
        raise NotImplementedError

    def at(self, each: Open, beam: Beam) -> tuple[TokenTree, Token]:
        """The tree of a beam, and the token that it follows."""
        tree = self.trees[each.place.tree]
        return tree, tree.tokens[beam.parent]

    def following(self, logits: Any, matcher: Any) -> list[tuple[int, float]]:
        """The likeliest next tokens with their log-probabilities among those that are allowed."""
        allowed, values = None, logits
        if matcher is not None:
            allowed = np.flatnonzero(self.grammars().allowed(matcher, self.size))
            values = logits[allowed]
        highest = values.max()
        logprobs = values - (highest + math.log(np.exp(values - highest).sum()))
        count = min(self.decoding.candidates, len(logprobs))
        best = np.sort(np.argpartition(-logprobs, count - 1)[:count])  # ties: as argmax has them
        best = best[np.argsort(-logprobs[best], kind="stable")]
        ids = best if allowed is None else allowed[best]
        return list(zip(ids.tolist(), logprobs[best].tolist(), strict=True))

    def planted(self, tree: TokenTree, root: Token) -> Place:
        """The root's place of a new tree."""
        number, self._count = self._count, self._count + 1
        tree.tokens.append(root)
        self.trees[number] = tree
        return Place(number, 0)

    def grown(self, tree: TokenTree, token: Token) -> int:
        """The number of a token that was read."""
        tree.tokens.append(token)
        return len(tree.tokens) - 1

    def next(self, parent: Token, token: int) -> Token:
        """A token after its parent; what follows it is not known yet."""
        matcher, ended = parent.matcher, token in self.ends
        if matcher is not None and not ended:
            matcher = matcher.deep_copy()
            matcher.consume_token(token)
        text = parent.text + self.pieces[token]
        return Token((*parent.ids, token), text, matcher, [], ended)

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

    def _opened(self, place: Place) -> Open:
        token = self.trees[place.tree].tokens[place.token]
        opened = Open(place, len(token.text))
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
            Beam(logprob - scale, place.token, following, rank == 0)
            for rank, (following, logprob) in enumerate(likely)
        ]
        self._choose(opened, candidates)
        return opened

    def _advance(self) -> None:
        """Read the next token of every open beam, then see what can follow."""
        taken: list[Open] = []
        rows = 0
        for each in self._open:
            if rows and rows + len(each.beams) > self.decoding.max_rows:
                break
            taken.append(each)
            rows += len(each.beams)
        asked = [(each, beam) for each in taken for beam in each.beams]
        candidates: dict[int, list[Beam]] = {}
        for (each, beam), number in zip(asked, self.read(asked), strict=True):
            each.cost += 1
            candidates.setdefault(id(each), []).extend(self._followed(each, beam, number))
        for each in taken:
            self._choose(each, candidates.get(id(each), []))

    def _followed(self, each: Open, beam: Beam, number: int) -> Iterable[Beam]:
        """After a token was read: the steps that end with it are noted, other tokens may go on."""
        tree = self.trees[each.place.tree]
        token = tree.tokens[number]
        length = len(token.ids)
        # An answer that is too long is cut, as `generate` does.
        cut = length >= self.most or length + tree.length >= self.context
        if token.ended or cut:
            self._note(each, beam, number, 0.0, beam.own, True)
            return
        text = token.text[each.before :]
        ending, own = 0.0, False
        for rank, (following, logprob) in enumerate(token.following):
            likeliest = beam.own and rank == 0
            if following in self.ends and not self.ends_read:
                self._note(each, beam, number, logprob, likeliest, True)
            elif following not in self.ends and self.starts(text, self.pieces[following]):
                ending += math.exp(logprob)
                own = own or likeliest
            else:  # an end, too, where ends are read
                yield Beam(beam.logprob + logprob, number, following, likeliest)
        if ending:
            self._note(each, beam, number, math.log(ending), own, False)

    def _note(
        self, each: Open, beam: Beam, number: int, last: float, own: bool, ended: bool
    ) -> None:
        """A step that ends with a token that was read; `last` is the logprob of ending there."""
        tokens = self.trees[each.place.tree].tokens
        token, before = tokens[number], tokens[each.place.token]
        ids = token.ids[:-1] if token.ended else token.ids
        step = Step(
            Place(each.place.tree, number),
            decode(self.tokenizer, ids),
            beam.logprob + last,
            len(token.ids) - len(before.ids),
            ended,
        )
        each.found += math.exp(step.logprob)
        each.steps.append((own, step))

    def _choose(self, each: Open, candidates: Sequence[Beam]) -> None:
        """Which tokens are read next: the likeliest that can still become one of the best steps."""
        decoding = self.decoding
        each.length += 1
        floor = _floor(decoding, each.length)
        if each.found >= decoding.enough:
            floor = 0.0
        elif len(each.steps) >= decoding.width:
            best = heapq.nlargest(decoding.width, (step.logprob for _, step in each.steps))
            floor = max(floor, best[-1])
        likely = heapq.nlargest(decoding.width, candidates)
        each.beams = [beam for beam in likely if beam.logprob > floor]
        own = next((beam for beam in candidates if beam.own), None)
        if own is not None and own not in each.beams:
            each.beams.append(own)


def _ordered(each: Open, decoding: Decoding) -> tuple[Step, ...]:
    """The policy's own step, then the likeliest of the others; what tokens spell in two ways is one."""
    found: dict[tuple[str, bool], tuple[bool, Step]] = {}
    for own, step in sorted(each.steps, key=lambda found: (not found[0], -found[1].logprob)):
        key = (step.text, step.ended)
        if key in found:
            first, kept = found[key]
            together = replace(kept, logprob=_log_sum(kept.logprob, step.logprob))
            found[key] = (first, together)
        else:
            found[key] = own, step
    ranked = sorted(found.values(), key=lambda found: (not found[0], -found[1].logprob))
    likely = [step for own, step in ranked if own or step.logprob >= _floor(decoding, step.tokens)]
    return tuple(likely[: decoding.width])


def _floor(decoding: Decoding, length: int) -> float:
    """The least log-probability of a step of so many tokens: long ones, such as lines of reasoning, are
    all unlikely.
    """
    return math.log(decoding.least) * max(1.0, length / 16)


def _log_sum(one: float, two: float) -> float:
    return max(one, two) + math.log1p(math.exp(-abs(one - two)))
