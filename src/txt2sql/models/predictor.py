"""DirectPredictor: one prompt, one answer: greedy, with a beam where the answer fails or is unsure.

With an executor the answer is guided by execution (Wang et al. 2018): when the greedy answer does
not run, returns nothing or is unsure, a small beam is decoded too. Candidates with one result are one
(self-consistency, Wang et al. 2023), and each is as likely as query and question make each other: P(SQL |
question) P(question | SQL)^channel, a noisy channel. Of those that return something the likeliest is
taken, else the first that runs, else the first. An answer that is sure, but to which the model itself
gives little more than half, stays; the beam then shows what else the question may mean. Other answers cost
no more than a greedy one.

No candidate is run whose names are out of scope or whose tables are joined without a condition: what
can be repaired in one way is (`sql.repair`), and the rest loses to the next candidate.

>>> predictor = DirectPredictor(generator, {"shop": schema}.__getitem__, lambda _: ())  # doctest: +SKIP
>>> next(predictor.predict([example])).sql  # doctest: +SKIP
'SELECT count(*) FROM shop'
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from txt2sql.models.confidence import Weights, certainty, doubts, features
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.vote import ScoredAnswer, choose
from txt2sql.models.vote import Weights as VoteWeights
from txt2sql.prompts import ANSWER_TOKENS, count_tokens, question_prompt, render
from txt2sql.sql.text import declines, extract_sql
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

MOST_READINGS = 3
RIVAL = 0.2
"""How likely another reading is at least, beside an answer that is sure, as a share of the answer's."""
ONLY_WHAT_SAYS_SOMETHING = VoteWeights(empty=0.0)
_CHECKED = 1024
"""Statements whose check is remembered: each is asked for once as a candidate and again as the answer."""


@dataclass(frozen=True, slots=True)
class PredictorOptions:
    """`beams` candidates are decoded; above 1 an executor chooses among them.

    `second_beams` are decoded for an answer that fails, returns nothing or is unsure; below 2 it is final.
    """

    constrained: bool = True
    beams: int = 1
    second_beams: int = 4
    batch_size: int = 32
    divided: float = 0.4
    """Log odds of an answer under the model, below which other readings are looked for though it is sure."""
    settled: float = 0.88
    """How likely the model finds an answer, above which it is not asked whether there is none: a tenth of
    a second, and of 229 questions without an answer 2 got such a likely one."""
    max_new_tokens: int | None = None
    """None: `prompts.ANSWER_TOKENS`."""
    channel: float = 0.3
    """The weight of how likely a candidate makes the question; 0: how likely the question makes it alone."""


