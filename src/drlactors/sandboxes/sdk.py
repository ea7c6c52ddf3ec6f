"""All that a sandbox program of one's own needs, less the link: that is ``GrpcSandboxLink`` or ``NatsSandboxLink``."""

from drlactors.codec.sandbox import Instruction
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import BusUnreachable
from drlactors.sandboxes.asynchronous import AsyncSandbox, AsyncSession
from drlactors.sandboxes.journal import Done
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.sandboxes.session import Answer, Session

__all__ = [
    "Action",
    "Answer",
    "Artifact",
    "AsyncSandbox",
    "AsyncSession",
    "BusUnreachable",
    "Done",
    "EndReason",
    "EpisodeId",
    "Instruction",
    "Outcome",
    "Sandbox",
    "Session",
    "SessionId",
    "Telemetry",
    "Window",
]
