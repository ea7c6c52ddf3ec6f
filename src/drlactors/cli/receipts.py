"""`drlactors receipts`: what sessions decided and why, chained and signed, for whoever has to believe it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.exports.examination import Examined
    from drlactors.ports.log import EventLog


class NoSuchSession(Exception):
    """The log knows nothing of this session; `drlactors sessions` lists those that it has."""


#: So many faults of a file are shown: the first are what counts.
SHOWN = 20


def export(*session: UUID, out: Path = Path(), where: Whereabouts = HERE) -> None:
    """Write a receipt of each session: all of its events, in words to be read, each linked to the one before, signed.

    A receipt shows for every window what was seen, what was chosen, by which policy and why, with which chance and out
    of what was permitted, and what the sandbox answered. It is a text file, receipt-<session>.jsonl, with a JSON object
    a line; `drlactors receipts verify` needs nothing but it. A session that goes on has a receipt of what was so far.

    It is signed with the key that `receipts.key` names, or with one of the instance's own, which is made for the first
    receipt. Tell its public half, which is shown, to whoever is to verify, on another way than the receipts.

    Examples
    --------
    drlactors receipts export 6f0c2b1e-...
    drlactors receipts export 6f0c2b1e-... 1d5e07aa-... --out receipts

    Parameters
    ----------
    session
        The sessions' ids.
    out
        The folder for the receipts; without it, this one.
    """
    from drlactors.cli.files import whole
    from drlactors.domain.ids import SessionId
    from drlactors.exports.receipt import receipt
    from drlactors.ports.log import Category, Stream
    from drlactors.signing import public_key
    from drlactors.wiring import reading, signer

    if not session:
        raise SystemExit("name a session; drlactors sessions lists them")
    with reading(*where) as (log, settings):
        streams = [Stream(Category.SESSION, one) for one in session]
        if missing := set(streams) - log.existing(streams):
            raise NoSuchSession(f"{', '.join(sorted(map(str, missing)))}: {NoSuchSession.__doc__}")
        private = signer(settings)
        out.mkdir(parents=True, exist_ok=True)
        for stream in streams:
            file, lines = out / f"receipt-{stream.id}.jsonl", 0
            with whole(file, encoding="ascii", newline="\n") as written:
                for line in receipt(SessionId(stream.id), settings.server.instance, log.kept(stream), private):
                    written.write(line)
                    lines += 1
            print(f"{file}: {lines - 2} events")
    print(f"signed with the key whose public half is {public_key(private)}")


def verify(
    *file: Path,
    trust: tuple[str, ...] = (),
    against_log: bool = False,
    where: Whereabouts = HERE,
) -> int:
    """Say of each receipt whether it holds, and if not, which event does not; exit status 1 unless all of them do.

    It needs the file and the public key of whoever signed it, no database and no network. A byte that was changed is
    named by the event that it is in, and so are events that were left out, moved, put in, or taken from another
    session; so is a signature of somebody else. A file that cannot be read is named, and the others are verified.
    --against-log asks the log besides.

    Examples
    --------
    drlactors receipts verify receipt-6f0c2b1e-....jsonl
    drlactors receipts verify receipts/*.jsonl --trust Lw51o4tkOUuHIQZq64MswmZpxeqppVVOH9IgdQ0Tsko=
    drlactors receipts verify receipts/*.jsonl --against-log

    Parameters
    ----------
    file
        The receipts.
    trust
        Public keys that may have signed. Without it: those in `receipts.trusted_keys`, and the instance's own.
    against_log
        Compare with what the log has stored, too.
    """
    from drlactors.exports.examination import examine
    from drlactors.wiring import reading, trusted_signers

    if not file:
        raise SystemExit("name a receipt")
    trusted = frozenset(trust) or trusted_signers(*where)
    holds = True
    with ExitStack() as stack:
        log = stack.enter_context(reading(*where))[0] if against_log else None
        for one in file:
            try:
                with one.open("rb") as opened:
                    found = examine(opened, trusted)
            except OSError as error:  # the others are verified all the same
                holds = False
                print(f"{one}: cannot be read: {error.strerror}")
                continue
            said = list(_compared(found, log)) if log is not None and found.session else []
            faults = [*map(str, found.faults), *said]
            holds = holds and not faults
            for fault in faults[:SHOWN]:
                print(f"{one}: {fault}")
            if len(faults) > SHOWN:
                print(f"{one}: and {len(faults) - SHOWN} more")
            print(f"{one}: {'does not hold' if faults else f'holds: {_told(found)}'}")
    return 0 if holds else 1


def _compared(found: "Examined", log: "EventLog") -> Iterator[str]:
    """What the log says otherwise; tells beside it how far the log has gone on."""
    from drlactors.domain.ids import SessionId
    from drlactors.exports.examination import compared
    from drlactors.exports.receipt import described
    from drlactors.ports.log import Category, Stream

    try:
        session = SessionId(UUID(found.session))
    except ValueError:
        yield "the log has no such session"
        return
    stored = (described(session, kept) for kept in log.kept(Stream(Category.SESSION, session)))
    faults, behind = compared(found, stored)
    yield from faults
    if behind and not faults:
        print(f"session {session}: the log has {behind} more events since this receipt")


def _told(found: "Examined") -> str:
    ended = "which has ended" if found.over else "which had not ended yet"
    return f"{found.events} events of session {found.session}, {ended}, signed by {found.instance} with {found.key}"
