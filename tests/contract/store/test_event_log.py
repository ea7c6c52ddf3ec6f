"""What every event log promises, in memory and in PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from uuid import uuid4

import msgspec
import pytest

from drlactors.domain import session as session_rules
from drlactors.domain.decider import Decider
from drlactors.domain.episode import EpisodeCompleted, StageConcluded, StageEntered, Verdict
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.review import ReviewClosed, ReviewDecided, ReviewOpened, Ruling
from drlactors.domain.session import ActionFailed, Ended, EndReason, FeedbackReceived, Outcome, SessionLost
from drlactors.ports.log import Append, Category, Entry, EventLog, LogError, Snapshot, Stream
from drlactors.testing.given import ARTIFACT, started
from tests.contract.store.given import AT_US, TRACEPARENT, append, recorded, session, windows


def stored(log: EventLog) -> list[Entry]:
    return list(everything(log))


def everything(log: EventLog) -> Iterator[Entry]:
    after = 0
    while entries := log.read(after, 100):
        yield from entries
        after = entries[-1].position


def test_an_empty_log_has_nothing(log: EventLog) -> None:
    assert log.head() == 0
    assert log.read(0, 10) == []
    assert list(log.stream(session())) == []
    assert log.position("dispatcher") == 0
    assert log.open_sessions() == {}
    assert log.snapshot(session()) is None
    assert log.append([]) == []


def test_what_is_read_is_what_was_appended(log: EventLog) -> None:
    stream = session()
    position = log.append([Append(stream, 0, windows(3), AT_US, "message-7", TRACEPARENT)])[0]
    assert position == log.head()
    assert log.read(0, 10) == [Entry(position, stream, 1, windows(3), AT_US, "message-7", TRACEPARENT)]
    assert log.read(0, 10)[0].version == 6


def test_a_stream_is_read_in_order_from_any_version(log: EventLog) -> None:
    stream, other = session(), session()
    log.append([append(stream, 0), append(other, 0), append(stream, 2, count=2), append(stream, 6)])
    assert [entry.first_version for entry in log.stream(stream)] == [1, 3, 7]
    assert [entry.first_version for entry in log.stream(stream, after=2)] == [3, 7]
    assert [entry.first_version for entry in log.stream(stream, after=8)] == []
    assert {entry.stream for entry in log.stream(other)} == {other}


def test_a_stream_longer_than_a_page_is_whole(log: EventLog) -> None:
    stream = session()
    log.append([append(stream, after) for after in range(0, 1_400, 2)])
    assert [entry.first_version for entry in log.stream(stream)] == list(range(1, 1_400, 2))


def test_a_stream_is_kept_event_by_event_as_it_is_stored(log: EventLog) -> None:
    stream = session()
    first, second = log.append([Append(stream, 0, windows(2), AT_US, "message-7", TRACEPARENT), append(stream, 4)])
    kept = list(log.kept(stream))
    assert [(one.position, one.version) for one in kept] == [(first, number) for number in (1, 2, 3, 4)] + [
        (second, number) for number in (5, 6)
    ]
    assert [one.event for one in kept] == [event for entry in log.stream(stream) for event in entry.events]
    assert {one.kind for one in kept} == {"session.telemetry-recorded:1", "session.action-selected:1"}
    assert (kept[0].at_us, kept[0].causation, kept[0].traceparent) == (AT_US, "message-7", TRACEPARENT)
    assert msgspec.msgpack.decode(kept[1].fields)[:3] == [0, 0, [0.9, 0.1, -0.5, -0.25, 0.0]]
    assert list(log.kept(session())) == []


def test_positions_grow_in_the_order_of_appending(log: EventLog) -> None:
    positions = [log.append([append(session()), append(session())]) for _ in range(3)]
    flat = [position for pair in positions for position in pair if position is not None]
    assert len(flat) == 6
    assert all(earlier < later for earlier, later in pairwise(flat))
    assert [entry.position for entry in log.read(flat[1], 3)] == flat[2:5]


def test_a_stale_append_fails_alone(log: EventLog) -> None:
    taken, free = session(), session()
    log.append([append(taken, 0, causation="first")])
    positions = log.append([append(free, 0), append(taken, 0, causation="second"), append(free, 2)])
    assert positions[1] is None
    assert None not in (positions[0], positions[2])
    assert [entry.causation for entry in log.stream(taken)] == ["first"]


@pytest.mark.parametrize("after", [1, 3, 5, 7, 8, 100])
def test_an_append_inside_or_beyond_what_is_stored_is_stale(log: EventLog, after: int) -> None:
    stream = session()
    log.append([append(stream, 0), append(stream, 2, count=2)])
    assert log.append([Append(stream, after, windows(1), AT_US, "late")]) == [None]
    assert len(list(log.stream(stream))) == 2


def test_a_version_that_was_never_seen_does_not_begin_a_stream(log: EventLog) -> None:
    assert log.append([append(session(), 2)]) == [None]


def test_appends_that_follow_a_stale_one_are_stale_too(log: EventLog) -> None:
    """They were decided on events that never came to be, though other events stand at those versions."""
    stream = session()
    log.append([append(stream, 0, causation="of another process")])
    assert log.append([append(stream, 0, causation="ours"), append(stream, 2)]) == [None, None]
    assert len(list(log.stream(stream))) == 1


def test_repeating_an_append_gives_the_position_it_has(log: EventLog) -> None:
    first, second = append(session()), append(session())
    positions = log.append([first, second])
    assert log.append([second, first]) == positions[::-1]
    assert log.append([append(session()), first])[1] == positions[0]
    assert log.append([first, first]) == [positions[0], positions[0]]
    assert len(stored(log)) == 3


def test_repeats_within_a_batch_are_stored_once(log: EventLog) -> None:
    stream = session()
    first, other = append(stream, 0, causation="a"), append(stream, 0, causation="b")
    positions = log.append([first, first, other, append(stream, 2)])
    assert positions[0] == positions[1]
    assert positions[2] is None
    assert next(log.stream(stream)).causation == "a"


def test_a_repeat_is_found_behind_another_append_that_claims_its_place(log: EventLog) -> None:
    stream = session()
    first = append(stream, 0, causation="a")
    [position] = log.append([first])
    assert log.append([append(stream, 0, causation="b"), first, append(stream, 2)])[:2] == [None, position]


def test_a_chain_that_was_stored_may_be_repeated_and_continued(log: EventLog) -> None:
    stream = session()
    chain = [append(stream, after) for after in (0, 2, 4)]
    positions = log.append(chain[:2])
    assert log.append(chain)[:2] == positions
    assert len(list(log.stream(stream))) == 3


def test_an_append_without_events_is_refused(log: EventLog) -> None:
    with pytest.raises(ValueError, match="one category, not none"):
        log.append([append(session()), Append(session(), 0, (), AT_US, "")])
    assert log.head() == 0


def test_events_of_another_category_are_refused(log: EventLog) -> None:
    with pytest.raises(ValueError, match=r"session\.telemetry-recorded:1 cannot be appended to episode-"):
        log.append([Append(Stream(Category.EPISODE, uuid4()), 0, (recorded(0),), AT_US, "")])


def test_an_id_belongs_to_one_category(log: EventLog) -> None:
    stream = session()
    log.append([append(stream)])
    episode = Stream(Category.EPISODE, stream.id)
    assert log.append([Append(episode, 0, (EpisodeCompleted(Verdict.BENIGN),), AT_US, "")]) == [None]
    with pytest.raises(LogError, match="belongs to session-"):
        list(log.stream(episode))


def test_open_sessions_are_those_that_began_and_are_not_over(log: EventLog) -> None:
    running, quiet, ended, lost, answered, unstarted = (session() for _ in range(6))
    begin, end, lose = (started(),), (Ended(EndReason.FINISHED),), (SessionLost(120_000),)
    log.append([Append(stream, 0, begin, AT_US, "start") for stream in (running, quiet, ended, lost, answered)])
    log.append([append(unstarted)])
    log.append([Append(running, 1, windows(3), AT_US + 5, "window"), Append(answered, 1, windows(1), AT_US, "window")])
    log.append([Append(ended, 1, end, AT_US, "end"), Append(lost, 1, lose, AT_US, "self")])
    log.append([Append(answered, 3, end, AT_US, "end")])
    log.append([Append(answered, 4, (FeedbackReceived(0, True, "done", ""),), AT_US, "a late answer")])
    assert log.open_sessions() == {running: AT_US + 5, quiet: AT_US}


def test_a_thousand_sessions_are_open(log: EventLog) -> None:
    streams = [session() for _ in range(1_000)]
    log.append([Append(stream, 0, (started(),), AT_US + n, "start") for n, stream in enumerate(streams)])
    assert log.open_sessions() == {stream: AT_US + n for n, stream in enumerate(streams)}


def test_open_episodes_are_those_without_a_verdict(log: EventLog) -> None:
    waiting, decided, at_once, running = (Stream(Category.EPISODE, uuid4()) for _ in range(4))
    first = StageEntered(1, SessionId(uuid4()), ARTIFACT)
    clean = StageConcluded(1, first.session, Outcome.BENIGN)
    second = StageEntered(2, SessionId(uuid4()), ARTIFACT)
    over = (StageConcluded(2, second.session, Outcome.MALICIOUS), EpisodeCompleted(Verdict.FALSE_NEGATIVE))
    assert log.open_episodes() == {}
    log.append([Append(stream, 0, (first,), AT_US, "start") for stream in (waiting, decided, running)])
    log.append(
        [Append(at_once, 0, (first, clean._replace(outcome=None), EpisodeCompleted(Verdict.PARTIAL)), AT_US, "")]
    )
    log.append([Append(waiting, 1, (clean,), AT_US + 7, "end")])
    log.append([Append(stream, 1, (second,), AT_US + 9, "start") for stream in (decided, running)])
    log.append([Append(decided, 2, over, AT_US + 9, "end")])
    assert log.open_episodes() == {waiting: AT_US + 7, running: AT_US + 9}
    assert log.newest_episodes(3) == [at_once, running, decided]


def test_open_reviews_are_those_that_were_opened_and_not_closed(log: EventLog) -> None:
    waiting, answered, closed = (Stream(Category.REVIEW, uuid4()) for _ in range(3))
    asked = ReviewOpened(SessionId(uuid4()), 0, EpisodeId(uuid4()), ARTIFACT, None, AT_US, Ruling.CONTINUE)
    assert log.open_reviews() == []
    log.append([Append(stream, 0, (asked,), AT_US, "asked") for stream in (waiting, answered, closed)])
    decided = (ReviewDecided(Ruling.RELEASE, "ann", "an installer", late=False),)
    log.append([Append(stream, 1, decided, AT_US, "by hand") for stream in (answered, closed)])
    log.append([Append(closed, 2, (ReviewClosed(),), AT_US, "self")])
    assert set(log.open_reviews()) == {waiting, answered}


def test_positions_are_remembered_with_the_append_and_never_fall(log: EventLog) -> None:
    log.append([append(session())], {"telemetry.0": 70, "telemetry.1": 5})
    log.append([append(session())], {"telemetry.0": 60, "telemetry.1": 6})
    assert (log.position("telemetry.0"), log.position("telemetry.1")) == (70, 6)
    log.append([], {"telemetry.0": 71})
    assert log.position("telemetry.0") == 71


def test_positions_are_remembered_when_all_appends_are_stale_or_repeats(log: EventLog) -> None:
    stream = session()
    log.append([append(stream)])
    log.append([append(stream), append(stream, 0, causation="other")], {"telemetry": 9})
    assert log.position("telemetry") == 9


def test_a_batch_of_5000_rows(log: EventLog) -> None:
    streams = [session() for _ in range(50)]
    batch = [append(stream, after) for after in range(0, 200, 2) for stream in streams]
    positions = log.append(batch, {"telemetry": 5_000})
    assert [entry.position for entry in everything(log)] == positions
    assert log.append(batch) == positions


def test_a_large_batch_with_one_stale_append_in_it(log: EventLog) -> None:
    taken = session()
    log.append([append(taken)])
    batch = [*(append(session()) for _ in range(1_500)), append(taken, 0, causation="late")]
    positions = log.append(batch)
    assert positions.pop() is None
    assert None not in positions
    assert len(stored(log)) == 1_501


def test_a_row_of_5_mb(log: EventLog) -> None:
    stream = session()
    log.append([append(session())])
    log.append([append(stream, 0, count=14_000), append(session())])
    assert next(log.stream(stream)).events == windows(14_000)
    assert len(stored(log)) == 3


def test_a_snapshot_comes_back_and_only_a_newer_one_replaces_it(log: EventLog) -> None:
    stream = session()
    decider: Decider = session_rules.DECIDER
    state = decider.initial
    for event in windows(3):
        state = decider.evolve(state, event)
    log.save_snapshot(stream, Snapshot(6, state))
    log.save_snapshot(stream, Snapshot(4, session_rules.INITIAL))
    assert log.snapshot(stream) == Snapshot(6, state)
    log.save_snapshot(stream, Snapshot(8, session_rules.INITIAL))
    assert log.snapshot(stream) == Snapshot(8, session_rules.INITIAL)
    assert log.snapshot(session()) is None


def test_a_subscription_gives_what_is_there_and_what_comes(log: EventLog) -> None:
    [first] = log.append([append(session())])
    assert first is not None
    subscription = log.subscribe(0)
    batches = iter(subscription)
    assert [entry.position for entry in next(batches)] == [first]
    later = threading.Timer(0.1, lambda: log.append([append(session())]))
    later.start()
    assert [entry.position for entry in next(batches)] == [log.head()]
    later.join()
    subscription.close()
    assert list(batches) == []
    assert list(subscription) == []


def test_a_subscription_begins_after_its_position(log: EventLog) -> None:
    positions = log.append([append(session()) for _ in range(3)])
    assert positions[0] is not None
    with_rest = log.subscribe(positions[0])
    assert [entry.position for entry in next(iter(with_rest))] == positions[1:]
    with_rest.close()


def test_closing_a_subscription_ends_it_in_another_thread(log: EventLog) -> None:
    subscription = log.subscribe(0)
    follower = threading.Thread(target=lambda: list(subscription))
    follower.start()
    time.sleep(0.05)
    subscription.close()
    follower.join(timeout=30)
    assert not follower.is_alive()


def test_closing_the_log_ends_its_subscriptions(log: EventLog) -> None:
    follower = threading.Thread(target=list, args=(log.subscribe(0),))
    follower.start()
    time.sleep(0.05)
    log.close()
    follower.join(timeout=30)
    assert not follower.is_alive()


def test_a_follower_sees_every_entry_of_concurrent_writers_once_and_in_order(log: EventLog) -> None:
    seen: list[Entry] = []
    subscription = log.subscribe(0)

    def follow() -> None:
        for entries in subscription:
            seen.extend(entries)

    def write(worker: int) -> None:
        streams = [session() for _ in range(5)]
        for after in range(0, 60, 2):
            log.append([append(stream, after) for stream in streams], {f"worker.{worker}": after})

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    for thread in (follower, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    deadline_s = time.monotonic() + 60
    while len(seen) < 900 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    subscription.close()
    follower.join()
    assert [entry.position for entry in seen] == [entry.position for entry in everything(log)]
    assert len(seen) == 900


def test_writers_that_race_for_one_stream_are_told_who_lost(log: EventLog) -> None:
    stream = session()
    won: list[str] = []

    def race(name: str) -> None:
        after = 0
        while after < 40:
            [position] = log.append([append(stream, after, causation=name)])
            if position is not None:
                won.append(name)
            after = max((entry.version for entry in log.stream(stream)), default=0)

    racers = [threading.Thread(target=race, args=(f"racer-{number}",)) for number in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    entries = list(log.stream(stream))
    assert [entry.first_version for entry in entries] == list(range(1, entries[-1].version, 2))
    assert sorted(won) == sorted(entry.causation for entry in entries)


def test_turns_are_the_ends_of_sessions_what_was_answered_later_and_their_episodes(log: EventLog) -> None:
    ended, lost, open_ = session(), session(), session()
    episode = Stream(Category.EPISODE, uuid4())
    answer, finished = FeedbackReceived(0, True, "done", ""), Ended(EndReason.FINISHED)
    positions = log.append([
        Append(open_, 0, (started(), *windows(1)), AT_US, ""),
        Append(open_, 3, (answer,), AT_US, ""),
        Append(ended, 0, (started(), *windows(1)), AT_US, ""),
        Append(ended, 3, (finished,), AT_US, ""),
        Append(episode, 0, (EpisodeCompleted(Verdict.BENIGN),), AT_US, ""),
        Append(lost, 0, (SessionLost(30_000),), AT_US, ""),
        Append(ended, 4, (answer,), AT_US, ""),
        Append(ended, 5, (ActionFailed(0, 3, "no answer"),), AT_US, ""),
    ])  # fmt: skip
    turned = [positions[index] for index in (3, 4, 5, 6, 7)]
    assert [turn.position for turn in log.turns(0, 100)] == turned
    assert [turn.position for turn in log.turns(0, 2)] == turned[:2]
    assert [turn.position for turn in log.turns(turned[1] or 0, 100)] == turned[2:]
    assert log.turns(log.head(), 100) == []
