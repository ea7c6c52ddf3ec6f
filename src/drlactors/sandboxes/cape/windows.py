"""Folds the calls that arrived in one window into telemetry: as finished reports are folded.

A window is what arrived on the host while it lasted: the guest's clock is not read. Calls come late, by the monitor's
half second and by what the result server has not written yet, so that some of a window was done in the one before.
CPU and memory are not seen.
"""

from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.cape.log import Called
from drlactors.sandboxes.importers.fold import Fold, cleaned, telemetry_of
from drlactors.sandboxes.importers.report import Call
from drlactors.sandboxes.importers.windows_api import WindowsApi

_SEEN_ALL: frozenset[str] = frozenset()


class Windows:
    """The window that is open, call by call."""

    def __init__(self) -> None:
        self._api = WindowsApi()
        self._fold = Fold()

    def add(self, called: Called) -> None:
        """Counts one call in."""
        call = self._understood(called)
        name, fold = cleaned(call.name), self._fold
        fold.calls += call.times
        fold.types[name] = fold.types.get(name, 0) + call.times
        fold.act(call)

    def learn(self, called: Called) -> None:
        """What was counted in a window before: it says whose handles are whose."""
        self._understood(called)

    def close(self) -> Telemetry:
        """The window that ends here; the next one begins empty."""
        seen = telemetry_of(self._fold, _SEEN_ALL)
        self._fold = Fold()
        return seen

    def _understood(self, called: Called) -> Call:
        return self._api.call(called.pid, called.name, called.at_us, called.ok, called.times, called.arguments)
