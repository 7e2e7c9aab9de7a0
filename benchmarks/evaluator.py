"""`txt2sql evaluate --mode official` against the official Spider script, verdict for verdict.

Both judge the same predictions (exact match and execution accuracy over a split of Spider), whole
process by whole process, in turn. Every verdict must be the same, or the benchmark fails.

    python benchmarks/evaluator.py --peer PATH_TO_test-suite-sql-eval [--peer-python PYTHON]
        [--data data/raw/spider] [--predictions FILE] [--runs 5] [--quick]

The peer needs Python packages of its own (nltk with its punkt_tab data, sqlparse, tqdm); `--peer-python`
names an interpreter that has them. Without `--predictions` (one SQL per line), gold queries without
their DISTINCT stand in. The peer opens databases for writing, so it gets a copy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from txt2sql.data import open_dataset
from txt2sql.runs import hardware, versions
from txt2sql.types import Example

METRICS = "execution_accuracy,exact_match"

# Run inside the peer's checkout: one JSON line of verdicts.
DRIVER = """
import asyncio, contextlib, io, json, sys
import evaluation as official
gold, predicted, databases, tables = sys.argv[1:]
keys = official.build_foreign_key_map_from_json(tables)
verdicts = []
class Listening(official.Evaluator):
    depth = 0
    def eval_exact_match(self, pred, label):
        Listening.depth += 1
        match = super().eval_exact_match(pred, label)
        Listening.depth -= 1
        if not Listening.depth:  # both sides of a UNION are judged by an evaluator of their own
            verdicts.append([int(match), executed[-1]])
        return match
executed = []
judge = official.eval_exec_match
def listening(*args, **named):
    executed.append(int(judge(*args, **named)))
    return executed[-1]
official.eval_exec_match, official.Evaluator = listening, Listening
with contextlib.redirect_stdout(io.StringIO()):
    official.evaluate(gold, predicted, databases, "all", keys, False, False, False)
print(json.dumps(verdicts))
"""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        result = compare(arguments, Path(scratch))
    print(json.dumps(result))


def compare(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    dataset = open_dataset("spider", arguments.data)
    examples = list(dataset.examples("dev"))[: 100 if arguments.quick else None]
    predictions = _predictions(arguments.predictions, examples)
    gold_file = _lines(scratch / "gold.txt", [f"{e.gold_sql}\t{e.db_id}" for e in examples])
    file = _lines(scratch / "predicted.txt", predictions)
    copies = scratch / "database"
    for db_id in {example.db_id for example in examples}:
        shutil.copytree(dataset.database(db_id).path.parent, copies / db_id)
    tables = dataset.root / "tables.json"
    inputs = [str(gold_file), str(file), str(copies), str(tables)]
    names = ("--gold", "--pred", "--db", "--table")
    peer_command = [arguments.peer_python, "evaluation.py", "--etype", "all"]
    for name, value in zip(names, inputs, strict=True):
        peer_command += [name, value]

    def peer() -> None:
        _run(peer_command, arguments.peer)

    def ours(*more: str) -> None:
        command = [sys.executable, "-m", "txt2sql", "evaluate", "--dataset", "spider"]
        command += ["--data", str(dataset.root), "--predictions", str(file), "--json"]
        command += ["--gold", str(gold_file), "--mode", "official", "--one-mode"]
        command += ["--metrics", METRICS, *more]
        _run(command, scratch, TXT2SQL_CACHE=str(scratch / "cache"))

    answered = _run([arguments.peer_python, "-c", DRIVER, *inputs], arguments.peer)
    official = json.loads(answered.splitlines()[-1])
    ours("--verdicts", str(scratch / "verdicts.jsonl"))
    rows = [json.loads(line) for line in (scratch / "verdicts.jsonl").open(encoding="utf-8")]
    differ = [
        row["i"]
        for row, verdict in zip(rows, official, strict=True)
        if [row["exact"], row["exec"]] != verdict
    ]
    print(f"verdicts: {2 * len(rows):,} compared, {len(differ)} examples differ {differ[:10]}")
    if differ:
        raise SystemExit("the verdicts differ; the times would mean nothing")

    times: dict[str, list[Time]] = {"peer": [], "ours": []}
    for _ in range(1 if arguments.quick else arguments.runs):
        times["peer"].append(_timed(peer))
        times["ours"].append(_timed(ours))
    median, processor = (
        {
            name: statistics.median(getattr(time, kind) for time in each)
            for name, each in times.items()
        }
        for kind in ("wall", "processor")
    )
    for name, each in times.items():
        walls = [time.wall for time in each]
        print(
            f"{name}: median {median[name]:.3f} s, {min(walls):.3f} to {max(walls):.3f}, "
            f"{len(walls)} runs, peer/this {median['peer'] / median[name]:.1f}; "
            f"processor {processor[name]:.3f} s, {processor['peer'] / processor[name]:.1f}"
        )
    return {
        "name": "evaluator",
        "ours": median["ours"],
        "peer": median["peer"],
        "ratio": median["peer"] / median["ours"],
        "ratios": {name: median["peer"] / value for name, value in median.items()},
        "processor_seconds": processor,
        "n": len(examples),
        "unit": "seconds per whole process",
        "machine": hardware(),
        "versions": versions(),
        "platform": platform.platform(),
    }


def _predictions(file: Path | None, examples: list[Example]) -> list[str]:
    if file is None:
        return [" ".join(e.gold_sql.replace("DISTINCT ", "").split()) for e in examples]
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[0].strip() for line in lines][: len(examples)]


def _lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _run(command: list[str], folder: Path, **environment: str) -> str:
    # Both sides may keep compiled modules, as where they are installed.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


class Time(NamedTuple):
    wall: float
    processor: float


def _timed(run: Callable[..., None], *arguments: Path) -> Time:
    start, before = time.perf_counter(), os.times()
    run(*arguments)
    after = os.times()
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    return Time(time.perf_counter() - start, processor)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
