"""Where the files live that are shipped beside the code: in a checkout its top, in a wheel inside the package."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def share(name: str) -> Path:
    """The folder ``configs`` or ``eventstore``, as it came with this program."""
    installed = PACKAGE / "_share" / name
    return installed if installed.is_dir() else PACKAGE.parent.parent / name
