"""The laws of the feature adapter: bounded, never NaN, the same bits in any company, and missing is not zero."""

from math import inf, log1p, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.domain.features import COLUMNS, DEFAULT_FEATURES, FEATURES, FeatureSchema, row
from drlactors.domain.progress import Progress
from drlactors.domain.response import Response
from drlactors.domain.session import DECIDER, State, TelemetryRecorded
from drlactors.domain.telemetry import MAX_COUNT, Telemetry, Window

ABSURD = st.sampled_from([nan, inf, -inf, -1.0, 0.0, -0.0, 5e-324, 1e-300, 1e308, -1e308, 2.0**63, -(2.0**63), 0.5])
NUMBERS = st.one_of(ABSURD, st.floats(), st.floats(0, 1e12))
ROWS = st.lists(st.tuples(*[NUMBERS] * len(COLUMNS)), min_size=1, max_size=8)
SCHEMAS = st.builds(
    FeatureSchema,
    st.lists(st.sampled_from(sorted(FEATURES)), min_size=1, max_size=len(FEATURES), unique=True).map(tuple),
    st.floats(0, 1),
)
COUNTS = st.one_of(st.none(), st.integers(0, MAX_COUNT))
TEXTS = st.lists(st.text(max_size=30), max_size=8, unique=True).map(tuple)
FLAGS = st.one_of(st.none(), st.booleans())
TELEMETRY = st.builds(
    Telemetry,
    syscall_count=COUNTS,
    syscall_types=TEXTS,
    file_read_count=COUNTS,
    file_write_count=COUNTS,
    file_delete_count=COUNTS,
    accessed_paths=TEXTS,
    network_connections=COUNTS,
    bytes_sent=COUNTS,
    bytes_received=COUNTS,
    contacted_ips=TEXTS,
    child_processes=COUNTS,
    cpu_usage=st.one_of(st.none(), st.floats(0, 1e6)),
    memory_usage=st.one_of(st.none(), st.floats(0, 1e18)),
    registry_modification=FLAGS,
    privilege_escalation_attempt=FLAGS,
    code_injection_detected=FLAGS,
)
WINDOWS = st.builds(
    Window, seq=st.just(0), window_ms=st.integers(0, 60_000), observed_us=st.just(0), telemetry=TELEMETRY
)

DEFAULT = FeatureSchema()

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # absurd numbers overflow on their way to the bounds


def vectors_of(*windows: Window, schema: FeatureSchema = DEFAULT) -> np.ndarray:
    rows, state = [], State()
    for window in windows:
        state = DECIDER.evolve(state, TelemetryRecorded(window))
        rows.append(row(state, window))
    return schema.vectors(rows)


@settings(max_examples=300)
@given(schema=SCHEMAS, rows=ROWS)
def test_any_numbers_give_a_vector_of_the_schemas_dimension_within_bounds(schema, rows):
    vectors = schema.vectors(rows)
    assert vectors.shape == (len(rows), len(schema.names))
    assert vectors.dtype == np.float32
    assert vectors.flags["C_CONTIGUOUS"]
    assert ((vectors >= 0) & (vectors <= 1)).all()  # NaN is in no bounds


@settings(max_examples=300)
@given(window=WINDOWS)
def test_any_telemetry_gives_a_vector_within_bounds(window):
    vectors = vectors_of(window)
    assert vectors.shape == (1, 30)
    assert ((vectors >= 0) & (vectors <= 1)).all()


@settings(max_examples=200)
@given(schema=SCHEMAS, rows=ROWS, seed=st.integers(0, 1000), company=st.integers(1, 3000))
def test_a_row_has_the_same_bits_alone_and_among_thousands(schema, rows, seed, company):
    dice = np.random.default_rng(seed)
    others = [tuple(one) for one in dice.lognormal(3, 4, (company, len(COLUMNS))).tolist()]
    at = int(dice.integers(0, company + 1))
    among = schema.vectors([*others[:at], *rows, *others[at:]])
    for place, one in enumerate(rows):
        assert among[at + place].tobytes() == schema.vectors([one]).tobytes()


@settings(max_examples=100)
@given(windows=st.lists(WINDOWS, min_size=1, max_size=6))
def test_folding_window_by_window_gives_the_bits_of_folding_at_once(windows):
    at_once = vectors_of(*windows)
    for last in range(1, len(windows) + 1):
        assert vectors_of(*windows[:last])[-1].tobytes() == at_once[last - 1].tobytes()


