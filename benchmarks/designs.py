"""Designs of the bundled model, and what its data preparation is worth, at the same budget of time.

Each variant is trained from MiniLM by `txt2sql pretrain`'s code on Spider and WikiSQL. A few steps tell
how much processor time one takes; from that follows how many steps the budget pays for, and the
schedule is laid over them. Then the last model is asked all questions of Spider train's held-out
databases and as many of WikiSQL's. What was done before is not done again.

    python benchmarks/designs.py --data data/raw --encoder FOLDER [--minutes 15] [--only prefix llama ...]

`ours` is the best variant's execution accuracy (mean of the two data sets, percent), `peer` that of the
Llama from random weights, `ratio` is ours / peer.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from txt2sql.evaluation.statistics import Estimate
from txt2sql.training import corpus, loop
from txt2sql.training.folders import save_model
from txt2sql.training.pretrain import open_sources
from txt2sql.training.selection import HeldOut, held_out, measured_items
from txt2sql.training.settings import PretrainConfig
from txt2sql.types import Schema

_VIEW = corpus._view

CALIBRATION = 12
"""Steps that tell how long one takes; the first third is not counted."""


def in_order(pair: corpus.Pair, rng: random.Random) -> corpus.Pair:
    """Symbols numbered as they come."""
    return pair


def unshuffled(
    schema: Schema, needed: frozenset[tuple[str, str]], rng: random.Random, budget: int
) -> Schema:
    """The part of the schema that is drawn, in the schema's own order."""
    drawn = {t.name: {c.name for c in t.columns} for t in _VIEW(schema, needed, rng, budget).tables}
    tables = tuple(
        dataclasses.replace(t, columns=tuple(c for c in t.columns if c.name in drawn[t.name]))
        for t in schema.tables
        if t.name in drawn
    )
    return dataclasses.replace(schema, tables=tables)


@contextmanager
def patched(name: str | None) -> Iterator[None]:
    """Take one part of the preparation out, in training alone."""
    parts: dict[str, tuple[Any, str, Callable[..., Any]]] = {
        "symbols in order": (corpus, "_renumbered", in_order),
        "schema in its order": (corpus, "_view", unshuffled),
    }
    if name is None:
        yield
        return
    owner, attribute, replacement = parts[name]
    before = getattr(owner, attribute)
    setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        setattr(owner, attribute, before)


VARIANTS: dict[str, tuple[str, str | None]] = {
    "prefix": ("prefix", None),
    "causal-warm": ("causal-warm", None),
    "llama": ("llama", None),
    "encoder-decoder": ("encoder-decoder", None),
    "prefix, symbols in order": ("prefix", "symbols in order"),
    "prefix, schema in its order": ("prefix", "schema in its order"),
}
"""Name -> architecture, and what is left out of the preparation."""


def train(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """One variant's steps, tokens and held-out accuracy."""
    home: Path = given.output / name.replace(", ", "-").replace(" ", "-")
    note = home / "found.json"
    if note.is_file():
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        return found
    architecture, patch = VARIANTS[name]
    config = PretrainConfig(
        output=str(home), architecture=architecture, encoder=str(given.encoder),  # type: ignore[arg-type]
        data=str(given.data), warmup_steps=30, decay_share=0.5, learning_rate=given.learning_rate,
        checkpoint_every=100, measure_every=10**9, log_every=10, max_steps=10**6,
    )  # fmt: skip
    sources = open_sources(config)
    home.mkdir(parents=True, exist_ok=True)
    with patched(patch), closing(loop.Training(config, home, sources, quiet)) as run:
        batches = loop.stream(run.pools, 0, 0, 0)
        for step in range(CALIBRATION):
            if step == CALIBRATION // 3:
                begun = time.process_time()
            run._step(batches)
        per_step = (time.process_time() - begun) / (CALIBRATION - CALIBRATION // 3)
    steps = max(20, int(given.minutes * 60 / per_step))
    print(f"{name}: {per_step:.2f} processor seconds a step, {steps} steps", file=sys.stderr)
    config = dataclasses.replace(config, max_steps=steps, measure_every=steps + 1)
    (home / "checkpoint.pt").unlink(missing_ok=True)
    with patched(patch), closing(loop.Training(config, home, sources, quiet)) as run:
        begun = time.process_time()
        batches = loop.stream(run.pools, 0, 0, 0)
        while run.place.step < steps:
            run._step(batches)
            if run.place.step % config.log_every == 0:
                run._log_training()
        spent = time.process_time() - begun
        save_model(run.model, run.tokenizer, home / "model", loop.torch.float16)
        tokens = run.place.tokens
    measured = [
        held_out(s, measured_items(s, config.held_out, given.questions, config.seed))
        for s in sources
    ]
    accuracy = HeldOut(measured).execution_accuracy(home / "model")
    found = {
        "steps": steps, "tokens": tokens, "processor_minutes": round(spent / 60, 1),
        "accuracy": {key: value._asdict() for key, value in accuracy.items()},
    }  # fmt: skip
    note.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def quiet(line: str) -> None:
    """Training's own lines are not of interest here."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("TXT2SQL_DATA", "data/raw"))
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15, help="processor time of each variant")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--questions", type=int, default=251, help="of each data set")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=Path("results/designs"))
    parser.add_argument("--quick", action="store_true", help="a minute in all: two designs")
    given = parser.parse_args()
    if given.quick:
        given.minutes, given.questions, given.only = 0.2, 20, ["prefix", "llama"]
    found = {name: train(name, given) for name in given.only}
    sets = list(next(iter(found.values()))["accuracy"])
    print(f"| | steps | tokens | {' | '.join(sets)} |")
    print("|---|---|---|" + "---|" * len(sets))
    means = {}
    for name, each in found.items():
        accuracy = [Estimate(**each["accuracy"][key]) for key in sets]
        means[name] = 100 * sum(a.mean for a in accuracy) / len(accuracy)
        cells = [f"{100 * a.mean:.1f} ({100 * a.low:.1f} to {100 * a.high:.1f})" for a in accuracy]
        print(f"| {name} | {each['steps']:,} | {each['tokens']:,} | {' | '.join(cells)} |")
    ours, peer = max(means.values()), means.get("llama")
    print(json.dumps({
        "name": "designs", "ours": round(ours, 2), "peer": round(peer, 2) if peer else peer,
        "ratio": round(ours / peer, 2) if peer else None, "n": given.questions, "unit": "% EX, held out",
        "minutes": given.minutes, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
