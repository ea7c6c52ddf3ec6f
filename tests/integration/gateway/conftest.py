"""A bus with its streams, whose messages a test may read."""

from collections.abc import Iterator

import pytest

from drlactors.testing.servers import EmbeddedNats
from tests.contract.sandboxes.kit import Plane


@pytest.fixture
def plane(own_nats: EmbeddedNats) -> Iterator[Plane]:
    with Plane(own_nats.url, "drl.v1") as reading:
        yield reading
