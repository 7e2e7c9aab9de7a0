"""Seconds per question, one at a time, against plain `generate()` of the same weights.

Ours is what `txt2sql ask` does for a question after loading: match values, render the prompt, decode
under the grammar, turn the answer into SQL; `first` is that alone, `ours` has the second look of answers
that are doubtful, too. The peer gets the same token ids and decodes greedily with transformers' defaults,
without a grammar, and stops at the end token. They alternate, question by question, on Spider dev; the
first answers must mean the same SQL for most questions, or the times say little.

    python benchmarks/generation.py [--data data/raw/spider] [--model bundled] [-n 100] [--quick]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from txt2sql.data import open_dataset
from txt2sql.execution.execute import clear_cache
from txt2sql.models.catalog import resolve
from txt2sql.models.prefix import prompt_cache
from txt2sql.runs import hardware, versions
from txt2sql.serving.service import build_predictor


def main() -> None:
    """Print medians and the ratio, and one JSON object last."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    result = compare(arguments.data, arguments.model, 20 if arguments.quick else arguments.n)
    print(json.dumps(result))


def compare(data: Path | None, model: str, n: int) -> dict[str, Any]:
    """Times of both sides over `n` questions of Spider dev."""
    dataset = open_dataset("spider", data)
    examples = random.Random(0).sample(list(dataset.examples("dev")), n)
    predictor = build_predictor(model, dataset.schema, dataset.database, batch_size=1)
    once = copy(predictor)
    once.options = replace(predictor.options, second_beams=0)
    generator = predictor.generator
    folder = resolve(model).folder or resolve(model).hub_id
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    times: dict[str, list[float]] = {"ours": [], "first": [], "peer": []}
    same = 0
    for turn, example in enumerate([examples[0], *examples]):  # the first warms both up
        spent = {}
        for name, asked in (("ours", predictor), ("first", once)):
            clear_cache()
            start = time.perf_counter()
            answer = next(asked.predict([example]))
            spent[name] = time.perf_counter() - start
        prompt = predictor.prompt(example)
        ids = torch.tensor([generator.encode(prompt)])
        start = time.perf_counter()
        with torch.inference_mode():
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            tokens = plain.generate(
                **inputs,
                past_key_values=prompt_cache(plain, inputs),  # None, but for a prefix model
                do_sample=False,
                max_new_tokens=96,
                eos_token_id=generator.end_ids,
                pad_token_id=generator.pad_id,
            )
        spent["peer"] = time.perf_counter() - start
        text = generator.tokenizer.decode(tokens[0, ids.shape[1] :], skip_special_tokens=True)
        if turn:
            for name, seconds in spent.items():
                times[name].append(seconds)
            same += text.split() == answer.completion.split()
    found = {name: statistics.median(each) for name, each in times.items()}
    for name, each in times.items():
        p95 = statistics.quantiles(each, n=20)[-1]
        print(
            f"{name}: median {found[name] * 1e3:.0f} ms, mean {statistics.mean(each) * 1e3:.0f} ms, "
            f"95th percentile {p95 * 1e3:.0f} ms"
        )
    print(f"same answer: {same} of {n}; threads: {torch.get_num_threads()}")
    return {
        "name": "generation",
        **found,
        "ratio": found["peer"] / found["ours"],
        "n": n,
        "unit": "seconds per question, batch 1",
        "same": same,
        "machine": hardware(),
        "versions": versions(),
    }


if __name__ == "__main__":
    main()
