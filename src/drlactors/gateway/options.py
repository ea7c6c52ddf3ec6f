"""What a gateway is told when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drlactors.gateway.errors import GatewayFailed

_DIGEST_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Sizes are of serialized messages. ``configs/README.md`` says what each one means."""

    address: str  # HOST:PORT; port 0 takes a free one
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tokens: Mapping[str, str] | None = field(default=None, repr=False)  # SHA-256 in hex -> the sandbox; None: not asked
    queue_messages: int = 16_384
    queue_bytes: int = 256 << 20
    stream_messages: int = 1024
    streams: int = 4096
    max_message_bytes: int = 1 << 20
    store_timeout_s: float = 10.0
    drain_s: float = 10.0


def tokens(path: Path) -> dict[str, str]:
    """Read a file of tokens: a sandbox and the SHA-256 of its token in hex on each line. Raises GatewayFailed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise GatewayFailed(f"Cannot read the tokens of sandboxes in {path}: {error.strerror}.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        digest = words[-1].lower()
        if len(words) != 2 or len(digest) != _DIGEST_CHARACTERS or not set(digest) <= set("0123456789abcdef"):
            raise GatewayFailed(f"{path}, line {number}: SANDBOX and the SHA-256 of its token in hex are wanted.")
        found[digest] = words[0]
    return found
