"""Plays recorded sessions as live sandboxes.

A recording does not react: terminating it only stops the playing, isolating it changes nothing in what follows.
"""

import heapq
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId, episode_of
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.ports.clock import Clock
from drlactors.sandboxes.recording import Recording
from drlactors.sandboxes.sdk import Done, Instruction, Sandbox, Session

#: What was sent has so long to be answered before the session is concluded without the answers.
PATIENCE_S = 10.0


@dataclass(slots=True)
class Played:
    """One recording while it is played, and what came of it."""

    recording: Recording
    session: SessionId
    episode: EpisodeId | None = None  # that it continues, in stage 2
    hosted: Session | None = None
    sent: int = 0  # windows
    over_s: float | None = None  # since when there is nothing more to send
    outcome: Outcome | None = None

    @property
    def stopped(self) -> Action | None:
        return self.hosted.stopped if self.hosted else None


class Player:
    """Plays on the caller's thread; many recordings at once, each at its own pace times ``speed``."""

    def __init__(self, host: Sandbox, clock: Clock, *, speed: float = 1.0, batch: int = 1) -> None:
        self._host = host
        self._clock = clock
        self._speed = speed
        self._batch = batch
        self._stop = threading.Event()
        self.playing: list[Played] = []

    def stop(self) -> None:
        """End all sessions at their next window: from any thread."""
        self._stop.set()

    def play(self, recordings: Iterable[Recording], *, at_once: int) -> list[Played]:
        """Play all of stage 1; an artifact that was judged clean goes on to its recording of stage 2."""
        first: list[Recording] = []
        second: dict[str, Recording] = {}
        for recording in recordings:
            if recording.stage == 1:
                first.append(recording)
            else:
                second[recording.artifact_sha256] = recording
        waiting: list[tuple[Recording, EpisodeId | None]] = [(recording, None) for recording in reversed(first)]
        agenda: list[tuple[float, int, Played]] = []
        ties = count()
        done: list[Played] = []
        while (waiting or agenda) and not (self._stop.is_set() and not agenda):
            while waiting and len(agenda) < at_once and not self._stop.is_set():
                recording, episode = waiting.pop()
                played = Played(recording, SessionId(uuid4()), episode)
                self.playing.append(played)
                heapq.heappush(agenda, (self._clock.monotonic_s() + self._pace_s(played), next(ties), played))
            due_s, _, played = agenda[0]
            pause_s = due_s - self._clock.monotonic_s()
            if pause_s > 0 and self._stop.wait(pause_s):
                pause_s = 0
            heapq.heappop(agenda)
            if self._step(played):
                heapq.heappush(agenda, (due_s + self._pace_s(played), next(ties), played))
                continue
            if played.hosted is None:
                continue  # stopped before it began
            self._finish(played)
            done.append(played)
            follow = second.get(played.recording.artifact_sha256)
            if follow is not None and played.recording.stage == 1 and played.outcome is Outcome.BENIGN:
                waiting.append((follow, episode_of(played.session)))
        return done

    def _pace_s(self, played: Played) -> float:
        return played.recording.window_ms / 1000 * self._batch / self._speed

    def _step(self, played: Played) -> bool:
        """Open the session, send its next windows, or wait for the last answers; False when it is to be concluded."""
        if self._stop.is_set():
            return False
        if played.hosted is None:
            played.hosted = self._open(played)
            return True
        windows = played.recording.windows
        if played.stopped is not None or played.sent >= len(windows):
            return self._waits(played, played.hosted)
        now_us = self._clock.now_us()
        batch = [
            window._replace(seq=seq, observed_us=now_us)
            for seq, window in enumerate(windows[played.sent : played.sent + self._batch], start=played.sent)
        ]
        played.hosted.send(batch)
        played.sent += len(batch)
        return True

    def _open(self, played: Played) -> Session:
        recording = played.recording
        return self._host.start(
            Artifact(recording.artifact_sha256, recording.artifact_type),
            _carry_out,
            window_ms=recording.window_ms,
            continues=played.episode,
            session=played.session,
        )

    def _waits(self, played: Played, hosted: Session) -> bool:
        """Whether an answer may still come: played faster than recorded, windows are sent before they are decided."""
        now_s = self._clock.monotonic_s()
        played.over_s = now_s if played.over_s is None else played.over_s
        return hosted.unanswered() > 0 and now_s - played.over_s < PATIENCE_S

    def _finish(self, played: Played) -> None:
        """Stage 1 concludes from what was done about the sample; stage 2 looks closely and knows.

        A session that was cut off concludes nothing.
        """
        assert played.hosted is not None
        stopped, malicious = played.stopped is not None, played.recording.malicious
        if stopped or played.sent == len(played.recording.windows):
            convicted = malicious and (stopped or played.recording.stage == 2)
            played.outcome = Outcome.MALICIOUS if convicted else Outcome.BENIGN
            played.hosted.report(played.outcome, played.recording.family)
        played.hosted.end(EndReason.TERMINATED if stopped else EndReason.FINISHED)


def _carry_out(instruction: Instruction) -> Done:
    outcomes = {Action.CONTINUE: "resumed", Action.ISOLATE: "isolated", Action.REVIEW: "waiting"}
    return Done(outcome=outcomes.get(instruction.action, "stopped"))
