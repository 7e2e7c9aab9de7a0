"""Hosted models through litellm, against a provider that fails: nothing lost, asked or paid twice."""

from __future__ import annotations

import os
import runpy
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from txt2sql.costs import Price
from txt2sql.errors import ConfigError, ModelError
from txt2sql.models.hosted import (
    APIGenerator,
    Keys,
    RequestSettings,
    Response,
    Unanswered,
    load,
)
from txt2sql.prompts import render
from txt2sql.types import Column, Prompt, Sampling, Schema, Table

if not find_spec("litellm"):  # found, not imported: that takes seconds
    pytest.skip("needs the extra api", allow_module_level=True)
# litellm's types under a newer pydantic, and the event loop that it never closes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
STUB = Path(__file__).parents[1] / "fixtures" / "stub_provider.py"
StubProvider = runpy.run_path(str(STUB))["StubProvider"]
PROTOCOLS = {
    "openai": ("openai/stub", "/v1"),
    "gemini": ("gemini/gemini-2.5-pro", ""),
    "anthropic": ("anthropic/claude-3-opus-20240229", ""),
}
SCHEMA = Schema("shop", (Table("shop", (Column("city"), Column("opened", "number"))),))
FAST = RequestSettings(timeout_s=1.5, first_wait_s=0.01)
PRICE = Price(30.0, 60.0)
SECRET = "sk-test-0123456789abcdefghijklmnop"


def prompts(n: int) -> list[tuple[str, Prompt]]:
    questions = [f"How many shops opened in year {i}?" for i in range(n)]
    return [(question, render(question, SCHEMA)) for question in questions]


def ask(generator: APIGenerator, n: int) -> dict[str, Response | Unanswered]:
    return dict(generator.ask(prompts(n), Sampling()))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "responses.sqlite"


def hosted(url: str, store: Path, protocol: str = "openai", **options: Any) -> APIGenerator:
    route, path = PROTOCOLS[protocol]
    options = {"settings": FAST, "keys": Keys({"api_key": SECRET}), "price": PRICE, **options}
    return load(f"api:{route}@{url}{path}", store=store, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("api:gpt-4", "api:PROVIDER/MODEL"),
        ("api:openai/x@localhost:8000", "api:PROVIDER/MODEL"),
        ("gtp-4", "no hosted model 'gtp-4'"),
        ("gpt-4", "no key for 'gpt-4'; fill in 'openai'"),
        ("api:openai/mine@http://localhost:1/v1", "no price is known"),
    ],
)
def test_a_name_without_a_route_a_key_or_a_price_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises((ModelError, ConfigError), match=message):
        load(name, max_cost=1.0, store=tmp_path / "responses.sqlite")


def test_no_server_is_no_answer_and_no_cost(store: Path) -> None:
    generator = hosted("http://127.0.0.1:9", store, max_cost=1.0)
    with pytest.raises(ModelError, match="gave no answer: no connection"):
        generator.generate([prompts(1)[0][1]], Sampling())
    assert generator.responses.spent(generator.account) == 0.0


@pytest.mark.parametrize(
    ("protocol", "status", "requests"),
    [("openai", "401", 1), ("gemini", "404", 1), ("anthropic", "400", 5), ("openai", "400", 5)],
)
def test_what_will_never_work_is_not_tried_again(
    store: Path, protocol: str, status: str, requests: int
) -> None:
    """A wrong key or model stops the run at once; a question that is refused is asked once."""
    stub = StubProvider()
    stub.always = status
    with stub as url:
        answers = ask(hosted(url, store, protocol, settings=RequestSettings(concurrency=1)), 5)
    assert [type(answer) for answer in answers.values()] == [Unanswered] * 5
    assert sum(stub.asked.values()) == requests
    assert f"HTTP {status}" in str(answers) and SECRET not in str(answers)


def test_a_provider_that_always_fails_is_left_alone(store: Path) -> None:
    stub = StubProvider()
    stub.always = "500"
    settings = replace(FAST, concurrency=1, attempts=2, give_up_after=3)
    with stub as url:
        generator = hosted(url, store, settings=settings)
        answers = ask(generator, 20)
    assert sum(stub.asked.values()) == 6
    assert "3 questions in a row got no answer" in generator.stopped
    assert sum(isinstance(answer, Unanswered) for answer in answers.values()) == 20


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_settings_reach_the_model_and_an_answer_has_text_tokens_and_a_price(
    store: Path, protocol: str
) -> None:
    stub = StubProvider({"How many shops opened in year 0?": "SELECT 42"})
    with stub as url:
        generator = hosted(url, store, protocol)
        [(_, answer)] = generator.ask(prompts(1), Sampling(temperature=0.7, seed=5))
    assert isinstance(answer, Response) and answer.seconds > 0
    assert (answer.text, answer.completion_tokens) == ("SELECT 42", 3)
    [body] = stub.bodies
    if protocol == "openai":
        assert (body["seed"], body["temperature"], body["max_tokens"]) == (5, 0.7, 4096)
        assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert answer.prompt_tokens > 20
    paid = (30 * answer.prompt_tokens + 60 * 3) / 1e6
    assert (
        generator.dollars(answer)
        == pytest.approx(paid)
        == generator.responses.spent(generator.name)
    )


