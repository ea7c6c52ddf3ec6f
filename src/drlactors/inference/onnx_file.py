"""Reads of an ONNX file what has to be known before it is trusted, without loading it.

ONNX Runtime loads weights from other files when a model says so, and a checksum of the model does not cover them. It
does not tell the opset either. The wire format of protobuf is simple enough to look; numbers are those of onnx.proto3.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MODEL_GRAPH, _MODEL_OPSET, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 20, 25
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14

#: The one operator that is not ONNX's own, and its domain.
TREES_DOMAIN, TREES = "ai.onnx.ml", b"TreeEnsemble"

#: Whole numbers of an attribute, field 8, one by one. Nothing is refused for them, and trees have a million: read in
#: Python they would keep the interpreter for seconds.
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}+[\x00-\x7f])++")

Field = tuple[int, int | bytes]  # number, value


class Facts(NamedTuple):
    opsets: dict[str, int]  # version by domain; "" is ONNX itself
    refused: tuple[str, ...]  # what no model of ours may contain


def read(content: bytes) -> Facts:
    """The facts of a serialised ModelProto. Raises ValueError when it is none."""
    opsets: dict[str, int] = {}
    refused: list[str] = []
    for number, value in _fields(content):
        if number == _MODEL_OPSET:
            opset = dict(_fields(_bytes(value)))
            opsets[_bytes(opset.get(_OPSET_DOMAIN, b"")).decode()] = int(opset.get(_OPSET_VERSION, 0))
        elif number == _MODEL_GRAPH:
            refused += _refused(_bytes(value))
        elif number in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            refused.append("functions of its own")
    return Facts(opsets, tuple(dict.fromkeys(refused)))


def _refused(graph: bytes) -> Iterator[str]:
    for number, value in _fields(graph):
        if number == _GRAPH_INITIALIZER:
            yield from _external(_bytes(value))
        elif number == _GRAPH_SPARSE:
            yield "sparse weights"
        elif number == _GRAPH_NODE:
            yield from _refused_node(list(_fields(_bytes(value))))


def _refused_node(node: list[Field]) -> Iterator[str]:
    named = {number: _bytes(value) for number, value in node if number in (_NODE_OPERATOR, _NODE_DOMAIN)}
    if named.get(_NODE_DOMAIN) and named.get(_NODE_OPERATOR) != TREES:
        yield f"the operator {named.get(_NODE_OPERATOR, b'').decode(errors='replace')}"
    for number, attribute in node:
        if number == _NODE_ATTRIBUTE:
            yield from _refused_attribute(_bytes(attribute))


def _refused_attribute(attribute: bytes) -> Iterator[str]:
    for number, value in _fields(attribute):
        if number in _ATTRIBUTE_TENSORS:
            yield from _external(_bytes(value))
        elif number in _ATTRIBUTE_GRAPHS:
            yield "graphs within nodes"
        elif number in _ATTRIBUTE_SPARSE:
            yield "sparse weights"


def _external(tensor: bytes) -> Iterator[str]:
    if any(number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value) for number, value in _fields(tensor)):
        yield "weights in another file"


def _fields(message: bytes) -> Iterator[Field]:
    at = 0
    while at < len(message):
        if numbers := _NUMBERS.match(message, at):
            at = numbers.end()
            continue
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        if at + size > len(message):
            raise ValueError(f"field {number} is cut off")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a number is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is too long")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a message stands where none belongs")
    return value
