"""A receipt shows what a session decided, and says where it does not hold."""

import hashlib
import json
import pickle
from base64 import b64decode
from datetime import datetime
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from drlactors.domain.session import TelemetryRecorded
from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES
from drlactors.exports.examination import LINE_BYTES, compared, examine
from drlactors.exports.receipt import described
from drlactors.testing.given import started
from tests.contract.store.given import recorded, session, windows
from tests.unit.exports.receipts import ROWS, THEIRS, TRUSTED, examined, logged, written

STREAM, OTHER = session(), session()
LOG = logged(STREAM, OTHER)
LINES = written(STREAM, LOG)
EVENTS = sum(map(len, ROWS))
LATER = "line 5, event 4 (session.action-selected:1): "
CHOICE = "line 4, event 3 (session.action-selected:1): "


def told(lines, trusted=TRUSTED):
    return [str(fault) for fault in examined(lines, trusted).faults]


def test_a_receipt_holds_all_events_and_what_is_known_of_them():
    found = examined(LINES)
    assert not found.faults
    assert (found.session, found.instance, found.over) == (str(STREAM.id), "local", True)
    assert {found.key} == TRUSTED
    lines = [json.loads(line) for line in LINES]
    assert [line["version"] for line in lines[1:-1]] == list(range(1, EVENTS + 1))
    kept = list(LOG.kept(STREAM))
    assert [line["kind"] for line in lines[1:-1]] == [one.kind for one in kept]
    assert [line["position"] for line in lines[1:-1]] == [one.position for one in kept]
    chosen = lines[5]
    assert chosen["kind"] == "session.action-selected:1"
    assert chosen["event"]["action"] == "ISOLATE"
    assert chosen["event"]["because"] == ["syscall_rate", "bytes_sent"]
    assert chosen["event"]["mask"] == ["CONTINUE", "ISOLATE", "REVIEW"]
    assert (chosen["event"]["policy"], chosen["event"]["propensity"]) == ("rules-1", 1.0)
    assert datetime.fromisoformat(chosen["at"]).timestamp() * 1e6 == chosen["at_us"]
    assert lines[6]["event"] == {"seq": 1, "success": True, "outcome": "isolated", "message": "network closed"}


def test_a_receipt_made_again_has_the_same_bytes():
    assert written(STREAM, LOG) == LINES


def test_what_is_stored_is_what_the_log_has():
    [row] = LOG.stream(STREAM, after=EVENTS - 1)
    [kept] = list(LOG.kept(STREAM))[-1:]
    assert kept.event == row.events[0]
    assert kept.fields == bytes.fromhex("91") + b"\xaaterminated"


@pytest.mark.parametrize(
    ("at", "old", "new", "says"),
    [
        (0, b'"local"', b'"other"', "line 1: the first line was changed: its link does not hold"),
        (3, b'"propensity":1.0', b'"propensity":0.5', CHOICE + "it was changed"),
        (
            3,
            b'"policy":"rules-1"',
            b'"policy":"rules-2"',
            CHOICE + "it was changed",
        ),
        (3, b'"at_us":1', b'"at_us":2', CHOICE + "it was changed"),
        (
            3,
            b'"version":3',
            b'"version":9',
            CHOICE + "event 9 stands where event 3",
        ),
        (
            3,
            b'"version":3',
            b'"version":1',
            CHOICE + "event 1 stands where event 3",
        ),
        (3, b'"link":"', b'"link":" ', CHOICE + "it was changed: it is no line"),
        (3, b'{"version"', b'{ "version"', CHOICE + "it was changed"),
        (3, b"\n", b"\r\n", CHOICE + "it was changed: it is no line"),
        (-1, b'"events":', b'"events": ', "the closing line does not follow from the events"),
    ],
)
def test_a_change_is_named_by_the_event_that_it_is_in(at, old, new, says):
    lines = list(LINES)
    assert old in lines[at]
    lines[at] = lines[at].replace(old, new, 1)
    faults = told(lines)
    assert says in faults[0]
    assert len(faults) == (2 if at == -1 and "signature" in faults[-1] else 1)


