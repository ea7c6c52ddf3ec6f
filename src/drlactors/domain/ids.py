"""The ids of drlactors: minted by us or by a sandbox of ours, always UUIDs, safe in subjects and file names."""

from functools import lru_cache
from typing import NewType
from uuid import UUID, uuid5

SessionId = NewType("SessionId", UUID)
EpisodeId = NewType("EpisodeId", UUID)
InstanceId = NewType("InstanceId", UUID)

_EPISODES = UUID("5b0e4f3e-6d1c-5c1a-9b0a-6f6b5f0d7f10")


def episode_of(session: SessionId) -> EpisodeId:
    """The episode that a stage-1 session opens: the same one however often its start is delivered."""
    return EpisodeId(uuid5(_EPISODES, str(session)))


@lru_cache(16_384)
def spelled(session: SessionId) -> str:
    """As it stands in subjects and messages: at hand for as many sessions as run at once, because making it takes 2 us."""
    return str(session)
