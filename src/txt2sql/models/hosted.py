"""Hosted models (generalists, through their APIs): concurrent, within a budget, resumable.

Any model that litellm has a route to: OpenAI, Gemini, Anthropic, Azure, Bedrock, OpenRouter, and every
server that speaks OpenAI's protocol, so that a local vLLM, Ollama or llama.cpp server is a Generator,
too. Every response is written to disk before it counts: asking again is free and gives the same.

    generator = load("gpt-4o", max_cost=2.0)
    generator.generate([render(question, schema)], Sampling())[0][0].text

Retries are ours, not litellm's, because a budget needs to know of each attempt whether it may be charged.
The waits are exponential backoff with full jitter: Brooker, "Exponential Backoff and Jitter" (AWS, 2015).
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from txt2sql.costs import Price, of_tokens
from txt2sql.errors import ConfigError, ModelError, PromptError
from txt2sql.models.api_keys import Keys, find_keys
from txt2sql.models.catalog import HostedModel, find_hosted
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.models.responses import FILE, Response, Responses, request_key
from txt2sql.prompts import count_tokens, render
from txt2sql.prompts.shots import Shots
from txt2sql.runs import cache_dir
from txt2sql.types import (
    Completion,
    Example,
    Message,
    Prediction,
    Prompt,
    Sampling,
    Schema,
    ValueMatch,
)

K = TypeVar("K")
_FREE = Price(0.0, 0.0)
_PROMPT_BUDGET = 6000
"""Tokens of a prompt: hosted models read far longer ones, but every token is paid for."""
_TOKENS_OF_A_MESSAGE = 64
"""More than any chat template writes around a message."""
_TEMPORARY = (408, 409, 425, 429)
_BAD_SETUP = (401, 402, 403, 404)
_LONGEST_WAIT_S, _LONGEST_RETRY_AFTER_S = 60.0, 300.0


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How requests are sent.

    Waits between attempts are drawn from [0, first_wait_s * 2**k] and never shorter than Retry-After
    asks. After `give_up_after` questions in a row without any answer the rest is not sent.
    """

    concurrency: int = 8
    requests_per_minute: float | None = None
    attempts: int = 6
    timeout_s: float = 120.0
    first_wait_s: float = 1.0
    give_up_after: int = 10

    def __post_init__(self) -> None:
        pace = 1 if self.requests_per_minute is None else self.requests_per_minute
        if min(self.concurrency, pace, self.attempts, self.timeout_s, self.give_up_after) <= 0:
            raise ValueError(
                "concurrency, requests_per_minute, attempts, timeout_s and give_up_after must be "
                "above 0"
            )


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A prompt without an answer, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """A request without a usable reply.

    `charged` is False where the provider surely charges nothing. `retry` says whether another attempt
    makes sense, `hopeless` that no other question would fare better (a wrong key, an unknown model).
    """

    reason: str
    charged: bool
    retry: bool = True
    hopeless: bool = False
    wait_s: float = 0.0


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
    if price is None and not model.api_base:  # a server named by its address has no list price
        listed = _litellm().model_cost
        entry = listed.get(model.route) or listed.get(model.route.partition("/")[2]) or {}
        read, written = (entry.get(f"{way}_cost_per_token") for way in ("input", "output"))
        if read is not None and written is not None:
            price = Price(read * 1e6, written * 1e6)
    if max_cost is not None and price is None:
        raise ConfigError(
            f"no price is known for '{model.name}', so no budget can be kept; give one under "
            "`prices` in config/model_config.yaml"
        )
    responses = Responses(store or cache_dir() / FILE)
    return APIGenerator(model, keys, responses, settings, price, max_cost, account or model.name)


