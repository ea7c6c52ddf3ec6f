"""`drlactors up`: runs the system until it is told to stop."""

import signal
import sys
from queue import Empty, SimpleQueue
from threading import Event

from drlactors.cli.whereabouts import HERE, Whereabouts


def up(*, where: Whereabouts = HERE) -> None:
    """Run the system until Ctrl-C or SIGTERM; what is in flight is finished first. A second signal ends it at once.

    Without addresses in the configuration it starts a NATS and a PostgreSQL server of its own under the data
    directory, and stops them when it stops. A configuration file that is saved
    again is in force at once, where its keys allow.

    One plane at a time serves an event log. A second one says so, stands by, and takes over as soon as the first
    has ended, however that came about.

    It ends by itself, with status 1 and the reason, when somebody removes or replaces the stream of incoming
    messages while it runs, when what is to be stored is lost to an error, or when another plane took over while
    this one had lost the database: let a service manager start it again.

    Examples
    --------
    drlactors up
    drlactors up --config site.toml --data-dir /var/lib/drlactors
    """
    from drlactors.config.load import Loaded, load
    from drlactors.store.errors import AnotherPlane
    from drlactors.wiring import System

    overrides = {} if where.data_dir is None else {"server.data_dir": str(where.data_dir)}

    def read() -> Loaded:
        return load(files=where.config, overrides=overrides)

    with until_signal() as stopped:
        stands_by = False

        def stand_by(pause_s: float) -> bool:
            nonlocal stands_by
            if not stands_by:
                print("Another plane serves this event log. This one stands by, and takes over when that one ends.")
                print("Ctrl-C stops it.", flush=True)
            stands_by = True
            return not stopped.wait(pause_s)

        system = System(read(), reload=read, on_fault=stopped.set, stand_by=stand_by)
        try:
            addresses = system.start()
        except AnotherPlane:
            return  # told to stop while it stood by
        gateway = f", gRPC {addresses.gateway}" if addresses.gateway else ""
        print(
            f"drlactors is up. NATS {addresses.nats_shown}{gateway}, metrics {addresses.metrics_url}/metrics.", end=" "
        )
        print("Ctrl-C stops it.")
        sys.stdout.flush()
        try:
            stopped.wait()
        finally:
            print("Stopping: finishing what is in flight.", flush=True)
            system.stop()
    if system.fault is not None:
        raise system.fault


#: A signal that the kernel gives to another thread wakes nobody: what is to be done about it is done at the next look.
LOOK_S = 0.5


class Told(Event):
    """An event that a signal may set: threading's own waits for a lock, which the waiting thread can hold just then."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False
        self._tokens: SimpleQueue[None] = SimpleQueue()  # its ``put`` is made to be called in the middle of its ``get``

    def set(self) -> None:
        self._told = True
        self._tokens.put(None)

    def is_set(self) -> bool:
        return self._told

    def wait(self, timeout: float | None = None) -> bool:
        while not self._waited(LOOK_S if timeout is None else timeout):
            if timeout is not None:
                return self._told
        return True

    def _waited(self, timeout_s: float) -> bool:
        try:
            self._tokens.get(timeout=timeout_s)
        except Empty:
            return False
        self._tokens.put(None)  # for whoever waits next
        return True


class until_signal:  # noqa: N801  # reads as what it is: with until_signal() as stopped
    """Gives an event that SIGINT or SIGTERM sets; a second one, of either kind, has its usual effect."""

    def __enter__(self) -> Event:
        stopped = Told()

        def stop(_number: int, _frame: object) -> None:
            stopped.set()
            for each in self._before:
                signal.signal(each, signal.SIG_DFL)

        self._before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return stopped

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
