"""The policy in charge always answers, whatever becomes of the model."""

from threading import Thread

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.inference import Serving
from drlactors.ports.policy import PolicyError, PolicyInfo

VECTORS = np.zeros((3, 2), dtype=np.float32)


class Time:
    def __init__(self):
        self.s = 100.0

    def now_us(self):
        return int(self.s * 1e6)

    def monotonic_s(self):
        return self.s


class Fixed:
    """Answers with its number, after a while, or not at all."""

    def __init__(self, name, number, time=None, takes_s=0.0, schema="f"):
        self.info = PolicyInfo(id=name, schema=schema, path=f"{name}.onnx")
        self.number, self.time, self.takes_s = number, time, takes_s
        self.broken = False

    def rank(self, vectors):
        if self.time is not None:
            self.time.s += self.takes_s
        if self.broken:
            raise PolicyError("broken")
        return np.full((len(vectors), 5), self.number, dtype=np.float32)

    def because(self, *_):
        if self.broken:
            raise PolicyError("broken")
        return (self.info.id,)


def serving(policy, time, **changed):
    settings = {"deadline_s": 0.01, "max_late": 3, "bench_s": 30.0, **changed}
    return Serving(policy, Fixed("rules", 0), clock=time, **settings)


def test_without_a_model_the_rules_answer():
    answer = serving(None, Time()).rank(VECTORS, 0.0)
    assert answer.policy == "rules"
    assert answer.values.shape == (3, 5)


def test_a_broken_answer_is_the_rules_one_and_the_model_is_asked_again():
    model = Fixed("a", 1)
    served = serving(model, Time())
    model.broken = True
    assert served.rank(VECTORS, 0.0).policy == "rules"
    model.broken = False
    assert served.rank(VECTORS, 0.0).policy == "a"
    assert (served.figures.errors, served.figures.by_rules, served.figures.by_model) == (1, 3, 3)


def test_a_late_answer_is_dropped():
    time = Time()
    model = Fixed("a", 1, time, takes_s=0.02)
    served = serving(model, time)
    answer = served.rank(VECTORS, 0.0)
    assert answer.policy == "rules"
    assert (answer.values == 0).all()
    assert answer.because(VECTORS[:1], Action.ISOLATE) == ("rules",)
    assert served.figures.late == 1


def test_after_three_late_answers_in_a_row_the_model_is_benched_for_a_while():
    time = Time()
    model = Fixed("a", 1, time, takes_s=0.02)
    served = serving(model, time)
    for _ in range(3):
        served.rank(VECTORS, 0.0)
    model.takes_s = 0.0
    assert served.info.id == "rules"
    assert served.rank(VECTORS, 0.0).policy == "rules"
    time.s += 30.0
    assert served.info.id == "a"
    assert served.rank(VECTORS, 0.0).policy == "a"
    assert served.figures.benched == 1


def test_an_answer_in_time_ends_the_row_of_late_ones():
    time = Time()
    model = Fixed("a", 1, time)
    served = serving(model, time)
    for takes_s in (0.02, 0.02, 0.0, 0.02, 0.02, 0.0):
        model.takes_s = takes_s
        served.rank(VECTORS, 0.0)
    assert served.info.id == "a"
    assert served.figures.benched == 0


def test_waiting_is_counted_and_not_held_against_the_model():
    served = serving(Fixed("a", 1), Time())
    assert served.rank(VECTORS, 5.0).policy == "a"
    assert served.figures.overdue == 1


def test_a_swapped_in_model_answers_from_then_on():
    served = serving(Fixed("a", 1), Time())
    served.swap(Fixed("b", 2))
    assert served.info.id == "b"
    assert served.rank(VECTORS, 0.0).policy == "b"


def test_a_new_model_is_not_benched_for_the_old_ones_lateness():
    time = Time()
    served = serving(Fixed("a", 1, time, takes_s=0.02), time, max_late=1)
    served.rank(VECTORS, 0.0)
    served.swap(Fixed("b", 2))
    assert served.rank(VECTORS, 0.0).policy == "b"


def test_a_model_for_other_features_never_serves():
    served = serving(Fixed("a", 1), Time())
    with pytest.raises(PolicyError, match="feature schema g"):
        served.swap(Fixed("b", 2, schema="g"))
    assert served.rank(VECTORS, 0.0).policy == "a"
    with pytest.raises(PolicyError, match="feature schema g"):
        serving(Fixed("b", 2, schema="g"), Time())


def test_a_rationale_comes_from_whoever_ranked_and_is_empty_where_that_fails():
    model = Fixed("a", 1)
    served = serving(model, Time())
    ranked = served.rank(VECTORS, 0.0)
    served.swap(Fixed("b", 2))
    served.rank(VECTORS, 0.0)
    assert ranked.because(VECTORS[:1], Action.ISOLATE) == ("a",)
    model.broken = True
    assert ranked.because(VECTORS[:1], Action.ISOLATE) == ()


def test_swaps_while_ranks_run_never_mix_two_models():
    served = serving(Fixed("1", 1), Time())
    models = [Fixed("1", 1), Fixed("2", 2)]
    wrong = []

    def ranks():
        for _ in range(3000):
            answer = served.rank(VECTORS, 0.0)
            if not (answer.values == float(answer.policy)).all():
                wrong.append(answer)

    threads = [Thread(target=ranks) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for model in models:
            served.swap(model)
    assert not wrong
