"""The sum of the demo, counted from the log and not from what was shown."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from drlactors.cli.acts.scene import Scene
from drlactors.cli.board import by_policy
from drlactors.cli.sandbox import summary
from drlactors.domain.episode import EpisodeCompleted
from drlactors.domain.session import ActionSelected, TelemetryLost, TelemetryRecorded
from drlactors.sandboxes.player import Played


def show(scene: Scene, played: Sequence[Played], unanswered: int) -> None:
    with scene.act("The sum, from the log", "What the log holds now."):
        _count(scene, played, unanswered)


def _count(scene: Scene, played: Sequence[Played], unanswered: int) -> None:
    verdicts: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    policies: Counter[str] = Counter()
    events = windows = lost = after = 0
    while entries := scene.log.read(after, 2000):
        after = entries[-1].position
        for entry in entries:
            events += len(entry.events)
            for event in entry.events:
                match event:
                    case EpisodeCompleted(verdict):
                        verdicts[verdict] += 1
                    case ActionSelected():
                        actions[event.action.name.lower()] += 1
                        policies[event.policy[:16]] += 1
                    case TelemetryRecorded():
                        windows += 1
                    case TelemetryLost(first, last, _):
                        lost += last - first + 1
    sent = scene.sent + sum(one.sent for one in played)
    scene.console.print(summary(played))
    scene.console.print(by_policy(played))
    scene.say("The model has learned from some of the artifacts in this table; what the gate says rests on others.")
    scene.say("Episodes by outcome: " + (_counted(verdicts) or "none"))
    scene.say("Actions taken: " + _counted(actions))
    scene.say("Windows decided by: " + ", ".join(f"{name} {count}" for name, count in policies.items()))
    scene.say(f"Events stored: {events}. Windows sent: {sent}, recorded: {windows}, answered: {scene.board.windows}.")
    p50_ms, p99_ms = (scene.board.percentile_ms(share) for share in (0.5, 0.99))
    scene.say(f"Latency from publish to action: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms")
    scene.say(f"Losses: {lost + (sent - windows) + unanswered}")


def _counted(counts: Counter[Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
