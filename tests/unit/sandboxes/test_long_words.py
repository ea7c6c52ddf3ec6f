"""What a sandbox says at length is cut where the system cuts it, and holds nothing up."""

from drlactors.domain.session import Outcome
from drlactors.sandboxes.sdk import Artifact, Done, Sandbox
from drlactors.testing.memory_bus import MemoryBus


def test_a_detail_of_several_megabytes_holds_nothing_up():
    bus = MemoryBus()
    with Sandbox(bus.link(), "box") as sandbox:
        session = sandbox.start(Artifact("ab" * 32, "elf"), lambda _: Done())
        session.report(Outcome.FAILED, "x" * (4 << 20))
        session.end()
        assert session.wait_sent(10)
    bus.close()
