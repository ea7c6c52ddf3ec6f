"""Many programs in sandboxes at once: a bounded number of them, and a table of how they fare."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path
from typing import Any

from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId
from drlactors.domain.session import Outcome
from drlactors.sandboxes.analysis import Analysis, Finding, Specimen, Terms
from drlactors.sandboxes.errors import ProgramNotStarted
from drlactors.sandboxes.sdk import Sandbox

SHOWN = 24


class Watched:
    """Each command in a session of its own; what stage 1 judged clean goes on to stage 2, if there are two."""

    def __init__(
        self,
        sandbox: Sandbox,
        commands: Sequence[Sequence[str]],
        terms: Terms,
        stages: int,
        now: Callable[[], datetime],
    ) -> None:
        self._sandbox = sandbox
        self._terms = terms
        self._stages = stages
        self._now = now
        self._stopping = False
        self._entries = [_Entry(command) for command in commands]

    @property
    def failed(self) -> int:
        """Programs that did not start, and sessions that broke off."""
        return sum(entry.failed for entry in self._entries)

    @property
    def findings(self) -> list[Finding]:
        """Of every session that came to an end."""
        return [finding for entry in self._entries for finding in entry.findings]

    def run(self, at_once: int) -> None:
        """Until all have ended; an interrupt terminates what runs and starts nothing more."""
        with ThreadPoolExecutor(at_once, thread_name_prefix="watched") as pool:
            futures = [pool.submit(self._run, entry) for entry in self._entries]
            try:
                wait(futures)
            finally:
                self.give_up()
        for future in futures:
            future.result()  # raises what broke one off

    def give_up(self) -> None:
        """Terminate what runs, and start nothing more: from any thread."""
        self._stopping = True
        for entry in self._entries:
            if entry.analysis is not None:
                entry.analysis.give_up()

    def table(self) -> Any:
        """The newest first of those that run, then those that wait or have ended."""
        from rich.table import Table

        done = sum(entry.ended for entry in self._entries)
        table = Table(
            *("program", "stage", "windows", "actions", "state"),
            title=f"{done} of {len(self._entries)} done",
        )
        ordered = sorted(self._entries, key=lambda entry: (entry.analysis is None, entry.ended))
        for entry in ordered[:SHOWN]:
            table.add_row(*entry.row())
        return table

    def _run(self, entry: "_Entry") -> None:
        try:
            specimen = Specimen.of(entry.command)
        except (ProgramNotStarted, OSError) as refused:
            entry.says = str(refused)
            entry.failed = entry.ended = True
            return
        episode = None
        for _ in range(self._stages):
            if self._stopping:
                break
            found = self._begin(entry, specimen, episode).run()
            entry.findings.append(found)
            entry.says = f"{found.outcome}: {found.detail}"
            entry.failed = found.outcome is Outcome.FAILED
            if found.outcome is not Outcome.BENIGN:
                break
            episode = found.episode
        entry.ended = True

    def _begin(self, entry: "_Entry", specimen: Specimen, continues: EpisodeId | None) -> Analysis:
        analysis = Analysis(self._sandbox, specimen, self._terms, self._now, continues=continues)
        entry.analysis = analysis
        if self._stopping:  # since it was looked at: whoever gave up has not seen this one
            analysis.give_up()
        return analysis


class _Entry:
    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.analysis: Analysis | None = None
        self.findings: list[Finding] = []
        self.says = ""
        self.failed = self.ended = False

    def row(self) -> tuple[str, ...]:
        name = Path(self.command[0]).name
        if self.analysis is None:
            return name, "", "", "", self.says or "waits"
        selected = self.analysis.session.selected if self.analysis.session else {}
        actions = ", ".join(
            f"{action.name.lower()} {count}"
            for action, count in selected.items()
            if count and action != Action.CONTINUE
        )
        state = self.says if self.ended else "runs"
        return name, str(self.analysis.stage), str(self.analysis.windows), actions, state
