"""The library's optimizers for loops and models of your own."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.models.base import Autoencoder, Pass
from layerwise.optim.base import Optimizer, Problem, Terms, TermsFunction, trainable
from layerwise.randomness import key

__all__ = ["TorchOptimizer"]

Loss = Callable[[Tensor, Tensor], Tensor]


@final
class TorchOptimizer(torch.optim.Optimizer):
    """An optimizer of the library as one of `torch.optim`, for a loop of your own.

    A step needs the loss at many points, so that it takes the batch and no closure. The learning rate of its group
    scales the steps, and may be scheduled by `torch.optim.lr_scheduler`.

    Arguments:
        optimizer: for instance `HessianFree()`.
        model: an autoencoder of the library, or any module from one tensor to one tensor; noise inside such a module,
            like torch's dropout, is drawn anew at each point, which no line search can bear.
        objective: an `Objective` for the former; for either a function of output and target, mean over the rows.
            `KFAC` and `EKFAC` draw targets, and need an `Objective` for both: of a foreign module for instance
            `Objective(prediction_error)`, its mean squared error, or `Objective(softmax_cross_entropy)`.
        seed: of the noise inside the model, which is another one in each step.

    >>> from layerwise.optim import HessianFree
    >>> model = nn.Linear(3, 2)
    >>> optimizer = TorchOptimizer(HessianFree(), model, nn.functional.mse_loss)
    >>> x, y = torch.ones(4, 3), torch.zeros(4, 2)
    >>> first, second = (float(optimizer.step(x, y)) for _ in range(2))
    >>> second < first
    True
    """

    def __init__(
        self, optimizer: Optimizer, model: nn.Module, objective: TermsFunction | Loss, *, seed: int = 0
    ) -> None:
        super().__init__([*trainable(model).values()], {"lr": 1.0})
        self.part = model if isinstance(model, Autoencoder) else _Foreign(model)
        self.objective = objective if isinstance(objective, TermsFunction) else _Compared(objective)
        self.stepper = optimizer.start(self.part)
        self.seed, self.done = seed, 0

    def step(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Improve the loss on a batch; gives what it was before.

        Arguments:
            x: the rows.
            y: the target of each; without it the rows themselves.

        Raises:
            NonFinite: where a gradient or a product is not finite and the loss is; nothing is moved. `FirstOrder` does
                not look, and moves the weights as torch's own optimizers do.
        """
        problem = Problem(self.part, self.objective, Batch(x, None, y), noise=key(self.seed, self.done))
        terms = self.stepper.step(problem, rate=self.param_groups[0]["lr"])
        self.done += 1
        return torch.stack([term.reshape(()) for term in terms.values()]).sum()

    @property
    def fall_back(self) -> str:
        """Why the last step was not what the method asks for, in words; empty where it was."""
        return self.stepper.fall_back

    def __getstate__(self) -> dict[str, Any]:
        """With what torch does not know of, for copies."""
        own = {name: vars(self)[name] for name in ("part", "objective", "stepper", "seed", "done")}
        return {**super().__getstate__(), **own}

    def state_dict(self) -> dict[str, Any]:
        """The stepper's tensors, the number of steps, and the learning rate."""
        return {"stepper": self.stepper.state(), "done": self.done, "lr": self.param_groups[0]["lr"]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.stepper.restore(state_dict["stepper"])
        self.done, self.param_groups[0]["lr"] = state_dict["done"], state_dict["lr"]


@final
class _Foreign(Autoencoder):
    """Any module as a model: its output is code and reconstruction in one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def encode(self, x: Tensor) -> Tensor:
        found: Tensor = self.module(x)
        return found

    def decode(self, code: Tensor) -> Tensor:
        return code

    def forward(self, x: Tensor) -> Pass:
        output = self.encode(x)
        return Pass(x, output, output, (), output)


@final
class _Compared:
    """A function of output and target as an objective."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def terms(self, run: Pass, target: Batch, model: nn.Module, *, progress: float) -> Terms:
        return {"loss": self.loss(run.reconstruction, target.x if target.y is None else target.y)}
