"""Policies that answer: models by ONNX Runtime, the rules, and both behind one door."""

import os
from pathlib import Path

# Since 1.29 ONNX Runtime reports to its vendor names and digests of what it loads, unless it finds this when it is
# loaded: switched off afterwards, it has begun. https://github.com/microsoft/onnxruntime/pull/27379
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from drlactors.inference.onnx_policy import OnnxPolicy, fingerprint
from drlactors.inference.onnx_policy import load as load_model
from drlactors.inference.rules import RulePolicy, Thresholds
from drlactors.inference.serving import Figures, Serving
from drlactors.inference.signature import Trust

__all__ = [
    "Figures",
    "OnnxPolicy",
    "RulePolicy",
    "Serving",
    "Thresholds",
    "Trust",
    "fingerprint",
    "load_model",
    "packaged_model",
]


def packaged_model() -> Path:
    """Where the model lies that is shipped."""
    return Path(__file__).parent / "models" / "first.onnx"
