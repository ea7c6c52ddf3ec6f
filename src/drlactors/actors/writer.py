"""The writer: group commit across sessions, and everything else that has to wait for the log."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Again, Left, Load, Loaded, Remember, Repeat, Stale, Store, Unloadable
from drlactors.ports.log import Category, Entry, LogError, LogUnreachable, Snapshot, Stream

#: Remembering the marks costs a round trip, which is most of a small commit.
MARK_EVERY_S = 0.1

Result = TypeVar("Result")


class WriterActor(DispatchedActor):
    """Lives on the commit dispatcher: what arrives while one commit is on its way to disk makes up the next one."""

    turn = 4096

    def __init__(self, line: Line, consumer: str) -> None:
        super().__init__(line.commit)
        self._line = line
        self._consumer = consumer
        self._marked_s = float("-inf")
        self._refused: set[Stream] = set()  # until their owners have read them again
        self.failed = False

    def on_batch(self, messages: list[Any]) -> None:
        if self.failed:
            return  # what builds on what was lost would be taken for a gap in the windows, and recorded as one
        stores: list[Store] = []
        loads: list[Load] = []  # last: who reads a stream again stores nothing before it has the answer
        left: list[Left] = []
        for message in messages:
            if isinstance(message, Store):
                stores.append(message)
                continue
            if isinstance(message, Load):
                loads.append(message)
                continue
            if isinstance(message, Left):
                left.append(message)
                continue
            self._commit_all(stores)  # what follows has to see what came before it
            stores = []
            match message:
                case Remember():
                    self._remember(message)
                case Repeat():
                    self._repeat(message)
        self._commit_all(stores)
        for gone in left:
            self._refused.discard(gone.stream)
            self._line.log.forget(gone.stream)
            if gone.stream.category is Category.SESSION:
                self._line.supervisor.tell(gone)
        self._load_all(loads)

    def _commit_all(self, stores: list[Store]) -> None:
        """Commit in few transactions, with each stream at most once in one: a stale append stops those on top of it."""
        while stores:
            first: dict[Stream, Store] = {}
            later: list[Store] = []
            for store in stores:
                if store.append.stream in self._refused:
                    store.reply_to.tell(Stale(store.append.stream, store.settles))
                elif store.append.stream in first:
                    later.append(store)
                else:
                    first[store.append.stream] = store
            if first:
                self._commit(list(first.values()))
            stores = later

    def _commit(self, stores: list[Store]) -> None:
        line = self._line
        began_s = line.clock.monotonic_s()
        appends = [store.append for store in stores]
        marks = self._marks(began_s)
        try:
            with self._spans(stores):
                positions = self._until_reachable(lambda: line.log.append(appends, marks))
        except LogError as error:
            self._isolate(stores, error)
            return
        if positions is None:
            return  # stopping, and the log is away: what is not settled will be delivered again
        entries: list[Entry] = []
        acting: list[Entry] = []
        settled: list[int] = []
        windows = events = 0
        for store, position in zip(stores, positions, strict=True):
            stream, after, stored, at_us, causation, traceparent = store.append
            if position is None:
                self._refused.add(stream)
                line.observer.conflict()
                store.reply_to.tell(Stale(store.append.stream, store.settles))
                continue
            entry = Entry(position, stream, after + 1, stored, at_us, causation, traceparent)
            entries.append(entry)
            if store.acts:
                acting.append(entry)
            windows += store.windows
            events += len(stored)
            settled += [arrived.sequence for arrived in store.settles]
        line.settle(settled)
        if marks:
            line.bus.trim(marks[self._consumer])
        line.observer.appended(len(entries), events, line.clock.monotonic_s() - began_s)
        line.observer.windows(windows)
        line.follow(entries, acting)

    def _marks(self, now_s: float) -> dict[str, int]:
        """How far everybody has come, now and then: a mark that lags only means that more comes again after a crash."""
        if now_s - self._marked_s < MARK_EVERY_S:
            return {}
        self._marked_s = now_s
        return self._line.marks(self._consumer)

    def _spans(self, stores: list[Store]) -> ExitStack:
        """A span for each append whose message was sampled where it was sent; none for the rest."""
        spans = ExitStack()
        for store in stores:
            if store.append.traceparent:
                stream, _, events, *_ = store.append
                span = self._line.tracer.span(
                    "append", store.append.traceparent, **{"drl.stream": str(stream), "drl.events": len(events)}
                )
                if span is not None:
                    spans.enter_context(span)
        return spans

    def _isolate(self, stores: list[Store], error: LogError) -> None:
        """Something in the batch cannot be stored: find it by storing each alone, and bury what it came from."""
        line = self._line
        if len(stores) > 1:
            for store in stores:
                self._commit([store])
            return
        (store,) = stores
        line.observer.error("log.unstorable", error, stream=str(store.append.stream))
        self._refused.add(store.append.stream)
        store.reply_to.tell(Stale(store.append.stream, ()))
        for arrived in store.settles:
            line.bus.bury(arrived.delivery, f"it cannot be stored: {error}")
        line.settle(tuple(arrived.sequence for arrived in store.settles))

    def _load_all(self, loads: list[Load]) -> None:
        """Sessions that were never started are asked for together: a sandbox can make them up by the thousands."""
        if not loads:
            return
        there = self._until_reachable(lambda: self._line.log.existing([load.stream for load in loads]))
        for load in loads if there is not None else ():
            if load.stream in (there or ()):
                self._load(load)
            else:
                self._refused.discard(load.stream)
                load.reply_to.tell(Loaded(load.stream, None, 0, []))

    def _load(self, message: Load) -> None:
        log, stream = self._line.log, message.stream
        try:
            snapshot = self._until_reachable(lambda: log.snapshot(stream))
            version = snapshot.version if snapshot else 0
            entries = self._until_reachable(lambda: list(log.stream(stream, version)))
        except LogError as unreadable:  # of an event that is not known here, or another's stream by an id of a sandbox
            message.reply_to.tell(Unloadable(stream, str(unreadable)))
            return
        if entries is None:
            return  # stopping
        self._refused.discard(stream)
        message.reply_to.tell(Loaded(stream, snapshot.state if snapshot else None, version, entries))

    def _remember(self, message: Remember) -> None:
        if message.stream not in self._refused:
            snapshot = Snapshot(message.version, message.state)
            self._until_reachable(lambda: self._line.log.save_snapshot(message.stream, snapshot))

    def _repeat(self, message: Repeat) -> None:
        stream = Stream(Category.SESSION, message.session)
        if stream in self._refused:
            return  # it may be another's: its owner is about to read it
        entries = self._until_reachable(lambda: list(self._line.log.stream(stream, message.after)))
        if entries:
            self._line.dispatcher.tell(Again(message.session, entries))

    def _until_reachable(self, work: Callable[[], Result]) -> Result | None:
        """Try until the log answers; None when the system stops before it does."""
        line = self._line
        pause_s = line.limits.backoff_initial_s
        while True:
            try:
                with line.reach.asking("writer"):
                    return work()
            except LogUnreachable as error:
                line.observer.error("log.unreachable", error, retry_in_s=pause_s)
                if line.stopping.wait(pause_s):
                    return None
                pause_s = min(2 * pause_s, line.limits.backoff_max_s)
