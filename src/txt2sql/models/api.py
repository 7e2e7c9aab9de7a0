"""Hosted models (generalists, through their APIs) as Generators: concurrent, within a budget, resumable.

Any model that litellm has a route to: OpenAI, Gemini, Anthropic, Azure, Bedrock, OpenRouter, and every
server that speaks OpenAI's protocol, so that a local vLLM, Ollama or llama.cpp server is a Generator,
too. Every response is kept on disk as soon as it is there: asking again is free and gives the same.

    generator = load("gpt-4o", max_cost=2.0)
    generator.generate([render(question, schema)], Sampling())[0][0].text

A question ends in exactly one of three ways: an Answer (kept, never asked again), an Unanswered with
its reason (asked again by the next run), or it was not asked because the run stopped before it.
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
from txt2sql.errors import ConfigError, ModelError
from txt2sql.models import hosted_request
from txt2sql.models.api_keys import Keys, find_keys, redact
from txt2sql.models.catalog import HostedModel, find_hosted
from txt2sql.models.responses import FILE, Response, Responses, request_key
from txt2sql.runs import cache_dir
from txt2sql.types import Completion, Message, Prompt, Sampling

K = TypeVar("K", bound=Hashable)
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Asking:
    """How a hosted model is asked.

    Waits between attempts are drawn from [0, first_wait_s * 2**k], at most `longest_wait_s`, and never
    shorter than Retry-After asks. After `give_up_after` questions in a row without any answer the rest
    is not asked: a provider that refuses everything is not asked a thousand times.
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
    """The completions of one prompt; `seconds` of the slowest, `dollars` of all, None without price."""

    completions: tuple[Completion, ...]
    seconds: float
    dollars: float | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A prompt without an answer, and why. `asked` is False where nothing was sent for it."""

    reason: str
    asked: bool = True


def load(
    name: str | HostedModel,
    *,
    keys: Keys | None = None,
    settings: Asking = Asking(),
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
    price = price or PRICES.get(model.name) or _listed(model)
    if max_cost is not None and price is None:
        raise ConfigError(
            f"no price is known for '{model.name}', so no budget can be kept; give one under "
            "`prices` in config/model_config.yaml"
        )
    responses = Responses(store or cache_dir() / FILE)
    return APIGenerator(model, keys, responses, settings, price, max_cost, account or model.name)


def _listed(model: HostedModel) -> Price | None:
    """What litellm's own list says; a server named by its address has no list price."""
    if model.api_base:
        return None
    prices = hosted_request.library().model_cost
    entry = prices.get(model.route) or prices.get(model.route.partition("/")[2]) or {}
    read, written = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    return None if read is None or written is None else Price(read * 1e6, written * 1e6)


