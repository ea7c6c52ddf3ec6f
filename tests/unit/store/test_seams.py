"""Which versions an append may follow, as far as the log remembers."""

from uuid import uuid4

from drlactors.store.rows import Place
from drlactors.store.seams import Seams


def test_every_stream_may_begin() -> None:
    assert Seams().knows(Place(uuid4(), 0))


def test_the_newest_seam_is_known_and_an_older_one_does_not_replace_it() -> None:
    seams, stream = Seams(), uuid4()
    seams.add(Place(stream, 4))
    seams.add(Place(stream, 2))
    assert seams.knows(Place(stream, 4))
    assert not seams.knows(Place(stream, 2))
    assert not seams.knows(Place(uuid4(), 4))


def test_the_stream_that_was_used_longest_ago_is_forgotten() -> None:
    seams, streams = Seams(capacity=2), [uuid4() for _ in range(3)]
    seams.add(Place(streams[0], 1))
    seams.add(Place(streams[1], 1))
    seams.add(Place(streams[0], 2))
    seams.add(Place(streams[2], 1))
    assert [seams.knows(Place(stream, 1)) for stream in streams] == [False, False, True]
    assert seams.knows(Place(streams[0], 2))
