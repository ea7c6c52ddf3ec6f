"""With whose key this instance signs its receipts, and whose receipts hold here."""

from collections.abc import Sequence
from pathlib import Path

from drlactors.config.settings import Settings
from drlactors.signing import KeyRefused, PrivateKey, make_key, public_key, read_key
from drlactors.wiring.access import settings_of

KEY_FILE = "instance.key"


def signer(settings: Settings) -> PrivateKey:
    """The configured key, or the instance's own, which is made where there is none yet. Raises KeyRefused."""
    file = _key_file(settings)
    if not settings.receipts.key and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            make_key(file)
        except KeyRefused as error:
            if not file.exists():  # else another has made it meanwhile, and it is as good
                raise KeyRefused(
                    f"{error}. Name another in receipts.key, as drlactors models keys makes one"
                ) from error
    return read_key(file)


def trusted_signers(files: Sequence[Path], data_dir: Path | None) -> frozenset[str]:
    """The public keys whose receipts hold: those that are configured, and the instance's own; needs no server."""
    settings = settings_of(files, data_dir)
    file = _key_file(settings)
    own = [public_key(read_key(file))] if file.exists() else []
    return frozenset([*settings.receipts.trusted_keys, *own])


def _key_file(settings: Settings) -> Path:
    return Path(settings.receipts.key) if settings.receipts.key else Path(settings.server.data_dir) / KEY_FILE
