"""`drlactors sandbox record`: records the collection of sessions that is shipped."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from drlactors.cli.numbers import AtOnce


def record(*, out: Path, at_once: AtOnce = 2, only: str = "") -> None:
    """Run every program of the plan under strace, in both stages, and write what was seen.

    Takes about a quarter of an hour. The programs are harmless and run in scratch folders, and reach loopback only;
    still, use a machine or a container that is made for it. strace has to be installed.

    Examples
    --------
    drlactors sandbox record --out mine.jsonl.gz
    drlactors sandbox record --out some.jsonl.gz --only ransomware

    Parameters
    ----------
    out
        The file to write, ending in .jsonl.gz.
    at_once
        How many programs run at the same time.
    only
        Record only artifacts whose name (family/variant) contains this.
    """
    from drlactors.sandboxes.plan import artifacts
    from drlactors.sandboxes.recorder import record as run
    from drlactors.sandboxes.recording import Recording, write

    plan = [artifact for artifact in artifacts() if only in artifact.name]
    classes: Counter[str] = Counter()

    def counted(session: Recording) -> Recording:
        classes["malicious" if session.malicious else "ordinary"] += 1
        return session

    sessions = run(plan, at_once=at_once, say=print, now=lambda: datetime.now(UTC))
    written = write(out, (counted(session) for session in sessions))
    print(f"{written} sessions in {out}: {dict(classes)}, {out.stat().st_size} bytes")
