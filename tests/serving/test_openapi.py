"""Requests made from the OpenAPI document: whatever they hold, the service answers as it says it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from .conftest import Served

schemathesis = pytest.importorskip("schemathesis", reason="it makes the requests")


def hold(operation: Any, url: str, examples: int) -> None:
    """Ask what the document allows; the answer is one that it lists, of the shape it tells."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    wanted = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
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
        case.validate_response(case.call(base_url=url), checks=wanted)

    ask()


@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_breaks_it(served: Served, examples: int) -> None:
    schema = schemathesis.openapi.from_dict(served.client.get("/openapi.json").json())
    schema.config.update(base_url=served.url)
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:
        hold(operation, served.url, examples)
