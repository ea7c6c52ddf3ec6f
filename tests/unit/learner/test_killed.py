"""kill -9 in the middle of training loses what came after the last checkpoint, and changes no bit of the rest."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.unit.learner import killed

ROOT = Path(__file__).parents[3]


def die(folder: Path, point: str) -> None:
    """A process of its own that trains until it is killed: by itself at ``point``, or by us while it trains on."""
    command = [sys.executable, "-m", "tests.unit.learner.killed", str(folder), point]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for told, _ in enumerate(process.stdout, 1):
            if point == "anywhere" and told == killed.SECOND:
                process.kill()
    assert process.returncode == -9


@pytest.mark.parametrize(("point", "left"), [("anywhere", 80), ("before-rename", 40), ("after-rename", 80)])
def test_what_is_resumed_after_kill_9_ends_in_the_weights_of_an_uninterrupted_training(point, left, tmp_path):
    whole = killed.make([], None)
    whole.learn(400)
    die(tmp_path, point)
    heard: list = []
    resumed = killed.make(heard, tmp_path)
    assert resumed.resume()
    assert resumed.agent.updates >= left
    assert point == "anywhere" or resumed.agent.updates == left
    resumed.learn(400 - resumed.agent.updates)
    assert resumed.agent.updates == 400
    for name, tensor in whole.agent.tensors().items():
        assert torch.equal(tensor, resumed.agent.tensors()[name]), name
    assert not list(tmp_path.glob("*.new"))
