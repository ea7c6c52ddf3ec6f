"""Logs of DRAKVUF, VMRay, Sysmon and strace become what a plain reading finds in them, and what they are named for."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from drlactors.domain.attack import AttackType, recognise
from tests.unit.sandboxes.importers.real import DATA, read


class Known(NamedTuple):
    windows: int
    calls: int
    children: int
    injected: dict[int, int]  # by whom
    parents: dict[int, tuple[int, str]]  # of some processes: the parent's number, and the own name
    kind: AttackType
    techniques: set[str]  # among those that are found


CAPTURES = {
    "cmd_mshta_vbscript_execute_psh_2020-10-2202580804": Known(
        14,
        1124,
        3,
        {},
        {10980: (5888, "mshta.exe"), 9572: (10980, "powershell.exe"), 10164: (9572, "conhost.exe")},
        AttackType.UNKNOWN,
        {"T1218.005", "T1059.001"},
    ),
    "covenant_lolbin_wuauclt_createremotethread_2020-10-12183248": Known(
        175,
        1283,
        4,
        {2368: 6208},
        {6208: (3148, "wuauclt.exe"), 2368: (6208, "notepad.exe")},
        AttackType.INJECTION,
        {"T1218", "T1055"},
    ),
    "empire_persistence_registry_modification_run_keys_elevated_user_2020-07-22001847": Known(
        50, 565, 0, {}, {}, AttackType.PERSISTENCE, {"T1547.001", "T1059.001"}
    ),
    "empire_uac_shellapi_fodhelper_2020-09-04032946": Known(
        87,
        3803,
        18,
        {},
        {7020: (1376, "fodhelper.exe"), 7820: (7020, "powershell.exe"), 3936: (7820, "powershell.exe")},
        AttackType.ESCALATION,
        {"T1548.002", "T1059.001"},
    ),
    "purplesharp_pe_injection_createremotethread_2020-10-2303121085": Known(
        12,
        689,
        6,
        {9908: 8972},
        {8972: (4840, "PurpleSharp.exe"), 9908: (8972, "notepad.exe")},
        AttackType.INJECTION,
        {"T1055"},
    ),
    "schtask_create_2020-12-1907003032": Known(
        62,
        1034,
        10,
        {},
        {460: (6432, "cmd.exe"), 8920: (460, "schtasks.exe")},
        AttackType.PERSISTENCE,
        {"T1053.005"},
    ),
}


def files(folder: str, ending: str) -> Iterator[tuple[str, Path]]:
    """The logs there are, by name."""
    for file in sorted((DATA / folder).rglob(f"*{ending}.gz")):
        yield file.name.removesuffix(f"{ending}.gz"), file


def test_captures_have_the_processes_injections_and_techniques_that_they_were_recorded_for(subtests):
    for name, file in files("sysmon-captures", ".json"):
        with subtests.test(name):
            detected, built = read(file)
            assert detected == "Windows event log"
            if name in CAPTURES:
                known = CAPTURES[name]
                processes = {traced.process.pid: traced.process for traced in built.processes}
                found = recognise(built.windows)
                assert known.techniques <= set(found.techniques)
                assert known == Known(
                    len(built.windows),
                    built.calls,
                    sum(window.telemetry.child_processes or 0 for window in built.windows),
                    {pid: process.injected_by for pid, process in processes.items() if process.injected_by},
                    {pid: (processes[pid].parent, processes[pid].name) for pid in known.parents},
                    found.kind,
                    known.techniques,
                )


def test_every_capture_counts_what_a_plain_reading_counts(subtests):
    for name, file in files("sysmon-captures", ".json"):
        with subtests.test(name):
            _, built = read(file)
            events = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines() if line.strip()]
            passed = sum(number for what, number in built.passed if what.startswith(("events", "notes")))
            assert built.calls + passed == len(events)
            made = {
                (event["Hostname"], event["ProcessId"], event["Image"])
                for event in events
                if event["EventID"] == 1 and "Sysmon" in event["Channel"]
            }
            assert sum(window.telemetry.child_processes or 0 for window in built.windows) == len(made)
            told = (event.get("UtcTime") for event in events if "Sysmon" in event["Channel"])
            utc_us = [round(datetime.fromisoformat(f"{at}+00:00").timestamp() * 1e6) for at in told if at]
            assert -1_000_000 <= built.started_us - min(utc_us) <= 120_000_000  # what was done before may be told late
            set_keys = [event for event in events if event["EventID"] == 13 and event.get("ProcessId")]
            assert any(window.telemetry.registry_modification for window in built.windows) == bool(set_keys)


def test_a_drakvuf_log_counts_what_a_plain_reading_counts(subtests):
    for name, file in files("drakvuf-vmray", ".log"):
        with subtests.test(name):
            detected, built = read(file)
            records = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
            told = [one for one in records if one["Plugin"] in ("syscall", "apimon", "procmon") and "Method" in one]
            assert detected == "DRAKVUF"
            assert built.calls == len(told)
            assert {traced.process.pid: traced.calls for traced in built.processes if traced.calls} == Counter(
                one["PID"] for one in told
            )
            at_s = [float(one["TimeStamp"]) for one in told]
            assert 0 <= min(at_s) * 1e6 - built.started_us <= 1_000_000
            assert len(built.windows) - 1 <= max(at_s) - min(at_s) + 1 <= len(built.windows) + 1
            untimed = sum("TimeStamp" not in one for one in records)
            assert dict(built.passed)["records without a time"] == untimed
            started = next(one for one in records if one["Plugin"] == "inject")
            target = next(traced.process for traced in built.processes if traced.process.target)
            assert (target.pid, target.name) == (started["InjectedPid"], started["ProcessName"].rpartition("\\")[2])
            children = {one["PID"] for one in records if one.get("PPID") == target.pid}
            assert children <= {traced.process.pid for traced in built.processes if traced.process.in_tree}


def test_a_vmray_log_counts_what_a_plain_reading_counts(subtests):
    for name, file in files("drakvuf-vmray", "flog.xml"):
        with subtests.test(name):
            detected, built = read(file)
            text = gzip.decompress(file.read_bytes()).decode()
            called = re.findall(r'<fncall ts="(\d+)"', text)
            assert detected == "VMRay"
            assert built.calls == len(called)
            beside = json.loads(gzip.decompress(file.with_name("vmray-summary_v2.json.gz").read_bytes()))
            created = datetime.fromisoformat(beside["analysis_metadata"]["creation_time"])
            assert built.started_us == round(created.timestamp() * 1_000_000)
            assert len(built.windows) == (int(called[-1]) - int(called[0])) // 1000 + 1
            monitored = dict(re.findall(r'<monitor_process [^>]*image_name="([^"]+)"[^>]* os_pid="([^"]+)"', text))
            assert {traced.process.name: traced.process.pid for traced in built.processes} == {
                image: int(pid, 16) for image, pid in monitored.items()
            }
            assert [traced.process.target for traced in built.processes].count(True) == 1
            assert built.about.sha256 == beside["files"]["file_0"]["hash_values"]["sha256"]
            connects = len(re.findall(r'name="(?:WinHttpConnect|InternetConnect[AW]|connect)"', text))
            assert sum(window.telemetry.network_connections or 0 for window in built.windows) == connects


def test_a_strace_log_counts_what_its_own_summary_counts_which_is_never_read(subtests):
    for name, file in files("android-strace-2018", ".strace"):
        with subtests.test(name[:16]):
            detected, built = read(file)
            text = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
            assert detected == "strace"
            assert built.about.sha256 == name
            log, _, summary = text.partition("% time")
            total = re.search(r"^100\.00 +\S+ +(\d+)", summary, re.MULTILINE)
            if total:
                # A call that was interrupted by the end is counted there, and had no result here.
                assert int(total[1]) - 1 <= built.calls <= int(total[1])
            lines = [line for line in log.splitlines() if re.match(r"\S+ \w+\(", line)]
            first_us, last_us = (_of_day_us(line.partition(" ")[0]) for line in (lines[0], lines[-1]))
            assert built.started_us == first_us
            assert 0 <= (last_us - first_us) // 1_000_000 + 1 - len(built.windows) <= 1
            removed = [line for line in lines if re.match(r"\S+ (?:unlink|unlinkat|rmdir)\(.*\) += 0", line)]
            assert sum(window.telemetry.file_delete_count or 0 for window in built.windows) == len(removed)


def _of_day_us(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round(int(hours) * 3.6e9 + int(minutes) * 6e7 + float(seconds) * 1e6)
