"""A NATS client that sends whatever it likes, and hears everything that is said to sandboxes and buried."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from nats.aio.client import Client
from nats.aio.msg import Msg

from drlactors.bus.subjects import ROOT, Subjects
from drlactors.codec import sandbox as wire
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.wire.v1.action_pb2 import Actions
from tests.acceptance.harness import wait_for

SANDBOX = "raw"
ARTIFACT = Artifact("ab" * 32, "elf")


class Letter(NamedTuple):
    """A dead letter as it passes by."""

    subject: str  # where the message was sent
    reason: str
    data: bytes


class Raw:
    """Publishes without asking for an acknowledgement, in order; use as a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="raw", daemon=True)
        self._client = Client()
        self.subjects = Subjects()
        self.said: defaultdict[UUID, list[Actions]] = defaultdict(list)
        self.dead: list[Letter] = []
        self.count_only = False  # a hundred thousand answers are not kept

    def __enter__(self) -> "Raw":
        self._thread.start()
        self._run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, kind: Kind, session: UUID, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.publish([(f"{ROOT}.{kind}.{session}", data)], headers)

    def publish(self, messages: Iterable[tuple[str, bytes]], headers: dict[str, str] | None = None) -> None:
        """Returns when the server has read all of them."""

        async def work() -> None:
            for subject, data in messages:
                await self._client.publish(subject, data, headers=headers)
            await self._client.flush(60)

        self._run(work())

    def buried_in_stream(self) -> int:
        """How many messages the dead-letter stream holds."""

        async def work() -> int:
            info = await self._client.jetstream().stream_info(self.subjects.dead_stream())
            return int(info.state.messages)

        found: int = self._run(work())
        return found

    def letters(self, session: UUID) -> list[Letter]:
        return [letter for letter in self.dead if letter.subject.endswith(str(session))]

    async def _begin(self) -> None:
        await self._client.connect(self._url)
        await self._client.subscribe(f"{ROOT}.action.*", cb=self._answered)
        await self._client.subscribe(f"{ROOT}.dead.>", cb=self._buried)

    async def _answered(self, message: Msg) -> None:
        if not self.count_only:
            self.said[UUID(message.subject.rpartition(".")[2])].append(Actions.FromString(message.data))

    async def _buried(self, message: Msg) -> None:
        if not self.count_only:
            headers = message.headers or {}
            self.dead.append(Letter(headers["Drl-Subject"], headers["Drl-Reason"], message.data))

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


class Box:
    """A sandbox with one session that does not care about the rules."""

    def __init__(self, raw: Raw, *, sandbox: str = SANDBOX) -> None:
        self.raw = raw
        self.id = SessionId(uuid4())
        self.sandbox = sandbox

    def started(self) -> "Box":
        self.tell(Kind.EPISODE, self.start())
        return self

    def start(self, stage: int = 1) -> bytes:
        return wire.start(self.id, self.sandbox, stage, ARTIFACT, 250)

    def tell(self, kind: Kind, data: bytes) -> None:
        self.raw.send(kind, self.id, data)

    def see(self, *seqs: int, telemetry: Telemetry = Telemetry(syscall_count=3)) -> None:  # noqa: B008  # immutable
        """Send one message for each of these windows."""
        for seq in seqs:
            self.tell(Kind.TELEMETRY, wire.windows(self.id, self.sandbox, [Window(seq, 250, 1, telemetry)]))

    def answers(self) -> list[int]:
        """The windows that were answered, in order, as often as they were."""
        return [decision.seq for said in self.raw.said[self.id] for decision in said.decisions]

    def refusals(self) -> list[tuple[str, str]]:
        return [(refusal.about, refusal.reason) for said in self.raw.said[self.id] for refusal in said.refusals]

    def warnings(self) -> list[str]:
        return [warning for said in self.raw.said[self.id] for warning in said.warnings]

    def answered(self, *seqs: int) -> None:
        """Wait until exactly these windows were answered, each once."""
        wait_for(lambda: len(self.answers()) >= len(seqs), 60, f"windows {seqs} are answered: {self.raw.said[self.id]}")
        assert self.answers() == list(seqs)

    def refused(self, about: Kind, reason: str, data: bytes) -> None:
        """Wait for one refusal and its dead letter, and take them off."""
        wait_for(lambda: self.refusals() and self.raw.letters(self.id), 60, f"refused: {reason}")
        ((kind, told),) = self.refusals()
        (letter,) = self.raw.letters(self.id)
        assert kind == about
        assert reason in told
        assert letter == (f"{ROOT}.{about}.{self.id}", told, data)
        self.forgive()

    def forgive(self) -> None:
        for said in self.raw.said[self.id]:
            del said.refusals[:]
        self.raw.dead = [letter for letter in self.raw.dead if not letter.subject.endswith(str(self.id))]

    def quiet(self) -> None:
        """Nothing was refused or buried. What was sent before has been handled when something sent behind it was."""
        assert self.refusals() == []
        assert self.raw.letters(self.id) == []
