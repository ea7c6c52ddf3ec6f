"""Kinds of system calls, and which of them were made."""

from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain.calls import KINDS, NONE_MADE, Made, together, varieties
from drlactors.domain.features import FeatureSchema, row
from drlactors.domain.session import INITIAL, State
from drlactors.domain.telemetry import Telemetry, Window

EVERY = tuple(name for names in KINDS.values() for name in names)
names = st.lists(st.sampled_from((*EVERY, "made up", "")), max_size=64, unique=True).map(tuple)


def test_a_call_is_of_one_kind_and_a_kind_fits_a_stored_integer():
    assert len(EVERY) == len(set(EVERY))
    assert all(made.bit_length() <= 63 for made in together(NONE_MADE, EVERY))


@given(st.lists(names, max_size=8))
def test_what_was_made_is_counted_once_for_ever(windows: list[tuple[str, ...]]):
    made: Made = NONE_MADE
    for number, window in enumerate(windows, start=1):
        made = together(made, window)
        seen = {name for earlier in windows[:number] for name in earlier}
        assert list(varieties(made)) == [len(seen.intersection(known)) for known in KINDS.values()]


def test_a_session_that_went_quiet_is_known_by_what_it_did():
    schema = FeatureSchema(("network_call_variety", "time_call_variety"))
    state: State = INITIAL
    for seq, made in enumerate((("socket", "connect"), ())):
        window = Window(seq=seq, window_ms=250, observed_us=0, telemetry=Telemetry(syscall_types=made))
        state = state._replace(progress=state.progress.after(window))
    assert schema.vectors([row(state, window)]).tolist() == [[2 / 32, 0.0]]
