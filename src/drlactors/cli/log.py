"""`drlactors sessions`, `drlactors events`: reading what is in the log."""

import json
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from drlactors.cli.listing import print_rows
from drlactors.cli.numbers import Limit, Position
from drlactors.cli.whereabouts import HERE, Whereabouts

#: Rows of the log that are looked through at a time.
PAGE = 2000


def sessions(*, limit: Limit = 20, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """List sessions, the newest first: their state, windows, last action, outcome.

    Examples
    --------
    drlactors sessions
    drlactors sessions --limit 1000 --json

    Parameters
    ----------
    limit
        How many.
    as_json
        One JSON object a line.
    """
    from drlactors.wiring import reading

    columns = ("session", "stage", "state", "windows", "lost", "last action", "policy", "outcome", "artifact")
    with reading(*where) as (log, _):
        print_rows(columns, _newest(log, limit), as_json=as_json)


def _newest(log: Any, limit: int) -> Iterator[tuple[Any, ...]]:
    from drlactors.domain.session import DECIDER, INITIAL, ActionSelected
    from drlactors.ports.log import Category

    for stream in newest_streams(log, Category.SESSION, limit):
        state, last, policy = INITIAL, "", ""
        for entry in log.stream(stream):
            state = DECIDER.fold(entry.events, state)
            for event in entry.events:
                if isinstance(event, ActionSelected):
                    last, policy = event.action.name.lower(), event.policy
        started = state.started
        if started is not None:
            yield (
                str(stream.id),
                started.stage,
                "over" if state.over else "running",
                state.progress.windows,
                state.progress.lost,
                last,
                policy,
                state.outcome or "",
                started.artifact.sha256[:12],
            )


def newest_streams(log: Any, category: Any, limit: int) -> list[Any]:
    """Read backwards, a page at a time, for the first rows of streams: the newest are at the end of a long log."""
    found: list[Any] = []
    upper = log.head()
    while upper > 0 and len(found) < limit:
        after = lower = max(0, upper - PAGE)
        page: list[Any] = []
        while after < upper and (entries := log.read(after, upper - after)):
            page += [
                entry.stream
                for entry in entries
                if entry.first_version == 1 and entry.stream.category is category and entry.position <= upper
            ]
            after = entries[-1].position
        found += reversed(page)
        upper = lower
    return found[:limit]


def events(
    *,
    session: UUID | None = None,
    after: Position = 0,
    limit: Limit = 50,
    follow: bool = False,
    as_json: bool = False,
    where: Whereabouts = HERE,
) -> None:
    """Print events in the order of the log, or of one session.

    Examples
    --------
    drlactors events --follow
    drlactors events --session 6f0c... --json

    Parameters
    ----------
    session
        Only this session's.
    after
        Begin after this log position.
    limit
        How many rows of the log; with --follow, until Ctrl-C.
    follow
        Go on as new ones come.
    as_json
        One JSON object a line.
    """
    from drlactors.ports.log import Category, Stream
    from drlactors.wiring import reading

    with reading(*where) as (log, _):
        if session is not None:
            entries = iter(log.stream(Stream(Category.SESSION, session)))
        elif follow:
            entries = (entry for batch in log.subscribe(after) for entry in batch)
        else:
            entries = iter(log.read(after, limit))
        try:
            for entry in entries:
                for version, event in enumerate(entry.events, start=entry.first_version):
                    _print(entry, version, event, as_json=as_json)
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            sys.stdout = None  # the reader has seen enough; nothing is left to flush to


def _print(entry: Any, version: int, event: Any, *, as_json: bool) -> None:
    from drlactors.exports.plain import plain

    name, shown = type(event).__name__, plain(event)
    if as_json:
        meta = {"position": entry.position, "stream": str(entry.stream), "version": version, "at_us": entry.at_us}
        print(json.dumps({**meta, "causation": entry.causation, "event": name, **shown}), flush=True)
    else:
        told = " ".join(f"{key}={value}" for key, value in shown.items() if value not in (None, [], ""))
        print(f"{entry.position:>8} {entry.stream} {version:>5} {name}: {told[:160]}", flush=True)
