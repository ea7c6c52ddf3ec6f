"""What tests ask of a NATS server without our own client: what it holds, and bytes that our client would not send."""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import nats
import nats.js

from drlactors.testing.nats_server import EmbeddedNats

STREAM = "DRL_V1_SANDBOX"


def with_jetstream(url: str, work: Callable[[nats.js.JetStreamContext], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        client = await nats.connect(url)
        try:
            return await work(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(run())


def held(server: EmbeddedNats) -> int:
    """How many messages the inbound stream holds."""

    async def messages(js: nats.js.JetStreamContext) -> int:
        return (await js.stream_info(STREAM)).state.messages

    return int(with_jetstream(server.url, messages))


def write_raw(server: EmbeddedNats, protocol: bytes) -> None:
    """Speak NATS without a client that would object; returns when the server has read it all."""
    token = server.url.removeprefix("nats://").partition("@")[0]
    hello = {"verbose": False, "pedantic": False, "auth_token": token, "headers": True}
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"CONNECT {json.dumps(hello)}\r\n".encode() + protocol + b"PING\r\n")
        with connection.makefile("rb") as lines:
            while lines.readline() != b"PONG\r\n":
                pass
