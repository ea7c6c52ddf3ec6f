"""Where commands find the system that runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

from drlactors.wiring.access import RUN_FILE, Addresses, running, settings_of


def test_a_system_that_was_killed_and_left_its_file_does_not_run(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        killed.wait()
    settings = settings_of((), tmp_path)
    for pid, runs in ((killed.pid, False), (os.getpid(), True)):
        addresses = Addresses("nats://127.0.0.1:1", "postgresql://127.0.0.1:2/log", "http://127.0.0.1:3", pid)
        (tmp_path / RUN_FILE).write_text(json.dumps(addresses._asdict()))
        assert running(settings) == (addresses if runs else None)
