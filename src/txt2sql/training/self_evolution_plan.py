"""Which questions a round of self-evolution searches, and with how many simulations.

Field's names: curriculum, hard example mining. Questions that stayed unsolved come first, and those that
a greedy answer got wrong; each gets more simulations the more often it stayed unsolved. All of it is
read off the rows that rounds have written, so a run that goes on plans the same.

>>> [simulations for _, simulations in Planned(config, output).plan(1)]  # doctest: +SKIP
[100, 100, 100, 100]
"""

from __future__ import annotations

import random
from pathlib import Path

from txt2sql.runs import read_rows
from txt2sql.training.cot_synthesis import open_questions
from txt2sql.training.ppm_pairs import Grown, from_row, solved
from txt2sql.training.rstar_settings import RStarConfig
from txt2sql.types import Example


class Planned:
    """The questions of a run, and what its rounds have found of them so far."""

    def __init__(self, config: RStarConfig, output: Path) -> None:
        self.config, self.output = config, output
        self.questions = open_questions(config)
        self.by_id = {example.id: example for example in self.questions.learnt}

    def work(self, number: int) -> Path:
        """Where a round keeps what it is made from."""
        return self.output / "rounds" / str(number)

    def trees(self, number: int) -> list[Grown]:
        """Those that a round has grown so far, in an order that does not tell who was done first."""
        rows = read_rows(self.work(number) / "trees.jsonl")
        return sorted(map(from_row, rows), key=lambda tree: tree.question_id)

    def plan(self, number: int) -> list[tuple[Example, int]]:
        """The questions of a round with their simulations: unsolved ones first and those that a greedy
        answer got wrong, to at most half; then those that were never searched; then the others. Always
        the same for a run.
        """
        evolution, failures = self.config.evolution, self.failures(number)
        order, screened = self.order(number), self.screened(number)
        count = evolution.questions_per_round or evolution.cot_examples_per_round
        hard = [example for example in order if failures.get(example.id)]
        hard += [e for e in order if e.id not in failures and screened.get(e.id) is False]
        hard = hard[: (count + 1) // 2]
        taken = {example.id for example in hard}
        new = [e for e in order if e.id not in failures and e.id not in taken]
        rest = [e for e in order if e.id in failures and e.id not in taken]
        chosen = [*hard, *new, *rest][:count]
        most = max(evolution.most_simulations, self.config.mcts.num_simulations)
        planned = []
        for example in chosen:
            times = evolution.harder ** failures.get(example.id, 0)
            planned.append((example, min(most, round(self.config.mcts.num_simulations * times))))
        return planned

    def order(self, number: int) -> list[Example]:
        """The questions to learn from, as a round comes to them."""
        order = list(self.questions.learnt)
        random.Random(f"{self.config.seed} round {number}").shuffle(order)
        return order

    def screened(self, number: int) -> dict[str, bool]:
        """Which questions got a right greedy answer, of those asked up to this round."""
        files = (self.work(k) / "screened.jsonl" for k in range(1, number + 1))
        return {row["question_id"]: row["right"] for file in files for row in read_rows(file)}

    def failures(self, number: int) -> dict[str, int]:
        """How many rounds in a row a question stayed unsolved, of those that were searched before."""
        found: dict[str, int] = {}
        for before in range(1, number):
            for question, found_right in self.solved(before).items():
                found[question] = 0 if found_right else found.get(question, 0) + 1
        return found

    def solved(self, number: int) -> dict[str, bool]:
        """Which questions of a round were solved."""
        rows = read_rows(self.work(number) / "trees.jsonl")
        return {row["question_id"]: solved(row) for row in rows}
