"""What a round of self-evolution came to: the rows of its table, read back from the rounds' folders.

>>> promoted([])
0
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.config import load


@dataclass(frozen=True, slots=True)
class Round:
    """One round. Accuracies are of `n` questions on training databases that are held out; `oracle` is
    how often any answer of the tree is right, a bound and no result; `fine_tuned` is the greedy one of
    the policy that the round has trained: where it is lower than that of the policy before, that one
    stays. `coverage` is the share of the
    `searched` training questions that were ever solved; `ppm_accuracy` that of pairs put in order, on
    databases that the preference model was not trained on; `vote` its weight in the final choice.
    """

    number: int
    greedy: float
    search: float
    oracle: float
    n: int
    pairs: int
    ppm_accuracy: float | None
    vote: float
    searched: int
    coverage: float
    traces: int
    promoted: bool
    fine_tuned: float


def rounds_of(output: Path) -> list[Round]:
    """The rounds of a run that are done, in order."""
    files = sorted(output.glob("round_*/round.json"), key=lambda f: int(f.parent.name[6:]))
    # JSON is YAML, so that the one reader of settings checks these, too.
    return [load(Round, file) for file in files]


def promoted(rounds: Sequence[Round]) -> int:
    """The number of the round to search with: the last that was better than all before it; 0: none."""
    return max((each.number for each in rounds if each.promoted), default=0)


def table(rounds: Sequence[Round], base: Mapping[str, Any]) -> str:
    """Markdown: a line for each round, the base model first."""
    names = ("round", "fine-tuned greedy EX", "greedy EX", "search EX", "oracle", "n", "pairs", "PPM accuracy", "coverage", "traces", "promoted")  # fmt: skip
    lines = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    first = [
        "base",
        "",
        *(f"{base[k]:.1%}" for k in ("greedy", "search", "oracle")),
        str(base["n"]),
    ]
    lines.append(f"| {' | '.join([*first, *[''] * 5])} |")
    for each in rounds:
        accuracy = "" if each.ppm_accuracy is None else f"{each.ppm_accuracy:.1%}"
        cells = [
            str(each.number), f"{each.fine_tuned:.1%}", f"{each.greedy:.1%}", f"{each.search:.1%}", f"{each.oracle:.1%}",
            str(each.n), f"{each.pairs:,}", accuracy, f"{each.coverage:.1%} of {each.searched:,}",
            f"{each.traces:,}", "yes" if each.promoted else "",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def told(row: Round, rounds: int, started: float, done: int) -> str:
    """One line on a round, with the time to the end of the run at the pace of this process."""
    left = (time.monotonic() - started) / done * (rounds - row.number) / 60
    return (
        f"round {row.number} of {rounds}: greedy {row.greedy:.1%}, search {row.search:.1%} of {row.n}"
        f"{', promoted' if row.promoted else ''}; about {left:.0f} minutes left"
    )
