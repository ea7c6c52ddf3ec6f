"""The person at a terminal hears when the system takes nothing of a sandbox, and when it does again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from drlactors.ports.bus import Trouble
    from drlactors.sandboxes.sandbox import Sandbox

LOOK_S = 0.1
#: A connection that comes back sooner is no news.
LASTS_S = 1.0


@contextmanager
def telling(sandbox: "Sandbox", say: Callable[[str], object], stop: Callable[[], object]) -> Iterator[None]:
    """Raises BusUnreachable at the end where the sandbox is refused for good; ``stop`` was called by then.

    Both are called on a thread of its own. Nobody waits any longer for answers of a system that refuses.
    """
    from drlactors.ports.bus import BusUnreachable

    ended = threading.Event()
    refused: list[Trouble] = []

    def look() -> None:
        since_s, told = None, False
        while not ended.wait(LOOK_S):
            trouble = sandbox.link.trouble
            if trouble is None:
                if told:
                    say("What is said is stored again.")
                since_s, told = None, False
                continue
            now_s = time.monotonic()
            since_s = now_s if since_s is None else since_s
            if now_s - since_s < LASTS_S:
                continue
            if trouble.for_good:
                refused.append(trouble)
                sandbox.give_up()
                stop()
                return
            if not told:
                say(f"{trouble.why} It is tried again; meanwhile windows wait here.")
                told = True

    looking = threading.Thread(target=look, name="telling", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()
    if refused:
        raise BusUnreachable(refused[0].why)


def on(console: "Console") -> Callable[[str], None]:
    """Says a line as it is: an error's text is no markup."""
    return lambda line: console.print(line, markup=False, soft_wrap=True)
