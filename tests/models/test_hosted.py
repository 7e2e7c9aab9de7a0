"""Hosted models through litellm, against a provider that fails: nothing lost, asked or paid twice."""

from __future__ import annotations

import os
import re
import runpy
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from txt2sql.costs import Price
from txt2sql.data import open_dataset
from txt2sql.errors import ConfigError, ModelError
from txt2sql.models.api_keys import Keys
from txt2sql.models.hosted import Answer, APIGenerator, RequestSettings, Unanswered, load
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
FAST = RequestSettings(timeout_s=0.5, first_wait_s=0.01, longest_wait_s=0.05)
PRICE = Price(30.0, 60.0)
SECRET = "sk-test-0123456789abcdefghijklmnop"


def prompts(n: int) -> list[tuple[str, Prompt]]:
    questions = [f"How many shops opened in year {i}?" for i in range(n)]
    return [(question, render(question, SCHEMA)) for question in questions]


def ask(generator: APIGenerator, n: int) -> dict[str, Answer | Unanswered]:
    return dict(generator.ask(prompts(n), Sampling()))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "responses.sqlite"


def hosted(
    url: str,
    store: Path,
    protocol: str = "openai",
    settings: RequestSettings = FAST,
    max_cost: float | None = None,
) -> APIGenerator:
    route, path = PROTOCOLS[protocol]
    return load(
        f"api:{route}@{url}{path}",
        keys=Keys({"api_key": SECRET}),
        settings=settings,
        price=PRICE,
        max_cost=max_cost,
        store=store,
    )


# ------------------------------------------------------------------------------ what cannot be done


@pytest.mark.parametrize("wrong", ["api:", "api:gpt-4", "api:openai/x@localhost:8000"])
def test_a_name_that_is_no_route_is_refused(wrong: str) -> None:
    with pytest.raises(ModelError, match="api:PROVIDER/MODEL"):
        load(wrong)


def test_an_unknown_name_and_a_missing_key_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="no hosted model 'gtp-4'"):
        load("gtp-4")
    with pytest.raises(ConfigError, match="no key for 'gpt-4'; fill in 'openai'"):
        load("gpt-4")


def test_no_budget_without_a_price(store: Path) -> None:
    with pytest.raises(ConfigError, match="no price is known"):
        load("api:openai/mine@http://localhost:1/v1", max_cost=1.0, store=store)


@pytest.mark.parametrize("sampling", [Sampling(beams=4), Sampling(n=2, temperature=1.0)])
def test_beams_and_several_samples_are_refused(store: Path, sampling: Sampling) -> None:
    with pytest.raises(ModelError, match="no beams"):
        hosted("http://localhost:1", store).generate([prompts(1)[0][1]], sampling)


@pytest.mark.parametrize(
    "wrong", [{"concurrency": 0}, {"timeout_s": 0}, {"requests_per_minute": 0}]
)
def test_settings_that_ask_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        RequestSettings(**wrong)


def test_no_server_is_no_answer_and_no_cost(store: Path) -> None:
    generator = hosted("http://127.0.0.1:9", store, max_cost=1.0)
    answers = ask(generator, 2)
    assert {type(answer) for answer in answers.values()} == {Unanswered}
    assert "no connection" in str(answers)
    assert generator.responses.spent(generator.account) == 0.0
    with pytest.raises(ModelError, match="gave no answer: no connection"):
        generator.generate([prompts(1)[0][1]], Sampling())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("status", "requests"), [("401", 1), ("404", 1), ("400", 5)])
def test_what_will_never_work_is_not_tried_again(
    store: Path, protocol: str, status: str, requests: int
) -> None:
    """A wrong key or model stops the run at once; a question that is refused is asked once."""
    stub = StubProvider()
    stub.always = status
    with stub as url:
        answers = ask(hosted(url, store, protocol, RequestSettings(concurrency=1)), 5)
    assert len(answers) == 5
    assert all(isinstance(answer, Unanswered) for answer in answers.values())
    assert sum(stub.asked.values()) == requests
    assert f"HTTP {status}" in str(answers)
    assert SECRET not in str(answers)


