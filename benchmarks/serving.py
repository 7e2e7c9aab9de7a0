"""The service under load: many clients on one bundled model, and what answering them together is worth.

Each client asks, waits for the answer and asks again; refused with 429 it waits as long as Retry-After
says. `ours` is questions answered per second by `txt2sql serve` as it is, `peer` by the same service
that computes one question at a time (`--batch 1`); the two run side by side and are asked in turns. With
`--kill` the model's process is killed in the middle of each turn of ours: every accepted request
must still get its answer or an error.

It fails (exit code 1) on any answer but 200, 429 and, with `--kill`, 503.

    python benchmarks/serving.py [--clients 64] [--seconds 60] [--kill] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastapi
import httpx
import onnxruntime
import uvicorn

from txt2sql import sample

QUESTIONS = [
    each["question"]
    for each in json.loads((sample.folder() / "dev.json").read_text(encoding="utf-8"))
]


@dataclass
class Turn:
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.statuses[200] / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Service:
    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "txt2sql", "serve", "--port", "0", "--no-history"]
        self.process = subprocess.Popen(
            [*command, "--search", "0", *options], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if " is served at " in line:
                self.url = line.split()[-1]
                return
        raise SystemExit(f"the service did not start: {command}")

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def kill_model(self) -> None:
        os.kill(self.model(), signal.SIGKILL)

    def model(self) -> int:
        """The process id of the model: of the server's children the largest."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return max(map(int, children.read_text().split()), key=resident)

    def memory(self) -> tuple[float, float]:
        return resident(self.process.pid), resident(self.model())


def resident(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(sizes[0]) / 1000 if sizes else 0.0


async def client(http: httpx.AsyncClient, turn: Turn, end: float, chance: random.Random) -> None:
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            response = await http.post("/api/ask", json={"question": chance.choice(QUESTIONS)})
        except httpx.HTTPError as problem:
            print(f"lost: {type(problem).__name__}", file=sys.stderr)
            turn.statuses[0] += 1
            continue
        turn.statuses[response.status_code] += 1
        if response.status_code == 200:
            turn.latencies.append(time.monotonic() - start)
        else:
            wait = float(response.headers.get("retry-after", 1))
            await asyncio.sleep(min(wait, max(0.0, end - time.monotonic())))


async def load(service: Service, clients: int, seconds: float, kill: bool, seed: int) -> Turn:
    """Have the clients ask for so long; a request that was begun is waited for."""
    turn, start = Turn(), time.monotonic()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=service.url, limits=limits, timeout=120) as http:
        working = [
            asyncio.create_task(client(http, turn, start + seconds, random.Random(seed + i)))
            for i in range(clients)
        ]
        if kill:
            await asyncio.sleep(seconds / 2)
            service.kill_model()
        await asyncio.gather(*working)
    turn.seconds = time.monotonic() - start
    return turn


def measure(clients: int, seconds: float, kill: bool, peer: bool = True) -> dict[str, Any]:
    """Ours, the peer, ours again; each service warm before it is timed."""
    with ExitStack() as stack:
        ours = stack.enter_context(Service())
        other = stack.enter_context(Service("--batch", "1")) if peer else None
        for service in filter(None, (ours, other)):
            asyncio.run(load(service, clients, min(3.0, seconds / 4), False, 0))
        memory = [ours.memory()]
        turns = [asyncio.run(load(ours, clients, seconds / 2, kill, 1000))]
        memory.append(ours.memory())
        alone = asyncio.run(load(other, clients, seconds / 3, False, 2000)) if other else None
        turns.append(asyncio.run(load(ours, clients, seconds / 2, kill, 3000)))
        memory.append(ours.memory())
    statuses: Counter[int] = sum((turn.statuses for turn in turns), Counter())
    both = Turn(sum(t.seconds for t in turns), statuses, [x for t in turns for x in t.latencies])
    return {
        "name": "serving",
        "ours": round(both.rate, 2),
        "peer": round(alone.rate, 2) if alone else None,
        "ratio": round(both.rate / alone.rate, 2) if alone and alone.rate else None,
        "n": statuses[200],
        "unit": "questions per second",
        "clients": clients,
        "seconds": round(both.seconds, 1),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "latency_s": {
            "median": round(statistics.median(both.latencies or [0.0]), 2),
            "p95": round(both.percentile(0.95), 2),
        },
        "peer_latency_s": {"p95": round(alone.percentile(0.95), 2)} if alone else None,
        "memory_mb": [{"server": round(s), "model": round(m)} for s, m in memory],
        "killed": kill,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {
            "onnxruntime": onnxruntime.__version__,
            "fastapi": fastapi.__version__,
            "uvicorn": uvicorn.__version__,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kill", action="store_true", help="kill the model in the middle")
    parser.add_argument("--quick", action="store_true", help="10 seconds")
    options = parser.parse_args()
    result = measure(options.clients, 10.0 if options.quick else options.seconds, options.kill)
    print(
        f"{result['clients']} clients, {result['seconds']} s: {result['ours']} questions per second"
    )
    print(f"  one at a time: {result['peer']}, ratio {result['ratio']}")
    print(f"  median {result['latency_s']['median']} s, p95 {result['latency_s']['p95']} s")
    print(f"  statuses {result['statuses']}, memory in MB {result['memory_mb']}")
    print(json.dumps(result))
    honest = {"200", "429"} | ({"503"} if options.kill else set())
    raise SystemExit(0 if set(result["statuses"]) <= honest else 1)


if __name__ == "__main__":
    main()
