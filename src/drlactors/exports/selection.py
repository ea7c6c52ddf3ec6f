"""All patterns that a query finds, page by page, in the formats in which they leave."""

from collections.abc import Iterator
from typing import Literal

from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AttackPattern
from drlactors.domain.session import Event
from drlactors.exports.ocsf.stream import Lived, ocsf_lines
from drlactors.exports.producer import Producer
from drlactors.exports.stix import bundle
from drlactors.exports.table import comma_separated, json_lines
from drlactors.ports.log import Category, EventLog, Stream
from drlactors.ports.patterns import PatternStore, Query, every

Format = Literal["json", "csv", "stix", "ocsf"]
#: Patterns that are held at a time.
PAGE = 1_000


def selected(store: PatternStore, query: Query) -> Iterator[AttackPattern]:
    """In the query's order; what is stored meanwhile may be among them or not, and nothing is there twice."""
    return (found.pattern for found in every(store, query, page=PAGE))


def rendered(form: Format, patterns: Iterator[AttackPattern], producer: Producer, lived: Lived | None) -> Iterator[str]:
    """The text, piece by piece; ``lived`` is for OCSF, which tells of what was done."""
    match form:
        case "json":
            return json_lines(patterns)
        case "csv":
            return comma_separated(patterns)
        case "stix":
            return bundle(patterns, producer)
        case "ocsf":
            return ocsf_lines(patterns, producer, lived)


def lived_in(log: EventLog) -> Lived:
    """A session's events and when each was decided, out of the log."""

    def lived(session: SessionId) -> Iterator[tuple[int, Event]]:
        for entry in log.stream(Stream(Category.SESSION, session)):
            for event in entry.of_session:
                yield entry.at_us, event

    return lived
