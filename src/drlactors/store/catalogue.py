"""The names under which events are stored, their versions, and how old versions become new ones.

A name never changes its meaning and is never given away again. When the fields of an event change, its version goes up
by one, an upcaster from the old version is added, and ``eventstore/`` gets a golden row of the new version.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from drlactors.domain import episode, guard, instance, model, order, registry, review, session
from drlactors.ports.log import Category, Event, EventUnreadable

#: Takes the fields of one version as they were stored, gives those of the next.
Upcaster = Callable[[list[Any]], list[Any]]


class Kind(NamedTuple):
    """One kind of event as this program writes it."""

    name: str  # <category>.<noun>-<past participle>
    version: int
    type: type[Event]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def category(self) -> Category:
        return Category(self.name.partition(".")[0])


class Catalogue:
    """All kinds of events that this program knows."""

    def __init__(self, kinds: tuple[Kind, ...], upcasters: Mapping[tuple[str, int], Upcaster]) -> None:
        self.kinds = kinds
        self.upcasters = upcasters
        self.by_type: dict[type, Kind] = {kind.type: kind for kind in kinds}
        self._by_name = {kind.name: kind for kind in kinds}

    def find(self, label: str) -> tuple[Kind, tuple[Upcaster, ...]]:
        """The kind that is stored as ``name:version``, and what turns that version into the present one, in order."""
        name, _, version = label.partition(":")
        kind = self._by_name.get(name)
        if kind is None or not version.isdecimal() or not 1 <= int(version) <= kind.version:
            raise EventUnreadable(f"This program does not know the event {label!r}. Was it stored by a newer one?")
        try:
            return kind, tuple(self.upcasters[name, old] for old in range(int(version), kind.version))
        except KeyError as error:
            raise EventUnreadable(f"Nothing turns the event {label!r} into {kind}.") from error


def _without_exploration(started: list[Any]) -> list[Any]:
    """Version 1 had five rules: nobody explored."""
    *before, rules = started
    return [*before, [*rules, 0.0]]


CATALOGUE = Catalogue(
    kinds=(
        Kind("session.started", 2, session.Started),
        Kind("session.telemetry-recorded", 1, session.TelemetryRecorded),
        Kind("session.telemetry-lost", 1, session.TelemetryLost),
        Kind("session.action-selected", 1, session.ActionSelected),
        Kind("session.feedback-received", 1, session.FeedbackReceived),
        Kind("session.action-failed", 1, session.ActionFailed),
        Kind("session.outcome-reported", 1, session.OutcomeReported),
        Kind("session.ended", 1, session.Ended),
        Kind("session.lost", 1, session.SessionLost),
        Kind("session.action-ordered", 1, order.ActionOrdered),
        Kind("session.action-withheld", 1, session.ActionWithheld),
        Kind("session.order-answered", 1, order.OrderAnswered),
        Kind("session.order-failed", 1, order.OrderFailed),
        Kind("episode.stage-entered", 1, episode.StageEntered),
        Kind("episode.stage-concluded", 1, episode.StageConcluded),
        Kind("episode.stage-missed", 1, episode.StageMissed),
        Kind("episode.stage-refused", 1, episode.StageRefused),
        Kind("episode.completed", 1, episode.EpisodeCompleted),
        Kind("episode.verdict-corrected", 1, episode.VerdictCorrected),
        Kind("instance.configuration-reloaded", 1, instance.ConfigurationReloaded),
        Kind("instance.policy-activated", 1, instance.PolicyActivated),
        Kind("instance.policy-refused", 1, instance.PolicyRefused),
        Kind("model.trained", 1, model.Trained),
        Kind("model.evaluated", 1, model.Evaluated),
        Kind("model.shadowed", 1, model.Shadowed),
        Kind("model.promoted", 1, model.Promoted),
        Kind("model.rejected", 1, model.Rejected),
        Kind("model.retired", 1, model.Retired),
        Kind("model.rolled-back", 1, model.RolledBack),
        Kind("registry.model-entered", 1, registry.ModelEntered),
        Kind("registry.model-withdrawn", 1, registry.ModelWithdrawn),
        Kind("registry.charge-passed", 1, registry.ChargePassed),
        Kind("registry.charge-returned", 1, registry.ChargeReturned),
        Kind("review.opened", 1, review.ReviewOpened),
        Kind("review.decided", 1, review.ReviewDecided),
        Kind("review.lapsed", 1, review.ReviewLapsed),
        Kind("review.closed", 1, review.ReviewClosed),
        Kind("guard.action-admitted", 1, guard.ActionAdmitted),
        Kind("guard.row-broken", 1, guard.RowBroken),
    ),
    upcasters={("session.started", 1): _without_exploration},
)
