"""What is wrong with a configuration, in words that say where, which key, what was given and what is allowed."""

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from drlactors.config import keys


class Problem(NamedTuple):
    where: str  # the file or the variable
    key: str  # dotted; empty when the whole file is meant
    says: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.says}" if self.key else f"{self.where}: {self.says}"


class ConfigError(Exception):
    """The configuration cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "" if len(self.problems) == 1 else f" ({len(self.problems)} problems)"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"the configuration cannot be used{count}:{lines}")


def unknown(where: str, key: str, known: Sequence[str]) -> Problem:
    """An unknown key, with the nearest known one."""
    key = shown(key).strip("'")
    near = difflib.get_close_matches(key, known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return Problem(where, key, f"there is no such key; {advice}")


def invalid(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    """Pydantic's findings in our words; never the value of a secret."""
    problems = []
    for found in error.errors(include_url=False, include_context=False):
        place = [str(part) for part in found["loc"]]
        key = ".".join(place[:2])
        where = origins.get(key) or " + ".join(dict.fromkeys(v for k, v in origins.items() if k.startswith(f"{key}.")))
        if found["type"] == "missing":
            says = "missing, and it has no value in base.toml"
        else:
            allowed = found["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
            given = "" if len(place) == 1 else f"{'(a secret)' if keys.secret(key) else shown(found['input'])} given, "
            says = f"{given}allowed: {allowed}"
        entry = f", entry {int(place[2]) + 1}" if len(place) > 2 else ""
        problems.append(Problem(where, key + entry, says))
    return ConfigError(problems)


def shown(given: object) -> str:
    """A value short enough for one line of a message."""
    match given:
        case str():
            text = ascii(given) if any("\ud800" <= c <= "\udfff" for c in given) else repr(given)
            return text if len(text) <= 80 else f"{text[:76]}...'"
        case int() if given.bit_length() > 256:
            return "a number of too many digits"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[given]
        case int() | float():
            return str(given)
        case list() | tuple():
            return f"a list of {len(given)}"
        case dict():
            return "a table"
        case _:
            return f"a {type(given).__name__}"
