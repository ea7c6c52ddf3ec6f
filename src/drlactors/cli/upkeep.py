"""`drlactors migrate`, `drlactors dead-letters`: what an operator looks after."""

from drlactors.cli.listing import print_rows
from drlactors.cli.numbers import Limit
from drlactors.cli.whereabouts import HERE, Whereabouts


def migrate(*, status: bool = False, where: Whereabouts = HERE) -> int:
    """Bring the event log's schema up to this program's, and show every migration.

    `drlactors up` does the same when it starts; do it by hand to see beforehand what it would do, or to give the
    right to change the schema to another user than the one who serves. Applies all that is missing or nothing. With
    --status the exit status is 1 while something is missing.

    Examples
    --------
    drlactors migrate
    drlactors migrate --status --config site.toml

    Parameters
    ----------
    status
        Change nothing, only show.
    """
    from drlactors.wiring import migrations

    applied, known = migrations(*where, apply=not status)
    for name, applied_at in known:
        when = f"applied {applied_at:%Y-%m-%d %H:%M:%S %Z}" if applied_at else "missing"
        print(f"{name}  {when}{' (now)' if name in applied else ''}")
    missing = sum(applied_at is None for _, applied_at in known)
    print(f"{missing} missing" if missing else f"The schema is up to date; {len(applied)} applied now.")
    return 1 if missing else 0


def dead_letters(*, limit: Limit = 20, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """List the newest messages that were not taken, oldest first: when, where they were sent, size, and why.

    They stay in the stream for 30 days, or until newer ones need the room.

    Examples
    --------
    drlactors dead-letters
    drlactors dead-letters --limit 1000 --json

    Parameters
    ----------
    limit
        How many.
    as_json
        One JSON object a line.
    """
    from drlactors.wiring import buried

    print_rows(
        ("at", "subject", "bytes", "reason"),
        ((at, letter.subject, len(letter.data), letter.reason) for at, letter in buried(*where, limit)),
        as_json=as_json,
        cells=lambda row: (row[0][:19], *row[1:]),
        empty="There are no dead letters.",
    )
