"""How a client shows a NATS server who it is."""

import importlib.util
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drlactors.ports.bus import BusUnreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the server asks for; what it does not ask for stays empty. Secrets are not shown.

    A user that may only read its own inboxes needs ``inbox_prefix`` (``_INBOX`` is shared by all users).
    """

    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    nkey_seed_file: Path | None = None
    credentials_file: Path | None = None  # a JWT with its seed, as nsc writes it
    tls_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    inbox_prefix: str = "_INBOX"

    def options(self) -> dict[str, Any]:
        """The keyword arguments of nats-py's ``connect``. Raises BusUnreachable when a file or a package is missing."""
        if (self.nkey_seed_file or self.credentials_file) and importlib.util.find_spec("nkeys") is None:
            raise BusUnreachable("NATS keys need the package nkeys. Install it with: pip install nkeys")
        chosen: dict[str, Any] = {
            "token": self.token,
            "user": self.user,
            "password": self.password,
            "nkeys_seed": self.nkey_seed_file and str(self.nkey_seed_file),
            "user_credentials": self.credentials_file and str(self.credentials_file),
            "tls": self._tls(),
            "inbox_prefix": self.inbox_prefix,
        }
        return {name: value for name, value in chosen.items() if value}

    def _tls(self) -> ssl.SSLContext | None:
        if self.tls_ca_file is None and self.tls_cert_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca_file)
            if self.tls_cert_file is not None:
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file)
        except OSError as error:  # ssl.SSLError is one
            raise BusUnreachable(f"Cannot use the TLS files of the bus: {error}.") from error
        return context
