"""Whoever loads a model here tells nobody outside of it."""

import os
import subprocess
import sys
from pathlib import Path

LOADS = """
from drlactors.inference import packaged_model
import onnxruntime
onnxruntime.InferenceSession(packaged_model().read_bytes())
"""


def test_onnx_runtime_begins_no_report_to_its_vendor(tmp_path: Path) -> None:
    # It keeps what it is about to send below HOME, and its session beside: that shows where no network does. Without
    # the variables by which it knows that it is tested, and says nothing.
    given = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": os.defpath}
    subprocess.run([sys.executable, "-c", LOADS], env=given, check=True)
    assert list(tmp_path.iterdir()) == []
