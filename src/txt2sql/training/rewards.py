"""Rewards: what one sampled answer is worth, from the verdict of the one judge.

Field's names: verifiable reward, reward shaping. Each reward is a pure function of one judged answer
with a value between 0 and 1 (brevity: -1 and 0); an answer's worth is their weighted sum. The presets:
`mission` is execution accuracy plus component match, graded; `sparse` that of Arctic-Text2SQL-R1 (Yao et al.
2025: 1 for right, 0.1 for SQL that runs); `dense` adds to it what Reasoning-SQL (Pourreza et al. 2025)
and Think2SQL (Papicchio et al. 2025) found to help small models.

A wrong answer can never outscore a right one: partial credit is for wrong answers, and a right one has
it in full; weights that would break this are refused. What only looks right is worth nothing: an answer
that reads none of the tables the gold query reads, one that reads the catalogue, and several statements
at once. An answer is not right by luck: where the gold query returns nothing, its components must match.

>>> wrong = Judged(Outcome.WRONG_RESULT, component=0.8, reads=frozenset({"shop"}))
>>> right = Judged(Outcome.CORRECT, component=0.6, reads=frozenset({"shop"}))
>>> [round(worth(each, PRESETS["dense"]), 2) for each in (wrong, right)]
[0.36, 1.1]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from txt2sql.types import Outcome

OVERLONG = 0.9
"""Share of the length limit from which an answer is less brief than it should be."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One sampled answer: the outcome of execution accuracy, and what else is known of it.

    `component` is the Jaccard index of its clause items and the gold query's; `reads` and `gold_reads` are the tables that the two statements
    read, in small letters, `reads` None where the statement does not compile. `empty` tells that the
    gold query returns nothing, `several` that the answer holds more than one statement, `ended` that
    the model ended it, `length` how much of the length limit it took.
    """

    outcome: Outcome
    component: float = 0.0
    reads: frozenset[str] | None = None
    gold_reads: frozenset[str] = frozenset()
    empty: bool = False
    several: bool = False
    ended: bool = True
    length: float = 0.0
    reason: str = ""

    @property
    def is_hack(self) -> bool:
        """Whether it goes for the reward instead of the question."""
        if self.several:
            return True
        if self.reads is None:
            return False
        strange = any(name.startswith(_CATALOGUE) for name in self.reads - self.gold_reads)
        return strange or bool(self.gold_reads and not self.reads & self.gold_reads)

    @property
    def right(self) -> bool:
        """Whether it is right, and neither by luck nor by a hack."""
        lucky = self.empty and self.component < 1
        return self.outcome is Outcome.CORRECT and not lucky and not self.is_hack


_CATALOGUE = ("sqlite_", "pragma_")
_RAN = (Outcome.CORRECT, Outcome.WRONG_RESULT)
_SAID = (*_RAN, Outcome.PREDICTION_ERROR, Outcome.TIMEOUT)


def execution(judged: Judged) -> float:
    """1 for a right answer."""
    return float(judged.right)


def executes(judged: Judged) -> float:
    """1 for SQL that runs to its end, whatever it returns."""
    return float(judged.outcome in _RAN)


def component(judged: Judged) -> float:
    """The Jaccard index of the clause items (`sql.clauses`): component matching, graded. 1 for a right
    answer, which may be written otherwise.
    """
    return 1.0 if judged.right else judged.component


def format_(judged: Judged) -> float:
    """1 for an answer that holds SQL and that the model itself ended."""
    return float(judged.ended and judged.outcome in _SAID)


def brevity(judged: Judged) -> float:
    """0, and down to -1 over the last tenth of the length limit (DAPO's soft overlong punishment,
    Yu et al. 2025). Being short earns nothing.
    """
    return -min(1.0, max(0.0, (judged.length - OVERLONG) / (1 - OVERLONG)))


REWARDS: dict[str, Callable[[Judged], float]] = {
    "execution": execution,
    "executes": executes,
    "component": component,
    "format": format_,
    "brevity": brevity,
}
"""Name, as in a config's `rewards`, -> the reward."""

PRESETS: dict[str, Mapping[str, float]] = {
    "mission": {"execution": 1.0, "component": 1.0},
    "sparse": {"execution": 0.9, "executes": 0.1},
    "dense": {
        "execution": 0.7,
        "executes": 0.1,
        "component": 0.2,
        "format": 0.1,
        "brevity": 0.1,
    },
}

_RANGES: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "execution": ((1, 1), (0, 0)),
    "executes": ((1, 1), (0, 1)),
    "component": ((1, 1), (0, 1)),
    "format": ((0, 1), (0, 1)),
    "brevity": ((-1, 0), (-1, 0)),
}
"""The least and the greatest value of each reward for a right answer, and for a wrong one."""


def parts(judged: Judged) -> dict[str, float]:
    """Every reward of one answer by name; all 0 for a hack and where the gold query fails."""
    if judged.is_hack or judged.outcome is Outcome.GOLD_ERROR:
        return dict.fromkeys(REWARDS, 0.0)
    return {name: reward(judged) for name, reward in REWARDS.items()}


def worth(judged: Judged, weights: Mapping[str, float]) -> float:
    """The weighted sum of an answer's rewards."""
    found = parts(judged)
    return sum(weight * found[name] for name, weight in weights.items())


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ValueError for weights under which a wrong answer could be worth as much as a right one."""
    unknown = [name for name in weights if name not in REWARDS]
    if unknown:
        raise ValueError(f"no reward '{unknown[0]}'; choose from {', '.join(REWARDS)}")
    ends = [
        [sorted(weight * bound for bound in bounds) for bounds in _RANGES[name]]
        for name, weight in weights.items()
    ]
    worst_right = sum(right[0] for right, _ in ends)
    best_wrong = max(0.0, sum(wrong[1] for _, wrong in ends))  # 0: what is worth nothing
    if worst_right <= best_wrong:
        raise ValueError(
            f"under these rewards a wrong answer can be worth {best_wrong:g} and a right one "
            f"{worst_right:g}; give execution more weight than format and brevity together"
        )
