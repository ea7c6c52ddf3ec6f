"""The command line as a person meets it: help, exit status, and one clear line for what went wrong."""

import os
import signal
import subprocess
import sys

import pytest

from drlactors.__main__ import run
from drlactors.cli.app import COMMANDS, GROUPS, app
from drlactors.cli.up import until_signal

ALL = [(name,) for name in COMMANDS] + [(group, name) for group, (_, names) in GROUPS.items() for name in names]
LISTS = [
    *(("sessions",), ("events",), ("dead-letters",), ("reviews", "list"), ("episodes", "list")),
    *(("episodes", "statistics"), ("patterns", "query")),
]
HEAVY = ("numpy", "onnxruntime", "torch", "nats", "psycopg", "pydantic", "structlog", "opentelemetry", "pykka")


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_has_help_to_learn_from(command, capsys):
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"drlactors {' '.join(command)}" in shown
    assert len(shown.splitlines()) > 4


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom drlactors.__main__ import run\nrun(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "up" in done.stdout


def test_examples_are_part_of_the_help(capsys):
    run(["config", "check", "--help"])
    assert "drlactors config check site.toml --environment prod" in capsys.readouterr().out


def test_json_is_called_json(capsys):
    run(["sessions", "--help"])
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("given", [["bogus"], ["config", "check", "--bogus"], ["bench", "bogus"]])
def test_wrong_usage_is_one_line_and_status_2(given, capsys):
    assert run(given) == 2
    told = capsys.readouterr().err
    assert told.startswith("drlactors: ")
    assert "bogus" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "option", "absurd"),
    [
        *((command, "--limit", "0") for command in LISTS),
        *((command, "--limit", "99999999999999999999") for command in LISTS),
        (("events",), "--after", "-1"),
        (("events",), "--after", "9223372036854775808"),
        (("replay", "--verify"), "--since", "9223372036854775808"),
        (("archive", "write"), "--through", "9223372036854775808"),
        *((("episodes", "statistics"), "--hours", hours) for hours in ("-1", "1e300", "inf", "nan")),
        *((("sandbox", "play"), option, "0") for option in ("--speed", "--at-once", "--batch")),
        (("sandbox", "play"), "--sessions", "-1"),
        (("sandbox", "run"), "--window-ms", "0"),
        (("sandbox", "watch", "samples"), "--horizon-s", "-1"),
        (("sandbox", "watch", "samples"), "--at-once", "0"),
        (("sandbox", "cape"), "--finish-s", "nan"),
        (("import", "report.json", "--live"), "--speed", "0"),
        (("demo",), "--speed", "nan"),
        (("learn",), "--rounds", "-1"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_before_anything_is_asked(command, option, absurd, capsys):
    assert run([*command, option, absurd]) == 2
    told = capsys.readouterr().err
    assert f"for {option}. It is " in told
    assert len(told.splitlines()) == 1


def test_what_breaks_is_told_in_one_line_unless_debugged(monkeypatch, capsys):
    monkeypatch.setitem(COMMANDS, "break", f"{__name__}:fail")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    assert run(["break"]) == 1
    assert capsys.readouterr().err == "drlactors: ZeroDivisionError: by nothing (--debug shows where)\n"
    with pytest.raises(ZeroDivisionError):
        run(["break"], debug=True)


@pytest.mark.parametrize(("result", "status"), [("None", 0), ("0", 0), ("1", 1)])
def test_a_command_s_number_is_the_exit_status(monkeypatch, result, status):
    monkeypatch.setitem(COMMANDS, "give", f"{__name__}:give")
    assert run(["give", result]) == status


def test_the_tree_is_made_anew_each_time():
    assert app() is not app()


@pytest.mark.parametrize(("module", "told"), [("torch.nn", "drlactors[learner]"), ("elsewhere", "--debug")])
def test_what_was_not_installed_is_told_with_how_to_get_it(module, told, monkeypatch, capsys):
    def fail():
        raise ModuleNotFoundError(name=module)

    monkeypatch.setitem(COMMANDS, "break", f"{__name__}:missing")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "missing", fail, raising=False)
    assert run(["break"]) == 1
    assert told in capsys.readouterr().err


def fail() -> None:
    """Break."""
    raise ZeroDivisionError("by nothing")


def give(result: str) -> int | None:
    """Give a number."""
    return None if result == "None" else int(result)


BEGINS = """
import sys, tempfile, time
from drlactors import __main__ as program
def run(*_, debug):
    with tempfile.TemporaryDirectory(dir=sys.argv[1]):
        print("begun", flush=True)
        time.sleep(60)
program.run = run
program.main([])
"""


def test_a_command_that_is_terminated_puts_away_what_it_began(tmp_path):
    with subprocess.Popen([sys.executable, "-c", BEGINS, str(tmp_path)], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"begun\n"
        command.terminate()
    assert (command.returncode, list(tmp_path.iterdir())) == (128 + signal.SIGTERM, [])


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_of_either_kind_ends_at_once(first):
    with until_signal() as stopped:
        os.kill(os.getpid(), first)
        assert stopped.wait(5)
        assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
