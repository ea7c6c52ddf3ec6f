"""What waits for the bus: each message has one fate, sessions keep their order, and who says too much pays for it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.codec.inbound import decode
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import Lose, Record
from drlactors.gateway.errors import Declined
from drlactors.gateway.intake import Intake, Item, Seqs
from drlactors.ports.bus import Kind
from drlactors.wire.v1 import telemetry_pb2

SESSIONS = [SessionId(UUID(int=number)) for number in range(4)]


class HandRelay:
    """A bus that stores a message when it is told to."""

    loop: asyncio.AbstractEventLoop
    reachable = True

    def __init__(self) -> None:
        self.on_way: list[tuple[SessionId, Kind, bytes, Callable[[str], None]]] = []
        self.stored: defaultdict[SessionId, list[tuple[Kind, bytes]]] = defaultdict(list)

    def post(
        self, kind: Kind, session: SessionId, data: bytes, _traceparent: str, settled: Callable[[str], None]
    ) -> None:
        self.on_way.append((session, kind, data, settled))

    def store(self, at: int = 0, refusal: str = "") -> None:
        session, kind, data, settled = self.on_way.pop(at % len(self.on_way))
        if not refusal:
            self.stored[session].append((kind, data))
        settled(refusal)

    async def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        raise NotImplementedError

    async def listening(self) -> None:
        raise NotImplementedError

    async def forget(self, session: SessionId) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Speaker:
    """Keeps what it was told, by number."""

    def __init__(self) -> None:
        self.waiting: dict[Item, None] = {}
        self.waiting_bytes = 0
        self.said = 0
        self.fates: defaultdict[int, list[str]] = defaultdict(list)

    def stored(self, item: Item) -> None:
        self.fates[item.number].append("stored")

    def declined(self, item: Item, declined: Declined) -> None:
        self.fates[item.number].append(f"declined: {declined}")

    def dropped(self, item: Item, _seqs: Seqs) -> None:
        self.fates[item.number].append("dropped")

    def say(self, intake: Intake, session: SessionId, *, windows: bool = True, size: int = 1) -> None:
        """One window, whose number is that of the message, or an answer to an action."""
        number, self.said = self.said, self.said + 1
        seqs = Seqs(number, number, 1) if windows else None
        message = telemetry_pb2.Windows(session_id=str(session), sandbox_id="x" * size)
        message.windows.add(seq=number)
        kind = Kind.TELEMETRY if windows else Kind.FEEDBACK
        intake.put(Item(self, number, kind, session, "box", message.SerializeToString(), "", seqs))

    def fate(self, fate: str) -> list[int]:
        return [number for number, told in self.fates.items() if told == [fate]]


def intake(relay: HandRelay, messages: int = 1000, size_bytes: int = 1 << 30, on_way: int = 1024) -> Intake:
    return Intake(relay, messages=messages, size_bytes=size_bytes, told_dropped=lambda _windows: None, on_way=on_way)


def numbers(stored: list[tuple[Kind, bytes]], session: SessionId) -> list[int]:
    """The windows that were stored or reported lost, in the order of the bus."""
    found: list[int] = []
    for kind, data in stored:
        if kind is Kind.FEEDBACK:
            continue
        for command in decode(kind, session, data, Rules(0, 0, 0, 0, 0)).commands:
            match command:
                case Record(window):
                    found.append(window.seq)
                case Lose(first_seq=first, last_seq=last):
                    found += range(first, last + 1)
    return found


def test_a_session_has_one_message_on_its_way() -> None:
    relay, speaker = HandRelay(), Speaker()
    taken = intake(relay)
    for _ in range(3):
        speaker.say(taken, SESSIONS[0])
    speaker.say(taken, SESSIONS[1])
    assert [session for session, *_ in relay.on_way] == SESSIONS[:2]
    relay.store()
    assert speaker.fate("stored") == [0]
    assert [session for session, *_ in relay.on_way] == [SESSIONS[1], SESSIONS[0]]


def test_who_says_too_much_loses_its_oldest_windows_and_nobody_else_any() -> None:
    relay, loud, quiet = HandRelay(), Speaker(), Speaker()
    taken = intake(relay, messages=10)
    for _ in range(3):
        quiet.say(taken, SESSIONS[1])
    for _ in range(30):
        loud.say(taken, SESSIONS[0])
    for _ in range(2):
        quiet.say(taken, SESSIONS[1])
    assert loud.fate("dropped") == list(range(1, 26))  # the first is on its way
    assert quiet.fates == {}
    while relay.on_way:
        relay.store()
    assert numbers(relay.stored[SESSIONS[0]], SESSIONS[0]) == list(range(30))
    assert len(relay.stored[SESSIONS[0]]) == 6  # one window, the report of 25, four windows


def test_what_is_large_counts_by_its_size() -> None:
    relay, loud, quiet = HandRelay(), Speaker(), Speaker()
    taken = intake(relay, size_bytes=10_000)
    for _ in range(20):
        quiet.say(taken, SESSIONS[1], size=10)
    for _ in range(5):
        loud.say(taken, SESSIONS[0], size=4000)
    assert loud.fate("dropped") == [1, 2, 3]
    assert quiet.fates == {}


def test_what_has_no_windows_is_declined_when_nothing_else_can_go() -> None:
    relay, speaker = HandRelay(), Speaker()
    taken = intake(relay, messages=3)
    for _ in range(5):
        speaker.say(taken, SESSIONS[0], windows=False)
    assert sorted(speaker.fates) == [3, 4]
    assert all("say it again later" in told[0] for told in speaker.fates.values())


def test_what_the_bus_refuses_for_good_is_declined_with_its_reason() -> None:
    relay, speaker = HandRelay(), Speaker()
    speaker.say(intake(relay), SESSIONS[0])
    relay.store(refusal="no right to publish there")
    assert speaker.fates == {0: ["declined: no right to publish there"]}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 1), st.booleans(), st.integers(1, 250)),
        st.tuples(st.just("store"), st.integers(0, 100), st.booleans(), st.just(0)),
    ),
    max_size=120,
)


@settings(max_examples=300)
@given(steps=STEPS, messages=st.integers(1, 12), size_bytes=st.integers(200, 3000), on_way=st.integers(1, 3))
def test_each_message_has_one_fate_and_every_window_is_stored_or_reported_lost_in_order(
    steps: list[tuple[str, int, bool, int]], messages: int, size_bytes: int, on_way: int
) -> None:
    relay, speakers = HandRelay(), (Speaker(), Speaker())
    taken = intake(relay, messages, size_bytes, on_way)
    windows: defaultdict[SessionId, list[int]] = defaultdict(list)
    for what, number, flag, size in steps:
        if what == "say":
            speaker, session = speakers[number], SESSIONS[2 * number + size % 2]
            if flag:
                windows[session].append(speaker.said)
            speaker.say(taken, session, windows=flag, size=size)
            assert taken.messages <= messages + on_way
            assert len(relay.on_way) <= on_way
        elif relay.on_way:
            relay.store(number)
    while relay.on_way:
        relay.store()
    assert (taken.messages, taken.size_bytes) == (0, 0)
    for speaker in speakers:
        assert not speaker.waiting
        assert speaker.waiting_bytes == 0
        assert sorted(speaker.fates) == list(range(speaker.said))
        assert all(len(told) == 1 for told in speaker.fates.values())
    for session, seqs in windows.items():
        found = numbers(relay.stored[session], session)
        assert found == sorted(set(found))
        assert set(seqs) <= set(found)
