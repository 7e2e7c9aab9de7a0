"""What is counted while it serves, in the text format of Prometheus (prometheus.io/docs).

>>> metrics = Metrics()
>>> metrics.requests.labels("/api/ask", "200").inc()
>>> b'txt2sql_requests_total{path="/api/ask",status="200"} 1.0' in metrics.text()
True
"""

from __future__ import annotations

from collections.abc import MutableMapping
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

from txt2sql.serving.gate import App, Receive, Send

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
        self.seconds = Histogram(
            "question_seconds",
            "From the question to its answer",
            ("kind",),
            buckets=_SECONDS,
            **own,
        )
        self.batch = Histogram(
            "batch_size", "Questions computed together", buckets=(1, 2, 4, 8, 16, 32, 64), **own
        )
        self.refused = Counter(
            "refused",
            "Questions and statements refused because too many waited, or they too long",
            ("kind",),
            **own,
        )
        for kind in ("question", "statement"):
            self.refused.labels(kind)
        self.waiting = Gauge("waiting", "Questions in the queue", **own)
        self.open = Gauge("open", "Questions accepted and not yet answered", **own)
        self.model_up = Gauge("model_up", "1 while the model's process can answer", **own)
        self.restarts = Gauge(
            "model_restarts", "How often the model's process was started again", **own
        )

    def text(self) -> bytes:
        """Everything, as it is scraped."""
        return generate_latest(self.registry)


class Counted:
    """ASGI middleware that counts requests by the route that took them."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", None) or "other"
                self.metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counted)
