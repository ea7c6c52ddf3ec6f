"""Whatever byte of a receipt is changed, it is seen, and named by the place where it is."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.exports.examination import compared
from drlactors.exports.receipt import BEGINS, linked
from tests.contract.store.given import session
from tests.unit.exports.receipts import ROWS, examined, logged, written

STREAM = session()
LINES = written(STREAM, logged(STREAM))
CONTENT = b"".join(LINES)
#: The line of each byte, from 1.
LINE_OF = [number for number, line in enumerate(LINES, start=1) for _ in line]
EVENTS = sum(map(len, ROWS))


@settings(max_examples=1_000)
@given(place=st.integers(0, len(CONTENT) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_seen_and_named_by_its_event(place: int, flip: int) -> None:
    changed = bytearray(CONTENT)
    changed[place] ^= flip
    first = examined([bytes(changed)]).faults[0]
    line = LINE_OF[place]
    assert first.line == line
    if 1 < line < EVENTS + 2:
        assert first.event == line - 1


@settings(max_examples=300)
@given(first=st.integers(0, len(CONTENT)), length=st.integers(1, 4_000))
def test_whatever_is_cut_out_is_seen(first: int, length: int) -> None:
    left = CONTENT[:first] + CONTENT[first + length :]
    assert left == CONTENT or examined([left]).faults


@settings(max_examples=300)
@given(order=st.permutations(range(1, EVENTS + 1)))
def test_no_other_order_of_events_holds(order: list[int]) -> None:
    lines = [LINES[0], *(LINES[number] for number in order), LINES[-1]]
    assert bool(examined(lines).faults) == (order != sorted(order))


@settings(max_examples=300)
@given(place=st.integers(0, len(CONTENT)), put_in=st.binary(min_size=1, max_size=40))
def test_nothing_can_be_put_in(place: int, put_in: bytes) -> None:
    assert examined([CONTENT[:place] + put_in + CONTENT[place:]]).faults


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))
NAMES = st.sampled_from(
    ["receipt", "session", "instance", "version", "kind", "event", "closes", "events", "key", "stored"]
)


@settings(max_examples=300)
@given(bodies=st.lists(st.dictionaries(NAMES, VALUES), min_size=1, max_size=5), signed=st.booleans())
def test_whatever_a_well_linked_file_says_it_is_refused_in_plain_words(
    bodies: list[dict[str, object]], signed: bool
) -> None:
    link, lines = BEGINS, []
    for body in bodies:
        text = json.dumps({"receipt": 1, **body})[:-1]
        link = linked(link, text.encode())
        lines.append(f'{text},"link":"{link}"}}\n'.encode())
    if signed:
        lines[-1] = lines[-1].replace(b"}\n", b',"signature":"' + b"0" * 128 + b'"}\n')
    found = examined(lines)
    assert found.faults
    assert all(str(fault).isprintable() for fault in found.faults)
    compared(found, [])
