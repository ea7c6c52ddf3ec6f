"""An instance: one running drlactors installation, and what changed about it while it ran."""

from typing import NamedTuple


class ConfigurationReloaded(NamedTuple):
    changed: tuple[str, ...]  # dotted keys, without their values: some are secret
    refused: str  # empty, or why the new files were not taken and the old settings stayed


class PolicyActivated(NamedTuple):
    policy: str  # the digest of a model, or the name and version of the rules
    reason: str


class PolicyRefused(NamedTuple):
    path: str
    reason: str


Event = ConfigurationReloaded | PolicyActivated | PolicyRefused
