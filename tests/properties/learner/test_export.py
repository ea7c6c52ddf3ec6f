"""The exported file gives the values of the trained network, to ONNX Runtime as to us, and is one file."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drlactors.domain.features import FeatureSchema
from drlactors.inference import onnx_file
from drlactors.learner.agent import PLAIN, Agent
from drlactors.learner.evaluation import Evaluation
from drlactors.learner.export import ParityBroken, check_parity, export, to_onnx
from drlactors.learner.network import Dueling, xavier

FEATURES = 30
KINDS = {
    "plain": PLAIN,
    "dueling": PLAIN._replace(dueling=True),
    "BCQ": PLAIN._replace(support=0.3),
    "dueling BCQ": PLAIN._replace(support=0.5, dueling=True),
    "linear": PLAIN._replace(hidden=()),
}
EVALUATION = Evaluation(
    sessions=10,
    accuracy=0.9,
    false_positive_rate=0.1,
    false_negative_rate=0.1,
    mean_decision_s=2.0,
    mean_reward=0.3,
    reviews=1,
)


def ranking(kind: str, seed: int = 0):
    """With biases that are not 0, as after training."""
    agent = Agent(KINDS[kind], FEATURES, seed=seed, device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in agent.tensors().items():
        if name.endswith("bias"):
            tensor.uniform_(-1, 1, generator=generator)
    return agent.ranking


SESSIONS = {
    kind: (ranking(kind), onnxruntime.InferenceSession(to_onnx(ranking(kind)), providers=["CPUExecutionProvider"]))
    for kind in KINDS
}


@pytest.mark.parametrize("kind", KINDS)
@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.just(FEATURES)), elements=st.floats(0, 1, width=32)))
@settings(max_examples=100)
def test_torch_and_onnx_runtime_agree(kind, vectors):
    trained, session = SESSIONS[kind]
    (served,) = session.run(None, {"state": vectors})
    np.testing.assert_allclose(served, trained.rank(vectors), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_network_gives_the_same_bytes_in_one_file(kind):
    content = to_onnx(ranking(kind))
    assert content == to_onnx(ranking(kind))
    assert content != to_onnx(ranking(kind, seed=1))
    facts = onnx_file.read(content)
    assert facts.opsets == {"": 17}
    assert facts.refused == ()


def test_a_folded_dueling_head_is_the_head():
    head = ranking("dueling").q[-1]
    assert isinstance(head, Dueling)
    hidden = torch.rand(50, 256)
    torch.testing.assert_close(head.folded()(hidden), head(hidden), rtol=1e-5, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_the_mean_advantage_changes_no_value(seed):
    generator = torch.Generator().manual_seed(seed)
    head = Dueling(8, 5, generator, xavier)
    hidden = torch.rand(3, 8, generator=generator)
    before = head(hidden)
    with torch.no_grad():
        head.advantage.bias.add_(3.0)
    torch.testing.assert_close(head(hidden), before, rtol=1e-4, atol=1e-5)


def exported(kind: str = "BCQ", loss: float = 0.01):
    return export(
        ranking(kind),
        FeatureSchema(),
        EVALUATION,
        version=3,
        date="2026-11-24T00:00:00+00:00",
        episodes=40,
        loss=loss,
        hyperparameters={},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_says_what_the_file_is(kind, tmp_path):
    made = exported(kind)
    assert made.metadata.layers == KINDS[kind].hidden
    assert made.metadata.output_dimension == 5
    assert made.metadata.accuracy == EVALUATION.accuracy
    made.write(tmp_path / "m.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == made.onnx


def test_what_cannot_stand_in_metadata_is_refused():
    with pytest.raises(ValueError, match="final_loss is nan"):
        exported(loss=float("nan"))


def test_a_graph_that_gives_other_values_is_refused():
    trained = ranking("plain")
    vectors = np.random.default_rng(0).random((64, FEATURES), dtype=np.float32)
    model = onnx.load_from_string(to_onnx(trained))
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    with pytest.raises(ParityBroken, match="off by"):
        check_parity(model.SerializeToString(), vectors, trained.rank(vectors))


def test_values_that_are_no_numbers_are_refused():
    trained = ranking("plain")
    vectors = np.zeros((1, FEATURES), dtype=np.float32)
    with pytest.raises(ParityBroken, match="nan"):
        check_parity(to_onnx(trained), vectors, np.full((1, 5), np.nan, dtype=np.float32))
