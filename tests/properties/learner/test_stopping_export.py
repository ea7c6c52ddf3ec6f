"""The exported trees take the branches that scikit-learn's take, and what serves stops what the report says."""

from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper

from drlactors.inference import load_model, onnx_file
from drlactors.learner import tree_graph
from drlactors.learner.evaluation import play
from drlactors.learner.export import ParityBroken, check_parity, to_onnx
from drlactors.learner.report.judging import FPRS, applied, rotate
from drlactors.learner.report.protocol import OURS, Data, among
from drlactors.learner.stopping import StoppingPolicy, Unseen
from drlactors.learner.traces import stops, traces
from drlactors.learner.tree_graph import Tree
from drlactors.sandboxes.recording import recordings
from tests.unit.inference.models import SCHEMA, UNSIGNED
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES
from tests.unit.learner.stopped import NOISY, OVER, policy, written
from tests.unit.learner.test_report import study

FEATURES = len(TASK.schema.names)
POLICIES = {
    "open": policy(),
    "level": policy(slope=0.0, threshold=-0.3),
    "with a horizon": policy(horizon_s=1.0, threshold=0.2),
}


def session(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


SESSIONS = {name: session(to_onnx(made)) for name, made in POLICIES.items()}


def served(name: str, vectors):
    (values,) = SESSIONS[name].run(None, {"state": vectors})
    return values


@pytest.mark.parametrize("name", POLICIES)
@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.just(FEATURES)), elements=st.floats(0, 1, width=32)))
@settings(max_examples=100)
def test_onnx_runtime_ranks_as_the_policy_does(name, vectors):
    np.testing.assert_allclose(served(name, vectors), POLICIES[name].rank(vectors), rtol=1e-6, atol=1e-6)


def around_thresholds() -> np.ndarray:
    """Rows of windows in which one feature is the float32 nearest to a threshold, or next to that."""
    rows = []
    vectors = OVER.vectors()
    evidence = POLICIES["open"].evidence
    every = [*tree_graph.forest(evidence.forest), *tree_graph.boosting(evidence.boosting)[0]]
    for number, tree in enumerate(every):
        for node in np.flatnonzero(tree.left >= 0)[:4]:
            nearest = np.float32(tree.threshold[node])
            for value in (np.nextafter(nearest, np.float32(-1)), nearest, np.nextafter(nearest, np.float32(2))):
                row = vectors[number % len(vectors)].copy()
                row[tree.feature[node]] = value
                rows.append(row)
    return np.array(rows)


def test_next_to_its_thresholds_it_ranks_as_the_policy_does():
    rows = around_thresholds()
    assert len(rows) > 1000
    np.testing.assert_allclose(served("open", rows), POLICIES["open"].rank(rows), rtol=1e-6, atol=1e-6)


@given(
    thresholds=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    nearby=st.integers(-1, 1),
    elsewhere=arrays(np.float32, 4, elements=st.floats(0, 1, width=32)),
)
@settings(max_examples=200, deadline=None)
def test_every_float32_takes_the_branch_that_its_float64_takes(thresholds, nearby, elsewhere):
    chain = list(pairwise([*sorted(thresholds), 2.0]))
    nearest = np.array([at for at, _ in chain], dtype=np.float32)
    tried = np.concatenate([np.nextafter(nearest, np.float32(nearby * 3)) if nearby else nearest, elsewhere])
    trees = [
        Tree(np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros(3, dtype=np.int64), np.full(3, at), leaves)
        for at, leaves in ((at, np.array([0.0, 1.0, 2.0])) for at, _ in chain)
    ]
    (found,) = session(alone(trees)).run(None, {"state": tried[:, None]})
    expected = sum((np.where(tried.astype(np.float64) <= at, 1.0, 2.0) for at, _ in chain), np.zeros(len(tried)))
    assert found.ravel().tolist() == expected.tolist()


