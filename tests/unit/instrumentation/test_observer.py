"""What is told is counted, under few labels, and written as log lines."""

import io
import json
import logging
import sys
from typing import NamedTuple

import pytest

from drlactors.instrumentation.logs import Logs
from drlactors.instrumentation.metrics import MAX_LABELS, Metrics
from drlactors.instrumentation.observer import PrometheusObserver
from drlactors.ports.log import LogUnreachable
from drlactors.ports.observer import Observer
from drlactors.testing.observer import RecordingObserver


class Options(NamedTuple):
    level: str = "info"
    file: str = ""
    rotate_bytes: int = 2048
    keep: int = 2
    format: str = "json"


@pytest.fixture
def stderr(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.fixture
def logs(stderr):
    logs = Logs(Options())
    yield logs
    logs.close()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def observer(metrics, logs) -> Observer:
    return PrometheusObserver(metrics, logs)


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_both_observers_are_observers():
    observer: Observer = RecordingObserver()
    observer.decided([1, 2, 0, 0, 0], "rules-1", 0.1)
    assert isinstance(observer, RecordingObserver)
    assert observer.totals["decided"] == 3


def test_a_batch_is_counted_at_once(metrics, observer):
    observer.decided([5, 2, 0, 0, 1], "a" * 64, 0.003)
    observer.decided([1, 0, 0, 0, 0], "rules-1", 0.003)
    observer.windows(9)
    assert value(metrics, "drl_decisions_total", action="continue", policy_kind="model") == 5
    assert value(metrics, "drl_decisions_total", action="continue", policy_kind="rules") == 1
    assert value(metrics, "drl_decision_duration_seconds_bucket", le="0.005") == 2
    assert value(metrics, "drl_decision_batch_windows_sum") == 9
    assert value(metrics, "drl_windows_total") == 9


def test_everything_told_is_counted(metrics, observer):
    observer.appended(3, 7, 0.001)
    observer.conflict()
    observer.lost("gap", 4)
    observer.defaulted("cpu_usage", 2)
    observer.redelivered(6)
    observer.refused("The session has ended.")
    observer.dead_letter("too large")
    observer.retried()
    observer.failed()
    observer.feedback(True)
    observer.restarted("SessionActor")
    observer.sessions(2, 5)
    observer.patterns(3, 0.002, 9)
    observer.patterns_asked(0.001)
    observer.patterns_failed()
    assert value(metrics, "drl_events_appended_total") == 7
    assert value(metrics, "drl_append_conflicts_total") == 1
    assert value(metrics, "drl_windows_lost_total", cause="gap") == 4
    assert value(metrics, "drl_defaulted_fields_total", field="cpu_usage") == 2
    assert value(metrics, "drl_redeliveries_total") == 6
    assert value(metrics, "drl_refusals_total", reason="The session has ended.") == 1
    assert value(metrics, "drl_dead_letters_total", reason="too large") == 1
    assert value(metrics, "drl_dispatch_retries_total") == 1
    assert value(metrics, "drl_actions_failed_total") == 1
    assert value(metrics, "drl_feedback_total", success="true") == 1
    assert value(metrics, "drl_actor_restarts_total", actor="SessionActor") == 1
    assert value(metrics, "drl_sessions", state="open") == 5
    assert value(metrics, "drl_patterns_stored_total") == 3
    assert value(metrics, "drl_pattern_store_duration_seconds_count") == 1
    assert value(metrics, "drl_pattern_query_duration_seconds_count") == 1
    assert value(metrics, "drl_patterns_waiting") == 9
    assert value(metrics, "drl_pattern_store_failures_total") == 1


def test_only_the_policy_in_charge_is_shown(metrics, observer):
    observer.policy("a" * 64, "start")
    observer.policy("b" * 64, "reload")
    assert value(metrics, "drl_model_info", policy="a" * 64) is None
    assert value(metrics, "drl_model_info", policy="b" * 64) == 1


def test_what_a_sandbox_makes_up_does_not_grow_the_labels(metrics, observer):
    for number in range(1000):
        observer.dead_letter(f"sandbox 'evil-{number}' is not known here, at {number}")
        observer.refused("".join(chr(97 + int(digit)) for digit in str(number)))
    text = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    assert text["drl_dead_letters_total", "sandbox _ is not known here, at _"] == 1000
    assert text["drl_refusals_total", "other"] == 1000 - MAX_LABELS


def test_an_error_is_one_json_line_with_its_stack_trace(observer, stderr):
    try:
        raise ValueError("broken")
    except ValueError as error:
        observer.error("actor.failed", error, actor="SessionActor", level="high")
    line = json.loads(stderr.getvalue())
    assert line["event"] == "actor.failed"
    assert line["error"] == "broken"
    assert line["actor"] == "SessionActor"
    assert line["level"] == "error"
    assert line["level_"] == "high"
    assert "ValueError: broken" in line["exception"]
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("level", ["info", "debug"])
def test_an_error_that_was_foreseen_has_a_stack_trace_for_those_who_debug(level, capsys):
    written = Logs(Options(level=level))
    written.error("log.unreachable", LogUnreachable("no answer"), {})
    written.close()
    line = json.loads(capsys.readouterr().err)
    assert line["error"] == "no answer"
    assert ("exception" in line) is (level == "debug")


def test_lines_that_cannot_be_written_are_told_of_in_one_line(capsys):
    written = Logs(Options(file="/dev/full"))
    for _ in range(100):
        written.error("actor.failed", ValueError("broken"), {"secret": "hush"})
    written.close()
    told = capsys.readouterr().err
    assert told == "drlactors: cannot write to the log /dev/full: [Errno 28] No space left on device\n"


def test_the_level_may_change_while_it_runs(observer, logs, stderr):
    logs.set_level("warning")
    observer.note("unheard")
    logs.set_level("info")
    observer.note("heard", odd=b"\xff", at={"a": {1}})
    assert [json.loads(line)["event"] for line in stderr.getvalue().splitlines()] == ["heard"]


def test_warnings_of_libraries_are_lines_too(logs, stderr):
    logging.getLogger("somewhere").warning("the %s is low", "disk")
    line = json.loads(stderr.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("the disk is low", "somewhere", "warning")


def test_a_log_file_is_set_aside_when_it_has_grown(tmp_path):
    written = Logs(Options(file=str(tmp_path / "logs" / "drl.log")))
    for number in range(200):
        written.info("line", {"number": number})
    written.close()
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["drl.log", "drl.log.1", "drl.log.2"]
    assert json.loads((tmp_path / "logs" / "drl.log").read_text().splitlines()[-1])["number"] == 199


@pytest.mark.parametrize("format_", ["console", "json"])
def test_an_error_is_written_without_what_variables_hold(format_, capsys):
    def connect(dsn):
        raise ConnectionError(f"no answer within {len(dsn)} s")

    written = Logs(Options(format=format_))
    try:
        connect("postgresql://me:" + "correcthorse" + "@db/log")
    except ConnectionError as error:
        written.error("log.unreachable", error, {})
    written.close()
    told = capsys.readouterr().err
    assert "in connect" in told
    assert "me:correcthorse" not in told


def test_the_console_format_is_for_people(capsys):
    written = Logs(Options(format="console"))
    written.info("system.started", {"pid": 7})
    written.close()
    assert "pid=7" in (told := capsys.readouterr().err)
    assert "system.started" in told
