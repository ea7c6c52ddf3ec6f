"""A hundred thousand bad messages neither stop nor slow the others."""

import random
import threading
from uuid import UUID

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.codec import sandbox as wire
from drlactors.codec.inbound import Malformed, decode
from drlactors.config.load import load
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import EndReason, Start
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.sandboxes.sdk import Answer, Sandbox
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from drlactors.wiring import SystemClock
from tests.acceptance.bad_input.kit import counted, feedback, of_each_kind
from tests.acceptance.harness import Crowd, SystemProcess, audit, resident_mb, wait_for
from tests.acceptance.raw import SANDBOX, Raw

RULES = Rules(**load().settings.rules.model_dump())
MESSAGES = 100_000
SESSIONS = 20
CALM_ROUNDS = 60
#: Sent as fast as it is turned away. All messages are one queue: a window behind ten thousand others waits for them.
BEHIND_AT_MOST, PORTION = 500, 100
#: Machines are noisy, and this one plays sandboxes and servers, too.
GROWTH_AT_MOST_MB = 200.0


def rubbish(dice: random.Random) -> tuple[Kind, SessionId, bytes]:
    """Bits, mutated messages, and good ones for sessions that nobody started: a third each."""
    session = SessionId(UUID(int=dice.getrandbits(128), version=4))
    kind = dice.choice(list(Kind))
    match dice.randrange(3):
        case 0:
            return kind, session, dice.randbytes(dice.randrange(300))
        case 1:
            message = bytearray(of_each_kind(session)[kind])
            for _ in range(dice.randrange(1, 6)):
                message[dice.randrange(len(message))] = dice.randrange(256)
            return kind, session, bytes(message[: dice.randrange(len(message) // 2, len(message) + 1)])
        case _:
            message_of = {
                Kind.TELEMETRY: lambda: wire.windows(
                    session, SANDBOX, [Window(dice.randrange(4), 250, 1, Telemetry(syscall_count=3))]
                ),
                Kind.FEEDBACK: lambda: feedback(session, dice.randrange(4)),
                Kind.EPISODE: lambda: wire.end(session, SANDBOX, EndReason.FINISHED),
            }
            return kind, session, message_of[kind]()


def begins_a_session(kind: Kind, session: SessionId, data: bytes) -> bool:
    """Whether a mutated start is still a good one: that is not rubbish, and is left out."""
    try:
        inbound = decode(kind, session, data, RULES)
    except Malformed:
        return False
    return isinstance(inbound.commands[0], Start)


def test_a_hundred_thousand_bad_messages_neither_stop_nor_slow_the_others(
    raw: Raw, real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess
) -> None:
    dice = random.Random(20)
    bad = [one for one in (rubbish(dice) for _ in range(MESSAGES * 6 // 5)) if not begins_a_session(*one)][:MESSAGES]
    assert len(bad) == MESSAGES
    raw.count_only = True
    latencies_s: list[float] = []
    link = NatsSandboxLink(real[0].url)

    def watch(answer: Answer) -> None:
        latencies_s.append(answer.latency_s)

    host = Sandbox(link, "crowd", resend_s=5.0, watch=watch)
    crowd = Crowd(host, SESSIONS, windows=CALM_ROUNDS)
    last = 0

    def play_round() -> None:
        nonlocal last
        crowd.play(last, last + 1)
        last += 1
        wait_for(lambda: crowd.unanswered() == 0, 60, "a round is answered")

    for _ in range(CALM_ROUNDS):
        play_round()
    calm_p99_s, calm_mb = p99(latencies_s), resident_mb(system.pid)
    host_2 = Sandbox(link, "crowd", resend_s=5.0, watch=watch)
    storm = Crowd(host_2, SESSIONS, windows=20_000)
    crowd_windows, last = crowd, 0
    crowd = storm
    latencies_s.clear()
    turned_away = turned_away_so_far(system)
    buried = raw.buried_in_stream()
    room = threading.Semaphore(BEHIND_AT_MOST)

    def send() -> None:
        for at in range(0, MESSAGES, PORTION):
            for _ in range(PORTION):
                room.acquire()
            raw.publish([(f"drl.v1.{kind}.{session}", data) for kind, session, data in bad[at : at + PORTION]])

    sender = threading.Thread(target=send, daemon=True)
    clock = SystemClock()
    began_s = clock.monotonic_s()
    sender.start()
    peak_mb, handled = calm_mb, 0
    while handled < MESSAGES and clock.monotonic_s() - began_s < 600:
        play_round()
        now = turned_away_so_far(system) - turned_away
        if now > handled:
            room.release(now - handled)
        handled = now
        peak_mb = max(peak_mb, resident_mb(system.pid))
    took_s = clock.monotonic_s() - began_s
    assert handled == MESSAGES
    sender.join()
    storm.windows = last
    storm_p99_s = p99(latencies_s)
    print(
        f"p99 {calm_p99_s * 1000:.1f} ms before, {storm_p99_s * 1000:.1f} ms during; {MESSAGES / took_s:,.0f} bad "
        f"messages/s for {took_s:.1f} s beside {len(latencies_s)} windows; {calm_mb:.0f} MB, at most {peak_mb:.0f}"
    )
    assert system.alive()
    wait_for(lambda: raw.buried_in_stream() - buried == MESSAGES, 60, "every one of them is a dead letter")
    assert crowd_windows.finish() == 0
    assert storm.finish() == 0
    for played in (crowd_windows, storm):
        wait_for(lambda played=played: audit(real[1].dsn, played) == [], 60, "nothing is missing")  # type: ignore[misc]
    host.close()
    host_2.close()
    link.close()
    assert peak_mb - calm_mb < GROWTH_AT_MOST_MB


def turned_away_so_far(system: SystemProcess) -> int:
    return counted(system, "drl_dead_letters_total") + counted(system, "drl_refusals_total")


def p99(latencies_s: list[float]) -> float:
    ordered = sorted(latencies_s)
    return ordered[int(len(ordered) * 0.99)]
