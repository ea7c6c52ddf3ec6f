"""The layers that settings come from: files, a folder of secrets, variables; each a flat table of dotted keys."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from drlactors.config import keys, specification
from drlactors.config.problems import ConfigError, Problem, shown, unknown

PREFIX = "DRLACTORS_"


class Found(NamedTuple):
    """One value, where it stands, and under which name it was written there."""

    key: str
    value: object
    where: str


def read_file(path: Path) -> list[Found]:
    """The values of a TOML or JSON file; raises ConfigError for what is neither, and for keys that nobody knows."""
    where = str(path)
    found, problems = [], []
    for section, table in _table(path).items():
        if section not in keys.SECTIONS and section not in specification.SECTIONS:
            problems.append(unknown(where, section, keys.SECTIONS))
        elif not isinstance(table, dict):
            problems.append(Problem(where, section, f"{shown(table)} given, allowed: a table of keys"))
        else:
            for name, value in table.items():
                key = f"{section}.{name}"
                if key in keys.FIELDS or key in specification.KEYS:
                    found.append(Found(key, value, where))
                else:
                    problems.append(unknown(where, key, [*keys.FIELDS, *specification.KEYS]))
    if problems:
        raise ConfigError(problems)
    return found


def _table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from error
    except json.JSONDecodeError as error:
        raise ConfigError([Problem(f"{path}:{error.lineno}", "", f"is not JSON: {error.msg}")]) from error
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError([Problem(str(path), "", f"is not {kind}: {error}")]) from error
    if not isinstance(table, dict):
        raise ConfigError([Problem(str(path), "", f"{shown(table)} given, allowed: an object of sections")])
    return table


def read_secrets(folder: Path) -> list[Found]:
    """One file for each key, named ``section__key``; hidden entries are how Kubernetes swaps a whole folder."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        texts = [(path.name, str(path), path.read_text(encoding="utf-8").strip()) for path in files]
    except OSError as error:
        raise ConfigError([Problem(str(folder), "", f"secrets cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(folder), "", f"secrets are not UTF-8 text: {error.reason}")]) from error
    return _from_texts(texts)


def read_variables(environ: Mapping[str, str]) -> list[Found]:
    """Variables ``DRLACTORS_SECTION__KEY``.

    Other names that begin with the prefix are left alone: Kubernetes sets DRLACTORS_PORT and the like for a service
    of our name. Only a key written with one underscore is an error, because it looks as if it would be heard.
    """
    ours = {name.removeprefix(PREFIX): name for name in environ if name.startswith(PREFIX)}
    single = {key.replace(".", "_").upper(): key for key in keys.FIELDS}
    problems = [
        Problem(f"variable {ours[name]}", single[name], f"write it {PREFIX}{single[name].replace('.', '__').upper()}")
        for name in sorted(single.keys() & ours.keys())
    ]
    if problems:
        raise ConfigError(problems)
    return _from_texts((name, f"variable {full}", environ[full]) for name, full in ours.items() if "__" in name)


def _from_texts(texts: Iterable[tuple[str, str, str]]) -> list[Found]:
    found, problems = [], []
    for name, where, text in texts:
        key = name.lower().replace("__", ".", 1)
        if key in keys.FIELDS:
            found.append(Found(key, keys.parsed(key, text), where))
        else:
            problems.append(unknown(where, key, list(keys.FIELDS)))
    if problems:
        raise ConfigError(problems)
    return found
