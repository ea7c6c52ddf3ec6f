"""How a sandbox reaches the system that decides."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    from drlactors.ports.bus import SandboxLink


@Parameter(name="*")
@dataclass(frozen=True)
class Link:
    """By its gateway or its NATS, or because it runs on this machine.

    Parameters
    ----------
    gateway
        HOST:PORT of the system's gateway;
    nats
        or the address of its NATS; without either, the system that runs on the data directory.
    token_file
        A file with the token of gateway or NATS, where it needs one.
    tls_ca
        The authority that signed its certificate; with it the connection is TLS.
    tls_cert
        The certificate that says who this is.
    tls_key
        Its key.
    data_dir
        As for up.
    """

    gateway: str = ""
    nats: str = ""
    token_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    data_dir: Path | None = None

    def open(self) -> "SandboxLink":
        """Raises SystemExit where what is said is not one system, OSError for a token that cannot be read."""
        if self.gateway and self.nats:
            raise SystemExit("--gateway and --nats both say where drlactors is: give one of them")
        token = secret(self.token_file)
        if self.gateway:
            from drlactors.sandboxes.grpc_link import GrpcSandboxLink

            return GrpcSandboxLink(
                self.gateway, token=token, tls_ca=self.tls_ca, tls_cert=self.tls_cert, tls_key=self.tls_key
            )
        if self.nats:
            from drlactors.bus.credentials import Credentials
            from drlactors.bus.nats_link import NatsSandboxLink

            known = Credentials(
                token=token, tls_ca_file=self.tls_ca, tls_cert_file=self.tls_cert, tls_key_file=self.tls_key
            )
            return NatsSandboxLink(self.nats, credentials=known)
        try:
            from drlactors.wiring import sandbox_link
        except ModuleNotFoundError as error:  # a sandbox's own machine has no more than the link needs
            raise SystemExit("where is drlactors? --gateway HOST:PORT, or --nats URL") from error
        return sandbox_link(self.data_dir)


#: The system that runs on the usual data directory.
LOCAL = Link()


def secret(file: Path | None) -> str:
    """What the file has; empty without one. Secrets are in files: a command line is for everybody to read."""
    return file.read_text(encoding="utf-8").strip() if file else ""
