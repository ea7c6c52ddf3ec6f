"""The gateway on a real NATS server: messages/s and latency until the bus has one, beside plain NATS, in alternation.

The server, the gateway (a process of its own, as it is run) and the load share this machine. Behind the bus nobody
reads: what is measured is the way onto it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from drlactors.bus.nats_bus import NatsBus
from drlactors.testing.processes import HeldPort
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.benchmarks.fast_line import HERE, environment, row, spread

ROUNDS = 3
SECONDS = 2.0
STREAMS = (10, 100, 500)
BATCHES = (1, 32)
RATE = 1000.0


def run() -> list[dict[str, Any]]:
    """The table of the README; takes about five minutes."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="drlactors-bench-") as name, EmbeddedPostgres(Path(name)) as postgres:
        for streams in STREAMS:
            for batch in BATCHES:
                told: dict[str, list[dict[str, float]]] = {"grpc": [], "nats": []}
                for _ in range(ROUNDS):
                    for way, found in told.items():
                        with gateway(postgres.dsn) as addresses:
                            found.append(load(way, addresses[way], streams, batch))
                rows += _rows(f"{streams} streams, {'single' if batch == 1 else f'batches of {batch}'}", told)
    return rows


def _rows(name: str, told: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    rows = []
    for way, found in told.items():
        rates = [one["messages_per_s"] for one in found]
        rows.append(row(f"{name}, {way}", statistics.median(rates), "messages/s", spread(rates)))
    pairs = zip(told["grpc"], told["nats"], strict=True)
    ratios = [ours["messages_per_s"] / plain["messages_per_s"] for ours, plain in pairs]
    rows.append(row(f"{name}, grpc", statistics.median(ratios), "of plain NATS", spread(ratios)))
    for way, found in told.items():
        for share in ("p50", "p99"):
            values = [one[f"{share}_ms"] for one in found]
            rows.append(row(f"{name}, {way} at {RATE:.0f}/s: {share}", statistics.median(values), "ms", spread(values)))
    return rows


@contextmanager
def gateway(dsn: str) -> Iterator[dict[str, str]]:
    """A fresh server and a gateway at it; their addresses."""
    with tempfile.TemporaryDirectory(prefix="drlactors-bench-") as name, EmbeddedNats(Path(name) / "nats") as nats:
        with closing(NatsBus(nats.url)) as bus:
            bus.identity()  # makes the streams
        port = HeldPort()
        config = Path(name) / "gateway.json"
        config.write_text(
            json.dumps(
                {
                    "server": {"data_dir": name},
                    "nats": {"url": nats.url},
                    "postgres": {"url": dsn},
                    "metrics": {"port": 0},
                    "logging": {"level": "warning"},
                    "gateway": {"address": port.address},
                }
            )
        )
        command = [sys.executable, "-m", "drlactors", "gateway", "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert "is up" in process.stdout.readline()
            try:
                yield {"grpc": port.address, "nats": nats.url}
            finally:
                process.terminate()


def load(way: str, address: str, streams: int, batch: int) -> dict[str, float]:
    program = str(HERE / "gateway_load.py")
    command = [sys.executable, program, way, address, str(streams), str(batch), str(SECONDS), str(RATE)]
    said = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, float] = json.loads(said.stdout)
    return told
