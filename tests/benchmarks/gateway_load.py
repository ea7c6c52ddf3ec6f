"""The load for the gateway: streams that say windows as fast, or as evenly, as they are told, over gRPC or plain NATS.

A process of its own: gateway_load.py WAY ADDRESS STREAMS BATCH SECONDS RATE, where WAY is grpc or nats. Each stream
speaks of eight sessions and says BATCH messages at once, of one window each: over gRPC as one frame. Over NATS the same
messages are published by the code that the gateway itself publishes with. First as fast as the bus stores what was
said, with some thousands under way, then evenly at RATE messages/s. Prints one JSON object.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import grpc

from drlactors.bus.nats_relay import NatsRelay
from drlactors.codec import sandbox
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import Kind
from drlactors.sandboxes.recording import recordings
from drlactors.wire.v1 import episode_pb2, gateway_pb2, gateway_pb2_grpc, telemetry_pb2

SESSIONS = 8  # of a stream
#: All streams together, where that is not less than a batch of each; the gateway keeps 16,384 before it drops.
UNDER_WAY = 8192
PATIENCE_S = 300.0

#: What is said: kind, session, message. Then ``told`` is called once for each message, when the bus has it.
What = tuple[Kind, SessionId, bytes]
Told = Callable[[], None]


class GrpcStream:
    """One connection with one stream on it."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),))
        self._call = gateway_pb2_grpc.GatewayStub(self._channel).Converse()
        self._told: dict[int, Told] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    async def say(self, said: Sequence[What], told: Told) -> None:
        frame = []
        for kind, _, data in said:
            self._number += 1
            self._told[self._number] = told
            what: dict[str, Any] = (
                {"windows": telemetry_pb2.Windows.FromString(data)}
                if kind is Kind.TELEMETRY
                else {"episode": episode_pb2.Episode.FromString(data)}
            )
            frame.append(gateway_pb2.Said(number=self._number, **what))
        await self._call.write(gateway_pb2.FromSandbox(said=frame))

    async def _read(self) -> None:
        async for heard in self._call:
            assert not heard.declined, heard.declined[0]
            assert not heard.dropped, heard.dropped[0]
            for number in heard.stored:
                self._told.pop(number)()

    async def close(self) -> None:
        self._reading.cancel()
        await self._channel.close()


class NatsStream:
    """A share of one connection: with one each, five hundred threads of the load would be measured."""

    def __init__(self, relay: NatsRelay, loop: asyncio.AbstractEventLoop) -> None:
        self._relay = relay
        self._loop = loop

    async def say(self, said: Sequence[What], told: Told) -> None:
        self._relay.loop.call_soon_threadsafe(self._post, said, told)

    def _post(self, said: Sequence[What], told: Told) -> None:
        for kind, session, data in said:
            self._relay.post(kind, session, data, "", lambda reason: self._stored(reason, told))

    def _stored(self, reason: str, told: Told) -> None:
        assert not reason, reason
        self._loop.call_soon_threadsafe(told)

    async def close(self) -> None:
        """The connection is everybody's."""


class Speaker:
    """One stream, and what it says of its sessions."""

    def __init__(self, stream: GrpcStream | NatsStream, batch: int, windows: Sequence[Window]) -> None:
        self.stream = stream
        self._batch = batch
        self._windows = windows
        self._sessions = [SessionId(uuid4()) for _ in range(SESSIONS)]
        self._said = 0
        self._expected = 0
        self.stored = 0
        self.latencies_ms: list[float] = []
        self._changed = asyncio.Event()

    async def start(self) -> None:
        artifact = Artifact("ab" * 32, "elf")
        said = [(Kind.EPISODE, one, sandbox.start(one, "load", 1, artifact, 250)) for one in self._sessions]
        await self._wait(await self._say(said))

    async def run(self, until_s: float, pause_s: float, under_way: int) -> int:
        """Speak until then, evenly or as fast as it is stored; how many messages were stored by then."""
        before, due_s = self.stored, time.perf_counter()
        expected = before
        while time.perf_counter() < until_s:
            expected = await self._say(self._next())
            due_s += pause_s
            if pause_s:
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            else:
                await self._wait(expected + self._batch - under_way)
        stored = self.stored - before
        await self._wait(expected)
        return stored

    def _next(self) -> list[What]:
        said: list[What] = []
        for _ in range(self._batch):
            number, self._said = self._said, self._said + 1
            session, seq = self._sessions[number % SESSIONS], number // SESSIONS
            window = self._windows[seq % len(self._windows)]._replace(seq=seq)
            said.append((Kind.TELEMETRY, session, sandbox.windows(session, "load", [window])))
        return said

    async def _say(self, said: list[What]) -> int:
        """Gives how many are stored once all of these are."""
        said_s = time.perf_counter()

        def told() -> None:
            self.stored += 1
            self.latencies_ms.append((time.perf_counter() - said_s) * 1000)
            self._changed.set()

        self._expected += len(said)
        await self.stream.say(said, told)
        return self._expected

    async def _wait(self, stored: int) -> None:
        while self.stored < stored:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), PATIENCE_S)


async def load(way: str, address: str, streams: int, batch: int, seconds: float, rate: float) -> dict[str, Any]:
    relay = NatsRelay(address) if way == "nats" else None
    loop = asyncio.get_running_loop()
    windows = [window for one in recordings() for window in one.windows][:512]
    speakers = [
        Speaker(GrpcStream(address) if relay is None else NatsStream(relay, loop), batch, windows)
        for _ in range(streams)
    ]
    await asyncio.gather(*(speaker.start() for speaker in speakers))
    under_way = max(batch, min(8 * batch, UNDER_WAY // streams))
    began_s = time.perf_counter()
    stored = sum(await asyncio.gather(*(speaker.run(began_s + seconds, 0.0, under_way) for speaker in speakers)))
    for speaker in speakers:
        speaker.latencies_ms.clear()
    pause_s = batch * streams / rate
    until_s = time.perf_counter() + seconds

    async def late(number: int, speaker: Speaker) -> None:
        await asyncio.sleep(pause_s * number / streams)  # not all in the same moment
        await speaker.run(until_s, pause_s, under_way)

    await asyncio.gather(*(late(number, speaker) for number, speaker in enumerate(speakers)))
    latencies_ms = sorted(one for speaker in speakers for one in speaker.latencies_ms)
    for speaker in speakers:
        await speaker.stream.close()
    if relay is not None:
        relay.close()
    return {
        "messages_per_s": stored / seconds,
        "paced": len(latencies_ms),
        "p50_ms": latencies_ms[len(latencies_ms) // 2],
        "p99_ms": latencies_ms[int(0.99 * len(latencies_ms))],
    }


if __name__ == "__main__":
    spoken, where, many, at_once, lasting_s, per_s = sys.argv[1:]
    print(json.dumps(asyncio.run(load(spoken, where, int(many), int(at_once), float(lasting_s), float(per_s)))))
