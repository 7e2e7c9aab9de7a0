"""Tiny models with random weights, real classes and a tokenizer trained on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import build, byte_level
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from txt2sql.models.decoder import Decoder
from txt2sql.models.torch_engine import load

TEXTS = [
    "SELECT count(*) FROM singer WHERE name = 'Anna' ORDER BY age DESC LIMIT 3",
    "CREATE TABLE concert (concert_id INT, theme TEXT) -- how many singers are there ?",
    "select name , avg ( age ) from singer group by country having count ( * ) > 1",
] * 4


def metaspace() -> PreTrainedTokenizerFast:
    """Pieces that carry their space, as Llama-2 and the bundled model have."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    names = ["<pad>", "<s>", "</s>", "<unk>", *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=450, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    saved = json.loads(tokenizer.to_str())
    saved["added_tokens"] = saved["added_tokens"][:4]  # byte tokens are ordinary ones
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(saved)),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


@pytest.fixture(scope="session")
def model_folder(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """A folder with a saved tiny model, made once per architecture and kind of tokenizer."""
    made: dict[tuple[str, str], Path] = {}
    kinds = {
        "plain": lambda: byte_level(TEXTS),
        "chat": lambda: byte_level(TEXTS, chat=True),
        "no_pad": lambda: byte_level(TEXTS, pad=False),
        "metaspace": metaspace,
    }

    def folder(architecture: str, kind: str = "plain") -> Path:
        key = (architecture, kind)
        if key not in made:
            path = tmp_path_factory.mktemp(f"{architecture}_{kind}")
            tokenizer = kinds[kind]()
            tokenizer.save_pretrained(path)
            build(architecture, tokenizer).save_pretrained(path)
            made[key] = path
        return made[key]

    return folder


@pytest.fixture(scope="session")
def generator_of(model_folder: Callable[..., Path]) -> Callable[..., Decoder]:
    """The Generator of a tiny model, loaded once."""
    loaded: dict[tuple[str, ...], Decoder] = {}

    def generator(*key: str) -> Decoder:
        if key not in loaded:
            loaded[key] = load(model_folder(*key), device="cpu")
        return loaded[key]

    return generator
