"""Requests to JetStream's API, in its own JSON."""

import json
from typing import Any

from drlactors.bus.client import DirectClient
from drlactors.ports.bus import BusUnreachable

TIMEOUT_S = 5.0
STREAM_NOT_FOUND = 10059
NO_MESSAGE_FOUND = 10037


class ApiRefused(BusUnreachable):
    """JetStream refused a request."""

    def __init__(self, subject: str, error: dict[str, Any]) -> None:
        super().__init__(f"NATS refused {subject}: {error.get('description', 'no reason given')}.")
        self.code = int(error.get("err_code", error.get("code", 0)))


async def ask(client: DirectClient, subject: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer to one request. Raises ApiRefused, and nats-py's errors when there is none."""
    answer = await client.request(f"$JS.API.{subject}", json.dumps(body).encode() if body else b"", timeout=TIMEOUT_S)
    said: dict[str, Any] = json.loads(answer.data)
    if "error" in said:
        raise ApiRefused(subject, said["error"])
    return said
