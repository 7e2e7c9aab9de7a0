"""Chat programs ask by OpenAI's protocol: with its official client, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest

from txt2sql.serving.openai_api import as_markdown

from .conftest import Serve, Served

openai = pytest.importorskip("openai")


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)


def conversation(question: str) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You know a database."},
        {"role": "user", "content": "How many shops?"},
        {"role": "assistant", "content": "7"},
        {"role": "user", "content": question},
    ]


def test_the_last_question_is_answered_with_sql_and_rows(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["txt2sql"]
    done = client.chat.completions.create(model="txt2sql", messages=conversation("Which cities?"))
    text = done.choices[0].message.content
    assert text.startswith("```sql\nSELECT city, count(*) FROM shops GROUP BY city\n```")
    assert "| city | count(*) |\n| --- | --- |\n| " in text
    assert done.choices[0].finish_reason == "stop"


def test_an_answer_is_streamed(client: Any) -> None:
    content = [{"type": "text", "text": "How many shops?"}]
    messages = [{"role": "user", "content": content}]
    chunks = client.chat.completions.create(
        model="x", messages=messages, stream=True, temperature=0.3
    )
    parts = list(chunks)
    text = "".join(part.choices[0].delta.content or "" for part in parts)
    assert "SELECT count(*) FROM shops" in text and "| 7 |" in text
    assert parts[-1].choices[0].finish_reason == "stop"


def test_what_goes_wrong_is_a_sentence(client: Any) -> None:
    create = client.chat.completions.create
    text = create(model="x", messages=conversation("a broken one")).choices[0].message.content
    assert "(town); ask in other words" in text
    with pytest.raises(openai.BadRequestError, match="ask a question"):
        create(model="x", messages=conversation("  "))
    with pytest.raises(openai.APIStatusError, match="messages"):
        create(model="x", messages=[])


def test_a_token_is_wanted_as_the_client_sends_it(serve: Serve) -> None:
    url = f"{serve(token='s3cret').url}/v1"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=url, api_key="wrong").models.list()
    assert openai.OpenAI(base_url=url, api_key="s3cret").models.list().data


def test_a_cell_cannot_leave_its_table() -> None:
    hostile = "a | b\n\n# head <img src=x onerror=alert(1)> `" + "x" * 500
    answer = {"sql": "SELECT 1", "error": None, "columns": ["n|m"], "rows": [(hostile,), (None,)] * 15,
              "truncated": True, "unknown": None, "certainty": None, "readings": []}  # fmt: skip
    text = as_markdown(answer)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 22 and max(map(len, table)) < 260
    assert "<img" not in text and "\n# head" not in text
    assert text.endswith("The first 20 of more than 30 rows.")
    assert as_markdown({**answer, "rows": [], "truncated": False}).endswith("No rows.")
    assert as_markdown({**answer, "sql": None, "error": "no"}) == "no"
