"""The final choice: answers with equal results are one candidate, and the best candidate wins.

Field's names: self-consistency by execution (Wang et al. 2023; Chen et al. 2023 for SQL), here
weighted by the search. A candidate is weighed by the share that its answers have of the policy's
probability, of the visits, and by the best value among them. What fails is no candidate; what returns
nothing counts less.

>>> ballots = [Ballot("a", 0.5, 10, 0.2, QueryResult(rows=((1,),))), Ballot("b", 0.3, 5, 0.1, QueryResult())]
>>> choose(ballots)[0].sql
'a'
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass

from txt2sql.types import QueryResult


@dataclass(frozen=True, slots=True)
class Ballot:
    """One whole answer of a tree: its probability under the policy, visits, value and result.

    `own` marks the policy's own (greedy) answer.
    """

    sql: str
    probability: float
    visits: int
    value: float
    result: QueryResult
    own: bool = False
    score: float = 0.0
    """What a preference model says, in [-1, 1]; 0 without one."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each share says. `empty` multiplies what returns no rows or only NULLs.

    `preference` is the weight of a preference model beside the policy: an answer counts its probability
    times exp(preference * score), a product of experts (Hinton 2002), where the best score is 0.
    """

    probability: float = 1.0
    visits: float = 0.0
    value: float = 0.0
    empty: float = 0.05
    preference: float = 0.0

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0:
            raise ValueError("the weights of a vote must not be negative")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Answers with one result. `sql` is the likeliest of them; `score` is comparable within a vote."""

    sql: str
    score: float
    ballots: tuple[Ballot, ...]
    share: float = 0.0
    """Of what policy and preference model give all answers that ran: how sure the vote is."""

    @property
    def own(self) -> bool:
        """Whether the policy's own answer is among them."""
        return any(ballot.own for ballot in self.ballots)


def choose(ballots: Sequence[Ballot], weights: Weights = Weights()) -> list[Candidate]:
    """The candidates, best first; what failed comes last. [] without ballots.

    Ties go to the policy's own answer, then to the likelier.
    """
    clusters: dict[Hashable, list[Ballot]] = {}
    for ballot in ballots:
        key: Hashable = ballot.result.key if ballot.result.ok else ("failed", ballot.sql)
        clusters.setdefault(key, []).append(ballot)

    highest = max((b.score for b in ballots if b.result.ok), default=0.0)

    def weighed(ballot: Ballot) -> float:
        return ballot.probability * math.exp(
            min(0.0, weights.preference * (ballot.score - highest))
        )

    mass = sum(weighed(b) for b in ballots if b.result.ok) or 1.0
    visits = sum(b.visits for b in ballots if b.result.ok) or 1
    found = []
    for members in clusters.values():
        best = max(members, key=lambda b: (weighed(b), b.own))
        weight = sum(weighed(b) for b in members) if best.result.ok else 0.0
        score = (
            weights.probability * weight / mass
            + weights.visits * sum(b.visits for b in members) / visits
            + weights.value * (1 + max(b.value for b in members)) / 2
        )
        if not best.result.ok:
            score = -1.0
        elif not best.result.says_something:
            score *= weights.empty
        found.append(Candidate(best.sql, score, tuple(members), weight / mass))
    return sorted(found, key=lambda c: (-c.score, not c.own, -c.ballots[0].probability))
