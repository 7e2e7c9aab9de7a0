"""DirectPredictor: one prompt, one answer: greedy, with a beam where the answer fails.

With an executor the answer is guided by execution (Wang et al. 2018): when the greedy answer does
not run or returns nothing, a small beam is decoded too, and the likeliest candidate that runs and
returns something is taken, else the likeliest that runs, else the likeliest. Other answers cost no
more than a greedy one.

No candidate is run whose names are out of scope or whose tables are joined without a condition: what
can be repaired in one way is (`sql.repair`), and the rest loses to the next candidate.

>>> predictor = DirectPredictor(generator, {"shop": schema}.__getitem__, lambda _: ())  # doctest: +SKIP
>>> next(predictor.predict([example])).sql  # doctest: +SKIP
'SELECT count(*) FROM shop'
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from txt2sql.models.grammar import sql_grammar
from txt2sql.prompts import ANSWER_TOKENS, count_tokens, render
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

if TYPE_CHECKING:
    from txt2sql.sql.repair import Repair

_CHECKED = 1024
"""Statements whose check is remembered: each is asked for once as a candidate and again as the answer."""


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
    """None: `prompts.ANSWER_TOKENS`."""


class DirectPredictor:
    """Answers examples with one generator.

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
    ) -> None:
        self.generator, self.name = generator, generator.name
        self.schemas, self.matches, self.executor = schemas, matches, executor
        self.options = options
        self.count: Callable[[str], int] = getattr(generator, "count_tokens", count_tokens)
        self._mended = lru_cache(maxsize=_CHECKED)(self._mend)

    def prompt(self, example: Example) -> Prompt:
        """The prompt of an example, with its grammar when decoding is constrained."""
        schema = self.schemas(example.db_id)
        prompt = render(
            example.question,
            schema,
            matches=self.matches(example),
            evidence=example.evidence,
            previous=example.previous,
            count=self.count,
        )
        if not self.options.constrained:
            return prompt
        return replace(prompt, grammar=sql_grammar(schema))

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order; a batch is asked at a time."""
        remaining = iter(examples)
        while batch := list(islice(remaining, self.options.batch_size)):
            start = time.perf_counter()
            prompts = [self.prompt(example) for example in batch]
            found = self.generator.generate(prompts, self._sampling(self.options.beams))
            spent = [(time.perf_counter() - start) / len(batch)] * len(batch)
            again = self._unconvincing(batch, found)
            if again:
                start = time.perf_counter()
                beams = self._sampling(self.options.second_beams)
                more = self.generator.generate([prompts[i] for i in again], beams)
                for i, others in zip(again, more, strict=True):
                    found[i] = [*found[i], *others]
                    spent[i] += (time.perf_counter() - start) / len(again)
                self._ahead([batch[i] for i in again], [found[i] for i in again])
            for asked in zip(batch, prompts, found, spent, strict=True):
                yield self._choose(*asked)

    def _unconvincing(
        self,
        batch: Sequence[Example],
        found: Sequence[Sequence[Completion]],
    ) -> list[int]:
        """Where none of the candidates convinces, if beams can be searched."""
        can = getattr(self.generator, "beam_search", False)
        if self.executor is None or self.options.second_beams < 2 or not can:
            return []
        self._ahead(batch, found)
        return [
            i
            for i, (example, completions) in enumerate(zip(batch, found))
            if not any(
                self.executor(example.db_id, sql).says_something
                for completion in completions
                if (sql := self._sql(example, completion))
            )
        ]

    def _ahead(
        self,
        batch: Sequence[Example],
        found: Sequence[Sequence[Completion]],
    ) -> None:
        ahead = getattr(self.executor, "ahead", None)
        if ahead is not None:
            ahead(
                [
                    (example.db_id, sql)
                    for example, completions in zip(batch, found)
                    for completion in completions
                    if (sql := self._sql(example, completion))
                ]
            )

    def _sampling(self, beams: int) -> Sampling:
        tokens = self.options.max_new_tokens or ANSWER_TOKENS
        # A grammar ends by itself; without one, the first statement of SQL text is enough.
        stop = () if self.options.constrained else (";\n", "\n\n--")
        return Sampling(max_new_tokens=tokens, beams=beams, stop=stop)

    def _choose(
        self, example: Example, prompt: Prompt, found: Sequence[Completion], seconds: float
    ) -> Prediction:
        start = time.perf_counter()
        candidates = [(sql, c) for c in found if (sql := self._sql(example, c))]
        sql, completion = candidates[0] if candidates else (None, found[0])
        if len(candidates) > 1 and self.executor is not None:
            sql, completion = self._best(example, candidates, self.executor)
        repairs = [r for c in found if (r := self._repair(example, c))]
        return Prediction(
            example_id=example.id,
            sql=sql,
            completion=completion.text,
            candidates=tuple(dict.fromkeys(text for text, _ in candidates)),
            tokens=(completion.prompt_tokens, sum(c.completion_tokens for c in found)),
            seconds=seconds + time.perf_counter() - start,
            confidence=_probability(completion) if completion.logprobs else None,
            dropped=prompt.dropped,
            repaired=sql is not None and all(r.changed for r in repairs if r.sql == sql),
            problem=repairs[0].problem if repairs and sql is None else "",
        )

    def _sql(self, example: Example, completion: Completion) -> str | None:
        """The statement of a completion as it may be run, None where there is none."""
        repair = self._repair(example, completion)
        return repair.sql if repair is not None else None

    def _repair(self, example: Example, completion: Completion) -> Repair | None:
        written = extract_sql(completion.text)
        return self._mended(example.db_id, written) if written else None

    def _mend(self, db_id: str, sql: str) -> Repair:
        from txt2sql.sql.repair import Repair, mend  # imports sqlglot

        schema = self.schemas(db_id)
        if schema.dialect != "sqlite":  # every other engine refuses unknown names itself
            return Repair(sql)
        return mend(sql, schema)

    def _best(
        self, example: Example, candidates: Sequence[tuple[str, Completion]], run: Executor
    ) -> tuple[str, Completion]:
        """The likeliest candidate that returns something, else one that runs, else the likeliest."""
        ran: tuple[str, Completion] | None = None
        for candidate in candidates:
            result = run(example.db_id, candidate[0])
            if result.says_something:
                return candidate
            if result.ok and ran is None:
                ran = candidate
        return ran or candidates[0]


def _probability(completion: Completion) -> float:
    """Of all its tokens under the model; 1 where the model does not tell."""
    return math.exp(min(0.0, sum(completion.logprobs)))
