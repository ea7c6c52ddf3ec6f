"""traceparent read, and a price of next to nothing where nobody traces."""

from typing import NamedTuple

import pytest

from drlactors.instrumentation.tracing import Tracing, parse

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
def test_a_traceparent_says_whether_its_trace_is_sampled(flags):
    context = parse(f"00-{TRACE}-{SPAN}-{flags}")
    assert context is not None
    assert (context.trace_id, context.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert context.trace_flags.sampled == (flags != "00")
