"""What is counted while it serves, in the text format of Prometheus (prometheus.io/docs).

>>> metrics = Metrics()
>>> metrics.requests.labels("/api/ask", "200").inc()
>>> b'txt2sql_requests_total{path="/api/ask",status="200"} 1.0' in metrics.text()
True
"""

from __future__ import annotations

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """A registry of its own: two services in one process do not count each other's."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        own: dict[str, Any] = {"namespace": "txt2sql", "registry": registry}
        labels = ("path", "status")
        self.requests = Counter("requests", "Requests by route and status", labels, **own)
        labels = ("kind", "end")
        self.ends = Counter("questions", "Accepted questions by kind and end", labels, **own)
        what = "From the question to its answer"
        self.seconds = Histogram("question_seconds", what, ("kind",), buckets=_SECONDS, **own)
        what, sizes = "Questions computed together", (1, 2, 4, 8, 16, 32, 64)
        self.batch = Histogram("batch_size", what, buckets=sizes, **own)
        what = "Questions and statements refused because too many waited, or they too long"
        self.refused = Counter("refused", what, ("kind",), **own)
        for kind in ("question", "statement"):
            self.refused.labels(kind)
        self.waiting = Gauge("waiting", "Questions in the queue", **own)
        self.open = Gauge("open", "Questions accepted and not yet answered", **own)
        self.model_up = Gauge("model_up", "1 while the model's process can answer", **own)
        what = "How often the model's process was started again"
        self.restarts = Gauge("model_restarts", what, **own)

    def ended(self, kind: str, end: str, seconds: float) -> None:
        """Count the end of a question."""
        self.ends.labels(kind, end).inc()
        if end == "answer":
            self.seconds.labels(kind).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
