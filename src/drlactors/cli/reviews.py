"""`drlactors reviews`: the questions that wait for a person, and the answers."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from drlactors.cli.listing import print_rows
from drlactors.cli.numbers import Limit
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.domain import review
    from drlactors.ports.log import EventLog, Stream


class NoSuchReview(Exception):
    """No review that is open, or no single one, has an id that begins so. A closed one is named by its whole id."""


class ReviewGoesOn(Exception):
    """The review went on each time that it was read: try again."""


#: So often an answer is decided anew because the review went on meanwhile.
ATTEMPTS = 10


def list_(
    *,
    every: bool = False,
    limit: Limit = 20,
    as_json: bool = False,
    where: Whereabouts = HERE,
) -> None:
    """List the reviews that wait for an answer, the most urgent first.

    Examples
    --------
    drlactors reviews list
    drlactors reviews list --every --limit 1000 --json

    Parameters
    ----------
    every
        The newest ones, answered or not, the newest first.
    limit
        How many.
    as_json
        One JSON object a line.
    """
    from drlactors.cli.log import newest_streams
    from drlactors.ports.log import Category
    from drlactors.wiring import SystemClock, reading

    columns = ("review", "stands", "question", "default", "deadline", "session", "artifact")
    with reading(*where) as (log, _):
        streams = newest_streams(log, Category.REVIEW, limit) if every else log.open_reviews()
        found = list(_rows(log, streams, SystemClock().now_us(), every=every))
        rows = found if every else sorted(found, key=lambda row: str(row[4]))[:limit]
        print_rows(columns, rows, as_json=as_json, empty="no review waits for an answer")


def _rows(log: "EventLog", streams: "list[Stream]", now_us: int, *, every: bool) -> Iterator[tuple[Any, ...]]:
    from drlactors.cli.dossier import instant, standing

    for stream in streams:
        state, _ = folded(log, stream)
        opened = state.opened
        if opened is None or not (every or state.decided is None):
            continue
        question = f"consent to {opened.proposed.name.lower()}" if opened.proposed is not None else "what is to be done"
        yield (
            str(stream.id),
            standing(state, now_us),
            question,
            opened.default,
            instant(opened.deadline_us),
            str(opened.session),
            opened.artifact.sha256[:12],
        )


def show(review: str, /, *, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """Show what there is to decide a review by: what was seen, the values and why, what was done, what it is like.

    Examples
    --------
    drlactors reviews show 3fa85f64
    drlactors reviews show 3fa85f64 --json

    Parameters
    ----------
    review
        The review's id, or how it begins.
    as_json
        As a JSON object.
    """
    from drlactors.cli.dossier import dossier, page, plain
    from drlactors.cli.neighbours import told
    from drlactors.ports.log import Category, Stream
    from drlactors.wiring import SystemClock, patterns

    with patterns(*where) as asked:
        log = asked.log
        stream = find(log, review)
        state, _version = folded(log, stream)
        assert state.opened is not None
        found = dossier(state.opened, log.stream(Stream(Category.SESSION, state.opened.session)))
        lines, nearest = told(asked.store, found.asked, found.asked_us, asked.settings.patterns.neighbours)
        if as_json:
            print(json.dumps(plain(str(stream.id), state, found) | {"nearest": nearest}))
            return
        for line in (*page(str(stream.id), state, found, SystemClock().now_us()), *lines):
            print(line)


def decide(
    review: str,
    /,
    *,
    ruling: Literal["continue", "release", "terminate", "quarantine"],
    why: str,
    who: str = "",
    where: Whereabouts = HERE,
) -> None:
    """Answer a review: what is to be done, and with it what the sample is.

    The answer reaches the sandbox while its session runs, as soon as a system runs. In any case it is the truth that is
    learned from: release says benign, terminate and quarantine say malicious; continue says nothing. After the
    deadline it is recorded as late, and counts all the same.

    Examples
    --------
    drlactors reviews decide 3fa85f64 --ruling release --why "an installer, signed by its vendor"

    Parameters
    ----------
    review
        The review's id, or how it begins.
    ruling
        What is to be done.
    why
        In your words, for those who ask later.
    who
        Who says so; without it, the user who gives the command.
    """
    from getpass import getuser

    from drlactors.cli.episodes import carry_out
    from drlactors.domain.review import Decide, Ruling, correction
    from drlactors.wiring import SystemClock, reading

    command = Decide(Ruling(ruling), who or getuser(), why)
    with reading(*where) as (log, _):
        now_us = SystemClock().now_us()
        stream = find(log, review)
        state = answer(log, stream, command, now_us)
        said = correction(state)
        if said is not None and state.opened is not None:
            carry_out(log, state.opened.episode, said, now_us)
    late = " It came after the deadline." if state.decided and state.decided.late else ""
    learned = f" The artifact is {said.verdict} from now on." if said else ""
    print(f"recorded: {ruling}.{late}{learned}")


def find(log: "EventLog", named: str) -> "Stream":
    """The review of this id, or the open one whose id begins so. Raises NoSuchReview."""
    from uuid import UUID

    from drlactors.ports.log import Category, Stream

    found = [stream for stream in log.open_reviews() if named and str(stream.id).startswith(named)]
    if not found and len(named) == 36:
        try:
            found = list(log.existing([Stream(Category.REVIEW, UUID(named))]))
        except ValueError:
            found = []
    if len(found) != 1:
        raise NoSuchReview
    return found[0]


def folded(log: "EventLog", stream: "Stream") -> "tuple[review.State, int]":
    """A review, and its version."""
    from drlactors.domain.review import DECIDER, INITIAL

    state, version = INITIAL, 0
    for entry in log.stream(stream):
        state, version = DECIDER.fold(entry.of_review, state), entry.version
    return state, version


def answer(log: "EventLog", stream: "Stream", command: "review.Decide", at_us: int) -> "review.State":
    """Append what the command decides on the review as it stands; gives the review as it is then."""
    from drlactors.domain.review import DECIDER
    from drlactors.ports.log import Append

    for _ in range(ATTEMPTS):
        state, version = folded(log, stream)
        events = DECIDER.decide(command, state)
        if not events:
            return state
        if log.append([Append(stream, version, events, at_us, f"by hand: {command.who}")]) != [None]:
            return DECIDER.fold(events, state)
    raise ReviewGoesOn
