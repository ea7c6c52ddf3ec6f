"""What many episodes came to, counted."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from drlactors.domain.episode import DECIDER, Event, StageRefused, State, Verdict
from drlactors.domain.session import Outcome

_SAID = (Outcome.MALICIOUS, Outcome.BENIGN)


class Way(NamedTuple):
    """One episode as the log has it."""

    events: tuple[Event, ...]
    began_us: int
    verdict_us: int | None  # of the newest verdict


def tally(ways: Iterable[Way]) -> list[tuple[str, int | float | None]]:
    """What is counted, and how often it was so; a share or a time is None where there is nothing to take it of."""
    verdicts: Counter[Verdict | None] = Counter()
    why_partial: Counter[str] = Counter()
    corrected: Counter[tuple[Verdict | None, Verdict]] = Counter()
    artifacts: Counter[str] = Counter()
    refused = 0
    took_s: list[float] = []
    for way in ways:
        state = DECIDER.fold(way.events)
        verdicts[state.verdict] += 1
        refused += sum(isinstance(event, StageRefused) for event in way.events)
        artifacts[state.stages[0][1].artifact.sha256] += 1
        if state.verdict is Verdict.PARTIAL:
            why_partial[_why(state)] += 1
        if state.corrected is not None:
            corrected[state.verdict, state.corrected.verdict] += 1
        if way.verdict_us is not None:
            took_s.append((way.verdict_us - way.began_us) / 1e6)
    found, missed = verdicts[Verdict.MALICIOUS] + verdicts[Verdict.FALSE_NEGATIVE], verdicts[Verdict.FALSE_NEGATIVE]
    false_alarms = corrected[Verdict.MALICIOUS, Verdict.BENIGN] + corrected[Verdict.FALSE_NEGATIVE, Verdict.BENIGN]
    took_s.sort()
    return [
        ("episodes", verdicts.total()),
        ("without a verdict", verdicts[None]),
        *((str(verdict), verdicts[verdict]) for verdict in Verdict),
        *((f"partial, since {why}", count) for why, count in sorted(why_partial.items())),
        ("corrected to benign after malicious", false_alarms),
        ("corrected to malicious after benign", corrected[Verdict.BENIGN, Verdict.MALICIOUS]),
        ("corrected otherwise", corrected.total() - false_alarms - corrected[Verdict.BENIGN, Verdict.MALICIOUS]),
        ("sessions that were no stage of the episode they named", refused),
        ("artifacts", len(artifacts)),
        ("artifacts in more than one episode", sum(count > 1 for count in artifacts.values())),
        ("share of the malicious that stage 1 judged clean", _share(missed, found)),
        ("share of what stage 2 judged that it found malicious", _share(missed, missed + verdicts[Verdict.BENIGN])),
        ("seconds to the verdict, median", _at(took_s, 0.5)),
        ("seconds to the verdict, p95", _at(took_s, 0.95)),
    ]


def _why(state: State) -> str:
    late = None if state.missed is None else state.stage(state.missed)
    if state.missed is not None and (late is None or not late.concluded):
        return f"stage {state.missed} {'never began' if late is None else 'began late and still runs'}"
    number, stage = next(
        (number, stage) for number, stage in sorted(state.stages) if stage.concluded and stage.outcome not in _SAID
    )
    return f"stage {number} {'failed to run' if stage.outcome else 'was lost or said nothing'}"


def _share(of: int, among: int) -> float | None:
    return round(of / among, 4) if among else None


def _at(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
