"""Constrained decoding: at each step, the tokens that keep the text inside a grammar.

llguidance (Earley parsing with lexemes derived on the fly) does the work. It was chosen over
xgrammar by measurement: most of our grammars are asked once or a few times, where its lazy lexer has
nothing to compile ahead. It reads its own Lark dialect, and any fast tokenizer: the
bytes of each token come from the tokenizer's own decoder.

Where a grammar leaves one continuation, as after the first letters of a name, its tokens need no step of
the model each. The field calls them forced, fast-forward or jump-forward tokens. They are cut as the
tokenizer cuts the text, and end before a token that could also span their end, so that a model sees what
it was trained on (llguidance, docs/fast_forward.md).

    engine = GrammarEngine(tokenizer, vocab_size=32000, end_ids=[2])
    matcher = engine.matcher(prompt.grammar)
    allowed = engine.allowed(matcher, 32000)      # (vocabulary,) bool
    matcher.consume_tokens(engine.forced(matcher))
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from txt2sql.errors import ModelError
from txt2sql.models.tokenizer import byte_level_table

_CACHED_GRAMMARS = 256
_NO_FORCING = '%llguidance {"no_forcing": true}\n'
_PIECES = ("SELECT", " FROM", "_id", " ", "\n  ", ".", "é")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>$")


def token_bytes(tokenizer: Any, size: int) -> list[bytes]:
    """The bytes that each token adds to the text, by id; b"" for special and unused ids.

    Knows the decoders of fast tokenizers: ByteLevel (GPT-2, Llama-3, Qwen, phi-2), and Metaspace or
    Replace, with ByteFallback or not (Llama-2, Mistral).
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = (json.loads(backend.to_str()).get("decoder") if backend else None) or {}
    kinds = {part["type"] for part in (decoder, *decoder.get("decoders", ())) if part}
    added = tokenizer.added_tokens_decoder
    special = {*tokenizer.all_special_ids, *(i for i, token in added.items() if token.special)}
    table = byte_level_table()
    out = [b""] * size
    for token, i in tokenizer.get_vocab().items():
        if i >= size or i in special:
            continue
        if i in added:
            out[i] = str(added[i].content).encode()
        elif "ByteLevel" in kinds:
            out[i] = b"".join(table.get(char, char.encode()) for char in token)
        elif "ByteFallback" in kinds and (byte := _BYTE.match(token)):
            out[i] = bytes([int(byte[1], 16)])
        elif kinds & {"Metaspace", "Replace"}:
            out[i] = token.replace("\u2581", " ").encode()
        else:
            raise ModelError(
                f"a grammar cannot restrict this model: its tokenizer decodes with {sorted(kinds)}; "
                "ask it without a grammar"
            )
    return out


class _Vocabulary:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokenizer: Any, tokens: list[bytes], end_ids: Sequence[int]) -> None:
        self.tokens = tokens
        self.eos_token_id = end_ids[0]
        self.bos_token_id = tokenizer.bos_token_id
        self.special_token_ids = [i for i, token in enumerate(tokens) if not token]
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


class GrammarEngine:
    """Matchers for one tokenizer; the most recent grammars stay compiled."""

    def __init__(self, tokenizer: Any, vocab_size: int, end_ids: Sequence[int]) -> None:
        if not end_ids:
            raise ModelError("a grammar needs a tokenizer with an end token; set its eos_token")
        self.vocab_size, self.end_ids = vocab_size, list(end_ids)
        tokens = token_bytes(tokenizer, vocab_size)
        vocabulary = _Vocabulary(tokenizer, tokens, end_ids)
        # Forced bytes are cut by the tokenizer. One that adds a space before a text or drops one, as
        # that of Llama-2 does, would forbid the tokens that fit.
        self.forces = all(
            b"".join(tokens[i] for i in vocabulary(piece)) == piece.encode() for piece in _PIECES
        )
        wrapper = TokenizerWrapper(vocabulary)
        self._tokenizer = LLTokenizer(wrapper, n_vocab=vocab_size, eos_token=self.end_ids)
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()

    def matcher(self, grammar: str) -> LLMatcher:
        """A matcher at the start of the grammar. Raises ModelError for a grammar that is none."""
        if grammar in self._compiled:
            self._compiled.move_to_end(grammar)
        else:
            options = "" if self.forces else _NO_FORCING
            matcher = LLMatcher(self._tokenizer, options + grammar, log_level=0)
            if matcher.is_error():
                reason = matcher.get_error().strip().splitlines()[0][:200]
                raise ModelError(f"the grammar cannot be used ({reason}); correct it")
            self._compiled[grammar] = matcher
            if len(self._compiled) > _CACHED_GRAMMARS:
                self._compiled.popitem(last=False)
        return self._compiled[grammar].deep_copy()

    def forced(self, matcher: LLMatcher) -> list[int]:
        """The tokens that must follow, where there is no choice; none where there is one, where a
        statement may end, and with a tokenizer that does not cut text into its own bytes.
        """
        return list(matcher.compute_ff_tokens()) if self.forces else []

    def allowed(self, matcher: LLMatcher | None, size: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(size,) which tokens may follow; only the end where nothing else may."""
        allowed = np.zeros(size, dtype=bool)
        if matcher is not None:
            # One bit a token, in words that go past the vocabulary's end.
            packed = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
            bits = np.unpackbits(packed, bitorder="little")[:size]
            allowed[: len(bits)] = bits
        if not allowed.any():
            allowed[self.end_ids] = True
        return allowed
