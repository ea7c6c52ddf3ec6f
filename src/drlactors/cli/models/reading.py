"""`drlactors models list`, `show` and `compare`: the models that the log knows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from drlactors.cli.listing import print_rows
from drlactors.cli.models.site import opened
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.domain import model as life_of_a_model


def list_(*, as_json: bool = False, where: Whereabouts = HERE) -> None:
    """List the models, the newest first: where each is in its life, and what the gate said.

    Examples
    --------
    drlactors models list
    drlactors models list --json

    Parameters
    ----------
    as_json
        One JSON object a line.
    """
    columns = ("model", "version", "standing", "gate", "of", "sessions", "shadowed", "otherwise")
    with opened(where) as (registrar, _):
        rows = [_row(sha256, registrar.life(sha256)) for sha256 in reversed(registrar.charge().models)]
    print_rows(columns, rows, as_json=as_json, cells=lambda row: (row[0][:12], *row[1:]))


def _row(sha256: str, life: "life_of_a_model.State") -> tuple[Any, ...]:
    known, evaluated = life.trained, life.evaluated
    return (
        sha256,
        known.version if known else None,
        life.standing.value,
        evaluated.answer.value if evaluated else "",
        known.date[:19] if known else "",
        known.sessions if known else None,
        life.shadowed,
        life.differed,
    )


def show(model: str, *, where: Whereabouts = HERE) -> None:
    """Print what is recorded of a model: its training, evaluations, shadowing, promotions, and why.

    Examples
    --------
    drlactors models show 2
    drlactors models show ed24963d6223

    Parameters
    ----------
    model
        Its version, or the beginning of its digest.
    """
    with opened(where) as (registrar, _):
        sha256 = registrar.find(model)
        life, in_charge = registrar.life(sha256), registrar.charge().in_charge
    known = life.trained
    assert known is not None, "find gives only models that are entered"
    print(f"{sha256}: {life.standing.value}{', in charge' if sha256 == in_charge else ''}")
    print(f"version {known.version} of {known.date}, signed by {known.signed_by or 'nobody'}")
    print(f"learned from {known.sessions} sessions: {known.data}; feature schema {known.schema}")
    if evaluated := life.evaluated:
        print(f"the gate, against {evaluated.against}, on {evaluated.sessions} sessions: {evaluated.answer.value}")
        for reason in evaluated.reasons:
            print(f"  {reason}")
        for name, value, low, high in evaluated.figures:
            print(f"  {name}: {value:.4g} ({low:.4g} to {high:.4g})")
    if life.shadowed:
        print(f"shadowed {life.shadowed} windows, in {life.differed} of them it would have chosen otherwise")
    for reason in life.rejected:
        print(f"rejected: {reason}")


def compare(first: str, second: str, *, where: Whereabouts = HERE) -> None:
    """Put two models side by side: what their metadata claims, and what the gate measured.

    Examples
    --------
    drlactors models compare 1 2

    Parameters
    ----------
    first
        A version, or the beginning of a digest.
    second
        Another.
    """
    from rich.console import Console
    from rich.table import Table

    from drlactors.wiring import model_folder

    with opened(where) as (registrar, site):
        found = [registrar.find(text) for text in (first, second)]
        lives = [registrar.life(sha256) for sha256 in found]
        folder = model_folder(site.settings)
        sides = [
            _claims(folder.file(sha256).with_suffix(".json")) | _measured(life)
            for sha256, life in zip(found, lives, strict=True)
        ]
    table = Table("", *(sha256[:12] for sha256 in found))
    for name in dict.fromkeys(name for side in sides for name in side):
        table.add_row(name, *(side.get(name, "") for side in sides))
    Console().print(table)


def _claims(file: Path) -> dict[str, str]:
    """What a model's metadata says of it; nothing where the file is not here."""
    from drlactors.domain.metadata import from_json

    names = ("version", "episodes", "held_out", "accuracy", "false_positive_rate", "false_negative_rate")
    try:
        known = from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: f"{getattr(known, name):.4g}" for name in (*names, "mean_decision_s", "final_reward")}


def _measured(life: "life_of_a_model.State") -> dict[str, str]:
    told = {"standing": life.standing.value, "shadowed": f"{life.shadowed}, {life.differed} otherwise"}
    if (evaluated := life.evaluated) is None:
        return told
    figures = {
        f"gate: {name}": f"{value:.4g} ({low:.4g} to {high:.4g})" for name, value, low, high in evaluated.figures
    }
    gate = {"gate": evaluated.answer.value, "gate: against": evaluated.against[:12]}
    return told | gate | figures