@dataclass(eq=False, repr=False)
class APIGenerator:
    """Completes prompts with one hosted model. Its threads share one budget, one pace and one stop."""

    model: HostedModel
    keys: Keys
    responses: Responses
    settings: RequestSettings
    price: Price | None
    max_cost: float | None
    account: str
    stopped: str = ""
    """Why nothing more is sent; "" while all is well."""

    def __post_init__(self) -> None:
        self.name = self.model.name
        self._halt = threading.Event()
        self._lock = threading.RLock()
        self._next_start = 0.0
        self._in_flight = 0
        self._failed_in_a_row = 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """One completion for each prompt. Raises ModelError where one got no answer."""
        completions: dict[int, Completion] = {}
        for i, answer in self.ask(enumerate(prompts), sampling):
            if isinstance(answer, Unanswered):
                raise ModelError(f"'{self.name}' gave no answer: {answer.reason}; try again later")
            completions[i] = answer.completion
        return [[completions[i]] for i in range(len(prompts))]

    def ask(
        self, prompts: Iterable[tuple[K, Prompt]], sampling: Sampling
    ) -> Iterator[tuple[K, Response | Unanswered]]:
        """Every prompt's response or the reason there is none, each as soon as it comes."""
        if sampling.beams > 1 or sampling.n > 1:
            raise ModelError("a hosted model gives one answer, no beams; set beams and n to 1")
        sampling = replace(sampling, max_new_tokens=self.model.max_output_tokens)
        pool = ThreadPoolExecutor(self.settings.concurrency)
        try:
            futures = {
                pool.submit(self._request, prompt, sampling): name for name, prompt in prompts
            }
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:  # also where the caller stops listening: what was not sent yet is not sent
            pool.shutdown(wait=True, cancel_futures=True)

    def dollars(self, response: Response) -> float | None:
        """What a response cost; None without a price."""
        read, written = response.prompt_tokens, response.completion_tokens
        return of_tokens(self.price, read, written) if self.price else None

    def _request(self, prompt: Prompt, sampling: Sampling) -> Response | Unanswered:
        messages = prompt.messages or (Message("user", prompt.text),)
        key = request_key(
            {  # everything that the answer depends on
                "route": self.model.route,
                "base": self.model.api_base,
                "messages": [[m.role, m.content] for m in messages],
                "max_tokens": sampling.max_new_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "stop": sampling.stop,
                "seed": sampling.seed,
            }
        )
        if stored := self.responses.find(key):
            return stored
        # An upper bound: no tokenizer needs more than one token per byte.
        sizes = [len(m.content.encode("utf-8", "replace")) for m in messages]
        most_read = sum(sizes) + _TOKENS_OF_A_MESSAGE * len(sizes)
        highest_cost = of_tokens(self.price or _FREE, most_read, sampling.max_new_tokens)
        reason = ""
        for attempt in range(self.settings.attempts):
            ticket = self._reserve(highest_cost)
            if ticket is None:
                return Unanswered(self.keys.mask(self.stopped))
            reply = self._send(key, ticket, messages, sampling)
            if isinstance(reply, Response):
                return reply
            reason = reply.reason
            if reply.hopeless:
                self._stop(reason)
            with self._lock:  # nobody starts before the provider wants more
                self._next_start = max(self._next_start, time.monotonic() + reply.wait_s)
            longest = min(self.settings.first_wait_s * 2**attempt, _LONGEST_WAIT_S)
            last = attempt + 1 == self.settings.attempts
            if not reply.retry or last or self._halt.wait(random.uniform(0, longest)):
                break
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self.settings.give_up_after:
            self._stop(f"{self._failed_in_a_row} questions in a row got no answer ({reason})")
        return Unanswered(self.keys.mask(reason))

    def _reserve(self, dollars: float) -> int | None:
        """A ticket for one request whose turn has come; None where the run was stopped before."""
        pace = self.settings.requests_per_minute
        left = 0.0
        while not self._halt.wait(left):
            with self._lock:
                now = time.monotonic()
                left = self._next_start - now
                if left > 0:
                    continue
                ticket = self.responses.reserve(self.account, dollars, self.max_cost)
                if ticket is not None:
                    self._next_start = now + (60.0 / pace if pace else 0.0)
                    self._in_flight += 1
                    return ticket
                left = 0.02  # what others in flight have reserved may become free
                if not self._in_flight:
                    spent = self.responses.spent(self.account)
                    self._stop(
                        f"the budget of ${self.max_cost:.2f} is used up (${spent:.4f} spent)"
                    )
        return None

    def _send(
        self, key: str, ticket: int, messages: Sequence[Message], sampling: Sampling
    ) -> Response | _Fault:
        """One attempt: its response is stored, and its reservation settled."""
        try:
            response = self._complete(messages, sampling)
        except Exception as error:  # whatever a client library raises is the fault of one request
            fault = _fault(error)
            self.responses.settle(ticket, None if fault.charged else 0.0)
            return replace(fault, reason=self.keys.mask(fault.reason))
        else:
            self.responses.settle(ticket, self.dollars(response) or 0.0, key, response)
            self._failed_in_a_row = 0
            return response
        finally:
            with self._lock:
                self._in_flight -= 1

    def _complete(self, messages: Sequence[Message], sampling: Sampling) -> Response:
        start = time.perf_counter()
        server = {"api_base": self.model.api_base} if self.model.api_base else {}
        reply = _litellm().completion(
            model=self.model.route,
            messages=[{"role": m.role, "content": m.content} for m in messages],
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p if sampling.top_p < 1 else None,
            stop=list(sampling.stop) or None,
            seed=sampling.seed,
            timeout=self.settings.timeout_s,
            max_retries=0,
            num_retries=0,
            **{**self.keys.arguments(), **server},
        )
        choice, usage = reply.choices[0], getattr(reply, "usage", None)
        text = choice.message.content or ""
        read = getattr(usage, "prompt_tokens", 0) or 0
        written = getattr(usage, "completion_tokens", 0) or 0
        if not read:  # some local servers do not count
            read = sum(count_tokens(message.content) for message in messages)
            written = written or count_tokens(text)
        return Response(
            self.keys.mask(text, shapes=False),  # a server may quote the key it was sent
            int(read),
            int(written),
            time.perf_counter() - start,
            finish=str(choice.finish_reason or "stop"),
            model=str(reply.model or ""),
            at=time.time(),
        )

    def _stop(self, reason: str) -> None:
        with self._lock:
            self.stopped = self.stopped or reason
        self._halt.set()


