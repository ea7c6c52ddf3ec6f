"""A sandbox that floods, stalls, or speaks of what is not its own harms only itself."""

import hashlib

from google.rpc import code_pb2

from drlactors.domain.session import Lose
from drlactors.testing.servers import EmbeddedNats
from drlactors.wire.v1 import episode_pb2, feedback_pb2, gateway_pb2
from tests.contract.sandboxes.kit import Plane, until
from tests.integration.gateway.kit import Box, Client, Serving

TOKENS = {hashlib.sha256(name.encode()).hexdigest(): name for name in ("victim", "thief")}


def test_who_floods_waits_and_others_do_not(own_nats: EmbeddedNats, plane: Plane) -> None:
    flood, calm = Box("flood"), Box("calm")
    with (
        Serving(own_nats.url, stream_messages=64) as serving,
        Client(serving.address).converse() as flooding,
        Client(serving.address).converse() as quiet,
    ):
        flooding.say(**flood.begin())
        for seq in range(20_000):
            flooding.say(**flood.windows(seq))
        quiet.say(**calm.begin())
        for seq in range(50):
            quiet.say(**calm.windows(seq))
            quiet.wait(lambda seq=seq: len(quiet.stored) == seq + 2)  # type: ignore[misc]
        assert flooding.settled() < 20_000
        for one in (flooding, quiet):
            assert (one.dropped, one.declined) == ({}, {})
    plane.wait_seqs(calm.id, list(range(50)))


def test_what_does_not_fit_while_the_bus_is_away_is_dropped_counted_recorded_and_told(
    own_nats: EmbeddedNats, plane: Plane
) -> None:
    flood, calm = Box("flood"), Box("calm")
    with (
        Serving(own_nats.url, queue_messages=200, stream_messages=10_000) as serving,
        Client(serving.address).converse() as flooding,
        Client(serving.address).converse() as quiet,
    ):
        flooding.say(**flood.begin())
        quiet.say(**calm.begin())
        flooding.wait(lambda: flooding.stored)
        quiet.wait(lambda: quiet.stored)
        own_nats.kill()
        for seq in range(50):
            quiet.say(**calm.windows(seq))
        assert until(lambda: serving.observer.totals["waiting"] == 50)  # else the other could take its places
        for seq in range(1000):
            flooding.say(**flood.windows(seq))
        flooding.wait(lambda: len(flooding.dropped) == 850)  # 200 wait: 50 of the calm one, 150 of this
        own_nats.start()
        flooding.wait(lambda: flooding.settled() == 1001)
        quiet.wait(lambda: len(quiet.stored) == 51)
        assert (quiet.dropped, quiet.declined, flooding.declined) == ({}, {}, {})
        assert until(lambda: any(name == "gateway.overflow" for name, _ in serving.observer.notes))
        assert serving.observer.totals["overflowed"] == 850
    plane.wait_seqs(calm.id, list(range(50)))
    lost = [command for command in plane.commands(flood.id) if isinstance(command, Lose)]
    assert sum(one.last_seq - one.first_seq + 1 for one in lost) == 850
    reported = {seq for one in lost for seq in range(one.first_seq, one.last_seq + 1)}
    assert reported == {loss.first_seq for loss in flooding.dropped.values()}
    assert sorted(reported | set(plane.seqs(flood.id))) == list(range(1000))


def test_who_does_not_read_is_not_read_from_and_others_are(own_nats: EmbeddedNats, plane: Plane) -> None:
    deaf, calm = Box("deaf"), Box("calm")
    with (
        Serving(own_nats.url) as serving,
        Client(serving.address).converse(reads=False) as stalling,
        Client(serving.address).converse() as quiet,
    ):
        stalling.say(**deaf.begin())
        for seq in range(200):
            stalling.say(**deaf.windows(*range(seq * 100, seq * 100 + 100)))
        quiet.say(**calm.begin())
        plane.wait(lambda: plane.seqs(deaf.id)[-1:] == [19_999])
        for seq in range(10_000):
            plane.answer(deaf.id, seq)
        for seq in range(50):
            quiet.say(**calm.windows(seq))
        quiet.wait(lambda: len(quiet.stored) == 51)
        plane.answer(calm.id, 0)
        quiet.wait(lambda: quiet.actions)
        told = 0
        for frame in stalling.call:  # what was kept for it: the newest
            told += len(frame.actions)
            if frame.actions and frame.actions[-1].decisions[-1].seq == 9999:
                break
        assert 4096 <= told < 10_000


def test_nobody_speaks_of_or_hears_a_session_of_another(own_nats: EmbeddedNats, plane: Plane) -> None:
    box = Box("victim")
    stolen = Box("thief", box.id)
    with (
        Serving(own_nats.url, tokens=TOKENS) as serving,
        Client(serving.address, token="victim").converse() as victim,
        Client(serving.address, token="thief").converse() as thief,
    ):
        victim.say(**box.begin())
        victim.wait(lambda: victim.stored)
        tried = [
            thief.say(**stolen.listen()),
            thief.say(**stolen.begin()),
            thief.say(**stolen.windows(0)),
            thief.say(**box.windows(0)),  # in the victim's name
            thief.say(feedback=feedback_pb2.Feedback(**stolen.about, action_id=f"{box.id}:3", success=True)),
            thief.say(episode=episode_pb2.Episode(end=episode_pb2.End(**stolen.about))),
        ]
        thief.wait(lambda: thief.settled() == len(tried))
        assert sorted(thief.declined) == tried
        assert {one.code for one in thief.declined.values()} == {code_pb2.PERMISSION_DENIED}
        own = Box("thief")
        thief.say(**own.begin())
        thief.wait(lambda: thief.stored)
        plane.answer(box.id, 0)
        plane.answer(own.id, 1)
        victim.wait(lambda: victim.actions)
        thief.wait(lambda: thief.actions)
        assert [actions.session_id for actions in thief.actions] == [str(own.id)]
        assert [actions.session_id for actions in victim.actions] == [str(box.id)]
        assert len(plane.commands(box.id)) == 1


def test_the_log_knows_the_owner_also_for_a_gateway_that_has_just_started(own_nats: EmbeddedNats, plane: Plane) -> None:
    box = Box("victim")
    with Serving(own_nats.url, tokens=TOKENS) as serving, Client(serving.address, token="thief").converse() as thief:
        serving.started_by[box.id] = "victim"
        number = thief.say(**Box("thief", box.id).listen())
        thief.wait(thief.settled)
        assert thief.declined[number].code == code_pb2.PERMISSION_DENIED


def test_who_spoke_of_a_session_before_the_log_named_another_hears_nothing_of_it(
    own_nats: EmbeddedNats, plane: Plane
) -> None:
    box = Box("victim")
    with (
        Serving(own_nats.url, tokens=TOKENS) as serving,
        Client(serving.address, token="victim").converse() as victim,
        Client(serving.address, token="thief").converse() as thief,
    ):
        thief.say(**Box("thief", box.id).listen())
        thief.wait(lambda: thief.stored)
        serving.started_by[box.id] = "victim"

        def taken() -> bool:
            number = victim.say(**box.listen())
            victim.wait(lambda: number in victim.stored or number in victim.declined)
            return number in victim.stored

        assert until(taken)  # the log is asked once a second
        own = Box("thief")
        thief.say(listen=gateway_pb2.Listen(**own.about))
        thief.wait(lambda: len(thief.stored) == 2)
        plane.answer(box.id, 0)
        plane.answer(own.id, 1)
        victim.wait(lambda: victim.actions)
        thief.wait(lambda: thief.actions)
        assert [actions.session_id for actions in thief.actions] == [str(own.id)]
