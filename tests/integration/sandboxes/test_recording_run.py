"""Recording a program of the plan, from scratch home to session."""

import datetime
from pathlib import Path

from drlactors.sandboxes.plan import STAGE_1_MS, Artifact, artifacts
from drlactors.sandboxes.recorder import missing, record, run_once
from drlactors.sandboxes.scratch import HOME
from drlactors.sandboxes.service import Service

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def the(name: str, **options: object) -> Artifact:
    found = next(artifact for artifact in artifacts() if artifact.name == name)
    return Artifact(**{field: getattr(found, field) for field in ("family", "variant", "malicious", "source", "needs")},
                    options={**found.options, "first": "nothing", **options})  # fmt: skip


def test_a_recorded_session_holds_what_the_program_did_and_nothing_of_this_machine() -> None:
    with Service() as service:
        # Slow enough for several windows: the paths of a single one are cut off.
        session = run_once(the("ransomware/replace", pause_s=0.02, seconds=9), stage=1, port=service.port, at=NOW)
    assert (session.malicious, session.stage, session.recorded.status) == (True, 1, 0)
    assert sum(window.telemetry.file_delete_count or 0 for window in session.windows) >= 40
    paths = {path for window in session.windows for path in window.telemetry.accessed_paths}
    assert any(path.startswith(f"{HOME}/Documents/") for path in paths)
    assert not any(word in path for path in paths for word in (str(Path.cwd()), "ransom", "encrypt", "behaviours"))


def test_a_program_that_outlives_its_stage_is_ended_at_the_horizon() -> None:
    with Service() as service:
        session = run_once(the("beacon/steady", seconds=20), stage=1, port=service.port, at=NOW)
    assert session.recorded.ended == "horizon"
    assert sum(window.window_ms for window in session.windows) == STAGE_1_MS
    assert sum(window.telemetry.network_connections or 0 for window in session.windows) >= 5


def test_what_cannot_run_here_is_said_and_left_out() -> None:
    said: list[str] = []
    absent = Artifact(family="f", variant="v", malicious=False, source="jobs", options={}, needs=("no-such-command",))
    assert missing(absent) == ["no-such-command"]
    assert list(record([absent], at_once=1, say=said.append, now=lambda: NOW)) == []
    assert said == ["left out f/v: no-such-command not installed"]
