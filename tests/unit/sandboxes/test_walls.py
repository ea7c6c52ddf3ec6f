"""Who builds the walls is told the same, with bubblewrap installed or not."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.sandboxes.containment import walls
from drlactors.sandboxes.containment.walls import View


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    with tempfile.TemporaryDirectory() as more:
        yield View(folder=tmp_path, read=(Path(more),))


def told(builder: str, view: View) -> dict[str, object]:
    """What the first launcher is told to start behind walls."""
    wanted: dict[str, object] = json.loads(walls.behind(builder, view, ["/bin/true", "--its-option"])[-1])
    return wanted


def test_bubblewrap_is_told_the_walls_that_are_built_without_it(view: View) -> None:
    ours, theirs = told("namespaces", view), told("bubblewrap", view)
    assert theirs["walls"] is None, "they are in the command"
    assert ours["command"] == ["/bin/true", "--its-option"]
    command = theirs["command"]
    assert isinstance(command, list)
    arguments, program = command[1 : command.index("--")], command[command.index("--") + 1 :]
    assert program == ours["command"]
    built = ours["walls"]
    assert isinstance(built, dict)
    shown, links, hidden = [], [], []
    for at, word in enumerate(arguments):
        if word in ("--bind", "--ro-bind") and arguments[at + 1] == arguments[at + 2] != "/proc":
            shown.append([arguments[at + 1], word == "--bind"])
        elif word == "--symlink":
            links.append([arguments[at + 2], arguments[at + 1]])
        elif word == "--ro-bind" and arguments[at + 1] == "/dev/null":
            hidden.append(arguments[at + 2])
        elif word == "--tmpfs" and arguments[at - 1] == "0000":
            hidden.append(arguments[at + 1])
    assert (shown, links, hidden) == (built["show"], built["links"], built["hide"])
    assert arguments[-2:] == ["--chdir", built["folder"]]
    assert arguments[arguments.index("--cap-drop") + 1] == "ALL"
    user, group = (arguments[arguments.index(option) + 1] for option in ("--uid", "--gid"))
    assert (int(user), int(group)) == (ours["uid"], ours["gid"])


def test_only_the_own_folder_may_be_written(view: View) -> None:
    assert [path for path, writable in view.show() if writable] == [str(view.folder)]
