"""The trainings that are disturbed: every optimizer, and every kind of noise, in a recipe of two phases."""

from collections.abc import Callable

from layerwise.corruptions import GaussianNoise, Masking
from layerwise.models import Autoencoder, Dense, Layer, Normalization, tanh
from layerwise.optim import HessianFree, Optimizer
from layerwise.runtime import Runtime
from layerwise.training import Block, Cosine, Objective, Phase, Recipe, TensorRows
from tests.cases import CPU, FEATURES, OPTIMIZERS, normal

Run = tuple[Autoencoder, TensorRows, TensorRows, Recipe, Runtime]


def run(optimizer: Optimizer, runtime: Runtime) -> Run:
    """Dropout, batch normalization, masking, noise, averaged weights; a layer first and then the whole."""
    noisy = Layer(tanh, dropout=0.3, normalization=Normalization.BATCH)
    quick = HessianFree(iterations=3) if isinstance(optimizer, HessianFree) else optimizer
    recipe = [
        Phase("layer", Objective(), quick, 4, view=Block(0), corruption=Masking(0.2), batch_size=8),
        Phase(
            "whole", Objective(), quick, 6, corruption=GaussianNoise(0.3), batch_size=6, schedule=Cosine(), average=0.9
        ),
    ]
    rows, validation = TensorRows(normal(40, FEATURES)), TensorRows(normal(9, FEATURES, seed=9))
    return Dense(FEATURES, (5, 4), code=2, layer=noisy, seed=1), rows, validation, recipe, runtime


RUNS: dict[str, Callable[[], Run]] = {
    f"{name}, {precision}": lambda optimizer=optimizer, runtime=runtime: run(optimizer, runtime)
    for name, optimizer in OPTIMIZERS.items()
    for precision, runtime in (("float32", CPU), ("bf16", Runtime("cpu", "bf16")))
}
