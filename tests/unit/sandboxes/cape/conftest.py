"""What tests of the follower begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sandboxes.cape.fake import FakeCape
from tests.unit.sandboxes.cape.scene import Plane, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    plane = Plane()
    with FakeCape(tmp_path / "cape") as cape:
        yield Scene(cape, plane)
    plane.bus.close()
