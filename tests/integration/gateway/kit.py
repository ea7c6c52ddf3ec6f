"""A gateway on a NATS server, a client that says whatever it likes, and certificates of one's own."""

import datetime
import ipaddress
import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from drlactors.bus.nats_relay import NatsRelay
from drlactors.domain.ids import SessionId
from drlactors.gateway.options import Options
from drlactors.gateway.server import Gateway
from drlactors.testing.observer import RecordingObserver
from drlactors.wire.v1 import action_pb2, episode_pb2, gateway_pb2, gateway_pb2_grpc, telemetry_pb2

Bearer = tuple[tuple[str, str], ...]


class Serving:
    """A gateway with options, and what the log would say of sessions."""

    def __init__(self, url: str, **options: Any) -> None:
        self.observer = RecordingObserver()
        self.started_by: dict[SessionId, str] = {}
        told = Options(**{"address": "127.0.0.1:0"} | options)
        with ExitStack() as undo:
            relay = undo.enter_context(closing(NatsRelay(url)))
            self.gateway = Gateway(relay, told, self.started_by.get, self.observer).start()
            undo.callback(self.gateway.stop)
            self._undo = undo.pop_all()
        self.address = self.gateway.reached_at

    def stop(self) -> None:
        self.gateway.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()


class Client:
    """Calls, and one stream that is read only when it is told to be."""

    def __init__(self, address: str, *, token: str = "", credentials: grpc.ChannelCredentials | None = None) -> None:
        own = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0))  # who does not read gets 64 kB
        self.channel = (
            grpc.secure_channel(address, credentials, own) if credentials else grpc.insecure_channel(address, own)
        )
        self.stub = gateway_pb2_grpc.GatewayStub(self.channel)
        self.metadata: Bearer = (("authorization", f"Bearer {token}"),) if token else ()
        self.numbers = count(1)
        self._frames: queue.SimpleQueue[gateway_pb2.FromSandbox | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self.stored: list[int] = []
        self.declined: dict[int, gateway_pb2.Declined] = {}
        self.dropped: dict[int, telemetry_pb2.Loss] = {}
        self.actions: list[action_pb2.Actions] = []
        self.ended: grpc.RpcError | bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._frames.put(None)
        self.channel.close()

    def converse(self, *, reads: bool = True) -> Self:
        self.call = self.stub.Converse(iter(self._frames.get, None), metadata=self.metadata)
        if reads:
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def finish(self) -> None:
        """Say that nothing more comes."""
        self._frames.put(None)

    def say(self, **what: Any) -> int:
        number = next(self.numbers)
        self._frames.put(gateway_pb2.FromSandbox(said=[gateway_pb2.Said(number=number, **what)]))
        return number

    def say_all(self, said: list[gateway_pb2.Said]) -> None:
        self._frames.put(gateway_pb2.FromSandbox(said=said))

    def wait(self, condition: Callable[[], object], timeout_s: float = 30.0) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), (self.stored, self.declined, self.dropped, self.ended)

    def settled(self) -> int:
        return len(self.stored) + len(self.declined) + len(self.dropped)

    def _read(self) -> None:
        ended: grpc.RpcError | bool = True
        try:
            for told in self.call:
                with self._changed:
                    self.stored += told.stored
                    self.declined |= {one.number: one for one in told.declined}
                    self.dropped |= {one.number: one.loss for one in told.dropped}
                    self.actions += told.actions
                    self._changed.notify_all()
        except grpc.RpcError as error:
            ended = error
        with self._changed:
            self.ended = ended
            self._changed.notify_all()


class Box:
    """A sandbox's messages of one session."""

    def __init__(self, sandbox: str = "box", session: SessionId | None = None) -> None:
        self.sandbox = sandbox
        self.id = session or SessionId(uuid4())
        self.about: dict[str, Any] = {"session_id": str(self.id), "sandbox_id": sandbox}

    def start(self, **changed: Any) -> episode_pb2.Start:
        facts: dict[str, Any] = {
            "stage": 1,
            "window_ms": 250,
            "artifact": episode_pb2.Artifact(sha256="ab" * 32, kind="elf"),
        }
        return episode_pb2.Start(**self.about, **facts | changed)

    def begin(self) -> dict[str, Any]:
        return {"episode": episode_pb2.Episode(start=self.start())}

    def windows(self, *seqs: int, paths: int = 0) -> dict[str, Any]:
        seen = telemetry_pb2.Telemetry(syscall_count=3, accessed_paths=["/tmp/" + "x" * 200] * paths)
        return {
            "windows": telemetry_pb2.Windows(
                **self.about,
                windows=[telemetry_pb2.Window(seq=seq, window_ms=250, observed_us=1, telemetry=seen) for seq in seqs],
            )
        }

    def listen(self) -> dict[str, Any]:
        return {"listen": gateway_pb2.Listen(**self.about)}


def status_of(error: grpc.RpcError) -> Status:
    """The google.rpc.Status in an error, with its details."""
    status = rpc_status.from_call(error)
    assert status is not None
    return status


class Authority:
    """A certificate authority for an afternoon."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.file = self._write("ca", self._certificate("authority", self._key, authority=True), None)

    def issue(self, name: str) -> tuple[Path, Path]:
        """Files of a certificate for 127.0.0.1 with this common name (without one, if it is empty), and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._write(name, self._certificate(name, key, authority=False), None)
        return certificate, self._write(f"{name}.key", None, key)

    def _certificate(self, name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
        hosts = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(hosts, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, certificate: x509.Certificate | None, key: ec.EllipticCurvePrivateKey | None) -> Path:
        path = self._folder / f"{name}.pem"
        pem = serialization.Encoding.PEM
        if certificate is not None:
            path.write_bytes(certificate.public_bytes(pem))
        elif key is not None:
            plain = serialization.NoEncryption()
            path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        return path
