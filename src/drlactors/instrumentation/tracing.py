"""Traces over OTLP, of what a traced parent asks for and of a small share of the rest."""

import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, Tracer

from drlactors.instrumentation.options import TracingOptions

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def parse(traceparent: str) -> SpanContext | None:
    """The W3C header's context; None for what is not one."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None


class Tracing:
    """Off without an endpoint. Then, and for what is not sampled, asking costs well below a microsecond."""

    def __init__(self, options: TracingOptions, instance: str) -> None:
        self._ratio = options.ratio
        self._due = 0.0
        self._provider = _provider(options.endpoint, instance) if options.endpoint else None
        self._tracer: Tracer | None = self._provider.get_tracer("drlactors") if self._provider else None

    def span(self, name: str, traceparent: str = "", /, **attributes: Any) -> AbstractContextManager[Span] | None:
        """A span to be entered, or None when nobody wants one.

        With a parent the parent decides. Without one, evenly spread, every so many-th begins a trace.
        """
        if self._tracer is None:
            return None
        if traceparent:
            # The last digit holds the sampled bit. Looking at it costs a hundredth of a span that is sampled out.
            if traceparent[-1] not in "13579bdf":
                return None
            parent = parse(traceparent)
            if parent is None:
                return None
            context = trace.set_span_in_context(NonRecordingSpan(parent))
            return self._tracer.start_as_current_span(name, context, attributes=attributes)
        self._due += self._ratio
        if self._due < 1:
            return None
        self._due -= 1
        return self._tracer.start_as_current_span(name, attributes=attributes)

    def close(self) -> None:
        """Send what is waiting."""
        if self._provider is not None:
            self._provider.shutdown()


def _provider(endpoint: str, instance: str) -> "TracerProvider":
    # These bring gRPC along: 100 ms and 20 MB that only those pay who trace.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "drlactors", "service.instance.id": instance})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
