"""A real scrape over HTTP, and a real span over OTLP/gRPC."""

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from drlactors.instrumentation import AddressTaken, Instruments

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"


def options(endpoint="", port=0, ratio=0.0):
    return SimpleNamespace(
        server=SimpleNamespace(instance="test"),
        logging=SimpleNamespace(level="info", file="", rotate_bytes=1024, keep=1, format="json"),
        metrics=SimpleNamespace(host="127.0.0.1", port=port),
        tracing=SimpleNamespace(endpoint=endpoint, ratio=ratio),
    )


def get(url, accept="*/*"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_scrape_can_be_parsed():
    with Instruments(options(), ready=lambda: "") as instruments:
        instruments.observer.decided([3, 0, 0, 0, 0], "rules-1", 0.001)
        instruments.observer.dead_letter('a "quoted"\nreason \\')
        status, text = get(f"{instruments.url}/metrics")
        assert status == 200
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert {"drl_decisions", "drl_windows", "drl_sessions", "process_resident_memory_bytes"} <= families.keys()
        counts = {
            tuple(s.labels.values()): s.value for s in families["drl_decisions"].samples if s.name.endswith("_total")
        }
        assert counts["continue", "rules"] == 3
        _, openmetrics = get(f"{instruments.url}/metrics", "application/openmetrics-text; version=1.0.0")
        assert any(family.name == "drl_decisions" for family in parse_openmetrics(openmetrics))


def test_readiness_says_why_not():
    why = ["starting"]
    with Instruments(options(), ready=lambda: why[0]) as instruments:
        assert get(f"{instruments.url}/livez") == (200, "alive\n")
        assert get(f"{instruments.url}/readyz") == (503, "starting\n")
        why[0] = ""
        assert get(f"{instruments.url}/readyz") == (200, "ready\n")
        assert get(f"{instruments.url}/other")[0] == 404


def test_a_taken_address_is_told():
    with Instruments(options(), ready=lambda: "") as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(AddressTaken, match=f"127.0.0.1:{port}"):
            Instruments(options(port=port), ready=lambda: "")


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    endpoint = ""

    def __init__(self):
        self.spans: Queue[Any] = Queue()

    def Export(self, request, _context):  # noqa: N802  # as the service calls it
        for resource in request.resource_spans:
            names = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put((names, span))
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def receiver():
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield receiver
    server.stop(None)


def test_a_sampled_parent_gets_a_child(receiver, capsys):
    with Instruments(options(receiver.endpoint), ready=lambda: "") as instruments:
        tracing = instruments.tracing
        assert tracing.span("decide", UNSAMPLED) is None
        assert tracing.span("decide", "no traceparent 1") is None
        assert tracing.span("decide") is None  # a ratio of 0
        entered = tracing.span("decide", PARENT, windows=3)
        assert entered is not None
        with entered as span:
            context = span.get_span_context()
            instruments.observer.note("inside")
    names, sent = receiver.spans.get(timeout=10)
    assert names["service.name"] == "drlactors"
    assert names["service.instance.id"] == "test"
    assert sent.name == "decide"
    assert sent.trace_id.hex() == PARENT[3:35]
    assert sent.parent_span_id.hex() == PARENT[36:52]
    assert context.trace_id == int(PARENT[3:35], 16)
    assert context.trace_flags.sampled
    assert receiver.spans.empty()
    assert f'"trace_id": "{PARENT[3:35]}"' in capsys.readouterr().err


def test_the_ratio_begins_traces_evenly(receiver):
    with Instruments(options(receiver.endpoint, ratio=0.25), ready=lambda: "") as instruments:
        begun = [instruments.tracing.span("decide") is not None for _ in range(8)]
    assert begun == [False, False, False, True] * 2
