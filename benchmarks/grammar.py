"""Constrained decoding with llguidance (ours) against xgrammar: one question, then many, of a schema.

Both read the same GBNF grammar of the same schema and mask the same tokens of the same queries over
a byte-level BPE vocabulary of 32,000, trained here on the Python standard library. A side's time is
what one question of about 40 tokens costs beyond the model: set up the grammar, then for each token
fill the mask, apply it to (1, 32000) scores and take the token. `ours` and `peer` are medians over
schemas that are new to both (`ratio` is peer / ours); the further keys say what a schema costs that
was asked before, and the overhead per token inside `generate` of a tiny model.

    pip install xgrammar
    python benchmarks/grammar.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sysconfig
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import xgrammar
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from txt2sql.models.catalog import ModelCard
from txt2sql.models.constraint import GrammarEngine, GrammarMask
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.hf import HFGenerator
from txt2sql.models.weights import LoadedModel
from txt2sql.types import Column, ForeignKey, Prompt, Sampling, Schema, Table

VOCABULARY = 32_000
WORDS = (
    "singer concert stadium country name year age city price order product customer address phone "
    "student course teacher grade school team player match score game flight airport airline pilot"
).split()


def tokenizer_of(text: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, as phi-2, Llama-3 and Qwen have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", bos_token="<end>"
    )


def schema_of(rng: random.Random, tables: int) -> Schema:
    """A schema with names like real ones: `concert_2`, `stadium_city`."""
    built = []
    for i in range(tables):
        names = {f"{rng.choice(WORDS)}_{rng.choice(WORDS)}" for _ in range(rng.randint(4, 9))}
        built.append(
            Table(f"{WORDS[i % len(WORDS)]}_{i}", (Column(f"id_{i}"), *map(Column, names)))
        )
    keys = (ForeignKey(built[0].name, "id_0", built[-1].name, built[-1].columns[0].name),)
    return Schema(f"db{rng.random()}", tuple(built), keys)


def query_of(schema: Schema) -> str:
    """A query of a usual length with a join, a condition, a group and an order."""
    one, other = schema.tables[0], schema.tables[-1]
    return (
        f"SELECT T1.{one.columns[1].name}, count(*) FROM {one.name} AS T1 JOIN {other.name} AS T2 "
        f"ON T1.{one.columns[0].name} = T2.{other.columns[0].name} WHERE T2.{other.columns[1].name} "
        f"LIKE '%France%' GROUP BY T1.{one.columns[1].name} ORDER BY count(*) DESC LIMIT 3"
    )


def ours(engine: GrammarEngine, grammar: str, tokens: list[int], scores: torch.Tensor) -> None:
    """Mask every step of one answer as `HFGenerator` does."""
    mask = GrammarMask(engine, [grammar], copies=1, start=1)
    for count in range(len(tokens)):
        masked = mask(torch.tensor([[0, *tokens[:count]]]), scores)
        assert masked[0, tokens[count]] == 0, "the grammar must accept the query"


def peer(
    compiler: xgrammar.GrammarCompiler, grammar: str, tokens: list[int], scores: torch.Tensor
) -> None:
    """The same with xgrammar, as its own logits processor does."""
    matcher = xgrammar.GrammarMatcher(compiler.compile_grammar(grammar))
    bitmask = xgrammar.allocate_token_bitmask(1, scores.shape[1])
    for token in tokens:
        matcher.fill_next_token_bitmask(bitmask)
        masked = scores.clone()
        xgrammar.apply_token_bitmask_inplace(masked, bitmask)
        assert masked[0, token] == 0, "the grammar must accept the query"
        assert matcher.accept_token(token)


def milliseconds(side: Any, *arguments: Any) -> float:
    """Processor time of one call (other processes may share the machine)."""
    start = time.process_time()
    side(*arguments)
    return (time.process_time() - start) * 1e3


def overhead_in_generate(
    tokenizer: PreTrainedTokenizerFast, grammars: list[str], tokens: int
) -> float:
    """Processor milliseconds per generated token that a grammar adds to a tiny model's `generate`."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(config).eval()
    generator = HFGenerator(LoadedModel(ModelCard("tiny", "", "llama"), model, tokenizer, False))
    extra = []
    for grammar in grammars:
        spent = []
        for chosen in (grammar, None, grammar):  # the first call sets the grammar up
            prompt = Prompt("SELECT", "ddl", grammar=chosen)
            start = time.process_time()
            done = generator.generate([prompt], Sampling(tokens))[0][0].completion_tokens
            spent.append((time.process_time() - start) * 1e3 / done)
        extra.append(spent[2] - spent[1])
    return statistics.median(extra)


def main() -> None:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(description="llguidance against xgrammar on SQL grammars")
    parser.add_argument("--quick", action="store_true", help="fewer schemas, under a minute")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    rng = random.Random(1)
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    tokenizer = tokenizer_of([file.read_text(errors="replace") for file in library])
    schemas = [schema_of(rng, tables) for tables in (4, 6, 25) * (3 if quick else 12)]
    cases = [
        (sql_grammar(schema), [*tokenizer(query_of(schema))["input_ids"], tokenizer.eos_token_id])
        for schema in schemas
    ]
    scores = torch.zeros(1, VOCABULARY)
    start = time.process_time()
    engine = GrammarEngine(tokenizer, VOCABULARY, [tokenizer.eos_token_id])
    once = {"ours": (time.process_time() - start) * 1e3}
    start = time.process_time()
    information = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=VOCABULARY)
    compiler = xgrammar.GrammarCompiler(information, max_threads=1)
    once["peer"] = (time.process_time() - start) * 1e3
    ours(engine, *cases[0], scores)
    peer(compiler, *cases[0], scores)
    first: dict[str, list[float]] = {"ours": [], "peer": []}
    again: dict[str, list[float]] = {"ours": [], "peer": []}
    for grammar, tokens in cases[1:]:
        for times in (first, again):
            times["ours"].append(milliseconds(ours, engine, grammar, tokens, scores) / len(tokens))
            times["peer"].append(
                milliseconds(peer, compiler, grammar, tokens, scores) / len(tokens)
            )
    length = statistics.mean(len(tokens) for _, tokens in cases[1:])
    new = {side: statistics.median(values) * length for side, values in first.items()}
    known = {side: statistics.median(values) for side, values in again.items()}
    generate = overhead_in_generate(tokenizer, [g for g, _ in cases[:6]], 16 if quick else 48)
    for side in ("ours", "peer"):
        print(f"{side}: tokenizer {once[side]:.0f} ms, new schema {new[side]:.1f} ms per question,")
        print(f"      known schema {known[side]:.3f} ms per token")
    print(f"ours: {generate:.3f} ms per token inside generate")
    report = {
        "name": "grammar",
        "ours": round(new["ours"], 1),
        "peer": round(new["peer"], 1),
        "ratio": round(new["peer"] / new["ours"], 2),
        "n": len(cases) - 1,
        "unit": "processor milliseconds per question on a new schema (ratio: peer / ours)",
        "known_schema_ms_per_token": {side: round(value, 3) for side, value in known.items()},
        "tokenizer_ms": {side: round(value) for side, value in once.items()},
        "generate_ms_per_token": round(generate, 3),
        "tokens_per_question": round(length, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {name: version(name) for name in ("llguidance", "xgrammar", "transformers")},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
