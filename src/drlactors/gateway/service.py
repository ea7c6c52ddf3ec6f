"""The calls of drlactors.v1.Gateway."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from functools import partial

import grpc
from google.protobuf.message import DecodeError

from drlactors.codec.inbound import Malformed, decode
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.gateway.conversation import Conversation
from drlactors.gateway.errors import Declined, abort, invalid, unauthenticated, unavailable
from drlactors.gateway.identity import Callers, Owners
from drlactors.gateway.intake import Intake, Item, Seqs
from drlactors.gateway.options import Options
from drlactors.gateway.reading import Message, Told, check_sandbox, read
from drlactors.gateway.reading import session as session_of
from drlactors.ports.bus import Relay
from drlactors.wire.headers import TAKEN
from drlactors.wire.v1 import action_pb2, episode_pb2, gateway_pb2, gateway_pb2_grpc

#: A session that nobody listens to any more is heard for so long still: a stream that broke comes back.
LINGER_S = 5.0
#: A check of the form only: what a session's rules are plays no part in it.
_NO_RULES = Rules(0, 0, 0, 0, 0)
STOPPING = "this gateway is stopping: connect again"
REVOKED = "the token of this stream does not hold any more"


class Call:
    """Implements ``intake.Speaker`` for a single message, and waits for what becomes of it."""

    def __init__(self) -> None:
        self.waiting: dict[Item, None] = {}
        self.waiting_bytes = 0
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stored(self, _item: Item) -> None:
        if not self.outcome.done():  # else the caller did not wait
            self.outcome.set_result(None)

    def declined(self, _item: Item, declined: Declined) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(declined)

    def dropped(self, _item: Item, _seqs: Seqs) -> None:
        raise AssertionError("a call has no windows")


class Service(gateway_pb2_grpc.GatewayServicer):
    """Lives on the relay's loop."""

    def __init__(self, relay: Relay, options: Options, callers: Callers, owners: Owners, intake: Intake) -> None:
        self._relay = relay
        self._options = options
        self._callers = callers
        self._owners = owners
        self._intake = intake
        self._ears: defaultdict[SessionId, set[Conversation]] = defaultdict(set)
        self.conversations: dict[Conversation, grpc.aio.ServicerContext] = {}
        self.draining = asyncio.Event()
        self._silence = asyncio.Event()  # no stream is open

    async def Converse(  # noqa: N802  # as the service names it
        self, _said: AsyncIterator[gateway_pb2.FromSandbox], context: grpc.aio.ServicerContext
    ) -> None:
        try:
            caller = self._callers.name(context)
        except Declined as declined:
            await abort(context, declined)
        options = self._options
        conversation = Conversation(caller, options.stream_messages, options.queue_bytes // 16)
        self.conversations[conversation] = context
        self._silence.clear()
        await context.send_initial_metadata((TAKEN,))
        writing = asyncio.create_task(conversation.write(context))
        reading = asyncio.create_task(self._read(conversation, context))
        draining = asyncio.create_task(self.draining.wait())
        revoked = asyncio.create_task(conversation.revoked.wait())
        try:
            await asyncio.wait((reading, draining, revoked), return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            if not revoked.done():
                await conversation.settled()
        finally:
            for task in (reading, writing, draining, revoked):
                task.cancel()
            self._left(conversation)
        if conversation.revoked.is_set():
            await abort(context, unauthenticated(REVOKED))
        if draining.done():
            await abort(context, unavailable(STOPPING))

    def use_tokens(self, tokens: Mapping[str, str]) -> None:
        """These hold from now on; streams that began with another, or with one that is another's now, end."""
        self._callers.tokens = tokens
        for conversation, context in self.conversations.items():
            try:
                holds = self._callers.name(context) == conversation.caller
            except Declined:
                holds = False
            if not holds:
                conversation.revoked.set()

    async def streams_end(self, timeout_s: float) -> bool:
        """Wait for the end of those that are open, if time allows; whether there was one."""
        if not self.conversations:
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._silence.wait(), timeout_s)
        return True

    async def StartSession(  # noqa: N802
        self, start: episode_pb2.Start, context: grpc.aio.ServicerContext
    ) -> gateway_pb2.Stored:
        return await self._call(episode_pb2.Episode(start=start), context)

    async def ReportOutcome(  # noqa: N802
        self, report: episode_pb2.Report, context: grpc.aio.ServicerContext
    ) -> gateway_pb2.Stored:
        return await self._call(episode_pb2.Episode(report=report), context)

    async def EndSession(  # noqa: N802
        self, end: episode_pb2.End, context: grpc.aio.ServicerContext
    ) -> gateway_pb2.Stored:
        return await self._call(episode_pb2.Episode(end=end), context)

    async def _call(self, told: episode_pb2.Episode, context: grpc.aio.ServicerContext) -> gateway_pb2.Stored:
        try:
            message = await self._checked(told, self._callers.name(context))
            try:
                decode(message.kind, message.session, message.data, _NO_RULES)
            except Malformed as malformed:
                raise invalid(str(told.WhichOneof("event")), str(malformed)) from malformed
            call = Call()
            self._intake.put(_item(call, 0, message))
            try:
                async with asyncio.timeout(self._options.store_timeout_s):
                    await call.outcome
            except TimeoutError as error:
                raise unavailable("the bus has not stored this yet; it may still: say it again") from error
        except Declined as declined:
            await abort(context, declined)
        return gateway_pb2.Stored()

    # One stream

    async def _read(self, conversation: Conversation, context: grpc.aio.ServicerContext) -> None:
        """Take what is said until the sandbox has said all."""
        while (frame := await context.read()) is not grpc.aio.EOF:
            listens = []
            for said in frame.said:
                try:
                    await self._take(conversation, said)
                    if said.HasField("listen"):
                        listens.append(said.number)
                except Declined as declined:
                    conversation.decline(said.number, _session_named(said), declined)
                await conversation.room()
            if listens:
                await self._relay.listening()  # once for all of a frame
                for number in listens:
                    conversation.taken(number)

    async def _take(self, conversation: Conversation, said: gateway_pb2.Said) -> None:
        match said.WhichOneof("what"):
            case "listen":
                session = session_of(said.listen.session_id)
                check_sandbox(conversation.caller, said.listen.sandbox_id)
                await self._owners.check(session, said.listen.sandbox_id)
                await self._listen(conversation, session, said.listen.sandbox_id)
            case "leave":
                session = session_of(said.leave.session_id)
                if conversation.sandbox_of.pop(session, None) is not None:
                    self._ears[session].discard(conversation)
                conversation.taken(said.number)
            case None:
                raise invalid("what", "missing")
            case name:
                message = await self._checked(getattr(said, name), conversation.caller)
                await self._listen(conversation, message.session, message.sandbox)
                self._intake.put(_item(conversation, said.number, message, said.traceparent))

    async def _checked(self, told: Told, caller: str) -> Message:
        """The message, if it is the caller's to send. Raises Declined."""
        message = read(told, self._options.max_message_bytes)
        check_sandbox(caller, message.sandbox)
        await self._owners.check(message.session, message.sandbox)
        return message

    # Who hears what

    async def _listen(self, conversation: Conversation, session: SessionId, sandbox: str) -> None:
        if session in conversation.sandbox_of:
            return
        conversation.sandbox_of[session] = sandbox
        new = session not in self._ears
        self._ears[session].add(conversation)
        if new:
            await self._relay.listen(session, partial(self._heard, session))

    def _heard(self, session: SessionId, data: bytes) -> None:
        try:
            actions = action_pb2.Actions.FromString(data)
        except DecodeError:  # not of ours
            return
        for conversation in self._ears.get(session, ()):
            if self._owners.owns(conversation.sandbox_of[session], session):
                conversation.hear(actions)

    def _left(self, conversation: Conversation) -> None:
        self.conversations.pop(conversation, None)
        if not self.conversations:
            self._silence.set()
        for session in conversation.sandbox_of:
            self._ears[session].discard(conversation)

    async def sweep(self) -> None:
        """Forget, every now and then, the sessions that nobody listens to."""
        silent: set[SessionId] = set()
        while True:
            await asyncio.sleep(LINGER_S)
            before, silent = silent, {session for session, ears in self._ears.items() if not ears}
            for session in before & silent:
                if not self._ears[session]:
                    del self._ears[session]
                    await self._relay.forget(session)


def _item(speaker: Conversation | Call, number: int, message: Message, traceparent: str = "") -> Item:
    return Item(
        speaker, number, message.kind, message.session, message.sandbox, message.data, traceparent, message.seqs
    )


def _session_named(said: gateway_pb2.Said) -> str:
    name = said.WhichOneof("what")
    told = getattr(said, name) if name else None
    if isinstance(told, episode_pb2.Episode):
        event = told.WhichOneof("event")
        told = getattr(told, event) if event else None
    return told.session_id if told is not None else ""
