"""What a program that is run here may see, reach and take."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from drlactors.cli.numbers import Seconds, WindowMs

if TYPE_CHECKING:
    from drlactors.sandboxes.analysis import Terms


@Parameter(name="*")
@dataclass(frozen=True)
class Bounds:
    """Of each program.

    Parameters
    ----------
    read
        More that it may read.
    reach
        A TCP service that it may reach, by IPv4 address and port; all else does not exist for it.
    env
        NAME=VALUE for its environment, which has next to nothing else.
    window_ms
        The length of a window.
    horizon_s
        It is terminated after so long, not counting pauses.
    review_s
        And after so long a pause.
    """

    read: tuple[Path, ...] = ()
    reach: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    window_ms: WindowMs = 250
    horizon_s: Seconds = 60.0
    review_s: Seconds = 3600.0

    def terms(self, data_dir: Path | None, folder: Path | None = None, *, contained: bool = True) -> "Terms":
        """With the quarantine of the data directory. Raises SystemExit for what cannot be meant."""
        from drlactors.sandboxes.analysis import Terms
        from drlactors.sandboxes.containment.relay import Address
        from drlactors.sandboxes.launch import Confines
        from drlactors.sandboxes.quarantine import Quarantine
        from drlactors.wiring import quarantine_folder

        if odd := [pair for pair in self.env if "=" not in pair]:
            raise SystemExit(f"--env takes NAME=VALUE, not {odd[0]}")
        if contained and Path("/") in (folder and folder.resolve(), *(path.resolve() for path in self.read)):
            raise SystemExit("with / shown to it, the program would not be contained: --uncontained says so")
        try:
            addresses = tuple(Address.parse(text) for text in self.reach)
        except ValueError as wrong:
            raise SystemExit(f"--reach: {wrong}") from wrong
        confines = Confines(read=tuple(path.resolve() for path in self.read), reach=addresses)
        return Terms(
            window_ms=self.window_ms,
            horizon_s=self.horizon_s,
            review_s=self.review_s,
            confines=confines if contained else None,
            folder=folder or (None if contained else Path.cwd()),
            env=dict(pair.split("=", 1) for pair in self.env),
            quarantine=Quarantine(quarantine_folder(data_dir)),
        )


#: A minute in nothing but system folders.
USUAL = Bounds()
