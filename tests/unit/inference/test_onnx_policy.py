"""A model serves when all of it is as its metadata says; anything else is a PolicyError that names the file."""

from base64 import b64encode

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema
from drlactors.inference import fingerprint, load_model
from drlactors.ports.policy import PolicyError
from tests.unit.inference.models import SCHEMA, UNSIGNED, answered, graph, metadata, sound, write


def refused(path, says, schema=SCHEMA):
    with pytest.raises(PolicyError, match=says) as told:
        load_model(path, schema, UNSIGNED)
    assert str(path.parent) in str(told.value)


def test_a_sound_model_serves_from_its_file_or_its_folder(tmp_path):
    file = sound(tmp_path)
    by_file, by_folder = load_model(file, SCHEMA, UNSIGNED), load_model(tmp_path, SCHEMA, UNSIGNED)
    assert by_file.info == by_folder.info
    assert by_file.info.id == by_file.metadata.sha256
    assert by_file.info.path == str(file)
    assert by_file.rank(np.zeros((7, 30), dtype=np.float32)).shape == (7, 5)
    assert by_file.rank(np.zeros((0, 30), dtype=np.float32)).shape == (0, 5)


def test_every_changed_byte_is_noticed(tmp_path):
    file = sound(tmp_path)
    content = bytearray(file.read_bytes())
    for at in (0, len(content) // 2, len(content) - 1):
        content[at] ^= 1
        file.write_bytes(content)
        refused(file, "sha256")
        content[at] ^= 1


def test_no_model_no_metadata_and_no_choice_among_two_are_refused(tmp_path):
    refused(tmp_path / "missing.onnx", "missing.onnx: No such file")
    refused(tmp_path / "", r"holds 0 \.onnx files")
    file = sound(tmp_path)
    (tmp_path / "other.onnx").write_bytes(b"")
    refused(tmp_path / "", r"holds 2 \.onnx files")
    file.with_suffix(".json").unlink()
    refused(file, r"m0\.json: No such file")


def test_broken_metadata_is_refused(tmp_path):
    file = sound(tmp_path)
    file.with_suffix(".json").write_bytes(b"\xff\xfe")
    refused(file, r"m0\.json")
    file.with_suffix(".json").write_text("{}")
    refused(file, "version is missing")
    file.with_suffix(".json").write_text("[" * 100_000)
    refused(file, "recursion")


def test_a_model_for_other_features_is_refused(tmp_path):
    refused(sound(tmp_path), "feature schema", FeatureSchema(missing=0.5))


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(100), b"\xff" * 40])
def test_what_is_no_onnx_file_is_refused_though_its_checksum_is_right(tmp_path, content):
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    file.with_suffix(".json").write_text(metadata(content).to_json())
    refused(file, "m.onnx")


@pytest.mark.parametrize("kept", range(1, 12))
def test_a_file_cut_off_anywhere_is_refused_though_its_checksum_is_right(tmp_path, kept):
    content = graph().SerializeToString()
    content = content[: len(content) * kept // 12]
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    file.with_suffix(".json").write_text(metadata(content).to_json())
    refused(file, "m.onnx")


@pytest.mark.parametrize("name", [b"\x05state", b"\x07windows", b"\x02w0", b"\x04Gemm"])
def test_a_file_whose_names_are_no_text_is_refused_without_a_word_on_standard_output(tmp_path, capsys, name):
    content = graph().SerializeToString().replace(name, name[:-1] + b"\xff", 1)
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    file.with_suffix(".json").write_text(metadata(content).to_json())
    refused(file, "utf-8")
    assert capsys.readouterr().out == ""


def test_a_model_that_needs_more_memory_than_there_is_is_refused(tmp_path):
    model = graph()
    model.graph.node[-1].output[0] = "small"
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**40, 2**40]), "shape"))
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("Add", ["small", "zero"], ["values"]),
        ]
    )
    refused(write(tmp_path, model), "ConstantOfShape")


def test_weights_in_another_file_are_refused(tmp_path):
    model = graph()
    onnx.save_model(model, str(tmp_path / "x.onnx"), save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "x.onnx").unlink()
    refused(write(tmp_path, model), "weights in another file")


def test_weights_in_another_file_are_refused_in_a_constant_too(tmp_path):
    model = graph()
    tensor = numpy_helper.from_array(np.ones(5, dtype=np.float32), "c")
    tensor.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    refused(write(tmp_path, model), "weights in another file")


def test_graphs_within_nodes_are_refused(tmp_path):
    model = graph()
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["state"], ["c"], then_branch=inner, else_branch=inner))
    refused(write(tmp_path, model), "graphs within nodes")


def test_functions_and_other_domains_are_refused(tmp_path):
    model = graph()
    model.functions.append(helper.make_function("own", "f", ["a"], ["b"], [], [helper.make_opsetid("", 17)]))
    refused(write(tmp_path, model), "functions of its own")
    model = graph()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    refused(write(tmp_path, model), "opsets")


