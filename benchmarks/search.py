"""Seconds of an answer and of a searched one, beside transformers and a search without a shared cache.

Answers to each question of Spider dev, alternating, after a warm-up, with the same weights: greedy
decoding as `txt2sql ask` does it; a tree search of N simulations; and the naive search of the same N,
which calls `generate` once for each simulation (one sampled answer, prompt read anew) and votes on the
results. The bar is that search takes at most 4.4 times as long as the greedy answer (median).
With --generate, transformers' own `generate` greedily answers the same prompts in place of both searches.

With --held-out, accuracy instead of time: on questions over training databases that the bundled model
never saw, how often the greedy, the searched, and any answer of the tree (oracle: not a result, an upper
bound for every choice among what was found) match the gold result.

    python benchmarks/search.py [--data data/raw/spider] [--model bundled] [-n 200] [--simulations 100]
    python benchmarks/search.py --generate [-n 100]
    python benchmarks/search.py --held-out [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from txt2sql.data import Dataset, open_dataset
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.vote import ScoredAnswer, choose
from txt2sql.runs import hardware, versions
from txt2sql.search.mcts import Settings
from txt2sql.search.predictor import SearchOptions
from txt2sql.search.states import Question
from txt2sql.serving.service import build_predictor, searching
from txt2sql.sql.text import extract_sql
from txt2sql.training.data import is_held_out
from txt2sql.types import Example, Prediction, Sampling

NAIVE = 10
"""The naive search runs for one question in so many, as it takes so long."""
HELD_OUT = 0.06
"""The share of the training databases that the recipe of the bundled model leaves out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("-n", type=int)
    parser.add_argument("--simulations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--generate", action="store_true", help="transformers is the peer")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    dataset = open_dataset("spider", arguments.data)
    greedy = build_predictor(arguments.model, dataset.schema, dataset.database, batch_size=1)
    greedy.options = replace(greedy.options, second_beams=0)
    options = SearchOptions(mcts=Settings(num_simulations=arguments.simulations))
    chance = random.Random(arguments.seed)
    if arguments.held_out:
        examples = [e for e in dataset.examples("train") if is_held_out(e.db_id, HELD_OUT)]
        chance.shuffle(examples)
        count = arguments.n or (10 if arguments.quick else len(examples))
        print(json.dumps(accuracy(dataset, greedy, options, examples[:count])))
        return
    examples = chance.sample(
        list(dataset.examples("dev")), arguments.n or (10 if arguments.quick else 200)
    )
    peers: dict[str, Callable[[Example], object]] = {}
    if arguments.generate:
        peers["generate"] = plain_transformers(arguments.model, greedy)
    else:
        searched = searching(greedy, options)
        peers["search"] = lambda example: searched.search([Question.of(example)])
        peers["naive"] = lambda example: naive(greedy, example, arguments.simulations)
    print(json.dumps(times(greedy, peers, examples) | {"simulations": arguments.simulations}))


def plain_transformers(model: str, greedy: DirectPredictor) -> Callable[[Example], object]:
    """Greedy answers by `generate` of the same weights, in bfloat16: nothing is cached or constrained."""
    import torch

    from txt2sql.models.tokenizer import input_text
    from txt2sql.models.weights import load_weights

    loaded = load_weights(model, dtype="bfloat16")

    def answer(example: Example) -> object:
        text, special = input_text(loaded.tokenizer, greedy.prompt(example))
        ids = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=special)
        with torch.inference_mode():
            return loaded.model.generate(**ids, max_new_tokens=96, do_sample=False)

    return answer


def times(
    greedy: DirectPredictor, peers: dict[str, Callable[[Example], object]], examples: list[Example]
) -> dict[str, Any]:
    """Medians of each way to answer, and of the ratios question by question."""
    ways: dict[str, Callable[[Example], object]] = {
        "greedy": lambda example: next(greedy.predict([example])),
        **peers,
    }
    for way in ways:
        if way != "naive":
            ways[way](examples[0])
    spent: dict[str, list[float]] = {way: [] for way in ways}
    over: dict[str, list[float]] = {way: [] for way in peers}
    for turn, example in enumerate(examples):
        for way, answer in ways.items():
            if way == "naive" and turn % NAIVE:
                continue
            start = time.perf_counter()
            answer(example)
            spent[way].append(time.perf_counter() - start)
            if way in over:
                over[way].append(spent[way][-1] / spent["greedy"][-1])
    medians = {way: statistics.median(times) for way, times in spent.items()}
    ratios = {way: statistics.median(times) for way, times in over.items()}
    for way, times in spent.items():
        ratio = f", {ratios[way]:.2f} times greedy" if way in ratios else ""
        print(f"{way}: median {medians[way] * 1e3:.0f} ms (n = {len(times)}){ratio}")
    own, peer = list(ways)[-2:]
    return {
        "name": "search" if "search" in ways else "greedy",
        "ours": medians[own],
        "peer": medians[peer],
        "ratio": ratios[peer] / ratios.get(own, 1),
        "over_greedy": ratios.get("search"),
        "n": len(examples),
        "unit": "seconds per question",
        "machine": hardware(),
        "versions": versions(),
    }


def naive(greedy: DirectPredictor, example: Example, simulations: int) -> str | None:
    """The chosen one of so many sampled answers, each with a call of its own."""
    prompt = greedy.prompt(example)
    counts: dict[str, int] = {}
    for seed in range(simulations):
        sampling = Sampling(max_new_tokens=96, temperature=1.0, seed=seed)
        text = greedy.generator.generate([prompt], sampling)[0][0].text
        if sql := extract_sql(text):
            counts[sql] = counts.get(sql, 0) + 1
    run = greedy.executor
    assert run is not None
    votes = [ScoredAnswer(sql, n / simulations, n, run(example.db_id, sql)) for sql, n in counts.items()]  # fmt: skip
    candidates = choose(votes)
    return candidates[0].sql if candidates else None


def accuracy(
    dataset: Dataset, greedy: DirectPredictor, options: SearchOptions, examples: list[Example]
) -> dict[str, Any]:
    """Execution accuracy of the greedy answer, of the chosen one, and of the best in the tree."""
    metric = ExecutionAccuracy()
    predictor = searching(greedy, replace(options, together=8))
    right = {"greedy": 0, "search": 0, "oracle": 0}
    for start in range(0, len(examples), 8):
        batch = examples[start : start + 8]
        for example, searched in zip(batch, predictor.search([Question.of(e) for e in batch])):

            def judged(sql: str, example: Example = example) -> bool:
                answer = Prediction(example.id, sql)
                return metric(example, answer, dataset.database(example.db_id)).correct

            marks = {answer.sql: judged(answer.sql) for answer in searched.answers}
            right["greedy"] += any(marks[answer.sql] for answer in searched.answers if answer.own)
            right["search"] += bool(searched.candidates) and marks[searched.candidates[0].sql]
            right["oracle"] += any(marks.values())
    means = {name: count / len(examples) for name, count in right.items()}
    print(f"{means} (n = {len(examples)})")
    return {
        "name": "search, held-out databases",
        "ours": means["search"],
        "peer": means["greedy"],
        "ratio": means["search"] / means["greedy"],
        "oracle": means["oracle"],
        "n": len(examples),
        "unit": "execution accuracy",
        "machine": hardware(),
        "versions": versions(),
    }


if __name__ == "__main__":
    main()
