"""What can be configured: one frozen class for each section, one field for each key.

Nothing here has a default: ``configs/base.toml`` has every value, ``configs/README.md`` says what each one means.
"""

from base64 import b64decode
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from drlactors.domain.features import DEFAULT_FEATURES, FEATURES

#: In force as soon as the file is saved, and in force only after a restart.
LIVE = Field(json_schema_extra={"reload": "live"})
RESTART = Field(json_schema_extra={"reload": "restart"})

Bytes = Annotated[int, Field(ge=1024, le=1 << 50)]
Count = Annotated[int, Field(ge=0, le=1 << 20)]
AtLeastOne = Annotated[int, Field(ge=1, le=1 << 20)]
Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]
Seconds = Annotated[float, Field(ge=0.001, le=31_536_000)]
Amount = Annotated[float, Field(ge=0, le=1000)]
Share = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
Text = Annotated[str, Field(max_length=4096)]
Folder = Annotated[Path, Field(strict=False)]


def _known_features(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in FEATURES]:
        raise ValueError(f"names out of {', '.join(FEATURES)}; unknown: {', '.join(unknown)}")
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    return names or DEFAULT_FEATURES


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class Server(Section):
    data_dir: Annotated[Folder, RESTART]
    instance: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$"), RESTART]


class Nats(Section):
    url: Annotated[str, Field(pattern=r"^$|^(nats|tls|ws|wss)://"), RESTART]
    token: Annotated[SecretStr, RESTART]
    tls_ca: Annotated[Text, RESTART]
    tls_cert: Annotated[Text, RESTART]
    tls_key: Annotated[Text, RESTART]
    stream_max_bytes: Annotated[Bytes, RESTART]
    stream_max_age_s: Annotated[Seconds, RESTART]
    session_max_messages: Annotated[AtLeastOne, RESTART]
    max_message_bytes: Annotated[Bytes, RESTART]
    sync_interval: Annotated[str, Field(pattern=r"^(always|[1-9][0-9]{0,5}(ms|s|m))$"), RESTART]

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key together, or neither")
        return self


def _postgres_url(url: SecretStr) -> SecretStr:
    if url.get_secret_value() and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or empty for the embedded server")
    return url


class Postgres(Section):
    url: Annotated[SecretStr, AfterValidator(_postgres_url), RESTART]


class Patterns(Section):
    url: Annotated[SecretStr, AfterValidator(_postgres_url), RESTART]
    follow: Annotated[bool, RESTART]
    follow_s: Annotated[Seconds, RESTART]
    retry_s: Annotated[Seconds, RESTART]
    queue_changes: Annotated[AtLeastOne, RESTART]
    connections: Annotated[int, Field(ge=1, le=100), RESTART]
    nice: Annotated[int, Field(ge=0, le=19), RESTART]
    neighbours: Annotated[int, Field(ge=1, le=100), RESTART]


class Sessions(Section):
    idle_passivate_s: Annotated[Seconds, LIVE]
    lost_after_s: Annotated[Seconds, LIVE]
    reorder_windows: Annotated[Count, LIVE]
    reorder_wait_ms: Annotated[Milliseconds, LIVE]
    snapshot_every_events: Annotated[AtLeastOne, LIVE]
    group_windows: Annotated[AtLeastOne, LIVE]
    in_flight: Annotated[AtLeastOne, RESTART]


class Rules(Section):
    """The fields of ``domain.permission.Rules``; a session keeps those that it began with."""

    isolation_steps: Annotated[Count, LIVE]
    isolation_before_quarantine: Annotated[Count, LIVE]
    reviews: Annotated[Count, LIVE]
    windows_before_final: Annotated[AtLeastOne, LIVE]
    lost_windows_before_final: Annotated[Count, LIVE]
    exploration: Annotated[Share, LIVE]

    @model_validator(mode="after")
    def _quarantine_in_reach(self) -> Self:
        if self.isolation_before_quarantine > self.isolation_steps:
            raise ValueError("isolation_before_quarantine at most isolation_steps, or quarantine could never happen")
        return self


