"""The streams and the consumer of drlactors, declared in one place."""

from dataclasses import dataclass
from typing import Any

from drlactors.bus.api import STREAM_NOT_FOUND, ApiRefused, ask
from drlactors.bus.client import DirectClient
from drlactors.bus.subjects import Subjects
from drlactors.ports.bus import BusUnreachable

NS_PER_S = 1_000_000_000
#: Bumped when the stream is found shorter than what was read from it: a machine that lost power forgets what the
#: server had not synced, and the same sequences are then given to other messages.
INCARNATION = "drlactors-incarnation"
PER_SUBJECT, UNLIMITED = "max_msgs_per_subject", -1
#: These cannot be changed on a stream that exists, or would change what it holds.
FIXED = ("subjects", "retention", "storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the streams keep. What is changed here is changed on the server by the next connection."""

    sandbox_bytes: int = 4 << 30  # a full inbound stream refuses the sandboxes until it is trimmed
    sandbox_age_s: float = 86_400.0
    session_messages: int = 4096  # of one kind of one session; more are refused until the stream is trimmed
    duplicate_window_s: float = 120.0  # a message sent again within it is stored once
    dead_bytes: int = 256 << 20  # full of dead letters, it forgets the oldest
    dead_age_s: float = 30 * 86_400.0
    replicas: int = 1  # 3 on a cluster


def sandbox_stream(subjects: Subjects, limits: Limits) -> dict[str, Any]:
    """Start, windows, feedback and end of a session in one stream: they keep the order in which they were sent.

    A session that floods is refused at the server: all others wait for ``session_messages`` of it at most.
    """
    return {
        "name": subjects.sandbox_stream(),
        "subjects": subjects.all_inbound(),
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_bytes": limits.sandbox_bytes,
        PER_SUBJECT: limits.session_messages,
        "discard_new_per_subject": True,
        "max_age": int(limits.sandbox_age_s * NS_PER_S),
        "duplicate_window": int(limits.duplicate_window_s * NS_PER_S),
        "num_replicas": limits.replicas,
    }


def dead_stream(subjects: Subjects, limits: Limits) -> dict[str, Any]:
    return {
        "name": subjects.dead_stream(),
        "subjects": subjects.all_dead(),
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_bytes": limits.dead_bytes,
        "max_age": int(limits.dead_age_s * NS_PER_S),
        "duplicate_window": int(limits.duplicate_window_s * NS_PER_S),
        "num_replicas": limits.replicas,
    }


def consumer(name: str, after: int) -> dict[str, Any]:
    """Reads behind a sequence, without acknowledgements: the event log remembers the position.

    Explicit acknowledgements would deliver out of order after a crash ([4, 0, 1, 2, 3, 5], ops/adr/0003).
    """
    return {
        "name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "none",
        "replay_policy": "instant",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 60 * NS_PER_S,  # the server removes it when we are gone for so long
    }


async def declare(client: DirectClient, subjects: Subjects, limits: Limits) -> None:
    """Make the streams, or bring their limits up to date. Raises BusUnreachable when one is there that is not ours."""
    for wanted in (sandbox_stream(subjects, limits), dead_stream(subjects, limits)):
        name = wanted["name"]
        try:
            info = await ask(client, f"STREAM.INFO.{name}")
        except ApiRefused as refused:
            if refused.code != STREAM_NOT_FOUND:
                raise
            await ask(client, f"STREAM.CREATE.{name}", wanted)
            continue
        found: dict[str, Any] = info["config"]
        conflicts = [key for key in FIXED if found.get(key) != wanted[key]]
        if conflicts:
            differences = "; ".join(f"{key} is {found.get(key)}, not {wanted[key]}" for key in conflicts)
            raise BusUnreachable(
                f"The NATS stream {name} is not the one that drlactors makes: {differences}. Remove it, or give this "
                "installation another subject root."
            )
        changes = _without_loss(wanted, found, info["state"]["messages"])
        if any(found.get(key) != value for key, value in changes.items()):
            await ask(client, f"STREAM.UPDATE.{name}", found | changes)


def _without_loss(wanted: dict[str, Any], found: dict[str, Any], messages: int) -> dict[str, Any]:
    """Less the limit for each subject, where bringing it to the stream could delete messages.

    The server deletes the oldest above it, which were acknowledged. None is above it where all messages together are
    not; the half leaves room for what comes in between. A later connection brings it.
    """
    most, old = wanted.get(PER_SUBJECT, UNLIMITED), found.get(PER_SUBJECT, UNLIMITED)
    if most == UNLIMITED or UNLIMITED < old <= most or messages <= most // 2:
        return wanted
    return {key: value for key, value in wanted.items() if key not in (PER_SUBJECT, "discard_new_per_subject")}


@dataclass(frozen=True, slots=True)
class StreamState:
    identity: str  # sequences are comparable within one only
    last_sequence: int


async def state(client: DirectClient, stream: str) -> StreamState:
    info = await ask(client, f"STREAM.INFO.{stream}")
    incarnation = info["config"].get("metadata", {}).get(INCARNATION, "0")
    return StreamState(f"{stream}@{info['created']}#{incarnation}", info["state"]["last_seq"])


async def begin_incarnation(client: DirectClient, stream: str) -> None:
    """Give the stream another identity: its sequences are being used a second time."""
    config = (await ask(client, f"STREAM.INFO.{stream}"))["config"]
    metadata = config.get("metadata", {})
    metadata[INCARNATION] = str(int(metadata.get(INCARNATION, "0")) + 1)
    await ask(client, f"STREAM.UPDATE.{stream}", config | {"metadata": metadata})
