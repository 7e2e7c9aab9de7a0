"""The engine of a search: a language model that proposes the steps which can follow a step.

Four methods (`Engine`): `prefill` reads prompts, `expand` proposes next steps, `score` asks a value
head, `free` forgets a tree. On transformers, a tree of tokens shares one cache (`tree_cache`), and
steps that many places wait for are decoded together, a token of each at a time: a place joins the
batch whenever it is asked for and leaves it when it is done (continuous batching, Yu et al. 2022).

A place's next steps are found by a small beam within the step. Where a step ends, the model's own
probability says: that of a token which begins a new step, or of the end. Tokens are weighed under the
grammar of inference (`constraint`), the same as in `HFGenerator`.

    engine = HFEngine(hf.load("bundled"), starts_step)
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
import torch

from txt2sql.errors import ModelError
from txt2sql.models.constraint import token_bytes
from txt2sql.models.decoding import decode
from txt2sql.models.hf import HFGenerator
from txt2sql.models.tree_cache import NewToken, TreeCache
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
        time.perf_counter) has passed. An unfinished place is given only once.
        """
        ...

    def score(self, places: Sequence[Place]) -> list[float]:
        """What a value head says of the steps that end at these places."""
        ...

    def free(self, root: Place) -> None:
        """Forget a tree and all that is open in it."""
        ...


Head = Callable[[torch.Tensor], torch.Tensor]
"""Hidden states (n, size) of the last tokens of steps -> scores (n,)."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How steps are proposed: at most `width` for a place, by a beam of as many.

    A step less likely than `least`, in a step of more than 16 tokens less likely for each 16 of them,
    and what comes after steps that have `enough` of the probability between them, is not looked for.
    """

    width: int = 6
    least: float = 0.0005
    enough: float = 0.9995
    candidates: int = 12
    """Next tokens that are looked at after each token."""
    max_new_tokens: int | None = None
    """Of an answer. None: as many as `prompts.ANSWER_TOKENS` has for the style."""
    max_rows: int = 128


@dataclass(slots=True, eq=False)
class _Token:
    """A token of a tree that the model has read, and what can follow it."""

    slot: int
    path: tuple[int, ...]
    ids: tuple[int, ...]
    text: str
    matcher: Any
    following: list[tuple[int, float]]
    hidden: torch.Tensor | None
    ended: bool = False


@dataclass(slots=True, eq=False)
class _Tree:
    group: _Group
    row: int
    tokens: list[_Token] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Group:
    """Trees that were read together, in the rows of one cache."""

    cache: TreeCache


class _Beam(NamedTuple):
    """A token that may be read next: log-probability since the step's place, ..."""

    logprob: float
    parent: int
    token: int
    own: bool
    """Whether the policy would have chosen just this, token by token."""


@dataclass(slots=True, eq=False)
class _Open:
    """A place whose steps are being decoded."""

    place: Place
    before: int
    beams: list[_Beam] = field(default_factory=list)
    steps: list[tuple[bool, Step]] = field(default_factory=list)
    found: float = 0.0
    cost: int = 0
    length: int = 0
    """Tokens that its beams have."""


