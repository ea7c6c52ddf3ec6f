"""Function logs of VMRay become calls, with what their handles stand for."""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from drlactors.domain.session import Outcome
from drlactors.sandboxes.importers.building import Built, build
from drlactors.sandboxes.importers.report import Call, Deed
from drlactors.sandboxes.importers.source import Unreadable, opened
from drlactors.sandboxes.importers.vmray import read as read_log
from tests.unit.sandboxes.importers.kit import items, read

BEGIN = '<?xml version="1.0" encoding="UTF-8"?>\n<analysis log_version="2" analyzer_version="2024.4.1">\n'
END = "</analysis>\n"


def process(number: int = 1, pid: int = 7, reason: str = "analysis_target", parent: int = 0, at_ms: int = 1000) -> str:
    return (
        f'<monitor_process ts="{at_ms}" process_id="{number}" image_name="a{number}.exe" os_pid="{pid:#x}" '
        f'monitor_reason="{reason}" parent_id="{parent}" os_parent_pid="0x3"/>\n'
    )


def call(name: str, given: dict[str, str], returned: str = "0x1", out: str = "", at_ms: int = 1000, by: int = 1) -> str:
    """``given`` are numbers, or texts that are pointed to."""
    params = "".join(
        f'<param name="{key}" type="x" value={quoteattr(value)}/>'
        if value.startswith("0x")
        else f'<param name="{key}" type="ptr" value="0xa"><deref type="str" value={quoteattr(value)}/></param>'
        for key, value in given.items()
    )
    return (
        f'<fncall ts="{at_ms}" fncall_id="1" process_id="{by}" thread_id="1" name="{name}"><in>{params}</in>'
        f'<out>{out}<param name="ret_val" type="x" value="{returned}"/></out></fncall>\n<fnret ts="{at_ms}"/>\n'
    )


def log(*elements: str) -> bytes:
    return (BEGIN + process() + "".join(elements) + END).encode()


def calls(*elements: str) -> list[Call]:
    return [item for item in items(log(*elements), "flog.xml") if isinstance(item, Call)]


def read_file(path: Path) -> Built:
    with opened(path) as source:
        (built,) = build(read_log(source))
    return built


def began_us(date: str, *elements: str) -> int:
    begin = BEGIN.replace("log_version", f'analysis_date="{date}" log_version')
    (built,) = build(items((begin + process() + "".join(elements) + END).encode(), "flog.xml"))
    assert [window.observed_us - built.started_us for window in built.windows] == [1_000_000, 2_000_000, 3_000_000]
    return built.started_us


def test_a_run_begins_at_the_date_of_the_analysis_where_the_log_says_one():
    sleeps = [call("Sleep", {}, at_ms=at_ms) for at_ms in (145_563, 146_600, 147_999)]
    assert began_us("24.09.2024 18:10:23.406", *sleeps) == 1_727_201_423_406_000
    for none in ("", "yesterday", "31.02.2024 18:10:23.406", "24.09.2024"):
        assert began_us(none, *sleeps) == 145_563_000


HKCU = "0xffffffff80000001"
OPENED = '<param name="phkResult" type="ptr" value="0xb"><deref type="unsigned_64bit" value="0xa0"/></param>'


@pytest.mark.parametrize(
    ("before", "seen", "deed", "path"),
    [
        ("", call("DeleteFileW", {"lpFileName": "C:\\\\a.txt"}), Deed.DELETE, "C:\\a.txt"),
        (
            call("CreateFileW", {"lpFileName": "C:\\\\a.txt"}, "0x1c"),
            call("WriteFile", {"hFile": "0x1c"}),
            Deed.WRITE,
            "C:\\a.txt",
        ),
        (
            call("RegOpenKeyExA", {"hKey": HKCU, "lpSubKey": "Software\\\\Run"}, "0x0", OPENED),
            call("RegSetValueExA", {"hKey": "0xa0", "lpValueName": "x"}, "0x0"),
            Deed.REGISTRY,
            "HKEY_CURRENT_USER\\Software\\Run\\x",
        ),
        ("", call("RegDeleteKeyW", {"hKey": HKCU, "lpSubKey": "x"}, "0x0"), Deed.REGISTRY, "HKEY_CURRENT_USER\\x"),
        ("", call("AdjustTokenPrivileges", {}), Deed.PRIVILEGE, ""),
    ],
)
def test_what_a_call_did_and_what_its_handle_stands_for(before, seen, deed, path):
    found = calls(before, seen)[-1]
    assert (found.deed, found.path, found.ok) == (deed, path, True)


def test_calls_have_their_names_times_and_processes():
    found = calls(call("Sleep", {}, at_ms=1500), call("GetLastError", {}, at_ms=1200))
    assert [(one.name, one.at_us, one.pid) for one in found] == [
        ("Sleep", 1_500_000, 7),
        ("GetLastError", 1_200_000, 7),
    ]


def test_what_failed_has_not_happened():
    found = read(
        log(call("DeleteFileW", {"lpFileName": "C:\\\\a"}, "0x0"), call("RegOpenKeyExA", {"hKey": HKCU}, "0x2"))
    )
    (seen,) = (window.telemetry for window in found.windows)
    assert (seen.syscall_count, seen.file_delete_count, seen.accessed_paths) == (2, 0, ())