class Episodes(Section):
    stage_wait_s: Annotated[Seconds, LIVE]


class Reviews(Section):
    deadline_s: Annotated[Seconds, LIVE]
    default: Annotated[Literal["continue", "release", "terminate", "quarantine"], LIVE]


Final = Literal["terminate", "quarantine"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Guards(Section):
    """The fields of ``domain.guard.Guards``."""

    monitored: Annotated[
        tuple[Literal["isolate", "terminate", "quarantine", "review"], ...], Field(strict=False, max_length=4), LIVE
    ]
    consent: Annotated[tuple[Final, ...], Field(strict=False, max_length=2), LIVE]
    terminate_per_hour: Annotated[Count, LIVE]
    quarantine_per_hour: Annotated[Count, LIVE]
    in_a_row: Annotated[Count, LIVE]
    ignored_artifacts: Annotated[tuple[Sha256, ...], Field(strict=False, max_length=10_000), LIVE]
    ignored_sandboxes: Annotated[tuple[Text, ...], Field(strict=False, max_length=10_000), LIVE]
    isolation_lease_s: Annotated[float, Field(ge=0, le=31_536_000), LIVE]


class Features(Section):
    names: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_known_features), RESTART]
    missing: Annotated[Share, RESTART]


class Model(Section):
    path: Annotated[Text, LIVE]
    deadline_ms: Annotated[Milliseconds, RESTART]
    max_late: Annotated[AtLeastOne, RESTART]
    bench_s: Annotated[Seconds, RESTART]


def _public_key(text: str) -> str:
    try:
        sound = len(b64decode(text, validate=True)) == 32
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("a public key of `drlactors models keys`: base64 of 32 bytes")
    return text


PublicKey = Annotated[str, AfterValidator(_public_key)]


class Models(Section):
    folder: Annotated[Text, RESTART]
    trusted_keys: Annotated[tuple[PublicKey, ...], Field(strict=False, max_length=100), LIVE]
    allow_unsigned: Annotated[bool, LIVE]
    shadows: Annotated[Count, LIVE]
    shadow_interval_s: Annotated[Seconds, RESTART]
    shadow_waiting_windows: Annotated[AtLeastOne, RESTART]


class Gate(Section):
    """The fields of ``learner.gate.Limits``."""

    false_positive_rate: Annotated[Share, LIVE]
    confidence: Annotated[float, Field(ge=0.5, lt=1), LIVE]
    least_sessions: Annotated[AtLeastOne, LIVE]
    least_effective: Annotated[AtLeastOne, LIVE]
    most_unsupported: Annotated[Share, LIVE]
    resamples: Annotated[int, Field(ge=100, le=100_000), LIVE]


class Learner(Section):
    """The fields of ``actors.learner.Conduct`` and ``learner.learning.Study``, and where and how the process runs."""

    promote: Annotated[Literal["gate", "propose"], RESTART]
    sessions: Annotated[AtLeastOne, RESTART]
    updates: Annotated[AtLeastOne, RESTART]
    step_updates: Annotated[AtLeastOne, RESTART]
    held_out: Annotated[float, Field(gt=0, lt=1), RESTART]
    settle_s: Annotated[Seconds, RESTART]
    judged_sessions: Annotated[AtLeastOne, RESTART]
    capacity: Annotated[int, Field(ge=10_000, le=100_000_000), RESTART]
    positions: Annotated[int, Field(ge=1000, le=1_000_000_000), RESTART]
    follow_s: Annotated[Seconds, RESTART]
    nice: Annotated[int, Field(ge=0, le=19), RESTART]
    folder: Annotated[Text, RESTART]
    key: Annotated[Text, RESTART]


