"""Where commands find the system that runs."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drlactors.wiring.access import RUN_FILE, Addresses, running, settings_of, write_private


def test_a_system_that_was_killed_and_left_its_file_does_not_run(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        killed.wait()
    settings = settings_of((), tmp_path)
    for pid, runs in ((killed.pid, False), (os.getpid(), True)):
        addresses = Addresses("nats://127.0.0.1:1", "postgresql://127.0.0.1:2/log", "http://127.0.0.1:3", pid)
        (tmp_path / RUN_FILE).write_text(json.dumps(addresses._asdict()))
        assert running(settings) == (addresses if runs else None)


def test_whoever_looks_while_it_is_written_finds_all_of_it_or_no_file(tmp_path: Path) -> None:
    path, text = tmp_path / RUN_FILE, "x" * 100_000

    def write() -> None:
        for _ in range(200):
            write_private(path, text)
            path.unlink()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            if path.exists():
                with contextlib.suppress(FileNotFoundError):
                    assert path.read_text() == text
    writing.result()
