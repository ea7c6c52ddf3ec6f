"""`drlactors policy show`: look at a policy."""

from pathlib import Path


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
    print(f"{known.input_dimension} features ({known.feature_schema}), {_kind(known.layers)}")
    for name, value in sorted(known.hyperparameters.items()):
        print(f"  {name} = {value}")
    print(f"its values depend on: {fingerprint()}")


def _kind(layers: tuple[int, ...]) -> str:
    return f"a network with layers of {', '.join(map(str, layers))}" if layers else "no hidden layers"
