"""The configuration: frozen settings from layers of files, secrets and variables, some of them live."""

from drlactors.config.keys import FIELDS, live, secret, value
from drlactors.config.load import DEFAULT_ENVIRONMENT, ENVIRONMENT, SECRETS, Loaded, load
from drlactors.config.problems import ConfigError, Problem
from drlactors.config.settings import Settings
from drlactors.config.share import share
from drlactors.config.watch import Reload, Watcher

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "ENVIRONMENT",
    "FIELDS",
    "SECRETS",
    "ConfigError",
    "Loaded",
    "Problem",
    "Reload",
    "Settings",
    "Watcher",
    "live",
    "load",
    "secret",
    "share",
    "value",
]
