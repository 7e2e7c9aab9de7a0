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
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from txt2sql.errors import ModelError
from txt2sql.models.cache import PrefixStore
from txt2sql.models.catalog import (
    ADAPTER,
    ModelCard,
    is_exported,
    read_json,
    sources,
)
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.onnx_engine import (
    Array,
    Engine,
    OnnxEngine,
    Output,
    as_array,
    is_plain_lora,
)
from txt2sql.models.tokenizer import Vocabulary
from txt2sql.runs import cache_dir
from txt2sql.types import Completion, Prompt, Sampling

_CHUNK = 256
"""Tokens of a prompt that are read together: attention scores take memory by their product."""
_ROWS = 16
"""Rows that are decoded together, at most."""


def load(folder: Path, *, threads: int | None = None) -> Decoder:
    """The Generator of a model that `txt2sql export` wrote, or of LoRA adapters over one.

    Raises ModelError where it is damaged.
    """
    *over, base = (c.folder for c in sources(ModelCard(folder.name, "", folder=folder)))
    if base is None:
        raise ModelError(f"'{folder}' is an adapter over a model that is not exported")
    adapters = [each for each in (base / ADAPTER, *reversed(over)) if each and each.is_dir()]
    engine = OnnxEngine(base, adapters=adapters, threads=threads)
    prefixes = PrefixStore(cache_dir() / "prefixes", engine.identity)
    return Decoder(engine, Vocabulary(base), folder.name, folder=folder, prefixes=prefixes)


def answers_without_torch(card: ModelCard) -> bool:
    """Whether `load` opens a model: it is exported, or adapters that are plain LoRA over one that is."""
    *over, base = (each.folder for each in sources(card))
    facts = [read_json(folder / "adapter_config.json") for folder in over if folder]
    return is_exported(base) and all(map(is_plain_lora, facts))


