"""The load for the fast line: sandboxes that send real windows as fast, or as evenly, as they are told.

A process of its own: load.py NATS_URL SESSIONS BATCH RATE SECONDS IN_FLIGHT, where RATE is in windows/s and 0 means as
fast as answers come. Prints one JSON object.
"""

import json
import sys
import threading
import time
from functools import partial
from typing import Any
from uuid import uuid4

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.codec import sandbox
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact, EndReason
from drlactors.ports.bus import Kind
from drlactors.sandboxes.recording import recordings
from drlactors.wire.v1 import action_pb2

#: A window without an answer after so long counts as lost.
PATIENCE_S = 30.0
#: That are made beforehand: 1 kB each.
MOST_WINDOWS = 320_000


class Load:
    """Messages are made before the clock starts; first answers are counted, and one in ``sample`` is timed.

    It has to cost little beside what it measures: an answer is parsed, and looked into as far as one is timed.
    """

    def __init__(self, url: str, sessions: int, batch: int, sample: int) -> None:
        self.link = NatsSandboxLink(url)
        self.sessions = [SessionId(uuid4()) for _ in range(sessions)]
        self.batch = batch
        self.sample = sample
        self.answered = 0
        self.latencies_ms: list[float] = []
        self._sent_s: list[dict[int, float]] = [{} for _ in self.sessions]  # by window
        self._changed = threading.Condition()
        self._windows = [window for one in recordings() for window in one.windows]
        for number, session in enumerate(self.sessions):
            self.link.listen(session, partial(self._hear, number))

    def start(self) -> None:
        """Begin all sessions, and one more, which is in the queue behind them: when it is answered, all have begun."""
        last = SessionId(uuid4())
        answered = threading.Event()
        self.link.listen(last, lambda _: answered.set())
        for session in (*self.sessions, last):
            self.link.send(Kind.EPISODE, session, sandbox.start(session, "load", 1, Artifact("ab" * 32, "elf"), 250))
        self.link.send(Kind.TELEMETRY, last, sandbox.windows(last, "load", [self._windows[0]._replace(seq=0)]))
        assert answered.wait(PATIENCE_S)
        self.link.send(Kind.EPISODE, last, sandbox.end(last, "load", EndReason.FINISHED))
        assert self.link.flush(PATIENCE_S)

    def message(self, number: int, seq: int) -> bytes:
        """The message of one session that begins with window ``seq``: windows of one recording, in order."""
        at = number * 7919 + seq
        seen = [
            self._windows[(at + offset) % len(self._windows)]._replace(seq=seq + offset) for offset in range(self.batch)
        ]
        return sandbox.windows(self.sessions[number], "load", seen)

    def _hear(self, number: int, data: bytes) -> None:
        decisions = action_pb2.Actions.FromString(data).decisions
        now_s, timed = time.perf_counter(), self._sent_s[number]
        for decision in decisions if timed else ():
            sent_s = timed.pop(decision.seq, None)
            if sent_s is not None:
                self.latencies_ms.append((now_s - sent_s) * 1000)
        with self._changed:
            self.answered += sum(decision.attempt == 1 for decision in decisions)
            self._changed.notify()

    def run(self, rate: float, seconds: float, in_flight: int) -> dict[str, Any]:
        rounds = max(2, int((rate or 12_000 * max(1, self.batch / 4)) * seconds / self.batch / len(self.sessions)))
        rounds = min(rounds, max(2, MOST_WINDOWS // (self.batch * len(self.sessions))))
        made = [
            (number, turn * self.batch, self.message(number, turn * self.batch))
            for turn in range(rounds)
            for number in range(len(self.sessions))
        ]
        began_s, cpu_s = time.perf_counter(), time.process_time()
        sent = 0
        for count, (number, seq, data) in enumerate(made):
            now_s = time.perf_counter()
            if now_s - began_s > seconds:
                break
            if rate:
                due_s = began_s + count * self.batch / rate
                if due_s > now_s:
                    time.sleep(due_s - now_s)
            else:
                with self._changed:
                    if not self._changed.wait_for(lambda: sent - self.answered < in_flight, PATIENCE_S):  # noqa: B023
                        break
            session = self.sessions[number]
            if count % self.sample == 0:
                self._sent_s[number][seq] = time.perf_counter()
            self.link.send(Kind.TELEMETRY, session, data)
            sent += self.batch
        with self._changed:
            self._changed.wait_for(lambda: self.answered >= sent, PATIENCE_S)
        took_s = time.perf_counter() - began_s
        self.latencies_ms.sort()
        return {
            "sent": sent,
            "answered": self.answered,
            "windows_per_s": self.answered / took_s,
            "cpu_s": time.process_time() - cpu_s,
            "p50_ms": self._percentile(0.5),
            "p99_ms": self._percentile(0.99),
            "message_bytes": sum(len(data) for _, _, data in made[:200]) / max(1, len(made[:200])),
        }

    def end(self) -> None:
        """As sandboxes do when a sample is done: what a session holds in the system is given back."""
        for session in self.sessions:
            self.link.send(Kind.EPISODE, session, sandbox.end(session, "load", EndReason.FINISHED))
        assert self.link.flush(PATIENCE_S)

    def _percentile(self, share: float) -> float:
        if not self.latencies_ms:
            return float("nan")
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(share * len(self.latencies_ms)))]


def main() -> None:
    url, sessions, batch, rate, seconds, in_flight = sys.argv[1:]
    load = Load(url, int(sessions), int(batch), sample=1 if float(rate) else 8)
    load.start()
    print(json.dumps(load.run(float(rate), float(seconds), int(in_flight))), flush=True)
    load.end()
    load.link.close()


if __name__ == "__main__":
    main()
