"""The file that goes into CAPE's ``modules/auxiliary``: it tells ``drlactors sandbox cape`` which tasks run.

It runs inside CAPE and needs nothing but CAPE. For each task it puts a note into the spool folder and keeps it locked
while the task runs: a note that is no longer locked, with no mark of its end beside it, is that of a CAPE that died.
"""

import fcntl
import hashlib
import json
import os
import re
import time
import uuid
from pathlib import Path

from lib.cuckoo.common.abstracts import Auxiliary
from lib.cuckoo.common.constants import CUCKOO_ROOT

STORAGE = Path(CUCKOO_ROOT, "storage")


class Drlactors(Auxiliary):  # type: ignore[misc]  # CAPE's class is not there where this is checked
    """Switched on by ``[drlactors] enabled = yes`` in conf/auxiliary.conf; ``spool`` there names another folder."""

    def __init__(self) -> None:
        Auxiliary.__init__(self)
        self._note = -1  # a descriptor: the lock lasts as long as it is open
        self._ended = Path()

    def start(self) -> None:
        spool = Path(self.options.get("spool") or STORAGE / "drlactors")
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        session = str(uuid.uuid4())
        told = json.dumps(self._told(session)).encode()
        begun = spool / f"{session}.begun"
        note = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(note, told)
            fcntl.flock(note, fcntl.LOCK_EX)
            begun.rename(begun.with_suffix(".task"))
        except OSError:  # CAPE goes on without us
            os.close(note)
            raise
        self._note, self._ended = note, begun.with_suffix(".ended")

    def stop(self) -> None:
        if self._note >= 0:
            self._ended.touch(mode=0o600)
            os.close(self._note)
            self._note = -1

    def _told(self, session: str) -> dict[str, object]:
        task, target = self.task, Path(str(self.task.target))
        storage = STORAGE / "analyses" / str(task.id)
        # CAPE stores a sample under its digest, and links to it. A URL has no file.
        stored = Path(os.path.realpath(storage / "binary")).name
        is_file = re.fullmatch("[0-9a-f]{64}", stored) is not None
        return {
            "session": session,
            "task": task.id,
            "storage": str(storage),
            "sha256": stored if is_file else hashlib.sha256(str(task.target).encode("utf-8", "replace")).hexdigest(),
            "kind": (task.package or target.suffix[1:] or "file") if is_file else str(task.category),
            "name": target.name,
            "package": task.package or "",
            "machine": str(self.machine.label),
            "route": task.route or "",
            "timeout_s": task.timeout or 0,
            "tags": task.tags_tasks or "",
            "began_us": time.time_ns() // 1000,
        }
