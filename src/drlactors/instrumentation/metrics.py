"""Every metric, declared once. None has a label whose values a sandbox could make up without end."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from drlactors.domain.action import Action

DURATIONS_S = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
#: More different texts than this in one label are counted together.
MAX_LABELS = 40
OTHER = "other"
#: What makes a text one of its kind: quoted names, ids and numbers.
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+")
_MAX_CHARACTERS = 100


class Bounded:
    """A counter by a text: numbers and quoted names are taken out, and only the first few texts get a label."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._children: dict[str, Counter] = {}

    def add(self, text: str, amount: int = 1) -> None:
        child = self._children.get(text)
        if child is None:
            child = self._child(text)
        child.inc(amount)

    def _child(self, text: str) -> Counter:
        label = _PARTICULAR.sub("_", text)[:_MAX_CHARACTERS]
        child = self._children.get(label)
        if child is None:
            if len(self._children) >= MAX_LABELS:
                return self._counter.labels(OTHER)
            child = self._children[label] = self._counter.labels(label)
        return child


class Metrics:
    """One set, in a registry of its own. Children for the hot path are bound here: a look-up costs twice a count."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"drl_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"drl_{name}", says, labels, registry=registry)

        def histogram(name: str, says: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"drl_{name}", says, buckets=buckets, registry=registry)

        self.windows = counter("windows", "Windows on disk.")
        self.decision_s = histogram("decision_duration_seconds", "Features, ranking, choice of one batch.", DURATIONS_S)
        self.decision_windows = histogram("decision_batch_windows", "Windows ranked in one batch.", BATCHES)
        decisions = counter("decisions", "Windows answered, before retries.", "action", "policy_kind")
        self.decisions = {
            kind: [decisions.labels(action.name.lower(), kind) for action in Action] for kind in ("model", "rules")
        }
        self.append_s = histogram("event_append_duration_seconds", "One transaction of the log.", DURATIONS_S)
        self.appended_rows = counter("rows_appended", "Rows of the log: the events that belong together.")
        self.appended = counter("events_appended", "Events in the log.")
        self.conflicts = counter("append_conflicts", "Appends that the log refused as stale.")
        self.lost = Bounded(counter("windows_lost", "Windows that never came.", "cause"))
        self.defaulted = Bounded(counter("defaulted_fields", "Absurd values that were taken as missing.", "field"))
        self.redeliveries = counter("redeliveries", "Windows that came again after they were recorded.")
        self.refusals = Bounded(counter("refusals", "Messages that the rules refused.", "reason"))
        self.dead_letters = Bounded(counter("dead_letters", "Messages that could not be used.", "reason"))
        self.retries = counter("dispatch_retries", "Actions that were sent again.")
        self.failed = counter("actions_failed", "Actions that were given up.")
        feedback = counter("feedback", "Answers of sandboxes to actions.", "success")
        self.feedback = {success: feedback.labels(str(success).lower()) for success in (True, False)}
        self.restarts = Bounded(counter("actor_restarts", "Actors that broke and were started again.", "actor"))
        sessions = gauge("sessions", "Sessions in memory (awake), and those that are not over (open).", "state")
        self.awake, self.open = sessions.labels("awake"), sessions.labels("open")
        self.gateway_streams = gauge("gateway_streams", "Streams of sandboxes that are open at the gateway.")
        self.gateway_waiting = gauge(
            "gateway_waiting_messages", "Messages at the gateway that the bus does not have yet."
        )
        self.gateway_dropped = counter("gateway_dropped_windows", "Windows that the gateway threw away.")
        self.patterns_stored = counter("patterns_stored", "Changes of attack patterns in their store.")
        self.pattern_store_s = histogram("pattern_store_duration_seconds", "One transaction of it.", DURATIONS_S)
        self.pattern_query_s = histogram("pattern_query_duration_seconds", "One question to it.", DURATIONS_S)
        self.patterns_waiting = gauge("patterns_waiting", "Changes in the queue before the pattern store.")
        self.pattern_store_failures = counter("pattern_store_failures", "Times that it took nothing.")
        self.policy_changes = Bounded(counter("policy_swaps", "Changes of the policy, and refusals of one.", "result"))
        self.model_info = gauge("model_info", "1 for the policy in charge.", "policy")
