"""What was done about a sample so far, and what became of it."""

from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.ids import OrderId
from drlactors.domain.order import ActionOrdered, Standing, standing

#: The word by which a sandbox says that an action is none of those that it can carry out, now or later.
UNSUPPORTED = "unsupported"


class Lease(NamedTuple):
    """A step of isolation that stands."""

    seq: int  # of the window that it answered
    since_ms: int  # of telemetry: when it, or anything after it, was chosen


class Response(NamedTuple):
    """What was done about the sample so far."""

    isolation: int = 0  # steps
    reviews: int = 0
    final: Action | None = None  # terminate or quarantine, selected and not failed
    pending: tuple[tuple[int, Action], ...] = ()  # (seq, action) without an answer yet
    failed: tuple[tuple[int, Action], ...] = ()  # given up on; a late answer still counts
    leases: tuple[Lease, ...] = ()  # the oldest first
    orders: tuple[Standing, ...] = ()  # all of them
    released: bool = False  # by a person: nothing more is done about it
    unsupported: int = 0  # bit n: the sandbox cannot carry action n out

    def with_choice(self, seq: int, action: Action, elapsed_ms: int) -> "Response":
        """Every choice but going on confirms the isolation so far."""
        leases = tuple(Lease(lease.seq, elapsed_ms) for lease in self.leases)
        return self._replace(
            leases=(*leases, Lease(seq, elapsed_ms)) if action is Action.ISOLATE else leases,
            isolation=self.isolation + (action is Action.ISOLATE),
            reviews=self.reviews + (action is Action.REVIEW),
            final=action if action.irreversible else self.final,
            pending=(*self.pending, (seq, action)),
        )

    def with_answer(self, seq: int, elapsed_ms: int, *, success: bool, outcome: str) -> "Response":
        """A success stands as chosen, also after it was given up on; a failure is as if it had not been chosen."""
        waiting = dict(self.pending)
        given_up = dict(self.failed)
        answered = waiting.get(seq, given_up.get(seq))
        cannot = 0 if answered is None or success or outcome != UNSUPPORTED else 1 << answered
        settled = self._replace(
            unsupported=self.unsupported | cannot,
            pending=tuple(entry for entry in self.pending if entry[0] != seq),
            failed=tuple(entry for entry in self.failed if entry[0] != seq),
        )
        if seq in waiting:
            return settled if success else settled._without_choice(seq, waiting[seq])
        if seq in given_up and success:
            chosen = settled.with_choice(seq, given_up[seq], elapsed_ms)
            return chosen._replace(reviews=settled.reviews, pending=settled.pending)
        return settled

    def with_failure(self, seq: int) -> "Response":
        action = dict(self.pending)[seq]
        remaining = tuple(entry for entry in self.pending if entry[0] != seq)
        return self._replace(pending=remaining, failed=(*self.failed, (seq, action)))._without_choice(seq, action)

    def _without_choice(self, seq: int, action: Action) -> "Response":
        return self._returned(seq)._without(action, int(action is Action.ISOLATE))

    def _returned(self, seq: int) -> "Response":
        return self._replace(leases=tuple(lease for lease in self.leases if lease.seq != seq))

    def _without(self, action: Action, steps: int) -> "Response":
        """A review that failed still used up its budget: a person may have been asked."""
        return self._replace(
            isolation=max(0, self.isolation - steps),
            final=None if action is self.final else self.final,
        )

    # Orders

    def order(self, order: OrderId) -> Standing | None:
        return next((one for one in self.orders if one.order == order), None)

    @property
    def ordered_final(self) -> bool:
        """A final action was ordered, and is not known to have failed."""
        return any(given.stands and given.action.irreversible for given in self.orders)

    def with_order(self, event: ActionOrdered, elapsed_ms: int) -> "Response":
        """One step of isolation is taken back at a time: the lease of those before it begins anew."""
        given = standing(event)
        ordered = self._replace(orders=(*self.orders, given), released=self.released or event.releases)._with(given)
        if event.undoes is None:
            return ordered
        left = tuple(Lease(lease.seq, elapsed_ms) for lease in self.leases if lease.seq != event.undoes.seq)
        return ordered._replace(leases=left)

    def expired(self, elapsed_ms: int, lease_ms: int) -> Lease | None:
        """The newest step of isolation, where nothing has confirmed it for so long."""
        if not self.leases or self.final is not None:
            return None
        return self.leases[-1] if elapsed_ms - self.leases[-1].since_ms >= lease_ms else None

    def with_order_settled(self, order: OrderId, *, success: bool) -> "Response":
        """As with a choice: a failure is as if it had not been given, and a late success counts."""
        before = self.order(order)
        if before is None:
            return self
        after = before._replace(waits=False, stands=success)
        settled = self._replace(orders=tuple(after if one is before else one for one in self.orders))
        if before.stands == after.stands:
            return settled
        return settled._with(after) if success else settled._without(before.action, before.steps)

    def _with(self, given: Standing) -> "Response":
        return self._replace(
            isolation=max(0, self.isolation + given.steps),
            final=given.action if given.action.irreversible else self.final,
        )