SOURCES = {
    "syscall_rate": "syscall_count",
    "file_read_rate": "file_read_count",
    "file_write_rate": "file_write_count",
    "file_delete_rate": "file_delete_count",
    "connection_rate": "network_connections",
    "sent_rate": "bytes_sent",
    "received_rate": "bytes_received",
    "child_process_rate": "child_processes",
    "cpu_usage": "cpu_usage",
    "memory_usage": "memory_usage",
    "registry_modification": "registry_modification",
    "privilege_escalation_attempt": "privilege_escalation_attempt",
    "code_injection_detected": "code_injection_detected",
}


@settings(max_examples=150)
@given(feature=st.sampled_from(sorted(SOURCES)), missing=st.floats(0, 1, width=32), window=WINDOWS)
def test_missing_is_the_schemas_value_and_zero_is_zero(feature, missing, window):
    schema = FeatureSchema((feature,), missing)
    zero = {SOURCES[feature]: 0}
    unseen = {SOURCES[feature]: None}
    telemetry = window.telemetry._replace
    there = window._replace(window_ms=250)
    assert vectors_of(there._replace(telemetry=telemetry(**unseen)), schema=schema)[0, 0] == np.float32(missing)
    assert vectors_of(there._replace(telemetry=telemetry(**zero)), schema=schema)[0, 0] == 0.0


@settings(max_examples=100)
@given(less=st.integers(0, MAX_COUNT), more=st.integers(0, MAX_COUNT))
def test_more_of_a_thing_is_never_less_of_its_feature(less, more):
    less, more = sorted((less, more))
    schema = FeatureSchema(("syscall_rate", "sent_rate", "change_burden"))

    def of(count: int) -> np.ndarray:
        seen = Telemetry(syscall_count=count, bytes_sent=count, file_write_count=count)
        return vectors_of(Window(0, 250, 0, seen), schema=schema)

    assert (of(less) <= of(more)).all()


@settings(max_examples=100)
@given(windows=st.lists(WINDOWS, min_size=1, max_size=6))
def test_the_past_is_the_mean_and_the_most_of_what_the_windows_showed(windows):
    schema = FeatureSchema(("mean_sent_rate", "most_sent", "mean_child_process_rate", "most_child_processes"))
    sent = [window.telemetry.bytes_sent or 0 for window in windows]
    children = [window.telemetry.child_processes or 0 for window in windows]
    seconds = sum(window.window_ms for window in windows) / 1000 or 1.0

    def share(amount: float, full: float) -> float:
        return min(log1p(amount) / log1p(full), 1.0)

    expected = [
        share(sum(sent) / seconds, 1e8),
        share(max(sent), 1e8),
        share(sum(children) / seconds, 1e3),
        share(max(children), 1e3),
    ]
    assert vectors_of(*windows, schema=schema)[-1] == pytest.approx(expected, rel=1e-5)


@settings(max_examples=100)
@given(observed_us=st.integers(0, 2**62), window=WINDOWS)
def test_the_sandboxs_clock_is_no_feature(observed_us, window):
    assert vectors_of(window).tobytes() == vectors_of(window._replace(observed_us=observed_us)).tobytes()


@settings(max_examples=100)
@given(lost=st.integers(0, 10**9), windows=st.integers(1, 10**9))
def test_a_loss_shows_in_completeness_and_is_never_complete(lost, windows):
    schema = FeatureSchema(("completeness", "isolation"))
    state = State(progress=Progress(windows=windows, lost=lost), response=Response(isolation=3))
    complete, isolation = schema.vectors([row(state, Window(0, 250, 0, Telemetry()))])[0]
    assert complete == np.float32(windows / (windows + lost))
    assert isolation == 1.0


@settings(max_examples=100)
@given(one=SCHEMAS, other=SCHEMAS)
def test_schemas_share_an_id_only_when_they_are_the_same(one, other):
    assert (one.id == other.id) == (one == other)


def test_the_default_has_thirty_features_and_names_are_checked():
    assert len(DEFAULT_FEATURES) == 30
    assert FeatureSchema().vectors([]).shape == (0, 30)
    with pytest.raises(ValueError, match="unknown features"):
        FeatureSchema(("cpu_usage", "weather"))
    with pytest.raises(ValueError, match="unknown features"):
        FeatureSchema(())
