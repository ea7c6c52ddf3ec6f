"""The actor type without a thread of its own keeps Pykka's API, and what Pykka loses it keeps."""

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from drlactors.actors.dispatched import TURN, DispatchedActor, Dispatcher, Failure


class Recorder(DispatchedActor):
    """Remembers what it was told, on which thread, and how large the batches were."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__(dispatcher)
        self.told: list[Any] = []
        self.batches: list[int] = []
        self.threads: set[str] = set()

    def on_receive(self, message: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        if isinstance(message, threading.Event):
            message.set()
            return None
        if message == "break":
            raise ValueError("broken on request")
        self.told.append(message)
        return message

    def on_batch(self, messages: list[Any]) -> None:
        self.batches.append(len(messages))
        super().on_batch(messages)


class Watching:
    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    running = Dispatcher("test-dispatcher", Watching())
    running.start()
    yield running
    pykka.ActorRegistry.stop_all(block=False)
    assert running.stop(timeout_s=5.0)


def reached(ref: pykka.ActorRef[Any]) -> None:
    """Return once everything told before was handled."""
    done = threading.Event()
    ref.tell(done)
    assert done.wait(5.0)


def test_messages_are_handled_in_order_on_the_dispatchers_thread(dispatcher: Dispatcher) -> None:
    ref = Recorder.start(dispatcher)
    for number in range(1000):
        ref.tell(number)
    told, threads = ref.proxy().told.get(timeout=5), ref.proxy().threads.get(timeout=5)
    assert told == list(range(1000))
    assert threads == {"test-dispatcher"}


def test_thousands_of_actors_take_one_thread(dispatcher: Dispatcher) -> None:
    before = threading.active_count()
    refs = [Recorder.start(dispatcher) for _ in range(2000)]
    for ref in refs:
        ref.tell("hello")
    assert refs[-1].ask("last", timeout=5) == "last"
    assert threading.active_count() == before


def test_a_turn_ends_so_that_the_neighbours_have_theirs(dispatcher: Dispatcher) -> None:
    gate = threading.Event()

    class Gate(DispatchedActor):
        def on_receive(self, _message: Any) -> None:
            gate.wait(5.0)

    Gate.start(dispatcher).tell("hold everybody")
    busy, neighbour = Recorder.start(dispatcher), Recorder.start(dispatcher)
    order: list[str] = []
    for _ in range(3 * TURN):
        busy.tell("many")
    neighbour.tell("one")
    gate.set()
    reached(neighbour)
    order.append("neighbour")
    assert max(busy.proxy().batches.get(timeout=5)) == TURN


def test_a_failing_message_ends_neither_the_actor_nor_the_rest(dispatcher: Dispatcher) -> None:
    ref = Recorder.start(dispatcher)
    ref.tell("before")
    ref.tell("break")
    ref.tell("after")
    assert ref.proxy().told.get(timeout=5) == ["before", "after"]
    assert isinstance(dispatcher.supervisor, Watching)
    (failure,) = dispatcher.supervisor.failures
    assert (failure.message, str(failure.error)) == ("break", "broken on request")


def test_who_asks_gets_the_error(dispatcher: Dispatcher) -> None:
    with pytest.raises(ValueError, match="on request"):
        Recorder.start(dispatcher).ask("break", timeout=5)


def test_a_stopped_actor_takes_nothing_and_answers_who_still_waits(dispatcher: Dispatcher) -> None:
    ref = Recorder.start(dispatcher)
    ref.stop(timeout=5)
    assert not ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("too late")


def test_a_timer_tells_until_its_actor_is_gone() -> None:
    dispatcher = Dispatcher("timed", Watching())
    ref = Recorder.start(dispatcher)
    again = threading.Semaphore(0)

    class Counting(DispatchedActor):
        def on_receive(self, _message: Any) -> None:
            again.release()

    counting = Counting.start(dispatcher)
    dispatcher.every(0.01, counting, "tick")
    dispatcher.start()
    for _ in range(3):
        assert again.acquire(timeout=5)
    counting.stop(timeout=5)
    reached(ref)
    ref.stop(timeout=5)
    assert dispatcher.stop(timeout_s=5)


def test_an_actor_that_ended_is_freed_without_a_search_for_cycles(dispatcher: Dispatcher) -> None:
    bystander = Recorder.start(dispatcher)
    gc.disable()
    try:
        ref = Recorder.start(dispatcher)
        reached(ref)
        actor = ref._actor_weakref
        ref.stop()
        reached(bystander)  # the dispatcher has let go of it
        del ref
        assert actor() is None
    finally:
        gc.enable()


def test_nothing_is_lost_between_many_tellers_and_one_dispatcher(dispatcher: Dispatcher) -> None:
    ref = Recorder.start(dispatcher)

    def tell() -> None:
        for number in range(2000):
            ref.tell(number)

    tellers = [threading.Thread(target=tell) for _ in range(8)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    assert len(ref.proxy().told.get(timeout=5)) == 16_000
