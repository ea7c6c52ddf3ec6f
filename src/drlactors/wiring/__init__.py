"""The composition root: the one room that knows every adapter."""

from drlactors.wiring.access import Addresses, SystemClock, buried, migrations, reading, sandbox_link, trust
from drlactors.wiring.succession import model_folder, model_path
from drlactors.wiring.system import System

__all__ = [
    "Addresses",
    "System",
    "SystemClock",
    "buried",
    "migrations",
    "model_folder",
    "model_path",
    "reading",
    "sandbox_link",
    "trust",
]
