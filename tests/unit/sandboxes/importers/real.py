"""Where the reports that others wrote lie: named by the environment, or beside the checkout; they may be missing."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from drlactors.sandboxes.importers.building import Built, build
from drlactors.sandboxes.importers.formats import detected
from drlactors.sandboxes.importers.source import opened

DATA = Path(os.environ.get("DRLACTORS_DATA") or Path(__file__).parents[5] / "shared" / "data")


def reports(folder: str) -> Iterator[tuple[str, Path]]:
    """The reports there are, by name."""
    for file in sorted((DATA / folder).glob("*.json.gz")):
        yield file.name.removesuffix(".json.gz"), file


@cache
def read(file: Path) -> tuple[str, Built]:
    """The format that is detected, and the run."""
    with opened(file) as source:
        found = detected(source)
        assert found is not None, file
        (built,) = build(found.read(source))
    return found.name, built
