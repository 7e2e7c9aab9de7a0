"""How often a prompt under a budget keeps every table and column that the gold query needs.

Field's name: schema linking recall. Questions of the training splits whose schema does not fit are
drawn; a question counts where nothing of its gold query was left out of the prompt.

    python benchmarks/schema_recall.py [--data data/raw] [--budgets 300 600 1000] [--limit 600]

`ours` is the mean of the shares in percent; `peer` is 100.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import sqlglot
from sqlglot import exp

from txt2sql.data import Dataset, open_dataset
from txt2sql.evaluation.evaluate import draw
from txt2sql.prompts.ddl import render_ddl
from txt2sql.runs import hardware, versions
from txt2sql.sql.resolve import Resolver
from txt2sql.types import Example, Schema

SETS = {"spider": "train", "bird_train": "train"}


def needed_names(sql: str, schema: Schema) -> set[str]:
    """The tables and "table.column"s of a query, in the schema's spelling."""
    tree, resolver = sqlglot.parse_one(sql, read="sqlite"), Resolver(schema)
    tables = (schema.table(node.name) for node in tree.find_all(exp.Table))
    columns = (resolver.find(node) for node in tree.find_all(exp.Column))
    return {table.name for table in tables if table} | {
        f"{place.table.name}.{place.column.name}"
        for place in columns
        if place and place.table and place.column
    }


def recall(dataset: Dataset, examples: list[Example], budget: int) -> tuple[int, int]:
    """(questions of which all is kept, questions whose schema did not fit)."""
    whole = reduced = 0
    for example in examples:
        schema = dataset.schema(example.db_id)
        try:
            needed = needed_names(example.gold_sql, schema)
        except sqlglot.ParseError:
            continue
        prompt = render_ddl(example.question, schema, evidence=example.evidence, budget=budget)
        dropped = set(prompt.dropped)
        missing = {name for name in needed if name in dropped or name.split(".")[0] in dropped}
        reduced, whole = reduced + bool(dropped), whole + (bool(dropped) and not missing)
    return whole, reduced


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("TXT2SQL_DATA", "data/raw"))
    parser.add_argument("--budgets", type=int, nargs="+", default=[300, 600, 1000])
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    shares, n = {}, 0
    for name, split in SETS.items():
        dataset = open_dataset(name, args.data)
        examples = draw(list(dataset.examples(split)), 60 if args.quick else args.limit, seed=0)
        for budget in args.budgets:
            whole, reduced = recall(dataset, examples, budget)
            shares[f"{name} {budget}"], n = round(100 * whole / max(1, reduced), 1), n + reduced
    ours = round(sum(shares.values()) / len(shares), 1)
    row = {"name": "schema_recall", "ours": ours, "peer": 100.0, "ratio": ours / 100, "n": n}
    more = {"unit": "%", "recall": shares, "machine": hardware(), "versions": versions()}
    print(json.dumps({**row, **more}))


if __name__ == "__main__":
    main()
