"""Which system a command is about."""

from pathlib import Path
from typing import NamedTuple

from cyclopts import Parameter


@Parameter(name="*")
class Whereabouts(NamedTuple):
    """As ``up`` was told them, or would be.

    Parameters
    ----------
    config
        Configuration files, TOML or JSON, each above the one before.
    data_dir
        Where the embedded servers keep their data, and run.json with the addresses.
    """

    config: tuple[Path, ...] = ()
    data_dir: Path | None = None


#: Where nothing is said: what the environment's variables say, else the defaults.
HERE = Whereabouts()
