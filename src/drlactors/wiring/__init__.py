"""The composition root: the one room that knows every adapter."""

from drlactors.ports.clock import SystemClock
from drlactors.wiring.access import (
    Addresses,
    buried,
    migrations,
    quarantine_folder,
    reading,
    running,
    sandbox_link,
    trust,
)
from drlactors.wiring.gateways import gateway_process
from drlactors.wiring.history import Past, archive, past
from drlactors.wiring.patterns import make_all, patterns, prepare
from drlactors.wiring.signers import signer, trusted_signers
from drlactors.wiring.succession import back_from, load_named, model_folder, model_path
from drlactors.wiring.system import System

__all__ = [
    "Addresses",
    "Past",
    "System",
    "SystemClock",
    "archive",
    "back_from",
    "buried",
    "gateway_process",
    "load_named",
    "make_all",
    "migrations",
    "model_folder",
    "model_path",
    "past",
    "patterns",
    "prepare",
    "quarantine_folder",
    "reading",
    "running",
    "sandbox_link",
    "signer",
    "trust",
    "trusted_signers",
]
