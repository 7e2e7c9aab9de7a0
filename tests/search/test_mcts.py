"""Tree search against games whose best line is known."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Sequence

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


class Game:
    """Words of `depth` letters out of `width`; each has a value, each letter a prior.

    `slow` seconds pass on `clock` for each batch of expansions; `batch` states at most are finished at a
    time.
    """

    def __init__(
        self, depth: int, width: int, seed: int = 0, *, slow: float = 0.0, batch: int | None = None,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.depth, self.width, self.slow, self.batch = depth, width, slow, batch
        self.clock = clock or Clock()
        chance = random.Random(seed)
        words = itertools.product(range(width), repeat=depth)
        self.values = {word: chance.uniform(-1, 0.4) for word in words}
        self.values[chance.choice(list(self.values))] = 1.0
        self.open: list[State] = []
        self.batches: list[int] = []

    @property
    def best(self) -> Path:
        return max(self.values, key=lambda word: self.values[word])

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
        words = [(*state.word, letter) for letter in range(self.width)]
        ends = len(state.word) + 1 == self.depth
        return Expansion(
            tuple(Choice(State(word), 1.0, None, ends) for word in words), tokens=len(words)
        )

    def value(self, states: Sequence[State]) -> list[float]:
        """The best end below a state, blurred: a guide that is roughly right."""
        return [
            self.values[state.word]
            if len(state.word) == self.depth
            else 0.5 * max(v for w, v in self.values.items() if w[: len(state.word)] == state.word)
            for state in states
        ]


class State:
    def __init__(self, word: Path) -> None:
        self.word = word


def expanding(after: Callable[[State], Expansion[State]]) -> Expand[State]:
    """An engine that finishes every state at once."""
    return lambda states, until: [(state, after(state)) for state in states]


def no_value(states: Sequence[State]) -> list[float]:
    return [0.0] * len(states)


def grown(game: Game, **settings: object) -> Tree[State]:
    return search([State(())], game.expand, game.value, Settings(**settings))[0]  # type: ignore[arg-type]


def favourite(tree: Tree[State]) -> Path:
    node = tree.root
    while node.edges:
        node = max(node.edges, key=lambda edge: edge.visits).node
    return node.state.word


def shape(node: Node[State]) -> object:
    return [
        (edge.visits, round(edge.total, 9), edge.prior, shape(edge.node))
        for edge in node.edges or ()
    ]


@pytest.mark.parametrize("wave", [1, 8, 16])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_line_of_a_game_is_found(seed: int, wave: int) -> None:
    game = Game(4, 3, seed)
    assert favourite(grown(game, num_simulations=400, wave=wave)) == game.best


def test_a_bandit_finds_its_best_arm_though_the_prior_prefers_another() -> None:
    payoffs = [0.1, 0.5, 0.3]

    def after(state: State) -> Expansion[State]:
        arms = [Choice(State((arm,)), prior, None, True) for arm, prior in enumerate((8, 1, 1))]
        return Expansion(tuple(arms))

    def value(states: Sequence[State]) -> list[float]:
        return [payoffs[state.word[0]] if state.word else 0.0 for state in states]

    tree = search([State(())], expanding(after), value, Settings(num_simulations=300))[0]
    visits = [edge.visits for edge in tree.root.edges or ()]
    assert visits[1] == max(visits)
    assert [round(edge.mean, 9) for edge in tree.root.edges or ()] == payoffs


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("simulations", [1, 2, 30, 100])
def test_visits_sum_to_simulations(simulations: int, batch: int | None) -> None:
    tree = grown(Game(4, 3, batch=batch), num_simulations=simulations)
    assert sum(edge.visits for edge in tree.root.edges or ()) == tree.simulations == simulations
    for node in tree.nodes:
        assert not node.open
        assert all(edge.pending == 0 for edge in node.edges or ())


def test_an_inner_node_hands_down_all_visits_but_its_own() -> None:
    tree = grown(Game(4, 3), num_simulations=200, wave=1)
    parents = {id(edge.node): edge for node in tree.nodes for edge in node.edges or ()}
    first = {id(edge) for edge in _first_path(tree)}
    for node in tree.nodes:
        if node.edges and id(node) in parents:
            edge = parents[id(node)]
            below = sum(child.visits for child in node.edges)
            assert edge.visits == below + (id(edge) not in first)


def _first_path(tree: Tree[State]) -> list[object]:
    assert tree.first is not None
    path, node = [], tree.root
    for letter in tree.first.state.word:
        edge = (node.edges or [])[letter]
        path.append(edge)
        node = edge.node
    return path


def test_same_seed_same_tree_and_another_seed_another() -> None:
    def once(seed: int) -> object:
        return shape(grown(Game(4, 3, 7), num_simulations=150, noise=0.25, seed=seed).root)

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_the_policys_own_line_is_the_first_simulation() -> None:
    tree = grown(Game(4, 3), num_simulations=1)
    assert tree.first is not None
    assert tree.first.state.word == (0, 0, 0, 0)


def test_leaves_are_expanded_in_waves() -> None:
    game = Game(4, 4)
    search([State(())], game.expand, no_value, Settings(num_simulations=200, wave=8))
    assert max(game.batches) == 9  # eight, and the first simulation
    assert sum(game.batches) / len(game.batches) > 3


def test_trees_that_are_searched_together_are_those_searched_alone() -> None:
    game = Game(3, 3, 5)
    settings = Settings(num_simulations=60, wave=4)
    alone = search([State(())], expanding(game.after), game.value, settings)
    both = search([State(()), State(())], expanding(game.after), game.value, settings)
    assert [shape(tree.root) for tree in both] == [shape(alone[0].root)] * 2


def test_equal_states_are_one_node() -> None:
    def after(state: State) -> Expansion[State]:
        words = [(*state.word, letter) for letter in (0, 1)]
        keys = [(len(word), sum(word)) for word in words]
        ends = len(state.word) == 3
        return Expansion(
            tuple(Choice(State(w), 1.0, k, ends) for w, k in zip(words, keys, strict=True))
        )

    tree = search([State(())], expanding(after), no_value, Settings(num_simulations=200))[0]
    assert sorted(len(n.state.word) for n in tree.nodes) == [0, 1, 1, 2, 2, 2, *[3] * 4, *[4] * 5]
    assert sum(edge.visits for edge in tree.root.edges or ()) == 200


def test_one_key_at_two_depths_is_no_cycle() -> None:
    def after(state: State) -> Expansion[State]:
        ends = len(state.word) == 5
        return Expansion((Choice(State((*state.word, 0)), 1.0, "same", ends),))

    tree = search([State(())], expanding(after), no_value, Settings(num_simulations=20))[0]
    assert tree.first is not None and tree.first.terminal
    assert len(tree.nodes) == 7


def test_a_dead_end_is_worth_nothing_and_is_left() -> None:
    def after(state: State) -> Expansion[State]:
        if state.word == (0,):
            return Expansion((), refused=(("bad", "no such column"),))
        ends = len(state.word) == 1
        return Expansion(tuple(Choice(State((*state.word, i)), 1.0, None, ends) for i in (0, 1)))

    tree = search([State(())], expanding(after), no_value, Settings(num_simulations=40))[0]
    dead, alive = tree.root.edges or ()
    assert dead.node.edges == [] and dead.mean == -1.0
    assert alive.visits > 3 * dead.visits
    assert tree.first is dead.node


def test_a_root_that_nothing_follows_ends_the_search() -> None:
    tree = search([State(())], expanding(lambda state: Expansion(())), no_value)[0]
    assert tree.simulations == 0
    assert tree.reason == "nothing can follow the root"


@pytest.mark.parametrize(("batch", "slow"), [(8, 0.01), (None, 0.01), (None, 0.045)])
def test_a_deadline_of_200_ms_is_kept_within_50_and_answers(
    clock: Clock, batch: int | None, slow: float
) -> None:
    game = Game(4, 8, slow=slow, batch=batch, clock=clock)
    settings = Settings(num_simulations=10**6, seconds=0.2)
    [tree] = search([State(())], game.expand, no_value, settings)
    assert 0.2 <= clock.now - 5000 < 0.25
    assert tree.seconds == pytest.approx(clock.now - 5000)
    assert tree.first is not None and tree.first.terminal
    assert tree.reason == "0.2 seconds passed"
    assert all(edge.pending == 0 for node in tree.nodes for edge in node.edges or ())


def test_a_tree_that_is_exhausted_keeps_its_deadline_too() -> None:
    began = time.perf_counter()
    tree = grown(Game(2, 2), num_simulations=10**9, seconds=0.05)
    assert tree.reason == "0.05 seconds passed" and tree.simulations > 100
    assert time.perf_counter() - began < 30  # 10**9 simulations would take an hour


def test_a_deadline_too_short_for_an_answer_still_gets_one(clock: Clock) -> None:
    game = Game(4, 3, slow=0.005, clock=clock)
    tree = grown(game, num_simulations=1000, seconds=0.001)
    assert tree.first is not None and tree.first.terminal
    assert tree.simulations == 1
    assert len(game.batches) == 4  # as many as its answer has steps


def test_nothing_is_waited_for_when_an_engine_says_that_time_is_over(clock: Clock) -> None:
    game = Game(4, 8, slow=0.03, clock=clock)
    calls = []

    def expand(states: Sequence[State], until: float) -> list[tuple[State, Expansion[State]]]:
        calls.append(clock.now)
        return [] if clock.now + 0.03 > until else game.expand(states, until)

    settings = Settings(num_simulations=10**6, seconds=0.2)
    [tree] = search([State(())], expand, no_value, settings)
    assert clock.now - 5000 == pytest.approx(0.18)
    assert len(calls) == 7
    assert tree.reason == "0.2 seconds passed" and tree.simulations > 1


def test_tokens_end_a_search() -> None:
    tree = grown(Game(6, 3), num_simulations=10**6, tokens=300)
    assert 300 <= tree.tokens < 450
    assert tree.reason.endswith("tokens decoded")


def test_what_is_settled_is_left() -> None:
    game = Game(4, 3)
    settled = lambda tree: "enough" if tree.simulations >= 25 else ""  # noqa: E731
    tree = search([State(())], game.expand, game.value, Settings(num_simulations=1000), settled)[0]
    assert tree.reason == "enough"
    assert 25 <= tree.simulations < 60
    assert all(edge.pending == 0 for node in tree.nodes for edge in node.edges or ())


@pytest.mark.parametrize(
    "wrong",
    [{"num_simulations": 0}, {"wave": 0}, {"c_puct": -1.0}, {"noise": 1.5}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_a_child_is_chosen_by_the_formula() -> None:
    """After two visits of each arm, by hand: Q + 1.4 P sqrt(4) / (1 + 2)."""
    values = {(0,): 0.2, (1,): 0.6}

    arms = (Choice(State((0,)), 0.9, None, True), Choice(State((1,)), 0.1, None, True))

    def value(states: Sequence[State]) -> list[float]:
        return [values.get(state.word, 0.0) for state in states]

    visits = [1, 0]  # the first simulation is the policy's own
    for _ in range(39):
        scores = []
        for arm, prior in enumerate((0.9, 0.1)):
            mean = values[arm,] if visits[arm] else -0.2
            scores.append(mean + 1.4 * prior * math.sqrt(sum(visits)) / (1 + visits[arm]))
        visits[scores.index(max(scores))] += 1
    tree = search(
        [State(())],
        expanding(lambda state: Expansion(arms)),
        value,
        Settings(num_simulations=40, wave=1),
    )[0]
    assert [edge.visits for edge in tree.root.edges or ()] == visits


def test_a_callback_sees_the_tree_grow_and_can_end_it() -> None:
    game, seen = Game(4, 3), []

    class Enough(Exception):
        pass

    def callback(trees: Sequence[Tree[State]]) -> None:
        seen.append(trees[0].simulations)
        if len(seen) == 5:
            raise Enough

    with pytest.raises(Enough):
        search([State(())], game.expand, game.value, Settings(wave=2), callback=callback)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    assert len(game.batches) == 5
