"""The registrar: carries out what is decided about models, on the log, for whoever asks: a command or an actor."""

from collections.abc import Callable

from drlactors.domain import model, registry
from drlactors.domain.errors import NotEntered, SeveralModels
from drlactors.domain.ids import REGISTRY, model_of
from drlactors.domain.model import Authority
from drlactors.domain.registry import CONFIGURED, ChargePassed, ChargeReturned
from drlactors.ports.clock import Clock
from drlactors.ports.log import Append, Category, Event, EventLog, Stream

REGISTRY_STREAM = Stream(Category.REGISTRY, REGISTRY)


class Registrar:
    """One for each thread: it remembers how far it has read the registry. Every method may raise LogUnreachable.

    A change of charge is two appends: the registry's, which decides, and then what follows from it for the models'
    own streams. A crash between them leaves the second to ``settle``, which every change of charge begins with.
    """

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._state, self._version = registry.INITIAL, 0
        self._turned: registry.Event | None = None  # the last change of charge

    def charge(self) -> registry.State:
        """The registry as it is now: what was appended since the last time is read."""
        for entry in self._log.stream(REGISTRY_STREAM, self._version):
            for event in entry.of_registry:
                self._state = registry.DECIDER.evolve(self._state, event)
                if isinstance(event, (ChargePassed, ChargeReturned)):
                    self._turned = event
            self._version = entry.version
        return self._state

    def life(self, sha256: str) -> model.State:
        """A model's state; the initial one where nothing is known of it."""
        return self._life(sha256)[0]

    def find(self, text: str) -> str:
        """The digest of the one model of this version number, or else whose digest begins so.

        Half of all digests begin with a number that is some version's. Raises NotEntered and SeveralModels.
        """
        models = self.charge().models
        found = [one for one in models if (known := self.life(one).trained) and str(known.version) == text]
        found = found or [one for one in models if text and one.startswith(text)]
        if not found:
            raise NotEntered
        if len(found) > 1:
            raise SeveralModels
        return found[0]

    def enter(self, trained: model.Train) -> None:
        """Make a model known, as a candidate."""
        self._change(trained.sha256, trained)
        self._register(lambda state: registry.DECIDER.decide(registry.Enter(trained.sha256), state))

    def evaluate(self, sha256: str, evaluated: model.Evaluate) -> None:
        self._change(sha256, evaluated)

    def shadow(self, sha256: str, shadowed: model.Shadow) -> None:
        self._change(sha256, shadowed)

    def reject(self, sha256: str, author: str, reasons: tuple[str, ...]) -> None:
        """It is no candidate any more. Refused while it is in charge."""
        command = model.Reject(author, reasons)
        model.DECIDER.decide(command, self.life(sha256))  # refuses before anything is recorded
        self._register(lambda state: registry.DECIDER.decide(registry.Withdraw(sha256), state))
        self._change(sha256, command)

    def promote(self, sha256: str, *, configured: str, authority: Authority, author: str, reason: str) -> None:
        """Put a model in charge. ``configured``: the policy that acts where the registry names none."""

        def decide(state: registry.State) -> tuple[registry.Event, ...]:
            instead = configured if state.in_charge == CONFIGURED else state.in_charge
            promotion = model.Promote(state.turn + 1, instead, authority, author, reason)
            model.DECIDER.decide(promotion, self.life(sha256))  # refuses before anything is recorded
            return registry.DECIDER.decide(registry.PassCharge(sha256, instead, authority, author, reason), state)

        self.settle()
        self._register(decide)
        self.settle()

    def roll_back(self, author: str, reason: str) -> str:
        """Put the model before back in charge; its digest, empty for what the configuration names."""
        self.settle()
        self._register(lambda state: registry.DECIDER.decide(registry.ReturnCharge(author, reason), state))
        self.settle()
        return self.charge().in_charge

    def settle(self) -> None:
        """Write what follows from the last change of charge into the models' streams, where it is not there yet."""
        self.charge()
        missing = registry.consequences(self._turned) if self._turned is not None else ()
        while missing:
            lives = [(sha256, event, *self._life(sha256)) for sha256, event in missing]
            behind = [(sha256, event, version) for sha256, event, life, version in lives if life.turn < _turn(event)]
            if not behind:
                return
            stored = self._log.append([self._append(sha256, (event,), version) for sha256, event, version in behind])
            missing = tuple(
                (sha256, event) for (sha256, event, _), place in zip(behind, stored, strict=True) if place is None
            )

    def _register(self, decide: Callable[[registry.State], tuple[registry.Event, ...]]) -> None:
        """Decide on the registry as it is, again if another was faster."""
        while events := decide(self.charge()):
            append = Append(REGISTRY_STREAM, self._version, events, self._clock.now_us(), "registrar")
            if self._log.append([append]) != [None]:
                return

    def _change(self, sha256: str, command: model.Command) -> None:
        while True:
            life, version = self._life(sha256)
            events = model.DECIDER.decide(command, life)
            if not events or self._log.append([self._append(sha256, events, version)]) != [None]:
                return

    def _life(self, sha256: str) -> tuple[model.State, int]:
        state, version = model.INITIAL, 0
        for entry in self._log.stream(Stream(Category.MODEL, model_of(sha256))):
            state, version = model.DECIDER.fold(entry.of_model, state), entry.version
        return state, version

    def _append(self, sha256: str, events: tuple[Event, ...], after: int) -> Append:
        return Append(Stream(Category.MODEL, model_of(sha256)), after, events, self._clock.now_us(), "registrar")


def _turn(event: model.Event) -> int:
    assert isinstance(event, (model.Promoted, model.Retired, model.RolledBack)), "what follows from a change of charge"
    return event.turn