def test_a_provider_that_always_fails_is_left_alone(store: Path) -> None:
    stub = StubProvider()
    stub.always = "500"
    settings = RequestSettings(
        concurrency=1, attempts=2, first_wait_s=0.001, give_up_after=3, longest_wait_s=0.01
    )
    with stub as url:
        generator = hosted(url, store, settings=settings)
        answers = ask(generator, 20)
    assert sum(stub.asked.values()) == 6
    assert "3 questions in a row got no answer" in generator.stopped
    assert sum(isinstance(a, Unanswered) and not a.sent for a in answers.values()) == 17


# ---------------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_has_text_tokens_and_a_price(store: Path, protocol: str) -> None:
    with StubProvider({"How many shops opened in year 0?": "SELECT 42"}) as url:
        [(_, answer)] = hosted(url, store, protocol).ask(prompts(1), Sampling())
    assert isinstance(answer, Answer)
    completion = answer.completion
    assert completion.text == "SELECT 42"
    assert completion.prompt_tokens > 20
    assert completion.completion_tokens == 3
    assert answer.dollars == pytest.approx((30 * completion.prompt_tokens + 60 * 3) / 1e6)
    assert answer.seconds > 0


def test_the_system_message_and_the_limits_reach_the_model(store: Path) -> None:
    stub = StubProvider()
    with stub as url:
        hosted(url, store).generate([prompts(1)[0][1]], Sampling(temperature=0.7, seed=5))
    assert [body["seed"] for body in stub.bodies] == [5]
    assert {body["temperature"] for body in stub.bodies} == {0.7}
    assert {body["max_tokens"] for body in stub.bodies} == {4096}
    assert [m["role"] for m in stub.bodies[0]["messages"]] == ["system", "user"]


def test_asking_again_is_free_and_the_same(store: Path) -> None:
    stub = StubProvider()
    with stub as url:
        first = ask(hosted(url, store), 10)
        again = ask(hosted(url, store), 10)
        other = dict(hosted(url, store).ask(prompts(3), Sampling(seed=1)))
    assert again == first
    assert len(other) == 3
    assert sum(stub.asked.values()) == 13


def test_requests_are_spaced_and_limited_in_number(store: Path) -> None:
    stub = StubProvider(delay_s=0.05)
    with stub as url:
        ask(hosted(url, store, settings=RequestSettings(concurrency=3)), 9)
        assert 1 < stub.most_open <= 3
        stub.times.clear()
        slow = RequestSettings(concurrency=3, requests_per_minute=1200)
        ask(hosted(url, store.with_name("other"), settings=slow), 5)
    assert stub.times[-1] - stub.times[0] > 4 * 0.05 * 0.9


def test_everybody_waits_where_the_provider_asks_for_it(store: Path) -> None:
    stub = StubProvider()
    stub.always = "429"
    with stub as url:
        generator = hosted(url, store, settings=RequestSettings(concurrency=1, attempts=2))
        generator._pace.pause(0.2)
        start = time.monotonic()
        ask(generator, 1)
        assert stub.times[0] - start > 0.18


# --------------------------------------------------------------------------------- faults and money


def answered_or_accounted(
    stub: Any, generator: APIGenerator, answers: dict[str, Answer | Unanswered], n: int
) -> None:
    assert len(answers) == n
    good = {key for key, answer in answers.items() if isinstance(answer, Answer)}
    assert all(stub.answered[question] == 1 for question in good), "asked again after an answer"
    assert all(answer.reason for answer in answers.values() if isinstance(answer, Unanswered))
    assert generator.responses.spent(generator.account) >= stub.bill - 1e-9


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_with_three_of_ten_requests_failing_every_question_is_answered_once(
    store: Path, protocol: str
) -> None:
    stub = StubProvider(faults=0.3, seed=1)
    with stub as url:
        generator = hosted(url, store, protocol)
        answers = ask(generator, 34)
        again = ask(generator, 34)
    assert sum(stub.faults_given.values()) >= 5
    answered_or_accounted(stub, generator, answers, 34)
    assert sum(isinstance(answer, Answer) for answer in again.values()) >= 33


