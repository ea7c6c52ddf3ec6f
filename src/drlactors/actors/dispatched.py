"""A Pykka actor without a thread of its own: one dispatcher thread gives turns to all that have messages.

Pykka's ThreadingActor takes a thread each; at 5,000 actors the hand-over of the interpreter's lock leaves 3,200
messages a second of the 550,000 that one thread shared by all of them passes on.
"""

import logging
import sys
import threading
import time
from collections import deque
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

import pykka
from pykka import ActorRef, ThreadingFuture
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

#: Messages of one actor before the next one has its turn.
TURN = 64

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """An actor could not handle a message."""

    actor: "DispatchedActor"
    message: Any
    error: Exception


class Supervisor(Protocol):
    def failed(self, failure: Failure) -> None:
        """Called on the dispatcher's thread; the actor goes on with its next message unless it is stopped."""
        ...


class Mailbox:
    """What an actor has not read yet. Putting needs no lock: a turn too many finds it empty, which does no harm."""

    __slots__ = ("_actor", "_ready", "_scheduled", "letters")

    def __init__(self) -> None:
        self.letters: deque[Envelope[Any]] = deque()
        self._scheduled = True  # until the actor is bound to a dispatcher

    def bind(self, actor: "DispatchedActor", ready: "SimpleQueue[DispatchedActor | None]") -> None:
        self._actor, self._ready = actor, ready
        ready.put(actor)

    def forget(self) -> None:
        """Let go of the actor, which has ended and is never scheduled again."""
        del self._actor

    def put(self, envelope: Envelope[Any], /) -> None:
        self.letters.append(envelope)
        if not self._scheduled:
            self._scheduled = True
            self._ready.put(self._actor)

    def get(self) -> Envelope[Any]:
        return self.letters.popleft()

    def empty(self) -> bool:
        return not self.letters

    def release(self) -> None:
        """The turn is over. In this order: what is put between the two lines is seen by one side or the other."""
        self._scheduled = False
        if self.letters:
            self._scheduled = True
            self._ready.put(self._actor)


class Dispatcher:
    """A thread and the actors that live on it.

    When all mailboxes are empty it rests for ``pause_s``: what comes meanwhile is handled together, and a batch costs
    little more than a message. Who comes to an idle dispatcher does not wait.
    """

    def __init__(self, name: str, supervisor: Supervisor | None = None, *, pause_s: float = 0.0) -> None:
        self.ready: SimpleQueue[DispatchedActor | None] = SimpleQueue()
        self.supervisor = supervisor
        self._pause_s = pause_s
        self._timers: list[_Timer] = []
        self._due_s = inf  # of the next timer
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def every(self, seconds: float, ref: ActorRef[Any], message: Any) -> None:
        """Tell an actor the same thing again and again, as long as it lives. Call before ``start``."""
        due_s = time.monotonic() + seconds
        self._timers.append(_Timer(seconds, ref, message, due_s))
        self._due_s = min(self._due_s, due_s)

    def stop(self, timeout_s: float) -> bool:
        """End the thread once everything put before has had its turn; False when it is still busy then."""
        self.ready.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                actor = self.ready.get(timeout=self._until_next_timer_s())
            except Empty:
                self._fire_timers()
                continue
            if actor is None:
                return
            actor.take_turn()
            self._fire_timers()
            if self._pause_s and self.ready.empty():
                time.sleep(self._pause_s)

    def _until_next_timer_s(self) -> float | None:
        return None if self._due_s == inf else max(0.0, self._due_s - time.monotonic())

    def _fire_timers(self) -> None:
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._timers = [timer for timer in self._timers if timer.ref.is_alive()]
        for timer in self._timers:
            if timer.due_s <= now_s:
                timer.due_s = now_s + timer.every_s
                timer.ref.tell(timer.message)
        self._due_s = min((timer.due_s for timer in self._timers), default=inf)


class _Timer:
    __slots__ = ("due_s", "every_s", "message", "ref")

    def __init__(self, every_s: float, ref: ActorRef[Any], message: Any, due_s: float) -> None:
        self.every_s, self.ref, self.message, self.due_s = every_s, ref, message, due_s


class DispatchedActor(pykka.Actor):
    """A Pykka actor that lives on a dispatcher. A failing message ends neither the actor nor its neighbours."""

    turn: int = TURN

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._begun = False

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> ThreadingFuture[Any]:
        return ThreadingFuture()

    def _start_actor_loop(self) -> None:
        self._mailbox().bind(self, self._dispatcher.ready)

    def _mailbox(self) -> Mailbox:
        mailbox = self.actor_inbox
        assert isinstance(mailbox, Mailbox)
        return mailbox

    def take_turn(self) -> None:
        """Handle what is waiting, as one batch, at most ``turn`` messages."""
        mailbox = self._mailbox()
        if self.actor_stopped.is_set():
            self._end()
            return
        if not self._begun:
            self._begun = True
            try:
                self.on_start()
            except Exception as error:  # noqa: BLE001  # supervision is for the errors that nobody foresaw
                self._failed(None, error)
        letters = mailbox.letters
        batch: list[Any] = []
        for _ in range(min(self.turn, len(letters))):
            envelope = letters.popleft()
            if envelope.reply_to is None and type(envelope.message) is not _ActorStop:
                batch.append(envelope.message)
                continue
            self._hand_over(batch)
            batch = []
            self._answer(envelope)
            if self.actor_stopped.is_set():
                self._end()
                return
        self._hand_over(batch)
        mailbox.release()

    def _end(self) -> None:
        """No more turns. What an actor and its mailbox hold of each other would stay until cycles are looked for."""
        self._actor_loop_teardown()
        self._mailbox().forget()

    def _hand_over(self, batch: list[Any]) -> None:
        if batch:
            try:
                self.on_batch(batch)
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(batch, error)

    def on_batch(self, messages: list[Any]) -> None:
        """Handle messages that came together. Who gains by it overrides this; then the whole batch fails together."""
        for message in messages:
            try:
                self.on_receive(message)
            except Exception as error:  # noqa: BLE001  # as above
                self._failed(message, error)

    def _failed(self, message: Any, error: Exception) -> None:
        supervisor = self._dispatcher.supervisor
        if supervisor is None:
            _log.error("%s could not handle %r", self, message, exc_info=error)
        else:
            supervisor.failed(Failure(self, message, error))

    def _answer(self, envelope: Envelope[Any]) -> None:
        try:
            response = self._handle_receive(envelope.message)
        except Exception:  # noqa: BLE001  # the one who asked has to know, whatever it was
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception(sys.exc_info())
            return
        if envelope.reply_to is not None:
            envelope.reply_to.set(response)
