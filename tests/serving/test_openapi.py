"""Requests made from the OpenAPI document: whatever they hold, the service answers as it says it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="it makes the requests")

QUESTIONS = ("POST /api/ask", "POST /api/sql")


def operations(served: Any) -> dict[str, Any]:
    """Every operation of the document by its name."""
    schema = schemathesis.openapi.from_dict(served.client.get("/openapi.json").json())
    schema.config.update(base_url=served.url)
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


def hold(operation: Any, url: str, examples: int) -> None:
    """Ask what the document allows; the answer is one that it lists, of the shape it tells."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.validate_response(case.call(base_url=url), checks=checks)

    ask()


def test_every_address_is_described(served: Any) -> None:
    assert len(operations(served)) >= 13


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_breaks_it(served: Any) -> None:
    for operation in operations(served).values():
        hold(operation, served.url, 8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nor_do_many(served: Any) -> None:
    for operation in operations(served).values():
        hold(operation, served.url, 150)
