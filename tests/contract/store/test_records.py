"""The layouts that are documented are those that are written and read."""

import re
import struct

import numpy as np
import pytest

from drlactors.ports.decisions import Decisions, Facts, Kind, Sessions
from drlactors.store import records
from tests.contract.store.given import SCHEMA_DIR

PAGE = (SCHEMA_DIR / "experiences.md").read_text()
TYPES = {"int64": "q", "float32": "f", "uint16": "H", "uint8": "B", "16 bytes": "16s", "64 bytes": "64s"}
LAYOUTS = {"A decision": records.DECISION, "A fact": records.FACT, "A session": records.SESSION}


def documented(title: str) -> list[tuple[int, str]]:
    section = PAGE.split(f"### {title}:")[1].split("\n##")[0]
    return [(int(offset), type_) for offset, type_ in re.findall(r"^\| (\d+) \| ([\w ]+) \| .+ \|$", section, re.M)]


@pytest.mark.parametrize("title", LAYOUTS)
def test_the_page_says_where_each_field_stands(title: str) -> None:
    layout = LAYOUTS[title]
    assert f"### {title}: {layout.size} bytes" in PAGE
    fields = [(offset, TYPES[type_]) for offset, type_ in documented(title) if not type_.endswith("each")]
    sizes = [struct.calcsize(f"<{code}") for _, code in fields]
    # A value in one field, zero in the others: it stands at the documented place and nowhere else.
    for number, ((offset, code), size) in enumerate(zip(fields, sizes, strict=True)):
        values: list[object] = [b"" if each.endswith("s") else 0 for _, each in fields]
        values[number] = b"\1" * size if code.endswith("s") else 1
        packed = layout.pack(*values)
        assert packed[offset : offset + size] == struct.pack(f"<{code}", values[number])
        assert not any(packed[:offset] + packed[offset + size :])


def test_the_page_numbers_the_kinds_of_facts() -> None:
    section = PAGE.split("| kind | says of | value |")[1].split("\n###")[0]
    numbered = re.findall(r"^\| (\d+) ([\w ]+) \|", section, re.M)
    assert [(int(number), name) for number, name in numbered] == [
        (kind.value, kind.name.lower().replace("_", " ")) for kind in Kind
    ]


def test_what_is_packed_is_what_is_read() -> None:
    state = np.array([0.25, 1.0], dtype="<f4")
    decided = (7, 3, 5, 1_250, 0.5, 2, 300, 4, 0b10011)
    block = records.DECISION.pack(*decided) + state.tobytes()
    decisions = records.decisions([block, block], 2 * len(block), 2)
    assert [column[1].tolist() for column in decisions] == [*decided, state.tolist()]
    told = (9, 3, Kind.FAILED, 5)
    assert [column.tolist() for column in records.facts([records.FACT.pack(*told)], 32)] == [[each] for each in told]
    begun = (3, 1_000_000, bytes(range(16)), b"ab" * 32, 2)
    sessions = records.sessions([records.SESSION.pack(*begun)], 104)
    read = dict(zip(Sessions._fields, (column[0] for column in sessions), strict=True))
    assert (read["number"], read["started_us"], bytes(read["id"]), read["artifact"], read["stage"]) == begun


def test_nothing_gives_empty_columns() -> None:
    assert [len(column) for column in records.decisions((), 0, 30)] == [0] * len(Decisions._fields)
    assert [len(column) for column in records.facts((), 0)] == [0] * len(Facts._fields)