def test_asking_again_is_free_and_the_same(store: Path) -> None:
    stub = StubProvider()
    with stub as url:
        first = ask(hosted(url, store), 10)
        again = ask(hosted(url, store), 10)
        other = dict(hosted(url, store).ask(prompts(3), Sampling(seed=1)))
    assert again == first and len(other) == 3
    assert sum(stub.asked.values()) == 13


def test_requests_are_spaced_and_limited_in_number_and_a_pause_holds_for_all(store: Path) -> None:
    stub = StubProvider(delay_s=0.05)
    with stub as url:
        ask(hosted(url, store, settings=RequestSettings(concurrency=3)), 9)
        assert 1 < stub.most_open <= 3
        stub.times.clear()
        slow = RequestSettings(concurrency=3, requests_per_minute=1200)
        ask(hosted(url, store.with_name("other"), settings=slow), 9)
        assert stub.times[-1] - stub.times[0] > 8 * 0.05 * 0.8  # the first may arrive late
        stub.times.clear()
        stub.faults, stub.kinds, stub.retry_after = 1.0, ("429",), 0.3
        ask(hosted(url, store.with_name("paused"), settings=replace(FAST, attempts=2)), 2)
        assert stub.times[2] - stub.times[1] > 0.25


def answered_or_accounted(
    stub: Any, generator: APIGenerator, answers: dict[str, Response | Unanswered], n: int
) -> None:
    assert len(answers) == n
    good = {key for key, answer in answers.items() if isinstance(answer, Response)}
    assert all(stub.answered[question] == 1 for question in good), "asked again after an answer"
    assert all(answer.reason for answer in answers.values() if isinstance(answer, Unanswered))
    assert generator.responses.spent(generator.account) >= stub.bill - 1e-9


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("lossy", [True, False])
def test_with_three_of_ten_requests_failing_every_question_is_answered_once(
    store: Path, protocol: str, lossy: bool
) -> None:
    kinds = {} if lossy else {"kinds": ("429", "500", "529")}  # then nothing is charged in vain
    stub = StubProvider(faults=0.3, slow_s=2.0, seed=1, **kinds)
    with stub as url:
        generator = hosted(url, store, protocol, max_cost=5.0)
        answers = ask(generator, 20)
        again = ask(generator, 20)
    assert sum(stub.faults_given.values()) >= 3
    if not lossy:
        dollars = sum(
            generator.dollars(a) or 0 for a in answers.values() if isinstance(a, Response)
        )
        spent = generator.responses.spent(generator.account)
        assert (dollars, spent) == pytest.approx((stub.bill, stub.bill), abs=1e-9)
    answered_or_accounted(stub, generator, answers, 20)
    assert sum(isinstance(answer, Response) for answer in again.values()) >= 19


def test_the_budget_is_used_up_and_never_passed_not_by_a_second_run_either(store: Path) -> None:
    stub = StubProvider(faults=0.3, slow_s=2.0, seed=2, price=(PRICE.input, PRICE.output))
    with stub as url:
        generator, second = (hosted(url, store, max_cost=0.05) for _ in range(2))
        answers, again = ask(generator, 40), ask(second, 40)
    assert {k: type(a) for k, a in again.items()} == {k: type(a) for k, a in answers.items()}
    assert "budget" in generator.stopped
    answered_or_accounted(stub, generator, answers, 40)
    assert stub.bill <= generator.responses.spent(generator.account) <= 0.05 + 1e-9


@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_a_kill_loses_nothing(store: Path) -> None:
    """Ask in a forked process, kill -9 it after so many answers, and go on here to the end."""
    pairs, kill_after = prompts(60), 25
    stub = StubProvider(
        faults=0.3, slow_s=2.0, seed=4, delay_s=0.003, price=(PRICE.input, PRICE.output)
    )
    with stub as url:
        read, write = os.pipe()
        child = os.fork()
        if not child:  # importing litellm once more would take longer than all the rest
            try:
                for _ in hosted(url, store, max_cost=1000.0).ask(pairs, Sampling()):
                    os.write(write, b".")
            finally:
                os._exit(1)
        os.close(write)
        count = 0
        while count < kill_after:
            count += len(os.read(read, kill_after - count)) or pytest.fail("the child ended early")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        with closing(sqlite3.connect(store)) as connection:
            [(stored,)] = connection.execute("SELECT count(*) FROM response")
        generator = hosted(url, store, max_cost=1000.0)
        answers = dict(generator.ask(pairs, Sampling()))
    assert kill_after - 5 <= stored < len(pairs), "an answer was given before it was stored"
    assert set(answers) == {question for question, _ in pairs}
    assert sum(isinstance(answer, Response) for answer in answers.values()) >= len(pairs) - 5
    twice = sum(count - 1 for count in stub.answered.values())
    assert twice <= FAST.concurrency, "only what was under way when it died may be asked again"
    assert generator.responses.spent(generator.account) >= stub.bill - 1e-9