def test_connections_name_the_server():
    (seen,) = calls(call("WinHttpConnect", {"pswzServerName": "192.0.2.1"}))
    assert (seen.deed, seen.address) == (Deed.CONNECT, "192.0.2.1")


def test_children_and_what_they_are_written():
    info = '<param name="lpProcessInformation" type="ptr" value="0xb"><deref type="x">{}</deref></param>'.format(
        '<member name="hProcess" type="x" value="0x44"/><member name="dwProcessId" type="x" value="0x9"/>'
    )
    found = read(
        log(
            call("CreateProcessW", {"lpApplicationName": "C:\\\\b.exe"}, out=info),
            process(2, 9, "child_process", parent=1),
            call("OpenProcess", {"dwProcessId": "0xb"}, "0x48"),
            call("WriteProcessMemory", {"hProcess": "0x48"}),
            call("CreateRemoteThread", {"hProcess": "0x48"}, "0x4c"),
        )
    )
    (seen,) = (window.telemetry for window in found.windows)
    assert (seen.child_processes, seen.code_injection_detected) == (1, True)
    assert {
        one.process.pid: (one.process.parent, one.process.in_tree, one.process.injected_by) for one in found.processes
    } == {
        7: (3, True, 0),
        9: (7, True, 0),
        11: (0, False, 7),
        3: (0, False, 0),
    } or {one.process.pid for one in found.processes} == {7, 9, 11}


def test_a_process_that_is_monitored_because_of_an_injection_was_injected():
    found = read(log(call("Sleep", {}), process(2, 9, "injection", parent=1), call("Sleep", {}, by=2)))
    assert {one.process.pid: one.process.injected_by for one in found.processes if one.calls} == {7: 0, 9: 7}
    assert found.calls == 2


def test_a_call_of_a_process_that_is_not_named_is_passed_over():
    assert dict(read(log(call("Sleep", {}), call("Sleep", {}, by=5))).passed) == {
        "calls of processes that the log does not name": 1
    }


def summary(verdict: str = "malicious", sha256: str = "ab" * 32) -> dict[str, Any]:
    return {
        "analysis_metadata": {"submission_filename": "letter.DOC", "verdict": verdict},
        "files": {
            "f0": {"hash_values": {"sha256": "cd" * 32}},
            "f1": {"hash_values": {"sha256": sha256}, "is_sample": True},
        },
        "mitre_attack": {"secret": "of the end"},
    }


def test_a_summary_beside_the_log_names_the_artifact_and_has_the_verdict(tmp_path):
    (tmp_path / "logs-flog.xml").write_bytes(log(call("Sleep", {})))
    for verdict, outcome in (("malicious", Outcome.MALICIOUS), ("suspicious", None), ("clean", None)):
        (tmp_path / "logs-summary_v2.json").write_text(json.dumps(summary(verdict)))
        about = read_file(tmp_path / "logs-flog.xml").about
        assert (about.sha256, about.kind, about.verdict, about.tool) == ("ab" * 32, "doc", outcome, "VMRay 2024.4.1")


@pytest.mark.parametrize(
    "broken",
    ["{", "[]", '{"analysis_metadata": 7}', *(json.dumps(summary(sha256=text)) for text in ("short", "x" * 64))],
)
def test_a_log_is_read_without_what_a_broken_summary_would_have_said(tmp_path, broken):
    (tmp_path / "flog.xml").write_bytes(log(call("Sleep", {})))
    (tmp_path / "summary_v2.json").write_text(broken)
    found = read_file(tmp_path / "flog.xml")
    assert (found.calls, found.about.sha256) == (1, "")


BOMB = """<?xml version="1.0"?>
<!DOCTYPE analysis [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<analysis log_version="2"><x>&b;</x></analysis>
"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE analysis SYSTEM "file:///etc/passwd">
<analysis log_version="2"/>
"""


@pytest.mark.parametrize("document", [BOMB, OUTSIDE])
def test_documents_that_declare_entities_are_refused(document):

    with pytest.raises(Unreadable, match=r"line 2, column .*document type"):
        items(document.encode(), "flog.xml")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (log(call("Sleep", {}))[:-20], "line 5, column .*unclosed|line 5, column"),
        (BEGIN.encode(), "line 3, column 0: no element found"),
        ((BEGIN + "<a>" * 100).encode(), "line 3, column .*deeper than 64"),
        (log(process().replace('os_pid="0x7"', 'os_pid="many"')), "line 4, column .*os_pid: .*'many'"),
        (log(process().replace('ts="1000"', 'ts="-1"')), "line 4, column .*ts: -1"),
        (log("<x y='\x01'/>"), "line 4, column .*invalid token"),
        (BEGIN.replace("UTF-8", "x-none").encode() + b"<a/>", "line 1, column .*unknown encoding"),
        (log()[:-12] + b"<\xff\xfe/></analysis>", "line 4"),
    ],
)
def test_a_broken_log_is_named_with_its_line_and_column(data, place):
    with pytest.raises(Unreadable, match=place):
        items(data, "flog.xml")
