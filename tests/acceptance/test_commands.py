"""The command line as a person uses it: processes, what they print, and how they end."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from drlactors.cli.app import COMMANDS, GROUPS
from drlactors.config.share import share
from drlactors.domain.session import DECIDER, ActionSelected, Event, TelemetryRecorded
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.importers.finished import session_of
from drlactors.store.log import PostgresEventLog
from tests.acceptance.harness import SystemProcess, wait_for
from tests.unit.sandboxes.importers.kit import cape, cape_call, cape_process

ALL = [(name,) for name in COMMANDS] + [(group, name) for group, (_, names) in GROUPS.items() for name in names]


def drlactors(
    *arguments: str, folder: Path | None = None, timeout_s: float = 600.0
) -> "subprocess.CompletedProcess[str]":
    """One command to its end, in a folder of its own; wide, so that no table breaks a line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRLACTORS_")}
    return subprocess.run(
        [sys.executable, "-m", "drlactors", *arguments],
        cwd=folder,
        env=environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    """A system with servers of its own, as ``drlactors up`` starts it where nothing is configured."""
    with SystemProcess(tmp_path_factory.mktemp("up") / "data", "", "") as process:
        yield process.start()
        process.stop()


def of(system: SystemProcess) -> tuple[str, str]:
    return "--data-dir", str(system.folder)


def test_no_secret_is_printed(up: SystemProcess) -> None:
    wait_for(lambda: "drlactors is up. NATS nats://127.0.0.1:" in up.log_path.read_text(), 60, "it is up")
    told = up.log_path.read_text()
    assert not [name for name in ("nats/token", "postgres/password") if (up.folder / name).read_text() in told]


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_help_shows_an_example(command: tuple[str, ...]) -> None:
    done = drlactors(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout
    assert re.search(rf"drlactors {' '.join(command)}( |$)", done.stdout.split("Examples:")[1], re.MULTILINE)


def test_recordings_are_played_and_read_back(up: SystemProcess) -> None:
    played = drlactors("sandbox", "play", "scanner", "clean-up", "--speed", "40", *of(up))
    assert played.returncode == 0, played.stdout + played.stderr
    assert "malicious" in played.stdout
    listed = drlactors("sessions", "--json", "--limit", "1000", *of(up))
    assert listed.returncode == 0, listed.stderr
    sessions = [json.loads(line) for line in listed.stdout.splitlines()]
    assert sessions
    assert all(session["windows"] > 0 and session["lost"] == 0 for session in sessions)
    newest = drlactors("sessions", "--json", "--limit", "3", *of(up))
    assert [json.loads(line) for line in newest.stdout.splitlines()] == sessions[:3]
    table = drlactors("sessions", *of(up))
    assert table.returncode == 0
    assert sessions[0]["session"] in table.stdout
    events = drlactors("events", "--json", "--limit", "100000", *of(up))
    assert events.returncode == 0
    told = [json.loads(line) for line in events.stdout.splitlines()]
    assert {event["event"] for event in told} >= {"Started", "TelemetryRecorded", "ActionSelected", "Ended"}
    recorded = sum(event["event"] == "TelemetryRecorded" for event in told)
    assert recorded == sum(session["windows"] for session in sessions)
    one = drlactors("events", "--session", sessions[0]["session"], "--json", *of(up))
    assert {json.loads(line)["stream"] for line in one.stdout.splitlines()} == {f"session-{sessions[0]['session']}"}


def test_a_reader_that_has_seen_enough_is_no_error(up: SystemProcess) -> None:
    piped = f"{sys.executable} -m drlactors events --limit 100000 --data-dir {up.folder} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", piped], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_is_watched_live_and_ends(up: SystemProcess, tmp_path: Path) -> None:
    script = "for i in 1 2 3; do echo $i > file$i; cat file$i; done; ls / | wc -l"
    done = drlactors("sandbox", "run", *of(up), "--", "sh", "-c", script, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "file3").exists()  # behind its walls it writes in a home of its own
    found = re.search(r"session ([0-9a-f-]{36})", done.stdout)
    assert found, done.stdout
    told = drlactors("events", "--session", found[1], "--json", *of(up)).stdout
    events = [json.loads(line) for line in told.splitlines()]
    windows = [event["window"]["telemetry"] for event in events if event["event"] == "TelemetryRecorded"]
    assert sum(window["file_write_count"] or 0 for window in windows) >= 3
    assert any("file3" in path for window in windows for path in window["accessed_paths"])
    assert "Ended" in [event["event"] for event in events]  # an answer to the last action may come after it


def test_dead_letters_are_listed(up: SystemProcess) -> None:
    before = drlactors("dead-letters", "--json", *of(up))
    assert before.returncode == 0, before.stderr
    addresses = json.loads((up.folder / "run.json").read_text())
    rubbish_over_nats(addresses["nats_url"])
    wait_for(lambda: "9 bytes" in _table(up) or "not a message" in _table(up), 60, "the rubbish is a dead letter")
    told = [json.loads(line) for line in drlactors("dead-letters", "--json", *of(up)).stdout.splitlines()]
    letter = told[-1]
    assert letter["subject"].startswith("drl.v1.telemetry.")
    assert letter["reason"] == "not a message of this kind"
    assert letter["bytes"] == 9
    assert letter["at"].startswith("2")
    assert len(drlactors("dead-letters", "--json", "--limit", "1", *of(up)).stdout.splitlines()) == 1


def _table(up: SystemProcess) -> str:
    return drlactors("dead-letters", *of(up)).stdout


def rubbish_over_nats(url: str) -> None:
    from uuid import uuid4

    from drlactors.bus.nats_link import NatsSandboxLink
    from drlactors.domain.ids import SessionId
    from drlactors.ports.bus import Kind

    link = NatsSandboxLink(url)
    link.send(Kind.TELEMETRY, SessionId(uuid4()), b"\xff" * 9)
    assert link.flush(10.0)
    link.close()


def test_migrations_are_shown_and_applied_once(up: SystemProcess) -> None:
    shown = drlactors("migrate", "--status", *of(up))
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^0001_\w+  applied \d{4}-", shown.stdout, re.MULTILINE)
    applied = drlactors("migrate", *of(up))
    assert applied.returncode == 0
    assert "up to date; 0 applied now" in applied.stdout


def test_migrate_brings_up_an_empty_database(tmp_path: Path, database: str) -> None:
    config = tmp_path / "site.json"
    config.write_text(json.dumps({"postgres": {"url": database}, "server": {"data_dir": str(tmp_path / "data")}}))
    before = drlactors("migrate", "--status", "--config", str(config))
    assert before.returncode == 1
    assert "missing" in before.stdout
    applied = drlactors("migrate", "--config", str(config))
    assert applied.returncode == 0
    assert "(now)" in applied.stdout
    assert drlactors("migrate", "--status", "--config", str(config)).returncode == 0


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[metrics]\nport = 70000\n", "metrics.port", "65535"),
        ("[rules]\nreviews = 'many'\n", "rules.reviews", "integer"),
        ("[sessions]\nlost_afetr_s = 1\n", "sessions.lost_afetr_s", "did you mean sessions.lost_after_s?"),
        ("[sessions\n", "", "line 1"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, key: str, allowed: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    done = drlactors("config", "check", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert key in done.stderr
    assert allowed in done.stderr


def test_where_no_system_runs_a_sandbox_is_told(tmp_path: Path) -> None:
    done = drlactors("sandbox", "play", "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert "no system runs on" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_demo_shows_the_whole_loop_and_loses_nothing(tmp_path: Path) -> None:
    done = drlactors(
        "demo",
        "--seconds",
        "3",
        "--sessions",
        "20",
        "--speed",
        "5",
        "--learn-from",
        "80",
        folder=tmp_path,
        timeout_s=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Losses: 0" in done.stdout.splitlines()[-4:]
    assert done.stdout.splitlines()[-1] == "Stopped cleanly."
    counted = re.search(r"Windows sent: (\d+), recorded: (\d+), answered: (\d+)\.", done.stdout)
    assert counted
    assert int(counted[1]) == int(counted[2]) == int(counted[3]) > 0
    learned = re.search(r"Learned: version 1 \(([0-9a-f]{16})\) from \d+ sessions", done.stdout)
    assert learned
    assert re.search(r"The gate, on \d+ sessions held out, says: (promote|reject|insufficient evidence)", done.stdout)
    assert "it is in charge now." in done.stdout or "in charge by the gate's word" in done.stdout
    decided = re.search(r"Windows decided by: rules-1 (\d+), (\w+) (\d+)", done.stdout)
    assert decided, "the rules first, and what was learned after them"
    assert (decided[2], int(decided[1]) > 0, int(decided[3]) > 0) == (learned[1], True, True)
    stopped = re.search(r"(\d+) of (\d+) documents were lost; the program terminated", done.stdout)
    assert stopped, "the live program was stopped"
    assert 0 < int(stopped[1]) < int(stopped[2])
    assert re.search(r"The sandbox had carried the answer out \d+ ms after it came", done.stdout)
    taught = re.findall(
        r"What stage 1 teaches (before the verdict|now): \d+ experiences with a (\w+) sample", done.stdout
    )
    assert taught == [("before the verdict", "benign"), ("now", "malicious")]
    assert list(tmp_path.iterdir()) == []


def test_a_finished_report_is_played_live_and_goes_on_after_a_kill(up: SystemProcess, tmp_path: Path) -> None:
    calls = [cape_call(at=f"10:00:{second:02},000") for second in range(40)]
    report = tmp_path / "report.json"
    report.write_text(json.dumps(cape(cape_process(7, *calls))))
    session = Stream(Category.SESSION, session_of(sha256(report.read_bytes()).hexdigest()))
    dsn = json.loads((up.folder / "run.json").read_text())["postgres_dsn"]
    with closing(PostgresEventLog(dsn, schema_dir=share("eventstore"))) as log:

        def recorded() -> list[int]:
            return [one.window.seq for one in log_of(log, session) if isinstance(one, TelemetryRecorded)]

        program = [sys.executable, "-m", "drlactors", "import", "--live", "--speed", "5", str(report), *of(up)]
        with subprocess.Popen(program, stdout=subprocess.DEVNULL) as playing:
            wait_for(lambda: len(recorded()) >= 3, 60, "it is played")
            playing.kill()
        assert len(recorded()) < 40
        done = drlactors("import", "--live", "--speed", "50", "--verdicts", str(report), *of(up))
        assert (done.returncode, "1 played" in done.stdout) == (0, True), done.stdout + done.stderr
        wait_for(lambda: DECIDER.fold(log_of(log, session)).over, 60, "it is over")
        assert recorded() == list(range(40))
        assert sum(isinstance(event, ActionSelected) for event in log_of(log, session)) == 40
    again = drlactors("import", "--live", str(report), *of(up))
    assert "1 there already" in again.stdout


def log_of(log: PostgresEventLog, session: Stream) -> list[Event]:
    return [event for entry in log.stream(session) for event in entry.of_session]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_up_with_nothing_left_running(tmp_path: Path, number: signal.Signals) -> None:
    with SystemProcess(tmp_path / "data", "", "") as system:
        system.start()
        started = descendants(system.pid)
        names = {name_of(pid) for pid in started}
        assert {"nats-server", "postgres"} <= names
        os.kill(system.pid, number)
        assert system.wait_dead(180) == 0
        wait_for(lambda: not [pid for pid in started if is_running(pid)], 60, f"none of {names} runs")
    assert not system.up()
    assert "Stopping: finishing what is in flight." in system.log_path.read_text()


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has just ended
        for path in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in map(int, (path / "children").read_text().split()):
                    found += [child, *descendants(child)]
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has just ended


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
