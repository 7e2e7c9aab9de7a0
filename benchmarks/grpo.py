"""Where a GRPO step spends its time, and how fast answers are judged.

Two measurements in one run. Steps of a real run at group size 8, split into sampling, reward and update.
And the answers of those steps judged anew, by the processes that training uses and by a plain loop that
opens the database with sqlite3, runs gold and answer to their ends and compares their rows: the least
that any reward does. The two take turns; each begins with nothing remembered.

    python benchmarks/grpo.py --data data/raw
    python benchmarks/grpo.py --data data/raw --quick
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from txt2sql.runs import read_rows, versions
from txt2sql.training import grpo
from txt2sql.training.grpo_judge import Task
from txt2sql.training.grpo_judges import Judges, judge_count
from txt2sql.training.grpo_settings import GRPOConfig

_LIMIT_OPCODES = 100_000_000
"""Of the plain loop: it has no deadline, and some statement would never end."""


def plain(tasks: Sequence[Task]) -> int:
    """How many answers return what their gold queries do; one connection and two executions each."""
    right = 0
    for task in tasks:
        with closing(sqlite3.connect(f"file:{task.path}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode(errors="replace")
            connection.set_progress_handler(lambda: 1, _LIMIT_OPCODES)
            try:
                gold = connection.execute(task.gold).fetchall()
                said = connection.execute(task.sql or "").fetchall()
            except (sqlite3.Error, sqlite3.Warning):
                continue
            right += Counter(gold) == Counter(said)
    return right


def judged(tasks: Sequence[Task], judges: Judges) -> int:
    """The same by the judges of training, who also match components and note what is read."""
    return sum(ruling.outcome == "correct" for ruling in judges.judge(tasks))


def steps(config: GRPOConfig) -> tuple[list[dict[str, Any]], list[Task]]:
    """The logged steps of a run but the first, and every answer of all of them as a task."""
    tasks: list[Task] = []
    original = Judges.judge

    def noted(self: Judges, given: Sequence[Task]) -> Any:
        tasks.extend(given)
        return original(self, given)

    Judges.judge = noted  # type: ignore[method-assign]
    try:
        grpo.train(config, lambda line: print(line, file=sys.stderr, flush=True))
    finally:
        Judges.judge = original  # type: ignore[method-assign]
    rows = [row for row in read_rows(Path(config.output) / "metrics.jsonl") if "loss" in row]
    return rows[1:], tasks


def timed(work: Any) -> tuple[float, int]:
    """Seconds and result of one call."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def main() -> None:
    """Measure both; the last line of standard output is JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/raw"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="4 steps, 3 rounds")
    given = parser.parse_args()
    count, rounds = (4, 3) if given.quick else (given.steps, given.rounds)

    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            model=given.model, data=str(given.data), output=str(Path(folder) / "run"), measured=0,
            max_steps=count, filter_samples=0, limit=400, show_every=0, checkpoint_every=1000,
        )  # fmt: skip
        rows, tasks = steps(config)
        # Without KL no reference is asked: the least that a step can take beside its reward.
        free, _ = steps(replace(config, output=str(Path(folder) / "free"), kl=0.0))

    ours, peer, right = [], [], (0, 0)
    for _ in range(rounds):
        with closing(Judges(judge_count(None), config.timeout_s)) as judges:
            judges.judge([Task(tasks[0].path, (), "warm", "SELECT 1", "SELECT 1")] * 2)
            seconds, mine = timed(lambda: judged(tasks, judges))
        ours.append(len(tasks) / seconds)
        seconds, theirs = timed(lambda: plain(tasks))
        peer.append(len(tasks) / seconds)
        right = (mine, theirs)

    shares = {}
    for name, logged in (("kl 0.1", rows), ("kl 0", free)):
        parts = {p: fmean(row[f"seconds/{p}"] for row in logged) for p in _PARTS}
        whole = sum(parts.values())
        shares[name] = {**parts, "share_in_reward": parts["reward"] / whole}
        told = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items())
        print(f"{name:6}  {told}; reward {shares[name]['share_in_reward']:.1%} of the step")
    print(
        f"judged  {median(ours):,.0f} answers a second, plain loop {median(peer):,.0f} "
        f"({right[0]} and {right[1]} of {len(tasks)} right)"
    )
    print(
        json.dumps(
            {
                "name": "grpo",
                "ours": median(ours),
                "peer": median(peer),
                "ratio": median(ours) / median(peer),
                "n": len(tasks),
                "unit": "answers judged per second",
                "step": shares,
                "group": config.group,
                "prompts": config.prompts,
                "machine": platform.processor() or platform.machine(),
                "versions": versions(),
            }
        )
    )


_PARTS = ("sampling", "reward", "update")


if __name__ == "__main__":
    main()
