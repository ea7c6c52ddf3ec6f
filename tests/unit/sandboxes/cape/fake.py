"""A CAPE without machines: its folders, its auxiliary modules, its result server's logs, and its REST API.

What it does is what kevoreilly/CAPEv2 does, as read in lib/cuckoo/core/plugins.py (RunAuxiliary), analysis_manager.py
(the order of things), resultserver.py (BsonStore) and web/apiv2/views.py (tasks_status, tasks_create_file).
"""

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

from drlactors.sandboxes import cape as package
from tests.unit.sandboxes.cape.kit import Monitor, append

MODULE = Path(package.__file__).parent / "auxiliary" / "drlactors.py"
SAMPLE = b"MZ a sample"
SHA256 = hashlib.sha256(SAMPLE).hexdigest()


class Auxiliary:
    """As in CAPE's lib/cuckoo/common/abstracts.py."""

    def __init__(self) -> None:
        self.task: Any = None
        self.machine: Any = None
        self.options: Any = None

    def set_task(self, task: object) -> None:
        self.task = task

    def set_machine(self, machine: object) -> None:
        self.machine = machine

    def set_options(self, options: object) -> None:
        self.options = options


def module_inside(root: Path) -> type[Auxiliary]:
    """The class of our module, imported as CAPE at this root imports it."""
    names = ("lib", "lib.cuckoo", "lib.cuckoo.common", "lib.cuckoo.common.abstracts", "lib.cuckoo.common.constants")
    modules = {name: ModuleType(name) for name in names}
    modules["lib.cuckoo.common.abstracts"].Auxiliary = Auxiliary  # type: ignore[attr-defined]  # that is what it has
    modules["lib.cuckoo.common.constants"].CUCKOO_ROOT = str(root)  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("modules.auxiliary.drlactors", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.update(modules)
    try:
        spec.loader.exec_module(module)
    finally:
        for name in names:
            del sys.modules[name]
    found: type[Auxiliary] = module.Drlactors
    return found


class Task:
    """One run of a task on a machine."""

    def __init__(self, cape: "FakeCape", number: int, auxiliary: Any) -> None:
        self.number = number
        self.folder = cape.root / "storage" / "analyses" / str(number)
        self._cape = cape
        self._auxiliary = auxiliary

    def write(self, pid: int, data: bytes) -> None:
        """As the result server does with what a monitor sends."""
        append(self.folder / "logs" / f"{pid}.bson", data)

    def begin(self, pid: int = 1234) -> Monitor:
        """A process begins."""
        monitor = Monitor(pid)
        self.write(pid, monitor.begins())
        return monitor

    def end(self, status: str = "completed") -> None:
        """The machine is stopped: auxiliary modules first, then the last of the logs, then the status."""
        self._auxiliary.stop()
        self._cape.statuses[self.number] = status

    def lose_machine(self) -> None:
        """The machine is dead: what there is of the run is removed, and the task waits for another machine."""
        self._auxiliary.stop()
        shutil.rmtree(self.folder)
        self._cape.statuses[self.number] = "pending"

    def die(self) -> None:
        """CAPE is killed: nothing is said, and locks are gone."""
        os.close(self._auxiliary._note)


class FakeCape:
    """Use as a context manager. ``url`` is its API."""

    def __init__(self, root: Path, *, token: str = "") -> None:
        self.root = root
        self.spool = root / "storage" / "drlactors"
        self.token = token
        self.user_stop = True
        self.throttle = 0  # so many requests are turned away
        self.statuses: dict[int, str] = {}
        self.finished: list[int] = []
        self.on_finish: Callable[[int], object] = self.finished.count
        self.created: list[tuple[dict[str, str], bytes]] = []
        (root / "storage").mkdir(parents=True)
        self._module = module_inside(root)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
        self._server.cape = self  # type: ignore[attr-defined]  # for who answers
        self.url = f"http://127.0.0.1:{self._server.server_port}/apiv2"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def start(self, number: int, *, tags: str = "", route: str = "", category: str = "file") -> Task:
        """The scheduler has a machine for this task: from storage to auxiliary modules, as AnalysisManager does it."""
        storage = self.root / "storage"
        binary = storage / "binaries" / SHA256
        folder = storage / "analyses" / str(number)
        (folder / "logs").mkdir(parents=True)
        binary.parent.mkdir(exist_ok=True)
        binary.write_bytes(SAMPLE)
        if category == "file":
            (folder / "binary").symlink_to(binary)
        target = "/tmp/cuckoo-tmp/invoice.exe" if category == "file" else "http://a.example/"
        auxiliary = self._module()
        auxiliary.set_task(
            SimpleNamespace(
                id=number, target=target, category=category, package="exe" if category == "file" else None, route=route,
                timeout=200, tags_tasks=tags,
            )
        )  # fmt: skip
        auxiliary.set_machine(SimpleNamespace(label="win10", ip="192.0.2.10", platform="windows"))
        auxiliary.set_options({"enabled": True})
        self.statuses[number] = "running"
        auxiliary.start()  # type: ignore[attr-defined]  # our module has it
        return Task(self, number, auxiliary)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Api(BaseHTTPRequestHandler):
    """The endpoints that are used, with the answers that views.py gives."""

    def do_GET(self) -> None:
        if self._turned_away():
            return
        match self.path.strip("/").split("/"):
            case ["apiv2", "tasks", "status", number]:
                status = self._cape.statuses.get(int(number))
                missing = {"error": True, "error_value": "Task does not exist"}
                self._answer({"error": False, "data": status} if status else missing)
            case _:
                self._answer({"detail": "Not found."}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._turned_away():
            return
        match self.path.strip("/").split("/"):
            case ["apiv2", "tasks", "status", number] if body == b"status=finish":
                self._finish(int(number))
            case ["apiv2", "tasks", "create", "file"]:
                self._create(body)
            case _:
                self._answer({}, 200)

    def _finish(self, number: int) -> None:
        if not self._cape.user_stop:
            self._answer({})
            return
        self._cape.finished.append(number)
        # The agent made the folder that the analyser looks for: status 200, which CAPE takes for an error.
        self._answer({"error": True, "data": json.dumps({"message": "Successfully created directory"})})
        self._cape.on_finish(number)

    def _create(self, body: bytes) -> None:
        message = message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
        fields, content, name = {}, b"", ""
        for part in message.get_payload():
            assert not isinstance(part, str)
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            if part.get_filename():
                content, name = data, str(part.get_filename())
            else:
                fields[str(part.get_param("name", header="content-disposition"))] = data.decode()
        if fields.get("machine", "win10") not in ("win10", "win11"):
            self._answer({"error": True, "error_value": f"Machine '{fields['machine']}' does not exist."})
            return
        self._cape.created.append(({**fields, "filename": name}, content))
        number = 900 + len(self._cape.created)
        self._cape.statuses[number] = "pending"
        told = {"task_ids": [number], "message": f"Task ID {number} has been submitted"}
        self._answer({"error": [], "data": told, "errors": [], "url": ["http://example.tld/submit/status/1/"]})

    def _turned_away(self) -> bool:
        if self._cape.token and self.headers.get("Authorization") != f"Token {self._cape.token}":
            self._answer({"detail": "Invalid token."}, 401)
            return True
        if self._cape.throttle:
            self._cape.throttle -= 1
            self._answer({"detail": "Request was throttled."}, 429, {"Retry-After": "0"})
            return True
        return False

    @property
    def _cape(self) -> FakeCape:
        found: FakeCape = self.server.cape  # type: ignore[attr-defined]  # set by FakeCape
        return found

    def _answer(self, answer: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
