"""traceparent read and written, and a price of next to nothing where nobody traces."""

from typing import NamedTuple

import pytest

from drlactors.instrumentation.tracing import Tracing, parse, traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Options(NamedTuple):
    endpoint: str = ""
    ratio: float = 1.0


def test_without_an_endpoint_nobody_gets_a_span():
    tracing = Tracing(Options(), "test")
    assert tracing.span("decide", f"00-{TRACE}-{SPAN}-01") is None
    assert tracing.span("decide") is None
    tracing.close()


@pytest.mark.parametrize(
    "text",
    ["", "x", f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"01-{TRACE}-{SPAN}-01"],
)
def test_what_is_no_traceparent_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize("flags", ["00", "01", "03"])
def test_a_traceparent_comes_back_as_it_was(flags):
    from opentelemetry.trace import NonRecordingSpan

    context = parse(f"00-{TRACE}-{SPAN}-{flags}")
    assert context is not None
    assert traceparent(NonRecordingSpan(context)) == f"00-{TRACE}-{SPAN}-{flags}"
    assert context.trace_flags.sampled == (flags != "00")
