"""A name in another encoding, which a sandbox passed on as it was, costs a character and not the report."""

import json
from typing import Any

import pytest

from tests.unit.sandboxes.importers.kit import (
    SHA256,
    cape,
    cape_call,
    cape_process,
    cuckoo,
    cuckoo_call,
    cuckoo_process,
    lines,
    read,
)

#: Stands for the name of a file in Latin-1, of which the last character but four is no UTF-8.
NAME = "cafe.txt"
DELETES = "NtDeleteFile"
SYSMON = {
    "EventID": 23,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Hostname": "w",
    "ProcessId": "7",
    "@timestamp": "2020-10-22T02:57:00.000Z",
    "TargetFilename": NAME,
}
VMRAY = (
    '<?xml version="1.0"{encoding}?>\n<analysis log_version="2" analyzer_version="2024.4.1">\n'
    '<monitor_process ts="1" process_id="1" image_name="a.exe" os_pid="0x7" parent_id="0"/>\n'
    '<fncall ts="2" process_id="1" name="DeleteFileW"><in><param name="lpFileName" type="ptr" value="0xa">'
    f'<deref type="str" value="{NAME}"/></param></in></fncall>\n</analysis>\n'
)


def calls(call: Any, process: Any, report: Any, arguments: Any) -> str:
    """The second one is as usual: what is read fast goes on behind the first."""
    return json.dumps(report(process(7, call(DELETES, arguments=arguments), call(), call())))


REPORTS = {
    "CAPE": ("report.json", calls(cape_call, cape_process, cape, {"FileName": NAME})),
    "Cuckoo": ("report.json", calls(cuckoo_call, cuckoo_process, cuckoo, {"filepath": NAME, "FileName": NAME})),
    "DRAKVUF": (
        "drakmon.log",
        json.dumps(
            {"Plugin": "filetracer", "TimeStamp": "1716999134.5", "PID": 7, "Method": DELETES, "FileName": NAME}
        ),
    ),
    "Windows": ("log.json", json.dumps(SYSMON)),
    "VMRay": ("flog.xml", VMRAY.format(encoding=' encoding="UTF-8"')),
    "VMRay, of no encoding": ("flog.xml", VMRAY.format(encoding="")),
    "TelemetryData": (
        "telemetry.json",
        lines(
            {"sandbox_id": "b", "timestamp": 1_700_000_000, "artifact_hash": SHA256, "syscall_count": 1}
            | {"accessed_paths": [NAME]}
        ).decode(),
    ),
    "strace": ("a.strace", f'19:30:20.000000 unlink("{NAME}") = 0 <0.000144>\n' * 2),
}


def paths(text: str, name: str) -> set[str]:
    built = read(text.replace(NAME, "caf\xe9.txt").encode("latin-1"), name)
    return {path.rpartition("/")[2] for window in built.windows for path in window.telemetry.accessed_paths}


@pytest.mark.parametrize(("name", "text"), REPORTS.values(), ids=REPORTS)
def test_a_byte_that_is_no_utf8_is_a_replacement_character(name, text):
    assert paths(text, name) == {"caf\ufffd.txt"}


def test_a_log_that_says_its_encoding_is_read_in_it():
    assert paths(VMRAY.format(encoding=" encoding='ISO-8859-1'"), "flog.xml") == {"caf\xe9.txt"}


def test_what_is_read_behind_it_is_whole():
    name, text = REPORTS["CAPE"]
    assert read(text.replace(NAME, "caf\xe9.txt").encode("latin-1"), name).calls == 3
