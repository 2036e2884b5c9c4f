"""Does a phase fit the memory? Asked before it begins."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from layerwise.errors import ResourceError
from layerwise.memory import free_memory
from layerwise.models.base import Autoencoder, Pass

__all__ = ["check_memory", "memory_needed", "multiplications"]

# Of each output of a layer: before and after its activation, noise, and the gradients of these.
ACTIVATIONS = 6
# Of each weight: gradient, two moments, an average; and all but the gradient again in the state to roll back to.
TRAINED = 7
# Of the whole model: the best weights, and both again in the state to roll back to.
KEPT = 3


@torch.no_grad()
def multiplications(part: Autoencoder, row: Callable[[], Tensor]) -> int:
    """Those of one row on its way through a part, about.

    Arguments:
        part: what is trained.
        row: gives one row; not asked where each weight is used once.

    >>> from layerwise.models import Dense, UNet
    >>> multiplications(Dense(4, code=2), lambda: torch.rand(1, 4))
    22
    >>> multiplications(UNet(1, (1,)), lambda: torch.rand(1, 1, 9, 9))
    2916
    """
    weights = list(part.parameters())
    if all(weight.dim() <= 2 for weight in weights):
        return sum(weight.numel() for weight in weights)
    training = part.training
    part.eval()
    with FlopCounterMode(display=False) as counter:
        part(row())
    part.train(training)
    return int(counter.get_total_flops()) // 2


def memory_needed(model: Autoencoder, part: Autoencoder, run: Pass) -> tuple[int, int]:
    """The bytes that training a part takes beside the model, and those for each row of a batch; both about.

    Arguments:
        model: the whole.
        part: what is trained.
        run: a pass of one row.
    """
    whole = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    trained = sum(p.numel() * p.element_size() for p in part.parameters() if p.requires_grad)
    # The decoder's hidden layers are not in the pass; they mirror the encoder's.
    outputs = [run.input, run.code, run.reconstruction, run.natural, *run.hidden, *run.hidden]
    return TRAINED * trained + KEPT * whole, ACTIVATIONS * sum(z.numel() * z.element_size() for z in outputs)


def check_memory(name: str, needed: tuple[int, int], batch_size: int, device: torch.device) -> None:
    """Refuse a phase that does not fit the memory which is free on its device.

    Raises:
        ResourceError: names what is needed, what is free, and a batch size that would fit.

    >>> check_memory("train", (1000, 10), 32, torch.device("cpu"))
    """
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    fixed, row = needed
    if free is None or fixed + row * batch_size <= free:
        return
    fitting = math.floor((free - fixed) / row)
    needed_gb = (fixed + row * batch_size) / 1e9
    told = f"phase {name!r} needs about {needed_gb:,.1f} GB of memory; {free / 1e9:,.1f} GB are free"
    if fitting < 1:
        raise ResourceError(f"{told}. Its weights alone do not fit: use fewer or narrower layers.")
    raise ResourceError(f"{told}. A batch size of {fitting} would fit (batch_size={fitting}, --batch-size {fitting}).")
