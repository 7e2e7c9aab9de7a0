"""Tiny models with random weights, real classes and a tokenizer trained on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertLMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from txt2sql.models.hf import HFGenerator, load

TEXTS = [
    "SELECT count(*) FROM singer WHERE name = 'Anna' ORDER BY age DESC LIMIT 3",
    "CREATE TABLE concert (concert_id INT, theme TEXT) -- how many singers are there ?",
    "select name , avg ( age ) from singer group by country having count ( * ) > 1",
] * 4
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
_HEADS = {"num_attention_heads": 4, "max_position_embeddings": 256}
CAUSAL = {
    "phi": (PhiForCausalLM, PhiConfig, {**_SMALL, **_HEADS}),
    "llama": (LlamaForCausalLM, LlamaConfig, {**_SMALL, **_HEADS, "num_key_value_heads": 2}),
    "mistral": (MistralForCausalLM, MistralConfig, {**_SMALL, **_HEADS, "num_key_value_heads": 2}),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {**_SMALL, **_HEADS, "num_key_value_heads": 2}),
    "bert": (BertLMHeadModel, BertConfig, {**_SMALL, **_HEADS, "is_decoder": True}),
}


def byte_level(chat: bool = False, pad: bool = True) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as phi-2, Llama-3 and Qwen have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["<pad>", "<s>", "</s>", "<|user|>", "<|system|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        **({"pad_token": "<pad>"} if pad else {}),
    )
    if chat:
        fast.chat_template = TEMPLATE
    return fast


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


def build(architecture: str, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> torch.nn.Module:
    """A random model whose logits differ enough that greedy decoding has no ties."""
    torch.manual_seed(seed)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    shared = {"vocab_size": len(tokenizer) + 6, "eos_token_id": end, "pad_token_id": pad}
    shared["bos_token_id"] = tokenizer.bos_token_id
    kind, config, sizes = CAUSAL[architecture]
    model = kind(config(**sizes, **shared))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model.eval()


@pytest.fixture(scope="session")
def model_folder(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """A folder with a saved tiny model, made once per architecture and kind of tokenizer."""
    made: dict[tuple[str, str], Path] = {}
    kinds = {
        "plain": byte_level,
        "chat": lambda: byte_level(chat=True),
        "no_pad": lambda: byte_level(pad=False),
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
def generator_of(model_folder: Callable[..., Path]) -> Callable[..., HFGenerator]:
    """The Generator of a tiny model, loaded once."""
    loaded: dict[tuple[str, ...], HFGenerator] = {}

    def generator(*key: str) -> HFGenerator:
        if key not in loaded:
            loaded[key] = load(model_folder(*key), device="cpu")
        return loaded[key]

    return generator
