"""Choices that were not made: what is said of them is what the rewards' formula says, and nothing else is touched."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.learner.choices import every_choice, with_stops
from drlactors.learner.n_step import n_step
from drlactors.learner.projection import experiences, labels
from drlactors.learner.transitions import table
from tests.properties.learner.test_projection import GAMMA, HISTORIES, WEIGHTS, logged, projected
from tests.unit.learner.samples import TASK, sample

STOPS = (Action.TERMINATE, Action.QUARANTINE)


@given(HISTORIES)
def test_the_log_stays_as_it_is_and_every_stop_it_did_not_choose_stands_behind_it(turns):
    recorded = projected(logged(turns))
    known = experiences(recorded, weights=WEIGHTS, gamma=GAMMA)
    malicious = labels(recorded).malicious
    both = with_stops(known, malicious, WEIGHTS)
    ours, stops = both.select(both.session % 2 == 0), both.select(both.session % 2 == 1)
    for name, column in known._asdict().items():
        found = getattr(ours, name) // 2 if name == "session" else getattr(ours, name)
        assert found.tobytes() == column.tobytes(), name
    expected = [
        (int(known.session[row]), int(action), known.s_tm1[row].tobytes())
        for row in range(len(known.a_tm1))
        for action in STOPS
        if known.mask_tm1[row] >> action & 1 and known.a_tm1[row] != action
    ]
    columns = zip(stops.session.tolist(), stops.a_tm1.tolist(), stops.s_tm1, strict=True)
    assert [(session // 2, action, state.tobytes()) for session, action, state in columns] == expected
    assert not stops.discount_t.any()
    for session, action, r_t in zip(stops.session.tolist(), stops.a_tm1.tolist(), stops.r_t.tolist(), strict=True):
        worth = reward.of_action(WEIGHTS, Action(action), malicious=bool(malicious[session // 2]), failed=False)
        assert r_t == np.float32(worth)


@given(HISTORIES, st.integers(2, 5))
def test_no_return_reaches_from_the_log_into_what_was_not_chosen(turns, steps):
    recorded = projected(logged(turns))
    known = experiences(recorded, weights=WEIGHTS, gamma=GAMMA)
    both = n_step(with_stops(known, labels(recorded).malicious, WEIGHTS), steps)
    assert both.select(both.session % 2 == 0).r_t.tobytes() == n_step(known, steps).r_t.tobytes()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=4))
def test_every_permitted_choice_of_a_table_is_one_transition(shapes):
    samples = [sample(f"{n}", malicious=bad, lasts_ms=(250,) * long) for n, (bad, long) in enumerate(shapes)]
    traces = table(samples, TASK)
    made = every_choice(traces, TASK.gamma)
    assert len(made.a_tm1) == traces.permitted.sum()
    rows, actions = np.nonzero(traces.permitted)
    assert made.r_t.tobytes() == traces.rewards[rows, actions].tobytes()
    ends = traces.following[rows, actions] < 0
    assert np.array_equal(made.discount_t == 0, ends)
    assert made.s_t[~ends].tobytes() == traces.vectors[traces.following[rows, actions][~ends]].tobytes()
    assert n_step(made, 3).r_t.tobytes() == made.r_t.tobytes(), "nothing follows in it"
    masks = (made.mask_tm1[:, None] >> np.arange(len(Action)) & 1).astype(bool)
    assert np.array_equal(masks, traces.permitted[rows])
