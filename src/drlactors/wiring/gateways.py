"""The gateway, beside a system or as a process of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from drlactors.bus.nats_relay import NatsRelay
from drlactors.config.folders import FolderWatch
from drlactors.config.load import load
from drlactors.config.settings import Settings
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Started
from drlactors.gateway.errors import GatewayFailed
from drlactors.gateway.options import Options, tokens
from drlactors.gateway.server import Gateway
from drlactors.instrumentation import Instruments
from drlactors.ports.log import Category, EventLog, LogError, Stream
from drlactors.ports.observer import Observer
from drlactors.wiring.access import credentials, open_log, running


@contextmanager
def serving_gateway(settings: Settings, nats_url: str, log: EventLog, observer: Observer) -> Iterator[Gateway]:
    """A gateway on a connection and a thread of its own; what was said is stored before it is gone."""
    relay = NatsRelay(
        nats_url,
        credentials=credentials(settings),
        hook=lambda event, detail: observer.note(f"gateway.bus.{event}", detail=detail),
    )
    with closing(relay):
        told = options(settings)
        gateway = Gateway(relay, told, starter(log), observer).start()
        observer.note("gateway.started", address=gateway.reached_at)
        try:
            with watched_tokens(settings, told.tokens, gateway, observer):
                yield gateway
        finally:
            gateway.stop()


@contextmanager
def watched_tokens(
    settings: Settings, held: Mapping[str, str] | None, gateway: Gateway, observer: Observer
) -> Iterator[None]:
    """Meanwhile the file of tokens, saved again, is in force at once; one that cannot be read changes nothing."""
    if held is None:
        yield
        return
    path, last = Path(settings.gateway.tokens), held

    def changed(_paths: set[Path]) -> None:
        nonlocal last
        try:
            found = tokens(path)
        except GatewayFailed as error:
            observer.error("gateway.tokens-refused", error)
            return
        if found != last:
            last = found
            gateway.use_tokens(found)
            observer.note("gateway.tokens-replaced", tokens=len(found))

    with FolderWatch({path.absolute().parent, path.resolve().parent}, changed, "token-watcher"):
        yield


@contextmanager
def gateway_process(files: Sequence[Path], data_dir: Path | None) -> Iterator[Gateway]:
    """A gateway alone: on the configured servers, or on those of the system that runs on the data directory."""
    overrides = {} if data_dir is None else {"server.data_dir": str(data_dir)}
    settings = load(files=files, overrides=overrides).settings
    addresses = running(settings)
    nats_url = settings.nats.url or (addresses.nats_url if addresses else "")
    dsn = settings.postgres.url.get_secret_value() or (addresses.postgres_dsn if addresses else "")
    if not settings.gateway.address:
        raise SystemExit("gateway.address is empty: name HOST:PORT in the configuration")
    if not nats_url or not dsn:
        raise SystemExit(
            f"no system runs on {settings.server.data_dir}: start one with drlactors up, or configure nats.url and "
            "postgres.url"
        )
    with ExitStack() as stack:
        observer = stack.enter_context(Instruments(settings, ready=lambda: "")).observer
        log = stack.enter_context(closing(open_log(dsn)))
        yield stack.enter_context(serving_gateway(settings, nats_url, log, observer))


def options(settings: Settings) -> Options:
    gateway = settings.gateway
    return Options(
        address=gateway.address,
        tls_cert=Path(gateway.tls_cert) if gateway.tls_cert else None,
        tls_key=Path(gateway.tls_key) if gateway.tls_key else None,
        tls_client_ca=Path(gateway.tls_client_ca) if gateway.tls_client_ca else None,
        tokens=tokens(Path(gateway.tokens)) if gateway.tokens else None,
        queue_messages=gateway.queue_messages,
        queue_bytes=gateway.queue_bytes,
        stream_messages=gateway.stream_messages,
        streams=gateway.streams,
        max_message_bytes=settings.nats.max_message_bytes,
        store_timeout_s=gateway.store_timeout_s,
        drain_s=gateway.drain_s,
    )


def starter(log: EventLog) -> Callable[[SessionId], str | None]:
    """Which sandbox started a session, as far as the log says and can be reached."""

    def started_by(session: SessionId) -> str | None:
        try:
            first = next(log.stream(Stream(Category.SESSION, session)), None)
        except LogError:
            return None
        event = first.events[0] if first else None
        return event.sandbox if isinstance(event, Started) else None

    return started_by
