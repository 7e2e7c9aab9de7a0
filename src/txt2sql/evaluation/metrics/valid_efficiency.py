"""Valid efficiency (VES, R-VES): how fast the predicted SQL is beside the gold, where it is right.

Both scores time gold and predicted in turn, drop the ratios gold/predicted beyond three standard
deviations and take the mean of the rest. VES (Li et al., BIRD, NeurIPS 2023) is its square root;
R-VES (bird-bench/mini_dev) is the square root of a reward read from a table. Wrong results score 0.
A score is above 1 where the prediction is the faster one; BIRD prints 100 times the mean.

>>> mean_ratio([1.0, 1.5, 2.0], official=True)
1.5
>>> reward(1.5)
1.0
"""

from __future__ import annotations

import math
import sqlite3
import statistics
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

from txt2sql.evaluation.metrics.bird import BirdExecutionAccuracy
from txt2sql.evaluation.mode import LIMITS
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Verdict

Timer = Callable[[Database, str], float]
"""Seconds that one run of a statement takes; sqlite3.Error when it fails or is stopped."""

OFFICIAL_REPEATS = 100
_REWARDS = ((2.0, 1.25), (1.0, 1.0), (0.5, 0.75), (0.25, 0.5))
_LEAST_REWARD = 0.25
_CLOCK_STEP_S = 1e-9


def stopwatch(timeout_s: float, fetch: bool) -> Timer:
    """A timer that runs the statement on a new connection, with or without fetching its rows.

    Times what BIRD times: VES leaves fetching out, R-VES has it and the closing in. For statements
    that have run within their limits before: nothing here but the deadline holds them.
    """

    def seconds(database: Database, sql: str) -> float:
        connection = database.connect()
        connection.text_factory = bytes
        start = time.perf_counter()
        connection.set_progress_handler(lambda: time.perf_counter() - start > timeout_s, 10_000)
        try:
            cursor = connection.execute(sql)
            taken = time.perf_counter() - start
            if fetch:
                cursor.fetchall()
        finally:
            connection.close()
        return time.perf_counter() - start if fetch else taken

    return seconds


class _Timed(BirdExecutionAccuracy):
    """BIRD's execution accuracy, and for what is correct a score of its time.

    `repeats` runs of each; 100 officially. `official` keeps a quirk: when all ratios are equal, none
    lies strictly within three standard deviations, and the score is 0.
    """

    fetch: bool
    timed = True
    """Nothing else should run meanwhile, and no verdict is to be remembered."""

    def __init__(
        self,
        repeats: int = 5,
        limits: Limits = LIMITS,
        official: bool = True,
        gold: Callable[[Database, str], QueryResult] | None = None,
        timer: Timer | None = None,
    ) -> None:
        super().__init__(limits, official, gold)
        self.repeats = repeats
        self._timer = timer or stopwatch(limits.timeout_s, self.fetch)

    def __call__(self, example: Example, prediction: Prediction, database: Database) -> Verdict:
        """Judge one prediction on one database."""
        verdict = super().__call__(example, prediction, database)
        if not verdict.correct:
            return verdict
        try:
            ratios = self._ratios(database, example.gold_sql, prediction.sql or " ")
        except (sqlite3.Error, TimeoutError) as problem:
            reason = f"correct, but stopped while it was timed ({problem})"
            return replace(verdict, outcome=Outcome.TIMEOUT, score=0.0, reason=reason)
        ratio = mean_ratio(ratios, self.official)
        score = 0.0 if ratio is None else math.sqrt(self.efficiency(ratio))
        return replace(verdict, score=score, details={"time_ratio": ratio})

    @staticmethod
    @abstractmethod
    def efficiency(ratio: float) -> float:
        """What a ratio of times is worth; its square root is the score."""

    def _ratios(self, database: Database, gold: str, predicted: str) -> list[float]:
        ratios = []
        left = self.limits.timeout_s * self.repeats
        for _ in range(self.repeats):
            ours = self._timer(database, predicted)
            theirs = self._timer(database, gold)
            left -= ours + theirs
            if left < 0:
                raise TimeoutError(f"{self.repeats} runs of both take too long")
            ratios.append(max(theirs, _CLOCK_STEP_S) / max(ours, _CLOCK_STEP_S))
        return ratios


class ValidEfficiencyScore(_Timed):
    """VES: the square root of the ratio of times."""

    name = "ves"
    fetch = False

    @staticmethod
    def efficiency(ratio: float) -> float:
        """The ratio itself."""
        return ratio


class RewardEfficiency(_Timed):
    """R-VES: the square root of the reward that the ratio of times earns."""

    name = "r_ves"
    fetch = True

    @staticmethod
    def efficiency(ratio: float) -> float:
        """The reward."""
        return reward(ratio)


def mean_ratio(ratios: Sequence[float], official: bool) -> float | None:
    """Mean of the ratios strictly within three standard deviations (of the population).

    None when no ratio is left: officially also when all are equal, else then their value.
    """
    if not ratios:
        return None
    mean, deviation = statistics.fmean(ratios), statistics.pstdev(ratios)
    if deviation == 0 and not official:
        return mean
    kept = [ratio for ratio in ratios if abs(ratio - mean) < 3 * deviation]
    return statistics.fmean(kept) if kept else None


def reward(ratio: float) -> float:
    """R-VES's reward for a correct prediction: 1.25 when twice as fast, 1 when as fast, down to 0.25."""
    return next((worth for least, worth in _REWARDS if ratio >= least), _LEAST_REWARD)
