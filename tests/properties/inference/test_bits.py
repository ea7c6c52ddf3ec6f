"""The laws of ranking: a row's bits do not depend on its company, and the rules always have a finite answer."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.domain.action import Action
from drlactors.domain.features import FEATURES, FeatureSchema
from drlactors.inference import OnnxPolicy, RulePolicy, load_model
from tests.unit.inference.models import SCHEMA, UNSIGNED, sound
from tests.unit.learner.stopped import policy as stopping
from tests.unit.learner.stopped import written

KINDS = ((64, 64), (256, 256), (300, 129), (), "trees")


@lru_cache
def policy(kind: tuple[int, ...] | str) -> OnnxPolicy:
    """A network with such layers, or trees."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = sound(folder, kind, seed=7) if isinstance(kind, tuple) else written(folder, stopping())
        return load_model(file, SCHEMA, UNSIGNED)


def alone(ranker, vectors):
    return np.concatenate([ranker.rank(vectors[at : at + 1]) for at in range(len(vectors))])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_batches_of_1_to_300_give_each_row_the_bits_that_it_has_alone(kind):
    vectors = np.random.default_rng(11).random((300, 30), dtype=np.float32)
    expected = alone(policy(kind), vectors)
    for rows in range(1, 301):
        assert policy(kind).rank(vectors[:rows]).tobytes() == expected[:rows].tobytes(), rows


@settings(max_examples=200)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 70),
    sparse=st.floats(0, 1),
    order=st.randoms(use_true_random=False),
)
def test_a_row_has_the_same_bits_anywhere_in_any_batch(kind, seed, rows, sparse, order):
    dice = np.random.default_rng(seed)
    vectors = dice.random((rows, 30), dtype=np.float32) * (dice.random((rows, 30)) > sparse).astype(np.float32)
    places = list(range(rows))
    order.shuffle(places)
    ranker = policy(kind)
    shuffled = np.empty((rows, 5), dtype=np.float32)
    shuffled[places] = ranker.rank(vectors[places])
    assert shuffled.tobytes() == alone(ranker, vectors).tobytes()


@settings(max_examples=100)
@given(rows=st.integers(1, 40), stride=st.integers(2, 3), seed=st.integers(0, 1000))
def test_the_layout_of_the_vectors_in_memory_changes_nothing(rows, stride, seed):
    wide = np.random.default_rng(seed).random((rows, 30 * stride), dtype=np.float32)
    strided = wide[:, ::stride]
    ranker = policy((64, 64))
    expected = ranker.rank(np.ascontiguousarray(strided)).tobytes()
    assert ranker.rank(strided).tobytes() == ranker.rank(np.asfortranarray(strided)).tobytes() == expected


@settings(max_examples=150)
@given(
    names=st.lists(st.sampled_from(sorted(FEATURES)), min_size=1, max_size=31, unique=True),
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 40),
)
def test_the_rules_rank_any_schema_finitely_and_row_by_row(names, seed, rows):
    vectors = np.random.default_rng(seed).random((rows, len(names)), dtype=np.float32)
    ranker = RulePolicy(FeatureSchema(tuple(names)))
    values = ranker.rank(vectors)
    assert values.shape == (rows, 5)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert values.tobytes() == alone(ranker, vectors).tobytes()


@settings(max_examples=100)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32 - 1), action=st.sampled_from(Action))
def test_a_rationale_names_at_most_three_different_things_that_exist(kind, seed, action):
    vector = np.random.default_rng(seed).random((1, 30), dtype=np.float32)
    by_model = policy(kind).because(vector, action)
    assert set(by_model) <= set(SCHEMA.names)
    for reasons in (by_model, RulePolicy(SCHEMA).because(vector, action)):
        assert len(reasons) == len(set(reasons)) <= 3
    assert by_model == policy(kind).because(vector, action)
