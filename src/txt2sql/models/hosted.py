"""Hosted models (generalists, through their APIs): concurrent, within a budget, resumable.

Any model that litellm has a route to, and every server that speaks OpenAI's protocol (vLLM, Ollama,
llama.cpp). A response is on disk before it counts: asking again is free and gives the same. Retries are
ours, because a budget needs to know of each attempt whether it may be charged; their waits are exponential
backoff with full jitter (Brooker, AWS, 2015).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import re
import sqlite3
import stat
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from txt2sql.costs import Price, of_tokens
from txt2sql.errors import ConfigError, ModelError, PromptError
from txt2sql.models.catalog import HostedModel, find_hosted
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
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
_PROMPT_BUDGET = 6000  # tokens: hosted models read far longer prompts, but every token is paid for
_TOKENS_OF_A_MESSAGE = 64  # more than any chat template writes around a message
_TEMPORARY = (408, 409, 425, 429)
_BAD_SETUP = (401, 402, 403, 404)
_LONGEST_WAIT_S, _LONGEST_RETRY_AFTER_S = 60.0, 300.0

# ------------------------------------------------------------------------------------------------ keys

KEYS_FILE = Path("config") / "api_keys.yaml"
VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "openai": {"api_key": ("OPENAI_API_KEY",)},
    "anthropic": {"api_key": ("ANTHROPIC_API_KEY",)},
    "gemini": {"api_key": ("GEMINI_API_KEY", "GOOGLE_API_KEY")},
    "openrouter": {"api_key": ("OPENROUTER_API_KEY",)},
    "azure": {
        "api_key": ("AZURE_API_KEY",),
        "api_base": ("AZURE_API_BASE",),
        "api_version": ("AZURE_API_VERSION",),
    },
    "bedrock": {
        "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
        "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "aws_region_name": ("AWS_REGION_NAME", "AWS_REGION"),
    },
    "compatible": {"api_key": ("TXT2SQL_API_KEY",)},
}
"""Provider -> litellm's argument -> environment variables that may hold it. `compatible` is any server
that is named by its address: it must not be handed the key of the provider whose protocol it speaks."""
_KEYLESS = ("compatible", "hosted_vllm", "ollama", "ollama_chat", "llamafile", "lm_studio")
_NOT_SECRET = ("api_base", "api_version", "aws_region_name")
_SHAPES = re.compile(
    r"""\b(?:sk|pk|rk|gsk|xai|hf|ghp|r8)[-_][A-Za-z0-9_-]{16,}   # OpenAI, Anthropic, OpenRouter, ...
    |\bAIza[A-Za-z0-9_-]{20,}                                    # Google
    |\b(?:AKIA|ASIA)[A-Z0-9]{12,}                                # Amazon
    |(?<=Bearer\ )[A-Za-z0-9._~+/-]{12,}=*
    |(?<=://)[^/\s@]+(?=@)                                       # user:password@host
    |(?<=[?&]key=)[^&\s"']+""",
    re.VERBOSE,
)


class Keys:
    """The credentials of one provider: litellm's `arguments`, which printing does not show.

    >>> Keys({}).mask("401: bad key sk-proj-0123456789abcdefghij")
    '401: bad key [key]'
    """

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self.arguments = dict(arguments)

    def __repr__(self) -> str:
        return f"Keys({', '.join(sorted(self.arguments))})"

    def mask(self, text: str, *, shapes: bool = True) -> str:
        """The text with these keys masked, and, with `shapes`, whatever is shaped like a key: a
        server may quote the header it was sent."""
        secrets = {value for name, value in self.arguments.items() if name not in _NOT_SECRET}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) > 5:  # "none", the key of a server that wants no key, is a word
                text = text.replace(secret, "[key]")
        return _SHAPES.sub("[key]", text) if shapes else text


