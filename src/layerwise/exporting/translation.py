"""From a graph of torch modules to an ONNX model, in one piece."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from layerwise import __version__
from layerwise.errors import InputError
from layerwise.exporting.ports import Graph, Port

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["hushed", "translated"]

# What these tell is of use to those who write exporters; the last one would tell what is strange about made-up rows.
CHATTY = ("torch", "onnxscript", "onnx_ir", "layerwise.data")
# The operators of levels, and their version.
ML, ML_VERSION = "ai.onnx.ml", 4
MOST_BYTES = 2**31 - 1
CODES = ".codes"


@contextmanager
def hushed() -> Iterator[None]:
    """Without the remarks of the libraries at work."""
    loggers = [logging.getLogger(name) for name in CHATTY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def translated(graph: Graph, *, name: str) -> "ModelProto":
    """The graph as an ONNX model, with all that its user must know as metadata.

    Arguments:
        graph: on the processor, in evaluation.
        name: of what it does.

    Raises:
        InputError: for a model that is too large for one file, or an operator that ONNX does not have.
    """
    import onnx

    # Parts of a graph may share their numbers.
    held = sum({tensor.data_ptr(): tensor.nbytes for tensor in graph.state_dict().values()}.values())
    if held > MOST_BYTES:
        raise InputError(
            f"{name} cannot be exported: an ONNX file holds at most 2 GiB, and its numbers are {held:,} bytes."
        )
    try:
        proto = _traced(graph)
    except RuntimeError as error:
        raise InputError(f"{name} cannot be exported: {_reason(error)}") from error
    before, after = [], []
    for port in graph.inputs:
        before += _from_texts(port) if port.levels else []
    for port in graph.outputs:
        after += _to_texts(port) if port.levels else []
    for part in (proto.graph, *proto.graph.node, *proto.graph.initializer):
        # Where in whose files each operator came from.
        del part.metadata_props[:]
    nodes = [*before, *proto.graph.node, *after]
    for field, ports in ((proto.graph.input, graph.inputs), (proto.graph.output, graph.outputs)):
        del field[:]
        field.extend(onnx.helper.make_tensor_value_info(port.name, _type(port), port.dims) for port in ports)
    del proto.graph.node[:], proto.graph.value_info[:]
    proto.graph.node.extend(nodes)
    if before or after:
        proto.opset_import.append(onnx.helper.make_opsetid(ML, ML_VERSION))
    proto.graph.name, proto.producer_name, proto.producer_version = name, "layerwise", __version__
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in graph.about().items()}
    onnx.helper.set_model_props(proto, {"layerwise": __version__, "estimator": name, **texts})
    return proto


def _traced(graph: Graph) -> "ModelProto":
    """The graph as torch translates it; texts are the numbers of their levels."""
    example = tuple(_example(port, graph) for port in graph.inputs)
    dynamic = tuple(
        {axis: torch.export.Dim.DYNAMIC for axis, dim in enumerate(port.dims) if isinstance(dim, str)}
        for port in graph.inputs
    )
    program = torch.export.export(graph, example, dynamic_shapes=(dynamic,), strict=False)
    if graph.instead:
        program = program.run_decompositions(dict(graph.instead))
    found = torch.onnx.export(
        program,
        dynamo=True,
        input_names=[_inner(port) for port in graph.inputs],
        output_names=[_inner(port) for port in graph.outputs],
        verbose=False,
    )
    assert found is not None
    return found.model_proto


def _example(port: Port, graph: Graph) -> Tensor:
    return torch.zeros([graph.sizes[dim] if isinstance(dim, str) else dim for dim in port.dims], dtype=port.dtype)


def _inner(port: Port) -> str:
    """The name of a port among the tensors of torch."""
    return port.name + CODES if port.levels else port.name


def _type(port: Port) -> int:
    import onnx

    kinds = {
        torch.float32: onnx.TensorProto.FLOAT,
        torch.float64: onnx.TensorProto.DOUBLE,
        torch.int64: onnx.TensorProto.INT64,
        torch.uint8: onnx.TensorProto.UINT8,
        torch.int8: onnx.TensorProto.INT8,
        torch.bool: onnx.TensorProto.BOOL,
    }
    return int(onnx.TensorProto.STRING if port.levels else kinds[port.dtype])


def _from_texts(port: Port) -> list["NodeProto"]:
    """Texts to the numbers of their levels: -1 for the empty text, their count for others."""
    import onnx

    nodes, codes = [], []
    for place, levels in enumerate(port.levels):
        one, code = f"{port.name}.{place}", f"{port.name}{CODES}.{place}"
        numbers = {"": -1} | {text: number for number, text in enumerate(levels)}
        nodes += [
            *_picked(port.name, one, place),
            onnx.helper.make_node(
                "LabelEncoder",
                [one],
                [code],
                domain=ML,
                keys_strings=list(numbers),
                values_int64s=list(numbers.values()),
                default_int64=len(levels),
            ),
        ]
        codes.append(code)
    return [*nodes, onnx.helper.make_node("Concat", codes, [_inner(port)], axis=-1)]


def _to_texts(port: Port) -> list["NodeProto"]:
    """The numbers of levels to their texts, the empty one for -1; where texts are kept, only in place of empty ones."""
    import onnx

    if isinstance(port.dims[-1], str):
        return [_named(_inner(port), port.name, port.levels[0])]
    nodes, texts = [], []
    for place, levels in enumerate(port.levels):
        code, text = f"{_inner(port)}.{place}", f"{port.name}.{place}"
        nodes += [*_picked(_inner(port), code, place), _named(code, text, levels)]
        texts.append(text)
    if not port.keeps:
        return [*nodes, onnx.helper.make_node("Concat", texts, [port.name], axis=-1)]
    found, none, missing = (f"{port.name}.{part}" for part in ("found", "none", "missing"))
    return [
        *nodes,
        onnx.helper.make_node("Concat", texts, [found], axis=-1),
        onnx.helper.make_node("Constant", [], [none], value_int=-1),
        onnx.helper.make_node("Equal", [port.keeps + CODES, none], [missing]),
        onnx.helper.make_node("Where", [missing, found, port.keeps], [port.name]),
    ]


def _picked(tensor: str, name: str, place: int) -> list["NodeProto"]:
    """One column of a tensor, which stays a column."""
    import onnx

    constant = onnx.helper.make_node("Constant", [], [f"{name}.place"], value_ints=[place])
    return [constant, onnx.helper.make_node("Gather", [tensor, f"{name}.place"], [name], axis=-1)]


def _named(codes: str, texts: str, levels: tuple[str, ...]) -> "NodeProto":
    import onnx

    return onnx.helper.make_node(
        "LabelEncoder",
        [codes],
        [texts],
        domain=ML,
        keys_int64s=[*range(len(levels)), -1],
        values_strings=[*levels, ""],
        default_string="",
    )


def _reason(error: BaseException) -> str:
    """The first line of what lies behind an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
