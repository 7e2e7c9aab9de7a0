"""DirectPredictor: one prompt, one answer: greedy, with a second look where the answer fails.

With an executor the answer is guided by execution (Wang et al. 2018): when the greedy answer does
not run or returns nothing, a small beam is decoded too, and the likeliest candidate that runs and
returns something is taken, else the likeliest that runs, else the likeliest. Most questions so cost
one greedy answer.

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
from txt2sql.prompts import ANSWER_TOKENS, render
from txt2sql.prompts.reasoning import LINES
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
    """`beams` candidates are decoded; above 1 an executor chooses among them.

    `second_beams` are decoded for an answer that fails or returns nothing; below 2 it is final.
    """

    constrained: bool = True
    beams: int = 1
    second_beams: int = 4
    batch_size: int = 32
    max_new_tokens: int | None = None
    """None: as many as `prompts.ANSWER_TOKENS` has for the style."""


class DirectPredictor:
    """Answers examples with one generator. `spell` puts a literal in the case its column has.

    An executor that has `ahead` is told first which statements it will be asked for: it may run them
    at the same time.
    """

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
        if prompt.links:
            grammar = intermediate_grammar(prompt.links)
        else:
            grammar = sql_grammar(schema, LINES if prompt.style == "reasoning" else 0)
        return replace(prompt, grammar=grammar)

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order; a batch is asked at a time."""
        remaining = iter(examples)
        while batch := list(islice(remaining, self.options.batch_size)):
            start = time.perf_counter()
            prompts = [self.prompt(example) for example in batch]
            found = self.generator.generate(prompts, self._sampling(self.options.beams))
            spent = [(time.perf_counter() - start) / len(batch)] * len(batch)
            again = self._unconvincing(batch, prompts, found)
            if again:
                start = time.perf_counter()
                beams = self._sampling(self.options.second_beams)
                more = self.generator.generate([prompts[i] for i in again], beams)
                for i, others in zip(again, more, strict=True):
                    found[i] = [*found[i], *others]
                    spent[i] += (time.perf_counter() - start) / len(again)
                asked_again = [batch[i] for i in again], [prompts[i] for i in again]
                self._ahead(*asked_again, [found[i] for i in again])
            for asked in zip(batch, prompts, found, spent, strict=True):
                yield self._choose(*asked)

    def _unconvincing(
        self,
        batch: Sequence[Example],
        prompts: Sequence[Prompt],
        found: Sequence[Sequence[Completion]],
    ) -> list[int]:
        """Where none of the candidates runs and returns something, if beams can be searched."""
        can = getattr(self.generator, "beam_search", False)
        if self.executor is None or self.options.second_beams < 2 or not can:
            return []
        self._ahead(batch, prompts, found)
        return [
            i
            for i, (example, prompt, completions) in enumerate(zip(batch, prompts, found))
            if not any(
                self.executor(example.db_id, sql).says_something
                for completion in completions
                if (sql := self._sql(example, prompt, completion))
            )
        ]

    def _ahead(
        self,
        batch: Sequence[Example],
        prompts: Sequence[Prompt],
        found: Sequence[Sequence[Completion]],
    ) -> None:
        ahead = getattr(self.executor, "ahead", None)
        if ahead is not None:
            ahead(
                [
                    (example.db_id, sql)
                    for example, prompt, completions in zip(batch, prompts, found)
                    for completion in completions
                    if (sql := self._sql(example, prompt, completion))
                ]
            )

    def _sampling(self, beams: int) -> Sampling:
        tokens = self.options.max_new_tokens or ANSWER_TOKENS[self.style]
        # A grammar ends by itself; without one, the first statement of SQL text is enough.
        free = self.style != "compact" and not self.options.constrained
        stop = (";\n", "\n\n--") if free else ()
        return Sampling(max_new_tokens=tokens, beams=beams, stop=stop)

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
            if result.says_something:
                return candidate
            if result.ok and ran is None:
                ran = candidate
        return ran or candidates[0]
