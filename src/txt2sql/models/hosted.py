"""Hosted models (generalists, through their APIs): concurrent, within a budget, resumable.

Any model that litellm has a route to: OpenAI, Gemini, Anthropic, Azure, Bedrock, OpenRouter, and every
server that speaks OpenAI's protocol, so that a local vLLM, Ollama or llama.cpp server is a Generator,
too. Every response is written to disk before it counts: asking again is free and gives the same.

    generator = load("gpt-4o", max_cost=2.0)
    generator.generate([render(question, schema)], Sampling())[0][0].text

A question ends in exactly one of three ways: an Answer (stored, never sent again), an Unanswered with
its reason (sent again by the next run), or it was not sent because the run stopped before it.

Retries are ours, not litellm's, because a budget needs to know of each attempt whether it may be charged.
The waits are exponential backoff with full jitter: Brooker, "Exponential Backoff and Jitter" (AWS, 2015).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from txt2sql.costs import PRICES, Price, of_tokens
from txt2sql.errors import ConfigError, ModelError, PromptError
from txt2sql.models.api_keys import Keys, find_keys, redact
from txt2sql.models.catalog import HostedModel, find_hosted
from txt2sql.models.hosted_request import Fault, library, most_tokens, send
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.models.responses import FILE, Response, Responses, request_key
from txt2sql.prompts import render
from txt2sql.prompts.shots import Shot, Shots
from txt2sql.runs import cache_dir
from txt2sql.types import (
    Completion,
    Example,
    Executor,
    Message,
    Prediction,
    Prompt,
    Sampling,
    Schema,
    ValueMatch,
)

K = TypeVar("K", bound=Hashable)
_POLL_S = 0.2
_FREE = Price(0.0, 0.0)
_PROMPT_BUDGET = 6000
"""Tokens of a prompt: hosted models read far longer ones, but every token is paid for."""


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How requests are sent.

    Waits between attempts are drawn from [0, first_wait_s * 2**k], at most `longest_wait_s`, and never
    shorter than Retry-After asks. After `give_up_after` questions in a row without any answer the rest
    is not sent: a provider that refuses everything is not asked a thousand times.
    """

    concurrency: int = 8
    requests_per_minute: float | None = None
    attempts: int = 6
    timeout_s: float = 120.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    give_up_after: int = 10

    def __post_init__(self) -> None:
        if min(self.concurrency, self.attempts, self.give_up_after) < 1 or self.timeout_s <= 0:
            raise ValueError("concurrency, attempts, give_up_after and timeout_s must be above 0")
        if self.requests_per_minute is not None and self.requests_per_minute <= 0:
            raise ValueError("requests_per_minute must be above 0")


@dataclass(frozen=True, slots=True)
class Answer:
    """The completion of one prompt, the seconds of its request, its dollars (None without a price)."""

    completion: Completion
    seconds: float
    dollars: float | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A prompt without an answer, and why. `sent` is False where nothing was sent for it."""

    reason: str
    sent: bool = True


def load(
    name: str | HostedModel,
    *,
    keys: Keys | None = None,
    settings: RequestSettings = RequestSettings(),
    price: Price | None = None,
    max_cost: float | None = None,
    account: str = "",
    store: Path | None = None,
) -> APIGenerator:
    """The Generator of a hosted model by short name or `api:ROUTE[@URL]`.

    `max_cost` bounds, in dollars, what is spent under `account` in all, by earlier processes, too.
    Raises ModelError for an unknown name, ConfigError without a key.
    """
    model = find_hosted(name) if isinstance(name, str) else name
    if model is None:
        raise ModelError(f"no hosted model '{name}'; write api:PROVIDER/MODEL for one by its route")
    keys = keys or find_keys(model.provider, api_base=model.api_base)
    if keys is None:
        raise ConfigError(
            f"no key for '{model.name}'; fill in '{model.provider}' in config/api_keys.yaml (copy "
            "api_keys.yaml.example) or set the environment variable it names"
        )
    price = price or PRICES.get(model.name) or _list_price(model)
    if max_cost is not None and price is None:
        raise ConfigError(
            f"no price is known for '{model.name}', so no budget can be kept; give one under "
            "`prices` in config/model_config.yaml"
        )
    responses = Responses(store or cache_dir() / FILE)
    return APIGenerator(model, keys, responses, settings, price, max_cost, account or model.name)


def _list_price(model: HostedModel) -> Price | None:
    """What litellm's own list says; a server named by its address has no list price."""
    if model.api_base:
        return None
    prices = library().model_cost
    entry = prices.get(model.route) or prices.get(model.route.partition("/")[2]) or {}
    read, written = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    return None if read is None or written is None else Price(read * 1e6, written * 1e6)


