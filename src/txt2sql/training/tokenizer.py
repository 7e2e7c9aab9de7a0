"""The tokenizer of models trained from compact prompts: whole symbols, English word pieces.

A WordPiece vocabulary cut down from a BERT one (Schuster and Nakajima 2012), with the word boundary
written as SentencePiece does (`▁select`, `ing`) so that decoding and grammars know where spaces are,
and with one token for every symbol of a compact prompt (`[t3]`, `[c12]`, `[v0]`).

>>> tokenizer = build_tokenizer(Path("vocab.txt"), ["how many singers"])  # doctest: +SKIP
>>> tokenizer.tokenize("singers [c3]")  # doctest: +SKIP
['▁singer', 's', '▁[c3]']
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import PreTrainedTokenizerFast

from txt2sql.prompts.compact import SYMBOLS
from txt2sql.sql.intermediate import KEYWORDS

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
BOUNDARY = "▁"
BASE_WORDS = 12_000
_WORD = re.compile(r"\w+")


def symbols() -> list[str]:
    """Every symbol that a compact prompt can contain."""
    return [f"[{kind}{i}]" for kind, size in SYMBOLS.items() for i in range(size)]


def keep_pieces(vocabulary: list[str], corpus: Iterable[str], base: int = BASE_WORDS) -> list[str]:
    """The pieces worth keeping: single characters, the `base` most frequent (BERT's order is by
    frequency), and every piece that the corpus uses at least twice; those of answers come first.
    """
    normalise = normalizers.BertNormalizer(lowercase=True)
    cut = Tokenizer(models.WordPiece({p: i for i, p in enumerate(vocabulary)}, unk_token=UNKNOWN))
    cut.normalizer = normalise
    cut.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    batch: list[str] = []
    for text in corpus:
        batch.append(text)
        if len(batch) == 1_000:
            counts.update(t for e in cut.encode_batch(batch) for t in e.tokens)
            batch = []
    counts.update(t for e in cut.encode_batch(batch) for t in e.tokens)
    words = [p for p in vocabulary if not p.startswith("[") and not re.search(r"[^\x00-\x7f]", p)]
    frequent = set(words[:base])
    first = set(cut.encode(" ".join(KEYWORDS)).tokens)
    first |= {p for p in words if len(_bare(p)) == 1 or _bare(p).isdigit()}
    kept = [p for p in words if p in frequent or counts[p] >= 2 or p in first]
    return sorted(kept, key=lambda piece: piece not in first)


def answer_size(tokenizer: PreTrainedTokenizerFast) -> int:
    """How many tokens, from the first, nearly all answers are made of: symbols, keywords, numbers and
    characters. `keep_pieces` puts them there.
    """
    text = " ".join([*symbols(), *KEYWORDS])
    words: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    others = (
        i
        for token, i in tokenizer.get_vocab().items()
        if len(bare := token.removeprefix(BOUNDARY)) == 1 or bare.isdigit()
    )
    return 1 + max(*words, *others)


def _bare(piece: str) -> str:
    return piece.removeprefix("##")


def renamed(piece: str) -> str:
    """BERT's `sing` and `##er` as `▁sing` and `er`."""
    return piece[2:] if piece.startswith("##") else BOUNDARY + piece


def build_tokenizer(pieces: Iterable[str], max_length: int = 512) -> PreTrainedTokenizerFast:
    """A fast tokenizer over BERT pieces (`##` style) plus the symbols of compact prompts."""
    tokens = [PAD, UNKNOWN, START, END]
    tokens += [BOUNDARY + symbol for symbol in symbols()]
    tokens += [renamed(piece) for piece in pieces]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix="")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    apart = Regex(r"\[[tcv][0-9]+\]|[!-/:-@\[-`{-~]|[\p{P}\p{S}]")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(apart, "isolated"),
            pre_tokenizers.Metaspace(BOUNDARY, prepend_scheme="always", split=False),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(BOUNDARY, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, vocabulary[START])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        model_max_length=max_length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
