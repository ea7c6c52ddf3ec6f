"""Recordings keep what was seen, and say where they are broken."""

import gzip
import json
import math
from pathlib import Path

import pytest

from drlactors.domain.telemetry import Telemetry, Window
from drlactors.sandboxes.errors import BrokenRecording
from drlactors.sandboxes.recording import Recorded, Recording, line, parse, recordings, write

SESSION = Recording(
    name="family/one",
    program="what it runs",
    family="family",
    variant="one",
    malicious=True,
    stage=2,
    artifact_sha256="ab" * 32,
    artifact_type="python script",
    window_ms=250,
    recorded=Recorded(at="2026-01-01T00:00:00+00:00", seed=1, ended="horizon", status=None, lines=9, rubbish=0),
    windows=(
        Window(seq=0, window_ms=250, observed_us=5, telemetry=Telemetry(syscall_count=0, accessed_paths=("/ä",))),
        Window(seq=1, window_ms=99, observed_us=6, telemetry=Telemetry(cpu_usage=0.5, code_injection_detected=False)),
    ),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert write(tmp_path / "a.jsonl.gz", [SESSION, SESSION]) == 2
    assert list(recordings(tmp_path / "a.jsonl.gz")) == [SESSION, SESSION]
    assert list(recordings(tmp_path)) == [SESSION, SESSION]


def test_the_same_sessions_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl.gz", [SESSION])
    write(tmp_path / "b.jsonl.gz", [SESSION])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_unknown_keys_are_passed_over() -> None:
    plain = json.loads(line(SESSION))
    plain["new"] = plain["recorded"]["new"] = plain["windows"][0]["new"] = 1
    assert parse(json.dumps(plain)) == SESSION


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        "{}",
        "null",
        line(SESSION).replace('"stage":2', '"stage":3'),
        line(SESSION).replace("true", '"yes"', 1),
    ],
)
def test_a_broken_line_is_named_with_its_file(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(f"{line(SESSION)}\n{broken}\n".encode()))
    read = recordings(file)
    assert next(read) == SESSION
    with pytest.raises(BrokenRecording, match=r"a\.jsonl\.gz: line 2"):
        next(read)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("window_ms", bad) for bad in (-250, 0, "250", None, 2.5, True)],
        ("observed_us", "now"),
        *[("syscall_count", bad) for bad in (-1, "many", math.nan, 10**30, True)],
        *[("cpu_usage", bad) for bad in (-0.1, math.nan, math.inf, "all")],
        ("registry_modification", 1),
        *[("accessed_paths", bad) for bad in ("/etc/passwd", [7])],
    ],
)
def test_a_window_that_serving_would_not_take_is_not_learned_from(name: str, value: object) -> None:
    plain = json.loads(line(SESSION))
    plain["windows"][0][name] = value
    with pytest.raises((TypeError, ValueError), match=name):
        parse(json.dumps(plain))


def test_a_file_that_ends_too_early_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    write(file, [SESSION] * 50)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BrokenRecording):
        list(recordings(file))
