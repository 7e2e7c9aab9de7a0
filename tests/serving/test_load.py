"""The service under load: every request that was accepted has an answer or an error."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra serve")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killing_the_model_in_the_middle_loses_nothing_and_memory_stays() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "serving.py"
    spec = importlib.util.spec_from_file_location("serving_benchmark", path)
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)
    measured = benchmark.measure(clients=16, seconds=16.0, kill=True, peer=False)
    assert set(measured["statuses"]) <= {"200", "429", "503"}
    assert measured["n"] > 0
    servers = [each["server"] for each in measured["memory_mb"]]
    assert max(servers) - servers[0] < 50
