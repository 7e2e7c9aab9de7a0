"""DirectPredictor: one prompt, one answer: greedy, with a beam where the answer fails or is unsure.

With an executor the answer is guided by execution (Wang et al. 2018): when the greedy answer does not
run, returns nothing or is unsure, a small beam is decoded too. Candidates with one result are one
(self-consistency, Wang et al. 2023), and each is as likely as query and question make each other: P(SQL |
question) P(question | SQL)^channel, a noisy channel. Candidates whose names are out of scope, or whose
tables are joined without a condition, are repaired (`sql.repair`) or never run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from txt2sql.models.confidence import Weights, certainty, doubts, features, unmatched_words
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.vote import Candidate, ScoredAnswer, choose
from txt2sql.models.vote import Weights as Vote
from txt2sql.prompts import ANSWER_TOKENS, count_tokens, question_prompt, render
from txt2sql.prompts.reduce import without_copies
from txt2sql.sql.text import declines, extract_sql, none_is_an_answer
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

_READINGS = 3
_CHANNEL = 0.3  # the weight of how likely a candidate makes the question
_CHANNELLED = 8  # so many candidates, the likeliest, are asked that
# How likely another reading is at least, beside an answer that is sure, as a share of the answer's.
_RIVAL = 0.2
# Log odds of an answer under the model, below which other readings are looked for though it is sure.
_DIVIDED = 0.4
# Confidence below which candidates are voted on. Of 84 answers of 60 to 75% 6 became right by it and 1
# wrong, of 116 of 75 to 86% 3 and 3.
_VOTED = 0.75
# How likely the model finds an answer, above which it is not asked whether there is none: a tenth of a
# second, and of 229 questions without an answer 2 got such a likely one.
_SETTLED = 0.88


@dataclass(frozen=True, slots=True)
class PredictorOptions:
    """How many examples are asked at a time, with a grammar or without. `second_beams` are decoded
    for an answer that fails, returns nothing or is unsure; below 2 it is final."""

    constrained: bool = True
    second_beams: int = 4
    batch_size: int = 32


@dataclass(slots=True)
class _Request:
    """A question that is being answered: what was written for it, and what that gives. `repairs`
    are the statements of the completions as they may be run, where they have one."""

    example: Example
    prompt: Prompt
    schema: Schema
    run: Executor | None
    seconds: float = 0.0
    completions: list[Completion] = field(default_factory=list)
    repairs: list[tuple[Repair, Completion]] = field(default_factory=list)
    results: dict[str, QueryResult] = field(default_factory=dict)
    none: float | None = None
    """log P(SELECT NULL): how likely the model finds it that the database has no answer."""

    def add(self, completions: Sequence[Completion]) -> None:
        from txt2sql.sql.repair import mend  # imports sqlglot

        self.completions += completions
        for completion in completions:
            if written := extract_sql(completion.text):
                repair = mend(written, self.schema, self.prompt.matches, self.example.question)
                self.repairs.append((repair, completion))

    @property
    def candidates(self) -> dict[str, Completion]:
        candidates: dict[str, Completion] = {}
        for repair, completion in self.repairs:
            if repair.sql:
                candidates.setdefault(repair.sql, completion)
        return candidates

    @property
    def scores(self) -> dict[str, float]:
        return {sql: sum(completion.logprobs) for sql, completion in self.candidates.items()}

    @property
    def suspects(self) -> set[str]:
        return {repair.sql for repair, _ in self.repairs if repair.sql and repair.suspect}

    def result(self, sql: str) -> QueryResult:
        assert self.run is not None
        if sql not in self.results:
            self.results[sql] = self.run(self.example.db_id, sql)
        return self.results[sql]

    def fails(self, sql: str | None) -> bool:
        if sql is None or sql in self.suspects:
            return True
        result = self.result(sql)
        return not result.says_something and not (result.ok and none_is_an_answer(sql))


class DirectPredictor:
    """Answers examples with one generator. `weights` turn its probabilities into fitted
    confidences. An executor that has `ahead` is told first which statements it will be asked
    for."""

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
        return replace(prompt, grammar=sql_grammar(schema)) if self.options.constrained else prompt

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order; a batch is asked at a time."""
        remaining = iter(examples)
        while batch := list(islice(remaining, self.options.batch_size)):
            start = time.perf_counter()
            requests = [
                _Request(each, self.prompt(each), self.schemas(each.db_id), self.executor)
                for each in batch
            ]
            self._ask(requests, 1, start)
            predictions = [self._chosen(each) for each in requests]
            again = [i for i, each in enumerate(requests) if self._doubtful(each, predictions[i])]
            if again:
                self._ask(
                    [requests[i] for i in again], self.options.second_beams, time.perf_counter()
                )
            for i in again:
                each, first = requests[i], predictions[i]
                best = replace(first, seconds=each.seconds)  # only its readings were looked for
                if self._votes(each, first):
                    best = self._chosen(each)
                    if first.certainty == "sure":  # as fitted to answers without a vote
                        best = replace(
                            best,
                            confidence=first.confidence,
                            certainty=first.certainty,
                            doubt=first.doubt,
                            features=first.features,
                        )
                predictions[i] = best
            for i, (each, best) in enumerate(zip(requests, predictions, strict=True)):
                if each.run is not None:
                    predictions[i] = replace(best, readings=_readings(each, best))
            yield from predictions

    def _ask(self, requests: Sequence[_Request], beams: int, start: float) -> None:
        # A grammar ends by itself; without one, the first statement of SQL text is enough.
        stop = () if self.options.constrained else (";\n", "\n\n--")
        sampling = Sampling(max_new_tokens=ANSWER_TOKENS, beams=beams, stop=stop)
        completions = self.generator.generate([each.prompt for each in requests], sampling)
        seconds = (time.perf_counter() - start) / len(requests)
        for each, more in zip(requests, completions, strict=True):
            each.seconds += seconds
            each.add(more)
        ahead = getattr(self.executor, "ahead", None)
        if ahead is not None:
            ahead([(each.example.db_id, sql) for each in requests for sql in each.candidates])

    def _doubtful(self, request: _Request, prediction: Prediction) -> bool:
        can = getattr(self.generator, "beam_search", False)
        if self.executor is None or self.options.second_beams < 2 or not can:
            return False
        # What the model itself gives its text: half for each of two readings (log odds, see NAMES)
        divided = prediction.certainty == "sure" and prediction.features[0] < _DIVIDED
        return divided or self._votes(request, prediction)

    @staticmethod
    def _votes(request: _Request, prediction: Prediction) -> bool:
        """Whether an answer may lose to another candidate: it fails or is hardly sure."""
        fitted = prediction.certainty is not None
        confidence = prediction.confidence if fitted else None
        return request.fails(prediction.sql) or (confidence is not None and confidence < _VOTED)

    def _choose(
        self, example: Example, prompt: Prompt, completions: Sequence[Completion], seconds: float
    ) -> Prediction:
        schema = self.schemas(example.db_id)
        request = _Request(example, prompt, schema, self.executor, seconds)
        request.add(completions)
        return self._chosen(request)

    def _chosen(self, request: _Request) -> Prediction:
        start = time.perf_counter()
        candidates = request.candidates
        sql = self._best(request) if len(candidates) > 1 else next(iter(candidates), None)
        completion = request.completions[0] if sql is None else candidates[sql]
        written = sum(each.completion_tokens for each in request.completions)
        prediction = Prediction(
            example_id=request.example.id,
            sql=sql,
            completion=completion.text,
            candidates=tuple(candidates),
            tokens=(completion.prompt_tokens, written),
            confidence=_probability(completion) if completion.logprobs else None,
            dropped=request.prompt.dropped,
            repaired=sql is not None and all(r.changed for r, _ in request.repairs if r.sql == sql),
            problem=request.repairs[0][0].problem if request.repairs and sql is None else "",
            prompt=request.prompt,
        )
        if self.executor is not None and completion.logprobs:
            prediction = self._weighed(request, prediction, completion)
        return replace(prediction, seconds=request.seconds + time.perf_counter() - start)

    def _best(self, request: _Request) -> str:
        """The candidate that the vote takes: of those that return something the likeliest that is
        not suspect, else the likeliest, else of those that run."""
        scores, suspects = request.scores, request.suspects
        highest = max(scores.values())
        answers = [
            ScoredAnswer(
                sql,
                math.exp(score - highest),
                0,
                request.result(sql),
                i == 0,
                suspect=sql in suspects,
            )
            for i, (sql, score) in enumerate(scores.items())
        ]
        return self.vote(request.example, request.prompt, answers, Vote(empty=0.0))[0].sql

    def vote(
        self, example: Example, prompt: Prompt, answers: Sequence[ScoredAnswer], weights: Vote
    ) -> list[Candidate]:
        """The candidates, best first; what is suspect only where nothing else returns something.
        Where results differ, an answer counts by how likely it and the question make each other."""
        meant = [each for each in answers if not each.suspect]
        if any(each.result.says_something for each in meant):
            answers = meant
        says = [i for i, each in enumerate(answers) if each.result.says_something]
        says = sorted(says, key=lambda i: -answers[i].probability)[:_CHANNELLED]
        score = getattr(self.generator, "score", None)
        differ = len({answers[i].result.key for i in says}) > 1
        if score and differ and not example.previous:  # a follow-up says too little
            from txt2sql.sql.stored_texts import plain_text  # imports sqlglot

            # As the model would write it: how its cells are stored says nothing of the question.
            prompts = [question_prompt(prompt, plain_text(answers[i].sql)) for i in says]
            channel = dict(zip(says, score(prompts, example.question), strict=True))
            least, most = min(channel.values()), max(channel.values())
            answers = [
                replace(
                    each,
                    probability=each.probability
                    * math.exp(_CHANNEL * (channel.get(i, least) - most)),
                )
                for i, each in enumerate(answers)
            ]
        return choose(answers, weights)

    def _weighed(
        self, request: _Request, prediction: Prediction, completion: Completion
    ) -> Prediction:
        result = request.result(prediction.sql) if prediction.sql else None
        if result is not None and result.ok and none_is_an_answer(prediction.sql or ""):
            result = None  # that it is empty tells nothing
        unmatched = unmatched_words(
            request.example.question, request.schema, request.prompt.matches
        )
        declined = declines(request.completions[0].text)
        likelihood = getattr(self.generator, "likelihood", None)
        none = 0.0 if declined else -math.inf
        if not declined and likelihood and _probability(completion) <= _SETTLED:
            if request.none is None:
                request.none = float(likelihood(request.prompt, ["SELECT NULL"])[0])
            none = request.none
        signs = features(prediction, unmatched, completion.logprobs, result, none)
        prediction = replace(prediction, features=signs)
        if self.weights is None:
            return prediction
        p = self.weights.probability(signs)
        doubt = doubts(prediction, unmatched, result, declined)
        return replace(prediction, confidence=p, certainty=certainty(p), doubt=doubt)


def _readings(request: _Request, answer: Prediction) -> tuple[str, ...]:
    """Statements that give something else than the answer does, one for each result: what words of the
    question may mean as well, then candidates; beside an answer that is sure only those that are nearly as
    likely.
    """
    from txt2sql.sql.readings import readings  # imports sqlglot

    scores, least = request.scores, -math.inf
    texts: list[str] = []
    if answer.sql and not request.example.previous:  # a follow-up says too little
        matches, question = request.prompt.matches, request.example.question
        copies = without_copies(question, request.schema)[1]
        texts += readings(question, answer.sql, request.schema, matches, copies)
    if answer.sql and answer.certainty == "sure":
        least = scores[answer.sql] + math.log(_RIVAL)
    texts += [sql for sql, score in scores.items() if score >= least]
    results = {request.result(answer.sql).key} if answer.sql else set()
    different: list[str] = []
    for sql in texts:
        if len(different) < _READINGS and (result := request.result(sql)).says_something:
            if result.key not in results:
                different.append(sql)
            results.add(result.key)
    return tuple(different)


def _probability(completion: Completion) -> float:
    return math.exp(min(0.0, sum(completion.logprobs)))