def test_a_changed_link_is_named_once():
    line = LINES[4]
    place = line.index(b'"link":"') + 8
    changed = line[:place] + (b"0" if line[place : place + 1] != b"0" else b"1") + line[place + 1 :]
    assert told([*LINES[:4], changed, *LINES[5:]]) == [
        "line 5, event 4 (session.telemetry-recorded:1): it was changed: its link does not hold"
    ]


def test_an_event_that_was_left_out_is_named():
    assert told([*LINES[:4], *LINES[5:]]) == [
        LATER + "event 5 stands where event 4 belongs: events were left out or moved"
    ]


def test_events_that_were_swapped_are_named():
    swapped = [*LINES[:4], LINES[5], LINES[4], *LINES[6:]]
    assert told(swapped) == [LATER + "event 5 stands where event 4 belongs: events were left out or moved"]


def test_an_event_that_stands_twice_is_named():
    [fault] = told([*LINES[:5], LINES[3], *LINES[5:]])
    assert fault.startswith("line 6, event 5 (session.action-selected:1): event 3 stands where event 5 belongs")
    assert fault.endswith("put in a second time")


@pytest.mark.parametrize("instead", [False, True])
def test_an_event_of_another_session_is_named(instead):
    theirs = written(OTHER, LOG)
    first = told([*LINES[:4], theirs[4], *LINES[4 + instead :]])[0]
    assert first.startswith("line 5, event 4 (session.telemetry-recorded:1): it names another session")
    assert str(OTHER.id) in first


def test_the_first_line_of_another_receipt_is_named():
    assert "it names another session" in told([written(OTHER, LOG)[0], *LINES[1:]])[0]


@pytest.mark.parametrize("left", [1, 2, EVENTS // 2, EVENTS + 1])
def test_a_receipt_that_was_cut_off_is_named(left):
    [fault] = told(LINES[:left])
    assert f"behind event {left - 1} nothing follows" in fault


def test_a_receipt_that_was_cut_off_in_a_line_is_named():
    first, second = told([*LINES[:4], LINES[4][:-20]])
    assert first == "line 5, event 4 (session.telemetry-recorded:1): the file is cut off in this line"
    assert "no line closes it" in second
    assert "cut off in this line" in told([*LINES[:-1], LINES[-1][:-1]])[0]


def test_the_last_events_left_out_under_the_closing_line_are_named():
    [fault] = told([*LINES[: EVENTS - 1], LINES[-1]])
    assert f"events {EVENTS - 1} to {EVENTS} are missing: the closing line speaks of {EVENTS} events" in fault
    [fault] = told([*LINES[:EVENTS], LINES[-1]])
    assert f"event {EVENTS} is missing" in fault


def test_the_closing_line_of_another_receipt_is_named():
    assert "is another's" in told([*LINES[:-1], written(OTHER, LOG)[-1]])[0]


def test_the_signature_of_another_receipt_is_named():
    ours, theirs = LINES[-1], written(OTHER, LOG)[-1]
    place = ours.index(b'"signature":"')
    swapped = ours[:place] + theirs[theirs.index(b'"signature":"') :]
    [fault] = told([*LINES[:-1], swapped])
    assert f"line {EVENTS + 2}: its signature is not that of this chain" in fault


def test_a_chain_that_was_made_anew_needs_the_key():
    """Whoever changes an event and all links behind it is found by the signature, and cannot make one."""
    rows = ((started(sandbox="another"),), *ROWS[1:])
    anew = written(STREAM, logged(STREAM, rows=rows))
    ours = LINES[-1]
    forged = anew[-1][: anew[-1].index(b'"signature":"')] + ours[ours.index(b'"signature":"') :]
    assert ["its signature is not that of this chain" in fault for fault in told([*anew[:-1], forged])] == [True]


def test_an_unknown_key_is_named():
    [fault] = told(written(STREAM, LOG, THEIRS))
    assert "which is not trusted here" in fault
    assert examined(written(STREAM, LOG, THEIRS)).key in fault
    assert told(LINES, frozenset()) != []


def test_what_stands_behind_the_end_is_named():
    assert told([*LINES, LINES[1]]) == [f"line {EVENTS + 3} (session.started:2): it stands behind the closing line"]


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"\x00" * 10, b'{"receipt":1}\n', b"[" * 100_000 + b"\n"])
def test_what_is_no_receipt_is_refused(content):
    assert told([content])


