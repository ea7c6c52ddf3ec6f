"""`drlactors config`: checks configuration files, and shows what is in force."""

from pathlib import Path


def check(*file: Path, environment: str = "") -> None:
    """Load everything as `drlactors up` would, and say what is wrong: where, which key, what is allowed.

    Exit status 2 when something is.

    Examples
    --------
    drlactors config check
    drlactors config check site.toml --environment prod

    Parameters
    ----------
    file
        Configuration files, TOML or JSON, each above the one before.
    environment
        dev, staging or prod; without it, the one that the variable DRLACTORS_ENV names.
    """
    from drlactors.config import load

    loaded = load(environment, file)
    for warning in loaded.warnings:
        print(f"warning: {warning}")
    changed = sum(not origin.endswith("base.toml") for origin in loaded.origins.values())
    print(f"The configuration can be used: {len(loaded.origins)} keys, {changed} of them not from base.toml.")


def show(*file: Path, environment: str = "", origin: bool = False) -> None:
    """Print every key with the value that `drlactors up` would use, as TOML. Secrets are not shown.

    Examples
    --------
    drlactors config show --origin

    Parameters
    ----------
    file
        Configuration files, as for check.
    environment
        As for check.
    origin
        Say behind each value which file or variable it comes from.
    """
    from drlactors.config import FIELDS, load, secret, value

    loaded = load(environment, file)
    section = ""
    for key in FIELDS:
        named, _, name = key.partition(".")
        if named != section:
            print(f"{chr(10) if section else ''}[{named}]")
            section = named
        line = f"{name} = {_hidden(value(loaded.settings, key)) if secret(key) else _toml(value(loaded.settings, key))}"
        print(f"{line}  # {loaded.origins[key]}" if origin else line)


def _hidden(found: object) -> str:
    return '"(set)"' if str(found) else '""'


def _toml(found: object) -> str:
    match found:
        case bool():
            return str(found).lower()
        case int() | float():
            return f"{found:g}" if isinstance(found, float) else str(found)
        case tuple():
            return f"[{', '.join(map(_toml, found))}]"
        case _:
            import json

            return json.dumps(str(found))
