"""The Q-network: a small MLP in PyTorch, and the same as an ONNX file."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

#: Understood by ONNX Runtime since 2021; Gemm and Relu have not changed since opset 13 and 14.
OPSET, IR_VERSION = 17, 8


def network(inputs: int, hidden: tuple[int, ...], outputs: int, generator: torch.Generator) -> torch.nn.Sequential:
    """Linear layers with ReLU between them, started from He et al. 2015, equation 10."""
    layers: list[torch.nn.Module] = []
    for before, after in pairwise((inputs, *hidden, outputs)):
        linear = torch.nn.Linear(before, after)
        torch.nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu", generator=generator)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def to_onnx(trained: torch.nn.Sequential) -> bytes:
    """One file with its weights inside and a free number of rows; the same network gives the same bytes.

    ``torch.onnx.export`` is not used: by default it fixes the number of rows at 1 and writes weights to a second file.
    """
    nodes, weights, name = [], [], "state"
    linears = [layer for layer in trained if isinstance(layer, torch.nn.Linear)]
    for number, linear in enumerate(linears):
        last = number + 1 == len(linears)
        result = "values" if last else f"sum_{number}"
        weight = linear.weight.detach().numpy().T.copy()
        weights += [
            numpy_helper.from_array(weight, f"weight_{number}"),
            numpy_helper.from_array(linear.bias.detach().numpy(), f"bias_{number}"),
        ]
        nodes.append(helper.make_node("Gemm", [name, f"weight_{number}", f"bias_{number}"], [result]))
        if not last:
            name = f"hidden_{number}"
            nodes.append(helper.make_node("Relu", [result], [name]))
    graph = helper.make_graph(
        nodes,
        "q",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["windows", linears[0].in_features])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["windows", linears[-1].out_features])],
        weights,
    )
    model = helper.make_model(
        graph, producer_name="drlactors", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def one_thread() -> Iterator[None]:
    """The order of sums, and so their bits, depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
