"""The first step of a contained start: joins the control groups, leaves the machine's network, becomes strace.

Runs as a program of its own. From here on nothing that it starts outlives it or can be counted elsewhere.
"""

import json
import os
import resource
import socket
import sys
from pathlib import Path

from drlactors.sandboxes.containment import kernel


def main() -> None:
    """argv[1], JSON: join, parent, processes, namespaces, channel, listen, command.

    Answers on ``channel``, a Unix socket: "ready" with one listening socket for each address of ``listen``, or why not.
    """
    wanted = json.loads(sys.argv[1])
    with socket.socket(fileno=wanted["channel"]) as channel:
        try:
            listeners = enter(wanted)
        except OSError as error:
            channel.sendall(f"{error.filename}: {error.strerror}".encode())
            sys.exit(1)
        socket.send_fds(channel, [b"ready"], [listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()
    os.execv(wanted["command"][0], wanted["command"])


def enter(wanted: dict[str, object]) -> list[socket.socket]:
    for procs in _texts(wanted["join"]):
        Path(procs).write_text("0", encoding="ascii")  # 0: whoever writes
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_USER | kernel.NEW_NET | kernel.NEW_IPC | kernel.NEW_UTS)
    kernel.become(0, 0, outside_uid=user, outside_gid=group)
    # Since Linux 5.14 a namespace counts its own processes, and its maker's limit holds for all of that user's: set
    # before, a user who runs more than that many elsewhere could start nothing here.
    _limit(int(str(wanted["processes"])))
    # so many more are made for the program, and then none: they are where most ways out of a kernel begin
    Path("/proc/sys/user/max_user_namespaces").write_text(str(wanted["namespaces"]), encoding="ascii")
    socket.sethostname("sandbox")
    addresses = [(host, int(port)) for host, _, port in (entry.rpartition(":") for entry in _texts(wanted["listen"]))]
    kernel.raise_loopback(tuple({host for host, _ in addresses if not host.startswith("127.")}))
    # last, because changing credentials takes it back
    kernel.die_with_parent()
    if os.getppid() != wanted["parent"]:
        sys.exit(1)
    return [socket.create_server(address) for address in addresses]


def _limit(processes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    if most == resource.RLIM_INFINITY or most > processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


def _texts(given: object) -> list[str]:
    return [str(entry) for entry in given] if isinstance(given, list) else []
