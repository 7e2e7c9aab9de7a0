"""Decoding over an engine: prefill, grammar, greedy, beam and samples, all as one procedure.

Rows are continuations of prompts in one flat cache. At every step each live row reads the token that
was chosen for it, together with those that the grammar then forces; its next token is chosen among
what the grammar allows. Greedy is a beam of one. The part of a prompt that depends on the database
alone is read once and kept (`PrefixStore`).
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from txt2sql.errors import ModelError
from txt2sql.models.catalog import ADAPTER, ModelCard, is_exported, read_json, sources
from txt2sql.models.onnx_engine import Array, Engine, OnnxEngine, Output, is_plain_lora
from txt2sql.models.tokenizer import Vocabulary
from txt2sql.runs import cache_dir, write_atomically
from txt2sql.types import Completion, Prompt, Sampling

_CHUNK = 256  # tokens of a prefix that are read together: scores take memory by their product
_ROWS = 16  # rows that are decoded together, at most


def load(folder: Path, *, threads: int | None = None) -> Decoder:
    """The Generator of a model that `txt2sql export` wrote, or of LoRA adapters over one. Raises
    ModelError where it is damaged."""
    *over, base = (c.folder for c in sources(ModelCard(folder.name, "", folder=folder)))
    if base is None:
        raise ModelError(f"'{folder}' is an adapter over a model that is not exported")
    adapters = [each for each in (base / ADAPTER, *reversed(over)) if each and each.is_dir()]
    engine = OnnxEngine(base, adapters=adapters, threads=threads)
    prefixes = PrefixStore(cache_dir() / "prefixes", engine.identity)
    return Decoder(engine, Vocabulary.load(base), folder.name, folder=folder, prefixes=prefixes)


def answers_without_torch(card: ModelCard) -> bool:
    """Whether `load` opens a model: it is exported, or adapters that are plain LoRA over one that is."""
    *over, base = (each.folder for each in sources(card))
    facts = [read_json(folder / "adapter_config.json") for folder in over if folder]
    return is_exported(base) and all(map(is_plain_lora, facts))


@dataclass(slots=True, eq=False)
class Row:
    """One continuation: what it sees in the cache, what it wrote, and what it reads next."""

    seen: Array = field(default_factory=lambda: np.zeros(0, bool))  # (slots,), of the rest nothing
    matcher: Any = None
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)  # chosen or forced, and not read yet
    ended: bool = False

    @property
    def logprob(self) -> float:
        return float(sum(self.logprobs))

    def see(self, slots: Array) -> None:
        seen = np.zeros(int(slots[-1]) + 1, bool)
        seen[: len(self.seen)] = self.seen
        seen[slots] = True
        self.seen = seen


class Decoder:
    beam_search = True

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        name: str,
        *,
        folder: Path | None = None,
        prefixes: PrefixStore | None = None,
    ) -> None:
        self.engine, self.vocabulary = engine, vocabulary
        self.name, self.folder = name, folder
        self.prefixes = prefixes or PrefixStore(None, name)

    @cached_property
    def grammars(self) -> GrammarEngine:
        return GrammarEngine(self.vocabulary, self.engine.vocabulary)

    def count_tokens(self, text: str) -> int:
        return len(self.vocabulary.encode(text))

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` (or `sampling.beams`) completions for each prompt, likeliest first. Raises
        ModelError for a prompt that is too long, a grammar that does not parse, or too little
        memory."""
        if sampling.max_new_tokens < 1 or sampling.n < 1 or sampling.beams < 1:
            raise ModelError("max_new_tokens, n and beams must be 1 or more")
        if sampling.beams > 1 and (sampling.temperature > 0 or sampling.n > 1):
            raise ModelError(
                "beam search does not sample; set beams to 1, or temperature 0 and n 1"
            )
        tasks = [_Task(self, prompt, sampling, i) for i, prompt in enumerate(prompts)]
        # Prompts of one database begin alike: their prefix is read once, and they share a cache.
        by_prefix: dict[tuple[int, ...], list[_Task]] = {}
        for task in tasks:
            by_prefix.setdefault(task.prefix, []).append(task)
        width = max(sampling.beams, sampling.n if sampling.temperature > 0 else 1)
        together = max(1, _ROWS // width)
        for prefix, members in by_prefix.items():
            try:
                cache, seen = self._prefix(prefix)
                length = cache.length
                for first in range(0, len(members), together):
                    part = members[first : first + together]
                    for task in part:
                        task.live[0].seen = seen
                    # All rows of all tasks go on by a step at a time, until none is left.
                    while rows := [row for task in part for row in task.live]:
                        logits = iter(self.step(cache, rows).logits)
                        for task in part:
                            task.advance([(row, next(logits)) for row in task.live])
                    # The slots of these answers are free for the next ones; those of the prefix stay.
                    cache.truncate(length)
            except MemoryError as error:
                raise ModelError(
                    f"'{self.name}' ran out of memory on a prompt of {members[0].length} "
                    "tokens; use fewer beams or samples, or a smaller budget"
                ) from error
        return [task.completions() for task in tasks]

    def score(self, prompts: Sequence[Prompt], text: str) -> list[float]:
        """log P(text | prompt) for each prompt, by the model as it reads a schema part: where an
        adapter is active after that only, by the base."""
        answer = self.vocabulary.encode(text)
        return self._scored([(prompt, answer) for prompt in prompts], prefix=True)

    def likelihood(self, prompt: Prompt, texts: Sequence[str]) -> list[float]:
        end = self.vocabulary.end_ids[0]
        return self._scored([(prompt, [*self.vocabulary.encode(text), end]) for text in texts])

    def _scored(
        self, pairs: Sequence[tuple[Prompt, list[int]]], prefix: bool = False
    ) -> list[float]:
        scores: list[float] = []
        rows = [(*self.begin(prompt), answer) for prompt, answer in pairs]
        for start, members in groupby(rows, key=lambda each: each[0]):
            cache, seen = self._prefix(start)
            for _, row, answer in members:
                row.seen = seen
                row.waiting += answer
                # The token before each token says how likely that one is; nothing follows the last.
                output = self.step(cache, [row], prefix=prefix, last=len(answer) + 1)
                logprobs = _log_softmax(output.logits[:-1])
                scores.append(float(logprobs[np.arange(len(answer)), answer].sum()))
        return scores

    # ------------------------------------------------------------------------------- prompts

    def encode(self, prompt: Prompt) -> tuple[list[int], int]:
        """The token ids of a prompt, and how many of them are its prefix. Raises ModelError where
        they exceed the context."""
        static, question = self.vocabulary.prompt_text(prompt)
        ids = self.vocabulary.encode(static + question, first=True)
        if len(ids) >= self.engine.context:
            raise ModelError(
                f"the prompt has {len(ids)} tokens, '{self.name}' reads {self.engine.context - 1}; "
                "render it with a smaller budget or take a model with a longer context"
            )
        head = self.vocabulary.encode(static, first=True) if static else []
        # A tokenizer may join the end of one part with the beginning of the other.
        shared = next((i for i, (a, b) in enumerate(zip(ids, head)) if a != b), len(head))
        # The last token is read anew: its logits begin the answer.
        return ids, min(shared, len(ids) - 1)

    def begin(self, prompt: Prompt) -> tuple[tuple[int, ...], Row]:
        """The prefix of a prompt, and the row that reads the rest of it once it sees that prefix."""
        ids, shared = self.encode(prompt)
        matcher = None if prompt.grammar is None else self.grammars.matcher(prompt.grammar)
        return tuple(ids[:shared]), Row(matcher=matcher, waiting=ids[shared:])

    def prefill(self, prompt: Prompt) -> tuple[Any, Row, Output]:
        """Read a prompt: its cache, the row where answers begin, and what the model says there."""
        prefix, row = self.begin(prompt)
        cache, row.seen = self._prefix(prefix)
        return cache, row, self.step(cache, [row])

    def _prefix(self, ids: tuple[int, ...]) -> tuple[Any, Array]:
        cache, row = self.engine.cache(), Row()
        if ids:
            row.see(cache.put(self.prefix_states(ids)))
        return cache, row.seen

    def prefix_states(self, ids: Sequence[int]) -> Array:
        """The keys and values of a prefix: (2, layers, kv heads, time, head size). What a later
        process will load is what this one answers from."""
        stored = self.prefixes.load(ids)
        if stored is None:
            cache, row = self.engine.cache(), Row()
            for start in range(0, len(ids), _CHUNK):
                row.waiting = list(ids[start : start + _CHUNK])
                self.step(cache, [row], prefix=True)
            stored = self.prefixes.save(ids, cache.take(np.flatnonzero(row.seen)))
        return stored

    # ------------------------------------------------------------------------------- tokens

    def step(self, cache: Any, rows: Sequence[Row], prefix: bool = False, last: int = 1) -> Output:
        """Every row reads what waits for it: logits (rows * last, vocabulary) and hidden states
        (rows * last, size) after the `last` tokens of each."""
        counts = [len(row.waiting) for row in rows]
        ends = np.cumsum(counts)
        total, past = sum(counts), cache.length
        # (tokens, slots + tokens): every token sees what its row has seen, of the new tokens only its
        # row's own up to itself, and nothing of the other rows, though all are read in one pass.
        seen = np.zeros((total, past + total), bool)
        for row, count, end in zip(rows, counts, ends, strict=True):
            start = end - count
            seen[start:end, : len(row.seen)] = row.seen
            seen[start:end, past + start : past + end] = np.tri(count, dtype=bool)
        tokens = np.array([token for row in rows for token in row.waiting], np.int64)
        wanted = (ends[:, None] + np.arange(-last, 0)).ravel()
        output, slots = self.engine.forward(tokens, seen, cache, wanted, prefix=prefix)
        for row, count, end in zip(rows, counts, ends, strict=True):
            row.see(slots[end - count : end])
            row.waiting = []
        return output

    def following(self, matcher: Any, logits: Array) -> tuple[Array, Array]:
        """The ids (n,) of the tokens that a grammar allows next, and their log-probabilities (n,)."""
        ids = np.arange(len(logits)) if matcher is None else self.grammars.allowed(matcher)
        # Log-softmax over the allowed tokens alone: what the grammar forbids leaves its probability to them.
        return ids, _log_softmax(logits[ids])

    def likeliest(self, matcher: Any, logits: Array, count: int) -> list[tuple[int, float]]:
        """At most `count` tokens that may follow with their log-probabilities, likeliest first."""
        ids, logprobs = self.following(matcher, logits)
        count = min(count, len(ids))
        best = np.sort(np.argpartition(-logprobs, count - 1)[:count])  # ties: as argmax has them
        best = best[np.argsort(-logprobs[best], kind="stable")]
        return list(zip(ids[best].tolist(), logprobs[best].tolist(), strict=True))

    @staticmethod
    def extend(
        row: Row,
        token: int,
        logprob: float,
        ends: Container[int],
        goes_on: Callable[[Row, int], bool],
    ) -> Row:
        """The row that goes on with a token and, unless that `ends` it, with what the grammar
        forces after it, as long as it `goes_on`. Rows see the slots of their beginning: nothing is
        copied."""
        tokens, logprobs = [*row.tokens, token], [*row.logprobs, logprob]
        grown = Row(row.seen, row.matcher, tokens, logprobs, [token], token in ends)
        if row.matcher is None or grown.ended:
            return grown
        grown.matcher = row.matcher.deep_copy()
        grown.matcher.consume_token(token)
        for forced in grown.matcher.compute_ff_tokens():
            if not goes_on(grown, forced):
                break
            grown.matcher.consume_token(forced)
            grown.tokens.append(forced)
            grown.waiting.append(forced)
            grown.logprobs.append(0.0)  # no choice, no surprise
        return grown


def _log_softmax(logits: Array) -> Array:
    logits = logits.astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


class _Task:
    def __init__(self, decoder: Decoder, prompt: Prompt, sampling: Sampling, number: int) -> None:
        self.decoder, self.sampling = decoder, sampling
        self.prefix, row = decoder.begin(prompt)
        self.length = len(self.prefix) + len(row.waiting)
        self.most = min(sampling.max_new_tokens, decoder.engine.context - self.length)
        self.rng = np.random.default_rng([sampling.seed, number])
        self.live, self.done = [row], list[Row]()

    def advance(self, read: Sequence[tuple[Row, Array]]) -> None:
        if not read:
            return
        sampled = self.sampling.temperature > 0
        self.live = []
        for row in self._drawn(read) if sampled else self._likeliest(read):
            ended = row.ended or (self.sampling.stop and self._text(row)[1])
            (self.done if ended else self.live).append(row)
        if not sampled:
            # A row that ended competes with live ones, which can only become less likely.
            self.done = sorted(self.done, key=lambda row: -row.logprob)[: self.sampling.beams]
            if len(self.done) == self.sampling.beams:
                floor = self.done[-1].logprob
                self.live = [row for row in self.live if row.logprob > floor]

    def _likeliest(self, read: Sequence[tuple[Row, Array]]) -> list[Row]:
        width = self.sampling.beams
        candidates: list[tuple[float, int, int, float]] = []
        for i, (row, logits) in enumerate(read):
            before = row.logprob
            # A beam of `width` can take all of its continuations from one row, never more.
            for token, logprob in self.decoder.likeliest(row.matcher, logits, width):
                candidates.append((-before - logprob, i, token, logprob))
        best = sorted(candidates)[:width]
        return [self._extended(read[i][0], token, logprob) for _, i, token, logprob in best]

    def _drawn(self, read: Sequence[tuple[Row, Array]]) -> list[Row]:
        temperature, rows = self.sampling.temperature, []
        # All samples begin in the one row that has read the prompt; from here on each has its own.
        times = 1 if read[0][0].tokens else self.sampling.n
        choices = [(row, *self.decoder.following(row.matcher, logits)) for row, logits in read]
        for row, ids, logprobs in choices * times:
            shares = np.exp((logprobs - logprobs.max()) / temperature)
            order = np.argsort(-shares, kind="stable")
            mass = np.cumsum(shares[order]) / shares.sum()
            # Nucleus sampling (Holtzman et al. 2020): the fewest tokens that hold `top_p` of the mass.
            chosen = order[: int(np.searchsorted(mass, self.sampling.top_p)) + 1]
            drawn = self.rng.choice(chosen, p=shares[chosen] / shares[chosen].sum())
            rows.append(self._extended(row, int(ids[drawn]), float(logprobs[drawn])))
        return rows

    def _extended(self, row: Row, token: int, logprob: float) -> Row:
        def fits(row: Row, _forced: int) -> bool:
            return len(row.tokens) < self.most

        grown = self.decoder.extend(row, token, logprob, self.decoder.vocabulary.end_ids, fits)
        grown.ended = grown.ended or len(grown.tokens) >= self.most
        return grown

    def _text(self, row: Row) -> tuple[str, bool]:
        ended = row.tokens[-1] in self.decoder.vocabulary.end_ids
        text = self.decoder.vocabulary.decode(row.tokens[:-1] if ended else row.tokens)
        cuts = [text.find(mark) for mark in self.sampling.stop if mark in text]
        return text[: min(cuts, default=len(text))], bool(cuts)

    def completions(self) -> list[Completion]:
        completions = [
            Completion(
                self._text(row)[0],
                tuple(row.logprobs),
                self.length,
                len(row.tokens),
                tuple(row.tokens),
            )
            for row in sorted(self.done, key=lambda row: -row.logprob)
        ]
        if self.sampling.temperature > 0:
            return completions
        # Tokens spell some texts in two ways; the likelier one stands for both.
        distinct = {each.text: each for each in reversed(completions)}
        return list(reversed(distinct.values())) * self.sampling.n


_VERSION = b"1"


class PrefixStore:
    """Prefixes on disk by what made them: the weights, the adapter and the tokens. They are in half
    precision there. The oldest are deleted when `max_bytes` are exceeded. A folder that cannot be
    written is no error: every process then computes prefixes anew. Memory holds the last few."""

    def __init__(self, folder: Path | None, model: str, max_bytes: int = 1_000_000_000) -> None:
        self.folder, self.model, self.max_bytes = folder, model, max_bytes
        self._recent: dict[str, Array] = {}

    def _name(self, tokens: Sequence[int]) -> str:
        parts = (_VERSION, self.model.encode(), np.asarray(tokens, np.int64).tobytes())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]

    def load(self, tokens: Sequence[int]) -> Array | None:
        """The prefix of these tokens, or None where there is none or its file is damaged."""
        name = self._name(tokens)
        if name in self._recent or self.folder is None:
            return self._recent.get(name)
        path = self.folder / f"{name}.npz"
        try:
            with path.open("rb") as stream, np.load(stream) as file:
                prefix = file["prefix"]  # its checksum is checked
            os.utime(path)
        except Exception:  # absent, cut, or no such file at all: numpy raises many kinds
            return None
        return self._remember(name, prefix)

    def save(self, tokens: Sequence[int], prefix: Array) -> Array:
        """Remember a prefix, on disk where that is possible. Returns it as it will be loaded."""
        name = self._name(tokens)
        if self.folder is None:
            return self._remember(name, prefix)
        # In memory, too: the process that computes a prefix must answer as those that load it.
        prefix = self._remember(name, prefix.astype(np.float16))
        buffer = io.BytesIO()
        np.savez(buffer, prefix=prefix)
        try:
            write_atomically(self.folder / f"{name}.npz", buffer.getvalue())
            total = 0
            files = sorted(self.folder.glob("*.npz"), key=lambda path: -path.stat().st_mtime)
            for path in files:
                total += path.stat().st_size
                if total > self.max_bytes:
                    path.unlink(missing_ok=True)
        except OSError:
            self.folder = None
        return prefix

    def _remember(self, name: str, prefix: Array) -> Array:
        self._recent[name] = prefix
        while len(self._recent) > 8:
            self._recent.pop(next(iter(self._recent)))
        return prefix


class GrammarEngine:
    """Constrained decoding by llguidance: matchers for one tokenizer; the most recent grammars stay
    compiled. Raises ModelError for a tokenizer that it cannot read."""

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
