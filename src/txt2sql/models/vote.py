"""The final choice: answers with equal results are one candidate, and the best candidate wins.

Self-consistency by execution (Wang et al. 2023; Chen et al. 2023), weighted by the policy: a candidate
has the share that its answers have of the policy's probability. What fails is no candidate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass

from txt2sql.types import QueryResult


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """One whole answer of a tree: its probability under the policy, visits and result. `own` marks
    the greedy answer, `suspect` one that is hardly meant; `score` is of a preference model, in [-1,
    1]."""

    sql: str
    probability: float
    visits: int
    result: QueryResult
    own: bool = False
    score: float = 0.0
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Weights:
    """`empty` multiplies what returns no rows or only NULLs. With `preference` an answer counts its
    probability times exp(preference * score), a product of experts (Hinton 2002)."""

    empty: float = 0.05
    preference: float = 0.0

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0:
            raise ValueError("the weights of a vote must not be negative")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Answers with one result. `sql` is the likeliest of them; `score` is comparable within a vote,
    and `share` is theirs of what policy and preference model give all answers that ran."""

    sql: str
    score: float
    answers: tuple[ScoredAnswer, ...]
    share: float = 0.0

    @property
    def own(self) -> bool:
        return any(answer.own for answer in self.answers)


def choose(answers: Sequence[ScoredAnswer], weights: Weights = Weights()) -> list[Candidate]:
    """The candidates, best first; what failed comes last. [] without answers. Ties go to the
    policy's own answer, then to the likelier."""
    clusters: dict[Hashable, list[ScoredAnswer]] = {}
    for answer in answers:
        key: Hashable = answer.result.key if answer.result.ok else ("failed", answer.sql)
        clusters.setdefault(key, []).append(answer)
    ran = [answer for answer in answers if answer.result.ok]
    highest = max((answer.score for answer in ran), default=0.0)

    def weight_of(answer: ScoredAnswer) -> float:
        preference = min(0.0, weights.preference * (answer.score - highest))
        return answer.probability * math.exp(preference)

    mass = sum(map(weight_of, ran)) or 1.0
    candidates = []
    for members in clusters.values():
        best = max(members, key=lambda answer: (weight_of(answer), answer.own))
        if not best.result.ok:
            candidates.append(Candidate(best.sql, -1.0, tuple(members)))
            continue
        # Self-consistency: different texts with one result are one candidate, and their masses add up.
        share = sum(map(weight_of, members)) / mass
        # Most questions ask for something that is there.
        score = share if best.result.says_something else share * weights.empty
        candidates.append(Candidate(best.sql, score, tuple(members), share))
    return sorted(candidates, key=lambda c: (-c.score, not c.own, -c.answers[0].probability))
