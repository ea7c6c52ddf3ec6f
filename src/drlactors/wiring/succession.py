"""Keeps in charge the model that the log names, or else the configuration, and the candidates beside it."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock, Thread

from drlactors.actors.line import Line
from drlactors.actors.reach import SILENT_S
from drlactors.actors.registrar import Registrar
from drlactors.config.folders import FolderWatch
from drlactors.config.settings import Settings
from drlactors.domain import registry
from drlactors.domain.features import FeatureSchema
from drlactors.domain.instance import PolicyActivated, PolicyRefused
from drlactors.domain.model import Shadow
from drlactors.domain.registry import CONFIGURED
from drlactors.inference import RulePolicy, Serving, load_model, packaged_model
from drlactors.inference.folder import ModelFolder
from drlactors.inference.shadow import Shadows
from drlactors.ports.clock import Clock
from drlactors.ports.log import EventLog, LogError
from drlactors.ports.policy import Policy, PolicyError
from drlactors.wiring.access import trust

#: How often the registry's stream is looked at: one index lookup. A subscription would read every window of the log.
FOLLOW_S = 0.25
#: Who follows it may wait for a server that is frozen; then the log is known to be away, and the stop goes on.
JOIN_S = SILENT_S + 1


def model_path(settings: Settings) -> Path:
    """The model that the configuration names; it serves until the first one is promoted."""
    return Path(settings.model.path) if settings.model.path else packaged_model()


def model_folder(settings: Settings) -> ModelFolder:
    folder = settings.models.folder
    return ModelFolder(Path(folder) if folder else Path(settings.server.data_dir) / "models")


def load_named(settings: Settings, schema: FeatureSchema, sha256: str) -> Policy:
    """The model that the log names, or with CONFIGURED the configuration. Raises PolicyError."""
    if sha256 == CONFIGURED:
        return load_model(model_path(settings), schema, trust(settings))
    return model_folder(settings).load(sha256, schema, trust(settings))


class Succession:
    """Made before the actors start; ``start`` begins to follow. A model that cannot be used changes nothing."""

    def __init__(self, settings: Settings, schema: FeatureSchema, log: EventLog, clock: Clock) -> None:
        self.settings = settings  # replaced when they are reloaded
        self._schema = schema
        self._registrar = Registrar(log, clock)
        self._registrar.settle()  # a promotion that a crash cut off
        self._lock = Lock()  # two threads may put a model in charge: who follows the log, and who watches a file
        self._in_charge = self._registrar.charge().in_charge  # by the registry
        self._owed = ""  # why the model in charge by the registry does not serve
        self._looked: list[tuple[int, ...]] | None = None  # the configured model's files, when they were read last
        self._refused: list[PolicyRefused] = []
        self._candidates: tuple[str, ...] = ()
        self._shadows: Shadows | None = None
        self._shadowed_s = clock.monotonic_s()
        model, first = settings.model, self._first()
        self._serves = first.info.id if first else ""
        self.serving = Serving(
            first,
            RulePolicy(schema),
            deadline_s=model.deadline_ms / 1000,
            max_late=model.max_late,
            bench_s=model.bench_s,
            clock=clock,
        )

    def start(self, stack: ExitStack, line: Line) -> None:
        """Say who is in charge, and follow the log and the configured file from now on."""
        self._line = line
        for refused in self._refused:
            line.observer.note("policy.refused", path=refused.path, reason=refused.reason)
            line.chronicle.tell(refused)
        self._activated("start")
        self._watched = stack.enter_context(ExitStack())
        self.watch()
        stop = Event()
        thread = Thread(target=self._follow, args=(stop,), name="model-follower", daemon=True)
        thread.start()
        stack.callback(self._stop_shadows)
        stack.callback(thread.join, JOIN_S)
        stack.callback(stop.set)

    def watch(self) -> None:
        """Watch the folder of the model that is configured now, and no longer that of the one before."""
        self._watched.close()
        path = model_path(self.settings)

        def changed(paths: set[Path]) -> None:
            missed = not paths and self._looked not in (None, _looks(path))  # before the watch stood
            if missed or any(found.stem == path.stem for found in paths):
                self.reload()

        if path.parent.is_dir():  # else there is no model to load either
            self._watched.enter_context(FolderWatch([path.parent], changed, "model-watcher"))

    def reload(self) -> None:
        """The configured model is another one now."""
        with self._lock:
            if self._in_charge == CONFIGURED:
                self._take(CONFIGURED, "reload")
            else:
                reason = f"the model {self._in_charge} was promoted: it serves until another one is"
                self._refuse(PolicyRefused(str(model_path(self.settings)), reason))

    def _load(self, sha256: str) -> Policy:
        if sha256 == CONFIGURED:
            self._looked = _looks(model_path(self.settings))
        return load_named(self.settings, self._schema, sha256)

    def _path(self, sha256: str) -> str:
        return str(model_path(self.settings) if sha256 == CONFIGURED else model_folder(self.settings).file(sha256))

    def _first(self) -> Policy | None:
        """The model in charge; where it cannot be used, the one before it, and so on; the rules alone at the end."""
        policy, self._refused = self._usable(back_from(self._registrar.charge()))
        self._owed = self._refused[0].reason if self._refused else ""
        return policy

    def _usable(self, models: Iterable[str]) -> tuple[Policy | None, list[PolicyRefused]]:
        """The first that can be used, and why those before it cannot."""
        refused: list[PolicyRefused] = []
        for sha256 in models:
            try:
                return self._load(sha256), refused
            except PolicyError as error:
                refused.append(PolicyRefused(self._path(sha256), str(error)))
        return None, refused

    def _follow(self, stop: Event) -> None:
        said = ""
        while not stop.wait(FOLLOW_S):
            try:
                with self._line.reach.asking("models"):
                    state = self._registrar.charge()
                    self._succeed(state)
                    self._follow_candidates(registry.candidates(state, self.settings.models.shadows))
                    self._record_shadows()
                said = ""
            except LogError as error:
                if str(error) != said:  # a log that is away for an hour is one line, not 14,400
                    said = str(error)
                    self._line.observer.error("models.unread", error)

    def _succeed(self, state: registry.State) -> None:
        with self._lock:
            if state.in_charge != self._in_charge:
                self._in_charge, self._owed = state.in_charge, ""
                if not self._take(state.in_charge, f"turn {state.turn}") and self._serves in state.withdrawn:
                    self._go_back(state)
            elif self._owed and self._in_charge != CONFIGURED:
                self._take(state.in_charge, f"turn {state.turn}, at last")  # its file may have come meanwhile

    def _go_back(self, state: registry.State) -> None:
        """As at a start: a model that was rolled back does not go on because the one before it cannot be used."""
        policy, refused = self._usable(back_from(state)[1:])  # the first of them has been refused
        for each in refused:
            self._refuse(each)
        self.serving.swap(policy)
        self._serves = policy.info.id if policy else ""
        self._activated(f"turn {state.turn}, in place of one that cannot be used")

    def _take(self, sha256: str, reason: str) -> bool:
        """Put another model in charge between two batches; one that is broken changes nothing."""
        try:
            policy = self._load(sha256)
            self.serving.swap(policy)
        except PolicyError as error:
            if str(error) != self._owed:
                self._refuse(PolicyRefused(self._path(sha256), str(error)))
            self._owed = str(error) if sha256 != CONFIGURED else ""
            return False
        self._owed, self._serves = "", policy.info.id
        self._activated(reason)
        return True

    def _refuse(self, refused: PolicyRefused) -> None:
        self._line.observer.note("policy.refused", path=refused.path, reason=refused.reason)
        self._line.chronicle.tell(refused)

    def _activated(self, reason: str) -> None:
        policy = self.serving.info.id
        self._line.observer.policy(policy, reason)
        self._line.chronicle.tell(PolicyActivated(policy=policy, reason=reason))

    # Candidates

    def _follow_candidates(self, candidates: tuple[str, ...]) -> None:
        if candidates == self._candidates:
            return
        self._candidates = candidates
        policies: list[Policy] = []
        for sha256 in candidates:
            try:
                policies.append(self._load(sha256))
            except PolicyError as error:
                self._refuse(PolicyRefused(self._path(sha256), str(error)))
        if policies and self._shadows is None:
            self._shadows = Shadows(self.settings.models.shadow_waiting_windows)
        if self._shadows is not None:
            self._shadows.follow(policies)
        self._line.shadows = self._shadows if policies else None

    def _record_shadows(self, *, now: bool = False) -> None:
        elapsed_s = self._line.clock.monotonic_s() - self._shadowed_s
        if self._shadows is None or (elapsed_s < self.settings.models.shadow_interval_s and not now):
            return
        self._shadowed_s += elapsed_s
        for tally in self._shadows.take():
            shadow = Shadow(tally.beside, round(elapsed_s * 1000), tally.pairings, tally.passed_by, tally.failed)
            self._registrar.shadow(tally.candidate, shadow)

    def _stop_shadows(self) -> None:
        if self._shadows is not None:
            self._line.shadows = None
            self._shadows.close()
            try:
                self._record_shadows(now=True)
            except LogError as error:
                self._line.observer.error("models.unread", error)


def _looks(model: Path) -> list[tuple[int, ...]]:
    """What tells whether one of its files is another one than before."""
    found: list[tuple[int, ...]] = []
    for suffix in (".onnx", ".json", ".sig"):
        try:
            stat = model.with_suffix(suffix).stat()
        except OSError:
            found.append(())
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


def back_from(state: registry.State) -> tuple[str, ...]:
    """Who was in charge, from the one that is on, and what the configuration names."""
    return (*reversed(state.line), CONFIGURED)
