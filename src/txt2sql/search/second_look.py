"""Which candidate of a second look is taken: the one from which the question can be read back best.

The few candidates of a beam are weighed as the whole answers of a tree are (`search.vote`): by what the
model gives them and by what the channel model (`models.channel`) says of the question given each.

>>> choose = ReadingBack(lambda: open_channel(policy_folder), {"shop": schema}.__getitem__)  # doctest: +SKIP
>>> choose("How many shops?", "shop", [Tried("SELECT name FROM shop", 0.6, result), ...])  # doctest: +SKIP
'SELECT count(*) FROM shop'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from txt2sql.models.channel import Channel
from txt2sql.models.predictor import Tried
from txt2sql.search.predictor import with_judge
from txt2sql.search.vote import Ballot, Weights, choose
from txt2sql.types import Schema


class ReadingBack:
    """A `models.predictor.Chooser`; `load` opens the channel model when it is first needed."""

    def __init__(self, load: Callable[[], Channel], schemas: Callable[[str], Schema]) -> None:
        self._load, self._schemas = load, schemas

    @cached_property
    def channel(self) -> Channel:
        """The model that reads answers back."""
        return self._load()

    def __call__(self, question: str, db_id: str, tried: Sequence[Tried]) -> str:
        """The candidate that wins the vote."""
        ran = [each.sql for each in tried if each.result.ok]
        scores = [0.0] * len(ran)
        if len(ran) > 1:
            scores = self.channel.scores(question, ran, self._schemas(db_id))
        known = dict(zip(ran, scores, strict=True))
        ballots = [
            Ballot(
                each.sql, each.probability, 0, 0.0, each.result, own=each is tried[0],
                score=known.get(each.sql, 0.0),
            )
            for each in tried
        ]  # fmt: skip
        return choose(ballots, with_judge(Weights(), 0.0, self.channel))[0].sql
