"""Whether onnxruntime makes of an ONNX model what the estimator does."""

import numpy as np
import torch
from numpy.typing import NDArray

from layerwise.errors import InputError
from layerwise.exporting.ports import Graph

__all__ = ["check_same"]

# Of onnxruntime: tell errors alone.
ERRORS = 3


def check_same(content: bytes, graph: Graph, *, name: str) -> None:
    """Compare the outputs for all trials of a graph.

    Arguments:
        content: the ONNX model.
        graph: what it was made of.
        name: of the estimator.

    Raises:
        InputError: where onnxruntime cannot run the model, or gives something else.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = ERRORS, torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    # Its errors have no base of their own.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name} cannot be exported: onnxruntime cannot run the graph: {reason}") from error
    names = [port.name for port in graph.outputs]
    for trial in graph.trials():
        found = dict(zip(names, session.run(names, trial.feeds), strict=True))
        for output in names:
            wanted = np.asarray(trial.expected.found[output])
            if found[output].shape != wanted.shape:
                raise InputError(
                    f"{name} cannot be exported: {output} of the graph must have the shape {wanted.shape}, as the "
                    f"estimator's; found {found[output].shape}."
                )
            bad = _differs(found[output], wanted, trial.expected.allowed.get(output))
            bad &= ~np.asarray(trial.expected.undecided.get(output, False))
            if bad.any():
                place = tuple(int(i) for i in np.argwhere(bad)[0])
                raise InputError(
                    f"{name} cannot be exported: {output} of the graph must be what the estimator gives, "
                    f"{wanted[place]!r}; found {found[output][place]!r} at {place} of a batch of {len(wanted)}."
                )


def _differs(
    found: NDArray[np.generic], wanted: NDArray[np.generic], allowed: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    if allowed is None:
        return np.asarray(found.astype(object) != wanted.astype(object))
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore"):
        near = (np.abs(a - b) <= allowed) | (a == b) | (np.isnan(a) & np.isnan(b))
    return ~near
