"""Fit the confidence of a model's answers, and measure whether it can be believed.

`FIT` and `TEST` are verdicts that `txt2sql evaluate --verdicts` wrote for the model, greedy, without a
search; of `HALVES` the questions of even number are fitted to and the others tested. The bundled model:

    txt2sql evaluate --dataset PEOPLE --split dev --verdicts people.jsonl       (benchmarks/people)
    txt2sql evaluate --dataset spider --split dev --limit 300 --verdicts spider.jsonl
    python benchmarks/confidence.py --halves people.jsonl --test spider.jsonl
        --unanswerable ANALYSTS=data/analysts/unanswerable.json --declined PEOPLE=benchmarks/unanswerable.json
        --ambiguous PEOPLE=benchmarks/ambiguous.json --save src/txt2sql/models/bundled/confidence.json

`ANALYSTS` and `PEOPLE` are the folders that data/scripts/build_analysts.py and benchmarks/people/build.py
make. `--unanswerable` are questions that their database cannot answer: every other is fitted to as a wrong
answer. The rest and `--declined` are there to count how many are answered with "I do not know". `--ambiguous` are questions
that can be read in several ways, each with the statements of every reading: counted are those of which at
least two readings are offered, as the answer or beside it. The peer is the model's own
probability of its text; `ours` and `peer` are calibration errors on what was tested, in points.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from txt2sql import __version__
from txt2sql.data import open_dataset
from txt2sql.evaluation.calibration import Calibration, calibration
from txt2sql.execution.compare import same_result
from txt2sql.execution.execute import execute
from txt2sql.models.confidence import KNOWN, SURE, Weights
from txt2sql.serving.service import build_predictor, declined
from txt2sql.types import Example

UNANSWERABLE = 0.25
"""The weight of a question without an answer in the fit: people put few of them."""


class Answered(NamedTuple):
    """An answer: the features of its confidence, and whether it is right."""

    features: tuple[float, ...]
    right: bool

    @property
    def probability(self) -> float:
        return float(1 / (1 + np.exp(-self.features[0])))


def fit(
    rows: Sequence[Sequence[float]],
    right: Sequence[bool],
    weights: Sequence[float] | None = None,
    penalty: float = 1.0,
) -> Weights:
    """The logistic regression of `right` on `rows`, L2-penalised, by Newton's method.

    `weights` are those of the answers in the loss; 1 each without them.
    """
    if not rows:
        raise ValueError("there are no answers to fit weights of confidence to")
    x, y = np.asarray(rows, dtype=float), np.asarray(right, dtype=float)
    c = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    mean = np.average(x, axis=0, weights=c)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=c))
    deviation[deviation < 1e-6] = 1.0
    x = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    # The bias needs some, for answers that are all right or all wrong.
    penalties = np.array([penalty] * (x.shape[1] - 1) + [1e-3])

    def loss(w: np.ndarray) -> float:
        z = x @ w
        return float(c @ (np.logaddexp(0.0, z) - y * z) + penalties @ w**2 / 2)

    w = np.zeros(x.shape[1])
    for _ in range(100):
        p = np.exp(-np.logaddexp(0.0, -(x @ w)))
        gradient = x.T @ (c * (p - y)) + penalties * w
        step = np.linalg.solve((x.T * (c * p * (1 - p))) @ x + np.diag(penalties), gradient)
        while loss(w - step) > loss(w) and np.abs(step).max() > 1e-9:
            step /= 2
        w = w - step
        if np.abs(step).max() <= 1e-9:
            break
    mean, deviation, slope = (tuple(each.tolist()) for each in (mean, deviation, w[:-1]))
    return Weights(mean, deviation, slope, float(w[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("fit", "halves", "test"):
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[])
    parser.add_argument("--unanswerable", nargs="*", default=[], metavar="FOLDER=QUESTIONS")
    parser.add_argument("--declined", nargs="*", default=[], metavar="FOLDER=QUESTIONS")
    parser.add_argument("--ambiguous", nargs="*", default=[], metavar="FOLDER=QUESTIONS")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--save", type=Path, help="where to write the weights")
    given = parser.parse_args()

    halves = [read(path) for path in given.halves]
    rows = [row for path in given.fit for row in read(path)]
    rows += [row for half in halves for row in half[::2]]
    unanswerable = [row for each in given.unanswerable for row in ask(given.model, each)]
    importance = [1.0] * len(rows)
    rows += [row for row in unanswerable[::2] if row]
    importance += [UNANSWERABLE] * (len(rows) - len(importance))
    weights = fit([row.features for row in rows], [row.right for row in rows], importance)
    print(f"fitted to {len(rows):,} answers, {sum(row.right for row in rows):,} of them right")
    if given.save:
        weights.save(given.save)

    tests = {path.stem: read(path) for path in given.test}
    tests |= {path.stem: half[1::2] for path, half in zip(given.halves, halves, strict=True)}
    for name, answers in tests.items():
        ours, peer = measure(answers, weights)
        unknown = share(weights.probability(each.features) < KNOWN for each in answers)
        sure = [each.right for each in answers if weights.probability(each.features) >= SURE]
        print(
            f"{name}: n {len(answers)}, accuracy {share(each.right for each in answers):.1%}, error "
            f"{ours.error * 100:.1f} points (probability alone {peer.error * 100:.1f}), area under ROC "
            f"{ours.auc or 0:.3f} ({peer.auc or 0:.3f}), right at 50% coverage {text(ours)} "
            f"({text(peer)}), sure {len(sure) / len(answers):.0%} of which right {share(sure):.1%}, "
            f"not known {unknown:.1%}"
        )
    declines = {each: ask(given.model, each) for each in given.declined}
    for each, asked in {"the other unanswerable ones": unanswerable[1::2], **declines}.items():
        count = sum(row is None or weights.probability(row.features) < KNOWN for row in asked)
        print(f"{each}: {count} of {len(asked)} declined")
    for each in given.ambiguous:
        counts = offered(given.model, each)
        several = sum(count > 1 for count in counts)
        print(
            f"{each}: at least two readings of {several} of {len(counts)} are offered, one of {sum(count == 1 for count in counts)}"
        )
    tested = [row for answers in tests.values() for row in answers]
    ours, peer = measure(tested, weights)
    facts = {
        "name": "confidence", "ours": ours.error * 100, "peer": peer.error * 100,
        "ratio": ours.error / peer.error, "n": len(tested), "unit": "points of calibration error",
        "machine": platform.machine(), "versions": {"txt2sql": __version__},
    }  # fmt: skip
    print(json.dumps(facts))


def read(path: Path) -> list[Answered]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Answered(tuple(row["features"]), bool(row["exec"]))
        for row in rows
        if row["exec"] is not None and row["features"]
    ]


def ask(model: str, source: str) -> list[Answered | None]:
    """The answers to questions that cannot be answered; None for a wish to change something."""
    folder, _, questions = source.rpartition("=")
    dataset = open_dataset(folder)
    predictor = build_predictor(model, dataset.schema, dataset.database)
    items = json.loads(Path(questions).read_text(encoding="utf-8"))
    # The model was trained on the others.
    items = [item for item in items if item.get("held_out", True)]
    examples = [
        Example(str(i), item["db_id"], item["question"])
        for i, item in enumerate(items)
        if not declined(item["question"])
    ]
    answers = [Answered(each.features, False) for each in predictor.predict(examples)]
    return [*answers, *[None] * (len(items) - len(examples))]


def offered(model: str, source: str) -> list[int]:
    """How many readings of each ambiguous question the answer and what stands beside it cover."""
    folder, _, questions = source.rpartition("=")
    dataset = open_dataset(folder)
    predictor = build_predictor(model, dataset.schema, dataset.database)
    items = json.loads(Path(questions).read_text(encoding="utf-8"))
    examples = [Example(str(i), item["db_id"], item["question"]) for i, item in enumerate(items)]
    counts = []
    for item, prediction in zip(items, predictor.predict(examples), strict=True):
        results = [
            execute(dataset.database(item["db_id"]), sql)
            for sql in (prediction.sql, *prediction.readings)
            if sql
        ]
        counts.append(
            sum(
                any(
                    same_result(execute(dataset.database(item["db_id"]), gold), result, False)
                    for gold in reading
                    for result in results
                )
                for reading in item["readings"]
            )
        )
    return counts


def measure(answers: Sequence[Answered], weights: Weights) -> tuple[Calibration, Calibration]:
    """Calibration of the fitted confidence, and of the model's probability alone."""
    ours = calibration((weights.probability(each.features), each.right) for each in answers)
    peer = calibration((each.probability, each.right) for each in answers)
    if ours is None or peer is None:
        raise SystemExit("there are no answers to test; give --test or --halves")
    return ours, peer


def share(values: Iterable[bool]) -> float:
    whole = list(values)
    return sum(whole) / len(whole) if whole else 0.0


def text(each: Calibration) -> str:
    value = each.coverage["50%"]
    return f"{value.mean:.1%} [{value.low:.1%}, {value.high:.1%}]"


if __name__ == "__main__":
    main()
