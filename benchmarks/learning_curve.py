"""The learning curve of a model: execution accuracy against tokens seen in training, as a figure.

Each point is a model folder from along the way, asked all of Spider dev and of WikiSQL's real rows by
`txt2sql evaluate`; runs that are there already are not repeated.

    python benchmarks/learning_curve.py --data data/raw --point 9.7e6 FOLDER --point 20.9e6 FOLDER
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from txt2sql.evaluation.figures import COLOURS, GRID, INK, MARKERS, PANEL, read_measured

SETS = {"Spider dev": ("spider", "dev"), "WikiSQL, real rows": ("wikisql", "dev_real")}


def evaluated(model: str, dataset: str, split: str, data: Path, home: Path) -> Path:
    """The folder of a run of `txt2sql evaluate`."""
    mark = hashlib.sha256(str(Path(model).resolve()).encode()).hexdigest()[:8]
    output = home / f"{mark}-{dataset}"
    command = [sys.executable, "-m", "txt2sql", "evaluate", "--dataset", dataset, "--split", split]
    command += ["--data", str(data / dataset), "--model", model, "--output", str(output)]
    subprocess.run([*command, "--metrics", "execution_accuracy"], check=True, stdout=sys.stderr)
    return output


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data/raw"))
    parser.add_argument(
        "--point", nargs=2, action="append", required=True, metavar=("TOKENS", "FOLDER")
    )
    parser.add_argument("--results", type=Path, default=Path("results/learning_curve"))
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    given = parser.parse_args()

    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    matplotlib.rcParams.update({"svg.hashsalt": "txt2sql", "text.color": INK})
    figure = Figure(figsize=(5.6, 3.4), layout="constrained", facecolor=PANEL)
    axes = figure.subplots()
    axes.set_facecolor(PANEL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    rows = []
    for (name, (dataset, split)), colour, marker in zip(SETS.items(), COLOURS, MARKERS):
        found = []
        for tokens, folder in given.point:
            run = evaluated(folder, dataset, split, given.data, given.results)
            found.append((float(tokens) / 1e6, read_measured(run).accuracy))
        found.sort()
        places, values = [x for x, _ in found], [value for _, value in found]
        errors = [[v.mean - v.low for v in values], [v.high - v.mean for v in values]]
        axes.errorbar(
            places, [v.mean for v in values], yerr=errors, color=colour, marker=marker,
            ecolor=INK, elinewidth=0.9, capsize=3, label=f"{name} (n = {values[0].n:,})",
        )  # fmt: skip
        rows += [{"data": name, "tokens": round(x * 1e6), **value._asdict()} for x, value in found]
    axes.set_xlim(0)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("million tokens seen")
    axes.set_ylabel("execution accuracy")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    given.output.mkdir(parents=True, exist_ok=True)
    for kind in ("png", "svg"):
        figure.savefig(
            given.output / f"learning_curve.{kind}", dpi=150,
            metadata={"Date": None} if kind == "svg" else None,
        )  # fmt: skip
    print(json.dumps({"name": "learning_curve", "points": rows}))


if __name__ == "__main__":
    main()
