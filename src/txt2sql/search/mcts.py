"""Monte Carlo tree search with a policy prior: PUCT on edges, leaves in parallel, no SQL.

PUCT (Silver et al. 2017, AlphaGo Zero), virtual loss and leaf parallelisation (Chaslot et al. 2008),
transpositions, first-play urgency. Statistics are kept on edges, so that one node can be reached in
several ways. Nothing is rolled out, but for the first simulation, which follows the policy's own choices
to an end, so that there always is an answer. Up to `wave` leaves are open at a time, in all trees
together, so a batch of a language model stays full. The same roots, functions and seed give the same trees.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Choice(Generic[S]):
    """A state that can follow; `prior` is the policy's weight, relative to its siblings. States of
    one `key` are one node of the tree; None is no other state's key."""

    state: S
    prior: float
    key: Hashable = None
    terminal: bool = False


@dataclass(frozen=True, slots=True)
class Expansion(Generic[S]):
    """What follows a state, the policy's own choice first; what it cost; and what was refused, as
    (text, reason) for people to read."""

    choices: tuple[Choice[S], ...]
    tokens: int = 0
    refused: tuple[tuple[str, str], ...] = ()


Expand = Callable[[Sequence[S], float], list[tuple[S, Expansion[S]]]]
"""Takes states to expand and returns those that are finished, of these or of earlier calls. At least one
comes back while any is open, unless the time (of time.perf_counter) is as near as may be.
"""

Value = Callable[[Sequence[S]], Sequence[float]]
"""The values of states, each in [-1, 1]; terminal ones are asked about when they are first reached."""

_COLLISIONS = 0.3  # a wave is full when so large a part of it met leaves that are open already


@dataclass(frozen=True, slots=True)
class Settings:
    """How a tree is searched. `seconds` end it early; the first answer is never cut. An unvisited
    child is thought to have `first_play` less than its parent. `noise` is the random part of the
    root's priors."""

    num_simulations: int = 100
    c_puct: float = 1.4
    wave: int = 16
    first_play: float = 0.2
    noise: float = 0.0
    seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_simulations < 1 or self.wave < 1:
            raise ValueError("num_simulations and wave must be 1 or more")
        if self.c_puct < 0 or not 0 <= self.noise <= 1:
            raise ValueError("c_puct must not be negative and noise must lie between 0 and 1")


@dataclass(slots=True, eq=False)
class Edge(Generic[S]):
    """One choice at a node: N (`visits`), W (`total`), P (`prior`) and the visits under way."""

    node: Node[S]
    prior: float
    visits: int = 0
    total: float = 0.0
    pending: int = 0

    @property
    def mean(self) -> float:
        return self.total / self.visits if self.visits else 0.0


@dataclass(slots=True, eq=False)
class Node(Generic[S]):
    """A state; `edges` is None until it is expanded. `value` is what `value` said of it."""

    state: S
    depth: int
    terminal: bool = False
    edges: list[Edge[S]] | None = None
    value: float | None = None
    refused: tuple[tuple[str, str], ...] = ()
    open: bool = False

    @property
    def ended(self) -> bool:
        """True where nothing can follow: a whole answer, or a dead end."""
        return self.terminal or self.edges == []


@dataclass(slots=True, eq=False)
class Tree(Generic[S]):
    """A searched tree: `simulations` is the sum of the visits of the root's edges, `first` is where
    the first of them ended, the policy's own answer, and `reason` is why there are no more."""

    root: Node[S]
    nodes: list[Node[S]] = field(default_factory=list)
    simulations: int = 0
    tokens: int = 0
    expansions: int = 0
    seconds: float = 0.0
    reason: str = ""
    first: Node[S] | None = None


TreeCallback = Callable[[Sequence[Tree[S]]], None]
Settled = Callable[[Tree[S]], str]


def search(
    roots: Sequence[S],
    expand: Expand[S],
    value: Value[S],
    settings: Settings = Settings(),
    settled: Settled[S] | None = None,
    callback: TreeCallback[S] | None = None,
) -> list[Tree[S]]:
    """One tree for each root, all searched at the same time. `settled` says why a tree needs no
    more simulations, or "". `callback` is called whenever leaves came back; what it raises ends the
    search."""
    searches = [_Search(root, value, settings, settled) for root in roots]
    started = time.perf_counter()
    limit = math.inf if settings.seconds is None else started + settings.seconds
    expanding: dict[int, tuple[_Search[S], Node[S]]] = {}
    while True:
        late = time.perf_counter() >= limit
        new: list[S] = []
        for each in searches:
            for node in each.gather(limit):
                expanding[id(node.state)] = (each, node)
                new.append(node.state)
        if not expanding or all(each.tree.reason for each in searches):
            break
        answerless = any(each.tree.first is None for each in searches)
        for state, expansion in (finished := expand(new, math.inf if answerless else limit)):
            each, node = expanding.pop(id(state))
            each.attach(node, expansion)
        if callback is not None:
            callback([each.tree for each in searches])
        if not answerless and (late or not finished):
            break
    for each in searches:
        each.close(time.perf_counter() - started)
    return [each.tree for each in searches]


