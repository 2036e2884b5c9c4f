"""One line a component: the laws in `tests/laws` hold for every one of them."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from layerwise.corruptions import Compose, Corruption, GaussianNoise, Masking, SaltAndPepper, SwapNoise
from layerwise.data import Batch, SentencePairs
from layerwise.models import (
    Activation,
    Convolutional,
    Dense,
    Gaussian,
    Glorot,
    He,
    Identity,
    Initializer,
    Inputs,
    Layer,
    LayerSequentialUnitVariance,
    Maxout,
    Normalization,
    Orthogonal,
    PictureAutoencoder,
    Predictor,
    PrincipalDirections,
    Recurrent,
    Residual,
    SegNet,
    SequenceModel,
    Sparse,
    TopK,
    Transformer,
    UNet,
    Variational,
    elu,
    gelu,
    identity,
    leaky_relu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from layerwise.optim import (
    EKFAC,
    KFAC,
    LBFGS,
    AdaptiveDamping,
    Backtracking,
    ConjugateGradient,
    FirstOrder,
    HessianFree,
    LevenbergMarquardt,
    Newton,
    Optimizer,
    RisingMomentum,
    SaddleFreeNewton,
    TrustRegionNewton,
)
from layerwise.penalties import (
    L1,
    Contraction,
    Discrete,
    Emphasized,
    Fidelity,
    HigherOrderContraction,
    KLSparsity,
    MixedFidelity,
    Penalty,
    Revival,
    SoftmaxCrossEntropy,
    WeightDecay,
    clipped_squared_error,
    cross_entropy,
    partial_error,
    prediction_error,
    reverse_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from layerwise.runtime import Runtime
from layerwise.training import Block, Constant, Cosine, OneCycle, StepDecay, Upto, View, Whole

FEATURES = 6
CPU = Runtime("cpu", "float32")  # Whatever else the machine could compute with.


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64).to(dtype)


def uniform(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64).to(dtype)


def rows_with_holes(rows: int = 7, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Batch:
    """Values in [0, 1], some missing; a hole takes all features of one of the columns of `COLUMNS`."""
    widths = torch.tensor([stop - start for start, stop in COLUMNS])
    observed = (uniform(rows, len(COLUMNS), seed=seed + 1) > 0.3).repeat_interleave(widths, 1)
    return Batch(uniform(rows, FEATURES, seed=seed, dtype=dtype) * observed, observed)


def bounded(seed: int) -> Dense:
    """Reconstructions clipped to a range which some of them leave."""
    model = Dense(FEATURES, (4,), code=2, layer=TANH, seed=seed)
    assert model.bounds is not None
    model.bounds.set(torch.full((FEATURES,), -0.2), torch.full((FEATURES,), 0.3))
    return model


# Columns as the mixed fidelity sees them: one yes/no, one of two categories and "other", two numbers.
COLUMNS = [(0, 1), (1, 4), (4, 5), (5, 6)]
YES_NO = Discrete(0, 1, center=(0.4,), scale=0.49, entropy=0.673)
CATEGORIES = Discrete(1, 4, center=(0.7, 0.3, 0.0), scale=0.65, entropy=0.611)

TANH = Layer(activation=tanh)
SIGMOID = Layer(activation=sigmoid)

ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "silu": silu,
    "gelu": gelu,
    "softplus": softplus,
    "maxout:2": Maxout(2),
    "maxout:3": Maxout(3),
    "topk:3": TopK(3),
}

INITIALIZERS: dict[str, Initializer] = {
    "glorot": Glorot(),
    "he": He(),
    "orthogonal": Orthogonal(),
    "gaussian": Gaussian(0.3),
    "critical": Orthogonal(critical=True),
    "sparse": Sparse(2),
    "identity": Identity(0.1),
    "layer-sequential unit variance": LayerSequentialUnitVariance(),
    "principal directions": PrincipalDirections(),
}

# From the seed of the first weights.
MODELS: dict[str, Callable[[int], Dense]] = {
    "shallow": lambda seed: Dense(FEATURES, code=2, seed=seed),
    "under-complete": lambda seed: Dense(FEATURES, (4,), code=2, seed=seed),
    "over-complete": lambda seed: Dense(FEATURES, (7,), code=8, layer=TANH, seed=seed),
    "deep": lambda seed: Dense(FEATURES, (5, 4, 3), code=2, layer=TANH, seed=seed),
    "tied": lambda seed: Dense(FEATURES, (4,), code=2, layer=Layer(tanh, tied=True), seed=seed),
    "batch norm": lambda seed: Dense(
        FEATURES, (4,), code=2, layer=Layer(tanh, normalization=Normalization.BATCH), seed=seed
    ),
    "layer norm": lambda seed: Dense(
        FEATURES, (4,), code=2, layer=Layer(tanh, normalization=Normalization.LAYER), seed=seed
    ),
    "weight norm": lambda seed: Dense(
        FEATURES, (4,), code=2, layer=Layer(tanh, normalization=Normalization.WEIGHT), seed=seed
    ),
    "tied weight norm": lambda seed: Dense(
        FEATURES, (4, 3), code=2, layer=Layer(tanh, normalization=Normalization.WEIGHT, tied=True), seed=seed
    ),
    "dropout": lambda seed: Dense(FEATURES, (5, 4), code=2, layer=Layer(tanh, dropout=0.3), seed=seed),
    "linear path": lambda seed: Dense(FEATURES, (4,), code=2, layer=TANH, linear_path=True, seed=seed),
    "linear path, weight norm": lambda seed: Dense(
        FEATURES, (4,), code=2, layer=Layer(tanh, normalization=Normalization.WEIGHT), linear_path=True, seed=seed
    ),
    "embeddings": lambda seed: Dense(Inputs(FEATURES, ((1, 4, 2),)), (4,), code=2, layer=TANH, seed=seed),
    "tied embeddings": lambda seed: Dense(
        Inputs(FEATURES, ((1, 4, 2),)), (4,), code=2, layer=Layer(tanh, tied=True), seed=seed
    ),
    "bounded code": lambda seed: Dense(FEATURES, (4,), code=2, layer=TANH, code_activation=sigmoid, seed=seed),
    "sparse code": lambda seed: Dense(FEATURES, (4,), code=5, layer=TANH, code_activation=TopK(1), seed=seed),
    "sigmoid output": lambda seed: Dense(FEATURES, (4,), code=2, layer=SIGMOID, output=sigmoid, seed=seed),
    "bounds": bounded,
    **{
        name: lambda seed, activation=activation: Dense(FEATURES, (4,), code=2, layer=Layer(activation), seed=seed)
        for name, activation in ACTIVATIONS.items()
    },
}

VOCABULARY = 9

# Over tokens, from the seed of the first weights.
SEQUENCES: dict[str, Callable[[int], SequenceModel]] = {
    "recurrent": lambda seed: Recurrent(VOCABULARY, width=4, heads=2, dropout=0.0, seed=seed),
    "one recurrent layer": lambda seed: Recurrent(VOCABULARY, width=4, layers=1, heads=1, dropout=0.2, seed=seed),
    "recurrent autoencoder": lambda seed: Recurrent(VOCABULARY, width=4, heads=2, code=3, dropout=0.0, seed=seed),
    "transformer": lambda seed: Transformer(VOCABULARY, width=4, layers=2, heads=2, dropout=0.0, seed=seed),
    "one transformer layer": lambda seed: Transformer(VOCABULARY, width=4, layers=1, heads=1, dropout=0.2, seed=seed),
    "transformer autoencoder": lambda seed: Transformer(
        VOCABULARY, width=4, layers=1, heads=2, code=3, dropout=0.0, seed=seed
    ),
}
# Sentences of different lengths, each with the one that is written after it.
PAIRS = SentencePairs([[5, 6, 7], [8], [5, 3, 4, 4, 3], [6, 6]], [[3, 4], [5, 6, 7, 8], [8], [3, 3, 5]])

# Of pictures, from their shape and the seed of the first weights.
PICTURES: dict[str, Callable[..., PictureAutoencoder]] = {
    "pooled": partial(Convolutional, channels=(3, 2), activation=tanh),
    "pooled, sigmoid": partial(Convolutional, channels=(3,), output=sigmoid),
    "residual": partial(Residual, channels=(2, 3), code=4),
    "residual, no blocks": partial(Residual, channels=(3,), code=2, blocks=0, output=sigmoid),
    "residual, two blocks": partial(Residual, channels=(2,), code=3, blocks=2, activation=relu),
}

# From pictures to pictures, from the seed of the first weights.
MAPS: dict[str, Callable[..., SegNet | UNet]] = {
    "segnet": partial(SegNet, 2, (2, 3), outputs=3),
    "segnet, one convolution": partial(SegNet, 1, (4,), outputs=2, convolutions=1),
    "unet": partial(UNet, 2, (2, 3)),
    "unet, other outputs": partial(UNet, 1, (2, 2, 2), outputs=2, residual=False),
    "unet, one stage": partial(UNet, 3, (4,), blocks=2),
}

# With codes that are drawn, from the seed of the first weights.
VARIATIONAL: dict[str, Callable[..., Variational]] = {
    "shallow": partial(Variational, FEATURES, code=3),
    "deep": partial(Variational, FEATURES, (5, 4), code=2, layer=TANH),
    "binary": partial(Variational, FEATURES, (5,), code=2, output=sigmoid),
}

OUTPUTS = 3

# From the seed of the first weights.
PREDICTORS: dict[str, Callable[[int], Predictor]] = {
    "shallow": lambda seed: Predictor(FEATURES, (4,), outputs=OUTPUTS, layer=TANH, seed=seed),
    "deep": lambda seed: Predictor(FEATURES, (5, 4, 3), outputs=OUTPUTS, layer=TANH, seed=seed),
    "one output": lambda seed: Predictor(FEATURES, (5, 4), outputs=1, layer=SIGMOID, seed=seed),
    "dropout": lambda seed: Predictor(
        FEATURES, (5, 4), outputs=OUTPUTS, layer=Layer(tanh, dropout=0.3), input_dropout=0.2, seed=seed
    ),
    "embeddings": lambda seed: Predictor(
        Inputs(FEATURES, ((1, 4, 2),)), (5, 4), outputs=OUTPUTS, layer=TANH, input_dropout=0.2, seed=seed
    ),
    "top-k": lambda seed: Predictor(FEATURES, (5, 4), outputs=OUTPUTS, layer=Layer(TopK(3)), seed=seed),
    **{
        f"{kind.value} norm": lambda seed, kind=kind: Predictor(
            FEATURES, (5, 4), outputs=OUTPUTS, layer=Layer(tanh, normalization=kind), seed=seed
        )
        for kind in (Normalization.BATCH, Normalization.LAYER, Normalization.WEIGHT)
    },
}

# Of what is predicted, not of the row itself.
SUPERVISED: dict[str, Fidelity] = {
    "softmax cross entropy": softmax_cross_entropy,
    "smoothed softmax cross entropy": SoftmaxCrossEntropy(smoothing=0.2),
    "prediction error": prediction_error,
    "partial error": partial_error,
}


def targets(name: str, rows: int, *, outputs: int = OUTPUTS, dtype: torch.dtype = torch.float32) -> Tensor:
    """What a supervised fidelity compares with: class numbers, or numbers."""
    if "softmax" in name:
        return torch.randint(outputs, (rows,), generator=seeded(rows))
    y = normal(rows, outputs, seed=rows, dtype=dtype)
    # Some are not asked for, but of no row all.
    return torch.where(torch.eye(rows, outputs, dtype=torch.bool), torch.nan, y) if "partial" in name else y


FIDELITIES: dict[str, Fidelity] = {
    "squared error": squared_error,
    "clipped squared error": clipped_squared_error,
    "cross entropy": cross_entropy,
    "reverse cross entropy": reverse_cross_entropy,
    "mixed": MixedFidelity((YES_NO, CATEGORIES)),
    "emphasized": Emphasized(squared_error),
    "fully emphasized mixed": Emphasized(MixedFidelity((YES_NO, CATEGORIES)), others=0.0),
}

PENALTIES: dict[str, Penalty] = {
    "l1 of the code": L1(),
    "l1 of all layers": L1("all"),
    "l1 of alternate layers": L1("alternate"),
    "l1 of numbered layers": L1((1, 2)),
    "kl of the code": KLSparsity(0.1),
    "kl of alternate layers": KLSparsity(0.2, "alternate"),
    "weight decay": WeightDecay(),
    "contraction": Contraction(probes=2),
    "contraction by a probe": Contraction(),
    "higher-order contraction": HigherOrderContraction(0.3, samples=2),
    "revival": Revival(),
}

# Penalties that draw for each row: equal in another order only on average.
DRAWN = {"contraction by a probe", "higher-order contraction"}
# Penalties on what only some models have, or that batch statistics forbid.
FOR_TOP_K = {"revival"}
ASKING_TWICE = {"contraction", *DRAWN, *FOR_TOP_K}

# From the level.
CORRUPTIONS: dict[str, Callable[[float], Corruption]] = {
    "masking": Masking,
    "gaussian noise": GaussianNoise,
    "salt and pepper": SaltAndPepper,
    "swap noise": SwapNoise,
    "composed": lambda level: Compose(Masking(level), GaussianNoise(level)),
}

# With rates that solve a small problem in a few hundred steps.
OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": FirstOrder(torch.optim.SGD, lr=0.1),
    "SGD with momentum": FirstOrder(torch.optim.SGD, lr=0.03, momentum=0.9),
    "Nesterov": FirstOrder(torch.optim.SGD, lr=0.03, momentum=0.9, options={"nesterov": True}),
    "Adam": FirstOrder(torch.optim.Adam, lr=0.1),
    "fused Adam": FirstOrder(torch.optim.Adam, lr=0.1, options={"fused": True}),
    "AdamW": FirstOrder(torch.optim.AdamW, lr=0.1, weight_decay=1e-4),
    "clipped Adam": FirstOrder(torch.optim.Adam, lr=0.05, clip=1.0),
    "RMSprop": FirstOrder(torch.optim.RMSprop, lr=0.02),
    "Adagrad": FirstOrder(torch.optim.Adagrad, lr=0.2),
    "HessianFree": HessianFree(),
    "ConjugateGradient": ConjugateGradient(),
    "LBFGS": LBFGS(),
    "LevenbergMarquardt": LevenbergMarquardt(),
    "damped Newton": Newton(damping=AdaptiveDamping(1.0), search=Backtracking()),
    "TrustRegionNewton": TrustRegionNewton(),
    "SaddleFreeNewton": SaddleFreeNewton(),
    "SaddleFreeNewton in a subspace": SaddleFreeNewton(size=20, whole=0),
    "KFAC": KFAC(),
    "EKFAC": EKFAC(),
}

# With values at the beginning, at a quarter, at half and at the end.
SCHEDULES: dict[str, tuple[Callable[[float], float], tuple[float, float, float, float]]] = {
    "constant": (Constant(0.5), (0.5, 0.5, 0.5, 0.5)),
    "cosine": (Cosine(), (1.0, 0.8535534, 0.5, 0.0)),
    "cosine with warm-up": (Cosine(end=0.1, warmup=0.5), (0.0, 0.5, 1.0, 0.1)),
    "one cycle": (OneCycle(start=0.2, peak=0.5, end=0.1), (0.2, 0.6, 1.0, 0.1)),
    "rising momentum": (RisingMomentum(2000, last=100), (0.5, 1 - 0.5 / 3, 0.9, 0.9)),
    "step decay": (StepDecay((0.25, 0.5), 0.1), (1.0, 0.1, 0.01, 0.01)),
}

# Of a model with at least two encoder layers.
VIEWS: dict[str, View] = {
    "whole": Whole(),
    "first block": Block(0),
    "second block": Block(1),
    "up to the first layer": Upto(0),
    "up to the second layer": Upto(1),
}