@cache
def _litellm() -> Any:
    """litellm, with nothing but what is needed: no price list fetched, no .env file read, no
    telemetry, no logs (they quote requests). Importing it takes seconds."""
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
    try:
        import litellm
    except ImportError:
        raise ConfigError(
            'hosted models are asked through litellm; install it with pip install "txt2sql[api]"'
        ) from None
    # What its own types make of a newer pydantic is no business of who asks a question.
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True  # seed and temperature, where a model takes none
    for name in ("LiteLLM", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm


def _fault(error: BaseException) -> _Fault:
    """What an exception of litellm means.

    In litellm's own taxonomy a reply that is no JSON looks like a failing server. What matters here is
    whether the provider refused (an httpx.HTTPStatusError among the causes: nothing is charged) or
    whether the fate of the request is unknown (a timeout, a reply cut off: it may be charged).
    """
    import httpx

    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
        causes.append(cause)

    reason = " ".join(str(error).split())[:300]
    for refusal in causes:
        if isinstance(refusal, httpx.HTTPStatusError):
            status = refusal.response.status_code
            try:
                header_s = float(refusal.response.headers.get("retry-after", ""))
            except ValueError:  # none, or a date: then the usual wait does
                header_s = 0.0
            wait_s = min(max(0.0, header_s), _LONGEST_RETRY_AFTER_S)
            retry = status in _TEMPORARY or status >= 500
            return _Fault(f"HTTP {status}: {reason}", False, retry, status in _BAD_SETUP, wait_s)
    if isinstance(error, _litellm().BadRequestError) and len(causes) == 1:  # raised before sending
        return _Fault(reason, charged=False, retry=False)
    for kinds, what, charged in (
        ((httpx.ConnectError, httpx.ConnectTimeout), "no connection to the server", False),
        ((httpx.TimeoutException, TimeoutError), "no reply in time", True),
        (httpx.TransportError, "the reply was cut off", True),
    ):
        if any(isinstance(cause, kinds) for cause in causes):
            return _Fault(what, charged)
    return _Fault(f"a reply that cannot be read: {reason}", charged=True)


class HostedPredictor(DirectPredictor):
    """A DirectPredictor over an APIGenerator: zero-shot, or few-shot with `shots` answered questions."""

    generator: APIGenerator

    def __init__(
        self,
        generator: APIGenerator,
        schemas: Callable[[str], Schema],
        matches: Callable[[Example], Sequence[ValueMatch]],
        answered: Shots | None = None,
        shots: int = 0,
    ) -> None:
        options = PredictorOptions(constrained=False, second_beams=0)
        super().__init__(generator, schemas, matches, options=options)
        self.answered, self.shots = answered, shots

    def prompt(self, example: Example) -> Prompt:
        """The prompt of an example; hosted models take no grammar."""
        schema = self.schemas(example.db_id)
        answered = self.answered if self.shots else None
        return render(
            example.question,
            schema,
            matches=self.matches(example),
            evidence=example.evidence,
            previous=example.previous,
            budget=_PROMPT_BUDGET,
            shots=answered.nearest(example.question, schema, self.shots) if answered else (),
        )

    def answers(
        self, examples: Sequence[Example]
    ) -> Iterator[tuple[Example, Prediction | Unanswered]]:
        """Every example with its prediction or the reason there is none, as soon as it comes."""
        impossible: list[tuple[Example, Unanswered]] = []

        def rendered() -> Iterator[tuple[tuple[Example, Prompt], Prompt]]:
            for example in examples:
                try:
                    prompt = self.prompt(example)
                except PromptError as error:
                    impossible.append((example, Unanswered(str(error))))
                else:
                    yield (example, prompt), prompt

        for (example, prompt), answer in self.generator.ask(rendered(), Sampling()):
            if isinstance(answer, Unanswered):
                yield example, answer
                continue
            chosen = self._choose(example, prompt, [answer.completion], answer.seconds)
            tokens = (answer.prompt_tokens, answer.completion_tokens)
            cost = self.generator.dollars(answer)
            yield example, replace(chosen, tokens=tokens, seconds=answer.seconds, cost=cost)
        yield from impossible