class Dispatch(Section):
    retry_s: Annotated[tuple[Seconds, ...], Field(strict=False, max_length=10), LIVE]
    feedback_timeout_s: Annotated[Seconds, LIVE]
    rate_per_s: Annotated[float, Field(gt=0, le=1_000_000), LIVE]
    rate_burst: Annotated[AtLeastOne, LIVE]


class Rewards(Section):
    """The fields of ``domain.reward.Weights``, and the discount."""

    right_verdict: Annotated[Amount, LIVE]
    wrong_verdict: Annotated[Amount, LIVE]
    missed: Annotated[Amount, LIVE]
    released: Annotated[Amount, LIVE]
    second: Annotated[Amount, LIVE]
    damage: Annotated[Amount, LIVE]
    isolation_hinders: Annotated[Share, LIVE]
    disturbance: Annotated[Amount, LIVE]
    review: Annotated[Amount, LIVE]
    failed_action: Annotated[Amount, LIVE]
    gamma: Annotated[Share, LIVE]


class Receipts(Section):
    key: Annotated[Text, LIVE]
    trusted_keys: Annotated[tuple[PublicKey, ...], Field(strict=False, max_length=100), LIVE]


class Sandboxes(Section):
    known: Annotated[tuple[Text, ...], Field(strict=False, max_length=10_000), LIVE]


class Gateway(Section):
    address: Annotated[str, Field(pattern=r"^$|^.+:[0-9]{1,5}$"), RESTART]
    tls_cert: Annotated[Text, RESTART]
    tls_key: Annotated[Text, RESTART]
    tls_client_ca: Annotated[Text, RESTART]
    tokens: Annotated[Text, RESTART]
    queue_messages: Annotated[AtLeastOne, RESTART]
    queue_bytes: Annotated[Bytes, RESTART]
    stream_messages: Annotated[AtLeastOne, RESTART]
    streams: Annotated[AtLeastOne, RESTART]
    store_timeout_s: Annotated[Seconds, RESTART]
    drain_s: Annotated[Seconds, RESTART]

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key) or (self.tls_client_ca and not self.tls_cert):
            raise ValueError("tls_cert and tls_key together, and tls_client_ca only with them")
        return self


def _lower(level: object) -> object:
    """Most programs write them in capitals, and take both."""
    return level.lower() if isinstance(level, str) else level


class Logging(Section):
    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower), LIVE]
    file: Annotated[Text, RESTART]
    rotate_bytes: Annotated[Bytes, RESTART]
    keep: Annotated[int, Field(ge=1, le=1000), RESTART]
    format: Annotated[Literal["json", "console"], RESTART]


class Metrics(Section):
    host: Annotated[str, Field(min_length=1, max_length=253), RESTART]
    port: Annotated[Port, RESTART]


class Tracing(Section):
    endpoint: Annotated[str, Field(pattern=r"^$|^https?://"), RESTART]
    ratio: Annotated[Share, RESTART]


class Supervisor(Section):
    backoff_initial_s: Annotated[Seconds, LIVE]
    backoff_max_s: Annotated[Seconds, LIVE]
    max_failures: Annotated[AtLeastOne, LIVE]

    @model_validator(mode="after")
    def _backoff_grows(self) -> Self:
        if self.backoff_max_s < self.backoff_initial_s:
            raise ValueError("backoff_max_s at least backoff_initial_s")
        return self


class Settings(Section):
    server: Server
    nats: Nats
    postgres: Postgres
    patterns: Patterns
    sessions: Sessions
    episodes: Episodes
    rules: Rules
    reviews: Reviews
    guards: Guards
    features: Features
    model: Model
    models: Models
    gate: Gate
    learner: Learner
    dispatch: Dispatch
    rewards: Rewards
    receipts: Receipts
    sandboxes: Sandboxes
    gateway: Gateway
    logging: Logging
    metrics: Metrics
    tracing: Tracing
    supervisor: Supervisor
