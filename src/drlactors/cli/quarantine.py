"""`drlactors quarantine`: what was put away, how to get it back, how to get rid of it."""

import sys
from pathlib import Path

from drlactors.cli.listing import print_rows


def list_(*, as_json: bool = False, data_dir: Path | None = None) -> int:
    """List what was put away, the oldest first: what it was, where, when and why. What is damaged is named, status 1.

    Examples
    --------
    drlactors quarantine list
    drlactors quarantine list --json

    Parameters
    ----------
    as_json
        One JSON object a line, with everything that was recorded.
    data_dir
        As for up.
    """
    from drlactors.sandboxes.quarantine import Quarantine, Record
    from drlactors.wiring import quarantine_folder

    records, damaged = Quarantine(quarantine_folder(data_dir)).records()
    if as_json:
        print_rows(Record._fields, records, as_json=True)
    else:
        shown = [(one.id, one.at, one.path, one.size_bytes, one.sha256[:12], one.why) for one in records]
        empty = "" if damaged else "nothing is in quarantine"
        print_rows(("id", "at", "was", "bytes", "sha256", "why"), shown, as_json=False, empty=empty)
    for wrong in damaged:
        print(f"drlactors: {wrong}", file=sys.stderr)
    return 1 if damaged else 0


def restore(id_: str, /, *, to: Path | None = None, data_dir: Path | None = None) -> None:
    """Put a file back where it was, byte for byte and with its permissions, and take it out of quarantine.

    Nothing is overwritten: where there is something by now, it stays in quarantine.

    Examples
    --------
    drlactors quarantine restore 3f2a9c01b7de
    drlactors quarantine restore 3f2a9c01b7de --to ./sample.bin

    Parameters
    ----------
    id_
        As listed.
    to
        Put it here instead.
    data_dir
        As for up.
    """
    from drlactors.sandboxes.quarantine import Quarantine
    from drlactors.wiring import quarantine_folder

    print(f"restored as {Quarantine(quarantine_folder(data_dir)).restore(id_, to)}")


def delete(id_: str, /, *, data_dir: Path | None = None) -> None:
    """Remove a file from quarantine for good.

    Examples
    --------
    drlactors quarantine delete 3f2a9c01b7de

    Parameters
    ----------
    id_
        As listed.
    data_dir
        As for up.
    """
    from drlactors.sandboxes.quarantine import Quarantine
    from drlactors.wiring import quarantine_folder

    Quarantine(quarantine_folder(data_dir)).delete(id_)
    print(f"{id_} is gone")
