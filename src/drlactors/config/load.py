"""Loading: the layers, one above the other, become one validated and frozen Settings."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from drlactors.config import keys, specification
from drlactors.config.layers import Found, read_file, read_secrets, read_variables
from drlactors.config.problems import ConfigError, Problem, invalid
from drlactors.config.settings import Settings
from drlactors.config.share import share

ENVIRONMENT = "DRLACTORS_ENV"
SECRETS = "DRLACTORS_SECRETS"
DEFAULT_ENVIRONMENT = "dev"


class Loaded(NamedTuple):
    """Settings, and how they came about."""

    settings: Settings
    origins: Mapping[str, str]  # dotted key -> the file or variable that its value comes from
    warnings: tuple[str, ...]  # about keys that were accepted but do nothing
    watched: tuple[Path, ...]  # the files and folders whose change could change the settings


def load(
    environment: str = "",
    files: Sequence[Path] = (),
    environ: Mapping[str, str] = os.environ,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """base.toml < ENVIRONMENT.toml < files < secrets < variables < overrides (dotted keys, from the command line).

    Without ``environment`` the variable DRLACTORS_ENV says it, or it is dev. The variable DRLACTORS_SECRETS names a
    folder of secrets. Raises ConfigError with everything that is wrong.
    """
    folder = share("configs")
    named = environment or environ.get(ENVIRONMENT) or DEFAULT_ENVIRONMENT
    known = sorted(path.stem for path in folder.glob("*.toml") if path.stem != "base")
    if named not in known:
        where = "the environment's name" if environment else f"variable {ENVIRONMENT}"
        raise ConfigError([Problem(where, "", f"{named!r} given, allowed: {', '.join(known)}")])
    paths = [folder / "base.toml", folder / f"{named}.toml", *files]
    readers: list[Callable[[], list[Found]]] = [partial(read_file, path) for path in paths]
    if secrets := environ.get(SECRETS):
        readers.append(partial(read_secrets, Path(secrets)))
    readers.append(partial(read_variables, environ))
    found = _collected(readers)
    found += [Found(key, value, "the command line") for key, value in (overrides or {}).items()]
    settings, origins, warnings = _settled(found)
    return Loaded(settings, origins, warnings, (*paths, *([Path(secrets)] if secrets else [])))


def _collected(readers: Iterable[Callable[[], list[Found]]]) -> list[Found]:
    """What all layers say; their problems together, so that one run shows everything there is to mend."""
    found: list[Found] = []
    problems: list[Problem] = []
    for read in readers:
        try:
            found += read()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def _settled(found: Iterable[Found]) -> tuple[Settings, dict[str, str], tuple[str, ...]]:
    tree: dict[str, dict[str, object]] = {section: {} for section in keys.SECTIONS}
    origins: dict[str, str] = {}
    warnings: dict[str, str] = {}
    dimensions: dict[str, tuple[str, object]] = {}
    for written, value, where in found:
        if written in specification.REPLACED:
            warnings[written] = f"{where}: {written} does nothing: {specification.REPLACED[written]}"
        elif written in specification.DIMENSIONS:
            dimensions[written] = (where, value)
        else:
            key = specification.RENAMED.get(written, written)
            section, _, name = key.partition(".")
            tree[section][name] = value
            origins[key] = where
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise invalid(error, origins) from None  # its own text could show a secret
    if problems := specification.disagreements(dimensions, len(settings.features.names)):
        raise ConfigError(problems)
    return (settings, {key: origins[key] for key in keys.FIELDS}, tuple(warnings.values()))
