"""The report: nothing is tested on what it was learned from, and a figure is as wide as what it rests on."""

import json
from datetime import date
from itertools import combinations

import numpy as np
import pytest

from drlactors.learner.agent import PLAIN
from drlactors.learner.corpus import Corpus
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.looks import FIXED_S
from drlactors.learner.methods import Method
from drlactors.learner.report import seeds
from drlactors.learner.report.drawing import drawn
from drlactors.learner.report.page import LIMITS, page
from drlactors.learner.report.protocol import OURS, PARTS, THRESHOLD, Study, TooFewToSplit, name_of, rotations
from drlactors.learner.report.seeds import Found, found, interquartile, together
from drlactors.learner.report.tables import tables
from drlactors.learner.report.verdict import verdicts
from drlactors.learner.transitions import Sample
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES

#: Both stages of every artifact.
TWICE = tuple(one._replace(stage=stage) for one in SAMPLES for stage in (1, 2))
DQN = Method(PLAIN, updates=2)


def never(vectors):
    return np.tile(np.array([1, 0, 0, 0, 0], dtype=np.float32), (len(vectors), 1))


def study(samples: tuple[Sample, ...] = TWICE, count: int = 2) -> Study:
    return Study(
        lambda _: Corpus("some", samples),
        TASK,
        rotations=count,
        draws=1,
        rules=never,
        tune=lambda _: never,
        dqn=DQN,
        fitted_q=FittedQ(iterations=1),
    )


@pytest.fixture(scope="module")
def whole() -> list[Found]:
    return list(found(study(), range(2), 10))


@pytest.fixture(scope="module")
def report(whole):
    figures = together(whole)
    return {
        "name": "some",
        "words": "two seeds",
        "command": "drlactors evaluate some",
        "verdicts": verdicts(figures),
        "found": figures,
    }


@pytest.mark.parametrize("seed", range(5))
def test_what_is_learned_from_chosen_by_and_tested_on_shares_no_artifact(seed):
    tested: set[str] = set()
    for one in rotations(study(count=PARTS), TWICE, seed):
        for left, right in combinations(one, 2):
            assert not left & right
        assert len(frozenset().union(*one)) == len({sample.artifact for sample in TWICE})
        tested |= one.tested
    assert tested == {sample.artifact for sample in TWICE}


@pytest.mark.parametrize("later", [True, False], ids=["later", "before"])
def test_a_split_by_date_needs_both_classes_on_both_sides(later):
    since = date(2018, 4, 15)
    dated = tuple(one._replace(day=date(2018, 4, 20 if one.malicious is later else 10)) for one in SAMPLES)
    with pytest.raises(TooFewToSplit):
        list(rotations(study(dated)._replace(since=since), dated, 0))


def test_the_past_teaches_and_what_came_later_is_tested_on():
    days = [date(2018, 4, 1 + number % 28) for number in range(len(SAMPLES))]
    dated = tuple(one._replace(day=day) for one, day in zip(SAMPLES, days, strict=True))
    since = date(2018, 4, 15)
    (one,) = rotations(study(dated)._replace(since=since), dated, 0)
    day = {sample.artifact: at for sample, at in zip(dated, days, strict=True)}
    assert all(day[name] < since for name in one.learned | one.validation)
    assert all(day[name] >= since for name in one.tested)


def test_what_shows_in_every_window_is_found(report):
    at = report["found"]["detection"]["methods"][OURS]["0.05"]["chosen"]
    assert at["tpr"]["mean"] == 1.0
    assert at["fpr"]["mean"] == 0.0
    assert report["found"]["detection"]["methods"]["always continue"]["auc"]["mean"] == 0.5
    assert report["found"]["alone"]["always continue"]["tpr"]["mean"] == 0.0
    assert report["found"]["stages"][OURS]["fnr"]["mean"] == 0.0


def test_after_a_loss_the_rules_keep_from_stopping(report):
    kinds = report["found"]["loss"][OURS]["0.2"]
    assert kinds["ruled"]["tpr"]["mean"] < kinds["free"]["tpr"]["mean"]


def test_the_same_seeds_give_the_same_figures(whole):
    again = list(found(study(), range(2), 10))
    assert json.dumps(together(again)) == json.dumps(together(whole))


