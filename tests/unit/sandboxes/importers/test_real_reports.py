"""Whole reports of CAPE and Cuckoo become what a plain reading finds in them, and what is known of some of them."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from drlactors.domain.attack import AttackType, recognise
from drlactors.domain.session import Outcome
from tests.unit.sandboxes.importers.real import read, reports

SHIFTED = "processes whose clock was another one"


class Known(NamedTuple):
    windows: int
    calls: int
    outside: int  # calls, of processes that the sample has nothing to do with
    tree: set[int]
    injected: dict[int, int]  # by whom
    kind: str
    verdict: Outcome | None = None


CAPE = {
    "v2.2-55dcd38773f4104b95589acc87d93bf8b4a264b4a6d823b73fb6a7ab8144c08b": Known(1, 125, 0, {2388}, {}, "exe"),
    "v2.2-77c961050aa252d6d595ec5120981abf02068c968f4a5be5958d10e87aa6f0e8": Known(0, 0, 0, set(), {}, "exe"),
    "v2.2-d46900384c78863420fb3e297d0a2f743cd2b6b3f7f82bf64059a168e07aceb7": Known(
        1, 108, 0, {7444}, {}, "exe", Outcome.MALICIOUS
    ),
    "v2.4-0a0882b8da225406cc838991b5f67d11": Known(236, 21501, 20656, {3944}, {1552: 828}, "exe", Outcome.MALICIOUS),
    "v2.4-2ebadd04f0ada89c36c1409b6e96423a68dd77b513db8db3da203c36d3753e5f": Known(0, 0, 0, set(), {}, "exe"),
    "v2.4-41ce492f04accef7931b84b8548a6ca717ffabb9bedc4f624de2d37a5345036c": Known(125, 3335, 2214, {5388}, {}, "js"),
    "v2.4-5d61700feabba201e1ba98df3c8210a3090c8c9f9adbf16cb3d1da3aaa2a9d96": Known(
        130, 41406, 18430, {1644}, {}, "ps1", Outcome.MALICIOUS
    ),
    "v2.4-8b9aaf4fad227cde7a7dabce7ba187b0b923301718d9d40de04bdd15c9b22905": Known(123, 6393, 5277, {2104}, {}, "js"),
    "v2.4-fb7ade52dc5a1d6128b9c217114a46d0089147610f99f5122face29e429a1e74": Known(
        131, 16751, 14710, {5308, 2200}, {}, "exe", Outcome.MALICIOUS
    ),
}
CUCKOO = {
    "10002": Known(1, 130, 0, {2348, 2404}, {2404: 2348}, "exe"),
    "10003": Known(73, 857, 0, {2492}, {}, "exe"),
    "10007": Known(5, 66, 0, {2288}, {}, "exe"),
    "10011": Known(1, 6, 0, {2372}, {}, "exe"),
    "10012": Known(7, 1769, 0, {2356, 2436}, {}, "dll"),
    "10015": Known(1, 53, 0, {2360}, {}, "exe"),
    "10017": Known(5, 2191, 0, {2324, 2400, 2476}, {2400: 2324, 2476: 2400}, "exe"),
    "10022": Known(36, 124, 0, {1272, 1936}, {1936: 1272}, "exe"),
    "10026": Known(98, 343, 0, {2544, 2632}, {2632: 2544}, "exe"),
    "10028": Known(119, 4960, 0, {2340, 2428}, {2428: 2340, 1252: 2428}, "exe"),
}


def test_windows_calls_trees_and_injected_processes_are_those_that_are_known(subtests):
    for folder, name, known in (("cape-reports", "CAPE", CAPE), ("cuckoo-reports", "Cuckoo", CUCKOO)):
        for report, file in reports(folder):
            if report in known:
                with subtests.test(report):
                    detected, built = read(file)
                    processes = [traced.process for traced in built.processes]
                    assert detected == name
                    assert known[report] == Known(
                        len(built.windows),
                        built.calls,
                        sum(built.outside),
                        {process.pid for process in processes if process.in_tree},
                        {process.pid: process.injected_by for process in processes if process.injected_by},
                        built.about.kind,
                        built.about.verdict,
                    )


TECHNIQUES = {
    "v2.2-55dcd38773f4104b95589acc87d93bf8b4a264b4a6d823b73fb6a7ab8144c08b": (AttackType.NONE, ()),
    "v2.2-77c961050aa252d6d595ec5120981abf02068c968f4a5be5958d10e87aa6f0e8": (AttackType.NONE, ()),
    "v2.2-d46900384c78863420fb3e297d0a2f743cd2b6b3f7f82bf64059a168e07aceb7": (AttackType.NONE, ()),
    "v2.4-0a0882b8da225406cc838991b5f67d11": (AttackType.RANSOMWARE, ("T1486", "T1490")),  # SunCrypt
    "v2.4-41ce492f04accef7931b84b8548a6ca717ffabb9bedc4f624de2d37a5345036c": (AttackType.UNKNOWN, ("T1059.007",)),
    "v2.4-5d61700feabba201e1ba98df3c8210a3090c8c9f9adbf16cb3d1da3aaa2a9d96": (AttackType.UNKNOWN, ("T1059.001",)),
    "v2.4-8b9aaf4fad227cde7a7dabce7ba187b0b923301718d9d40de04bdd15c9b22905": (AttackType.UNKNOWN, ("T1059.007",)),
    "v2.4-fb7ade52dc5a1d6128b9c217114a46d0089147610f99f5122face29e429a1e74": (AttackType.PERSISTENCE, ("T1547.001",)),
    "10012": (AttackType.UNKNOWN, ("T1218.011",)),  # a library, run by rundll32
    "10017": (AttackType.INJECTION, ("T1055.003", "T1055.012")),  # matsnu: hollows itself, then ctfmon
    "10022": (AttackType.INJECTION, ("T1055.003", "T1055.012")),
    "10028": (AttackType.SPY, ("T1056.001",)),
}


def test_techniques_are_those_that_are_known(subtests):
    """The least that is to be recognised: rules that come later may see more."""
    for folder in ("cape-reports", "cuckoo-reports"):
        for report, file in reports(folder):
            if report in TECHNIQUES:
                with subtests.test(report):
                    recognised = recognise(read(file)[1].windows)
                    kind, techniques = TECHNIQUES[report]
                    assert (recognised.kind, set(techniques) - set(recognised.techniques)) == (kind, set())


def test_every_report_says_what_a_plain_reading_says(subtests):
    for folder in ("cape-reports", "cuckoo-reports"):
        for report, file in reports(folder):
            with subtests.test(report):
                _, built = read(file)
                plain = json.loads(gzip.decompress(file.read_bytes()))
                called, by_window, types = plainly(plain)
                assert built.calls == sum(called.values())
                found = {traced.process.pid: traced.calls for traced in built.processes if traced.calls}
                assert found == dict(called)
                assert built.about.sha256 == plain["target"]["file"]["sha256"]
                assert all(window.seq == seq for seq, window in enumerate(built.windows))
                if SHIFTED not in dict(built.passed):
                    assert [window.telemetry.syscall_count for window in built.windows] == by_window
                    since_us = min(map(moment, calls_of(plain)), default=built.started_us) - built.started_us
                    assert 0 <= since_us < 1_000_000  # windows are by the guest's own UTC
                    assert built.windows[0].telemetry.syscall_types[0] == types.most_common(1)[0][0] if by_window else 1


def calls_of(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for process in report["behavior"].get("processes", ()):
        yield from process["calls"]


def plainly(report: dict[str, Any]) -> tuple[Counter[int], list[int], Counter[str]]:
    """Calls by process and by second since the first one; and the names in the first second."""
    called: Counter[int] = Counter()
    moments: list[tuple[float, int, str]] = []
    for process in report["behavior"].get("processes", ()):
        for call in process["calls"]:
            times = 1 + call.get("repeated", 0)
            called[process.get("process_id", process.get("pid"))] += times
            moments.append((moment(call), times, call["api"]))
    if not moments:
        return called, [], Counter()
    first = moments[0][0]  # of the first call in the report: windows begin there, or whole seconds before
    seconds: Counter[int] = Counter()
    for at, times, _ in moments:
        seconds[int((at - first) // 1_000_000)] += times
    begin, end = min(seconds), max(seconds)
    types: Counter[str] = Counter()
    for at, times, api in moments:
        if int((at - first) // 1_000_000) == begin:
            types[api] += times
    return called, [seconds[at] for at in range(begin, end + 1)], types


def moment(call: dict[str, Any]) -> int:
    if "time" in call:
        return round(float(call["time"]) * 1_000_000)
    read_at = datetime.fromisoformat(call["timestamp"]).replace(tzinfo=UTC)
    return round(read_at.timestamp() * 1_000_000)


def test_what_some_are_known_to_have_done_is_in_the_windows(subtests):
    for report, file in reports("cape-reports"):
        if not report.startswith("v2.4-5d61700f"):
            continue
        with subtests.test(report):
            seen = [window.telemetry for window in read(file)[1].windows]
            assert {ip for one in seen for ip in one.contacted_ips} == {"43.138.181.153", "13.67.191.143"}
            assert sum(one.bytes_sent or 0 for one in seen) == 1985
            assert sum(one.bytes_received or 0 for one in seen) == 1608
            assert sum(one.child_processes or 0 for one in seen) == 8
            assert seen[0].cpu_usage is None


def test_a_clock_that_was_wrong_in_one_process_does_not_stretch_the_run(subtests):
    for report, file in reports("cuckoo-reports"):
        if report == "10012":  # the parent's calls are dated 428 s before it was first seen
            with subtests.test(report):
                _, built = read(file)
                assert dict(built.passed) == {SHIFTED: 1}
                created = [at for at, window in enumerate(built.windows) if window.telemetry.child_processes]
                assert created == [0]
