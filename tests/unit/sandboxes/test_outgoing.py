"""What a sandbox keeps while it has no connection: in order, bounded, and every window sent or reported lost once."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.codec.inbound import decode
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import Lose, Record
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind, TooLarge
from drlactors.sandboxes.outgoing import Letter, Outgoing

SESSION = SessionId(UUID(int=1))
LETTER = Letter(Kind.FEEDBACK, b"letter")


class NarrowLink:
    """Takes as many messages as it is told to, none above a size."""

    def __init__(self, most_bytes: int = 1 << 20) -> None:
        self.room = 0
        self.most_bytes = most_bytes
        self.taken: list[tuple[Kind, bytes]] = []

    def offer(self, kind: Kind, _session: SessionId, data: bytes, _traceparent: str = "", /) -> bool:
        if len(data) > self.most_bytes:
            raise TooLarge
        if self.room:
            self.room -= 1
            self.taken.append((kind, data))
            return True
        return False

    def seqs(self) -> list[int]:
        """Of windows that were sent or reported lost, in order."""
        found: list[int] = []
        for kind, data in self.taken:
            if kind is not Kind.FEEDBACK:
                for command in decode(kind, SESSION, data, Rules(0, 0, 0, 0, 0)).commands:
                    match command:
                        case Record(window):
                            found.append(window.seq)
                        case Lose(first_seq=first, last_seq=last):
                            found += range(first, last + 1)
        return found


def window(seq: int, characters: int = 0) -> Window:
    return Window(seq, 250, 1, Telemetry(accessed_paths=("x" * characters,) if characters else ()))


def test_the_oldest_windows_are_dropped_and_reported_where_they_stood() -> None:
    outgoing, link = Outgoing(SESSION, "box", windows=10), NarrowLink()
    outgoing.put(LETTER)
    outgoing.see([window(seq) for seq in range(25)], "")
    outgoing.put(LETTER)
    assert (outgoing.windows, outgoing.dropped) == (10, 15)
    link.room = 100
    assert [one.seq for one in outgoing.hand_over(link)] == list(range(15, 25))
    assert [kind for kind, _ in link.taken] == [Kind.FEEDBACK, Kind.EPISODE, Kind.TELEMETRY, Kind.FEEDBACK]
    assert link.seqs() == list(range(25))


def test_what_waited_goes_together() -> None:
    outgoing, link = Outgoing(SESSION, "box", windows=1000), NarrowLink()
    for seq in range(200):
        outgoing.see([window(seq)], "")
    link.room = 100
    outgoing.hand_over(link)
    assert len(link.taken) == 4


def test_a_window_that_is_too_large_is_reported_lost_and_the_others_go() -> None:
    outgoing, link = Outgoing(SESSION, "box", windows=1000), NarrowLink(most_bytes=500)
    outgoing.see([window(seq, characters=10_000 if seq == 5 else 100) for seq in range(10)], "")
    link.room = 100
    while outgoing:
        outgoing.hand_over(link)
    assert outgoing.dropped == 1
    assert link.seqs() == list(range(10))


@settings(max_examples=300)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("see"), st.integers(1, 30), st.sampled_from(["", "trace"])),
            st.tuples(st.just("room"), st.integers(0, 3), st.just("")),
            st.tuples(st.just("letter"), st.just(0), st.just("")),
        ),
        max_size=60,
    ),
    windows=st.integers(1, 40),
)
def test_every_window_is_sent_or_reported_lost_once_and_in_order(
    steps: list[tuple[str, int, str]], windows: int
) -> None:
    outgoing, link, seen, letters = Outgoing(SESSION, "box", windows), NarrowLink(), 0, 0
    handed: list[int] = []
    for what, number, trace in steps:
        match what:
            case "see":
                outgoing.see([window(seq) for seq in range(seen, seen + number)], trace)
                seen += number
            case "letter":
                outgoing.put(LETTER)
                letters += 1
            case _:
                link.room = number
                handed += [one.seq for one in outgoing.hand_over(link)]
        assert outgoing.windows <= windows
    link.room = 10_000
    handed += [one.seq for one in outgoing.hand_over(link)]
    assert not outgoing
    assert link.seqs() == list(range(seen))
    assert sum(kind is Kind.FEEDBACK for kind, _ in link.taken) == letters
    assert len(handed) + outgoing.dropped == seen
