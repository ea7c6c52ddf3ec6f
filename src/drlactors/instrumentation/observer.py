"""The observer that counts for Prometheus and writes log lines."""

from collections.abc import Sequence
from typing import Any

from drlactors.instrumentation.logs import Logs
from drlactors.instrumentation.metrics import Metrics

_DIGEST_CHARACTERS = 64  # a model goes by its sha256, the rules by a name


class PrometheusObserver:
    """Counts by the batch: the cost of a window is what is left of a few microseconds for each batch."""

    def __init__(self, metrics: Metrics, logs: Logs) -> None:
        self._metrics = metrics
        self._logs = logs

    def windows(self, recorded: int) -> None:
        self._metrics.windows.inc(recorded)

    def decided(self, counts: Sequence[int], policy: str, seconds: float) -> None:
        metrics = self._metrics
        kind = metrics.decisions["model" if len(policy) == _DIGEST_CHARACTERS else "rules"]
        for child, count in zip(kind, counts, strict=True):
            if count:
                child.inc(count)
        metrics.decision_s.observe(seconds)
        metrics.decision_windows.observe(sum(counts))

    def appended(self, rows: int, events: int, seconds: float) -> None:
        self._metrics.appended_rows.inc(rows)
        self._metrics.appended.inc(events)
        self._metrics.append_s.observe(seconds)

    def conflict(self) -> None:
        self._metrics.conflicts.inc()

    def lost(self, cause: str, windows: int) -> None:
        self._metrics.lost.add(cause, windows)

    def defaulted(self, field: str, times: int) -> None:
        self._metrics.defaulted.add(field, times)

    def redelivered(self, windows: int) -> None:
        self._metrics.redeliveries.inc(windows)

    def refused(self, reason: str) -> None:
        self._metrics.refusals.add(reason)

    def dead_letter(self, reason: str) -> None:
        self._metrics.dead_letters.add(reason)

    def retried(self) -> None:
        self._metrics.retries.inc()

    def failed(self) -> None:
        self._metrics.failed.inc()

    def feedback(self, success: bool) -> None:
        self._metrics.feedback[success].inc()

    def restarted(self, actor: str) -> None:
        self._metrics.restarts.add(actor)

    def sessions(self, awake: int, open: int) -> None:  # noqa: A002  # as the port says
        self._metrics.awake.set(awake)
        self._metrics.open.set(open)

    def policy(self, policy: str, result: str) -> None:
        self._metrics.policy_changes.add(result)
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(policy).set(1)
        self.note("policy.activated", policy=policy, result=result)

    def gateway(self, streams: int, waiting: int) -> None:
        self._metrics.gateway_streams.set(streams)
        self._metrics.gateway_waiting.set(waiting)

    def overflowed(self, windows: int) -> None:
        self._metrics.gateway_dropped.inc(windows)

    def patterns(self, stored: int, seconds: float, waiting: int) -> None:
        self._metrics.patterns_stored.inc(stored)
        self._metrics.pattern_store_s.observe(seconds)
        self._metrics.patterns_waiting.set(waiting)

    def patterns_waiting(self, waiting: int) -> None:
        self._metrics.patterns_waiting.set(waiting)

    def patterns_asked(self, seconds: float) -> None:
        self._metrics.pattern_query_s.observe(seconds)

    def patterns_failed(self) -> None:
        self._metrics.pattern_store_failures.inc()

    def note(self, event: str, **fields: Any) -> None:
        self._logs.info(event, fields)

    def error(self, event: str, error: Exception, **fields: Any) -> None:
        self._logs.error(event, error, fields)
