"""An append becomes a row of the log, and a row an entry."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from eventsourcing.persistence import Notification, StoredEvent

from drlactors.ports.log import Append, Category, Entry, Event, EventUnreadable, Kept, Stream
from drlactors.store.catalogue import CATALOGUE, Catalogue, Kind, Upcaster

#: How ``state`` is laid out: [this number, at_us, causation, traceparent, [[index into the topic, fields], ...]].
ROW_FORMAT = 1

_Row = tuple[int, int, str, str, list[tuple[int, msgspec.Raw]]]
_ROW: msgspec.msgpack.Decoder[_Row] = msgspec.msgpack.Decoder(_Row)
_RAW: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[Any])
_ENCODER = msgspec.msgpack.Encoder(uuid_format="bytes")  # 18 bytes instead of 38


class _Topic(NamedTuple):
    category: Category
    readers: tuple[Callable[[msgspec.Raw], Event], ...]


class Mapper:
    """Encodes (0.5 us an event in rows of 64) and decodes (1.8 us). May be called from any thread."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self._catalogue = catalogue
        # Both grow with the combinations of events that occur in one row: some dozens.
        self._written: dict[tuple[type, ...], tuple[str, Category]] = {}
        self._read: dict[str, _Topic] = {}

    def row(self, append: Append) -> StoredEvent:
        """Raises ValueError for an append without events or with events of another category than its stream's."""
        indices: dict[type, int] = {}
        pairs = [(indices.setdefault(type(event), len(indices)), event) for event in append.events]
        types = tuple(indices)
        topic, category = self._written.get(types) or self._spell(types)
        if category is not append.stream.category:
            raise ValueError(f"{topic} cannot be appended to {append.stream}")
        return StoredEvent(
            originator_id=append.stream.id,
            originator_version=append.after + 1,
            topic=topic,
            state=_ENCODER.encode((ROW_FORMAT, append.at_us, append.causation, append.traceparent, pairs)),
        )

    def entry(self, row: Notification) -> Entry:
        """Raises EventUnreadable, which names what cannot be read."""
        _, at_us, causation, traceparent, pairs = _opened(row)
        topic = self._read.get(row.topic) or self._learn(row.topic)
        readers = topic.readers
        index = 0
        try:
            events = tuple([readers[index](fields) for index, fields in pairs])
        except (msgspec.DecodeError, IndexError) as error:
            raise EventUnreadable(f"{_place(row)}, {row.topic!r}, event kind {index}: {error}") from error
        return Entry(
            position=row.id,
            stream=Stream(topic.category, _uuid(row)),
            first_version=row.originator_version,
            events=events,
            at_us=at_us,
            causation=causation,
            traceparent=traceparent,
        )

    def kept(self, row: Notification) -> list[Kept]:
        """The row's events as they are stored. Raises EventUnreadable."""
        labels = row.topic.split(" ")
        stored, entry = _opened(row)[4], self.entry(row)
        return [
            Kept(
                position=row.id,
                version=version,
                at_us=entry.at_us,
                causation=entry.causation,
                traceparent=entry.traceparent,
                kind=labels[index],
                fields=bytes(fields),
                event=event,
            )
            for version, ((index, fields), event) in enumerate(
                zip(stored, entry.events, strict=True), start=row.originator_version
            )
        ]

    def at_us(self, row: StoredEvent) -> int:
        """When the row was decided."""
        return _opened(row)[1]

    def category(self, row: StoredEvent) -> Category:
        return (self._read.get(row.topic) or self._learn(row.topic)).category

    def last_version(self, row: StoredEvent) -> int:
        """The version of the row's last event."""
        return row.originator_version + len(_opened(row)[4]) - 1

    def _spell(self, types: tuple[type, ...]) -> tuple[str, Category]:
        kinds = [self._catalogue.by_type[type_] for type_ in types]
        text = " ".join(map(str, kinds))
        if len({kind.category for kind in kinds}) != 1:
            raise ValueError(f"an append holds events of one category, not {text or 'none'}")
        self._written[types] = text, kinds[0].category
        return self._written[types]

    def _learn(self, text: str) -> _Topic:
        found = [self._catalogue.find(label) for label in text.split(" ")]
        topic = _Topic(found[0][0].category, tuple(_reader(kind, upcasters) for kind, upcasters in found))
        self._read[text] = topic
        return topic


def _reader(kind: Kind, upcasters: tuple[Upcaster, ...]) -> Callable[[msgspec.Raw], Event]:
    decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(kind.type)
    if not upcasters:
        return decoder.decode

    def read_old(stored: msgspec.Raw) -> Event:
        fields = _RAW.decode(stored)
        for upcast in upcasters:
            fields = upcast(fields)
        return decoder.decode(_ENCODER.encode(fields))

    return read_old


def _opened(row: StoredEvent) -> _Row:
    try:
        opened = _ROW.decode(row.state)
    except msgspec.DecodeError as error:
        raise EventUnreadable(f"{_place(row)} is not of row format {ROW_FORMAT}: {error}") from error
    if opened[0] != ROW_FORMAT:
        raise EventUnreadable(f"{_place(row)} has row format {opened[0]}; this program knows {ROW_FORMAT}.")
    return opened


def _place(row: StoredEvent) -> str:
    return f"The row of stream {row.originator_id} at version {row.originator_version}"


def _uuid(row: StoredEvent) -> UUID:
    assert isinstance(row.originator_id, UUID)  # the library also knows streams that are named by text
    return row.originator_id
