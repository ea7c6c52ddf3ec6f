"""All instruments of one system: set up together, taken down in reverse."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from drlactors.instrumentation.endpoint import Endpoint
from drlactors.instrumentation.logs import Logs
from drlactors.instrumentation.metrics import Metrics
from drlactors.instrumentation.observer import PrometheusObserver
from drlactors.instrumentation.options import Options
from drlactors.instrumentation.tracing import Tracing


class Instruments:
    """Use as a context manager. ``url`` is where /metrics, /livez and /readyz are, ``observer`` what the rooms tell.

    ``ready`` says what keeps messages from being taken, empty when nothing does. Raises AddressTaken.
    """

    def __init__(self, options: Options, ready: Callable[[], str]) -> None:
        with ExitStack() as stack:
            self.logs = Logs(options.logging)
            stack.callback(self.logs.close)
            self.metrics = Metrics()
            self.tracing = Tracing(options.tracing, options.server.instance)
            stack.callback(self.tracing.close)
            endpoint = Endpoint(options.metrics.host, options.metrics.port, self.metrics.registry, ready)
            stack.callback(endpoint.close)
            self._stack = stack.pop_all()
        self.url = endpoint.url
        self.observer = PrometheusObserver(self.metrics, self.logs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