@pytest.mark.parametrize("version", [3, 4, 6])
def test_trees_of_another_version_are_refused(tmp_path, version):
    model = graph()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", version))
    refused(write(tmp_path, model), "opsets")


def test_trees_without_the_operators_of_onnx_are_refused(tmp_path):
    model = graph()
    model.opset_import[0].domain, model.opset_import[0].version = "ai.onnx.ml", 5
    refused(write(tmp_path, model), "opsets")


def test_of_the_domain_of_trees_nothing_else_is_taken(tmp_path):
    model = graph()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 5))
    model.graph.node.append(helper.make_node("Scaler", ["state"], ["more"], domain="ai.onnx.ml", scale=[1.0]))
    refused(write(tmp_path, model), "contains the operator Scaler")


def test_an_opset_from_before_or_after_our_time_is_refused(tmp_path):
    refused(write(tmp_path, graph(opset=11)), "opsets")
    refused(write(tmp_path, graph(opset=99)), "opsets")


def test_two_inputs_are_refused(tmp_path):
    model = graph()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    refused(write(tmp_path, model), "2 inputs")


def test_a_fixed_number_of_rows_is_refused(tmp_path):
    model = graph()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    refused(write(tmp_path, model), "state is tensor")


def test_another_width_than_the_metadata_says_is_refused(tmp_path):
    refused(write(tmp_path, graph(inputs=29)), "state is tensor")


def test_other_numbers_of_actions_are_refused(tmp_path):
    refused(
        write(tmp_path, graph(), output_dimension=4, probe_values=b64encode(bytes(64 * 4 * 4)).decode()), "4 actions"
    )


def test_other_answers_to_the_probe_are_refused(tmp_path):
    other = sound(tmp_path, seed=1)
    probe = load_model(other, SCHEMA, UNSIGNED).metadata.probe_values
    other.unlink()
    refused(write(tmp_path, graph(), probe_values=probe), "off by")


def test_a_model_that_answers_nan_is_refused(tmp_path):
    model = graph()
    model.graph.initializer[-1].CopyFrom(numpy_helper.from_array(np.full(5, np.nan, dtype=np.float32), "b2"))
    refused(write(tmp_path, model), "not finite")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_an_error(tmp_path, value):
    policy = load_model(sound(tmp_path), SCHEMA, UNSIGNED)
    vectors = np.zeros((20, 30), dtype=np.float32)
    vectors[17, 3] = value
    with pytest.raises(PolicyError, match="not finite"):
        policy.rank(vectors)


def test_an_overflowing_value_is_an_error(tmp_path):
    policy = load_model(sound(tmp_path), SCHEMA, UNSIGNED)
    with pytest.raises(PolicyError, match="not finite"):
        policy.rank(np.full((1, 30), 3e38, dtype=np.float32))


@pytest.mark.parametrize("shape", [(30,), (1, 29), (1, 1, 30)])
def test_a_vector_of_another_shape_is_an_error(tmp_path, shape):
    with pytest.raises(PolicyError, match="shape"):
        load_model(sound(tmp_path), SCHEMA, UNSIGNED).rank(np.zeros(shape, dtype=np.float32))


def linear(folder, weights):
    """A model whose value for ISOLATE is a weighted sum of features, and 0 for the other actions."""
    matrix = np.zeros((30, 5), dtype=np.float32)
    for name, weight in weights.items():
        matrix[SCHEMA.names.index(name), Action.ISOLATE] = weight
    model = graph(hidden=())
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(matrix, "w0"))
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros(5, dtype=np.float32), "b0"))
    return load_model(write(folder, model, probe_values=answered(model.SerializeToString())), SCHEMA, UNSIGNED)


def test_because_names_the_features_that_carry_the_value_strongest_first(tmp_path):
    policy = linear(
        tmp_path,
        {"cpu_usage": 1.0, "upload_ratio": 3.0, "elapsed": 2.0, "delete_ratio": 0.5, "memory_usage": -9.0},
    )
    assert policy.because(np.ones((1, 30), dtype=np.float32), Action.ISOLATE) == (
        "upload_ratio",
        "elapsed",
        "cpu_usage",
    )


def test_because_is_silent_where_nothing_carries_the_value(tmp_path):
    policy = linear(tmp_path, {"memory_usage": -9.0})
    assert policy.because(np.ones((1, 30), dtype=np.float32), Action.ISOLATE) == ()
    assert policy.because(np.ones((1, 30), dtype=np.float32), Action.TERMINATE) == ()


def test_the_fingerprint_names_what_bits_depend_on():
    text = fingerprint()
    assert text == fingerprint()
    assert "onnxruntime 1." in text
    assert "numpy 2." in text
    assert "16 rows a block" in text