@dataclass(slots=True, eq=False)
class Row:
    """One continuation: what it sees in the cache, what it wrote, and what it reads next."""

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
        vocabulary: Any,
        name: str,
        *,
        folder: Path | None = None,
        prefixes: PrefixStore | None = None,
    ) -> None:
        self.engine, self.vocabulary = engine, vocabulary
        self.name, self.folder = name, folder
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
        encoded = [self.encode(prompt) for prompt in prompts]
        results: list[list[Completion]] = [[] for _ in prompts]
        # Prompts of one database begin alike: their prefix is read once, and they share a cache.
        by_prefix: dict[tuple[int, ...], list[int]] = {}
        for i, (ids, shared) in enumerate(encoded):
            by_prefix.setdefault(tuple(ids[:shared]), []).append(i)
        width = max(sampling.beams, sampling.n if sampling.temperature > 0 else 1)
        together = max(1, _ROWS // width)
        for prefix, members in by_prefix.items():
            try:
                cache, seen = self._prefix(prefix)
                for first in range(0, len(members), together):
                    part = members[first : first + together]
                    length = cache.length
                    tasks = [
                        _Task(self, prompts[i], encoded[i][0], seen, len(prefix), sampling, i)
                        for i in part
                    ]
                    self._decode(cache, tasks)
                    # The slots of these answers are free for the next ones; those of the prefix stay.
                    cache.truncate(length)
                    for i, task in zip(part, tasks, strict=True):
                        results[i] = task.completions()
            except MemoryError as error:
                raise ModelError(
                    f"'{self.name}' ran out of memory on a prompt of {len(encoded[members[0]][0])} "
                    "tokens; use fewer beams or samples, or a smaller budget"
                ) from error
        return results

    def score(self, prompts: Sequence[Prompt], text: str) -> list[float]:
        """log P(text | prompt) for each prompt, by the model as it reads a schema part: where an adapter is
        active after that only, by the base.
        """
        answer = self.vocabulary.encode(text)
        return self._scored([(prompt, answer) for prompt in prompts], prefix=True)

    def likelihood(self, prompt: Prompt, texts: Sequence[str]) -> list[float]:
        """log P(text | prompt) of each text as a whole answer."""
        end = self.vocabulary.end_ids[0]
        return self._scored([(prompt, [*self.vocabulary.encode(text), end]) for text in texts])

    def _scored(
        self, pairs: Sequence[tuple[Prompt, list[int]]], prefix: bool = False
    ) -> list[float]:
        """log P(tokens | prompt) of each pair."""
        scores: list[float] = []
        encoded = [(*self.encode(prompt), answer) for prompt, answer in pairs]
        for start, members in groupby(encoded, key=lambda each: tuple(each[0][: each[1]])):
            cache, seen = self._prefix(start)
            for ids, shared, answer in members:
                row = Row(seen, shared, waiting=[*ids[shared:], *answer])
                # The token before each token says how likely that one is; nothing follows the last.
                output = self.step(cache, [row], prefix=prefix, last=len(answer) + 1)
                logits = output.logits[:-1].astype(np.float64)
                logits -= logits.max(1, keepdims=True)
                logits -= np.log(np.exp(logits).sum(1, keepdims=True))
                scores.append(float(logits[np.arange(len(answer)), answer].sum()))
        return scores

    def _decode(self, cache: Any, tasks: Sequence[_Task]) -> None:
        """All rows of all tasks go on by a step at a time, until none is left."""
        while rows := [(task, row) for task in tasks for row in task.live]:
            read = self.step(cache, [row for _, row in rows]).logits
            start = 0
            for task in tasks:
                count = len(task.live)
                if count:
                    task.advance(read[start : start + count])
                start += count

    # ------------------------------------------------------------------------------- prompts

    def encode(self, prompt: Prompt) -> tuple[list[int], int]:
        """The token ids of a prompt, and how many of them are its prefix.

        Raises ModelError where they exceed the context.
        """
        static, question = self.vocabulary.prompt_text(prompt)
        ids = self.vocabulary.encode(static + question, first=True)
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

    def prefill(self, prompt: Prompt) -> tuple[Any, Row, Output]:
        """Read a prompt: its cache, the row where answers begin, and what the model says there."""
        ids, shared = self.encode(prompt)
        cache, seen = self._prefix(tuple(ids[:shared]))
        row = Row(seen, shared)
        output = self._read(cache, row, ids[shared:])
        if prompt.grammar is not None:
            row.matcher = self.grammars().matcher(prompt.grammar)
        return cache, row, output

    def _prefix(self, ids: tuple[int, ...]) -> tuple[Any, Array]:
        """A cache that holds the first tokens of prompts, and the slots (slots,) that see them."""
        cache = self.engine.cache()
        row = Row(np.zeros(0, bool), 0)
        if ids:
            self._see(row, cache.put(self.prefix_states(ids)))
        return cache, row.seen

    def prefix_states(self, ids: Sequence[int]) -> Array:
        """The keys and values of a prefix: (2, layers, kv heads, time, head size).

        What a later process will load is what this one answers from.
        """
        stored = self.prefixes.load(ids)
        if stored is None:
            cache, row = self.engine.cache(), Row(np.zeros(0, bool), 0)
            self._read(cache, row, ids, prefix=True)
            stored = self.prefixes.save(ids, cache.take(np.flatnonzero(row.seen)))
        return stored

    def _read(self, cache: Any, row: Row, ids: Sequence[int], prefix: bool = False) -> Output:
        """Read tokens of one row, a part at a time; what the model says after the last one."""
        for start in range(0, len(ids), _CHUNK):
            row.waiting = list(ids[start : start + _CHUNK])
            output = self.step(cache, [row], prefix)
        return output

    @staticmethod
    def _see(row: Row, slots: Array) -> None:
        seen = np.zeros(int(slots[-1]) + 1, bool)
        seen[: len(row.seen)] = row.seen
        seen[slots] = True
        row.seen = seen

    def step(self, cache: Any, rows: Sequence[Row], prefix: bool = False, last: int = 1) -> Output:
        """Every row reads what waits for it: logits (rows * last, vocabulary) and hidden states
        (rows * last, size) after the `last` tokens of each.
        """
        counts = [len(row.waiting) for row in rows]
        total, past = sum(counts), cache.length
        # (tokens, slots + tokens): every token sees what its row has seen, of the new tokens only its
        # row's own up to itself, and nothing of the other rows, though all are read in one pass.
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
        ends = np.cumsum(counts)
        wanted = (ends[:, None] + np.arange(-last, 0)).ravel()
        output, slots = self.engine.forward(tokens, positions, seen, cache, wanted, prefix=prefix)
        for row, count, end in zip(rows, counts, ends, strict=True):
            self._see(row, slots[end - count : end])
            row.position += count
            row.waiting = []
        return output


class _Task:
    """One prompt that is being answered: the rows that go on, and those that ended."""

    def __init__(
        self,
        decoder: Decoder,
        prompt: Prompt,
        ids: Sequence[int],
        seen: Array,
        shared: int,
        sampling: Sampling,
        number: int,
    ) -> None:
        self.decoder, self.sampling = decoder, sampling
        self.length = len(ids)
        self.most = min(sampling.max_new_tokens, decoder.engine.context - self.length)
        self.rng = np.random.default_rng([sampling.seed, number])
        matcher = None
        if prompt.grammar is not None:
            matcher = decoder.grammars().matcher(prompt.grammar)
        self.live = [Row(seen, shared, matcher, waiting=list(ids[shared:]))]
        self.done: list[Row] = []

    def advance(self, logits: Array) -> None:
        """Choose what each live row reads next, from logits (rows, vocabulary)."""
        scores = [self._logprobs(row, each) for row, each in zip(self.live, logits, strict=True)]
        sampled = self.sampling.temperature > 0
        rows = self._drawn(scores) if sampled else self._likeliest(scores)
        self.live = []
        for row in rows:
            (self.done if row.ended or self._stopped(row) else self.live).append(row)
        if not sampled:
            # A row that ended competes with live ones, which can only become less likely.
            self.done = sorted(self.done, key=lambda row: -row.logprob)[: self.sampling.beams]
            if len(self.done) == self.sampling.beams:
                floor = self.done[-1].logprob
                self.live = [row for row in self.live if row.logprob > floor]

    def _logprobs(self, row: Row, logits: Array) -> Array:
        """(vocabulary,) log-probabilities of the next token among those that the grammar allows."""
        # Log-softmax over the allowed tokens alone: what the grammar forbids leaves its probability to them.
        scores = logits.astype(np.float64)
        if row.matcher is not None:
            allowed = self.decoder.grammars().allowed(row.matcher, len(scores))
            scores = np.where(allowed, scores, -np.inf)
        scores -= scores.max()
        scores -= np.log(np.exp(scores).sum())
        return scores

    def _likeliest(self, scores: Sequence[Array]) -> list[Row]:
        """The likeliest continuations of all live rows, at most `beams`."""
        width = self.sampling.beams
        candidates: list[tuple[float, int, int]] = []
        for i, (row, values) in enumerate(zip(self.live, scores, strict=True)):
            # A beam of `width` can take all of its continuations from one row, never more.
            likely = np.argpartition(-values, min(width, len(values) - 1))[: width + 1]
            candidates += [
                (row.logprob + float(values[t]), i, int(t)) for t in likely if values[t] > -np.inf
            ]
        candidates.sort(key=lambda each: (-each[0], each[1], each[2]))
        return [self._extend(self.live[i], t, scores[i][t]) for _, i, t in candidates[:width]]

    def _drawn(self, scores: Sequence[Array]) -> list[Row]:
        """A continuation of each live row, at first of all `n` samples, at random."""
        pairs = list(zip(self.live, scores, strict=True))
        if not self.live[0].tokens:
            # All samples begin in the one row that has read the prompt; from here on each has its own.
            pairs *= self.sampling.n
        rows = []
        for row, values in pairs:
            token = _draw(values, self.sampling, self.rng)
            rows.append(self._extend(row, token, values[token]))
        return rows

    def _extend(self, row: Row, token: int, logprob: float) -> Row:
        """The row that goes on with a token, and with what the grammar forces after it."""
        tokens, logprobs = [*row.tokens, token], [*row.logprobs, float(logprob)]
        grown = Row(row.seen, row.position, row.matcher, tokens, logprobs, [token])
        grown.ended = token in self.decoder.vocabulary.end_ids or len(tokens) >= self.most
        if row.matcher is None or grown.ended:
            return grown
        grown.matcher = row.matcher.deep_copy()
        grown.matcher.consume_token(token)
        forced = self.decoder.grammars().forced(grown.matcher)[: self.most - len(tokens)]
        for each in forced:
            grown.matcher.consume_token(each)
        grown.tokens += forced
        grown.waiting += forced
        # No choice, no surprise: a forced token has probability 1.
        grown.logprobs += [0.0] * len(forced)
        grown.ended = len(grown.tokens) >= self.most
        return grown

    def _stopped(self, row: Row) -> bool:
        stop = self.sampling.stop
        return bool(stop) and any(
            mark in self.decoder.vocabulary.decode(row.tokens) for mark in stop
        )

    def completions(self) -> list[Completion]:
        """What was written, likeliest first."""
        rows = sorted(self.done, key=lambda row: -row.logprob)
        completions = [self._completion(row) for row in rows]
        if self.sampling.temperature > 0:
            return completions
        # Tokens spell some texts in two ways; the likelier one stands for both.
        distinct = {each.text: each for each in reversed(completions)}
        return list(reversed(distinct.values())) * self.sampling.n

    def _completion(self, row: Row) -> Completion:
        vocabulary = self.decoder.vocabulary
        ended = bool(row.tokens) and row.tokens[-1] in vocabulary.end_ids
        text = vocabulary.decode(row.tokens[:-1] if ended else row.tokens)
        cuts = [text.find(mark) for mark in self.sampling.stop if mark in text]
        text = text[: min(cuts)] if cuts else text
        return Completion(text, tuple(row.logprobs), self.length, len(row.tokens))


def _draw(values: Array, sampling: Sampling, rng: np.random.Generator) -> int:
    shares = np.exp((values - values.max()) / sampling.temperature)
    order = np.argsort(-shares, kind="stable")
    mass = np.cumsum(shares[order]) / shares.sum()
    # Nucleus sampling (Holtzman et al. 2020): the fewest tokens that hold `top_p` of the mass.
    count = int(np.searchsorted(mass, sampling.top_p)) + 1
    chosen = order[:count]
    return int(rng.choice(chosen, p=shares[chosen] / shares[chosen].sum()))
