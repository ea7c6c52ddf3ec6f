"""The names on the bus, spelled once: subjects and streams under one root."""

from dataclasses import dataclass

from drlactors.domain.ids import SessionId, named, spelled
from drlactors.ports.bus import Kind

ROOT = "drl.v1"
_KINDS = {kind.encode(): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Subjects:
    """``<root>.<kind>.<session>`` inbound, ``<root>.action.<session>`` outbound, ``<root>.dead.<kind>`` set aside.

    Installations that share a NATS account each take a root of their own.
    """

    root: str = ROOT

    def inbound(self, kind: Kind, session: SessionId) -> str:
        return f"{self.root}.{kind}.{spelled(session)}"

    def action(self, session: SessionId) -> str:
        return f"{self.root}.action.{spelled(session)}"

    def dead(self, kind: Kind) -> str:
        return f"{self.root}.dead.{kind}"

    def all_inbound(self) -> list[str]:
        """What the inbound stream takes: also what names no session, so that it ends among the dead letters."""
        return [f"{self.root}.{kind}.>" for kind in Kind]

    def all_dead(self) -> list[str]:
        return [f"{self.root}.dead.*"]

    def sandbox_stream(self) -> str:
        return f"{self._stem()}_SANDBOX"

    def dead_stream(self) -> str:
        return f"{self._stem()}_DEAD"

    def read(self, subject: bytes) -> tuple[Kind, SessionId | None]:
        """Kind and session of a subject that the inbound stream took; no session when it names none."""
        kind, _, session = subject[len(self.root) + 1 :].partition(b".")
        return _KINDS[kind], named(session.decode(errors="backslashreplace"))

    def _stem(self) -> str:
        return self.root.replace(".", "_").upper()  # names of streams hold no dots
