"""Decoding over an engine: prefill, grammar, greedy, beam and samples, all as one procedure.

Rows are continuations of prompts in one flat cache. At every step each live row reads the token that
was chosen for it, together with those that the grammar then forces; its next token is chosen among
what the grammar allows. Greedy is a beam of one. The part of a prompt that depends on the database
alone is read once and kept (`cache.PrefixStore`).

    model = Decoder(OnnxEngine(folder), Vocabulary(folder), card)
    model.generate([prompt], Sampling(beams=4))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.models.cache import Cache, PrefixStore
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.onnx_engine import Array, Engine, OnnxEngine, Output, as_array
from txt2sql.models.tokenizer import Vocabulary
from txt2sql.runs import cache_dir
from txt2sql.types import Completion, Prompt, Sampling

_CHUNK = 256
"""Tokens of a prompt that are read together: attention scores take memory by their product."""
_ROWS = 16
"""Rows that are decoded together, at most."""


def load(folder: Path, *, threads: int | None = None) -> Decoder:
    """The Generator of a model that `txt2sql export` wrote. Raises ModelError where it is damaged."""
    adapter = folder / "adapter.npz"
    engine = OnnxEngine(folder, adapter=adapter if adapter.is_file() else None, threads=threads)
    vocabulary = Vocabulary(folder)
    prefixes = PrefixStore(cache_dir() / "prefixes", engine.identity)
    return Decoder(engine, vocabulary, folder.name, style=vocabulary.style, prefixes=prefixes)


@dataclass(slots=True, eq=False)
class Row:
    """One continuation: what it sees in the cache, what it wrote, and what it reads next."""

    prompt: int
    seen: Array
    """(slots,) bool; shorter than the cache, it sees nothing of the rest."""
    position: int
    matcher: Any = None
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    """Tokens that were chosen or forced, and not read yet."""
    ended: bool = False

    @property
    def logprob(self) -> float:
        """Of all its tokens."""
        return float(sum(self.logprobs))


class Decoder:
    """A Generator over an Engine: completes prompts, one or many together."""

    beam_search = True

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        name: str,
        *,
        style: str = "ddl",
        prefixes: PrefixStore | None = None,
    ) -> None:
        self.engine, self.vocabulary = engine, vocabulary
        self.name, self.prompt_style = name, style
        self.prefixes = prefixes or PrefixStore(None, name)
        self._grammars: GrammarEngine | None = None

    def grammars(self) -> GrammarEngine:
        """What restricts this model's tokens to a grammar."""
        if self._grammars is None:
            self._grammars = GrammarEngine(
                self.vocabulary, self.engine.vocabulary, self.vocabulary.end_ids
            )
        return self._grammars

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has, for the budget of `prompts.render`."""
        return len(self.vocabulary.encode(text))

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` (or `sampling.beams`) completions for each prompt, likeliest first.

        Raises ModelError for a prompt longer than the model's context, a grammar that does not parse,
        or too little memory.
        """
        if sampling.max_new_tokens < 1 or sampling.n < 1 or sampling.beams < 1:
            raise ModelError("max_new_tokens, n and beams must be 1 or more")
        if sampling.beams > 1 and (sampling.temperature > 0 or sampling.n > 1):
            raise ModelError(
                "beam search does not sample; set beams to 1, or temperature 0 and n 1"
            )
        results = []
        for number, prompt in enumerate(prompts):
            results.append(self._complete(prompt, sampling, number))
        return results

    def _complete(self, prompt: Prompt, sampling: Sampling, number: int) -> list[Completion]:
        try:
            cache, row, output = self.prefill(prompt)
        except MemoryError as error:
            raise ModelError(
                f"'{self.name}' ran out of memory on a prompt of this length; use a smaller budget"
            ) from error
        length = row.position
        if sampling.temperature > 0:
            rng = np.random.default_rng([sampling.seed, number])
            rows = self._sample(cache, row, output.logits[0], sampling, rng)
        else:
            rows = self._beam(cache, row, output.logits[0], sampling)
        completions = [self._completion(each, length, sampling) for each in rows]
        if sampling.temperature > 0:
            return completions
        # Tokens spell some texts in two ways; the likelier one stands for both.
        distinct = {completion.text: completion for completion in reversed(completions)}
        return list(reversed(distinct.values())) * sampling.n

    # ------------------------------------------------------------------------------- prompts

    def encode(self, prompt: Prompt) -> tuple[list[int], int]:
        """The token ids of a prompt, and how many of them are its prefix.

        Raises ModelError where they exceed the context.
        """
        static, asked = self.vocabulary.prompt_text(prompt)
        ids = self.vocabulary.encode(static + asked, first=True)
        head = self.vocabulary.encode(static, first=True) if static else []
        # A tokenizer may join the end of one part with the beginning of the other.
        shared = next((i for i, (a, b) in enumerate(zip(ids, head)) if a != b), len(head))
        shared = min(
            shared, len(ids) - 1
        )  # the last token is read anew: its logits begin the answer
        if len(ids) >= self.engine.context:
            raise ModelError(
                f"the prompt has {len(ids)} tokens, '{self.name}' reads {self.engine.context - 1}; "
                "render it with a smaller budget or take a model with a longer context"
            )
        return ids, shared

    def prefill(self, prompt: Prompt) -> tuple[Cache, Row, Output]:
        """Read a prompt: its cache, the row where answers begin, and what the model says there."""
        ids, shared = self.encode(prompt)
        cache = self.engine.cache()
        row = Row(0, np.zeros(0, bool), 0)
        stored = self.prefixes.load(ids[:shared]) if shared else None
        if stored is not None:
            self._see(row, cache.put(stored))
            row.position = shared
        else:
            if shared:
                self._read(cache, row, ids[:shared])
                # What a later process will load is what this one answers from.
                prefix = self.prefixes.save(ids[:shared], cache.take(np.flatnonzero(row.seen)))
                cache.truncate(1)
                row.seen = np.zeros(0, bool)
                self._see(row, cache.put(prefix))
        output = self._read(cache, row, ids[shared:])
        if prompt.grammar is not None:
            row.matcher = self.grammars().matcher(prompt.grammar)
        return cache, row, output

    def _read(self, cache: Cache, row: Row, ids: Sequence[int]) -> Output:
        """Read tokens of one row, a part at a time; what the model says after the last one."""
        for start in range(0, len(ids), _CHUNK):
            row.waiting = list(ids[start : start + _CHUNK])
            output = self.step(cache, [row])
        return output

    @staticmethod
    def _see(row: Row, slots: Array) -> None:
        seen = np.zeros(int(slots[-1]) + 1, bool)
        seen[: len(row.seen)] = row.seen
        seen[slots] = True
        row.seen = seen

    def step(self, cache: Cache, rows: Sequence[Row]) -> Output:
        """Every row reads what waits for it: logits (rows, vocabulary) and hidden states (rows, size)
        after the last token of each.
        """
        counts = [len(row.waiting) for row in rows]
        total, past = sum(counts), cache.length
        seen = np.zeros((total, past + total), bool)
        positions = np.empty(total, np.int64)
        start = 0
        for row, count in zip(rows, counts, strict=True):
            end = start + count
            seen[start:end, : len(row.seen)] = row.seen
            seen[start:end, past + start : past + end] = np.tri(count, dtype=bool)
            positions[start:end] = np.arange(row.position, row.position + count)
            start = end
        tokens = as_array([token for row in rows for token in row.waiting])
        last = np.cumsum(counts) - 1
        output, slots = self.engine.forward(tokens, positions, seen, cache, last)
        for row, count, end in zip(rows, counts, last + 1, strict=True):
            self._see(row, slots[end - count : end])
            row.position += count
            row.waiting = []
        return output

    # ------------------------------------------------------------------------------ decoding

    def _logprobs(self, row: Row, logits: Array) -> Array:
        """(vocabulary,) log-probabilities of the next token among those that the grammar allows."""
        scores = logits.astype(np.float64)
        if row.matcher is not None:
            allowed = self.grammars().allowed(row.matcher, len(scores))
            scores = np.where(allowed, scores, -np.inf)
        scores -= scores.max()
        scores -= np.log(np.exp(scores).sum())
        return scores  # type: ignore[no-any-return]

    def _extend(self, row: Row, token: int, logprob: float, most: int) -> Row:
        """The row that goes on with a token, and with what the grammar forces after it."""
        grown = Row(
            row.prompt, row.seen, row.position, row.matcher,
            [*row.tokens, token], [*row.logprobs, logprob], [token],
        )  # fmt: skip
        if token in self.vocabulary.end_ids or len(grown.tokens) >= most:
            grown.ended = True
            return grown
        if row.matcher is not None:
            grown.matcher = row.matcher.deep_copy()
            grown.matcher.consume_token(token)
            forced = self.grammars().forced(grown.matcher)[: most - len(grown.tokens)]
            for each in forced:
                grown.matcher.consume_token(each)
            grown.tokens += forced
            grown.waiting += forced
            grown.logprobs += [0.0] * len(forced)
            grown.ended = len(grown.tokens) >= most
        return grown

    def _beam(self, cache: Cache, start: Row, logits: Array, sampling: Sampling) -> list[Row]:
        """The likeliest continuations, at most `beams`; a row that ended competes with live ones."""
        width = sampling.beams
        most = min(sampling.max_new_tokens, self.engine.context - start.position)
        live, scores = [start], [self._logprobs(start, logits)]
        done: list[Row] = []
        while live:
            candidates: list[tuple[float, int, int]] = []
            for i, (row, values) in enumerate(zip(live, scores, strict=True)):
                likely = np.argpartition(-values, min(width, len(values) - 1))[: width + 1]
                candidates += [
                    (row.logprob + float(values[t]), i, int(t))
                    for t in likely
                    if values[t] > -np.inf
                ]
            candidates.sort(key=lambda each: (-each[0], each[1], each[2]))
            rows = [
                self._extend(live[i], token, float(scores[i][token]), most)
                for _, i, token in candidates[:width]
            ]
            ended = [row.ended or self._stopped(row, sampling) for row in rows]
            done += [row for row, end in zip(rows, ended, strict=True) if end]
            done = sorted(done, key=lambda row: -row.logprob)[:width]
            floor = done[-1].logprob if len(done) == width else -np.inf
            live = [
                row for row, end in zip(rows, ended, strict=True) if not end and row.logprob > floor
            ]
            if live:
                read = self.step(cache, live).logits
                scores = [
                    self._logprobs(row, values) for row, values in zip(live, read, strict=True)
                ]
        return sorted(done, key=lambda row: -row.logprob)[:width]

    def _sample(
        self, cache: Cache, start: Row, logits: Array, sampling: Sampling, rng: np.random.Generator
    ) -> list[Row]:
        """`n` continuations drawn at a temperature from the likeliest tokens of mass `top_p`."""
        most = min(sampling.max_new_tokens, self.engine.context - start.position)
        live = [replace(start) for _ in range(sampling.n)]
        scores = [self._logprobs(start, logits)] * sampling.n
        done: list[Row] = []
        while live:
            rows = []
            for row, values in zip(live, scores, strict=True):
                token = _draw(values, sampling, rng)
                rows.append(self._extend(row, token, float(values[token]), most))
            live = []
            for row in rows:
                ended = row.ended or self._stopped(row, sampling)
                (done if ended else live).append(row)
            scores = []
            for first in range(0, len(live), _ROWS):
                part = live[first : first + _ROWS]
                read = self.step(cache, part).logits
                scores += [
                    self._logprobs(row, values) for row, values in zip(part, read, strict=True)
                ]
        return sorted(done, key=lambda row: -row.logprob)

    def _stopped(self, row: Row, sampling: Sampling) -> bool:
        return bool(sampling.stop) and any(
            mark in self.vocabulary.decode(row.tokens) for mark in sampling.stop
        )

    def _completion(self, row: Row, length: int, sampling: Sampling) -> Completion:
        tokens = row.tokens
        if tokens and tokens[-1] in self.vocabulary.end_ids:
            tokens = tokens[:-1]
        text = self.vocabulary.decode(tokens)
        cuts = [text.find(mark) for mark in sampling.stop if mark in text]
        return Completion(
            text[: min(cuts)] if cuts else text, tuple(row.logprobs), length, len(row.tokens)
        )


def _draw(values: Array, sampling: Sampling, rng: np.random.Generator) -> int:
    shares = np.exp((values - values.max()) / sampling.temperature)
    order = np.argsort(-shares, kind="stable")
    mass = np.cumsum(shares[order]) / shares.sum()
    count = int(np.searchsorted(mass, sampling.top_p)) + 1
    chosen = order[:count]
    return int(rng.choice(chosen, p=shares[chosen] / shares[chosen].sum()))
