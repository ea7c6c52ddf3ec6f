"""`drlactors models keys` and `sign`: who made a model."""

from pathlib import Path


def keys(out: Path) -> None:
    """Make a key pair to sign models with: the private key goes to OUT, readable for you only; the public one is shown.

    Whoever has OUT can make models that serve. It must not lie in a repository, and is refused there. Receipts can be
    signed with such a key too, better with another one: `receipts.key` names it.

    Examples
    --------
    drlactors models keys ~/.config/drlactors/models.key

    Parameters
    ----------
    out
        The file for the private key; one that is there is never replaced.
    """
    from drlactors.signing import make_key

    public = make_key(out)
    print(f"{out}: the private key. Keep it where only you can read it.")
    print(f'To trust it: [models] trusted_keys = ["{public}"]')


def sign(model: Path, *, key: Path) -> None:
    """Sign MODEL (.onnx) with its metadata (.json): the signature lies beside them (.sig).

    Examples
    --------
    drlactors models sign second.onnx --key ~/.config/drlactors/models.key

    Parameters
    ----------
    model
        The .onnx file.
    key
        A private key of `drlactors models keys`.
    """
    from drlactors.inference.signature import sign_file

    print(f"{sign_file(model, key)}: signed")
