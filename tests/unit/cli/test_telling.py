"""What the person at the terminal hears of a link that brings nothing in."""

import threading
import time
from collections.abc import Callable

import pytest

from drlactors.cli import telling as module
from drlactors.cli.telling import telling
from drlactors.ports.bus import BusUnreachable, Trouble
from drlactors.sandboxes.sdk import Artifact, Done, Sandbox
from drlactors.testing.memory_bus import MemoryBus, MemoryLink


class TroubledLink(MemoryLink):
    """Takes nothing while it is in trouble."""

    told: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:  # type: ignore[override]  # the memory's has none
        return self.told

    def offer(self, *message: object) -> bool:
        return self.told is None and super().offer(*message)  # type: ignore[arg-type]


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> TroubledLink:
    monkeypatch.setattr(module, "LASTS_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.005)
    return TroubledLink(MemoryBus())


def until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until_s
        threading.Event().wait(0.005)


def test_a_trouble_is_told_once_and_its_end_too(link: TroubledLink) -> None:
    said: list[str] = []
    looks = threading.Event()
    with Sandbox(link, "box") as sandbox, telling(sandbox, said.append, looks.set):
        for reason in ("one", "two"):
            link.told = Trouble(f"It is away: {reason}.", False)
            until(lambda: len(said) % 2 == 1)
            link.told = Trouble("It is away: still.", False)
            looks.wait(0.1)
            link.told = None
            until(lambda: len(said) % 2 == 0)
    assert said == [
        "It is away: one. It is tried again; meanwhile windows wait here.",
        "What is said is stored again.",
        "It is away: two. It is tried again; meanwhile windows wait here.",
        "What is said is stored again.",
    ]
    assert not looks.is_set()


def test_who_is_refused_for_good_waits_for_nothing_and_ends_with_the_reason(link: TroubledLink) -> None:
    said: list[str] = []
    stopped = threading.Event()
    with Sandbox(link, "box") as sandbox:
        link.told = Trouble("It refuses this sandbox: who is this.", True)
        session = sandbox.start(Artifact("ab" * 32, "elf"), lambda _: Done())
        began_s = time.monotonic()
        with pytest.raises(BusUnreachable, match="who is this"), telling(sandbox, said.append, stopped.set):
            waited = session.wait_sent(60)
        assert not waited
        assert time.monotonic() - began_s < 30
    assert stopped.is_set()
    assert said == []
