"""The composition root: the one room that knows every adapter."""

from drlactors.wiring.access import Addresses, SystemClock, buried, migrations, reading, sandbox_link, trust
from drlactors.wiring.system import System, model_path

__all__ = [
    "Addresses",
    "System",
    "SystemClock",
    "buried",
    "migrations",
    "model_path",
    "reading",
    "sandbox_link",
    "trust",
]
