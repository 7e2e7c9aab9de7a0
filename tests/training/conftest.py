"""A tiny data set in Spider's layout and a tiny encoder, made once per test run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

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
