"""`drlactors models add`, `promote`, `rollback` and `reject`: deciding which model is in charge."""

import getpass
import sys
from pathlib import Path

from drlactors.cli.models.site import configured, opened
from drlactors.cli.whereabouts import HERE, Whereabouts


def add(file: Path, *, data: str, where: Whereabouts = HERE) -> None:
    """Check a model as a serving plane does, copy it into the folder of models, and record it as a candidate.

    Examples
    --------
    drlactors models add second.onnx --data "the recordings of November"

    Parameters
    ----------
    file
        The .onnx file, with its metadata (.json) and signature (.sig) beside it.
    data
        What it learned from, in words.
    """
    from drlactors.domain.model import Train
    from drlactors.inference import load_model
    from drlactors.ports.policy import PolicyError
    from drlactors.wiring import model_folder, trust

    with opened(where) as (registrar, site):
        offered = load_model(file, site.schema, trust(site.settings))
        policy = model_folder(site.settings).add(file, site.schema, trust(site.settings))
        known = policy.metadata
        if (known, policy.signed_by) != (offered.metadata, offered.signed_by):
            raise PolicyError(f"{policy.info.path} is this model with other metadata or signature, and stays so")
        registrar.enter(
            Train(
                sha256=known.sha256,
                version=known.version,
                date=known.date,
                schema=known.feature_schema,
                sessions=known.episodes,
                data=data,
                signed_by=policy.signed_by,
            )
        )
    print(f"{known.sha256}: version {known.version} is a candidate")


def promote(model: str, *, reason: str = "", author: str = "", where: Whereabouts = HERE) -> None:
    """Put a model in charge: by what the gate found, or on your word with --reason, which is recorded.

    Running systems take it in within a second, while they answer. One that cannot verify it keeps the model it has.

    Examples
    --------
    drlactors models promote 2
    drlactors models promote 2 --reason "the old one misses beacons"

    Parameters
    ----------
    model
        Its version, or the beginning of its digest.
    reason
        Why, if the gate has not said so.
    author
        Who decides; without it, your user name.
    """
    from drlactors.domain.model import Authority
    from drlactors.wiring import model_folder, trust

    with opened(where) as (registrar, site):
        sha256 = registrar.find(model)
        model_folder(site.settings).load(sha256, site.schema, trust(site.settings))  # what none could take is not put
        authority = Authority.PERSON if reason else Authority.GATE
        registrar.promote(
            sha256,
            configured=configured(site),
            authority=authority,
            author=author or (getpass.getuser() if reason else "gate"),
            reason=reason,
        )
    print(f"{sha256} is in charge")


def rollback(*, reason: str, author: str = "", where: Whereabouts = HERE) -> int:
    """Put the model before back in charge; the one that was is no candidate any more.

    It is taken out of charge also when the one before cannot be used, its file being gone for example: then systems go
    back further, and the exit status is 1.

    Examples
    --------
    drlactors models rollback --reason "it stops backups"

    Parameters
    ----------
    reason
        Why; it is recorded.
    author
        Who decides; without it, your user name.
    """
    from drlactors.ports.policy import PolicyError
    from drlactors.wiring import back_from, load_named

    refused: list[str] = []
    with opened(where) as (registrar, site):
        back = registrar.roll_back(author or getpass.getuser(), reason)
        serves = "the rules"
        for sha256 in back_from(registrar.charge()):
            try:
                load_named(site.settings, site.schema, sha256)
            except PolicyError as error:
                refused.append(str(error))
            else:
                serves = _named(sha256)
                break
    if not refused:
        print(f"{_named(back)} is in charge again")
        return 0
    if not back:  # as before the first promotion: the rules stand for a configured model that is missing or broken
        print(f"the rules are in charge again: {refused[0]}")
        return 0
    print(f"{_named(back)} is in charge again, but cannot be used; until it can, {serves} will act", file=sys.stderr)
    for why in refused:
        print(f"  {why}", file=sys.stderr)
    return 1


def _named(sha256: str) -> str:
    return sha256 or "the model that the configuration names"


def reject(model: str, *, reason: str, author: str = "", where: Whereabouts = HERE) -> None:
    """Record that a model is not to serve, and why; it is no candidate any more.

    Examples
    --------
    drlactors models reject 3 --reason "it stops one benign session in five"

    Parameters
    ----------
    model
        Its version, or the beginning of its digest.
    reason
        Why; it is recorded.
    author
        Who decides; without it, your user name.
    """
    with opened(where) as (registrar, _):
        sha256 = registrar.find(model)
        registrar.reject(sha256, author or getpass.getuser(), (reason,))
    print(f"{sha256} is rejected")
