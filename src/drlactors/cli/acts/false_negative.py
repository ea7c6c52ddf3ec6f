"""A false negative: judged clean in stage 1, found out in stage 2, and what that changes of what is learned."""

from contextlib import closing
from typing import NamedTuple

from drlactors.cli.acts.scene import Scene
from drlactors.domain.episode import EpisodeCompleted, Event, StageEntered, Verdict
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import ActionSelected
from drlactors.learner.projection import experiences, labels
from drlactors.learner.transitions import Task
from drlactors.ports.decisions import END
from drlactors.store.experiences import PostgresDecisions
from drlactors.wiring.learning import task_of

#: The newest episodes.
LOOK_AT = 1_000


class Way(NamedTuple):
    episode: EpisodeId
    stages: tuple[SessionId, ...]
    decided: int  # the position of the verdict in the log


class Learned(NamedTuple):
    """What the log teaches of a session."""

    malicious: bool
    experiences: int
    last_reward: float


def show(scene: Scene) -> None:
    says = "Among the episodes that were just played, one that stage 1 had judged clean and stage 2 found malicious."
    with scene.act("A false negative, and what it teaches", says):
        way = _newest(scene)
        if way is None:
            scene.say("[yellow]There was none this time.[/]")
            return
        scene.say(f"  episode {way.episode}")
        for number, session in enumerate(way.stages, start=1):
            scene.say(f"  stage {number}, session {session}:")
            scene.say_actions(session)
        task = task_of(scene.system.settings)
        with closing(PostgresDecisions(scene.system.addresses.postgres_dsn, scene.log)) as decisions:
            decisions.catch_up()
            before, now = (_learned(decisions, way.stages[0], task, through) for through in (way.decided - 1, END))
        for when, learned in (("before the verdict", before), ("now", now)):
            what = "malicious" if learned.malicious else "benign"
            scene.say(
                f"  What stage 1 teaches {when}: {learned.experiences} experiences with a {what} sample, "
                f"the last one worth {learned.last_reward:+.2f}"
            )


def _newest(scene: Scene) -> Way | None:
    """The newest one whose stage 2 the policy stopped; where there is none, the newest one."""
    found: list[Way] = []
    for stream in scene.log.newest_episodes(LOOK_AT):
        entries = list(scene.log.stream(stream))
        events: list[Event] = [event for entry in entries for event in entry.of_episode]
        if EpisodeCompleted(Verdict.FALSE_NEGATIVE) not in events:
            continue
        stages = tuple(event.session for event in events if isinstance(event, StageEntered))
        found.append(Way(EpisodeId(stream.id), stages, entries[-1].position))
        if _stopped(scene, stages[-1]):
            return found[-1]
    return found[0] if found else None


def _stopped(scene: Scene, session: SessionId) -> bool:
    events = (event for entry in scene.session(session) for event in entry.of_session)
    return any(isinstance(event, ActionSelected) and event.action.irreversible for event in events)


def _learned(decisions: PostgresDecisions, session: SessionId, task: Task, through: int) -> Learned:
    (schema, *_) = decisions.schemas()
    recorded = decisions.recorded(schema, through=through)
    learned = experiences(recorded, weights=task.weights, gamma=task.gamma)
    index = [one.tobytes() for one in recorded.sessions.id].index(session.bytes)
    rewards = learned.r_t[learned.session == index]
    return Learned(bool(labels(recorded).malicious[index]), len(rewards), float(rewards[-1]))
