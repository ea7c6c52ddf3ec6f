"""Offline training: it learns what separates the classes, and what it ends in depends on nothing but its arguments."""

import json
from dataclasses import replace

import pytest

from drlactors.learner.agent import PLAIN
from drlactors.learner.choices import every_choice
from drlactors.learner.course import Course, TooFew, of_samples
from drlactors.learner.export import to_onnx
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.fitted_stopping import Stopping
from drlactors.learner.methods import LIVE, METHODS, Method, lasting
from drlactors.learner.offline import POINTS, Point, Run, Trained
from drlactors.learner.traces import Traces
from drlactors.learner.training import OtherTraining
from drlactors.learner.training_figures import drawn, plain
from drlactors.ports.learning import CannotLearn, Step
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES

FITTED = FittedQ(iterations=30, batch=64, learning_rate=3e-3)
SMALL = Method(LIVE._replace(batch=64, hidden=(32,), learning_rate=3e-3), updates=600, annealed=True)
STOPPING = Stopping(fpr=0.0)


@pytest.fixture(scope="module")
def course() -> Course:
    return of_samples(SAMPLES, TASK, seed=0)


def weights(trained: Trained) -> bytes:
    return to_onnx(trained.ranking)


@pytest.mark.parametrize("method", [FITTED, SMALL, STOPPING], ids=["fitted-q", "bcq", "stopping"])
def test_it_learns_what_separates_the_classes(method, course, tmp_path):
    heard: list = []
    trained = Run(TASK, method, 0, tmp_path).train(course, heard.append)
    last = trained.curve[-1]
    assert (last.updates, last.held.sessions, last.held.accuracy) == (method.length, 8, 1.0)
    assert last.held.mean_reward > 0
    assert [one for one in heard if isinstance(one, Point)] == list(trained.curve)
    assert len(trained.curve) >= min(POINTS, method.length)
    assert any(isinstance(one, Step) for one in heard)


@pytest.mark.parametrize(
    "method",
    [FITTED._replace(iterations=3), SMALL._replace(updates=10), STOPPING],
    ids=["fitted-q", "bcq", "stopping"],
)
def test_the_same_arguments_give_the_same_bytes_and_another_seed_gives_others(method, course, tmp_path):
    first, again, other = (
        Run(TASK, method, seed, tmp_path / folder).train(course, lambda _: None)
        for seed, folder in ((0, "first"), (0, "again"), (1, "other"))
    )
    assert weights(first) == weights(again)
    assert first.curve == again.curve
    assert weights(first) != weights(other)


