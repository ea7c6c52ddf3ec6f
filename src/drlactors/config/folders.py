"""Watching folders: whoever is interested is called when what is in them changes."""

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Thread
from typing import Self

from watchfiles import watch

#: Editors and deployments change several names at once: what comes without such a pause between is one change.
PAUSE_MS, LONGEST_MS = 50, 1_600
#: How soon the first call comes: nothing tells earlier that the watch stands.
FIRST_MS = 500
STOP_TIMEOUT_S = 5.0


class FolderWatch:
    """Calls ``changed`` with the paths that changed, on a thread of its own; use as a context manager.

    The first call comes when the watch stands, mostly with no paths: what changed before that was not seen. Folders
    in the folders are not watched.
    """

    def __init__(self, folders: Iterable[Path], changed: Callable[[set[Path]], None], name: str) -> None:
        self._folders = tuple(folders)
        self._changed = changed
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        # The library looks at the stop event once a step, which takes 1 ms of a second's CPU; it cannot be woken.
        turns = watch(
            *self._folders,
            watch_filter=None,
            debounce=LONGEST_MS,
            step=PAUSE_MS,
            stop_event=self._stop,
            recursive=False,
            rust_timeout=FIRST_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        for turn, found in enumerate(turns):
            if found or turn == 0:
                self._changed({Path(path) for _, path in found})
