"""A sandbox's link to a gateway knows whether it was taken."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from drlactors.ports.bus import BusUnreachable
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.wire.v1 import gateway_pb2, gateway_pb2_grpc


class Slow(gateway_pb2_grpc.GatewayServicer):
    """Refuses a stream, but its headers are there long before its end."""

    def __init__(self) -> None:
        self.refuses = threading.Event()

    def Converse(self, _said: Any, context: grpc.ServicerContext) -> Iterator[gateway_pb2.ToSandbox]:  # noqa: N802
        context.send_initial_metadata(())
        self.refuses.wait(30)
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "who is this")
        yield gateway_pb2.ToSandbox()


@contextmanager
def served(servicer: Slow) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    gateway_pb2_grpc.add_GatewayServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_headers_of_a_stream_that_is_refused_in_the_end_are_no_connection() -> None:
    slow = Slow()
    threading.Timer(1.0, slow.refuses.set).start()  # once it has had its headers for a while
    with served(slow) as address, pytest.raises(BusUnreachable, match="unauthenticated"):
        GrpcSandboxLink(address, connect_timeout_s=5.0)
