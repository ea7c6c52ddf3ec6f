"""Adding to, drawing from, and rebuilding replay buffers: ours beside those of the libraries, in one run.

100,000 transitions of 30 features, the buffers full; one thread; CPU time, in turns, a fifth of a second each. Takes
about four minutes.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import compared

ROUNDS = 9
SPAN_S = 0.2
OURS = "drlactors"
DEQUE = "the specification's deque"
FROM_DATA = "from_data"
#: Who does less than a buffer that copies what it is given and refuses what is not finite.
LESS = {DEQUE: "it keeps references, and looks at nothing", FROM_DATA: "it takes over arrays, and looks at nothing"}

Figures = Iterator[dict[str, Any]]
Works = dict[str, Callable[[], object]]


def run() -> list[dict[str, Any]]:
    """Rates (more is better) and bytes (fewer are); what could not be measured is there, with its reason."""
    return compared.figures_of("tests.benchmarks.replay_buffer")


def measured() -> Figures:
    """In the environment of the libraries."""
    from tests.benchmarks import replay_contenders as them

    data = them.transitions()
    uniform, absent = made(
        data,
        {
            OURS: them.Ours,
            DEQUE: them.SpecifiedDeque,
            "stable-baselines3": them.StableBaselines3,
            "tianshou": them.Tianshou,
            "cpprb": them.Cpprb,
            "torchrl": them.TorchRL,
        },
    )
    prioritised, absent_there = made(
        data,
        {
            OURS: them.OursPrioritised,
            "tianshou": them.TianshouPrioritised,
            "cpprb": them.CpprbPrioritised,
            "torchrl": them.TorchRLPrioritised,
        },
    )
    yield from rates("add, one by one", "transitions/s", 1, {name: one.add for name, one in uniform.items()})
    blocks = {name: one.add_block for name, one in uniform.items()}
    yield from rates(f"add, {them.BLOCK} at a time", "transitions/s", them.BLOCK, blocks)
    rebuilds = {name: one.rebuild for name, one in uniform.items()}
    copied = {f"{name}, {FROM_DATA}": one.from_data for name, one in uniform.items() if isinstance(one, them.Tianshou)}
    saved = {f"{OURS}, from its saved state": uniform[OURS].restore}
    yield from rates(f"rebuild {them.CAPACITY:,}", "transitions/s", them.CAPACITY, rebuilds | copied | saved)
    yield from rates(f"sample({them.BATCH})", "batches/s", 1, {name: one.sample for name, one in uniform.items()})
    tensors = {name: one.tensors for name, one in uniform.items()}
    yield from rates(f"sample({them.BATCH}) as tensors", "batches/s", 1, tensors)
    updates = {name: one.sample_and_update for name, one in prioritised.items()}
    yield from rates(f"prioritised sample({them.BATCH}) and update", "batches/s", 1, updates)
    for name, work in rebuilds.items():
        yield row(f"memory: {name}", grown_bytes(work) / them.CAPACITY, "bytes/transition", "")
    for name, why in absent.items():
        yield row(f"everything: {name}", 0.0, "not measured", why)
    for name, why in absent_there.items():
        yield row(f"prioritised: {name}", 0.0, "not measured", why)


def made(data: Any, kinds: dict[str, Callable[[Any], Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """The contenders by name and version, and why others are not among them."""
    contenders, absent, missing = {}, {}, compared.missing()
    for name, kind in kinds.items():
        if name in missing:
            absent[name] = missing[name]
            continue
        full = name if name in (OURS, DEQUE) else f"{name} {version(name)}"
        try:
            contenders[full] = kind(data)
        except (ImportError, RuntimeError) as fault:  # installed, but not for this version of torch
            absent[full] = f"{type(fault).__name__}: {fault}"
    return contenders, absent


def rates(what: str, unit: str, each: int, works: Works) -> Figures:
    for work in works.values():
        work()  # what is made or compiled once is not measured
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            found[name].append(rate(work) * each)
    for name, theirs in found.items():
        ratios = [ours / other for ours, other in zip(found[OURS], theirs, strict=True)]
        ahead = "" if name == OURS else f"; {OURS} does {median(ratios):.2f} times as many ({spread(ratios)})"
        less = "".join(f"; {why}" for whose, why in LESS.items() if whose in name)
        yield row(f"{what}: {name}", median(theirs), unit, f"spread {spread(theirs)}{ahead}{less}")


def rate(work: Callable[[], object]) -> float:
    """How often in a second of CPU time, over SPAN_S; the clock is read after 1, 2, 4, ... calls."""
    began_s, done = time.process_time(), 0
    for doubled in count():
        for _ in range(1 << doubled):
            work()
        done += 1 << doubled
        if (taken_s := time.process_time() - began_s) >= SPAN_S:
            return done / taken_s
    raise AssertionError


def grown_bytes(work: Callable[[], object]) -> int:
    """By how much a child process grows when it does this and keeps the result; Linux only."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        ctypes.CDLL(None).malloc_trim(0)  # memory that was freed before counts again when it is used again
        before = resident_bytes()
        kept = work()
        os.write(writing, str(resident_bytes() - before).encode())
        os._exit(0 if kept is not None else 1)
    os.close(writing)
    with os.fdopen(reading) as told:
        grown = int(told.read())
    os.waitpid(child, 0)
    return grown


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def row(name: str, value: float, unit: str, beside: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "compared_with": beside}


def spread(values: list[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


if __name__ == "__main__":
    compared.deliver(list(measured()))
