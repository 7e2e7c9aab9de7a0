"""A tiny data set in Spider's layout, and tiny models with random weights, made once per test run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
)
from txt2sql.training.warm_start import warm_start

from txt2sql.training.folders import save_model

TOWNS = ("Lisbon", "Porto", "Faro", "Braga")


@pytest.fixture(scope="session")
def tiny_spider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six databases, 24 questions, under the split `train`."""
    root = tmp_path_factory.mktemp("tiny") / "tiny"
    rows = []
    for n in range(6):
        folder = root / "database" / f"shop_{n}"
        folder.mkdir(parents=True)
        with closing(sqlite3.connect(folder / f"shop_{n}.sqlite")) as connection:
            connection.executescript(
                "CREATE TABLE shop (id INTEGER PRIMARY KEY, town TEXT, size INTEGER);"
                "CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop (id));"
            )
            connection.executemany(
                "INSERT INTO shop (town, size) VALUES (?, ?)", [(t, i) for i, t in enumerate(TOWNS)]
            )
            connection.commit()
        for question, query in (
            ("How many shops are there?", "SELECT count(*) FROM shop"),
            (f"Size of the shop in {TOWNS[n % 4]}?",
             f"SELECT size FROM shop WHERE town = '{TOWNS[n % 4]}'"),
            ("Which towns have sales?",
             "SELECT town FROM shop JOIN sale ON shop.id = sale.shop_id"),
            ("Case of sizes?", "SELECT CASE WHEN size > 1 THEN 1 ELSE 0 END FROM shop"),
        ):  # fmt: skip
            rows.append({"db_id": f"shop_{n}", "question": question, "query": query})
    (root / "train.json").write_text(json.dumps(rows))
    return root


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT encoder with random weights and a vocabulary of some 60 pieces."""
    folder = tmp_path_factory.mktemp("encoder")
    words = "how many shop are there size of the in which town have sale case id select from where"
    words += " count join lisbon porto faro braga group by order key"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split(), "##s", "##es"]
    pieces += [*"abcdefghijklmnopqrstuvwxyz0123456789?.,;:|!~#@>=<()*'%_-"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(pieces)), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=512,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with a language model of an architecture, random weights, and a byte-level tokenizer
    that has a chat template or none; made once.
    """
    made: dict[tuple[str, bool], Path] = {}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": 1024}  # fmt: skip
    alphabet = ByteLevel.alphabet()
    names = ["<pad>", "<s>", "</s>", "<|user|>", "<|system|>", "<|assistant|>"]
    texts = ["-- SQLite tables, with examples of their values CREATE TABLE shop ( id INTEGER PRIMARY KEY, town TEXT );",
             "-- Question: SQLite SELECT statement: SELECT COUNT(*) FROM sale size INTEGER",
             "REFERENCES FOREIGN KEY WHERE JOIN ON shop.id = sale.shop_id Lisbon Porto"] * 9  # fmt: skip

    def folder(architecture: str, chat: bool = False) -> Path:
        if (architecture, chat) in made:
            return made[architecture, chat]
        raw = Tokenizer(BPE())
        raw.pre_tokenizer, raw.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
        raw.train_from_iterator(
            texts, BpeTrainer(vocab_size=500, special_tokens=names, initial_alphabet=alphabet,
                              show_progress=False),
        )  # fmt: skip
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
        )
        if chat:
            tokenizer.chat_template = (
                "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
                "{% if add_generation_prompt %}<|assistant|>{% endif %}"
            )
        torch.manual_seed(0)
        ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
        shared = {} if architecture == "phi" else {"num_key_value_heads": 2}
        config = AutoConfig.for_model(
            architecture, vocab_size=len(tokenizer), **sizes, **shared, **ids
        )
        path = tmp_path_factory.mktemp(f"{architecture}-{chat}")
        model = AutoModelForCausalLM.from_config(config)
        with (
            torch.no_grad()
        ):  # wider than transformers begins, so that adapters have something to turn
            for parameter in model.parameters():
                parameter.mul_(5 if parameter.ndim == 2 else 1)
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
        made[architecture, chat] = path
        return path

    return folder


@pytest.fixture(scope="session")
def tiny_compact(
    tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path
) -> Callable[..., Path]:
    """A folder with a tiny model like the bundled one, that reads its prompt in both directions or not."""
    made: dict[bool, Path] = {}

    def folder(prefix: bool = False) -> Path:
        if prefix not in made:
            torch.manual_seed(0)
            path = tmp_path_factory.mktemp(f"compact-{prefix}")
            model, tokenizer = warm_start(tiny_encoder, [])
            model.config.prefix_lm = prefix
            save_model(model, tokenizer, path, torch.float32)
            made[prefix] = path
        return made[prefix]

    return folder
