"""Whatever the process that makes patterns says, it is watched over."""

import socket
import sys
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from drlactors.testing.observer import RecordingObserver
from drlactors.wiring.patterns import Task
from drlactors.wiring.patterns_process import BACKOFF_S, PatternsProcess

TASK = Task("", "", "", {}, retry_s=1.0, most_waiting=1, follow_s=1.0, connections=1, nice=0)
SAYS = r"""#!/bin/sh
printf '%s\n' 'no JSON' '7' '[]' '["asked"]' '["Stored",1]' '[{}]'
printf '\377\n'
printf '%s\n' '["LogAway","gone"]'
exit 3
"""


class Noting(RecordingObserver):
    def __init__(self) -> None:
        super().__init__()
        self.noted: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()

    def note(self, event: str, **fields: Any) -> None:
        self.noted.put((event, fields))


def test_a_log_that_is_away_from_the_beginning_is_said_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    observer = Noting()
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens there
        dsn = f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
        task = TASK._replace(log_dsn=dsn, patterns_dsn=dsn, queue=str(tmp_path / "queue"))
        process = PatternsProcess(task, observer).start()
        try:
            event, fields = observer.noted.get(timeout=20)
            assert (event, "refused" in fields["why"]) == ("patterns.log-away", True)
            assert observer.noted.get(timeout=20)[0] == "patterns.process-ended"
        finally:
            process.stop()
    assert "Traceback" not in capfd.readouterr().err


def test_a_line_that_is_not_understood_is_noted_and_the_process_is_started_again_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(SAYS)
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    observer = Noting()
    process = PatternsProcess(TASK, observer).start()
    try:
        for wait_s in BACKOFF_S[:2]:  # later, though it had something to say
            lines = ["no JSON", "7", "[]", '["asked"]', '["Stored",1]', "[{}]", "\ufffd"]
            for line in lines:
                assert observer.noted.get(timeout=20) == ("patterns.not-understood", {"line": f"{line}\n"})
            assert observer.noted.get(timeout=20) == ("patterns.log-away", {"why": "gone"})
            event, fields = observer.noted.get(timeout=20)
            assert (event, fields) == ("patterns.process-ended", {"status": 3, "again_in_s": wait_s})
    finally:
        process.stop()
