"""Metrics, logs and traces: set up here and nowhere else."""

from drlactors.instrumentation.endpoint import AddressTaken
from drlactors.instrumentation.instruments import Instruments
from drlactors.instrumentation.observer import PrometheusObserver

__all__ = ["AddressTaken", "Instruments", "PrometheusObserver"]