def find_keys(provider: str, file: Path = KEYS_FILE, *, api_base: str = "") -> Keys | None:
    """The keys of a provider from a file, else the environment; None where some are lacking. A
    server named by its address and local runtimes may need no key. Raises ConfigError."""
    import yaml

    provider = "compatible" if api_base else provider
    wanted = VARIABLES.get(provider, {"api_key": (f"{provider.upper()}_API_KEY",)})
    try:
        tree = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the file of keys '{file}': {error}") from None
    except yaml.YAMLError as error:
        # The message of a parser quotes the line it stumbled over, which holds a key.
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark else ""
        raise ConfigError(f"the file of keys '{file}' is not valid YAML{where}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"the file of keys '{file}' should hold 'provider: key' lines")
    entry = tree.get(provider) or {}
    entry = {"api_key": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or not all(isinstance(v, str | None) for v in entry.values()):
        raise ConfigError(f"the entry '{provider}' of the file of keys should be text in quotes")
    if unknown := set(entry) - set(wanted):
        raise ConfigError(
            f"the entry '{provider}' of the file of keys has {', '.join(sorted(unknown))}; "
            f"it may have {', '.join(wanted)}"
        )
    arguments = (
        {"api_key": "none"} if provider in _KEYLESS else {}
    )  # some clients insist on sending one
    for argument, variables in wanted.items():
        if value := entry.get(argument) or next(filter(None, map(os.environ.get, variables)), ""):
            arguments[argument] = value.strip()
    return Keys(arguments) if set(wanted) - set(_NOT_SECRET) <= set(arguments) else None


def warning(file: Path = KEYS_FILE) -> str:
    """A sentence where other users of this machine can read the file of keys, else ""."""
    if os.name == "posix" and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        return f"others can read '{file}'; run: chmod 600 {file}"
    return ""


# ------------------------------------------------------------------------------------------- responses

_SPENT = "SELECT total(coalesce(spent, reserved)) FROM spending WHERE account = ?1"
_TABLES = """
CREATE TABLE IF NOT EXISTS response (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending
    (id INTEGER PRIMARY KEY, account TEXT NOT NULL, reserved REAL NOT NULL, spent REAL);
"""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it came: text, tokens as billed, seconds of the request that succeeded.
    `finish` is why it ended, `model` what the server says it is, `at` counts seconds since 1970."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    finish: str = "stop"
    model: str = ""
    at: float = 0.0

    @property
    def completion(self) -> Completion:
        return Completion(self.text, (), self.prompt_tokens, self.completion_tokens)


class Responses:
    """A cache and a ledger in one SQLite file, shared by threads and processes. Money is reserved
    before a request is sent (the most that it can cost) and settled, with its response, in one
    transaction; what a killed process has reserved stays spent. So an account never passes its
    limit."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=60.0, isolation_level="IMMEDIATE", check_same_thread=False
            )
            # A write-ahead log keeps every commit through a kill of the process without an fsync.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"cannot keep responses in '{path}': {error}; set TXT2SQL_CACHE to a folder that "
                "can be written"
            ) from None

    def find(self, key: str) -> Response | None:
        query = "SELECT value FROM response WHERE key = ?"
        with self._lock:
            row = self._connection.execute(query, (key,)).fetchone()
        return Response(**json.loads(row[0])) if row else None

    def reserve(self, account: str, dollars: float, limit: float | None) -> int | None:
        """A ticket for a request that costs at most `dollars`; None where that could pass the limit."""
        with self._lock, self._connection as connection:
            made = connection.execute(  # one statement: no other process comes in between
                f"INSERT INTO spending (account, reserved) SELECT ?1, ?2 "
                f"WHERE ?3 IS NULL OR ({_SPENT}) + ?2 <= ?3 + 1e-9",  # what adding up floats may be off by
                (account, dollars, limit),
            )
            return made.lastrowid if made.rowcount else None

    def settle(
        self, ticket: int, spent: float | None, key: str = "", response: Response | None = None
    ) -> None:
        """What a request cost (None: all that was reserved), and its response, both or neither."""
        with self._lock, self._connection as connection:
            if response is not None:
                value = json.dumps(asdict(response))
                connection.execute("INSERT OR REPLACE INTO response VALUES (?, ?)", (key, value))
            connection.execute(
                "UPDATE spending SET spent = coalesce(?, reserved) WHERE id = ?", (spent, ticket)
            )

    def spent(self, account: str) -> float:
        """Dollars of an account so far, reservations that were never settled included."""
        with self._lock:
            return float(self._connection.execute(_SPENT, (account,)).fetchone()[0])


# -------------------------------------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How requests are sent. Waits are drawn from [0, first_wait_s * 2**k] and never shorter than
    Retry-After. After `give_up_after` questions in a row without any answer the rest is not
    sent."""

    concurrency: int = 8
    requests_per_minute: float | None = None
    attempts: int = 6
    timeout_s: float = 120.0
    first_wait_s: float = 1.0
    give_up_after: int = 10

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "first_wait_s" and value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0")


@dataclass(frozen=True, slots=True)
class Unanswered:
    reason: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """A request without a usable reply. `charged` is False where the provider surely charges
    nothing; `hopeless`: no other question would fare better (a wrong key, an unknown model)."""

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
    """The Generator of a hosted model by short name or `api:ROUTE[@URL]`. `max_cost` bounds, in
    dollars, what is spent under `account` in all, by earlier processes, too. Raises ModelError for
    an unknown name, ConfigError without a key."""
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
    responses = Responses(store or cache_dir() / "responses.sqlite")
    return APIGenerator(model, keys, responses, settings, price, max_cost, account or model.name)


@dataclass(eq=False, repr=False)
class APIGenerator:
    """Completes prompts with one hosted model. Its threads share one budget, one pace and one stop.
    `stopped` is why nothing more is sent; "" while all is well."""

    model: HostedModel
    keys: Keys
    responses: Responses
    settings: RequestSettings
    price: Price | None
    max_cost: float | None
    account: str
    stopped: str = ""

    def __post_init__(self) -> None:
        self.name = self.model.name
        self._halt = threading.Event()
        self._lock = threading.RLock()
        self._next_start = 0.0
        self._in_flight = 0
        self._failed_in_a_row = 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
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
        read, written = response.prompt_tokens, response.completion_tokens
        return of_tokens(self.price, read, written) if self.price else None

    def _request(self, prompt: Prompt, sampling: Sampling) -> Response | Unanswered:
        messages = prompt.messages or (Message("user", prompt.text),)
        request = {  # everything that the answer depends on
            "route": self.model.route,
            "base": self.model.api_base,
            "messages": [[m.role, m.content] for m in messages],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": sampling.stop,
            "seed": sampling.seed,
        }
        text = json.dumps(request, sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if stored := self.responses.find(key):
            return stored
        # An upper bound: no tokenizer needs more than one token per byte.
        sizes = [len(m.content.encode("utf-8", "replace")) for m in messages]
        most_read = sum(sizes) + _TOKENS_OF_A_MESSAGE * len(sizes)
        price = self.price or Price(0.0, 0.0)
        highest_cost = of_tokens(price, most_read, sampling.max_new_tokens)
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
            **{**self.keys.arguments, **server},
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
    """What an exception of litellm means: did the provider refuse (an httpx.HTTPStatusError among
    the causes: nothing is charged), or is the fate of the request unknown (it may be charged)?"""
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