class HFEngine:
    """An Engine on the model of an HFGenerator: any causal model, plain or prefix.

    `starts(step, piece)`: does the text of a token begin a new step after what a step holds so far?
    """

    def __init__(
        self,
        generator: HFGenerator,
        starts: Callable[[str, str], bool],
        *,
        head: Head | None = None,
        decoding: Decoding = Decoding(),
    ) -> None:
        model = generator.model
        if generator.encoder_decoder:
            raise ModelError(f"'{generator.name}' is no causal model; a search needs one")
        if model.config._attn_implementation not in ("sdpa", "eager"):
            raise ModelError("a search needs sdpa or eager attention; load the model with one")
        self.generator, self.name, self.model = generator, generator.name, model
        self.starts, self.head, self.decoding = starts, head, decoding
        compact = generator.prompt_style == "compact"
        self.most = decoding.max_new_tokens or ANSWER_TOKENS[generator.prompt_style]
        window = getattr(model.config, "sliding_window", None) or generator.context
        self.context = min(generator.context, window)
        self.size = int(model.get_output_embeddings().weight.shape[0])
        self.pieces = [
            piece.decode(errors="replace") for piece in token_bytes(generator.tokenizer, self.size)
        ]
        semicolons = [i for i, piece in enumerate(self.pieces) if piece.strip().startswith(";")]
        self.ends = frozenset([*generator.end_ids, *([] if compact else semicolons)])
        self._trees: dict[int, _Tree] = {}
        self._open: list[_Open] = []
        self._count = 0

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`."""
        encoded = [self.generator.encode(prompt) for prompt in prompts]
        cache = TreeCache(self.model, encoded)
        group = _Group(cache)
        places = []
        logits = cache.logits.float().cpu().numpy()
        for row, prompt in enumerate(prompts):
            number, self._count = self._count, self._count + 1
            grammar = prompt.grammar
            matcher = None if grammar is None else self.generator.grammars().matcher(grammar)
            following = self._following(logits[row], matcher)
            tree = _Tree(group, row)
            tree.tokens.append(_Token(-1, (), (), "", matcher, following, cache.hidden[row]))
            self._trees[number] = tree
            places.append(Place(number, 0))
        return places

    def free(self, root: Place) -> None:
        """See `Engine.free`."""
        self._trees.pop(root.tree, None)
        self._open = [each for each in self._open if each.place.tree != root.tree]

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`. Raises ModelError without a head."""
        if self.head is None:
            raise ModelError("this engine has no value head; give it one to score steps")
        if not places:
            return []
        states = [self._trees[place.tree].tokens[place.token].hidden for place in places]
        with torch.inference_mode():
            return list(self.head(torch.stack([s for s in states if s is not None])).tolist())

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        """See `Engine.expand`."""
        self._open += [self._opened(place) for place in places]
        while True:
            done = [each for each in self._open if not each.beams]
            if done or not self._open or time.perf_counter() >= until:
                self._open = [each for each in self._open if each.beams]
                return [(each.place, _ordered(each, self.decoding), each.cost) for each in done]
            self._advance()

    def _opened(self, place: Place) -> _Open:
        token = self._trees[place.tree].tokens[place.token]
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
        groups: dict[int, tuple[_Group, list[tuple[_Open, _Beam]]]] = {}
        for each in taken:
            group = self._trees[each.place.tree].group
            asked = groups.setdefault(id(group), (group, []))[1]
            asked += [(each, beam) for beam in each.beams]
        for group, asked in groups.values():
            read = self._read(group, asked)
            candidates: dict[int, list[_Beam]] = {}
            for (each, beam), number in zip(asked, read, strict=True):
                candidates.setdefault(id(each), []).extend(self._followed(each, beam, number))
            for each in dict.fromkeys(each for each, _ in asked):
                self._choose(each, candidates[id(each)])

    def _read(self, group: _Group, asked: Sequence[tuple[_Open, _Beam]]) -> list[int]:
        """Read one token for each beam; the numbers that the tokens have in their trees."""
        rows: list[list[NewToken]] = [[] for _ in group.cache.lengths]
        places = []
        for each, beam in asked:
            tree = self._trees[each.place.tree]
            parent = tree.tokens[beam.parent]
            places.append((tree, parent, len(rows[tree.row])))
            rows[tree.row].append(NewToken(beam.token, parent.path))
        starts = list(group.cache.used)
        logits, hidden = group.cache.read(rows)
        values = [each.float().cpu().numpy() for each in logits]
        numbers = []
        for (each, beam), (tree, parent, column) in zip(asked, places, strict=True):
            slot = starts[tree.row] + column
            matcher = parent.matcher
            ended = beam.token in self.ends
            if matcher is not None and not ended:
                matcher = matcher.deep_copy()
                matcher.consume_token(beam.token)
            following = [] if ended else self._following(values[tree.row][column], matcher)
            tree.tokens.append(
                _Token(
                    slot,
                    (*parent.path, slot),
                    (*parent.ids, beam.token),
                    parent.text + self.pieces[beam.token],
                    matcher,
                    following,
                    hidden[tree.row][column],
                    ended,
                )
            )
            numbers.append(len(tree.tokens) - 1)
            each.cost += 1
        return numbers

    def _followed(self, each: _Open, beam: _Beam, number: int) -> Iterable[_Beam]:
        """After a token was read: the steps that end with it are noted, other tokens may go on."""
        tree = self._trees[each.place.tree]
        token = tree.tokens[number]
        length = len(token.ids)
        # An answer that is too long is cut, as `generate` does.
        cut = length >= self.most or length + tree.group.cache.lengths[tree.row] >= self.context
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
            else:  # a head reads the end, too
                yield _Beam(beam.logprob + logprob, number, following, likeliest)
        if ending:
            self._note(each, beam, number, math.log(ending), own, False)

    def _note(
        self, each: _Open, beam: _Beam, number: int, last: float, own: bool, ended: bool
    ) -> None:
        """A step that ends with a token that was read; `last` is the logprob of ending there."""
        tokens = self._trees[each.place.tree].tokens
        token, before = tokens[number], tokens[each.place.token]
        ids = token.ids[:-1] if token.ended else token.ids
        step = Step(
            Place(each.place.tree, number),
            decode(self.generator.tokenizer, ids),
            beam.logprob + last,
            len(token.ids) - len(before.ids),
            ended,
        )
        each.found += math.exp(step.logprob)
        each.steps.append((own, step))

    def _choose(self, each: _Open, candidates: Sequence[_Beam]) -> None:
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

    def _following(self, logits: Any, matcher: Any) -> list[tuple[int, float]]:
        """The likeliest next tokens with their log-probabilities among those that are allowed."""
        allowed, values = None, logits
        if matcher is not None:
            allowed = np.flatnonzero(self.generator.grammars().allowed(matcher, self.size))
            values = logits[allowed]
        highest = values.max()
        logprobs = values - (highest + math.log(np.exp(values - highest).sum()))
        count = min(self.decoding.candidates, len(logprobs))
        best = np.sort(np.argpartition(-logprobs, count - 1)[:count])  # ties: as argmax has them
        best = best[np.argsort(-logprobs[best], kind="stable")]
        ids = best if allowed is None else allowed[best]
        return list(zip(ids.tolist(), logprobs[best].tolist(), strict=True))


def _ordered(each: _Open, decoding: Decoding) -> tuple[Step, ...]:
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
