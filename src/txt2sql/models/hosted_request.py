"""One request to a hosted model through litellm: its reply, or why there is none and what to do then."""

from __future__ import annotations

import email.utils
import logging
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from txt2sql.errors import ConfigError
from txt2sql.models.responses import Response
from txt2sql.prompts import count_tokens
from txt2sql.types import Message, Sampling

_TEMPORARY = (408, 409, 425, 429)
_BAD_SETUP = (401, 402, 403, 404)
_LONGEST_RETRY_AFTER_S = 300.0
_TOKENS_OF_A_MESSAGE = 64
"""More than any chat template writes around a message."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A request without a usable reply.

    `charged` is False where the provider surely charges nothing. `retry` says whether another attempt
    makes sense, `hopeless` that no other question would fare better (a wrong key, an unknown model).
    """

    reason: str
    charged: bool
    retry: bool
    hopeless: bool = False
    wait_s: float = 0.0


@cache
def library() -> Any:
    """litellm, with nothing but what is needed: no price list fetched, no .env file read, no
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
    """Send once. `arguments` are keys and addresses; they are in no part of what is returned, but for
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
        choice = reply.choices[0]
        text = choice.message.content or ""
        usage = getattr(reply, "usage", None)
        read = getattr(usage, "prompt_tokens", 0) or 0
        written = getattr(usage, "completion_tokens", 0) or 0
        if not read:  # some local servers do not count
            read = sum(count_tokens(message.content) for message in messages)
            written = written or count_tokens(text)
        finish, model = str(choice.finish_reason or "stop"), str(reply.model or "")
        seconds = time.perf_counter() - start
        return Response(text, int(read), int(written), seconds, finish, model)
    except Exception as error:  # whatever a client library raises is the fault of one request
        return _fault(error)


def _fault(error: BaseException) -> Fault:
    """What an exception of litellm means.

    In litellm's own taxonomy a reply that is no JSON looks like a failing server. What matters here is
    whether the provider refused (an httpx.HTTPStatusError among the causes: nothing is charged) or
    whether the fate of the request is unknown (a timeout, a reply cut off: it may be charged).
    """
    import httpx

    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    refusal = next((e for e in causes if isinstance(e, httpx.HTTPStatusError)), None)
    reason = " ".join(str(error).split())[:300]
    if refusal is not None:
        status = refusal.response.status_code
        retry = status in _TEMPORARY or status >= 500
        wait_s = _retry_after(refusal.response.headers.get("retry-after", "")) if retry else 0.0
        return Fault(f"HTTP {status}: {reason}", False, retry, status in _BAD_SETUP, wait_s)
    if isinstance(error, library().BadRequestError) and len(causes) == 1:  # raised before sending
        return Fault(reason, charged=False, retry=False)
    if caused_by(httpx.ConnectError, httpx.ConnectTimeout):
        return Fault("no connection to the server", charged=False, retry=True)
    if caused_by(httpx.TimeoutException, TimeoutError):
        return Fault("no reply in time", charged=True, retry=True)
    if caused_by(httpx.TransportError):
        return Fault("the reply was cut off", charged=True, retry=True)
    return Fault(f"a reply that cannot be read: {reason}", charged=True, retry=True)


def _retry_after(header: str) -> float:
    """Seconds that a Retry-After header asks for, as a number or a date; 0 without one."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S)


def most_tokens(messages: tuple[Message, ...]) -> int:
    """An upper bound of the tokens of some messages: no tokenizer needs more than one per byte."""
    size = sum(len(m.content.encode("utf-8", "replace")) for m in messages)
    return size + _TOKENS_OF_A_MESSAGE * len(messages)