class DirectPredictor:
    """Answers examples with one generator. `weights` turn its probabilities into fitted confidences.

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
        weights: Weights | None = None,
    ) -> None:
        self.generator, self.name = generator, generator.name
        self.schemas, self.matches, self.executor = schemas, matches, executor
        self.options, self.weights = options, weights
        self.count: Callable[[str], int] = getattr(generator, "count_tokens", count_tokens)
        self._mended = lru_cache(maxsize=_CHECKED)(self._mend)
        self._none = lru_cache(maxsize=options.batch_size)(self._log_none)

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
            completions = self.generator.generate(prompts, self._sampling(self.options.beams))
            seconds = (time.perf_counter() - start) / len(batch)
            self._ahead(batch, completions)
            predictions = [
                self._choose(*each, seconds)
                for each in zip(batch, prompts, completions, strict=True)
            ]
            again = [
                i
                for i, each in enumerate(predictions)
                if self._unconvincing(batch[i], each, completions[i])
            ]
            if again:
                start = time.perf_counter()
                beams = self._sampling(self.options.second_beams)
                more = self.generator.generate([prompts[i] for i in again], beams)
                seconds = (time.perf_counter() - start) / len(again)
                for i, others in zip(again, more, strict=True):
                    completions[i] = [*completions[i], *others]
                self._ahead([batch[i] for i in again], [completions[i] for i in again])
                for i in again:
                    best, spent = predictions[i], predictions[i].seconds + seconds
                    if best.certainty == "sure" and not self._fails(batch[i], best, completions[i]):
                        best = replace(best, seconds=spent)  # only its readings were looked for
                    else:
                        best = self._choose(batch[i], prompts[i], completions[i], spent)
                    readings = self._readings(batch[i], best, completions[i])
                    predictions[i] = replace(best, readings=readings)
            yield from predictions

    def _unconvincing(
        self, example: Example, prediction: Prediction, completions: Sequence[Completion]
    ) -> bool:
        """Whether a beam is worth its time: the answer fails, is unsure, or leaves room for another."""
        can = getattr(self.generator, "beam_search", False)
        if self.executor is None or self.options.second_beams < 2 or not can:
            return False
        unsure = prediction.certainty in ("unsure", "unknown")
        # What the model itself gives its text: half for each of two readings (log odds, see NAMES)
        divided = prediction.certainty == "sure" and prediction.features[0] < self.options.divided
        return unsure or divided or self._fails(example, prediction, completions)

    def _fails(
        self, example: Example, prediction: Prediction, completions: Sequence[Completion]
    ) -> bool:
        """Whether an answer returns nothing or is hardly meant."""
        assert self.executor is not None
        if prediction.sql is None or prediction.sql in self._suspects(example, completions):
            return True
        return not self.executor(example.db_id, prediction.sql).says_something

    def _suspects(self, example: Example, completions: Sequence[Completion]) -> set[str]:
        repairs = [self._repair(example, completion) for completion in completions]
        return {repair.sql for repair in repairs if repair and repair.sql and repair.suspect}

    def _readings(
        self, example: Example, prediction: Prediction, completions: Sequence[Completion]
    ) -> tuple[str, ...]:
        """The candidates that give something else than the answer does, one for each result; beside an
        answer that is sure only those that are nearly as likely.
        """
        assert self.executor is not None
        candidates = self._candidates(example, completions)
        scores = {sql: sum(completion.logprobs) for sql, completion in candidates.items()}
        least = -math.inf
        if prediction.sql and prediction.certainty == "sure":
            least = scores[prediction.sql] + math.log(RIVAL)
        results = {self.executor(example.db_id, prediction.sql).key} if prediction.sql else set()
        readings: list[str] = []
        for sql, score in scores.items():
            result = self.executor(example.db_id, sql)
            if score >= least and result.says_something and result.key not in results:
                results.add(result.key)
                readings.append(sql)
        return tuple(readings[:MOST_READINGS])

    def channel(self, example: Example, prompt: Prompt, sqls: Sequence[str]) -> list[float]:
        """The noisy channel: weighted log P(question | SQL) of each query; zeros where the model gives none,
        and for a follow-up, which says too little.
        """
        score = getattr(self.generator, "score", None)
        if score is None or not self.options.channel or example.previous:
            return [0.0] * len(sqls)
        likelihoods = score([question_prompt(prompt, sql) for sql in sqls], example.question)
        return [self.options.channel * each for each in likelihoods]

    def _ahead(
        self,
        batch: Sequence[Example],
        completions: Sequence[Sequence[Completion]],
    ) -> None:
        ahead = getattr(self.executor, "ahead", None)
        if ahead is not None:
            ahead(
                [
                    (example.db_id, sql)
                    for example, each in zip(batch, completions)
                    for sql in self._candidates(example, each)
                ]
            )

    def _sampling(self, beams: int) -> Sampling:
        tokens = self.options.max_new_tokens or ANSWER_TOKENS
        # A grammar ends by itself; without one, the first statement of SQL text is enough.
        stop = () if self.options.constrained else (";\n", "\n\n--")
        return Sampling(max_new_tokens=tokens, beams=beams, stop=stop)

    def _choose(
        self,
        example: Example,
        prompt: Prompt,
        completions: Sequence[Completion],
        seconds: float,
    ) -> Prediction:
        start = time.perf_counter()
        candidates = self._candidates(example, completions)
        sql = next(iter(candidates), None)
        if len(candidates) > 1 and self.executor is not None:
            suspects = self._suspects(example, completions)
            sql = self._best(example, prompt, candidates, suspects, self.executor)
        completion = completions[0] if sql is None else candidates[sql]
        repairs = [r for c in completions if (r := self._repair(example, c))]
        prediction = Prediction(
            example_id=example.id,
            sql=sql,
            completion=completion.text,
            candidates=tuple(candidates),
            tokens=(completion.prompt_tokens, sum(c.completion_tokens for c in completions)),
            confidence=_probability(completion) if completion.logprobs else None,
            dropped=prompt.dropped,
            repaired=sql is not None and all(r.changed for r in repairs if r.sql == sql),
            problem=repairs[0].problem if repairs and sql is None else "",
            prompt=prompt,
        )
        if self.executor is not None and completion.logprobs:
            declined = declines(completions[0].text)
            prediction = self._weighed(example, prediction, completion, declined)
        return replace(prediction, seconds=seconds + time.perf_counter() - start)

    def _log_none(self, prompt: Prompt) -> float:
        """log P(SELECT NULL): how likely the model finds it that the database has no answer."""
        likelihood = getattr(self.generator, "likelihood", None)
        return float(likelihood(prompt, ["SELECT NULL"])[0]) if likelihood else -math.inf

    def _weighed(
        self, example: Example, prediction: Prediction, completion: Completion, declined: bool
    ) -> Prediction:
        """The prediction with the features of its confidence, and with what fitted weights say of them."""
        assert self.executor is not None and prediction.prompt is not None
        result = self.executor(example.db_id, prediction.sql) if prediction.sql else None
        schema, matches = self.schemas(example.db_id), prediction.prompt.matches
        settled = _probability(completion) > self.options.settled
        none = 0.0 if declined else -math.inf if settled else self._none(prediction.prompt)
        signs = features(
            prediction, example.question, schema, matches,
            logprobs=completion.logprobs, result=result, none=none,
        )  # fmt: skip
        prediction = replace(prediction, features=signs)
        if self.weights is None:
            return prediction
        confidence = self.weights.probability(signs)
        doubt = doubts(prediction, example.question, schema, matches, result, declined)
        return replace(
            prediction, confidence=confidence, certainty=certainty(confidence), doubt=doubt
        )

    def _candidates(
        self, example: Example, completions: Sequence[Completion]
    ) -> dict[str, Completion]:
        """The statements that may be run, in order, each with the first completion that says it."""
        candidates: dict[str, Completion] = {}
        for completion in completions:
            if sql := self._sql(example, completion):
                candidates.setdefault(sql, completion)
        return candidates

    def _sql(self, example: Example, completion: Completion) -> str | None:
        """The statement of a completion as it may be run, None where there is none."""
        repair = self._repair(example, completion)
        return repair.sql if repair is not None else None

    def _repair(self, example: Example, completion: Completion) -> Repair | None:
        written = extract_sql(completion.text)
        return self._mended(example.db_id, written) if written else None

    def _mend(self, db_id: str, sql: str) -> Repair:
        from txt2sql.sql.repair import mend  # imports sqlglot

        return mend(sql, self.schemas(db_id))

    def _best(
        self,
        example: Example,
        prompt: Prompt,
        candidates: Mapping[str, Completion],
        suspects: Container[str],
        run: Executor,
    ) -> str:
        """The candidate that the vote takes: of those that return something and are not suspect, else of
        those that return something, else of those that run.
        """
        results = {sql: run(example.db_id, sql) for sql in candidates}
        scores = {sql: sum(completion.logprobs) for sql, completion in candidates.items()}
        says = [sql for sql, result in results.items() if result.says_something]
        if meant := [sql for sql in says if sql not in suspects]:
            results, says = {sql: results[sql] for sql in meant}, meant
        if len({results[sql].key for sql in says}) > 1:
            for sql, likelihood in zip(says, self.channel(example, prompt, says), strict=True):
                scores[sql] += likelihood
        highest = max(scores[sql] for sql in says or scores)
        answers = [
            ScoredAnswer(sql, math.exp(min(0.0, scores[sql] - highest)), 0, 0.0, result, i == 0)
            for i, (sql, result) in enumerate(results.items())
        ]
        return choose(answers, ONLY_WHAT_SAYS_SOMETHING)[0].sql


def _probability(completion: Completion) -> float:
    """Of all its tokens under the model; 1 where the model does not tell."""
    return math.exp(min(0.0, sum(completion.logprobs)))