class APIGenerator:
    """Completes prompts with one hosted model. Its threads share one budget, one pace and one stop."""

    def __init__(
        self,
        model: HostedModel,
        keys: Keys,
        responses: Responses,
        settings: RequestSettings,
        price: Price | None,
        max_cost: float | None,
        account: str,
    ) -> None:
        self.model, self.name = model, model.name
        self.settings, self.price = settings, price
        self.max_cost, self.account = max_cost, account
        self.responses = responses
        self.stopped = ""
        """Why nothing more is sent; "" while all is well."""
        self._keys = keys
        self._pace = _Pace(settings.requests_per_minute)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._failed_in_a_row = 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """One completion for each prompt. Raises ModelError where one got no answer; the others are
        stored, so that asking again goes on."""
        completions: dict[int, Completion] = {}
        for i, answer in self.ask(enumerate(prompts), sampling):
            if isinstance(answer, Unanswered):
                raise ModelError(f"'{self.name}' gave no answer: {answer.reason}; try again later")
            completions[i] = answer.completion
        return [[completions[i]] for i in range(len(prompts))]

    def ask(
        self, prompts: Iterable[tuple[K, Prompt]], sampling: Sampling
    ) -> Iterator[tuple[K, Answer | Unanswered]]:
        """Every prompt's answer or the reason there is none, each as soon as it comes."""
        if sampling.beams > 1 or sampling.n > 1:
            raise ModelError("a hosted model gives one answer, no beams; set beams and n to 1")
        sampling = replace(sampling, max_new_tokens=self.model.max_output_tokens)
        pending: dict[Future[Answer | Unanswered], K] = {}
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            for key, prompt in prompts:
                messages = prompt.messages or (Message("user", prompt.text),)
                request = self._request_key(messages, sampling)
                if stored := self.responses.find(request):
                    yield key, self._answer(stored)
                    continue
                pending[pool.submit(self._request, request, messages, sampling)] = key
                while len(pending) >= 2 * self.settings.concurrency:
                    yield from _finished(pending)
            while pending:
                yield from _finished(pending)
        finally:  # also where the caller stops listening: what was not sent yet is not sent
            pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, response: Response) -> Answer:
        read, written = response.prompt_tokens, response.completion_tokens
        dollars = of_tokens(self.price, read, written) if self.price else None
        return Answer(Completion(response.text, (), read, written), response.seconds, dollars)

    def _request_key(self, messages: tuple[Message, ...], sampling: Sampling) -> str:
        """The key of everything that the answer depends on."""
        request = {
            "route": self.model.route,
            "base": self.model.api_base,
            "messages": [[m.role, m.content] for m in messages],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": sampling.stop,
            "seed": sampling.seed,
        }
        return request_key(request)

    def _request(
        self, key: str, messages: tuple[Message, ...], sampling: Sampling
    ) -> Answer | Unanswered:
        """One answer, with as many attempts as are allowed and paid for."""
        if stored := self.responses.find(key):  # the same question may have been queued twice
            return self._answer(stored)
        settings, reason, sent = self.settings, "", False
        highest_cost = of_tokens(
            self.price or _FREE, most_tokens(messages), sampling.max_new_tokens
        )
        for attempt in range(settings.attempts):
            ticket = None
            if self._pace.wait(lambda: bool(self.stopped)):
                ticket = self._reserve(highest_cost)
            if ticket is None:
                return self._unanswered(self.stopped, sent)
            reply = self._send(key, ticket, messages, sampling)
            if isinstance(reply, Response):
                return self._answer(reply)
            reason, sent = reply.reason, True
            if reply.hopeless:
                self._stop(reason)
            if not reply.retry or self.stopped:
                break
            self._pace.pause(reply.wait_s)
            if attempt + 1 < settings.attempts:
                longest = min(settings.first_wait_s * 2**attempt, settings.longest_wait_s)
                self._sleep(random.uniform(0, longest))
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= settings.give_up_after:
            self._stop(f"{self._failed_in_a_row} questions in a row got no answer ({reason})")
        return self._unanswered(reason, sent)

    def _send(
        self, key: str, ticket: int, messages: tuple[Message, ...], sampling: Sampling
    ) -> Response | Fault:
        """One attempt: its response is stored, and its reservation settled."""
        secrets, arguments = self._keys.secrets(), self._keys.arguments()
        if self.model.api_base:
            arguments["api_base"] = self.model.api_base
        try:
            reply = send(self.model.route, messages, sampling, self.settings.timeout_s, arguments)
            if isinstance(reply, Fault):
                self.responses.settle(ticket, None if reply.charged else 0.0)
                return replace(reply, reason=redact(reply.reason, secrets))
            for secret in secrets:  # a server that quotes its key has it stored nowhere
                reply = replace(reply, text=reply.text.replace(secret, "[key]"))
            cost = of_tokens(self.price or _FREE, reply.prompt_tokens, reply.completion_tokens)
            self.responses.store(key, reply, ticket, cost)
            self._failed_in_a_row = 0
            return reply
        finally:
            with self._lock:
                self._in_flight -= 1

    def _reserve(self, dollars: float) -> int | None:
        """A ticket for one request, or None. While others are in flight, theirs may become free."""
        while not self.stopped:
            with self._lock:
                others = self._in_flight
                ticket = self.responses.reserve(self.account, dollars, self.max_cost)
                if ticket is not None:
                    self._in_flight += 1
                    return ticket
            if not others:
                spent = self.responses.spent(self.account)
                self._stop(f"the budget of ${self.max_cost:.2f} is used up (${spent:.4f} spent)")
                break
            time.sleep(_POLL_S / 10)
        return None

    def _stop(self, reason: str) -> None:
        with self._lock:
            self.stopped = self.stopped or reason

    def _unanswered(self, reason: str, sent: bool) -> Unanswered:
        return Unanswered(redact(reason, self._keys.secrets()), sent)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_S))


