"""Requests made from the OpenAPI document: whatever they hold, the service answers as it says it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from .conftest import Served

schemathesis = pytest.importorskip("schemathesis", reason="it makes the requests")


@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_breaks_it(served: Served, examples: int) -> None:
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as of_openapi

    wanted = [
        checks.not_a_server_error,
        of_openapi.status_code_conformance,
        of_openapi.content_type_conformance,
        of_openapi.response_schema_conformance,
    ]
    every = list(HealthCheck)
    options: Any = {"deadline": None, "database": None, "derandomize": True}
    schema = schemathesis.openapi.from_dict(served.client.get("/openapi.json").json())
    schema.config.update(base_url=served.url)
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=examples, suppress_health_check=every, **options)
        def ask(case: Any) -> None:
            case.validate_response(case.call(base_url=served.url), checks=wanted)

        ask()