def test_a_figure_lies_within_its_interval(report):
    def check(of):
        if isinstance(of, dict) and set(of) == {"mean", "low", "high"}:
            for low, value, high in zip(*(np.atleast_1d(of[side]) for side in ("low", "mean", "high")), strict=True):
                if value is not None and low is not None:
                    assert low - 1e-9 <= high
        elif isinstance(of, dict):
            for one in of.values():
                check(one)

    check(report["found"])


def test_the_page_needs_nothing_else_and_says_what_it_cannot_show(report):
    figures = drawn(report)
    made = page(report, figures)
    assert LIMITS in made
    for svg in figures.values():
        assert svg in made
    for outside in ("src=", "href=", "url(", "@import", "<script"):
        assert outside not in made
    for table in tables(report):
        assert all(len(row) == len(table.head) for row in table.rows), table.title
        assert table.title.replace("'", "&#x27;") in made
    assert "The stopping policy is what drlactors train --method stopping makes." in made


def test_figures_are_json_that_anyone_reads(report):
    def refuse(name: str):
        raise AssertionError(name)

    assert json.loads(json.dumps(report), parse_constant=refuse) == json.loads(json.dumps(report))


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    assert interquartile(np.array([100.0, 1, 2, 3, 4, 5, 6, -100])) == pytest.approx(3.5)
    assert interquartile(np.array([[1.0, 3.0], [np.nan, 7.0], [np.nan, np.nan]])) == pytest.approx(
        [2.0, 7.0, np.nan], nan_ok=True
    )


def test_artifacts_are_drawn_whole_the_same_for_every_seed_and_as_many_of_each_class():
    names, often = seeds._drawn(TWICE, 50)
    malicious = np.isin(names, [one.artifact for one in TWICE if one.malicious])
    assert (often[:, malicious].sum(axis=1) == 20).all()
    assert (often[:, ~malicious].sum(axis=1) == 20).all()
    assert (seeds._drawn(TWICE[::-1], 50)[1] == often).all()


def test_an_interval_is_wider_where_seeds_or_artifacts_differ():
    def width(values) -> float:
        of = seeds._interval(values, np.random.default_rng(0).integers(10, size=(200, 10)))
        assert of["high"] is not None
        assert of["low"] is not None
        return of["high"] - of["low"]

    dice = np.random.default_rng(1)
    of_seeds = dice.normal(size=(10, 1)) * np.ones((1, 201))
    of_artifacts = dice.normal(size=(1, 201)) * np.ones((10, 1))
    assert width(np.zeros((10, 201))) == 0
    assert width(of_seeds) > 0.3
    assert width(of_artifacts) > 2  # what all seeds share is not averaged away
    assert width(of_seeds + of_artifacts) > width(of_artifacts) * 0.9


def verdict_of(ratio: tuple[float, float, float], more: tuple[float, float, float]):
    def sides(of):
        return dict(zip(("low", "mean", "high"), of, strict=True))

    fixed = [name_of(at_s) for at_s in FIXED_S]
    beside = {name: {"time_ratio": sides(ratio), "tpr_more": sides(more)} for name in (*fixed, THRESHOLD)}
    methods = {
        name: {fpr: {"matched": {"tpr": {"mean": rate}}} for fpr in ("0.01", "0.05", "0.1")}
        for name, rate in zip(fixed, (0.1, 0.2, 0.6, 0.6, 0.5, 0.3), strict=True)
    }
    each = ("0.01", "0.05", "0.1")
    return verdicts({"detection": {"methods": methods, "beside": dict.fromkeys(each, beside)}})["0.05"]


def test_a_verdict_is_reached_by_the_value_and_by_the_whole_interval():
    reached = verdict_of((0.4, 0.5, 0.69), (-0.04, 0.02, 0.1))
    assert reached["best"] == "fixed 5 s"  # of those that catch most the earliest
    assert (reached["beside_best"]["value"], reached["beside_best"]["interval"]) == (True, True)
    assert verdict_of((0.4, 0.5, 0.71), (-0.04, 0.02, 0.1))["beside_best"]["interval"] is False
    assert verdict_of((0.4, 0.5, 0.69), (-0.06, 0.02, 0.1))["beside_best"]["interval"] is False
    assert verdict_of((0.4, 0.5, 0.69), (-0.04, -0.01, 0.1))["beside_best"]["value"] is False
    assert verdict_of((0.4, 0.71, 0.9), (0, 0.1, 0.2))["beside_best"]["value"] is False
    assert verdict_of((0.4, 0.71, 0.9), (0, 0.1, 0.2))["beside_threshold_stopping"]["value"] is True
