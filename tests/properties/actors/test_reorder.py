"""Whatever order windows come in, they leave in the right one unless some are missing, and none is kept for ever."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.actors.messages import Arrived
from drlactors.actors.reorder import Reorder
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Record
from drlactors.ports.bus import Delivery, Kind
from drlactors.testing.given import window


def arrived(seq: int) -> Arrived:
    delivery = Delivery(seq + 1, Kind.TELEMETRY, SessionId(UUID(int=1)), b"")
    return Arrived(seq + 1, Kind.TELEMETRY, (Record(window(seq)),), "", delivery, "sandbox-1")


def seqs(messages: list[Arrived]) -> list[int]:
    return [_record(message).window.seq for message in messages]


def _record(message: Arrived) -> Record:
    (command,) = message.commands
    assert isinstance(command, Record)
    return command


@settings(max_examples=200)
@given(st.permutations(range(20)))
def test_every_order_becomes_the_right_one(order: list[int]) -> None:
    reorder = Reorder(next_seq=0)
    out = [seq for number in order for seq in seqs(reorder.offer(arrived(number), 0.0, limit=64))]
    assert out == list(range(20))
    assert not reorder.holds()


@settings(max_examples=200)
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 8))
def test_everything_that_enters_leaves(numbers: list[int], limit: int) -> None:
    reorder = Reorder(next_seq=0)
    out = [seq for number in numbers for seq in seqs(reorder.offer(arrived(number), 0.0, limit))]
    out += seqs(reorder.release())
    assert sorted(out) == sorted(numbers)


def test_a_gap_is_given_up_when_its_time_is_over() -> None:
    reorder = Reorder(next_seq=0)
    assert reorder.offer(arrived(2), 10.0, limit=64) == []
    assert reorder.expire(10.4, wait_s=0.5) == []
    assert seqs(reorder.expire(10.6, wait_s=0.5)) == [2]
    assert seqs(reorder.offer(arrived(3), 11.0, limit=64)) == [3]


def test_no_more_than_the_limit_is_held() -> None:
    reorder = Reorder(next_seq=0)
    held = [reorder.offer(arrived(seq), 0.0, limit=4) for seq in range(9, 4, -1)]
    assert [len(out) for out in held] == [0, 0, 0, 0, 5]
    assert seqs(held[-1]) == [5, 6, 7, 8, 9]
