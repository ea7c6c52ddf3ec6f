"""`drlactors replay`: the past, reached again from the log."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from drlactors.cli.numbers import Position
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from rich.console import Console

    from drlactors.cli.contrast import Contrast, Contraster
    from drlactors.config.settings import Settings
    from drlactors.domain.features import FeatureSchema
    from drlactors.ports.log import Entry, EventLog
    from drlactors.ports.policy import Policy

#: Rows of the log that are read at a time, and lines that are shown of what differs.
PAGE, SHOWN = 2000, 20


def replay(
    *,
    verify: bool = False,
    against: str = "",
    session: UUID | None = None,
    since: Position = 0,
    as_json: bool = False,
    where: Whereabouts = HERE,
) -> int:
    """Read the log and fold every session again; verify its decisions, or hold another model against them.

    With --verify each recorded window goes through the feature adapter and the recorded policy once more. State
    vectors, values, permitted actions and choices have to be the same bits. Exit status 1 if one is not, or could not
    be checked because its model is not at hand.

    With --against it says which decisions another model would have changed, and plays every session again with it: how
    many it would have stopped, rightly or wrongly, and how many seconds earlier or later. Nothing is asked but the
    log: samples are supposed to do the same whatever is done about them, and what would have come after a session was
    stopped is not known.

    Examples
    --------
    drlactors replay --verify
    drlactors replay --against 2
    drlactors replay --against second.onnx --json

    Parameters
    ----------
    verify
        Compare every decision.
    against
        A model: an .onnx file, or its version or the beginning of its digest if it is registered.
    session
        Only this session.
    since
        Begin after this log position; decisions of sessions that began before it cannot be checked.
    as_json
        With --against, one JSON object for each session.
    """
    from rich.console import Console

    from drlactors.cli.contrast import Contraster
    from drlactors.cli.replaying import Verifier
    from drlactors.domain.features import FeatureSchema
    from drlactors.wiring import reading

    console = Console(stderr=as_json)
    with reading(*where) as (log, settings):
        schema = FeatureSchema(settings.features.names, settings.features.missing)
        if against:
            contraster = Contraster(_other(against, log, settings, schema), schema)
            _read(log, contraster, session, since, console)
            return _tell(contraster, console, as_json=as_json)
        verifier = Verifier(_policies(settings, schema, console) if verify else {}, schema)
        _read(log, verifier, session, since, console)
        found = verifier.finish()
    if not verify:
        console.print(f"{found.decisions} decisions in the log; --verify reaches each of them again")
        return 0
    from drlactors.inference import fingerprint

    console.print(f"{found.reached} of {found.decisions} decisions reached again, bit for bit ({fingerprint()})")
    for what, count in found.unknown.items():
        console.print(f"[yellow]{count} could not be checked: {what} is not at hand")
    for difference in found.differences[:SHOWN]:
        console.print(f"[red]session {difference.session} window {difference.seq}: {difference.what}")
    return 0 if found.clean else 1


def _policies(settings: "Settings", schema: "FeatureSchema", console: "Console") -> "dict[str, Policy]":
    """The rules, and every model that lies where models do."""
    from drlactors.inference import RulePolicy, load_model
    from drlactors.ports.policy import PolicyError
    from drlactors.wiring import model_folder, model_path, trust

    rules = RulePolicy(schema)
    policies: dict[str, Policy] = {rules.info.id: rules}
    configured = model_path(settings)
    for path in {configured, *configured.parent.glob("*.onnx"), *model_folder(settings).path.glob("*.onnx")}:
        try:
            policy = load_model(path, schema, trust(settings))
        except PolicyError as error:
            console.print(f"[yellow]not used: {error}")
        else:
            policies[policy.info.id] = policy
    return policies


def _other(named: str, log: "EventLog", settings: "Settings", schema: "FeatureSchema") -> "Policy":
    """The model that a person names. Raises PolicyError, and NotEntered where the registry does not have it."""
    from drlactors.actors.registrar import Registrar
    from drlactors.inference import load_model
    from drlactors.wiring import SystemClock, model_folder, trust

    if named.endswith(".onnx"):
        return load_model(Path(named), schema, trust(settings))
    sha256 = Registrar(log, SystemClock()).find(named)
    return model_folder(settings).load(sha256, schema, trust(settings))


class _Reader(Protocol):
    def read(self, entries: "Iterable[Entry]") -> None: ...


def _read(log: "EventLog", reader: _Reader, session: UUID | None, since: int, console: "Console") -> None:
    from rich.progress import Progress

    from drlactors.ports.log import Category, Stream

    if session is not None:
        reader.read(log.stream(Stream(Category.SESSION, session)))
        return
    after, head = since, log.head()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("reading the log", total=max(head - since, 1))
        while entries := log.read(after, PAGE):
            reader.read(entries)
            after = entries[-1].position
            progress.update(task, completed=after - since)


def _tell(contraster: "Contraster", console: "Console", *, as_json: bool) -> int:
    import json

    from rich.table import Table

    contrasts = contraster.finish()
    if as_json:
        for contrast in contrasts:
            print(json.dumps(_plain(contrast)))
        return 0
    decisions = contraster.changed.total()
    same = sum(count for (then, instead), count in contraster.changed.items() if then is instead)
    console.print(f"{decisions - same} of {decisions} decisions would have been others")
    if contraster.foreign:
        console.print(f"[yellow]{contraster.foreign} were made on another feature schema: nothing is said of them")
    for (then, instead), count in contraster.changed.most_common():
        if then is not instead:
            console.print(f"  {count} times {instead.name.lower()} instead of {then.name.lower()}")
    table = Table("sessions", "what would have changed", "how many", "seconds earlier, on average")
    for truth, verdict, found in _grouped(contrasts):
        sooner = [one.sooner_s for one in found if one.sooner_s]
        table.add_row(truth, verdict, str(len(found)), f"{sum(sooner) / len(sooner):+.2f}" if sooner else "")
    console.print(table)
    for contrast in [one for one in contrasts if "only" in one.verdict][:SHOWN]:
        plain = _plain(contrast)
        console.print(f"session {plain['session']} ({plain['truth']}): {plain['verdict']}")
    return 0


def _grouped(contrasts: "list[Contrast]") -> "list[tuple[str, str, list[Contrast]]]":
    """By truth and by what would have changed, the most frequent first."""
    groups: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in contrasts:
        groups.setdefault((_truth(contrast), contrast.verdict), []).append(contrast)
    return sorted(((*names, found) for names, found in groups.items()), key=lambda row: (row[0], -len(row[2])))


def _truth(contrast: "Contrast") -> str:
    return {True: "malicious", False: "benign", None: "of unknown kind"}[contrast.malicious]


def _plain(contrast: "Contrast") -> dict[str, Any]:
    return {
        "session": str(contrast.session_id),
        "truth": _truth(contrast),
        "verdict": contrast.verdict,
        "stopped_then_s": contrast.then.stopped_s,
        "stopped_instead_s": contrast.instead.stopped_s,
        "sooner_s": contrast.sooner_s,
    }
