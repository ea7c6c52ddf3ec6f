"""What the module inside CAPE says of a task, in the spool folder."""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self
from uuid import UUID

from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact
from drlactors.sandboxes.errors import BadNote

_SHA256 = re.compile(r"[0-9a-f]{64}")
#: A tag that a rerun of ours carries: the episode that it goes on with.
EPISODE_TAG = "drlactors-episode-"


class Note(NamedTuple):
    """One run of one task. CAPE may run a task again, on another machine: that has a note of its own."""

    path: Path
    session: SessionId
    task: int
    storage: Path  # CAPE's folder of this analysis
    artifact: Artifact
    name: str  # of the file, as it was submitted
    package: str
    machine: str
    route: str  # empty: CAPE's default
    timeout_s: int  # 0: CAPE's default
    episode: EpisodeId | None  # of the stage that this one follows
    began_us: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises BadNote and OSError."""
        try:
            told = json.loads(path.read_bytes())
            sha256, kind = str(told["sha256"]), str(told["kind"])[:32]
            if not _SHA256.fullmatch(sha256):
                raise ValueError(f"sha256 {sha256!r}")
            return cls(
                path=path,
                session=SessionId(UUID(told["session"])),
                task=int(told["task"]),
                storage=Path(told["storage"]),
                artifact=Artifact(sha256, kind or "file"),
                name=Path(told["name"]).name,
                package=str(told["package"]),
                machine=str(told["machine"]),
                route=str(told["route"]),
                timeout_s=int(told["timeout_s"]),
                episode=_episode(str(told["tags"])),
                began_us=int(told["began_us"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadNote(path, repr(error)) from error

    def beside(self, suffix: str) -> Path:
        """Another file of this run."""
        return self.path.with_suffix(suffix)

    @property
    def ended(self) -> bool:
        """CAPE is done with the machine: nothing more is written."""
        return self.beside(".ended").exists()

    @property
    def abandoned(self) -> bool:
        """CAPE has died: it would hold the note locked."""
        return not self.ended and not _locked(self.path) and not self.ended  # it ends between two looks

    @property
    def given_up(self) -> bool:
        """CAPE has thrown away what it had of this run, since its machine was dead; it may run the task again."""
        return self.ended and (not self.storage.exists() or self._is_superseded())

    def _is_superseded(self) -> bool:
        for path in waiting(self.path.parent):
            with contextlib.suppress(BadNote, FileNotFoundError):
                other = Note.read(path)
                if other.task == self.task and other.began_us > self.began_us:
                    return True
        return False

    def discard(self) -> None:
        """Forget the run: first that there was one."""
        for suffix in (".task", ".windows", ".ended"):
            self.beside(suffix).unlink(missing_ok=True)


def waiting(spool: Path) -> Iterator[Path]:
    """The notes in the spool, in the order of their names; none while there is no such folder."""
    yield from sorted(spool.glob("*.task"))


def _episode(tags: str) -> EpisodeId | None:
    for tag in tags.split(","):
        if tag.strip().startswith(EPISODE_TAG):
            return EpisodeId(UUID(tag.strip().removeprefix(EPISODE_TAG)))
    return None


def _locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # put away
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
