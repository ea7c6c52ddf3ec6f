"""`drlactors`, `python -m drlactors`: runs one command, and says in one line what went wrong."""

import os
import re
import signal
import sys
from collections.abc import Sequence

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits with the status that the command's result means."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own, behind = (given[: given.index("--")], given[given.index("--") :]) if "--" in given else (given, [])
    debug = "--debug" in own
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run([argument for argument in own if argument != "--debug"] + behind, debug=debug))


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """The exit status of one command."""
    from cyclopts import CycloptsError

    from drlactors.cli.app import app

    try:
        result = app()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _told(str(error).strip(), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough. What is still buffered must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except SystemExit as end:
        return _told(end.code, USAGE) if isinstance(end.code, str) else end.code or DONE
    except Exception as error:  # the last place that could put any error into words
        if debug:
            raise
        return _failed(error)
    return result if isinstance(result, int) else DONE


def _terminated(number: int, _frame: object) -> None:
    """Ends as Ctrl-C does, so that what was begun is put away; a second signal ends at once."""
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)


def _failed(error: Exception) -> int:
    # Who raised one has loaded it; a sandbox's installation has not what it takes to.
    problems = sys.modules.get("drlactors.config.problems")
    if problems is not None and isinstance(error, problems.ConfigError):
        return _told(str(error), USAGE)
    if isinstance(error, ModuleNotFoundError) and error.name and (extra := _extra_with(error.name)):
        return _told(f"this needs {error.name}, which was not installed: pip install 'drlactors[{extra}]'", FAILED)
    if type(error).__module__.startswith("drlactors."):
        return _told(str(error) or (error.__doc__ or ""), FAILED)  # ours: its text is written for the reader
    if isinstance(error, OSError) and error.filename and error.strerror:
        return _told(f"{error.filename}: {error.strerror}", FAILED)  # a disk that is full or may not be written to
    return _told(f"{type(error).__name__}: {error} (--debug shows where)", FAILED)


def _extra_with(module: str) -> str:
    """The extra of this package that brings a module; empty when none does."""
    from importlib.metadata import requires

    wanted = module.partition(".")[0].replace("_", "-")
    for requirement in requires("drlactors") or ():
        found = re.match(r"([\w.-]+).*; extra == '?\"?([\w-]+)", requirement)
        if found and found[1] == wanted:
            return found[2]
    return ""


def _told(text: str, status: int) -> int:
    print(f"drlactors: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
