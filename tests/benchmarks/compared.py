"""The libraries that benchmarks compare ours with, in an environment of their own: their pins do not go with ours.

A benchmark asks for its figures with ``figures_of("tests.benchmarks.NAME")``. Once the environment is there, that runs
``python -m tests.benchmarks.NAME FILE`` in it, with one thread, this checkout's ``src`` on the path, and torch and
numpy of the same versions as ours. The module measures everything in that one process, so that contenders can take
turns, and writes its rows to FILE with ``deliver``. ``missing`` has the reason for each library that could not be
installed: it belongs in the table.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-compared"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
#: Exact versions of all that is installed.
CONSTRAINTS = Path(__file__).with_name("compared.txt")
#: Says what the environment holds and what it could not; written last.
STAMP = FOLDER / "stamp.json"
#: What ours needs to run there.
OURS = ("numpy", "torch", "onnx", "numba", "rich", "safetensors")
#: Each is installed by itself, so that one that cannot be leaves the others.
LIBRARIES = ("stable-baselines3", "tianshou", "cpprb", "torchrl", "d3rlpy")


def figures_of(module: str) -> list[dict[str, Any]]:
    """What ``module`` measures in the environment of the libraries."""
    ensure()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        surroundings = os.environ | threads | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run([PYTHON, "-m", module, file], cwd=ROOT, env=surroundings, check=True)
        figures: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def deliver(figures: Sequence[dict[str, Any]]) -> None:
    """Write the rows where the one who asked expects them: the last word of the measuring module."""
    Path(sys.argv[1]).write_text(json.dumps(list(figures)), encoding="utf-8")


def missing() -> dict[str, str]:
    """By name of the library, why it could not be installed."""
    found: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))["missing"]
    return found


def ensure() -> None:
    """Make the environment, which takes minutes, unless it stands as this checkout wants it."""
    wanted = sha256(CONSTRAINTS.read_bytes() + repr((OURS, LIBRARIES, str(ROOT))).encode()).hexdigest()
    if STAMP.exists() and json.loads(STAMP.read_text(encoding="utf-8"))["fingerprint"] == wanted:
        return
    print(f"making {FOLDER.name} for the libraries that are compared; this takes some minutes", flush=True)
    venv.create(FOLDER, clear=True, with_pip=True, symlinks=os.name != "nt")
    if fault := _install(*OURS):
        raise SystemExit(f"the environment of the benchmarks cannot be made: {fault}")
    faults = {library: _install(library) for library in LIBRARIES}
    absent = {library: fault for library, fault in faults.items() if fault}
    STAMP.write_text(json.dumps({"fingerprint": wanted, "missing": absent}), encoding="utf-8")


def _install(*packages: str) -> str:
    """Empty, or pip's last word."""
    print(f"  {', '.join(packages)}", flush=True)
    quiet = ["--no-input", "--progress-bar", "off", "--disable-pip-version-check", "--quiet"]
    command = [str(PYTHON), "-m", "pip", "install", *quiet, "-c", str(CONSTRAINTS), *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [f"pip ended {done.returncode}"]
    return said[-1].removeprefix("ERROR: ")
