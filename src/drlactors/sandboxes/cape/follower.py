"""Follows every run that CAPE begins, each on a thread of its own."""

import threading
from collections.abc import Callable
from pathlib import Path

from drlactors.ports.bus import BusUnreachable
from drlactors.sandboxes.cape.api import CapeApi
from drlactors.sandboxes.cape.note import Note, waiting
from drlactors.sandboxes.cape.run import Run, Terms
from drlactors.sandboxes.errors import BadNote
from drlactors.sandboxes.sandbox import Sandbox


class Follower:
    """Use ``follow``; it returns when it is told to stop, and leaves what still runs to the next follower."""

    def __init__(self, sandbox: Sandbox, spool: Path, api: CapeApi, terms: Terms, tell: Callable[[str], None]) -> None:
        """``spool`` is where the module inside CAPE puts its notes; ``tell`` hears what an administrator should."""
        self._sandbox = sandbox
        self._spool = spool
        self._api = api
        self._terms = terms
        self._tell = tell
        self._taken: dict[Path, threading.Thread] = {}

    def follow(self, stop: threading.Event) -> None:
        """Until ``stop`` is set."""
        while not stop.is_set():
            for path in waiting(self._spool):
                if path not in self._taken:
                    self._take(path, stop)
            self._taken = {path: thread for path, thread in self._taken.items() if thread.is_alive() or path.exists()}
            stop.wait(self._terms.poll_s)
        for thread in self._taken.values():
            thread.join()

    def _take(self, path: Path, stop: threading.Event) -> None:
        thread = threading.Thread(target=self._run, args=(path, stop), name=f"cape-{path.stem}", daemon=True)
        self._taken[path] = thread
        thread.start()

    def _run(self, path: Path, stop: threading.Event) -> None:
        """What goes wrong with one run is told, and its note stays for the next follower."""
        while not stop.is_set():
            try:
                self._follow(Note.read(path), stop)
            except BusUnreachable as error:
                self._tell(f"{path.name} waits: {error}")
                stop.wait(self._terms.again_s)
            except (BadNote, OSError) as error:
                self._tell(f"{path.name} is left: {error}")
                return
            else:
                return

    def _follow(self, note: Note, stop: threading.Event) -> None:
        if note.ended and not note.beside(".windows").exists():
            self._tell(f"task {note.task} ended before it was followed: its report can be imported")
            note.discard()
            return
        self._tell(f"task {note.task} on {note.machine}: followed as session {note.session}")
        concluded = Run(self._sandbox, note, self._api, self._terms, self._tell).follow(stop)
        if concluded is not None:
            again = f"; second stage: task {', '.join(map(str, concluded.rerun))}" if concluded.rerun else ""
            self._tell(f"task {note.task}: {concluded.outcome}: {concluded.detail}{again}")
            note.discard()
