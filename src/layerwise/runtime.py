"""Where and how numbers are computed: device, precision and the sum over processes."""

import contextlib
import copy
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError

__all__ = ["Precision", "Runtime", "doubled"]

Module = TypeVar("Module", bound=nn.Module)

Precision = Literal["auto", "float32", "bf16"]

# Below so many multiplications a thread waits for the others longer than it works, and oneDNN, which sets out for each
# product anew, is slower than MKL.
MULTIPLICATIONS_PER_THREAD = 20_000_000
# Of a product in float32, relative to its norm; bfloat16 is off by a thousandth.
EXACT = 1e-5


@final
@dataclass(frozen=True)
class Runtime:
    """The device and the arithmetic of one run; an ordinary value, never a global.

    Arguments:
        device: "auto" (CUDA, else Apple's MPS, else the processor) or any name that torch knows, like "cuda:1".
        precision: "bf16" computes the passes in bfloat16 and keeps float32 weights and sums; "auto" takes it
            where the processor multiplies bfloat16 natively (CUDA from Ampere on, AVX512-BF16, AMX), else "float32".

    Raises:
        InputError: for a device that is not there, or an unknown precision.

    >>> Runtime("cpu", "float32").torch_device
    device(type='cpu')
    """

    device: str = "auto"
    precision: Precision = "auto"
    processes: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "float32", "bf16"):
            raise InputError(f"precision must be 'auto', 'float32' or 'bf16'; got {self.precision!r}.")
        try:
            torch.empty(0, device=self.torch_device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"device {self.device!r} cannot be used here: {reason} Use 'auto' or 'cpu'.") from error

    @property
    def torch_device(self) -> torch.device:
        """The device that "auto" stands for on this machine."""
        if self.device != "auto":
            return torch.device(self.device)
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

    @property
    def mixed(self) -> bool:
        """Whether passes are computed in bfloat16."""
        if self.precision != "auto":
            return self.precision == "bf16"
        if self.torch_device.type == "cuda":
            return torch.cuda.get_device_capability(self.torch_device) >= (8, 0)
        # torch also *emulates* bfloat16 on older processors, several times slower than float32.
        return self.torch_device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()

    @property
    def ahead(self) -> int:
        """How many steps may be begun before the numbers of one are looked at; a GPU would else wait for each."""
        return 4 if self.torch_device.type == "cuda" else 0

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The context in which a forward pass is computed."""
        if not self.mixed:
            return contextlib.nullcontext()
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16)

    @contextlib.contextmanager
    def processor(self, multiplications: int) -> Iterator[None]:
        """Use the processor as suits a step of so many multiplications; undone at the end.

        No more threads than it feeds: small steps are slower with more of them, and many times slower where other
        programs use the processor too. Large matrices are multiplied by oneDNN where its float32 is exact, which on
        processors of AMD takes half the time of MKL.

        >>> with Runtime().processor(1000):
        ...     torch.get_num_threads()
        1
        """
        before, matmul = torch.get_num_threads(), _matmul()
        precision = matmul.fp32_precision
        large = multiplications >= MULTIPLICATIONS_PER_THREAD
        torch.set_num_threads(max(1, min(before, multiplications // MULTIPLICATIONS_PER_THREAD)))
        if large and precision == "none" and _exact_where_less_is_allowed():
            matmul.fp32_precision = "bf16"
        try:
            yield
        finally:
            torch.set_num_threads(before)
            matmul.fp32_precision = precision

    def sum(self, vector: Tensor) -> Tensor:
        """The sum of `vector` over all processes: the one collective, and the identity in a single process."""
        return vector


def _matmul() -> Any:
    """Torch's settings of products by oneDNN."""
    return torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


@functools.cache
def _exact_where_less_is_allowed() -> bool:
    """Whether products of float32 stay exact where torch may pass them to oneDNN, and round for it to bfloat16.

    That permission is the only way to oneDNN's products; processors with matrix units of bfloat16 make use of it.
    """
    matmul = _matmul()
    precision = matmul.fp32_precision
    a, b = torch.rand(2, 256, 256, generator=torch.Generator().manual_seed(0)) - 0.5
    try:
        matmul.fp32_precision = "bf16"
        found = torch.stack([a @ b, a.T @ b, a @ b.T]).double()
    finally:
        matmul.fp32_precision = precision
    c, d = a.double(), b.double()
    wanted = torch.stack([c @ d, c.T @ d, c @ d.T])
    return float((found - wanted).norm()) <= EXACT * float(wanted.norm())


def doubled(module: Module) -> Module:
    """A copy in float64, or in float32 on a device without it.

    >>> next(doubled(nn.Linear(1, 1)).parameters()).dtype
    torch.float64
    """
    device = next(module.parameters()).device
    return copy.deepcopy(module).to(torch.float32 if device.type == "mps" else torch.float64)
