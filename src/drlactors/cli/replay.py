"""`drlactors replay`: the past, reached again from the log."""

from pathlib import Path
from uuid import UUID


def replay(
    *,
    config: tuple[Path, ...] = (),
    verify: bool = False,
    session: UUID | None = None,
    since: int = 0,
    data_dir: Path | None = None,
) -> int:
    """Read the log and fold every session again; with --verify, reach every decision again, bit for bit.

    Each recorded window goes through the feature adapter and the recorded policy once more. State vectors, values,
    permitted actions and choices have to be the same bits. Exit status 1 if one is not, or could not be checked
    because its model is not at hand.

    Examples
    --------
    drlactors replay --verify

    Parameters
    ----------
    config
        Configuration files, as for up.
    verify
        Compare every decision.
    session
        Only this session.
    since
        Begin after this log position; decisions of sessions that began before it cannot be checked.
    data_dir
        As for up.
    """
    from rich.console import Console
    from rich.progress import Progress

    from drlactors.cli.replaying import Verifier
    from drlactors.domain.features import FeatureSchema
    from drlactors.inference import RulePolicy, fingerprint, load_model
    from drlactors.ports.log import Category, Stream
    from drlactors.ports.policy import Policy, PolicyError
    from drlactors.wiring import model_path, reading, trust

    console = Console()
    with reading(config, data_dir) as (log, settings):
        schema = FeatureSchema(settings.features.names, settings.features.missing)
        policies: dict[str, Policy] = {}
        rules = RulePolicy(schema)
        policies[rules.info.id] = rules
        for path in {model_path(settings), *model_path(settings).parent.glob("*.onnx")}:
            try:
                policy = load_model(path, schema, trust(settings))
            except PolicyError as error:
                console.print(f"[yellow]not used: {error}")
            else:
                policies[policy.info.id] = policy
        verifier = Verifier(policies if verify else {}, schema)
        head = log.head()
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("reading the log", total=max(head - since, 1))
            if session is not None:
                verifier.read(log.stream(Stream(Category.SESSION, session)))
            else:
                after = since
                while entries := log.read(after, 2000):
                    verifier.read(entries)
                    after = entries[-1].position
                    progress.update(task, completed=after - since)
        found = verifier.finish()
    if not verify:
        console.print(f"{found.decisions} decisions in the log; --verify reaches each of them again")
        return 0
    console.print(f"{found.reached} of {found.decisions} decisions reached again, bit for bit ({fingerprint()})")
    for what, count in found.unknown.items():
        console.print(f"[yellow]{count} could not be checked: {what} is not at hand")
    for difference in found.differences[:20]:
        console.print(f"[red]session {difference.session} window {difference.seq}: {difference.what}")
    return 0 if found.clean else 1
