"""What each part of answering is worth: the same weights and questions, one part left out at a time.

The variants are asked all of Spider dev and of WikiSQL's real rows, judged by execution accuracy, and
compared in pairs with answers that are guided by execution. As shipped, doubtful answers are read back as
well (the channel model); every other variant leaves that out. What was asked before is not asked again.

    python benchmarks/answering.py --data data/raw [--model bundled] [--limit 100] [--quick]

`ours` is the execution accuracy of the shipped way in percent (mean of the data sets), `peer` that of
plain greedy decoding with nothing but the prompt, `ratio` is ours / peer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean

from txt2sql.data import Dataset, open_dataset
from txt2sql.evaluation.comparison import Row, compare
from txt2sql.evaluation.evaluate import draw, judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.report import verdict_rows
from txt2sql.models.predictor import DirectPredictor
from txt2sql.runs import hardware, versions, write_atomically
from txt2sql.serving.service import build_predictor

GUIDED, SHIPPED = "guided by execution", "as shipped"
SETS = {"Spider dev": ("spider", "dev"), "WikiSQL, real rows": ("wikisql", "dev_real")}


def no_second_look(predictor: DirectPredictor) -> None:
    predictor.options = replace(predictor.options, second_beams=1)


def no_grammar(predictor: DirectPredictor) -> None:
    predictor.options = replace(predictor.options, constrained=False)


def no_values(predictor: DirectPredictor) -> None:
    predictor.matches = lambda _: ()


def no_spelling(predictor: DirectPredictor) -> None:
    predictor.spell = None


def nothing(predictor: DirectPredictor) -> None:
    for part in (no_second_look, no_grammar, no_values, no_spelling):
        part(predictor)


VARIANTS: dict[str, Callable[[DirectPredictor], None]] = {
    GUIDED: lambda _: None,
    SHIPPED: lambda _: None,
    "without the second look": no_second_look,
    "without the grammar": no_grammar,
    "without matched cells in the prompt": no_values,
    "without the database's spelling of values": no_spelling,
    "without any of them": nothing,
}


def asked(
    variant: str, model: str, dataset: Dataset, split: str, limit: int | None, note: Path
) -> list[Row]:
    """The verdicts of a variant."""
    if not note.is_file():
        print(f"{variant}, {dataset.name}", file=sys.stderr, flush=True)
        predictor = build_predictor(
            model, dataset.schema, dataset.database, channel=variant == SHIPPED
        )
        VARIANTS[variant](predictor)
        examples = draw(list(dataset.examples(split)), limit, seed=0)
        judged = judge(examples, predictor, [ExecutionAccuracy()], dataset.database)
        write_atomically(note, json.dumps(list(verdict_rows(judged))))
    rows: list[Row] = json.loads(note.read_text(encoding="utf-8"))
    return rows


def main() -> None:
    """Print a table, and one JSON object last."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("TXT2SQL_DATA", "data/raw"), type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--limit", type=int, help="questions of each data set (default: all)")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=Path("results/answering"))
    parser.add_argument("--quick", action="store_true", help="20 questions of each data set")
    given = parser.parse_args()
    limit = 20 if given.quick else given.limit
    home = given.output / f"{limit or 'all'}"
    home.mkdir(parents=True, exist_ok=True)
    print(
        "| | data | n | EX | against guided by execution | McNemar's p |\n|---|---|---|---|---|---|"
    )
    means: dict[str, list[float]] = {name: [] for name in given.only}
    n = 0
    for title, (name, split) in SETS.items():
        dataset = open_dataset(name, given.data / name)
        rows: dict[str, list[Row]] = {}
        for variant in dict.fromkeys([GUIDED, *given.only]):
            note = home / f"{name}-{variant.replace(' ', '-')}.json"
            rows[variant] = asked(variant, given.model, dataset, split, limit, note)
        for variant in given.only:
            found = compare(rows[GUIDED], rows[variant])
            gap, own = found.difference, found.b
            means[variant].append(100 * own.mean)
            print(
                f"| {variant} | {title} | {own.n:,} | {own.mean:.1%} ({own.low:.1%} to {own.high:.1%}) | "
                + ("|" if variant == GUIDED else
                   f"{100 * gap.mean:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f}) | {found.p:.2g}")
                + " |", flush=True,
            )  # fmt: skip
            n = max(n, own.n)
    ours = mean(means.get(SHIPPED) or [0.0])
    peer = mean(means.get("without any of them") or [0.0])
    print(json.dumps({
        "name": "answering", "ours": round(ours, 2), "peer": round(peer, 2),
        "ratio": round(ours / peer, 3) if peer else None, "n": n, "unit": "% EX",
        "machine": hardware(), "versions": versions(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
