"""`drlactors episodes`: what an artifact's whole way came to, and a person's word on it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from drlactors.cli.listing import print_rows
from drlactors.cli.numbers import Hours, Limit
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.cli.tally import Way
    from drlactors.ports.log import EventLog


class EpisodeGoesOn(Exception):
    """The episode went on each time that it was read: try again."""


#: So often a correction is decided anew because the episode went on meanwhile.
ATTEMPTS = 10


def correct(
    episode: UUID,
    /,
    *,
    verdict: Literal["malicious", "benign"],
    why: str,
    who: str = "",
    where: Whereabouts = HERE,
) -> None:
    """Overrule an episode's verdict: all that is learned from its sessions is labelled anew.

    The correction is an event in the log beside what was concluded. The newest one counts, also when the episode is
    completed later; giving the same one again changes nothing. `drlactors episodes list` shows the ids.

    Examples
    --------
    drlactors episodes correct 5b0e... --verdict benign --why "an installer, signed by its vendor"

    Parameters
    ----------
    episode
        The episode's id.
    verdict
        What the artifact is.
    why
        In your words, for those who ask later.
    who
        Who says so; without it, the user who gives the command.
    """
    from getpass import getuser

    from drlactors.domain.episode import Correct, Verdict
    from drlactors.wiring import SystemClock, reading

    if not why.strip():
        raise SystemExit("--why is empty: say what speaks for the correction")
    command = Correct(Verdict(verdict), who or getuser(), why)
    with reading(*where) as (log, _):
        position = carry_out(log, episode, command, SystemClock().now_us())
    print(f"corrected to {verdict} at log position {position}" if position else f"it was corrected to {verdict} before")


def carry_out(log: "EventLog", episode: UUID, command: Any, at_us: int) -> int | None:
    """Append what the command decides on the episode as it stands; gives the position, None when nothing was to do."""
    from drlactors.domain.episode import DECIDER, INITIAL
    from drlactors.ports.log import Append, Category, Stream

    stream = Stream(Category.EPISODE, episode)
    for _ in range(ATTEMPTS):
        state, version = INITIAL, 0
        for entry in log.stream(stream):
            state, version = DECIDER.fold(entry.of_episode, state), entry.version
        events = DECIDER.decide(command, state)
        if not events:
            return None
        [position] = log.append([Append(stream, version, events, at_us, f"by hand: {command.who}")])
        if position is not None:
            return position
    raise EpisodeGoesOn


def list_(*, limit: Limit = 20, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """List episodes, the newest first: their verdict, who corrected it, and their sessions.

    Examples
    --------
    drlactors episodes list
    drlactors episodes list --limit 1000 --json

    Parameters
    ----------
    limit
        How many.
    as_json
        One JSON object a line.
    """
    from drlactors.wiring import reading

    columns = ("episode", "verdict", "corrected", "by", "artifact", "sessions")
    with reading(*where) as (log, _):
        print_rows(columns, _newest(log, limit), as_json=as_json, cells=lambda row: (*row[:-1], " ".join(row[-1])))


def statistics(
    *,
    hours: Hours = 0.0,
    limit: Limit = 100_000,
    as_json: bool = False,
    where: Whereabouts = HERE,
) -> None:
    """Count episodes: what they came to, why some are partial, what stage 1 missed, how long a verdict took.

    Examples
    --------
    drlactors episodes statistics
    drlactors episodes statistics --hours 24 --json

    Parameters
    ----------
    hours
        Those that began in the last hours only; 0 for all.
    limit
        The newest so many at most.
    as_json
        One JSON object a line.
    """
    from drlactors.cli.tally import tally
    from drlactors.wiring import SystemClock, reading

    with reading(*where) as (log, _):
        since_us = SystemClock().now_us() - round(hours * 3.6e9) if hours else 0
        print_rows(("what", "count"), tally(_ways(log, limit, since_us)), as_json=as_json)


def _ways(log: "EventLog", limit: int, since_us: int) -> "Iterator[Way]":
    from drlactors.cli.tally import Way
    from drlactors.domain.episode import EpisodeCompleted

    for stream in log.newest_episodes(limit):
        entries = list(log.stream(stream))
        if entries[0].at_us < since_us:
            return
        decided = [
            entry.at_us for entry in entries if any(isinstance(event, EpisodeCompleted) for event in entry.events)
        ]
        events = tuple(event for entry in entries for event in entry.of_episode)
        yield Way(events, entries[0].at_us, decided[-1] if decided else None)


def _newest(log: "EventLog", limit: int) -> Iterator[tuple[Any, ...]]:
    from drlactors.domain.episode import DECIDER, StageEntered

    for stream in log.newest_episodes(limit):
        events = [event for entry in log.stream(stream) for event in entry.of_episode]
        state = DECIDER.fold(events)
        entered = [event for event in events if isinstance(event, StageEntered)]
        verdict, by = (state.corrected.verdict, state.corrected.who) if state.corrected else ("", "")
        sessions = [str(event.session) for event in entered]
        yield str(stream.id), state.verdict or "", verdict, by, entered[0].artifact.sha256[:12], sessions
