"""`drlactors patterns`: what was learned about attacks, and who asks for it."""

import json
import sys
from typing import TYPE_CHECKING, Any

from drlactors.cli.conditions import ALL, Conditions
from drlactors.cli.listing import print_rows
from drlactors.cli.numbers import Limit
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.domain.ids import SessionId
    from drlactors.ports.log import EventLog
    from drlactors.ports.patterns import Found, Near, Place


class NoSuchPattern(Exception):
    """No pattern is of this session: it still runs, was lost, failed to run, or nothing was decided in it."""


class NoSuchDecision(Exception):
    """The log has no decision of this session at that window."""


class NotAPlace(Exception):
    """The place behind which a page begins is what the page before has named."""


def query(
    *,
    conditions: Conditions = ALL,
    like: str = "",
    limit: Limit = 20,
    after: str = "",
    as_json: bool = False,
    where: Whereabouts = HERE,
) -> None:
    """List what was learned, the newest first; with --like, what is most like a decision comes first.

    All that is given has to hold. Each line has its confidence: the chance that the sample is malicious by what the
    policy held of it then, calibrated on the sessions of that policy whose truth is known.

    Examples
    --------
    drlactors patterns query --type ransomware --since 2026-11-01 --limit 50
    drlactors patterns query --technique T1055 --sandbox cape-1 --json
    drlactors patterns query --ran-since 2020-10-01 --ran-until 2020-11-01
    drlactors patterns query --like 3fa85f64-5717-4562-b3fc-2c963f66afa6:12 --truth malicious

    Parameters
    ----------
    like
        A session, or SESSION:WINDOW: nearest to what its policy saw when it decided there (else: at the end).
    limit
        How many.
    after
        The place that the page before has named; new patterns move nothing across it.
    as_json
        One JSON object a line.
    """
    from drlactors.wiring import patterns

    wanted = conditions.query()
    with patterns(*where) as asked:
        if like:
            wanted = wanted._replace(near=_near(asked.log, like))
        page = asked.store.page(wanted, limit=limit, after=_place(after) if after else None)
    if as_json:
        for found in page.found:
            print(json.dumps(plain(found)))
    else:
        columns = ("decided", "ran", "session", "looks like", "truth", "answer", "confidence", "distance", "reward")
        print_rows(
            (*columns, "sandbox"), [_row(found) for found in page.found], as_json=False, empty="no pattern is so"
        )
    if page.after is not None:
        print(f"more: --after {page.after.key!r}/{page.after.session}", file=sys.stderr)