class Killed(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize(("points", "updates"), [(1, 40), (7, 40), (POINTS, 40), (POINTS, 210)])
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(points, updates, course, tmp_path):
    method, reached = SMALL._replace(updates=updates), 0

    def cut(heard):
        nonlocal reached
        reached += isinstance(heard, Point)
        if reached == points:
            raise Killed

    with pytest.raises(Killed):
        Run(TASK, method, 0, tmp_path / "cut").train(course, cut)
    resumed = Run(TASK, method, 0, tmp_path / "cut").train(course, lambda _: None)
    whole = Run(TASK, method, 0, tmp_path / "whole").train(course, lambda _: None)
    assert weights(resumed) == weights(whole)
    assert resumed.curve == whole.curve
    assert all(point.loss > 0 for point in whole.curve)


def test_nothing_is_gone_on_with_that_was_made_of_something_else_or_is_longer(course, tmp_path):
    method = SMALL._replace(updates=20)
    Run(TASK, method, 0, tmp_path).train(course, lambda _: None)
    dearer = TASK._replace(weights=replace(TASK.weights, wrong_verdict=9.0))
    others = [
        (TASK, method, of_samples(SAMPLES[4:], TASK, seed=0), "other experiences"),
        (TASK, method, course._replace(held=course.held[1:]), "other sessions"),
        (dearer, method, of_samples(SAMPLES, dearer, seed=0), "other experiences"),
        (TASK, method._replace(annealed=False), course, "Move it away"),
        (TASK, method._replace(settings=LIVE), course, "Settings"),
        (TASK, method._replace(updates=19), course, "20 updates are done, more than 19"),
    ]
    for task, other, learned, says in others:
        with pytest.raises(OtherTraining, match=f"{tmp_path}.*{says}"):
            Run(task, other, 0, tmp_path).train(learned, lambda _: None)
    assert Run(TASK, method._replace(updates=21), 0, tmp_path).train(course, lambda _: None).curve[-1].updates == 21


def test_a_finished_training_is_not_begun_again(course, tmp_path):
    method = SMALL._replace(updates=10)
    first = Run(TASK, method, 0, tmp_path).train(course, lambda _: None)
    heard: list = []
    assert weights(Run(TASK, method, 0, tmp_path).train(course, heard.append)) == weights(first)
    assert heard == []


def test_the_rate_of_an_annealed_training_falls_to_nothing(course, tmp_path):
    settled = Run(TASK, SMALL._replace(updates=10), 0, tmp_path).train(course, lambda _: None)
    restless = Run(TASK, SMALL._replace(updates=10, annealed=False), 0, tmp_path / "r").train(course, lambda _: None)
    assert weights(settled) != weights(restless)


def test_fitted_q_does_not_learn_from_a_log(course, tmp_path):
    with pytest.raises(CannotLearn, match="what every choice leads to"):
        Run(TASK, FITTED, 0, tmp_path).train(logged(course), lambda _: None)


def test_stopping_does_not_learn_from_a_log(course, tmp_path):
    with pytest.raises(CannotLearn, match="needs sessions to their ends"):
        Run(TASK, Stopping(), 0, tmp_path).train(logged(course), lambda _: None)


def logged(course: Course, rows: int = 1000) -> Course:
    """The first experiences, as of a log."""
    assert isinstance(course.learned, Traces)
    return course._replace(learned=every_choice(course.learned.table, TASK.gamma).select(slice(rows)))


def test_less_than_a_batch_is_too_little(course, tmp_path):
    with pytest.raises(CannotLearn, match="63 experiences are fewer than the batch of 64"):
        Run(TASK, SMALL, 0, tmp_path).train(logged(course, 63), lambda _: None)


def test_one_artifact_of_a_class_is_too_few():
    with pytest.raises(TooFew):
        of_samples([s for s in SAMPLES if not s.malicious] + [SAMPLES[1]], TASK, seed=0)


def test_artifacts_are_on_one_side(course):
    assert course.sessions + len(course.held) == len(SAMPLES)
    assert len(course.held) == 8


def test_methods_have_names_and_last_as_long_as_asked():
    assert lasting("dqn", 0, 0.05) == Method(PLAIN, 10_000)
    assert lasting("dqn", 7, 0.05).length == lasting("fitted-q", 7, 0.05).length == 7
    assert lasting("stopping", 0, 0.1) == Stopping(fpr=0.1)
    with pytest.raises(CannotLearn, match=f"there are {', '.join(METHODS)}"):
        lasting("sarsa", 0, 0.05)
    with pytest.raises(CannotLearn, match="stopping has no updates"):
        lasting("stopping", 7, 0.05)


def test_figures_are_plain_and_can_be_drawn(course, tmp_path):
    trained = [
        Run(TASK, FITTED._replace(iterations=4), seed, tmp_path).train(course, lambda _: None) for seed in (0, 1)
    ]
    found = json.loads(json.dumps(plain(trained), allow_nan=False))
    assert found["seeds"] == 2
    counts = found["confusion"]
    assert {truth: sum(row.values()) for truth, row in counts.items()} == {"malicious": 8, "benign": 8}
    stopped = found["stopped_by_second"]["malicious"]
    assert all(low <= mean <= high for low, mean, high in zip(*stopped.values(), strict=True))
    assert stopped["mean"][-1] == counts["malicious"]["stopped"] / 8
    shares = zip(*found["actions_by_window"].values(), strict=True)
    assert all(sum(window) == pytest.approx(1, abs=1e-3) for window in shares)
    for name, svg in drawn(found).items():
        assert name.endswith(".svg")
        assert svg.startswith("<svg ")
        assert "nan" not in svg
