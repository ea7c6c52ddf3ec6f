"""A session played once tells when any threshold would have stopped it."""

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.learner.evaluation import play
from drlactors.learner.traces import margins, stops, traces
from drlactors.learner.transitions import Sample
from tests.unit.learner.samples import TASK, sample
from tests.unit.learner.separable import SAMPLES

OVER = traces(SAMPLES, TASK)


def any_rank(seed: int):
    """A policy that prefers something else in every state, final actions seldom."""
    weights = np.random.default_rng(seed).normal(size=(len(TASK.schema.names), len(Action)))

    def rank(vectors):
        values = np.sin(40 * vectors @ weights).astype(np.float32)
        values[:, [Action.TERMINATE, Action.QUARANTINE]] -= 0.7
        return values

    return rank


@pytest.mark.parametrize("seed", range(8))
def test_margins_stop_where_playing_stops(seed):
    reviews = TASK.rules.reviews
    played = play(any_rank(seed), OVER.table, reviews)
    stopped = stops(margins(any_rank(seed), OVER, reviews), 0.0)
    assert (stopped >= 0).tolist() == played.stopped.tolist()
    assert 0 < played.stopped.sum() < len(SAMPLES)
    at_s = OVER.seconds[np.arange(len(stopped)), stopped][played.stopped]
    assert at_s.tolist() == pytest.approx(played.ended_s[played.stopped].tolist())


def test_the_first_window_above_a_threshold_stops():
    wanted = np.array([[0.0, 2.0, 1.0], [-np.inf, -np.inf, -np.inf], [3.0, 0.0, 9.0]])
    assert stops(wanted, 1.5).tolist() == [1, -1, 0]
    assert stops(wanted, 3.0).tolist() == [-1, -1, 2]


def test_time_counts_windows_that_were_lost():
    whole = sample("a", lasts_ms=[500] * 6)
    over = traces([whole._replace(windows=whole.windows[:2] + whole.windows[4:])], TASK)
    assert over.seconds.tolist() == [[0.5, 1.0, 2.5, 3.0]]


def test_nothing_is_wanted_before_the_rules_permit_it_and_behind_the_end():
    short, long = sample("a", lasts_ms=[1000] * 3), sample("b", lasts_ms=[1000] * 5)
    over = traces([short, long], TASK)
    found = over.spread(np.ones(8))
    before = TASK.rules.windows_before_final - 1
    assert np.isneginf(found).tolist() == [
        [at < before or at >= 3 for at in range(5)],
        [at < before for at in range(5)],
    ]


def test_chosen_sessions_play_alone_as_among_all():
    some = np.arange(len(SAMPLES)) % 3 == 1
    few = OVER.select(some)
    whole, alone = (play(any_rank(1), one, TASK.rules.reviews) for one in (OVER.table, few.own_table()))
    assert alone.reward.tolist() == whole.reward[some].tolist()
    assert alone.actions.tolist() == whole.actions[some].tolist()
    assert few.vectors().shape == (int(few.there.sum()), len(TASK.schema.names))


def test_a_session_without_windows_is_refused():
    with pytest.raises(ValueError, match="no windows"):
        traces([Sample((), False, "a")], TASK)
