"""What the bits of trained weights depend on, beside the data and the seed."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """The order of sums, and so their bits, depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fingerprint(device: torch.device) -> str:
    """Trained with ``one_thread``, the same text, data, settings and seed give the same weights, bit for bit."""
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, numpy {np.__version__}, {device.type} {on}, 1 thread"
