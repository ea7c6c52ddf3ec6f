"""The ids of drlactors: minted by us or by a sandbox of ours, always UUIDs, safe in subjects and file names."""

from functools import lru_cache
from typing import NewType
from uuid import UUID, uuid5

SessionId = NewType("SessionId", UUID)
EpisodeId = NewType("EpisodeId", UUID)
InstanceId = NewType("InstanceId", UUID)
ModelId = NewType("ModelId", UUID)
RegistryId = NewType("RegistryId", UUID)
ReviewId = NewType("ReviewId", UUID)
OrderId = NewType("OrderId", UUID)

_EPISODES = UUID("5b0e4f3e-6d1c-5c1a-9b0a-6f6b5f0d7f10")
_REVIEWS = UUID("7a1d9a52-0c4e-5e0f-8d52-91f3c6f0b7e4")
_MODELS = UUID("3f6f1c0e-93d1-5a8e-8a5b-2d1b7c9e4a60")
_INSTANCES = UUID("0d7d0c6e-5b1b-5f52-8f0c-3a4f1a0a7c55")
_DAYS = UUID("1d0b8f5e-8a5c-5b0a-9f6e-2b1f4c7d9e30")
#: A log has one registry of models.
REGISTRY = RegistryId(UUID("c2a4f1d8-6a37-5b1d-9e0f-8d5c3b7a1e90"))

DAY_US = 86_400_000_000
#: No plane runs for longer than ten years without a start.
RESERVED_DAYS = 3_660


def instance_of(name: str) -> InstanceId:
    """A serving plane, by its configured name."""
    return InstanceId(uuid5(_INSTANCES, name))


def guard_day(at_us: int) -> UUID:
    """What guards counted on a day, by UTC."""
    return uuid5(_DAYS, str(at_us // DAY_US))


def reserved(instance: InstanceId, now_us: int) -> frozenset[UUID]:
    """Ids that follow from what anybody knows: a session or episode by one would be in the way of what it is for."""
    days = (guard_day(now_us + day * DAY_US) for day in range(-1, RESERVED_DAYS))
    return frozenset((REGISTRY, instance, *days))


def episode_of(session: SessionId) -> EpisodeId:
    """The episode that a stage-1 session opens: the same one however often its start is delivered."""
    return EpisodeId(uuid5(_EPISODES, str(session)))


def model_of(sha256: str) -> ModelId:
    """The model of an ONNX file with this digest."""
    return ModelId(uuid5(_MODELS, sha256))


def review_of(session: SessionId, seq: int) -> ReviewId:
    """The review that a session asks for at a window: the same one however often that is read."""
    return ReviewId(uuid5(_REVIEWS, f"{session}:{seq}"))


def order_of(review: ReviewId, ruling: str) -> OrderId:
    """The order that follows from one of a review's rulings."""
    return OrderId(uuid5(review, ruling))


def lease_order(episode: EpisodeId, stage: int, seq: int) -> OrderId:
    """The order that takes the isolation back which a stage chose at a window."""
    return OrderId(uuid5(episode, f"{stage}:{seq}"))


#: Names of as many sessions as run at once are kept at hand: spelling or parsing a UUID takes 2 us, looking it up 0.1.
AT_HAND = 16_384


@lru_cache(AT_HAND)
def spelled(session: SessionId) -> str:
    """As it stands in subjects and messages."""
    return str(session)


@lru_cache(AT_HAND)
def named(text: str) -> SessionId | None:
    """A UUID in its one canonical spelling, or none: two spellings would be two sessions to a sandbox."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return SessionId(found) if str(found) == text else None


def forget_names() -> None:
    """Give back what is at hand: it is made again of those who still speak."""
    spelled.cache_clear()
    named.cache_clear()
