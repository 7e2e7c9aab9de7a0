"""One request to a hosted model through litellm: arguments, what came of it, and whether to try again.

litellm names errors by its own taxonomy, in which a reply that is no JSON looks like a failing server.
What matters here is whether the provider refused (then nothing is charged, and its status says whether
another attempt makes sense) or whether the fate of the request is unknown (a reply cut off, a timeout:
it may well be charged). An httpx.HTTPStatusError in the chain of causes is a refusal; nothing else is.

Exponential backoff with full jitter: Brooker, "Exponential Backoff and Jitter" (AWS, 2015).

>>> retry_after({"retry-after": "7"}, now=0.0)
7.0
"""

from __future__ import annotations

import email.utils
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from txt2sql.errors import ConfigError
from txt2sql.models.responses import Response
from txt2sql.prompts.ddl import count_tokens
from txt2sql.types import Message, Sampling

_TEMPORARY = (408, 409, 425, 429)
_BAD_SETUP = (401, 402, 403, 404)
_LONGEST_RETRY_AFTER_S = 300.0
_TOKENS_OF_A_MESSAGE = 64
"""More than any chat template writes around a message."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A request without a usable reply.

    `charged` is False where the provider surely charges nothing. `again` says whether another attempt
    makes sense, `hopeless` that no other question would fare better (a wrong key, an unknown model).
    """

    reason: str
    charged: bool
    again: bool
    hopeless: bool = False
    wait_s: float = 0.0


@cache
def library() -> Any:
    """litellm, with nothing but what it is asked to do: no price list fetched, no .env file read, no
    telemetry, no logs (they quote requests). Importing it takes seconds."""
    for name, value in {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    }.items():
        os.environ.setdefault(name, value)
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


def send(
    route: str,
    messages: tuple[Message, ...],
    sampling: Sampling,
    timeout_s: float,
    arguments: Mapping[str, str],
) -> Response | Fault:
    """Ask once. `arguments` are keys and addresses; they are in no part of what is returned, but for
    what the server quotes, which the caller masks."""
    litellm = library()
    start = time.perf_counter()
    try:
        reply = litellm.completion(
            model=route,
            messages=[{"role": m.role, "content": m.content} for m in messages],
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p if sampling.top_p < 1 else None,
            stop=list(sampling.stop) or None,
            seed=sampling.seed,
            timeout=timeout_s,
            max_retries=0,
            num_retries=0,
            **arguments,
        )
        return _response(reply, messages, time.perf_counter() - start)
    except Exception as error:  # whatever a client library raises is the fault of one request
        return fault(error)


def _response(reply: Any, messages: tuple[Message, ...], seconds: float) -> Response:
    choice = reply.choices[0]
    text = choice.message.content or ""
    usage = getattr(reply, "usage", None)
    read = getattr(usage, "prompt_tokens", 0) or 0
    written = getattr(usage, "completion_tokens", 0) or 0
    if not read:  # some local servers do not count
        read = sum(count_tokens(message.content) for message in messages)
        written = written or count_tokens(text)
    finish, served = str(choice.finish_reason or "stop"), str(reply.model or "")
    return Response(text, int(read), int(written), seconds, finish, served)


def fault(error: BaseException) -> Fault:
    """What an exception of litellm means."""
    import httpx

    chain = list(_causes(error))
    refusal = next((e for e in chain if isinstance(e, httpx.HTTPStatusError)), None)
    reason = " ".join(str(error).split())[:300]
    if refusal is not None:
        status = refusal.response.status_code
        again = status in _TEMPORARY or status >= 500
        wait = retry_after(refusal.response.headers, time.time()) if again else 0.0
        return Fault(f"HTTP {status}: {reason}", False, again, status in _BAD_SETUP, wait)
    if isinstance(error, library().BadRequestError) and len(chain) == 1:  # raised before sending
        return Fault(reason, charged=False, again=False)
    if any(isinstance(e, (httpx.ConnectError, httpx.ConnectTimeout)) for e in chain):
        return Fault("no connection to the server", charged=False, again=True)
    if any(isinstance(e, (httpx.TimeoutException, TimeoutError)) for e in chain):
        return Fault("no reply in time", charged=True, again=True)
    if any(isinstance(e, httpx.TransportError) for e in chain):
        return Fault("the reply was cut off", charged=True, again=True)
    return Fault(f"a reply that cannot be read: {reason}", charged=True, again=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that a Retry-After header asks for, as a number or a date; 0 without one."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if seconds == seconds else 0.0


def most_tokens(messages: tuple[Message, ...]) -> int:
    """An upper bound of the tokens of some messages: no tokenizer needs more than one per byte."""
    size = sum(len(m.content.encode("utf-8", "replace")) for m in messages)
    return size + _TOKENS_OF_A_MESSAGE * len(messages)
