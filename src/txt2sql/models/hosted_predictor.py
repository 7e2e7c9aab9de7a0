"""HostedPredictor: a hosted model over examples, zero-shot or few-shot, many at once.

Predictions come as soon as they are known, in any order, with what each cost; a question that got no
answer comes as `Unanswered`, which is no prediction: it is asked again by the next run, and never
counted as wrong. `predict` is the Predictor protocol, in order, for those who need every answer.

>>> for example, found in predictor.answers(examples): ...  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from txt2sql.errors import ModelError, PromptError
from txt2sql.models.api import Answer, APIGenerator, Unanswered
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.prompts import render
from txt2sql.prompts.shots import Shot, Shots
from txt2sql.types import Example, Executor, Prediction, Prompt, Sampling, Schema, ValueMatch

_BUDGET = 6000
"""Tokens of a prompt: hosted models read far longer ones, but every token is paid for."""


class HostedPredictor(DirectPredictor):
    """A DirectPredictor whose generator is an APIGenerator; `shots` answered questions are shown."""

    generator: APIGenerator

    def __init__(
        self,
        generator: APIGenerator,
        schemas: Callable[[str], Schema],
        matches: Callable[[Example], Sequence[ValueMatch]],
        executor: Executor | None = None,
        answered: Shots | None = None,
        shots: int = 0,
    ) -> None:
        options = PredictorOptions(constrained=False, second_beams=0)
        super().__init__(generator, schemas, matches, executor, options)
        self.answered, self.shots = answered, shots

    def prompt(self, example: Example) -> Prompt:
        """The prompt of an example; hosted models take no grammar."""
        schema = self.schemas(example.db_id)
        shots: tuple[Shot, ...] = ()
        if self.answered is not None and self.shots:
            shots = self.answered.nearest(example.question, schema, self.shots)
        return render(
            example.question,
            schema,
            matches=self.matches(example),
            evidence=example.evidence,
            budget=_BUDGET,
            shots=shots,
        )

    def answers(
        self, examples: Sequence[Example]
    ) -> Iterator[tuple[Example, Prediction | Unanswered]]:
        """Every example with its prediction or the reason there is none, as soon as it is known."""
        prompts: dict[str, Prompt] = {}
        by_id = {example.id: example for example in examples}
        impossible: list[tuple[Example, Unanswered]] = []

        def rendered() -> Iterator[tuple[str, Prompt]]:
            for example in examples:
                try:
                    prompts[example.id] = self.prompt(example)
                except PromptError as error:
                    impossible.append((example, Unanswered(str(error), asked=False)))
                    continue
                yield example.id, prompts[example.id]

        for example_id, found in self.generator.ask(rendered(), Sampling()):
            example, prompt = by_id[example_id], prompts.pop(example_id)
            yield example, self._prediction(example, prompt, found)
        yield from impossible

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """One prediction per example, in order. Raises ModelError where one got no answer."""
        for start in range(0, len(examples), self.options.batch_size):
            batch = examples[start : start + self.options.batch_size]
            found = {example.id: answer for example, answer in self.answers(batch)}
            for example in batch:
                answer = found[example.id]
                if isinstance(answer, Unanswered):
                    raise ModelError(f"'{self.name}' gave no answer: {answer.reason}")
                yield answer

    def _prediction(
        self, example: Example, prompt: Prompt, found: Answer | Unanswered
    ) -> Prediction | Unanswered:
        if isinstance(found, Unanswered):
            return found
        chosen = self._choose(example, prompt, found.completions, found.seconds)
        read = sum(completion.prompt_tokens for completion in found.completions)
        written = sum(completion.completion_tokens for completion in found.completions)
        return replace(chosen, tokens=(read, written), seconds=found.seconds, cost=found.dollars)
