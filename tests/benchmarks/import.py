"""How fast a report of 500 MB is imported, in how much memory, beside a plain streaming parse of the same file.

The report is made up, in CAPE's layout. It has the mixture and the length of real calls (500 bytes), and three fifths
of it are calls: in real ones, one to three fifths are. Contenders take turns, each in a process of its own. What is
timed is the work, in seconds of the processor, so that others on the machine do not count; memory is the most that the
process ever had. The import is the whole of it: digest, reading, windows, decisions, and one transaction in a real
PostgreSQL, whose own seconds are not counted. The parse is ijson's, on yajl in C, and does nothing with its events.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from typing import IO, TypedDict

ROUNDS = 3
SIZE_BYTES = 500_000_000
PROCESSES = 12
SECONDS = 180
#: Of the guest's clock.
TICK_MS = 15.625
ROOT = Path(__file__).parents[2]


class Measurement(TypedDict):
    name: str
    value: float  # the median of the rounds
    unit: str
    compared_with: str  # what it stands beside, with ratio and spread


def run() -> list[Measurement]:
    from drlactors.testing.servers import EmbeddedPostgres

    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        report = Path(folder) / "report.json"
        made_bytes = write(report, SIZE_BYTES)
        taken_s: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        most_mb: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in range(ROUNDS):
            for name in CONTENDERS:
                seconds, peak_mb = measured(name, report, server.dsn)
                taken_s[name].append(seconds)
                most_mb[name].append(peak_mb)
    figures: list[Measurement] = []
    for name, times in taken_s.items():
        rates = [made_bytes / 1e6 / seconds for seconds in times]
        ratios = [plain / own for plain, own in zip(taken_s["plain parse"], times, strict=True)]
        beside = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) of the plain parse's speed"
        figures.append({"name": name, "value": median(rates), "unit": "MB/s", "compared_with": beside})
        spread = f"{min(most_mb[name]):.0f} to {max(most_mb[name]):.0f}; the file has {made_bytes / 1e6:.0f} MB"
        figures.append({"name": f"{name}, peak", "value": median(most_mb[name]), "unit": "MB", "compared_with": spread})
    return figures


def measured(name: str, report: Path, dsn: str) -> tuple[float, float]:
    """Seconds of work, and the most memory in MB, of one process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    program = [sys.executable, __file__, name, str(report), dsn]
    told = subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, peak_kib = map(float, told.split())
    return seconds, peak_kib * 1024 / 1e6


# Contenders


def plain_parse(report: Path, _: str) -> None:
    import ijson.backends.yajl2_c as ijson

    with report.open("rb") as file:
        for _event in ijson.basic_parse(file, use_float=True):
            pass


def reading(report: Path, _: str) -> None:
    from drlactors.sandboxes.importers.finished import read

    assert read(report, window_ms=1000).runs[0].calls > 0


def whole_import(report: Path, dsn: str) -> None:
    from uuid import uuid4

    import psycopg
    from psycopg import sql

    from drlactors.config.load import load
    from drlactors.ports.clock import SystemClock
    from drlactors.sandboxes.importers import finished
    from drlactors.wiring.access import open_log
    from drlactors.wiring.importing import Importer

    database = f"import_{uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    importer = Importer(open_log(psycopg.conninfo.make_conninfo(dsn, dbname=database)), load().settings, SystemClock())
    began_s = time.process_time()
    assert not importer.has(finished.digest(report))
    found = finished.read(report, window_ms=1000)
    assert importer.store(found.sha256, finished.sessions(report, found, finished.without))
    tell(began_s)


def tell(began_s: float) -> None:
    """Seconds since then, and the most memory that this process had, in KiB (proc(5), VmHWM)."""
    seconds = time.process_time() - began_s
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(seconds, status.partition("VmHWM:")[2].split()[0])


CONTENDERS: dict[str, Callable[[Path, str], None]] = {
    "plain parse": plain_parse,
    "reading": reading,
    "import": whole_import,
}


# The report


