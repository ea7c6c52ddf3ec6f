"""The gateway's calls: what is stored, what is declined and how that is said, health, reflection, TLS, and its end."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from drlactors.domain.session import End, Record, Report, Start
from drlactors.gateway.errors import GatewayFailed
from drlactors.gateway.options import tokens
from drlactors.gateway.server import SERVICE
from drlactors.ports.bus import BusUnreachable
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.testing.servers import EmbeddedNats
from drlactors.wire.v1 import episode_pb2, gateway_pb2, telemetry_pb2
from tests.contract.sandboxes.kit import Plane, until
from tests.integration.gateway.kit import Authority, Box, Client, Serving, status_of


@pytest.fixture
def serving(own_nats: EmbeddedNats, plane: Plane) -> Iterator[Serving]:
    with Serving(own_nats.url) as gateway:
        yield gateway


@pytest.fixture
def client(serving: Serving) -> Iterator[Client]:
    with Client(serving.address) as one:
        yield one


def unpacked(error: grpc.RpcError, kind: Any) -> Any:
    (detail,) = status_of(error).details
    found = kind()
    assert detail.Unpack(found)
    return found


def test_each_call_of_an_episode_returns_when_its_message_is_on_the_bus(client: Client, plane: Plane) -> None:
    box = Box()
    client.stub.StartSession(box.start(), timeout=20)
    client.stub.ReportOutcome(episode_pb2.Report(**box.about, outcome=episode_pb2.OUTCOME_BENIGN), timeout=20)
    client.stub.EndSession(episode_pb2.End(**box.about, reason=episode_pb2.END_REASON_FINISHED), timeout=20)
    plane.wait(lambda: len(plane.commands(box.id)) == 3)
    assert [type(command) for command in plane.commands(box.id)] == [Start, Report, End]


def test_every_number_on_a_stream_is_told_once_and_the_bus_has_what_was_stored(client: Client, plane: Plane) -> None:
    boxes = [Box() for _ in range(5)]
    client.converse()
    said = [client.say(**box.begin()) for box in boxes]
    said += [client.say(**box.windows(seq)) for seq in range(40) for box in boxes]
    client.wait(lambda: client.settled() == len(said))
    assert sorted(client.stored) == said
    for box in boxes:
        plane.wait_seqs(box.id, list(range(40)))


def test_a_frame_carries_many_messages_of_many_sessions(client: Client, plane: Plane) -> None:
    boxes = [Box() for _ in range(50)]
    client.converse()
    frame = [gateway_pb2.Said(number=number, **box.begin()) for number, box in enumerate(boxes)]
    frame += [gateway_pb2.Said(number=100 + number, **box.windows(*range(32))) for number, box in enumerate(boxes)]
    client.say_all(frame)
    client.wait(lambda: client.settled() == 100)
    for box in boxes:
        plane.wait_seqs(box.id, list(range(32)))


def test_what_is_said_of_a_session_is_heard_by_who_speaks_of_it_and_by_who_listens(
    serving: Serving, client: Client, plane: Plane
) -> None:
    box, other = Box(), Box()
    client.converse().say(**box.begin())
    with Client(serving.address) as second:
        second.converse().say(**box.listen())
        second.say(**other.begin())
        second.wait(lambda: len(second.stored) == 2)
        client.wait(lambda: client.stored == [1])
        plane.answer(box.id, 0)
        client.wait(lambda: client.actions)
        second.wait(lambda: second.actions)
        second.say(leave=gateway_pb2.Leave(session_id=str(box.id)))
        second.wait(lambda: len(second.stored) == 3)
        plane.answer(box.id, 1)
        plane.answer(other.id, 7)
        client.wait(lambda: len(client.actions) == 2)
        second.wait(lambda: len(second.actions) == 2)
        assert [actions.decisions[0].seq for actions in second.actions] == [0, 7]


def test_a_sandbox_that_has_said_all_is_told_all_before_its_stream_ends(client: Client) -> None:
    box = Box()
    client.converse()
    said = [client.say(**box.begin()), *(client.say(**box.windows(seq)) for seq in range(200))]
    client.finish()
    client.wait(lambda: client.ended)
    assert client.ended is True
    assert sorted(client.stored) == said


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"session_id": "box-1"}, "session_id"),
        ({"session_id": "12345678-1234-1234-1234-1234567890AB"}, "session_id"),
        ({"sandbox_id": ""}, "sandbox_id"),
        ({"stage": 3}, "start"),
        ({"window_ms": 0}, "start"),
        ({"artifact": episode_pb2.Artifact(sha256="ab")}, "start"),
        ({"stage": 2, "episode_id": "none"}, "start"),
    ],
)
def test_a_start_that_makes_no_sense_is_an_invalid_argument_that_names_the_field(
    client: Client, changed: dict[str, Any], field: str
) -> None:
    start = Box().start()
    for name, value in changed.items():
        if name == "artifact":
            start.artifact.CopyFrom(value)
        else:
            setattr(start, name, value)
    with pytest.raises(grpc.RpcError) as caught:
        client.stub.StartSession(start, timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in unpacked(caught.value, BadRequest).field_violations] == [field]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "what: missing"),
        ({"episode": episode_pb2.Episode()}, "event: none"),
        ({"windows": telemetry_pb2.Windows(session_id="x")}, "windows: none"),
        (Box("").windows(0), "sandbox_id: missing"),
        ({"listen": gateway_pb2.Listen(session_id="me", sandbox_id="box")}, "session_id"),
        (Box().windows(*range(80), paths=64), "1048576 are allowed"),
    ],
)
def test_what_makes_no_sense_on_a_stream_is_declined_by_its_number_and_the_stream_goes_on(
    client: Client, said: dict[str, Any], reason: str
) -> None:
    client.converse()
    bad, good = client.say(**said), client.say(**Box().begin())
    client.wait(lambda: client.settled() == 2)
    assert client.stored == [good]
    assert client.declined[bad].code == code_pb2.INVALID_ARGUMENT
    assert reason in client.declined[bad].reason


def test_who_shows_no_token_or_a_wrong_one_is_unauthenticated(own_nats: EmbeddedNats, plane: Plane) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    with Serving(own_nats.url, tokens={digest: "box"}) as serving:
        for token in ("", "guess", digest):
            with Client(serving.address, token=token) as stranger:
                with pytest.raises(grpc.RpcError) as caught:
                    stranger.stub.StartSession(Box().start(), metadata=stranger.metadata, timeout=20)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
                assert unpacked(caught.value, ErrorInfo).reason == "WHO_IS_THIS"
                stranger.converse()
                stranger.wait(lambda stranger=stranger: isinstance(stranger.ended, grpc.RpcError))  # type: ignore[misc]
            with pytest.raises(BusUnreachable, match="unauthenticated"):
                GrpcSandboxLink(serving.address, token=token, connect_timeout_s=5.0)
        with Client(serving.address, token="secret") as known:
            known.stub.StartSession(Box().start(), metadata=known.metadata, timeout=20)
            with pytest.raises(grpc.RpcError) as caught:
                known.stub.StartSession(Box("other").start(), metadata=known.metadata, timeout=20)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert unpacked(caught.value, ErrorInfo).reason == "FOREIGN_SANDBOX"


def test_where_no_token_is_left_nobody_is_let_in(own_nats: EmbeddedNats, plane: Plane, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# box was the last one\n")
    with (
        Serving(own_nats.url, tokens=tokens(tmp_path / "tokens")) as serving,
        Client(serving.address, token="secret") as revoked,
        pytest.raises(grpc.RpcError) as caught,
    ):
        revoked.stub.StartSession(Box().start(), metadata=revoked.metadata, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_token_that_is_taken_away_lets_nobody_in_and_ends_its_streams_only(
    own_nats: EmbeddedNats, plane: Plane
) -> None:
    lost, kept = (hashlib.sha256(token.encode()).hexdigest() for token in ("lost", "kept"))
    with (
        Serving(own_nats.url, tokens={lost: "box", kept: "other"}) as serving,
        Client(serving.address, token="lost") as revoked,
        Client(serving.address, token="kept") as other,
    ):
        for client, name in ((revoked, "box"), (other, "other")):
            client.converse().say(**Box(name).begin())
            client.wait(lambda client=client: client.settled() == 1)  # type: ignore[misc]
        serving.gateway.use_tokens({kept: "other"})
        revoked.wait(lambda: isinstance(revoked.ended, grpc.RpcError))
        assert isinstance(revoked.ended, grpc.RpcError)
        assert revoked.ended.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as caught:
            revoked.stub.StartSession(Box().start(), metadata=revoked.metadata, timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        other.say(**Box("other").begin())
        other.wait(lambda: len(other.stored) == 2)
        assert other.ended is None


def test_a_link_says_that_its_token_was_taken_away(own_nats: EmbeddedNats, plane: Plane) -> None:
    known = hashlib.sha256(b"lost").hexdigest()
    with (
        Serving(own_nats.url, tokens={known: "box"}) as serving,
        closing(GrpcSandboxLink(serving.address, token="lost")) as link,
    ):
        assert link.trouble is None
        serving.gateway.use_tokens({})
        assert until(lambda: link.trouble is not None and link.trouble.for_good)
        assert "refuses this sandbox: unauthenticated" in str(link.trouble)
        serving.gateway.use_tokens({known: "box"})
        assert until(lambda: link.trouble is None)


def test_a_certificate_that_names_no_sandbox_speaks_for_none(
    own_nats: EmbeddedNats, plane: Plane, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    (cert, key), (no_cert, no_key) = authority.issue("gateway"), authority.issue("")
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes(), no_key.read_bytes(), no_cert.read_bytes())
    with (
        Serving(own_nats.url, tls_cert=cert, tls_key=key, tls_client_ca=authority.file) as serving,
        Client(serving.address, credentials=credentials) as client,
        pytest.raises(grpc.RpcError) as caught,
    ):
        client.stub.StartSession(Box("box").start(), timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_file_of_tokens_names_each_sandbox_once_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    digest = hashlib.sha256(b"secret").hexdigest()
    path.write_text(f"# ours\nbox {digest}  # the first\n\n")
    assert tokens(path) == {digest: "box"}
    for bad in ("box", f"box {digest[1:]}", f"a b {digest}"):
        path.write_text(bad)
        with pytest.raises(GatewayFailed, match="line 1"):
            tokens(path)
    with pytest.raises(GatewayFailed, match="Cannot read"):
        tokens(tmp_path / "none")


def test_with_certificates_a_sandbox_is_who_its_certificate_says(
    own_nats: EmbeddedNats, plane: Plane, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    (cert, key), (box_cert, box_key) = authority.issue("gateway"), authority.issue("box")
    with Serving(own_nats.url, tls_cert=cert, tls_key=key, tls_client_ca=authority.file) as serving:
        credentials = grpc.ssl_channel_credentials(
            authority.file.read_bytes(), box_key.read_bytes(), box_cert.read_bytes()
        )
        with Client(serving.address, credentials=credentials) as client:
            client.stub.StartSession(Box("box").start(), timeout=20)
            with pytest.raises(grpc.RpcError) as caught:
                client.stub.StartSession(Box("other").start(), timeout=20)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        with (
            Client(serving.address, credentials=grpc.ssl_channel_credentials(authority.file.read_bytes())) as nobody,
            pytest.raises(grpc.RpcError) as caught,
        ):
            nobody.stub.StartSession(Box("box").start(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        link = GrpcSandboxLink(serving.address, tls_ca=authority.file, tls_cert=box_cert, tls_key=box_key)
        link.close()
        with pytest.raises(BusUnreachable, match="cannot be reached"):
            GrpcSandboxLink(serving.address, connect_timeout_s=1.0)


def test_a_gateway_that_cannot_listen_says_so(serving: Serving, own_nats: EmbeddedNats) -> None:
    with pytest.raises(GatewayFailed, match="Cannot listen"):
        Serving(own_nats.url, address=serving.address)


def test_health_says_whether_the_bus_is_there(serving: Serving, client: Client, own_nats: EmbeddedNats) -> None:
    health = health_pb2_grpc.HealthStub(client.channel)
    status = health_pb2.HealthCheckResponse

    def is_now(wanted: int) -> bool:
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        return bool(health.Check(request, timeout=20).status == wanted)

    assert until(lambda: is_now(status.SERVING))
    own_nats.kill()
    assert until(lambda: is_now(status.NOT_SERVING))
    own_nats.start()
    assert until(lambda: is_now(status.SERVING))


def test_reflection_lists_the_service(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (answer,) = list(stub.ServerReflectionInfo(asked, timeout=20))
    assert SERVICE in {service.name for service in answer.list_services_response.service}


def test_a_call_that_the_bus_does_not_store_in_time_ends_with_its_deadline_or_with_ours(
    own_nats: EmbeddedNats, plane: Plane
) -> None:
    with Serving(own_nats.url, store_timeout_s=2.0, drain_s=0.5) as serving, Client(serving.address) as client:
        own_nats.kill()
        with pytest.raises(grpc.RpcError) as caught:
            client.stub.StartSession(Box().start(), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(grpc.RpcError) as caught:
            client.stub.StartSession(Box().start(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert unpacked(caught.value, RetryInfo).retry_delay.seconds == 1
        own_nats.start()


def test_a_stop_stores_and_acknowledges_what_was_said_and_ends_the_streams(
    serving: Serving, client: Client, plane: Plane
) -> None:
    boxes = [Box() for _ in range(20)]
    client.converse()
    said = [client.say(**box.begin()) for box in boxes]
    said += [client.say(**box.windows(seq)) for seq in range(50) for box in boxes]
    client.wait(lambda: client.stored)
    serving.stop()
    client.wait(lambda: client.ended)
    assert isinstance(client.ended, grpc.RpcError)
    assert client.ended.code() is grpc.StatusCode.UNAVAILABLE
    assert unpacked(client.ended, RetryInfo).retry_delay.seconds == 1

    def taken() -> int:
        return sum(len([one for one in plane.commands(box.id) if isinstance(one, Record | Start)]) for box in boxes)

    plane.wait(lambda: taken() >= len(client.stored))
    assert len(client.stored) == taken() <= len(said)  # what was read is stored, and what is stored was told
