"""DirectPredictor: one prompt, one answer: greedy, with a second look where the answer is doubtful.

With an executor the answer is guided by execution (Wang et al. 2018): when the greedy answer does
not run or returns nothing, a small beam is decoded too, and the likeliest candidate that runs and
returns something is taken, else the likeliest that runs, else the likeliest. With a chooser, such as
`search.second_look`, an answer that the model is not sure of gets the second look as well, and the
chooser takes one of the candidates. Sure answers so cost no more than a greedy one.

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
from txt2sql.models.intermediate_grammar import intermediate_grammar
from txt2sql.prompts import ANSWER_TOKENS, render
from txt2sql.sql.decode import decode
from txt2sql.sql.text import extract_sql
from txt2sql.types import (
    Completion,
    Example,
    Executor,
    Generator,
    Prediction,
    Prompt,
    QueryResult,
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

    `second_beams` are decoded for an answer that fails or returns nothing; below 2 it is final. `sure`
    is the probability below which a chooser is asked about an answer, too.
    """

    constrained: bool = True
    beams: int = 1
    second_beams: int = 4
    sure: float = 0.7
    batch_size: int = 32
    max_new_tokens: int | None = None
    """None: as many as `prompts.ANSWER_TOKENS` has for the style."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate that was run: its probability under the model, and what it gave."""

    sql: str
    probability: float
    result: QueryResult


Chooser = Callable[[str, str, Sequence[Tried]], str]
"""(question, db_id, candidates) -> the SQL of the one that is taken. The greedy one comes first."""


class DirectPredictor:
    """Answers examples with one generator. `spell` puts a literal in the case its column has, and
    `chooser` takes one of the candidates of a second look.

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
        chooser: Chooser | None = None,
    ) -> None:
        self.generator, self.name = generator, generator.name
        self.schemas, self.matches, self.executor = schemas, matches, executor
        self.options, self.spell, self.chooser = options, spell, chooser
        self.style: str = getattr(generator, "prompt_style", "ddl")
        self.count: Callable[[str], int] | None = getattr(generator, "count_tokens", None)
        self._mended = lru_cache(maxsize=_CHECKED)(self._mend)

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
        """Where none of the candidates convinces, if beams can be searched."""
        can = getattr(self.generator, "beam_search", False)
        if self.executor is None or self.options.second_beams < 2 or not can:
            return []
        self._ahead(batch, prompts, found)
        return [
            i
            for i, (example, prompt, completions) in enumerate(zip(batch, prompts, found))
            if not any(
                self.executor(example.db_id, sql).says_something
                and (self.chooser is None or _probability(completion) >= self.options.sure)
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
        sql, completion = candidates[0] if candidates else (None, found[0])
        likely = None
        if len(candidates) > 1 and self.executor is not None:
            sql, completion, likely = self._best(example, candidates, self.executor)
        if likely is None and completion.logprobs:
            likely = _probability(completion)
        repairs = [r for c in found if (r := self._repair(example, prompt, c))]
        return Prediction(
            example_id=example.id,
            sql=sql,
            completion=completion.text,
            candidates=tuple(dict.fromkeys(text for text, _ in candidates)),
            tokens=(completion.prompt_tokens, sum(c.completion_tokens for c in found)),
            seconds=seconds + time.perf_counter() - start,
            confidence=likely,
            dropped=prompt.dropped,
            repaired=sql is not None and all(r.changed for r in repairs if r.sql == sql),
            problem=repairs[0].problem if repairs and sql is None else "",
        )

    def _sql(self, example: Example, prompt: Prompt, completion: Completion) -> str | None:
        """The statement of a completion as it may be run, None where there is none."""
        repair = self._repair(example, prompt, completion)
        return repair.sql if repair is not None else None

    def _repair(self, example: Example, prompt: Prompt, completion: Completion) -> Repair | None:
        written = self._written(example, prompt, completion)
        return self._mended(example.db_id, written, prompt.links is None) if written else None

    def _mend(self, db_id: str, sql: str, native: bool) -> Repair:
        from txt2sql.sql.repair import Repair, mend  # imports sqlglot

        schema = self.schemas(db_id)
        if native and schema.dialect != "sqlite":  # every other engine refuses unknown names itself
            return Repair(sql)
        return mend(sql, schema)

    def _written(self, example: Example, prompt: Prompt, completion: Completion) -> str | None:
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
        self, example: Example, candidates: Sequence[tuple[str, Completion]], run: Executor
    ) -> tuple[str, Completion, float | None]:
        """The candidate that is taken, and its probability where several texts are one statement."""
        if self.chooser is not None:
            once = {completion.text: (sql, completion) for sql, completion in candidates}
            likely: dict[str, float] = {}
            for sql, completion in once.values():
                likely[sql] = likely.get(sql, 0.0) + _probability(completion)
            tried = [Tried(sql, p, run(example.db_id, sql)) for sql, p in likely.items()]
            chosen = self.chooser(example.question, example.db_id, tried)
            return *next(pair for pair in candidates if pair[0] == chosen), likely[chosen]
        ran: tuple[str, Completion] | None = None
        for candidate in candidates:
            result = run(example.db_id, candidate[0])
            if result.says_something:
                return *candidate, None
            if result.ok and ran is None:
                ran = candidate
        return *(ran or candidates[0]), None


def _probability(completion: Completion) -> float:
    """Of all its tokens under the model; 1 where the model does not tell."""
    return math.exp(min(0.0, sum(completion.logprobs)))