class APIGenerator:
    """Asks one hosted model; made by `load`. Its threads share one budget, one pace and one stop."""

    def __init__(
        self,
        model: HostedModel,
        keys: Keys,
        responses: Responses,
        settings: Asking = Asking(),
        price: Price | None = None,
        max_cost: float | None = None,
        account: str = "",
    ) -> None:
        self.model, self.name = model, model.name
        self.settings, self.price = settings, price
        self.max_cost, self.account = max_cost, account or model.name
        self.responses = responses
        self._keys = keys
        self._pace = _Pace(settings.requests_per_minute)
        self._random = random.Random()
        self._lock = threading.Lock()
        self._open = 0
        self._failed_in_a_row = 0
        self.stopped = ""
        """Why nothing more is asked; "" while all is well."""

    # ------------------------------------------------------------------------------------- asking

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions for each prompt. Raises ModelError where one got no answer; those
        that did are kept, so asking again goes on."""
        found: dict[int, Answer] = {}
        for i, answer in self.ask(enumerate(prompts), sampling):
            if isinstance(answer, Unanswered):
                raise ModelError(f"'{self.name}' gave no answer: {answer.reason}; try again later")
            found[i] = answer
        return [list(found[i].completions) for i in range(len(prompts))]

    def ask(
        self, prompts: Iterable[tuple[K, Prompt]], sampling: Sampling
    ) -> Iterator[tuple[K, Answer | Unanswered]]:
        """Every prompt's answer or the reason there is none, each as soon as it is known."""
        if sampling.beams > 1:
            raise ModelError("a hosted model searches no beams; set beams to 1")
        sampling = replace(sampling, max_new_tokens=self.model.max_output_tokens)
        waiting: dict[Future[Answer | Unanswered], K] = {}
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            for key, prompt in prompts:
                known = self._known(_messages(prompt), sampling)
                if known is not None:
                    yield key, known
                    continue
                waiting[pool.submit(self._answer, _messages(prompt), sampling)] = key
                while len(waiting) >= 2 * self.settings.concurrency:
                    yield from _finished(waiting)
            while waiting:
                yield from _finished(waiting)
        finally:  # also where the caller stops listening: what was not sent yet is not sent
            pool.shutdown(wait=True, cancel_futures=True)

    def _known(self, messages: tuple[Message, ...], sampling: Sampling) -> Answer | None:
        found = [self.responses.find(k) for k in self._request_keys(messages, sampling)]
        known = [response for response in found if response is not None]
        return self._as_answer(known) if len(known) == len(found) else None

    def _answer(self, messages: tuple[Message, ...], sampling: Sampling) -> Answer | Unanswered:
        responses = []
        for number, key in enumerate(self._request_keys(messages, sampling)):
            single = replace(sampling, n=1, seed=sampling.seed + number)
            response = self.responses.find(key) or self._ask_until(key, messages, single)
            if isinstance(response, Unanswered):
                return response
            responses.append(response)
        return self._as_answer(responses)

    def _as_answer(self, responses: Sequence[Response]) -> Answer:
        costs = [
            of_tokens(self.price, r.prompt_tokens, r.completion_tokens) if self.price else None
            for r in responses
        ]
        return Answer(
            completions=tuple(
                Completion(r.text, (), r.prompt_tokens, r.completion_tokens) for r in responses
            ),
            seconds=max(r.seconds for r in responses),
            dollars=sum(cost for cost in costs if cost is not None) if self.price else None,
        )

    def _request_keys(self, messages: tuple[Message, ...], sampling: Sampling) -> list[str]:
        """One key per sample: everything that its answer depends on."""
        request = {
            "route": self.model.route,
            "base": self.model.api_base,
            "messages": [[m.role, m.content] for m in messages],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": sampling.stop,
        }
        return [request_key({**request, "seed": sampling.seed + i}) for i in range(sampling.n)]

    # -------------------------------------------------------------------------- until it is settled

    def _ask_until(
        self, key: str, messages: tuple[Message, ...], sampling: Sampling
    ) -> Response | Unanswered:
        """One response, with as many attempts as are allowed and paid for."""
        reason, sent = "", False
        most = self._most(messages, sampling)
        for attempt in range(self.settings.attempts):
            if not self._pace.wait(lambda: bool(self.stopped)):
                return self._unanswered(self.stopped, sent)
            ticket = self._reserve(most)
            if ticket is None:
                return self._unanswered(self.stopped, sent)
            reply = self._send(key, ticket, most, messages, sampling)
            if isinstance(reply, Response):
                return reply
            reason, sent = reply.reason, True
            if reply.hopeless:
                self._stop(reason)
            if not reply.again or self.stopped:
                break
            if reply.wait_s:
                self._pace.pause(reply.wait_s)
            if attempt + 1 < self.settings.attempts:
                longest = self.settings.first_wait_s * 2**attempt
                self._sleep(self._random.uniform(0, min(longest, self.settings.longest_wait_s)))
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self.settings.give_up_after:
            self._stop(f"{self._failed_in_a_row} questions in a row got no answer ({reason})")
        return self._unanswered(reason, sent)

    def _send(
        self,
        key: str,
        ticket: int,
        most: float,
        messages: tuple[Message, ...],
        sampling: Sampling,
    ) -> Response | hosted_request.Fault:
        secrets = self._keys.secrets()
        arguments = self._keys.arguments()
        if self.model.api_base:
            arguments["api_base"] = self.model.api_base
        try:
            reply = hosted_request.send(
                self.model.route, messages, sampling, self.settings.timeout_s, arguments
            )
            if isinstance(reply, hosted_request.Fault):
                self.responses.settle(ticket, None if reply.charged else 0.0)
                return replace(reply, reason=redact(reply.reason, secrets))
            for secret in secrets:  # a server that quotes its key has it kept nowhere
                reply = replace(reply, text=reply.text.replace(secret, "[key]"))
            cost = of_tokens(self.price or _FREE, reply.prompt_tokens, reply.completion_tokens)
            self.responses.keep(key, reply, ticket, cost)
            self._failed_in_a_row = 0
            return reply
        finally:
            with self._lock:
                self._open -= 1

    def _most(self, messages: tuple[Message, ...], sampling: Sampling) -> float:
        price = self.price or _FREE
        return of_tokens(price, hosted_request.most_tokens(messages), sampling.max_new_tokens)

    def _reserve(self, most: float) -> int | None:
        """A ticket for one request, or None. While others are under way, theirs may become free."""
        while not self.stopped:
            with self._lock:
                others = self._open
                ticket = self.responses.reserve(self.account, most, self.max_cost)
                if ticket is not None:
                    self._open += 1
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

    def _unanswered(self, reason: str, asked: bool) -> Unanswered:
        return Unanswered(redact(reason, self._keys.secrets()), asked)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_S))


_FREE = Price(0.0, 0.0)


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


def _messages(prompt: Prompt) -> tuple[Message, ...]:
    return prompt.messages or (Message("user", prompt.text),)


def _finished(
    waiting: dict[Future[Answer | Unanswered], K],
) -> Iterator[tuple[K, Answer | Unanswered]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future.result()