def show(session: str, /, *, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """Show the pattern of one session, and those that are most like it.

    Examples
    --------
    drlactors patterns show 3fa85f64-5717-4562-b3fc-2c963f66afa6

    Parameters
    ----------
    session
        The session's id.
    as_json
        As a JSON object.
    """
    from drlactors.cli.neighbours import describe
    from drlactors.ports.patterns import Found, Near, Query
    from drlactors.wiring import patterns

    with patterns(*where) as asked:
        pattern = asked.store.of(_session(session))
        if pattern is None:
            raise NoSuchPattern
        near = Query(near=Near(pattern.state_vector, pattern.schema))
        page = asked.store.page(near, limit=asked.settings.patterns.neighbours + 1)
    others = [found for found in page.found if found.pattern.session != pattern.session]
    others = others[: asked.settings.patterns.neighbours]
    if as_json:
        print(json.dumps(plain(Found(pattern, None)) | {"nearest": [plain(found) for found in others]}))
        return
    for name, value in plain(Found(pattern, None)).items():
        if name not in ("features", "distance"):
            print(f"{name:<12} {', '.join(value) if isinstance(value, list) else value}")
    print("\n".join(describe(others)))


def stats(*, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """Count the patterns, and show how far confidences can be trusted.

    For each policy and each step of how far it leaned to stopping a sample: how many sessions with a known truth, how
    many of them were malicious, and the confidence that follows.

    Examples
    --------
    drlactors patterns stats
    drlactors patterns stats --json

    Parameters
    ----------
    as_json
        As a JSON object.
    """
    from contextlib import suppress

    from drlactors.domain.calibration import BINS, Calibration
    from drlactors.ports.patterns import PatternsOfAnotherLog
    from drlactors.wiring import patterns

    with patterns(*where) as asked:
        counts, position, behind = asked.store.counts(), None, 0
        with suppress(PatternsOfAnotherLog):
            position = asked.store.position()
            behind = len(asked.log.turns(position, 10_000))
    known = Calibration(counts.outcomes)
    outcomes = [
        (policy, index / BINS, sum(tally), tally.malicious, known.confidence(policy, (index + 0.5) / BINS))
        for policy, index, tally in counts.outcomes
    ]
    attacks = sorted(((*kind, count) for kind, count in counts.attacks.items()), key=lambda row: (-row[2], row[0]))
    columns = ("policy", "leaning from", "sessions", "malicious", "confidence")
    if as_json:
        print(
            json.dumps(
                {
                    "patterns": sum(counts.actions.values()),
                    "position": position,
                    "behind": behind,
                    "attacks": [dict(zip(("type", "truth", "patterns"), row, strict=True)) for row in attacks],
                    "actions": {action.name.lower(): count for action, count in sorted(counts.actions.items())},
                    "calibration": [dict(zip(columns, row, strict=True)) for row in outcomes],
                }
            )
        )
        return
    late = f"; {behind}{'+' if behind == 10_000 else ''} turns of the log are not looked at yet" if behind else ""
    reached = "made of another event log" if position is None else f"up to position {position} of the log{late}"
    print(f"{sum(counts.actions.values())} patterns, {reached}")
    print(", ".join(f"{action.name.lower()} {count}" for action, count in sorted(counts.actions.items())))
    print_rows(("looks like", "truth", "patterns"), attacks, as_json=False)
    shown = [(policy[:16], f"{low:.2f}", *seen, f"{chance:.3f}") for policy, low, *seen, chance in outcomes]
    print_rows(columns, shown, as_json=False, empty="no session's truth is known")


def rebuild(*, take_over: bool = False, where: Whereabouts = HERE) -> None:
    """Throw all patterns away and make them again from the event log, for example with other rewards.

    A running system does that itself as soon as they are gone; else this command does it before it ends.

    Examples
    --------
    drlactors patterns rebuild

    Parameters
    ----------
    take_over
        Also where they are made of another log: whoever made them has none left, and makes none there any more.
    """
    from drlactors.wiring import make_all, patterns, prepare, running

    with patterns(*where) as asked:
        prepare(asked.task.patterns_dsn)
        asked.store.clear(take_over=take_over)
        if asked.settings.patterns.follow and running(asked.settings) is not None:
            print("the patterns are gone; the running system makes them again")
            return
        make_all(asked.task)
        print(f"{sum(asked.store.counts().actions.values())} patterns, up to position {asked.store.position()}")


def plain(found: "Found") -> dict[str, Any]:
    """A pattern for programs: what an export has of it, and how near it is."""
    from drlactors.exports.table import described

    return described(found.pattern) | {"distance": found.distance}


def _row(found: "Found") -> tuple[Any, ...]:
    from drlactors.cli.dossier import instant

    pattern = found.pattern
    return (
        instant(pattern.decided_us),
        None if pattern.first_seen_us is None else instant(pattern.first_seen_us),
        str(pattern.session),
        " ".join((pattern.attack.kind.value, *pattern.attack.techniques)),
        pattern.truth,
        pattern.action.name.lower(),
        f"{pattern.confidence:.3f}",
        None if found.distance is None else f"{found.distance:.3f}",
        None if pattern.reward is None else f"{pattern.reward:.2f}",
        pattern.sandbox,
    )


def _session(text: str) -> "SessionId":
    from uuid import UUID

    from drlactors.domain.ids import SessionId

    try:
        return SessionId(UUID(text))
    except ValueError as error:
        raise NoSuchPattern from error


def _place(text: str) -> "Place":
    from drlactors.ports.patterns import Place

    key, _, session = text.partition("/")
    try:
        place = Place(float(key), _session(session))
    except (ValueError, NoSuchPattern) as error:
        raise NotAPlace from error
    if not abs(place.key) < 1 << 63:  # which no nan is
        raise NotAPlace
    return place


def _near(log: "EventLog", like: str) -> "Near":
    """What the policy of a session saw at a window, or when it decided last."""
    from drlactors.domain.session import ActionSelected
    from drlactors.ports.log import Category, Stream
    from drlactors.ports.patterns import Near

    session, _, window = like.partition(":")
    try:
        stream = Stream(Category.SESSION, _session(session))
    except NoSuchPattern as error:
        raise NoSuchDecision from error
    chosen = [event for entry in log.stream(stream) for event in entry.of_session if isinstance(event, ActionSelected)]
    found = [event for event in chosen if str(event.seq) == window] if window else chosen
    if not found:
        raise NoSuchDecision
    return Near(found[-1].state_vector, found[-1].schema)
