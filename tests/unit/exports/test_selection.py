"""All that a query finds leaves, page by page, and what was done comes from the log."""

import json

import pytest

from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import Truth
from drlactors.exports import selection
from drlactors.exports.selection import lived_in, rendered, selected
from drlactors.ports.log import Append
from drlactors.ports.patterns import Change, Query
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.given import started
from drlactors.testing.memory_patterns import MemoryPatterns
from tests.contract.store.given import AT_US, session
from tests.contract.store.given import selected as chosen
from tests.unit.exports.patterns import DECIDED_US, PRODUCER, pattern


def stored(*patterns):
    store = MemoryPatterns()
    store.store([Change(number, each.session, each) for number, each in enumerate(patterns, 1)], after=0)
    return store


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_all_pages_are_read_and_nothing_twice(count, monkeypatch):
    monkeypatch.setattr(selection, "PAGE", 3)
    given = [pattern(number, decided_us=DECIDED_US + number) for number in range(count)]
    found = [each.session for each in selected(stored(*given), Query())]
    assert found == [each.session for each in reversed(given)]


def test_only_what_the_query_asks_for_leaves():
    store = stored(pattern(), pattern(1, truth=Truth.BENIGN))
    [line] = rendered("json", selected(store, Query(truth=Truth.BENIGN)), PRODUCER, None)
    assert json.loads(line)["session"] == str(pattern(1).session)


def test_what_was_done_is_read_from_the_log():
    stream, log = session(), MemoryEventLog()
    log.append(
        [
            Append(stream, 0, (started(),), AT_US, "message-1"),
            Append(stream, 1, (chosen(0, Action.TERMINATE),), AT_US + 1, "message-2"),
        ]
    )
    assert [at_us for at_us, _ in lived_in(log)(SessionId(stream.id))] == [AT_US, AT_US + 1]
    store = stored(pattern(session=stream.id))
    events = [json.loads(line) for line in rendered("ocsf", selected(store, Query()), PRODUCER, lived_in(log))]
    assert [event["class_uid"] for event in events] == [2004, 7003]


@pytest.mark.parametrize(
    ("form", "begins"), [("csv", "session,"), ("stix", '{"type":"bundle"'), ("json", '{"session"')]
)
def test_each_format_begins_as_it_does(form, begins):
    assert next(rendered(form, iter([pattern()]), PRODUCER, None)).startswith(begins)