def _finished(
    pending: dict[Future[Answer | Unanswered], K],
) -> Iterator[tuple[K, Answer | Unanswered]]:
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        yield pending.pop(future), future.result()


class _Pace:
    """Spaces the starts of requests, and holds all of them back while a provider asks for it."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stopped: Callable[[], bool]) -> bool:
        """Wait for one's turn; False where the run was stopped meanwhile."""
        while not stopped():
            with self._lock:
                now = time.monotonic()
                if now >= self._next:
                    self._next = now + self._gap
                    return True
                left = self._next - now
            time.sleep(min(left, _POLL_S))
        return False

    def pause(self, seconds: float) -> None:
        """Nobody starts for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class HostedPredictor(DirectPredictor):
    """A DirectPredictor over an APIGenerator: zero-shot, or few-shot with `shots` answered questions."""

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
            budget=_PROMPT_BUDGET,
            shots=shots,
        )

    def answers(
        self, examples: Sequence[Example]
    ) -> Iterator[tuple[Example, Prediction | Unanswered]]:
        """Every example with its prediction or the reason there is none, as soon as it comes."""
        prompts: dict[str, Prompt] = {}
        by_id = {example.id: example for example in examples}
        impossible: list[tuple[Example, Unanswered]] = []

        def rendered() -> Iterator[tuple[str, Prompt]]:
            for example in examples:
                try:
                    prompts[example.id] = self.prompt(example)
                except PromptError as error:
                    impossible.append((example, Unanswered(str(error), sent=False)))
                    continue
                yield example.id, prompts[example.id]

        for example_id, answer in self.generator.ask(rendered(), Sampling()):
            example, prompt = by_id[example_id], prompts.pop(example_id)
            yield example, self._prediction(example, prompt, answer)
        yield from impossible

    def _prediction(
        self, example: Example, prompt: Prompt, answer: Answer | Unanswered
    ) -> Prediction | Unanswered:
        if isinstance(answer, Unanswered):
            return answer
        chosen = self._choose(example, prompt, [answer.completion], answer.seconds)
        tokens = (answer.completion.prompt_tokens, answer.completion.completion_tokens)
        return replace(chosen, tokens=tokens, seconds=answer.seconds, cost=answer.dollars)
