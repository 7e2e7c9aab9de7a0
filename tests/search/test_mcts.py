"""Tree search against games whose best line is known."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from txt2sql.search.mcts import Choice, Expand, Expansion, Node, Settings, Tree, search

Path = tuple[int, ...]


class Clock:
    """Stands for the module `time`: only work lets it pass."""

    now = 5000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("txt2sql.search.mcts.time", made)
    return made


class State:
    def __init__(self, word: Path) -> None:
        self.word = word


class Game:
    """Words of `depth` letters out of `width`, each with a value.

    `slow` seconds pass on `clock` for a batch of expansions, which finishes `batch` states at most.
    """

    def __init__(
        self, depth: int, width: int, seed: int = 0, slow: float = 0.0, batch: int | None = None,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.depth, self.width, self.slow, self.batch = depth, width, slow, batch
        self.clock = clock or Clock()
        chance = random.Random(seed)
        words = itertools.product(range(width), repeat=depth)
        self.values = {word: chance.uniform(-1, 0.4) for word in words}
        self.best = chance.choice(list(self.values))
        self.values[self.best] = 1.0
        self.open: list[State] = []
        self.batches: list[int] = []

    def expand(self, states: Sequence[State], until: float) -> list[tuple[State, Expansion[State]]]:
        self.open += states
        if self.clock.now >= until:
            return []
        self.clock.now += self.slow
        size = self.batch or len(self.open)
        done, self.open = self.open[:size], self.open[size:]
        self.batches.append(len(done))
        return [(state, self.after(state)) for state in done]

    def after(self, state: State) -> Expansion[State]:
        ends = len(state.word) + 1 == self.depth
        words = [(*state.word, letter) for letter in range(self.width)]
        return Expansion(tuple(choice(word, ends) for word in words), tokens=len(words))

    def value(self, states: Sequence[State]) -> list[float]:
        """The best end below a state, blurred: a guide that is roughly right."""
        return [
            self.values[state.word]
            if len(state.word) == self.depth
            else 0.5 * max(v for w, v in self.values.items() if w[: len(state.word)] == state.word)
            for state in states
        ]


def choice(word: Path, ends: bool, prior: float = 1.0, key: object = None) -> Choice[State]:
    return Choice(State(word), prior, key, ends)


def expanding(after: Callable[[State], Expansion[State]]) -> Expand[State]:
    """An engine that finishes every state at once."""
    return lambda states, until: [(state, after(state)) for state in states]


def no_value(states: Sequence[State]) -> list[float]:
    return [0.0] * len(states)


def tree_of(
    expand: Expand[State], value: Callable[..., list[float]] = no_value, **settings: Any
) -> Tree[State]:
    return search([State(())], expand, value, Settings(**settings))[0]


def shape(node: Node[State]) -> object:
    edges = node.edges or ()
    return [(edge.visits, round(edge.total, 9), edge.prior, shape(edge.node)) for edge in edges]


def nothing_pends(tree: Tree[State]) -> bool:
    edges = [edge for node in tree.nodes for edge in node.edges or ()]
    return not any(edge.pending for edge in edges) and not any(node.open for node in tree.nodes)


@pytest.mark.parametrize("wave", [1, 16])
@pytest.mark.parametrize("seed", range(2))
def test_the_best_line_of_a_game_is_visited_most(seed: int, wave: int) -> None:
    game = Game(4, 3, seed)
    node = tree_of(game.expand, game.value, num_simulations=400, wave=wave).root
    while node.edges:
        node = max(node.edges, key=lambda edge: edge.visits).node
    assert node.state.word == game.best


def test_a_child_is_chosen_by_the_formula_and_the_best_arm_wins_over_the_prior() -> None:
    """After two visits of each arm, by hand: Q + 1.4 P sqrt(4) / (1 + 2)."""
    payoffs, priors = (0.2, 0.6), (0.9, 0.1)
    arms = tuple(choice((arm,), True, prior) for arm, prior in enumerate(priors))
    visits = [1, 0]  # the first simulation is the policy's own
    for _ in range(299):
        scores = []
        for arm, prior in enumerate(priors):
            mean = payoffs[arm] if visits[arm] else -0.2
            scores.append(mean + 1.4 * prior * math.sqrt(sum(visits)) / (1 + visits[arm]))
        visits[scores.index(max(scores))] += 1
    tree = tree_of(
        expanding(lambda state: Expansion(arms)),
        lambda states: [payoffs[s.word[0]] if s.word else 0.0 for s in states],
        num_simulations=300,
        wave=1,
    )
    edges = tree.root.edges or ()
    assert [edge.visits for edge in edges] == visits and visits[1] > visits[0]
    assert [round(edge.mean, 9) for edge in edges] == list(payoffs)


@pytest.mark.parametrize(("simulations", "batch"), [(1, None), (2, 1), (100, None), (100, 3)])
def test_visits_sum_to_simulations_and_the_policys_own_line_is_the_first(
    simulations: int, batch: int | None
) -> None:
    game = Game(4, 3, batch=batch)
    tree = tree_of(game.expand, game.value, num_simulations=simulations)
    assert sum(edge.visits for edge in tree.root.edges or ()) == tree.simulations == simulations
    assert nothing_pends(tree)
    assert tree.first is not None and tree.first.state.word == (0, 0, 0, 0)


def test_equal_states_are_one_node() -> None:
    def after(state: State) -> Expansion[State]:
        words = [(*state.word, letter) for letter in (0, 1)]
        ends = len(state.word) == 3
        return Expansion(tuple(choice(w, ends, key=(len(w), sum(w))) for w in words))

    tree = tree_of(expanding(after), num_simulations=200)
    assert sorted(len(n.state.word) for n in tree.nodes) == [0, 1, 1, 2, 2, 2, *[3] * 4, *[4] * 5]
    assert sum(edge.visits for edge in tree.root.edges or ()) == 200


def test_one_key_at_two_depths_is_no_cycle() -> None:
    def after(state: State) -> Expansion[State]:
        return Expansion((choice((*state.word, 0), len(state.word) == 5, key="same"),))

    tree = tree_of(expanding(after), num_simulations=20)
    assert tree.first is not None and tree.first.terminal
    assert len(tree.nodes) == 7


def test_a_dead_end_gets_the_lowest_value_and_is_left() -> None:
    def after(state: State) -> Expansion[State]:
        if state.word == (0,):
            return Expansion((), refused=(("bad", "no such column"),))
        return Expansion(tuple(choice((*state.word, i), len(state.word) == 1) for i in (0, 1)))

    tree = tree_of(expanding(after), num_simulations=40)
    dead, alive = tree.root.edges or ()
    assert dead.node.edges == [] and dead.mean == -1.0
    assert alive.visits > 3 * dead.visits
    assert tree.first is dead.node


def test_a_root_that_nothing_follows_ends_the_search() -> None:
    tree = tree_of(expanding(lambda state: Expansion(())))
    assert (tree.simulations, tree.reason) == (0, "nothing can follow the root")


@pytest.mark.parametrize(("batch", "slow"), [(8, 0.01), (None, 0.045)])
def test_a_deadline_of_200_ms_is_met_within_50_and_answers(
    clock: Clock, batch: int | None, slow: float
) -> None:
    game = Game(4, 8, slow=slow, batch=batch, clock=clock)
    tree = tree_of(game.expand, num_simulations=10**6, seconds=0.2)
    assert 0.2 <= clock.now - 5000 < 0.25
    assert tree.seconds == pytest.approx(clock.now - 5000)
    assert tree.first is not None and tree.first.terminal
    assert tree.reason == "0.2 seconds passed"
    assert nothing_pends(tree)


def test_a_deadline_too_short_for_an_answer_still_gets_one(clock: Clock) -> None:
    game = Game(4, 3, slow=0.005, clock=clock)
    tree = tree_of(game.expand, game.value, num_simulations=1000, seconds=0.001)
    assert tree.first is not None and tree.first.terminal
    assert (tree.simulations, len(game.batches)) == (1, 4)  # as many as its answer has steps


def test_a_callback_sees_the_tree_grow_and_can_end_it() -> None:
    game, seen = Game(4, 3), []

    def callback(trees: Sequence[Tree[State]]) -> None:
        seen.append(trees[0].simulations)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search([State(())], game.expand, game.value, Settings(wave=2), callback=callback)
    assert seen == sorted(seen) and seen[-1] > seen[0]
    assert len(game.batches) == 5
