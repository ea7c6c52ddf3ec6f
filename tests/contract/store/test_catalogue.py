"""What is stored stays readable, and says of itself what it is."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest
from eventsourcing.persistence import Notification, StoredEvent

from drlactors.domain import episode, guard, instance, model, registry, review, session
from drlactors.ports.log import Entry, EventUnreadable
from drlactors.store.catalogue import CATALOGUE, Catalogue, Kind
from drlactors.store.mapper import Mapper
from drlactors.store.shape import shape
from tests.contract.store.given import SCHEMA_DIR, append
from tests.contract.store.given import session as a_session
from tests.contract.store.golden import GOLDEN_DIR, SAMPLES, STREAM_ID, append_of, golden, plain

GOLDEN = {path.stem: path for path in sorted(GOLDEN_DIR.glob("*.json"))}


def read(row: dict[str, Any], mapper: Mapper | None = None) -> Entry:
    stored = Notification(
        id=1, originator_id=STREAM_ID, originator_version=5, topic=row["topic"], state=bytes.fromhex(row["state"])
    )
    return (mapper or Mapper()).entry(stored)


def test_every_event_of_the_domain_has_a_name() -> None:
    aggregates = (session, episode, instance, model, registry, review, guard)
    events = {event for aggregate in aggregates for event in get_args(aggregate.Event)}
    assert set(CATALOGUE.by_type) == events
    assert {type(sample) for sample in SAMPLES} == events


def test_every_version_of_every_event_has_a_golden_row() -> None:
    wanted = {f"{kind.name}.v{version}" for kind in CATALOGUE.kinds for version in range(1, kind.version + 1)}
    assert set(GOLDEN) == wanted


@pytest.mark.parametrize("path", GOLDEN.values(), ids=GOLDEN)
def test_golden_rows_are_read(path: Path) -> None:
    row = json.loads(path.read_text())
    [event] = read(row).events
    assert plain(event) == row["event"]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_is_stored_as_its_golden_row_says(event: Any) -> None:
    """Fields that were added, removed, renamed, retyped or moved need another version."""
    kind = CATALOGUE.by_type[type(event)]
    assert golden(kind, event) == json.loads(GOLDEN[f"{kind.name}.v{kind.version}"].read_text())
    assert read(golden(kind, event)).events == (event,)


@pytest.mark.parametrize("kind", CATALOGUE.kinds, ids=str)
def test_the_catalogue_page_documents_the_fields_in_stored_order(kind: Kind) -> None:
    documented = sections()
    for type_, title in {kind.type: str(kind), **{part: part.__name__ for part in parts(kind.type)}}.items():
        assert documented.get(title) == list(type_._fields), title


def test_the_catalogue_page_documents_nothing_else() -> None:
    known = {str(kind) for kind in CATALOGUE.kinds} | {
        part.__name__ for kind in CATALOGUE.kinds for part in parts(kind.type)
    }
    assert set(sections()) == known


def sections() -> dict[str, list[str]]:
    page = (SCHEMA_DIR / "catalogue.md").read_text()
    found = re.split(r"^### (.+)$", page, flags=re.MULTILINE)[1:]
    titles, texts = found[::2], found[1::2]
    return {title: re.findall(r"^\| (?!field)(\w+) \|", text, re.M) for title, text in zip(titles, texts, strict=True)}


def parts(type_: Any) -> set[Any]:
    hints = {each for hint in get_type_hints(type_).values() for each in (hint, *get_args(hint))}
    inner = {hint for hint in hints if hasattr(hint, "_fields")}
    return inner.union(*(parts(part) for part in inner))


# An event that changed: version 1 had minutes and a nested pair, version 2 renamed, version 3 has milliseconds.


class Waited(NamedTuple):
    waited_ms: int
    by: str


CHANGED = Catalogue(
    kinds=(Kind("session.waited", 3, Waited),),  # type: ignore[arg-type] # an event that only this test has
    upcasters={
        ("session.waited", 1): lambda fields: [fields[0], "/".join(fields[1])],
        ("session.waited", 2): lambda fields: [fields[0] * 60_000, fields[1]],
    },
)


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("session.waited:1", "920292a161a162"),
        ("session.waited:2", "9202a3612f62"),
        ("session.waited:3", "92ce0001d4c0a3612f62"),
    ],
)
def test_old_versions_are_read_as_the_present_one(label: str, fields: str) -> None:
    entry = read({"topic": label, "state": "950100a0a0" + "919200" + fields}, Mapper(CHANGED))
    assert plain(entry.events) == plain((Waited(120_000, "a/b"),))


def test_old_and_new_versions_stand_in_one_row() -> None:
    state = "950100a0a0" + "92" + "9200" + "9202a3612f62" + "9201" + "9207a163"
    entry = read({"topic": "session.waited:2 session.waited:3", "state": state}, Mapper(CHANGED))
    assert plain(entry.events) == plain((Waited(120_000, "a/b"), Waited(7, "c")))


def test_what_is_kept_of_an_old_version_is_what_was_stored() -> None:
    row = Notification(
        id=7,
        originator_id=STREAM_ID,
        originator_version=5,
        topic="session.waited:2 session.waited:3",
        state=bytes.fromhex("950100a0a0" + "92" + "9200" + "9202a3612f62" + "9201" + "9207a163"),
    )
    old, new = Mapper(CHANGED).kept(row)
    assert (old.kind, old.version, old.fields.hex()) == ("session.waited:2", 5, "9202a3612f62")
    assert (new.kind, new.version, new.fields.hex()) == ("session.waited:3", 6, "9207a163")
    assert plain((old.event, new.event)) == plain((Waited(120_000, "a/b"), Waited(7, "c")))


@pytest.mark.parametrize(
    "label", ["session.began:1", "session.started:3", "session.started:0", "session.started", "session.started:x", ""]
)
def test_what_is_not_known_is_named(label: str) -> None:
    row = json.loads(GOLDEN["session.started.v1"].read_text())
    with pytest.raises(EventUnreadable, match=re.escape(repr(label))):
        read({**row, "topic": label})


def test_a_missing_upcaster_is_named() -> None:
    incomplete = Catalogue(CHANGED.kinds, {("session.waited", 1): CHANGED.upcasters["session.waited", 1]})
    with pytest.raises(EventUnreadable, match=r"session\.waited:1.*session\.waited:3"):
        read({"topic": "session.waited:1", "state": "950100a0a090"}, Mapper(incomplete))


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ("950200a0a090", "row format 2"),
        ("c0", "not of row format 1"),
        ("", "not of row format 1"),
        ("950100a0a0919200c0", "session.ended:1"),
        ("950100a0a091920191a6666f6f626172", "session.ended:1"),
        ("950100a0a091920091a6666f6f626172", "session.ended:1"),
    ],
    ids=["format", "shape", "empty", "fields", "index", "value"],
)
def test_damaged_rows_are_named(state: str, complaint: str) -> None:
    with pytest.raises(EventUnreadable, match=complaint):
        read({"topic": "session.ended:1", "state": state})


def test_a_row_holds_its_events_in_order_and_each_name_once() -> None:
    batch = append(a_session(), 4, count=3)
    row = Mapper().row(batch)
    assert row == StoredEvent(
        originator_id=batch.stream.id,
        originator_version=5,
        topic="session.telemetry-recorded:1 session.action-selected:1",
        state=row.state,
    )
    assert Mapper().last_version(row) == 10


def test_a_shape_shows_everything_that_is_stored() -> None:
    assert shape(session.OutcomeReported) == (
        "OutcomeReported(outcome: Outcome['malicious', 'benign', 'failed'], detail: str)"
    )
    assert shape(int | None) == "int | None"
    assert shape(tuple[float, ...]) == "tuple[float, ...]"
    with pytest.raises(TypeError):
        shape(list[int])


def test_an_append_of_each_event_comes_back() -> None:
    for event in SAMPLES:
        row = Mapper().row(append_of(event))
        assert read({"topic": row.topic, "state": row.state.hex()}).stream == append_of(event).stream