class _Search(Generic[S]):
    def __init__(
        self, root: S, value: Value[S], settings: Settings, settled: Settled[S] | None
    ) -> None:
        self.settings, self.value, self.settled = settings, value, settled
        self.tree: Tree[S] = Tree(Node(root, 0))
        self.tree.nodes.append(self.tree.root)
        self.by_key: dict[Hashable, Node[S]] = {}
        self.waiting: dict[int, list[Edge[S]]] = {}
        self.leading: list[Edge[S]] | None = []  # the path of the first simulation, until it ends
        self.random = random.Random(settings.seed)

    def gather(self, limit: float) -> list[Node[S]]:
        leaves: list[Node[S]] = []
        if (path := self.leading) is not None:
            node = self._descend(path, own=True)
            if node.ended:
                self.leading, self.tree.first = None, node
                if path:
                    self._back_up(path, node)
                else:
                    self.tree.reason = "nothing can follow the root"
            elif not node.open:
                node.open = True
                leaves.append(node)
        if self.tree.reason or self.tree.root.edges is None:
            return leaves
        if self.leading is not None and self.settings.seconds is not None:
            return leaves  # a deadline cuts all but the first answer: nothing may hold that one up
        met, tried, wave = 0, 0, self.settings.wave
        while not self._done(time.perf_counter() >= limit) and len(self.waiting) < wave:
            if tried >= wave and self.waiting:
                break
            tried += 1
            path = []
            node = self._descend(path)
            if node.ended:
                self._back_up(path, node)
            elif node.open:
                self._release(path)
                met += 1
                if met > _COLLISIONS * wave:
                    break
            else:
                node.open = True
                self.waiting[id(node)] = path
                leaves.append(node)
        return leaves

    def _descend(self, path: list[Edge[S]], own: bool = False) -> Node[S]:
        """Go on with a path to a leaf or an end, by the policy's `own` choices or by the best ones;
        virtual losses are left along the way."""
        node = path[-1].node if path else self.tree.root
        while node.edges:
            # The first edge is the policy's own choice.
            edge = node.edges[0] if own else self._best(node, node.edges)
            edge.pending += 1
            path.append(edge)
            node = edge.node
        return node

    def _done(self, late: bool) -> bool:
        tree, settings = self.tree, self.settings
        under_way = len(self.waiting) + (self.leading is not None)
        if tree.simulations >= settings.num_simulations:
            tree.reason = f"all {tree.simulations} simulations"
        elif tree.simulations + under_way >= settings.num_simulations:
            return True
        elif self.leading is not None:
            return late  # the first answer is still to come
        elif late:
            tree.reason = f"{settings.seconds:g} seconds passed"
        elif self.settled is not None:
            tree.reason = self.settled(tree)
        return bool(tree.reason)

    def _best(self, node: Node[S], edges: Sequence[Edge[S]]) -> Edge[S]:
        # sqrt(sum N) of PUCT counts visits under way too: other descents of this wave spread out.
        visited = max(1, sum(edge.visits + edge.pending for edge in edges))
        spread = self.settings.c_puct * math.sqrt(visited)
        # First-play urgency: an unvisited child is a little worse than its parent, not unknown.
        urgency = max(-1.0, (node.value or 0.0) - self.settings.first_play)

        def score(edge: Edge[S]) -> float:
            visits = edge.visits + edge.pending
            mean = urgency if edge.node.value is None else edge.node.value
            if visits:
                # Virtual loss: until it comes back, each visit under way counts as a lost one (-1).
                mean = (edge.total - edge.pending) / visits
            return mean + spread * edge.prior / (1 + visits)

        return max(edges, key=score)

    def attach(self, node: Node[S], expansion: Expansion[S]) -> None:
        node.open = False
        node.refused = expansion.refused
        self.tree.tokens += expansion.tokens
        self.tree.expansions += 1
        mass = sum(choice.prior for choice in expansion.choices)
        node.edges = []
        children: dict[int, Edge[S]] = {}
        new: list[Node[S]] = []
        for choice in expansion.choices:
            child = None if choice.key is None else self.by_key.get(choice.key)
            if child is None or child.depth <= node.depth:  # an edge only ever leads down
                child = Node(choice.state, node.depth + 1, choice.terminal)
                self.tree.nodes.append(child)
                if choice.key is not None:
                    self.by_key[choice.key] = child
                if not choice.terminal:
                    new.append(child)
            # Priors sum to 1 over the siblings that are left; those of one state add up.
            share = choice.prior / mass if mass else 1 / len(expansion.choices)
            if id(child) in children:
                children[id(child)].prior += share
                continue
            children[id(child)] = Edge(child, share)
            node.edges.append(children[id(child)])
        if node is self.tree.root and self.settings.noise:
            # Gamma draws, normalised, are a Dirichlet draw: AlphaZero's noise at the root.
            draws = [self.random.gammavariate(0.3, 1.0) for _ in node.edges]
            part, drawn = self.settings.noise, sum(draws) or 1.0
            for edge, draw in zip(node.edges, draws, strict=True):
                edge.prior = (1 - part) * edge.prior + part * draw / drawn
        if new:
            for child, value in zip(new, self.value([each.state for each in new]), strict=True):
                child.value = value
        if (path := self.waiting.pop(id(node), None)) is not None:
            self._back_up(path, node)

    def _back_up(self, path: Sequence[Edge[S]], node: Node[S]) -> None:
        if node.edges == [] and not node.terminal:
            node.value = -1.0  # a dead end, whatever it promised
        elif node.value is None:
            node.value = self.value([node.state])[0]
        self._release(path)
        for edge in path:
            edge.visits += 1
            edge.total += node.value
        self.tree.simulations += 1

    def _release(self, path: Sequence[Edge[S]]) -> None:
        for edge in path:
            edge.pending -= 1

    def close(self, seconds: float) -> None:
        for path in self.waiting.values():
            self._release(path)
        self.waiting.clear()
        for node in self.tree.nodes:
            node.open = False
        self.tree.seconds = seconds
        self.tree.reason = self.tree.reason or f"{self.settings.seconds or 0:g} seconds passed"
