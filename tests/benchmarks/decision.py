"""How long a decision takes, from a window to an action, beside the bare matrix products and the bare ONNX Runtime."""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema, Vectors, row
from drlactors.domain.permission import Rules, best, permitted
from drlactors.domain.progress import Progress
from drlactors.domain.session import Artifact, Started, State
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.inference import RulePolicy, Serving, load_model
from drlactors.learner.evaluation import evaluate
from drlactors.learner.export import export
from drlactors.learner.stopping import Boundary, Evidence, StoppingPolicy
from drlactors.learner.traces import traces
from drlactors.learner.transitions import Sample
from drlactors.sandboxes.recording import recordings
from tests.unit.inference.models import UNSIGNED, sound
from tests.unit.learner.samples import TASK

ROUNDS = 5  # what is compared runs in alternation
BATCHES = (1, 8, 16, 64, 256, 1024)
CALLS = 2000  # a round, of each
SWAPS = 100
BARE = "bare onnxruntime"

Products = Callable[[Vectors], Vectors]
Layers = list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]

SCHEMA = FeatureSchema()
WINDOW = Window(
    7,
    250,
    0,
    Telemetry(
        syscall_count=5214,
        syscall_types=("read", "openat", "mprotect", "close", "write", "unlink", "connect", "clone"),
        file_read_count=61,
        file_write_count=40,
        file_delete_count=12,
        accessed_paths=tuple(f"/home/user/documents/{number}.txt" for number in range(32)),
        network_connections=3,
        bytes_sent=123_456,
        bytes_received=789,
        contacted_ips=("127.0.0.1", "127.0.0.2"),
        child_processes=2,
        cpu_usage=0.7,
        memory_usage=8.1e7,
    ),
)
STATE = State(
    Started("sandbox", 1, None, Artifact("0" * 64, "elf"), 250, Rules(3, 1, 1, 2, 0)),  # type: ignore[arg-type]
    Progress(seq=7, windows=8, elapsed_ms=2000, syscalls=40_000, changes=300, connections=12),
)


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    compared_with: str


class SystemClock:
    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        return time.monotonic()


def run() -> list[dict[str, object]]:
    """Name, value, unit and what it is compared with; latencies in microseconds."""
    with TemporaryDirectory() as folder:
        figures: list[Figure] = []
        for hidden in ((64, 64), (256, 256)):
            path = sound(Path(folder), hidden, seed=hidden[0])
            layers = partial(_products, _layers(hidden))
            figures += _latencies(path, _size(hidden), layers) + _throughput(path, _size(hidden), layers)
        path = _trees(Path(folder))
        figures += _latencies(path, "trees", None) + _throughput(path, "trees", None)
        figures += _swaps(Path(folder), "networks", "m64.onnx", "m256.onnx")
        figures += _swaps(Path(folder), "trees and a network", path.name, "m64.onnx")
    return [figure._asdict() for figure in figures]


def _trees(folder: Path) -> Path:
    """Learned from all recordings: forest and boosting are as large as training makes them."""
    samples = [Sample(one.windows, one.malicious, one.artifact_sha256) for one in recordings() if one.windows]
    made = StoppingPolicy(Evidence.of(traces(samples, TASK), 0), SCHEMA, Boundary(1.0, 10.0, 1.0), isolate=0.0)
    file = folder / "trees.onnx"
    export(
        made,
        SCHEMA,
        evaluate(made.rank, samples[:10], TASK),
        version=1,
        date="2026-11-30T00:00:00+00:00",
        episodes=len(samples),
        loss=0.0,
        hyperparameters={},
    ).write(file)
    return file


