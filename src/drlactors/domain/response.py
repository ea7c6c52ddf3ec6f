"""What was done about a sample so far, and what became of it."""

from typing import NamedTuple

from drlactors.domain.action import Action


class Response(NamedTuple):
    """What was done about the sample so far."""

    isolation: int = 0  # steps
    reviews: int = 0
    final: Action | None = None  # terminate or quarantine, selected and not failed
    pending: tuple[tuple[int, Action], ...] = ()  # (seq, action) without an answer yet
    failed: tuple[tuple[int, Action], ...] = ()  # given up on; a late answer still counts

    def with_choice(self, seq: int, action: Action) -> "Response":
        return Response(
            isolation=self.isolation + (action is Action.ISOLATE),
            reviews=self.reviews + (action is Action.REVIEW),
            final=action if action.irreversible else self.final,
            pending=(*self.pending, (seq, action)),
            failed=self.failed,
        )

    def with_answer(self, seq: int, *, success: bool) -> "Response":
        """A success stands as chosen, also after it was given up on; a failure is as if it had not been chosen."""
        waiting = dict(self.pending)
        given_up = dict(self.failed)
        settled = self._replace(
            pending=tuple(entry for entry in self.pending if entry[0] != seq),
            failed=tuple(entry for entry in self.failed if entry[0] != seq),
        )
        if seq in waiting:
            return settled if success else settled._without(waiting[seq])
        if seq in given_up and success:
            return settled.with_choice(seq, given_up[seq])._replace(reviews=settled.reviews, pending=settled.pending)
        return settled

    def with_failure(self, seq: int) -> "Response":
        action = dict(self.pending)[seq]
        remaining = tuple(entry for entry in self.pending if entry[0] != seq)
        return self._replace(pending=remaining, failed=(*self.failed, (seq, action)))._without(action)

    def _without(self, action: Action) -> "Response":
        """A review that failed still used up its budget: a person may have been asked."""
        return self._replace(
            isolation=self.isolation - (action is Action.ISOLATE),
            final=None if action is self.final else self.final,
        )
