"""A session's state as bytes, and the revision that says which programs can read them."""

from hashlib import sha256

import msgspec

from drlactors.domain import session
from drlactors.ports.log import Snapshot
from drlactors.store.rows import StoredSnapshot
from drlactors.store.shape import shape

#: Goes up when ``session.evolve`` comes to mean something else by the same fields. Their shape counts by itself.
MEANING = 1
REVISION = f"{MEANING}-{sha256(shape(session.State).encode()).hexdigest()[:16]}"

_ENCODER = msgspec.msgpack.Encoder(uuid_format="bytes")
_DECODER: msgspec.msgpack.Decoder[session.State] = msgspec.msgpack.Decoder(session.State)


def stored(snapshot: Snapshot) -> StoredSnapshot:
    return StoredSnapshot(snapshot.version, _ENCODER.encode(snapshot.state))


def restored(stored: StoredSnapshot) -> Snapshot | None:
    """None when the bytes are no state: a snapshot can be made again, so it is not worth an error."""
    try:
        return Snapshot(stored.version, _DECODER.decode(stored.state))
    except msgspec.DecodeError:
        return None