def _latencies(path: Path, name: str, products: Products | None) -> list[Figure]:
    policy, rules, bare = load_model(path, SCHEMA, UNSIGNED), RulePolicy(SCHEMA), _bare(path)
    serving = Serving(policy, rules, deadline_s=1.0, max_late=3, bench_s=30.0, clock=SystemClock())
    one = SCHEMA.vectors([row(STATE, WINDOW)])

    def decision() -> None:
        vectors = SCHEMA.vectors([row(STATE, WINDOW)])
        best(serving.rank(vectors, 0.0).values[0].tolist(), permitted(STATE))

    spent_us = [_spent_us(decision) for _ in range(CALLS * ROUNDS)]
    spent = f"{name}: decision, one window, CPU time, p99"  # on a machine that others use too, the truer one
    took_us = _alternate(
        {
            "decision (row, vectors, rank, select)": decision,
            "row and vectors": lambda: SCHEMA.vectors([row(STATE, WINDOW)]),
            "rank": lambda: policy.rank(one),
            "rationale": lambda: policy.because(one, Action.ISOLATE),
            "rules": lambda: rules.rank(one),
            BARE: lambda: bare.run(None, {"state": one}),
            **({"bare numpy": lambda: products(one)} if products else {}),
        },
        CALLS,
    )
    return [Figure(spent, float(np.percentile(spent_us, 99)), "us", "")] + [
        Figure(f"{name}: {part_of}, one window, p{part}", float(np.percentile(times, part)), "us", BARE)
        for part_of, times in took_us.items()
        for part in (50, 99)
    ]


def _throughput(path: Path, name: str, products: Products | None) -> list[Figure]:
    policy, bare = load_model(path, SCHEMA, UNSIGNED), _bare(path)
    found = []
    for rows in BATCHES:
        vectors = np.random.default_rng(rows).random((rows, len(SCHEMA.names)), dtype=np.float32)
        took_us = _alternate(
            {
                "rank": partial(policy.rank, vectors),
                BARE: partial(bare.run, None, {"state": vectors}),
                **({"bare numpy": partial(products, vectors)} if products else {}),
            },
            max(20, CALLS // rows),
        )
        found += [
            Figure(f"{name}: {part_of}, {rows} at once", rows / float(np.median(times)) * 1e6, "rows/s", BARE)
            for part_of, times in took_us.items()
        ]
    return found


def _swaps(folder: Path, name: str, *files: str) -> list[Figure]:
    """Models in turn, verified anew each time, as a hot reload does it."""
    paths = [folder / file for file in files]
    rules = RulePolicy(SCHEMA)
    serving = Serving(None, rules, deadline_s=1.0, max_late=3, bench_s=30.0, clock=SystemClock())
    one = SCHEMA.vectors([row(STATE, WINDOW)])

    def swap(number: int) -> None:
        serving.swap(load_model(paths[number % len(paths)], SCHEMA, UNSIGNED))
        serving.rank(one, 0.0)

    for number in range(10):  # what the allocator takes once is no leak
        swap(number)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took_us = [_timed_us(partial(swap, number)) for number in range(SWAPS)]
    unit = 1024 if sys.platform != "darwin" else 1 << 20
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    bare_us = _alternate({BARE: lambda: _bare(paths[0])}, SWAPS // ROUNDS)[BARE]
    return [
        *(
            Figure(f"{name}: verified load, probe and swap, p{part}", value / 1000, "ms", "bare load")
            for part, value in zip((50, 99), np.percentile(took_us, (50, 99)).tolist(), strict=True)
        ),
        Figure(f"{name}: bare load of {files[0]}, p50", float(np.percentile(bare_us, 50)) / 1000, "ms", ""),
        Figure(
            f"{name}: memory gained over {SWAPS} swaps",
            grown / unit,
            "MiB",
            "",
        ),
    ]


def _alternate(contenders: dict[str, Callable[[], object]], calls: int) -> dict[str, list[float]]:
    """Microseconds of every call of each, the contenders taking turns."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            took[name] += [_timed_us(contender) for _ in range(calls)]
    return took


def _timed_us(call: Callable[[], object]) -> float:
    began_ns = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began_ns) / 1000


def _spent_us(call: Callable[[], object]) -> float:
    began_ns = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - began_ns) / 1000


def _bare(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def _layers(hidden: tuple[int, ...]) -> Layers:
    dice, sizes = np.random.default_rng(0), (len(SCHEMA.names), *hidden, len(Action))
    return [
        (dice.random((before, after), dtype=np.float32), dice.random(after, dtype=np.float32))
        for before, after in pairwise(sizes)
    ]


def _products(layers: Layers, vectors: Vectors) -> Vectors:
    for weight, bias in layers[:-1]:
        vectors = np.maximum(vectors @ weight + bias, 0)
    weight, bias = layers[-1]
    return vectors @ weight + bias


def _size(hidden: tuple[int, ...]) -> str:
    return "-".join(map(str, (len(SCHEMA.names), *hidden, len(Action))))


if __name__ == "__main__":
    for figure in run():
        print(f"{figure['name']:<60} {figure['value']:>14,.1f} {figure['unit']}")
