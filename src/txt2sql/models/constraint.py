"""Constrained decoding: at each step, the tokens that keep the text inside a grammar.

llguidance (Earley parsing with lexemes derived on the fly) does the work. It was chosen over
xgrammar by measurement: most of our grammars are asked once or a few times, where its lazy lexer has
nothing to compile ahead. It reads its own Lark dialect, and any fast tokenizer.

Where a grammar leaves one continuation, as after the first letters of a name, its tokens need no step of
the model each. The field calls them forced, fast-forward or jump-forward tokens. They are cut as the
tokenizer cuts the text, and end before a token that could also span their end, so that a model sees what
it was trained on (llguidance, docs/fast_forward.md).

    engine = GrammarEngine(vocabulary, size=32000)
    matcher = engine.matcher(prompt.grammar)
    allowed = engine.allowed(matcher)             # ids of tokens
    matcher.consume_tokens(matcher.compute_ff_tokens())
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from txt2sql.errors import ModelError
from txt2sql.models.tokenizer import Vocabulary


class GrammarEngine:
    """Matchers for one tokenizer; the most recent grammars stay compiled.

    Raises ModelError for a tokenizer without an end token, or of a kind that llguidance cannot read.
    """

    def __init__(self, vocabulary: Vocabulary, size: int) -> None:
        if not vocabulary.end_ids:
            raise ModelError("a grammar needs a tokenizer with an end token; set its eos_token")
        self.size, self.end_ids = size, vocabulary.end_ids
        try:
            text = vocabulary.backend.to_str()
            self._tokens = LLTokenizer(text, n_vocab=size, eos_token=self.end_ids)
        except ValueError as problem:
            raise ModelError(
                f"a grammar cannot restrict this model ({problem}); ask it without a grammar"
            ) from problem
        self._compiled = lru_cache(maxsize=256)(self._compile)

    def _compile(self, grammar: str) -> LLMatcher:
        matcher = LLMatcher(self._tokens, grammar, log_level=0)
        if matcher.is_error():
            reason = matcher.get_error().strip().splitlines()[0][:200]
            raise ModelError(f"the grammar cannot be used ({reason}); correct it")
        return matcher

    def matcher(self, grammar: str) -> LLMatcher:
        """A matcher at the start of the grammar. Raises ModelError for a grammar that is none."""
        return self._compiled(grammar).deep_copy()

    def allowed(self, matcher: LLMatcher) -> np.ndarray[Any, Any]:
        """The ids of the tokens that may follow; only the end where nothing else may."""
        # One bit a token, in words that go past the vocabulary's end.
        packed = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(packed, bitorder="little")[: self.size])
        return allowed if len(allowed) else np.array(self.end_ids)

    def pieces(self) -> list[str]:
        """The text that each token adds, by id; "" for special ones."""
        tokens = self._tokens
        return [
            "" if tokens.is_special_token(i) else tokens.decode_bytes([i]).decode(errors="replace")
            for i in range(self.size)
        ]