def test_a_receipt_can_be_checked_by_what_its_page_says_alone():
    """As ``proto/exports.md`` has it, with nothing of ours."""
    link = b"drlactors receipt 1"
    for line in LINES:
        body, _, rest = line.partition(b',"link":"')
        link = hashlib.sha256(link + body).hexdigest().encode()
        assert rest.startswith(link)
    closing = json.loads(LINES[-1])
    key = Ed25519PublicKey.from_public_bytes(b64decode(closing["key"]))
    key.verify(bytes.fromhex(closing["signature"]), b"drlactors receipt, signature 1\n" + link)


def test_a_receipt_is_compared_with_the_log():
    def log(stream, log=LOG):
        return (described(stream.id, kept) for kept in log.kept(stream))

    assert compared(examined(LINES), log(STREAM)) == ([], 0)
    early = written(STREAM, logged(STREAM, rows=ROWS[:3]))
    faults, behind = compared(examined(early), log(STREAM))
    assert behind == EVENTS - sum(map(len, ROWS[:3]))
    assert all("another position" in fault for fault in faults)
    other = logged(STREAM, OTHER, rows=((started(sandbox="another"),), *ROWS[1:]))
    assert compared(examined(LINES), log(STREAM, other)) == (
        ["event 1 (session.started:2): the log has another stored"],
        0,
    )
    faults, _ = compared(examined(LINES), log(STREAM, logged(STREAM, OTHER, rows=ROWS[:1])))
    assert faults == [f"event {version}: the log does not have it" for version in range(2, EVENTS + 1)]


def test_a_long_session_is_written_and_examined_quickly():
    """Thousands of events; what is asserted is the work, not the time: no line is looked at twice."""

    class Counting(BytesIO):
        looked = 0

        def readline(self, size=-1, /):
            line = super().readline(size)
            self.looked += bool(line)
            return line

    log = logged(STREAM, rows=((started(),), windows(1_500), (recorded(1_500),)))
    file = Counting(b"".join(written(STREAM, log)))
    found = examine(file, TRUSTED)
    assert (found.faults, found.events, file.looked) == ([], 3_002, 3_004)


def test_a_line_of_any_length_is_not_read_to_its_end_and_named():
    class Endless(BytesIO):
        """Begins as a receipt, and then there is no line break any more."""

        read_bytes = 0

        def readline(self, size=-1, /):
            if line := super().readline(size):
                return line
            assert size >= 0, "memory would never end"
            self.read_bytes += size
            return b"7" * size

    file = Endless(b"".join(LINES[:2]))
    found = examine(file, TRUSTED)
    assert [(fault.line, fault.what.partition(",")[0]) for fault in found.faults] == [
        (3, "it is longer than 4194304 bytes")
    ]
    assert file.read_bytes == LINE_BYTES + 1


def test_of_an_event_nothing_stays_that_is_long():
    long = json.loads(LINES[1])
    text = json.dumps(long | {"kind": "k" * 100_000, "other": "o" * 100_000, "causation": ["c" * 100_000]})
    found = examined([LINES[0], text.replace(": ", ":").replace(", ", ",").encode() + b"\n", *LINES[2:]])
    assert found.faults[0].line == 2
    assert len(pickle.dumps(found)) < 20_000


def test_the_fullest_window_is_no_line_that_is_too_long():
    fullest = tuple("\U0001f600" * MAX_CHARACTERS for _ in range(MAX_ENTRIES))
    window = recorded(0).window
    seen = window.telemetry._replace(syscall_types=fullest, accessed_paths=fullest, contacted_ips=fullest)
    full = TelemetryRecorded(window._replace(telemetry=seen))
    assert examined(written(STREAM, logged(STREAM, rows=((started(),), (full,))))).faults == []