@pytest.mark.parametrize("max_cost", [0.02, 0.10])
def test_the_budget_is_never_passed_and_used_up(store: Path, max_cost: float) -> None:
    stub = StubProvider(faults=0.3, seed=2, price=(PRICE.input, PRICE.output))
    with stub as url:
        generator = hosted(url, store, max_cost=max_cost)
        answers = ask(generator, 60)
        more = hosted(url, store, max_cost=max_cost)
        assert all(
            isinstance(answer, Unanswered) == isinstance(answers[key], Unanswered)
            for key, answer in ask(more, 60).items()
        ), "a second run has the same budget, not a new one"
    assert "budget" in generator.stopped
    answered_or_accounted(stub, generator, answers, 60)
    spent = generator.responses.spent(generator.account)
    assert stub.bill <= spent <= max_cost + 1e-9


def test_without_faults_the_books_agree_to_the_last_digit(store: Path) -> None:
    stub = StubProvider(faults=0.3, kinds=("429", "500", "529"), seed=3)
    most = 0.5
    with stub as url:
        generator = hosted(url, store, "anthropic", max_cost=most)
        answers = ask(generator, 40)
    dollars = sum(a.dollars or 0 for a in answers.values() if isinstance(a, Answer))
    assert generator.responses.spent(generator.account) == pytest.approx(stub.bill, abs=1e-9)
    assert dollars == pytest.approx(stub.bill, abs=1e-9)


@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_a_kill_loses_nothing(store: Path) -> None:
    """Ask in a forked process, kill -9 it after so many answers, and go on here to the end."""
    questions, kill_after = [text for text, _ in prompts(100)], 40
    asked = [(text, render(text, SCHEMA)) for text in questions]
    stub = StubProvider(faults=0.3, seed=4, delay_s=0.003, price=(PRICE.input, PRICE.output))
    with stub as url:
        read, write = os.pipe()
        child = os.fork()
        if not child:  # importing litellm once more would take longer than all the rest
            try:
                for _ in hosted(url, store, max_cost=1000.0).ask(asked, Sampling()):
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
        answers = dict(generator.ask(asked, Sampling()))
    assert kill_after - 5 <= stored < len(questions), "an answer was given before it was stored"
    assert set(answers) == set(questions)
    assert sum(isinstance(answer, Answer) for answer in answers.values()) >= len(questions) - 5
    twice = sum(count - 1 for count in stub.answered.values())
    assert twice <= FAST.concurrency, "only what was under way when it died may be asked again"
    assert generator.responses.spent(generator.account) >= stub.bill - 1e-9


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_whole_split_with_three_of_ten_requests_failing(
    store: Path, protocol: str, data_root: Path
) -> None:
    """Spider dev: every question answered or accounted for, none answered twice, in budget."""
    dataset = open_dataset("spider", data_root)
    examples = list(dataset.examples("dev"))
    answers = {example.question: example.gold_sql for example in examples}
    stub = StubProvider(answers, faults=0.3, seed=5, slow_s=0.8)
    asked = [(e.id, render(e.question, dataset.schema(e.db_id))) for e in examples]
    with stub as url:
        generator = hosted(url, store, protocol, max_cost=100.0)
        answers = dict(generator.ask(asked, Sampling()))
    good = {key for key, answer in answers.items() if isinstance(answer, Answer)}
    assert len(answers) == len(examples) == 1034
    assert len(good) >= 1020
    distinct = len({prompt.text for key, prompt in asked if key in good})
    assert distinct <= sum(stub.answered.values()) <= len(good)
    assert all(re.search(r"\S", answers[key].completion.text) for key in good)  # type: ignore[union-attr]
    assert stub.bill <= generator.responses.spent(generator.account) <= 100.0


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
