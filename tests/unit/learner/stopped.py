"""Stopping policies of deep trees: learned from sessions of which every third is mislabelled."""

from math import inf
from pathlib import Path

from drlactors.learner.evaluation import evaluate
from drlactors.learner.export import export
from drlactors.learner.stopping import Boundary, Evidence, StoppingPolicy
from drlactors.learner.traces import traces
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES

NOISY = [
    one._replace(malicious=one.malicious != (number % 3 == 0), artifact=f"{number:064}")
    for number, one in enumerate(SAMPLES)
]
OVER = traces(NOISY, TASK)


def policy(seed: int = 0, slope: float = 1.0, horizon_s: float = inf, threshold: float = 0.7) -> StoppingPolicy:
    boundary = Boundary(slope, horizon_s, threshold)
    return StoppingPolicy(Evidence.of(OVER, seed), TASK.schema, boundary, isolate=0.1)


def written(folder: Path, made: StoppingPolicy) -> Path:
    """As the files of an unsigned model."""
    file = folder / "trees.onnx"
    export(
        made,
        TASK.schema,
        evaluate(made.rank, NOISY, TASK),
        version=1,
        date="2026-11-30T00:00:00+00:00",
        episodes=len(NOISY),
        loss=0.5,
        hyperparameters={"algorithm": "optimal stopping"},
    ).write(file)
    return file
