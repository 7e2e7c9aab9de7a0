"""LoRA against DoRA on the same model, data and budget, several seeds each: accuracy, time and memory.

Each run is `txt2sql train lora|dora` and then `txt2sql evaluate` on Spider dev, one process at a time, so
that its processor time and its peak memory are its own. What was done before is not done again. A
question's score is its mean over the seeds; differences are paired by question.

    python benchmarks/lora_dora.py --data data/raw [--seeds 0 1 2] [--set KEY=VALUE ...] [--quick]

`ours` and `peer` are the execution accuracies of DoRA and LoRA in percent, `ratio` is ours / peer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

from txt2sql.evaluation.comparison import Row, compare, read_verdicts
from txt2sql.evaluation.statistics import estimate, graded_difference

METHODS = ("lora", "dora")
METRICS = {"EX": "execution_accuracy", "EM": "exact_match"}


def run(command: Sequence[str], note: Path) -> dict[str, float]:
    """Run a txt2sql command unless `note` says that it was; its processor seconds and peak memory."""
    if not note.is_file():
        begun = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "txt2sql", *command], stdout=sys.stderr)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"txt2sql {' '.join(command)} failed")
        spent = {
            "processor_seconds": used.ru_utime + used.ru_stime,
            "seconds": time.monotonic() - begun,
            "peak_gb": used.ru_maxrss / 2**20,
        }
        note.write_text(json.dumps(spent), encoding="utf-8")
    found: dict[str, float] = json.loads(note.read_text(encoding="utf-8"))
    return found


def one(name: str, model: str, home: Path, data: Path, limit: int | None) -> list[Row]:
    """The verdicts of a model on Spider dev."""
    command = ["evaluate", "--dataset", "spider", "--data", str(data / "spider"), "--model", model]
    command += ["--metrics", ",".join(METRICS.values()), "--output", str(home / f"dev-{name}")]
    command += ["--no-channel"]
    run([*command, *(["--limit", str(limit)] if limit else [])], home / f"dev-{name}.json")
    return read_verdicts(home / f"dev-{name}")


def score(row: Row, metric: str) -> float:
    return float(row["scores"][metric] or 0.0)


def averaged(runs: Sequence[Sequence[Row]], metric: str) -> list[float]:
    """Each question's mean score over the seeds."""
    by_seed = [{row["example_id"]: score(row, metric) for row in rows} for rows in runs]
    return [mean(scores[key] for scores in by_seed) for key in sorted(by_seed[0])]


def shown(values: Any, signed: bool = False) -> str:
    number = f"{100 * values.mean:+.1f}" if signed else f"{100 * values.mean:.1f}"
    return f"{number} ({100 * values.low:.1f} to {100 * values.high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("TXT2SQL_DATA", "data/raw"))
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--output", type=Path, default=Path("results/lora-dora"))
    parser.add_argument("--quick", action="store_true", help="one seed, a few steps, 40 questions")
    given = parser.parse_args()
    home, limit = given.output, 40 if given.quick else None
    home.mkdir(parents=True, exist_ok=True)
    if given.quick:
        given.seeds, given.settings = (
            [0],
            [*given.settings, "max_steps=3", "limit=40", "measured=0"],
        )

    base = one("base", given.model, home, given.data, limit)
    verdicts: dict[str, list[list[Row]]] = {name: [] for name in METHODS}
    cost: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    for seed in given.seeds:
        for name in METHODS:
            folder = home / f"{name}-{seed}"
            command = ["train", name, "--model", given.model, "--data", str(given.data)]
            command += ["--seed", str(seed), "--output", str(folder)]
            command += [part for setting in given.settings for part in ("--set", setting)]
            spent = run(command, home / f"train-{name}-{seed}.json")
            last = max(folder.glob("checkpoints/checkpoint-*"), key=lambda p: p.stat().st_mtime)
            spent["steps"] = int(last.name.split("-")[1])
            cost[name].append(spent)
            verdicts[name].append(
                one(f"{name}-{seed}", str(folder / "model"), home, given.data, limit)
            )

    print("| | seed | EX | EM | against the base, EX | McNemar's p |\n|---|---|---|---|---|---|")
    print(
        f"| base | | {' | '.join(shown(estimate([score(r, m) for r in base])) for m in METRICS.values())} | | |"
    )
    for name in METHODS:
        for seed, rows in zip(given.seeds, verdicts[name]):
            pair = compare(base, rows)
            cells = [shown(estimate([score(r, m) for r in rows])) for m in METRICS.values()]
            print(
                f"| {name} | {seed} | {' | '.join(cells)} | {shown(pair.difference, True)} | {pair.p:.2f} |"
            )
    print("\n| DoRA minus LoRA | EX | McNemar's p | EM |\n|---|---|---|---|")
    for seed, lora, dora in zip(given.seeds, *verdicts.values()):
        pairs = [compare(lora, dora, metric) for metric in METRICS.values()]
        print(
            f"| seed {seed} | {shown(pairs[0].difference, True)} | {pairs[0].p:.2f} | {shown(pairs[1].difference, True)} |"
        )
    means = {m: [averaged(verdicts[name], m) for name in METHODS] for m in METRICS.values()}
    pooled = [graded_difference(*scores) for scores in means.values()]
    print(f"| mean of seeds | {shown(pooled[0], True)} | | {shown(pooled[1], True)} |")
    print("\n| | steps | processor seconds per step | peak memory, GB |\n|---|---|---|---|")
    for name in METHODS:
        steps = sum(each["steps"] for each in cost[name])
        each_step = sum(each["processor_seconds"] for each in cost[name]) / steps
        peak = max(each["peak_gb"] for each in cost[name])
        print(f"| {name} | {steps / len(given.seeds):.0f} | {each_step:.2f} | {peak:.1f} |")
    lora, dora = (100 * mean(scores) for scores in means["execution_accuracy"])
    print(json.dumps({
        "name": "lora_dora", "ours": round(dora, 2), "peer": round(lora, 2),
        "ratio": round(dora / lora, 4) if lora else None, "n": len(base), "unit": "% EX on Spider dev",
        "seeds": len(given.seeds), "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
