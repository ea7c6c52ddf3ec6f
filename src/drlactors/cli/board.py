"""What the demo shows while it runs: the sandboxes' sessions, the decisions about them, and what the learner says."""

from collections import Counter, deque
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drlactors.sandboxes.player import Played
    from drlactors.sandboxes.sdk import Answer

SHOWN = 12


class Board:
    """What the sandboxes have seen so far: written by the host's thread, read by the display's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.windows = 0
        self.learner = ""  # its last line
        self._actions: Counter[str] = Counter()
        self._latencies_ms: deque[float] = deque(maxlen=2000)
        self._latest: dict[Any, tuple[str, str, float]] = {}  # by session: action, policy, latency in ms

    def answered(self, answer: "Answer") -> None:
        with self._lock:
            action = answer.instruction.action.name.lower()
            self.windows += 1
            self._actions[action] += 1
            self._latencies_ms.append(answer.latency_s * 1000)
            self._latest[answer.session] = (action, answer.instruction.policy, answer.latency_s * 1000)

    def percentile_ms(self, share: float) -> float:
        with self._lock:
            ordered = sorted(self._latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def table(self, playing: "Sequence[Played]", rate: float, elapsed_s: float) -> Any:
        """The newest sessions, for a terminal."""
        from rich.table import Table

        table = Table(
            *("session", "stage", "recording", "windows", "last action", "policy", "latency"),
            title=f"{elapsed_s:.0f} s   {self.windows} windows   {rate:.0f} windows/s   "
            f"p50 {self.percentile_ms(0.5):.1f} ms   p99 {self.percentile_ms(0.99):.1f} ms",
            caption="  ".join(f"{name} {count}" for name, count in sorted(self._actions.items()))
            + f"\nlearner: {self.learner}",
        )
        for one in playing[-SHOWN:]:
            action, policy, latency_ms = self._latest.get(one.session, ("", "", 0.0))
            kind = "[red]malicious[/]" if one.recording.malicious else "benign"
            table.add_row(
                str(one.session)[:8],
                str(one.recording.stage),
                f"{one.recording.name} ({kind})",
                str(one.sent),
                action if one.stopped is None else f"[bold]{action}[/]",
                policy[:16],
                f"{latency_ms:.1f} ms",
            )
        return table


def by_policy(played: "Sequence[Played]") -> Any:
    """What each policy did with the sessions that were played to their ends or stopped."""
    from rich.table import Table

    table = Table("policy", "malicious", "of them stopped", "benign", "of them stopped", title="By who decided last")
    over = [one for one in played if one.outcome is not None and one.hosted is not None]
    for policy in dict.fromkeys(one.hosted.policy for one in over if one.hosted is not None):
        cells = [policy[:16]]
        for malicious in (True, False):
            some = [
                one
                for one in over
                if one.hosted is not None and one.hosted.policy == policy and one.recording.malicious is malicious
            ]
            stopped = sum(one.stopped is not None for one in some)
            cells += [str(len(some)), f"{stopped} ({stopped / max(len(some), 1):.0%})"]
        table.add_row(*cells)
    return table
