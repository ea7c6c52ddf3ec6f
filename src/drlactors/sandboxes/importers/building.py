"""Makes sessions of what a reader yields: windows of telemetry, and the processes with what they have to do with it.

A call belongs to the window of its time, so that calls need not be sorted, and memory holds windows, not calls. Clocks:

- Time counts from the first call of the run. What the host's clock or another run's said is not read.
- In one process a clock that steps back by more than ``STEP_US``, or ahead by more than ``HORIZON_S``, was set: the
  call is taken to follow the one before it at once, and those after it keep their distances. Smaller steps back are
  threads that were logged out of turn, and keep their time.
- A process whose first call is before it was first seen, or very long after, had another clock then: its calls are
  moved, by whole windows, to where it was first seen.
- Calls later than ``HORIZON_S`` are passed over, and counted. So are those as long before the first that came: what has
  no time of its own is told as of 1601 or 1970.

Nothing is left out because of who called: ``Traced`` and ``Built.outside`` say what is not the sample's own doing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from drlactors.domain.telemetry import Window
from drlactors.sandboxes.importers.fold import Fold, cleaned, telemetry_of, together
from drlactors.sandboxes.importers.report import About, Call, Deed, Item, Part, Passed, Process, Seen
from drlactors.sandboxes.importers.source import Unreadable

WINDOW_MS = 1000
HORIZON_S = 3600
STEP_US = 1_000_000
#: More names than Windows has functions are made up.
MOST_NAMES = 8192
MOST_PROCESSES = 10_000
#: Seconds with activity, of all processes together: what memory holds.
MOST_FOLDS = 100_000


class Traced(NamedTuple):
    """A process and how much it called; one that was only created or written into called nothing."""

    process: Process
    calls: int


class Built(NamedTuple):
    """One run, ready to be stored or played."""

    part: str
    about: About
    started_us: int  # by the guest's clock, moved to UTC where the report says how far
    windows: tuple[Window, ...]
    outside: tuple[int, ...]  # of each window, calls of processes neither in the tree nor injected from it
    processes: tuple[Traced, ...]
    passed: tuple[tuple[str, int], ...]  # what was passed over, and how often

    @property
    def calls(self) -> int:
        return sum(traced.calls for traced in self.processes)


def build(items: Iterable[Item], *, window_ms: int = WINDOW_MS) -> Iterator[Built]:
    """The runs of one report, one by one as each is complete. Raises ``Unreadable`` as reading goes on."""
    run = _Run("", window_ms)
    for item in items:
        if isinstance(item, Call):
            run.call(item)
        elif isinstance(item, Part):
            if not run.empty:
                yield run.built()
            run = _Run(item.name, window_ms)
        else:
            run.note(item)
    yield run.built()


class _Track:
    """One process as its calls come."""

    __slots__ = ("bucket", "calls", "first_us", "fold", "folds", "known", "last_us", "shift_us")

    def __init__(self, known: Process) -> None:
        self.known = known
        self.calls = 0
        self.first_us: int | None = None  # of its first call
        self.last_us = 0
        self.shift_us = 0
        self.folds: dict[int, Fold] = {}
        self.bucket: int | None = None
        self.fold = Fold()

    def start_us(self) -> int:
        """When it began to call: by its calls, or where their clock was another one, by when it was first seen."""
        first_us, seen_us = self.first_us or 0, self.known.first_us
        if seen_us is None or -STEP_US <= first_us - seen_us <= HORIZON_S * 1_000_000:
            return first_us
        return seen_us


class _Run:
    def __init__(self, part: str, window_ms: int) -> None:
        self._part = part
        self._window_ms = window_ms
        self._window_us = window_ms * 1000
        self._about = About()
        self._anchor_us: int | None = None  # where a window begins: the first call that came
        self._first: _Track | None = None  # whose call that was
        self._tracks: dict[int, _Track] = {}
        self._stood_in: dict[int, int] = {}  # whose number a stand-in was
        self._names: dict[str, str] = {}
        self._folds = 0
        self._seen: list[Seen] = []
        self._injected: dict[int, tuple[int, int]] = {}  # by target: (when, by whom), the first
        self._passed: Counter[str] = Counter()

    @property
    def empty(self) -> bool:
        return not (self._tracks or self._seen or self._passed or self._about != About())

    def call(self, call: Call) -> None:
        track = self._tracks.get(call.pid) or self._track(call.pid)
        at_us = call.at_us + track.shift_us
        if track.first_us is None:
            track.first_us = track.last_us = at_us
            if self._anchor_us is None:
                self._anchor_us, self._first = at_us, track
        elif self._about.ordered:
            step_us = at_us - track.last_us
            if step_us < -STEP_US or step_us > HORIZON_S * 1_000_000:
                track.shift_us -= step_us
                at_us = track.last_us
                self._passed["steps of a clock that was set"] += 1
        track.last_us = max(track.last_us, at_us)
        assert self._anchor_us is not None, "set by the first call"
        bucket = (at_us - self._anchor_us) // self._window_us
        fold = track.fold if bucket == track.bucket else self._fold(track, bucket)
        times = call.times
        fold.calls += times
        name = self._names.get(call.name) or self._name(call.name)
        fold.types[name] = fold.types.get(name, 0) + times
        if call.deed or call.path or call.bytes_sent or call.bytes_received or call.address:
            fold.act(call)
            if call.target_pid:
                self._reach(call, at_us)

    def note(self, item: About | Process | Seen | Passed) -> None:
        match item:
            case About():
                said = {name: value for name, value in item._asdict().items() if value and name != "ordered"}
                self._about = self._about._replace(**said, ordered=item.ordered and self._about.ordered)
            case Process():
                if item.stand_in:
                    self._resolve(item)
                track = self._tracks.get(item.pid) or self._track(item.pid)
                track.known = _merged(track.known, item)
            case Seen():
                if len(self._seen) >= MOST_FOLDS:
                    raise Unreadable("the windows", f"more than {MOST_FOLDS:,}")
                self._seen.append(item)
            case Passed(what, number):
                self._passed[what] += number

    def _track(self, pid: int) -> _Track:
        if len(self._tracks) >= MOST_PROCESSES:
            raise Unreadable("the processes", f"more than {MOST_PROCESSES:,}")
        track = self._tracks[pid] = _Track(Process(pid))
        return track

    def _resolve(self, process: Process) -> None:
        """Calls that came before their process's own number was known are its own."""
        self._stood_in[process.stand_in] = process.pid
        stood_in = self._tracks.pop(process.stand_in, None)
        if stood_in is None:
            return
        there = self._tracks.get(process.pid)
        if there is not None and there.calls == 0 and there.first_us is None:
            stood_in.known = there.known
        elif there is not None:  # the number was given to another process again
            for bucket, fold in stood_in.folds.items():
                there.folds[bucket] = together([there.folds[bucket], fold]) if bucket in there.folds else fold
            there.bucket = None
            stood_in = there
        else:
            stood_in.known = Process(process.pid)
        self._tracks[process.pid] = stood_in

    def _fold(self, track: _Track, bucket: int) -> Fold:
        track.bucket = bucket
        fold = track.folds.get(bucket)
        if fold is None:
            self._folds += 1
            if self._folds > MOST_FOLDS:
                raise Unreadable("the calls", f"processes were active in more than {MOST_FOLDS:,} windows")
            fold = track.folds[bucket] = Fold()
        track.fold = fold
        return fold

    def _name(self, name: str) -> str:
        if len(self._names) >= MOST_NAMES:
            raise Unreadable("the calls", f"more than {MOST_NAMES:,} names of functions")
        self._names[name] = clean = cleaned(name) or "?"
        return clean

    def _reach(self, call: Call, at_us: int) -> None:
        """A process that another one made, or wrote into."""
        if not call.ok:
            return
        target = self._tracks.get(call.target_pid) or self._track(call.target_pid)
        if Deed.INJECT in call.deed:
            first = self._injected.get(call.target_pid)
            if call.target_pid != call.pid and (first is None or at_us < first[0]):
                self._injected[call.target_pid] = (at_us, call.pid)
        else:
            made = Process(call.target_pid, call.pid, call.path.rpartition("\\")[2].rpartition("/")[2])
            target.known = _merged(made, target.known)

    # When all is read

    def built(self) -> Built:
        shifts = {pid: self._shift(track) for pid, track in self._tracks.items()}
        processes = self._processes()
        own = _own(processes.values())
        by_window: dict[int, list[tuple[int, Fold]]] = {}
        for pid, track in self._tracks.items():
            for bucket, fold in track.folds.items():
                fold.injected.discard(pid)
                by_window.setdefault(bucket + shifts[pid], []).append((pid, fold))
                track.calls += fold.calls
        horizon = HORIZON_S * 1000 // self._window_ms
        anchor = next((shifts[pid] for pid, track in self._tracks.items() if track is self._first), 0)
        first = min((at for at in by_window if at >= anchor - horizon), default=0)
        last = min(max(by_window, default=-1), first + horizon - 1)
        for what, lost in (
            (f"calls later than {HORIZON_S} s", [at for at in by_window if at > last]),
            (f"calls more than {HORIZON_S} s before the first that came", [at for at in by_window if at < first]),
        ):
            if calls := sum(fold.calls for at in lost for _, fold in by_window[at]):
                self._passed[what] += calls
        started_us = (self._anchor_us or 0) + self._about.clock_us + first * self._window_us
        windows, outside = [], []
        for seq, at in enumerate(range(first, last + 1)):
            folds = by_window.get(at, [])
            outside.append(sum(fold.calls for pid, fold in folds if pid not in own))
            telemetry = telemetry_of(together([fold for _, fold in folds]), self._about.unseen)
            windows.append(Window(seq, self._window_ms, started_us + (seq + 1) * self._window_us, telemetry))
        if self._seen and not windows:
            windows = [Window(seq, self._window_ms, at_us, seen) for seq, (at_us, seen) in enumerate(self._seen)]
            outside = [0] * len(windows)
            started_us = self._seen[0].at_us - self._window_us
        return Built(
            self._part,
            self._about,
            started_us,
            tuple(windows),
            tuple(outside),
            tuple(Traced(processes[pid], track.calls) for pid, track in self._tracks.items()),
            tuple(self._passed.items()),
        )

    def _shift(self, track: _Track) -> int:
        """By how many windows the calls of a process are moved."""
        if track.first_us is None or self._first is None:
            return 0
        start_us, base_us = track.start_us(), self._first.start_us()
        if abs(start_us - base_us) > HORIZON_S * 1_000_000:
            start_us = base_us
        if start_us != track.first_us:
            self._passed["processes whose clock was another one"] += 1
        return round((start_us - track.first_us) / self._window_us)

    def _processes(self) -> dict[int, Process]:
        own = self._stood_in
        known = {
            pid: track.known._replace(parent=own.get(track.known.parent, track.known.parent))
            for pid, track in self._tracks.items()
        }
        found: dict[int, Process] = {}
        for pid, process in known.items():
            line: set[int] = set()
            above: Process | None = process
            while above is not None and not above.target and above.pid not in line:
                line.add(above.pid)
                above = known.get(above.parent)
            in_tree = above is not None and above.target
            _, by = self._injected.get(pid, (0, 0))
            by = own.get(by, by)
            found[pid] = process._replace(name=cleaned(process.name), in_tree=in_tree, injected_by=by * (by != pid))
        return found


def _own(processes: Iterable[Process]) -> set[int]:
    """The processes that do what the sample wants: its tree, what was injected from it, and so on."""
    own: set[int] = set()
    known = list(processes)
    while more := {one.pid for one in known if one.in_tree or {one.injected_by, one.parent} & own} - own:
        own |= more
    return own


def _merged(old: Process, new: Process) -> Process:
    return Process(
        new.pid,
        new.parent or old.parent,
        new.name or old.name,
        new.first_us if new.first_us is not None else old.first_us,
        new.target or old.target,
    )
