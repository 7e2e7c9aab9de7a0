"""DirectPredictor: one prompt, one completion (or a small beam), one answer.

With an executor the answer is chosen by execution guidance (Wang et al. 2018): the likeliest
candidate that runs and returns something, else the likeliest that runs, else the likeliest.

>>> predictor = DirectPredictor(generator, {"shop": schema}.__getitem__, lambda _: ())  # doctest: +SKIP
>>> next(predictor.predict([example])).sql  # doctest: +SKIP
'SELECT count(*) FROM shop'
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from txt2sql.models.grammar import sql_grammar
from txt2sql.models.intermediate_grammar import intermediate_grammar
from txt2sql.prompts import render
from txt2sql.sql.decode import decode
from txt2sql.sql.text import extract_sql
from txt2sql.types import (
    Completion,
    Example,
    Executor,
    Generator,
    Prediction,
    Prompt,
    Sampling,
    Schema,
    ValueMatch,
)


@dataclass(frozen=True, slots=True)
class PredictorOptions:
    """`beams` candidates are decoded; above 1 an executor chooses among them."""

    constrained: bool = True
    beams: int = 1
    batch_size: int = 32
    max_new_tokens: int | None = None
    """None: 96 for compact prompts, 256 for SQL text."""


class DirectPredictor:
    """Answers examples with one generator. `spell` puts a literal in the case its column has."""

    def __init__(
        self,
        generator: Generator,
        schemas: Callable[[str], Schema],
        matches: Callable[[Example], Sequence[ValueMatch]],
        executor: Executor | None = None,
        options: PredictorOptions = PredictorOptions(),
        spell: Callable[[str, str, str, str], str] | None = None,
    ) -> None:
        self.generator, self.name = generator, generator.name
        self.schemas, self.matches, self.executor = schemas, matches, executor
        self.options, self.spell = options, spell
        self.style: str = getattr(generator, "prompt_style", "ddl")
        self.count: Callable[[str], int] | None = getattr(generator, "count_tokens", None)

    def prompt(self, example: Example) -> Prompt:
        """The prompt of an example, with its grammar when decoding is constrained."""
        schema = self.schemas(example.db_id)
        prompt = render(
            example.question,
            schema,
            style=self.style,
            matches=self.matches(example),
            evidence=example.evidence,
            count=self.count,
        )
        if not self.options.constrained:
            return prompt
        grammar = intermediate_grammar(prompt.links) if prompt.links else sql_grammar(schema)
        return replace(prompt, grammar=grammar)

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order; a batch is asked at a time."""
        remaining = iter(examples)
        while batch := list(islice(remaining, self.options.batch_size)):
            start = time.perf_counter()
            prompts = [self.prompt(example) for example in batch]
            completions = self.generator.generate(prompts, self._sampling())
            seconds = (time.perf_counter() - start) / len(batch)
            for example, prompt, found in zip(batch, prompts, completions, strict=True):
                yield self._choose(example, prompt, found, seconds)

    def _sampling(self) -> Sampling:
        tokens = self.options.max_new_tokens or (96 if self.style == "compact" else 256)
        # A grammar ends by itself; without one, the first statement of SQL text is enough.
        free = self.style != "compact" and not self.options.constrained
        stop = (";\n", "\n\n--") if free else ()
        return Sampling(max_new_tokens=tokens, beams=self.options.beams, stop=stop)

    def _choose(
        self, example: Example, prompt: Prompt, found: Sequence[Completion], seconds: float
    ) -> Prediction:
        start = time.perf_counter()
        candidates = [(sql, c) for c in found if (sql := self._sql(example, prompt, c))]
        sql, completion = self._best(example, candidates) if candidates else (None, found[0])
        return Prediction(
            example_id=example.id,
            sql=sql,
            completion=completion.text,
            candidates=tuple(dict.fromkeys(text for text, _ in candidates)),
            tokens=(completion.prompt_tokens, sum(c.completion_tokens for c in found)),
            seconds=seconds + time.perf_counter() - start,
            confidence=math.exp(sum(completion.logprobs)) if completion.logprobs else None,
        )

    def _sql(self, example: Example, prompt: Prompt, completion: Completion) -> str | None:
        if prompt.links is None:
            return extract_sql(completion.text)
        spell = self.spell
        return decode(
            completion.text,
            self.schemas(example.db_id),
            prompt.links,
            (lambda table, column, text: spell(example.db_id, table, column, text))
            if spell
            else None,
        )

    def _best(
        self, example: Example, candidates: Sequence[tuple[str, Completion]]
    ) -> tuple[str, Completion]:
        if len(candidates) < 2 or self.executor is None:
            return candidates[0]
        ran: tuple[str, Completion] | None = None
        for candidate in candidates:
            result = self.executor(example.db_id, candidate[0])
            if result.ok and any(cell is not None for row in result.rows for cell in row):
                return candidate
            if result.ok and ran is None:
                ran = candidate
        return ran or candidates[0]
