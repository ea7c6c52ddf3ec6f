"""`drlactors policy`: make the first policy from recordings, and look at one."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drlactors.learner.evaluation import Evaluation


def fit(
    out: Path,
    recordings: Path | None = None,
    *,
    version: int = 1,
    date: str = "",
    seed: int = 0,
    iterations: int = 40,
    key: Path | None = None,
) -> None:
    """Learn a policy from recorded sessions, and write it as OUT (.onnx) with its metadata (.json) beside it.

    Takes half a minute. A fifth of the artifacts is held out, and says how good it is. The same recordings,
    configuration and seed give the same bytes. Needs PyTorch and onnx: the extra "learner".

    Examples
    --------
    drlactors policy fit second.onnx --version 2 --key ~/.config/drlactors/models.key
    drlactors policy fit mine.onnx mine.jsonl.gz --seed 7

    Parameters
    ----------
    out
        The file to write, ending in .onnx.
    recordings
        A collection (.jsonl.gz), or a folder of them; without it, those that are shipped.
    version
        The number of the model's version.
    date
        Its date, ISO 8601 with an offset from UTC; without it, that of the newest recording.
    seed
        What the network starts from, and which artifacts are held out.
    iterations
        How often it goes over the recordings; a session's end is felt this many windows before it.
    key
        A private key of `drlactors models keys` to sign it with; a model that nobody signed does not serve.
    """
    from drlactors.config import load
    from drlactors.domain.features import FeatureSchema
    from drlactors.domain.permission import Rules
    from drlactors.domain.reward import Weights
    from drlactors.inference import RulePolicy
    from drlactors.inference.signature import SUFFIX, sign_file
    from drlactors.learner import first
    from drlactors.learner.evaluation import evaluate
    from drlactors.learner.transitions import Sample, Task
    from drlactors.sandboxes.recording import recordings as read

    settings = load().settings
    rewards = settings.rewards.model_dump()
    schema = FeatureSchema(settings.features.names, settings.features.missing)
    task = Task(schema, Rules(**settings.rules.model_dump()), gamma=rewards.pop("gamma"), weights=Weights(**rewards))
    sessions = list(read(recordings))
    if not sessions:
        raise SystemExit("there are no recordings to learn from: `drlactors sandbox record` makes some")
    fitted = first.fit(
        [Sample(session.windows, session.malicious, session.artifact_sha256) for session in sessions],
        task,
        version=version,
        date=date or max(session.recorded.at for session in sessions),
        settings=first.Settings(seed=seed, iterations=iterations),
        say=print,
    )
    fitted.exported.write(out)
    if key is None:
        out.with_suffix(SUFFIX).unlink(missing_ok=True)  # of the model that was there before
    else:
        sign_file(out, key)
    print(f"{out}: sha256 {fitted.exported.metadata.sha256}")
    print(_line("learned from", fitted.training))
    print(_line("held out", fitted.evaluation))
    print(_line("held out, by the rules", evaluate(RulePolicy(schema).rank, fitted.held_out, task)))


def show(path: Path) -> None:
    """Verify a model against the configured features, and print what is known of it.

    Examples
    --------
    drlactors policy show second.onnx

    Parameters
    ----------
    path
        The .onnx file, or a folder that holds one.
    """
    from drlactors.config import load
    from drlactors.domain.features import FeatureSchema
    from drlactors.inference import fingerprint, load_model
    from drlactors.ports.policy import PolicyError
    from drlactors.wiring import trust

    settings = load().settings
    schema = FeatureSchema(settings.features.names, settings.features.missing)
    try:
        policy = load_model(path, schema, trust(settings))
    except PolicyError as error:
        raise SystemExit(str(error)) from error
    known = policy.metadata
    print(f"{policy.info.path}: verified, {f'signed by {policy.signed_by}' if policy.signed_by else 'not signed'}")
    print(f"version {known.version} of {known.date}, sha256 {known.sha256}")
    print(f"learned from {known.episodes} sessions, tested on {known.held_out}: accuracy {known.accuracy:.3f}")
    print(f"false positives {known.false_positive_rate:.3f}, false negatives {known.false_negative_rate:.3f}")
    print(f"malicious sessions stopped after {known.mean_decision_s:.2f} s, reward {known.final_reward:.3f} a session")
    print(f"{known.input_dimension} features ({known.feature_schema}), layers {known.layers}")
    for name, value in sorted(known.hyperparameters.items()):
        print(f"  {name} = {value}")
    print(f"its values depend on: {fingerprint()}")


def _line(name: str, found: "Evaluation") -> str:
    return (
        f"{name}: {found.sessions} sessions, accuracy {found.accuracy:.3f}, false positives "
        f"{found.false_positive_rate:.3f}, false negatives {found.false_negative_rate:.3f}, malicious ones stopped "
        f"after {found.mean_decision_s:.2f} s, reward {found.mean_reward:.3f} a session, {found.reviews} reviews"
    )
