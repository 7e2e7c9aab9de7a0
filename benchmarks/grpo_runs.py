"""GRPO on the bundled model and Spider: does the reward rise, and does execution accuracy follow?

Three seeds of one setting, and an ablation from it: KL 0.1, 0.001 and 0; the presets as they stand. All
start from the same model and learn from the same questions, which the first run finds.
Each adapter is then asked all of Spider dev, which no run sees, and compared with the model before,
question by question (McNemar's exact test, Newcombe's interval). Type it again to go on where it was
stopped; what is done is not repeated.

    python benchmarks/grpo_runs.py --data data/raw
    python benchmarks/grpo_runs.py --data data/raw --only seed-0 --steps 20 --quick
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from txt2sql.evaluation.comparison import compare, read_verdicts
from txt2sql.evaluation.figures import COLOURS, GRID, PANEL, save, styled
from txt2sql.evaluation.statistics import graded
from txt2sql.runs import read_rows, versions, write_atomically

TUNED = {"learning_rate": "5e-4", "kl": "0.001"}
"""What suits so small a model; the rest is the mission's preset."""

RUNS: dict[str, tuple[str, dict[str, str]]] = {
    "seed-0": ("mission", {**TUNED, "seed": "0"}),
    "seed-1": ("mission", {**TUNED, "seed": "1"}),
    "seed-2": ("mission", {**TUNED, "seed": "2"}),
    "kl-0.1": ("mission", {**TUNED, "kl": "0.1"}),
    "kl-0": ("mission", {**TUNED, "kl": "0"}),
    "mission": ("mission", {}),
    "recommended": ("recommended", {"learning_rate": "5e-4"}),
    "sparse": ("mission", {**TUNED, "rewards": '{"execution": 0.9, "executes": 0.1}'}),
}
"""Name -> preset, and what is set otherwise. `kl-0.001` is seed-0."""

SEEDS = ("seed-0", "seed-1", "seed-2")
_PERMUTATIONS = 10_000


def run(*arguments: str) -> None:
    """`txt2sql ...`, its own output on standard error."""
    subprocess.run([sys.executable, "-m", "txt2sql", *arguments], check=True, stdout=sys.stderr)


def trained(name: str, given: argparse.Namespace) -> Path:
    """The folder of a run of `txt2sql train grpo`."""
    preset, changes = RUNS[name]
    output = given.results / name
    shared = given.results / "questions.json"
    if shared.is_file() and not output.exists():  # all runs learn from the same
        write_atomically(output / "questions.json", shared.read_bytes())
    settings = {
        "max_steps": str(given.steps),
        "filter_enough": str(given.questions),
        "measured": "0",
        "final": "last",
        **changes,
    }
    command = ["train", "grpo", "--model", given.model, "--data", str(given.data)]
    command += ["--preset", preset, "--output", str(output)]
    run(
        *command, *(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))
    )
    write_atomically(shared, (output / "questions.json").read_bytes())
    return output


def evaluated(model: str, given: argparse.Namespace, output: Path) -> Path:
    """The folder of a run of `txt2sql evaluate` on Spider dev."""
    command = ["evaluate", "--dataset", "spider", "--split", "dev", "--model", model]
    command += ["--data", str(given.data / "spider"), "--output", str(output)]
    command += ["--metrics", "execution_accuracy", "--no-channel"]
    run(*command, *(["--limit", "100"] if given.quick else []))
    return output


def curve(folder: Path) -> list[float]:
    """The mean reward of each step that sampled."""
    rows = read_rows(folder / "metrics.jsonl")
    return [float(row["reward"]) for row in rows if "reward" in row]


def rise(rewards: Sequence[float]) -> dict[str, Any]:
    """How much the reward is higher in the last third than in the first, and whether its slope over
    the steps is more than shuffled steps have (permutation test, two-sided).
    """
    third = max(1, len(rewards) // 3)
    first, last = graded(rewards[:third]), graded(rewards[-third:])
    observed, rng = abs(slope(rewards)), random.Random(0)
    shuffled = list(rewards)
    extreme = 0
    for _ in range(_PERMUTATIONS):
        rng.shuffle(shuffled)
        extreme += abs(slope(shuffled)) >= observed
    return {
        "first_third": first._asdict(),
        "last_third": last._asdict(),
        "rise": last.mean - first.mean,
        "slope_per_step": slope(rewards),
        "p": (extreme + 1) / (_PERMUTATIONS + 1),
    }


def slope(values: Sequence[float]) -> float:
    """Least squares over 0, 1, 2, ..."""
    centre = (len(values) - 1) / 2
    spread = sum((i - centre) ** 2 for i in range(len(values)))
    return sum((i - centre) * value for i, value in enumerate(values)) / spread if spread else 0.0


def draw(curves: dict[str, list[float]], folder: Path) -> None:
    """Mean reward by step, as it is and smoothed over nine steps."""
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.6, 3.4), layout="constrained", facecolor=PANEL)
        axes = figure.subplots()
        axes.set_facecolor(PANEL)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        for (name, values), colour in zip(curves.items(), COLOURS, strict=False):
            smooth = [fmean(values[max(0, i - 4) : i + 5]) for i in range(len(values))]
            places = range(1, len(values) + 1)
            axes.plot(places, values, color=colour, linewidth=0.6, alpha=0.35)
            axes.plot(places, smooth, color=colour, linewidth=1.8, label=name.replace("-", " "))
        axes.set_xlabel("step")
        axes.set_ylabel("mean reward of sampled answers")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        save(figure, folder / "grpo_reward")


def main() -> None:
    """Train, measure, compare, draw; the last line of standard output is JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/raw"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS), metavar="RUN")
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--questions", type=int, default=192, help="to learn from, at most")
    parser.add_argument("--results", type=Path, default=Path("results/grpo-runs"))
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--quick", action="store_true", help="100 questions of dev, no figure")
    given = parser.parse_args()

    base = evaluated(given.model, given, given.results / "before")
    before = read_verdicts(base)
    rows: dict[str, Any] = {}
    curves: dict[str, list[float]] = {}
    for name in given.only:
        folder = trained(name, given)
        curves[name] = curve(folder)
        after = evaluated(str(folder / "model"), given, given.results / f"{name}-dev")
        found = compare(before, read_verdicts(after))
        rows[name] = {
            "reward": rise(curves[name]),
            "steps": len(curves[name]),
            "before": found.a._asdict(),
            "after": found.b._asdict(),
            "difference": found.difference._asdict(),
            "p": found.p,
            "only_before": found.only_a,
            "only_after": found.only_b,
        }
        told = rows[name]
        print(
            f"{name:12} reward {told['reward']['first_third']['mean']:.3f} -> "
            f"{told['reward']['last_third']['mean']:.3f} (p = {told['reward']['p']:.4f})  "
            f"EX {found.a.mean:.1%} -> {found.b.mean:.1%}, {found.difference.mean:+.1%} "
            f"[{found.difference.low:+.1%}, {found.difference.high:+.1%}], "
            f"McNemar p = {found.p:.3f}, n = {found.a.n}",
            flush=True,
        )
    seeds = {name: curves[name] for name in SEEDS if name in curves}
    if seeds and not given.quick:
        draw(seeds, given.output)
    facts = {"machine": platform.machine(), "versions": versions(), "model": given.model}
    result = {"name": "grpo_runs", "runs": rows, "questions": given.questions, **facts}
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "summary.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
