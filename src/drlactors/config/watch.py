"""Hot reload: what changes in the files is in force without a restart, where that is possible."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Self

from drlactors.config import keys
from drlactors.config.folders import FolderWatch
from drlactors.config.load import Loaded
from drlactors.config.problems import ConfigError
from drlactors.config.settings import Settings


class Reload(NamedTuple):
    """A change that was taken."""

    new: Settings  # in force now: the live keys are new, the others as they were at the start
    changed: tuple[str, ...]  # dotted keys that are in force now
    restart: tuple[str, ...]  # dotted keys that are changed in the files, and wait for a restart


def apply(old: Settings, wanted: Settings) -> Reload:
    """Take the live keys of ``wanted`` only."""
    different = keys.differing(old, wanted)
    changed = tuple(key for key in different if keys.live(key))
    sections: dict[str, dict[str, object]] = {}
    for key in changed:
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = keys.value(wanted, key)
    # No rule of a section ties a live key to one that is not, so that mixing two valid settings gives a valid one.
    replaced = {name: getattr(old, name).model_copy(update=update) for name, update in sections.items()}
    restart = tuple(key for key in different if not keys.live(key))
    return Reload(old.model_copy(update=replaced), changed, restart)


class Watcher:
    """Watches the folders of all configuration files on a thread of its own; use as a context manager.

    ``load`` reads everything again; ``on_reload`` and ``on_refused`` are called on the watcher's thread, or on the
    caller's of ``reload``. A configuration that cannot be used changes nothing.
    """

    def __init__(
        self,
        loaded: Loaded,
        load: Callable[[], Loaded],
        on_reload: Callable[[Reload], None],
        on_refused: Callable[[ConfigError], None],
    ) -> None:
        self._load = load
        self._on_reload = on_reload
        self._on_refused = on_refused
        self._settings = loaded.settings  # in force
        self._wanted = loaded.settings  # what the files said last
        self._refused = ""
        self._one_at_a_time = Lock()
        folders = sorted({folder for path in loaded.watched for folder in _folders(path)})
        self._watch = FolderWatch(folders, lambda _: self.reload(), "config-watcher")

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._settings

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._watch.__exit__(*error)

    def reload(self) -> None:
        """Read everything again."""
        with self._one_at_a_time:
            try:
                wanted = self._load().settings
            except ConfigError as error:
                if str(error) != self._refused:  # one save can be several changes to a folder
                    self._refused = str(error)
                    self._on_refused(error)
                return
            self._refused = ""
            if wanted == self._wanted:
                return
            self._wanted = wanted
            taken = apply(self._settings, wanted)
            self._settings = taken.new
            self._on_reload(taken)


def _folders(path: Path) -> set[Path]:
    """A file may be replaced where it is written and where a link leads to; a folder of secrets is watched itself."""
    places = {path.absolute(), path.resolve()}
    return {place if place.is_dir() else place.parent for place in places}
