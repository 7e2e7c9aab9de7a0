"""Tokenizers trained on the spot and models with random weights: tiny, but of real classes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_level(
    texts: Iterable[str], *, chat: bool = False, pad: bool = True, size: int = 400
) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["<pad>", "<s>", "</s>", "<|user|>", "<|system|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        **({"pad_token": "<pad>"} if pad else {}),
    )
    if chat:
        fast.chat_template = TEMPLATE
    return fast


def build(
    architecture: str, tokenizer: PreTrainedTokenizerFast, *, context: int = 256, seed: int = 0
) -> PreTrainedModel:
    """A random model whose logits differ enough that greedy decoding has no ties."""
    torch.manual_seed(seed)
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    own = {"phi": {}, "bert": {"is_decoder": True}}.get(architecture, {"num_key_value_heads": 2})
    config = AutoConfig.for_model(
        architecture,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=context,
        vocab_size=len(tokenizer) + 6,
        **{name: getattr(tokenizer, name) for name in names},
        **own,
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model.eval()
