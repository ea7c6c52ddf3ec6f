"""The specification's JSON configuration schema, translated to our keys."""

from collections.abc import Mapping

from drlactors.config.problems import Problem, shown
from drlactors.domain.action import Action

#: Its keys that are ours under another name.
RENAMED = {"database.connection_string": "postgres.url", "buffer.capacity": "learner.capacity"}

#: Its keys that only have to agree with ours: the model says both by itself.
DIMENSIONS = ("model.feature_dim", "model.action_dim")

#: Its keys that nothing here reads, and what is there instead.
REPLACED = {
    "sandboxes.sandbox1_endpoint": "sandboxes connect to us: give them nats.url",
    "sandboxes.sandbox2_endpoint": "sandboxes connect to us: give them nats.url",
    "buffer.min_samples": "training begins once there is a batch, which is the method's",
}

KEYS = (*RENAMED, *DIMENSIONS, *REPLACED)
SECTIONS = frozenset(key.partition(".")[0] for key in KEYS)


def disagreements(given: Mapping[str, tuple[str, object]], features: int) -> list[Problem]:
    """Dimensions (where, value) that are not the ones of our state vector and our actions."""
    expected = {
        "model.feature_dim": (features, "features.names"),
        "model.action_dim": (len(Action), "the five actions"),
    }
    problems = []
    for key, (where, value) in given.items():
        number, source = expected[key]
        if type(value) is not int or value != number:
            problems.append(Problem(where, key, f"{shown(value)} given, allowed: {number}, as {source} say"))
    return problems
