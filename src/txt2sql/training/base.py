"""The base that adapters are trained over: a smaller vocabulary, and 4-bit weights by GPTQ.

What ships is quantised before tuning: an adapter learns over the very weights that answer. The folder
holds the model as transformers loads it (dequantised) and, under `onnx/`, as it answers.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import with_gold
from txt2sql.errors import ModelError
from txt2sql.models.export import export_onnx
from txt2sql.models.quantise import quantise_model, write_levels
from txt2sql.models.tokenizer import cut_vocabulary, input_text, is_european
from txt2sql.models.weights import load_weights, read_gguf
from txt2sql.prompts import render
from txt2sql.runs import write_atomically
from txt2sql.training.data import matcher

TEXTS = ("spider", "spider_syn", "cosql", "bird_train", "wikisql", "wtq")
"""Data sets whose questions and queries say which pieces of the vocabulary are used."""

_FREQUENT, _SEEN, _SEEN_ELSEWHERE = 40_000, 2, 5
_CALIBRATION, _BY_DATABASE, _MAX_TOKENS = 24, 2, 1100


def build(
    source: Path | str,
    output: Path,
    *,
    data: Path | None = None,
    datasets: Sequence[str] = TEXTS,
    report: Callable[[str], None] = print,
) -> Path:
    """Write the base made of `source`, a GGUF file, a folder or a hub id, into `output`. The texts
    of `datasets` say which pieces stay; prompts of the first one calibrate the rounding."""
    if Path(source).suffix == ".gguf":
        model, tokenizer = read_gguf(Path(source))
    else:
        loaded = load_weights(source, device="cpu", dtype="float32")
        model, tokenizer = loaded.model, loaded.tokenizer
    output.mkdir(parents=True, exist_ok=True)
    every = (open_dataset(name, data).examples("train") for name in datasets)
    texts = ((e.question, e.gold_sql, e.evidence) for examples in every for e in examples)
    cut(model, tokenizer, output, chain.from_iterable(texts))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(output))
    report(f"{model.config.vocab_size:,} pieces of the vocabulary stay")
    levels = quantise_model(
        model, list(calibration(tokenizer, open_dataset(datasets[0], data))), report
    )
    model.save_pretrained(output)
    write_levels(levels, output)
    export_onnx(output, output / "onnx", bits=4, force=True)
    return output


def cut(model: Any, tokenizer: Any, output: Path, texts: Iterable[str]) -> None:
    """Cut the vocabulary of a model in place to the pieces of frequent European words and those
    that the texts use; write the tokenizer of the smaller one."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    counts: Counter[int] = Counter()
    for encoding in Tokenizer.from_str(json.dumps(whole)).encode_batch(list(texts)):
        counts.update(encoding.ids)

    def keep(piece: str, number: int) -> bool:
        wanted = number < _FREQUENT or counts[number] >= _SEEN
        return (wanted and is_european(piece)) or counts[number] >= _SEEN_ELSEWHERE

    # The special tokens that the chat template writes.
    turns = [{"role": role, "content": "x"} for role in ("system", "user")]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    names = [str(token.content) for token in tokenizer.added_tokens_decoder.values()]
    used = [name for name in names if name in text]
    if not used:
        raise ModelError("the chat template of this model writes no special token")
    special = [tokenizer.pad_token, *used]
    special = list(dict.fromkeys([*special, tokenizer.eos_token]))
    smaller, pieces = cut_vocabulary(whole, keep, tuple(special))
    tokenizer.save_pretrained(output)
    write_atomically(output / "tokenizer.json", json.dumps(smaller, ensure_ascii=False))
    numbers = {old: new for new, old in enumerate(pieces)}
    # (pieces that stay, size): rows of the table in the new numbers; the output head is tied to it.
    weights = model.get_input_embeddings().weight.data[torch.tensor(pieces)].clone()
    model.resize_token_embeddings(len(pieces))
    model.get_input_embeddings().weight.data = weights
    model.tie_weights()
    for config in (model.config, model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            old = getattr(config, name, None)
            if isinstance(old, list):
                setattr(config, name, [numbers[each] for each in old if each in numbers])
            elif old is not None:
                setattr(config, name, numbers.get(old))


def calibration(tokenizer: Any, dataset: Dataset) -> Iterator[list[int]]:
    """Prompts with gold answers as token ids, at most two of each training database."""
    examples = with_gold(dataset, "train")
    random.Random(0).shuffle(examples)
    by_database: Counter[str] = Counter()
    match, made = matcher(dataset), 0
    for example in examples:
        if made == _CALIBRATION:
            return
        # Many schemas rather than many questions: most tokens of a prompt are of its schema.
        if by_database[example.db_id] == _BY_DATABASE:
            continue
        prompt = render(example.question, dataset.schema(example.db_id), matches=match(example))
        text, _ = input_text(tokenizer, prompt)
        row = [
            *tokenizer(text, add_special_tokens=False)["input_ids"],
            *tokenizer(example.gold_sql, add_special_tokens=False)["input_ids"],
            tokenizer.eos_token_id,
        ]
        if len(row) <= _MAX_TOKENS:
            by_database[example.db_id] += 1
            made += 1
            yield row
