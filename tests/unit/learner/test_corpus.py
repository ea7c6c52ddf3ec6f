"""No split has an artifact on both sides, whatever its stage."""

from collections import Counter
from datetime import date

import pytest

from drlactors.learner.corpus import Corpus, CorpusUnfit, by_date, episodes, folds
from drlactors.learner.transitions import Sample
from tests.unit.learner.samples import sample

#: 50 malicious and 100 benign artifacts, each in both stages.
SAMPLES = [
    sample(f"{number}", malicious=number % 3 == 0)._replace(stage=stage) for number in range(150) for stage in (1, 2)
]
ARTIFACTS = {one.artifact for one in SAMPLES}


def artifacts(samples: tuple[Sample, ...]) -> set[str]:
    return {one.artifact for one in samples}


def held(samples: list[Sample], seed: int) -> tuple[Sample, ...]:
    return next(folds(samples, 5, seed))[1]


def test_both_stages_of_an_artifact_are_on_the_same_side():
    for part in (half for fold in folds(SAMPLES, 4, seed=1) for half in fold):
        assert set(Counter(one.artifact for one in part).values()) == {2}


def test_the_seed_splits_and_the_order_does_not():
    one, again, other = (artifacts(held(SAMPLES, seed)) for seed in (0, 0, 1))
    assert one == again == artifacts(held(SAMPLES[::-1], 0))
    assert one != other


def test_every_artifact_is_tested_on_in_one_fold():
    seen: Counter[str] = Counter()
    for train, test in folds(SAMPLES, 5, seed=0):
        assert artifacts(train) | artifacts(test) == ARTIFACTS
        assert not artifacts(train) & artifacts(test)
        assert Counter(one.malicious for one in test) == {True: 20, False: 40}
        seen.update(artifacts(test))
    assert seen == Counter(ARTIFACTS)


def test_an_artifact_with_two_truths_is_refused():
    with pytest.raises(CorpusUnfit, match="both malicious and benign"):
        held([sample("x", malicious=True), sample("x")], 0)


def test_the_past_is_learned_from_and_what_came_later_is_tested_on():
    day = date(2018, 4, 21)
    early, late = sample("early")._replace(day=date(2018, 4, 20)), sample("late")._replace(day=day)
    again = early._replace(day=date(2018, 4, 22))
    before, after = by_date([sample("undated"), late, again, early], day)
    assert (before, after) == ((early,), (late,))


def test_the_second_stage_is_the_later_part_of_the_run_and_begins_anew():
    one = sample("a", malicious=True, lasts_ms=[1000] * 7)
    first, second = episodes(Corpus("some", (one,), stages_s=(2, 5)))[0]
    assert (first.windows, first.stage) == (one.windows[:2], 1)
    assert second is not None
    assert (second.stage, second.malicious, second.artifact) == (2, True, one.artifact)
    assert [window.telemetry for window in second.windows] == [window.telemetry for window in one.windows[2:5]]
    assert [window.seq for window in second.windows] == [0, 1, 2]


def test_a_run_that_was_over_in_the_first_stage_has_no_second():
    one = sample("a", lasts_ms=[1000] * 2)
    assert episodes(Corpus("some", (one,), stages_s=(2, 5))) == ((one, None),)


def test_recorded_stages_are_put_together_by_artifact():
    first, second, alone = sample("a"), sample("a")._replace(stage=2), sample("b")
    assert episodes(Corpus("some", (second, first, alone))) == ((first, second), (alone, None))
