"""Which model is in charge of a system that has just started."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from drlactors.actors.reach import Reach
from drlactors.config.load import load
from drlactors.domain.features import FeatureSchema
from drlactors.domain.instance import PolicyActivated
from drlactors.ports.clock import SystemClock
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.observer import RecordingObserver
from drlactors.wiring.succession import Succession
from tests.contract.bus.kit import until
from tests.unit.inference.models import signed, trusted


def test_a_model_that_was_replaced_before_its_folder_was_watched_is_taken_in(tmp_path: Path) -> None:
    first, other = signed(tmp_path, seed=1), signed(tmp_path, seed=2)
    settings = load(overrides={"model.path": str(first), "models.trusted_keys": trusted()}).settings
    clock, told = SystemClock(), list[Any]()
    succession = Succession(settings, FeatureSchema(), MemoryEventLog(), clock)
    before = succession.serving.info.id
    for suffix in (".json", ".sig", ".onnx"):
        shutil.copyfile(other.with_suffix(suffix), first.with_suffix(suffix))
    line: Any = SimpleNamespace(
        observer=RecordingObserver(), chronicle=SimpleNamespace(tell=told.append), reach=Reach(clock), clock=clock
    )
    with ExitStack() as stack:
        succession.start(stack, line)
        assert until(lambda: len(told) == 2)
    assert told == [PolicyActivated(before, "start"), PolicyActivated(succession.serving.info.id, "reload")]