def write(path: Path, size_bytes: int) -> int:
    """A report of about that size; its size."""
    random = Random(0)
    each = size_bytes * 3 // 5 // PROCESSES
    with path.open("wb") as file:
        file.write(b'{"statistics": {"processing": []}, "target": {"category": "file", "file": {"sha256": "')
        file.write(b"ab" * 32 + b'", "type": "PE32 executable (GUI) Intel 80386, for MS Windows"}}, ')
        file.write(b'"CAPE": {"payloads": [')
        others(file, random, size_bytes // 5)
        file.write(b']}, "info": {"version": "2.4-CAPE", "package": "exe"}, "behavior": {"processes": [')
        for number in range(PROCESSES):
            head = f'{", " if number else ""}{{"process_id": {1000 + number}, "process_name": "p{number}.exe", '
            head += f'"parent_id": {999 + number}, "first_seen": "2023-01-28 10:00:00,000", "calls": ['
            file.write(head.encode())
            patterns = [call(random) for _ in range(1000)]
            calls = int(each / (sum(map(len, patterns)) / len(patterns) + 43))
            for index in range(calls):
                at_ms = int(index * SECONDS * 1000 // calls // TICK_MS * TICK_MS)
                moment = f"10:{at_ms // 60_000:02}:{at_ms // 1000 % 60:02},{at_ms % 1000:03}"
                separator = b", " if index else b""
                file.write(separator + b'{"timestamp": "2023-01-28 %b", %b' % (moment.encode(), patterns[index % 1000]))
            file.write(b'], "threads": ["1"], "environ": {}}')
        file.write(b'], "processtree": [], "enhanced": [')
        others(file, random, size_bytes // 5)
        file.write(b']}, "malscore": 8.0}')
        return file.tell()


def others(file: IO[bytes], random: Random, size_bytes: int) -> None:
    """What an import passes over: objects, and strings that were found in files."""
    patterns = [
        f'{{"event": "load", "eid": {number}, "data": {{"file": "{filled("path", random)}", "pathtofile": null}}, '
        f'"strings": ["{filled("path", random)}", "{filled("bytes", random)}", "{random.getrandbits(96):x}"]}}'.encode()
        for number in range(1000)
    ]
    until = file.tell() + size_bytes
    file.write(patterns[0])
    while file.tell() < until:
        file.write(b", " + b", ".join(patterns))


def call(random: Random) -> bytes:
    """All but the time of one call; the frequencies are about those of real reports."""
    name, category, arguments = random.choices(KINDS, WEIGHTS)[0]
    told = ", ".join(f'{{"name": "{key}", "value": "{filled(value, random)}"}}' for key, value in arguments.items())
    caller = f'"caller": "0x{random.getrandbits(32):08x}", "parentcaller": "0x{random.getrandbits(32):08x}"'
    repeated = random.choices((0, random.randrange(1, 9)), (9, 1))[0]
    return (
        f'"thread_id": "{random.randrange(1, 9999)}", {caller}, "category": "{category}", "api": "{name}", '
        f'"status": true, "return": "0x00000000", "arguments": [{told}], "repeated": {repeated}, "id": 1}}'
    ).encode()


def filled(value: str, random: Random) -> str:
    if value == "bytes":
        return "".join(f"\\\\x{random.randrange(256):02x}" for _ in range(random.randrange(8, 250)))
    if value == "path":
        return "\\\\".join(["C:", "Users", "u", f"folder{random.randrange(99)}", f"file{random.randrange(9999)}.txt"])
    return f"0x{random.getrandbits(32):08x}" if value == "handle" else value


#: What reports show most: name, category, arguments.
KINDS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("NtClose", "system", {"Handle": "handle"}),
    ("RegQueryValueExW", "registry", {"Handle": "handle", "ValueName": "Name", "Data": "path", "FullName": "path"}),
    ("RegOpenKeyExW", "registry", {"Registry": "handle", "SubKey": "path", "Handle": "handle", "FullName": "path"}),
    ("NtAllocateVirtualMemory", "process", {"ProcessHandle": "0xffffffff", "BaseAddress": "handle", "RegionSize": "1"}),
    ("LdrGetProcedureAddress", "system", {"ModuleName": "ntdll.dll", "FunctionName": "NtOpen", "Ordinal": "0"}),
    ("NtCreateFile", "filesystem", {"FileHandle": "handle", "DesiredAccess": "handle", "FileName": "path"}),
    ("NtWriteFile", "filesystem", {"FileHandle": "handle", "HandleName": "path", "Buffer": "bytes", "Length": "96"}),
    ("NtReadFile", "filesystem", {"FileHandle": "handle", "HandleName": "path", "Buffer": "bytes", "Length": "96"}),
    ("RegSetValueExW", "registry", {"Handle": "handle", "ValueName": "Name", "Buffer": "bytes", "FullName": "path"}),
    ("ConnectEx", "network", {"socket": "744", "ip": "192.0.2.1", "port": "443"}),
)
WEIGHTS = (30, 20, 16, 9, 9, 5, 4, 3, 3, 1)


if __name__ == "__main__":
    contender, file, dsn = sys.argv[1:]
    began_s = time.process_time()
    CONTENDERS[contender](Path(file), dsn)
    if contender != "import":  # which leaves out the making of its database
        tell(began_s)