def alone(trees: list[Tree]) -> bytes:
    nodes = [
        helper.make_node("Cast", ["state"], ["x"], to=TensorProto.DOUBLE),
        tree_graph.total(trees, "x", "sum"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("sum", TensorProto.DOUBLE, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(tree_graph.DOMAIN, tree_graph.OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def test_a_tree_that_is_one_leaf_is_that_leaf():
    none = np.zeros(1, dtype=np.int64)
    leaf = Tree(np.array([-1]), np.array([-1]), none, np.zeros(1), np.array([0.3]))
    split = Tree(
        np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros(3, dtype=np.int64), np.full(3, 0.5), np.array([0, 1, 2])
    )
    content, vectors = alone([leaf, split, leaf]), np.array([[0.4], [0.6]], dtype=np.float32)
    (found,) = session(content).run(None, {"state": vectors})
    assert found.ravel().tolist() == pytest.approx([1.6, 2.6])
    check_parity(content, vectors, found)


def test_the_same_trees_give_the_same_bytes_in_one_file():
    content = to_onnx(policy())
    assert content == to_onnx(policy())
    assert content != to_onnx(policy(seed=1))
    facts = onnx_file.read(content)
    assert facts.opsets == {"": 17, "ai.onnx.ml": 5}
    assert facts.refused == ()


def test_trees_that_give_other_values_are_refused():
    made = POLICIES["open"]
    vectors = OVER.vectors()[:20]
    check_parity(to_onnx(made), vectors, made.rank(vectors))
    model = onnx.load_from_string(to_onnx(made))
    (threshold,) = (one for one in model.graph.initializer if one.name == "threshold")
    threshold.raw_data = np.array(0.71).tobytes()
    with pytest.raises(ParityBroken, match=r"off by 0\.01"):
        check_parity(model.SerializeToString(), vectors, made.rank(vectors))


def test_metadata_says_that_it_is_no_network_and_what_was_chosen(tmp_path):
    made = POLICIES["with a horizon"]
    served_by = load_model(written(tmp_path, made), SCHEMA, UNSIGNED).metadata
    assert served_by.layers == ()
    assert served_by.hyperparameters["algorithm"] == "optimal stopping"
    chosen = {name: served_by.hyperparameters[name] for name in ("slope", "horizon_s", "threshold", "isolate_from")}
    assert chosen == {"slope": 1.0, "horizon_s": 1.0, "threshold": 0.2, "isolate_from": 0.1}
    assert load_model(written(tmp_path, policy()), SCHEMA, UNSIGNED).metadata.hyperparameters["horizon_s"] == "none"


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_serves_plays_sessions_as_the_one_that_was_learned(name, tmp_path):
    serving = load_model(written(tmp_path, POLICIES[name]), SCHEMA, UNSIGNED)
    ours, theirs = (play(rank, OVER.table, TASK.rules.reviews) for rank in (POLICIES[name].rank, serving.rank))
    assert ours.actions.tolist() == theirs.actions.tolist()
    assert len(np.unique(ours.actions)) > 2


def test_on_every_window_of_the_recordings_it_ranks_as_the_policy_does():
    samples = [one for one in recordings() if one.windows]
    over = traces([NOISY[0]._replace(windows=one.windows) for one in samples], TASK)
    vectors = over.vectors()
    assert len(vectors) > 6000
    np.testing.assert_allclose(served("open", vectors), POLICIES["open"].rank(vectors), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fpr", FPRS)
def test_what_serves_stops_the_sessions_that_the_report_says_in_the_same_windows(fpr, tmp_path):
    """The row "stopping policy" of a report is what training makes: its trees and boundary, exported and served."""
    judged = study(tuple(NOISY), count=2)
    data = Data.of(judged, 0)
    stopped = 0
    for one in rotate(judged, data, 0):
        boundary = one.boundaries[fpr][OURS]
        made = StoppingPolicy(one.fitted.evidence, TASK.schema, boundary, isolate=1e3)
        serving = load_model(written(tmp_path, made), SCHEMA, UNSIGNED)
        over = data.over.select(among(data.over, one.rotation.tested))
        expected = stops(applied(OURS, boundary, one.tested), 0.0)
        played = play(serving.rank, over.table, TASK.rules.reviews)
        ends = np.where(played.stopped, (played.actions >= 0).sum(axis=1) - 1, -1)
        assert ends.tolist() == expected.tolist()
        stopped += int((expected >= 0).sum())
    assert stopped


def test_the_report_and_training_choose_a_boundary_by_one_function(monkeypatch):
    chosen = []
    monkeypatch.setattr(Unseen, "boundary", lambda _, fpr: chosen.append(fpr))
    rotate(study(tuple(SAMPLES), count=2), Data.of(study(tuple(SAMPLES), count=2), 0), 0)
    assert set(chosen) == set(FPRS)
