"""Does a code with as many units as the pictures have factors hold all of them?

    python -m experiments.known_factors [--quick] [--seeds 0 1]

Pictures of arms and of a square, drawn from two or three numbers, and nets whose code has exactly two or three units. A
net that is trained on all pictures at once may fold its map: places far apart in the factors get the same code, and no
step leads out of that. Beside it one that starts with the pictures around a single one, where the map is almost linear,
and is given more of them as it learns, outwards along the graph of neighbours. No factor is known to it.

Measured is how much of each factor a small net reads from the code, R2 on test pictures; angles as sine and cosine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from sklearn.decomposition import PCA
from sklearn.neighbors import kneighbors_graph
from sklearn.neural_network import MLPRegressor
from torch import Tensor

from experiments import study
from experiments.study import Row
from layerwise.data.datasets import Pictures, robot_arm_2d, robot_arm_3d, square_and_room
from layerwise.diagnostics import factor_recovery, mean_fidelity
from layerwise.models import Dense, Layer, silu
from layerwise.optim import FirstOrder
from layerwise.penalties import squared_error
from layerwise.training import Cosine, Objective, Phase, TensorRows

ALL, GROWING = "all at once", "growing"
COLOURS = {ALL: study.GREY, GROWING: study.BLUE}
WANTED = 0.97
TEST_ROWS, TEST_SEED = 4000, 1_000_000
READER = MLPRegressor(
    hidden_layer_sizes=(128, 128), learning_rate_init=3e-3, early_stopping=True, max_iter=150, random_state=0
)


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        rows: of the data set.
        hidden: widths of the encoder's hidden layers.
        components: of the smoothed pictures, which the net is given.
        first: share of the rows that it starts with.
        growth: by which it is given more, in each stage.
        least: steps of a stage, at least.
        epochs: of a stage, at least.
        last: epochs with all rows, in the end.
    """

    rows: int = 20_000
    hidden: tuple[int, ...] = (256, 256, 256)
    components: int = 64
    first: float = 0.01
    growth: float = 1.15
    least: int = 400
    epochs: int = 20
    last: int = 60


QUICK = Size(400, (32, 32), 16, 0.2, 2.0, 20, 1, 4)
BLUR = 1.0  # Pixels.
BATCH, RATE, NEIGHBOURS, STARTS = 128, 1e-3, 10, 100


def make(name: str, rows: int, seed: int) -> Pictures:
    """Pictures with their factors."""
    if name == "robot-arm-3d":
        return robot_arm_3d(rows, seed=seed)
    if name == "square-and-room":
        # Its place and its size.
        return square_and_room(rows, factors=3, seed=seed)
    return robot_arm_2d(rows, joints={"robot-arm-2d": 2, "robot-arm-2d-3": 3}[name], seed=seed)


DATA = "robot-arm-2d", "robot-arm-2d-3", "robot-arm-3d", "square-and-room"


class Job(NamedTuple):
    """One data set, one way, one seed."""

    data: str
    way: str
    seed: int
    size: Size


def smoothed(pictures: Pictures) -> NDArray[np.float32]:
    """Rows of blurred pictures, in which the way from one pose to the next is less bent."""
    images = pictures.images.astype(np.float32) / 255
    blurred: NDArray[np.float32] = gaussian_filter(images, (0, BLUR, BLUR), mode="constant")
    return blurred.reshape(len(images), -1)


def outwards(rows: Float[np.ndarray, "rows features"], factors: int) -> NDArray[np.intp]:
    """The rows by their distance from one of them along the graph of nearest neighbours.

    The one is among the most central fifth of some candidates, and there the one around which the rows spread the most
    evenly in as many directions as there are factors.
    """
    graph = csr_array(kneighbors_graph(rows, NEIGHBOURS, mode="distance"))
    starts = np.linspace(0, len(rows) - 1, min(STARTS, len(rows))).astype(int)
    lengths = dijkstra(graph, directed=False, indices=starts)
    # What is not connected comes last.
    lengths[np.isinf(lengths)] = lengths[np.isfinite(lengths)].max()
    central = lengths.mean(1)
    close = max(2 * factors, len(rows) // 100)
    spread = [np.linalg.eigvalsh(np.cov(rows[np.argsort(length)[:close]].T)) for length in lengths]
    evenness = np.array([values[-factors] / values[-1] for values in spread])
    chosen = np.where(central <= np.quantile(central, 0.2), evenness, -1).argmax()
    return np.argsort(lengths[chosen], kind="stable")


def stages(rows: int, size: Size) -> list[tuple[int, int]]:
    """How many rows and how many epochs each stage before the last one has."""
    found, share = [], size.first
    while share < 1:
        count = int(share * rows)
        found.append((count, max(size.epochs, size.least * BATCH // count)))
        share *= size.growth
    return found


def phase(epochs: int, *, whole: bool) -> Phase:
    """A stage; the rate falls in the last one alone."""
    adam = FirstOrder(torch.optim.AdamW, lr=RATE, weight_decay=0.01, options={"fused": True})
    if not whole:
        return Phase("grow", Objective(squared_error), adam, epochs, batch_size=BATCH)
    schedule = Cosine(warmup=0.02)
    return Phase("all", Objective(squared_error), adam, epochs, batch_size=BATCH, schedule=schedule, average=0.99)


def run(job: Job) -> Row:
    """Train and measure."""
    size = job.size
    training, test = make(job.data, size.rows, job.seed), make(job.data, min(size.rows, TEST_ROWS), TEST_SEED)
    principal = PCA(size.components, random_state=0).fit(smoothed(training))
    units, held_out = (principal.transform(smoothed(part)) for part in (training, test))
    scale = np.sqrt(principal.explained_variance_[:4].mean())
    rows, test_rows = (torch.from_numpy(part / scale).float() for part in (units, held_out))
    code = training.factors.shape[1]
    model = Dense(size.components, size.hidden, code=code, layer=Layer(silu), seed=job.seed)
    plan, seconds = stages(len(rows), size), 0.0
    if job.way == GROWING:
        ordered = rows[torch.from_numpy(outwards(rows.numpy(), code))]
        for count, epochs in plan:
            stage = TensorRows(ordered[:count])
            seconds += study.train(model, stage, [phase(epochs, whole=False)], seed=job.seed)
        last = size.last
    else:
        # As many steps.
        last = size.last + round(sum(count * epochs for count, epochs in plan) / len(rows))
    seconds += study.train(model, TensorRows(rows), [phase(last, whole=True)], seed=job.seed)
    return {
        "data": job.data,
        "way": job.way,
        "seed": job.seed,
        "units": code,
        "unexplained": float(mean_fidelity(model, TensorRows(test_rows), fidelity=squared_error) / rows.var(0).sum()),
        "seconds": seconds,
        **read(training, codes(model, rows), test, codes(model, test_rows)),
    }


def codes(model: Dense, rows: Tensor) -> NDArray[np.float32]:
    """The code of each row."""
    model.eval()
    with torch.no_grad():
        found: NDArray[np.float32] = torch.cat([model.encode(part) for part in rows.split(2000)]).numpy()
    return found


def read(training: Pictures, known: NDArray[Any], test: Pictures, hidden: NDArray[Any]) -> Row:
    """R2 of each factor, the worst one and all as text."""
    factors, names = training.targets()
    found = factor_recovery(
        known, factors, names=names, test_codes=hidden, test_factors=test.targets()[0], regressor=READER
    )
    return {"worst R2": min(found.values()), "R2": "; ".join(f"{name} {value:.4f}" for name, value in found.items())}


def conclusion(rows: Sequence[Row]) -> str:
    """Which codes hold all factors?"""
    words = []
    for way in COLOURS:
        some = [row for row in rows if row["way"] == way]
        held = [row for row in some if row["worst R2"] >= WANTED]
        least = {
            data: min(study.values_of(some, "worst R2", data=data))
            for data in dict.fromkeys(row["data"] for row in some)
        }
        told = ", ".join(f"{data} {value:.3f}" for data, value in least.items())
        words.append(
            f"trained {way}, {len(held)} of {len(some)} codes give R2 of at least {WANTED} for every factor; the worst "
            f"factor of the worst seed: {told}"
        )
    return f"**Of as many units as there are factors**: {'; '.join(words)}."


def figure(rows: Sequence[Row]) -> Figure:
    """R2 of every factor, on a scale on which the last percent can be seen."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    drawn, places = study.axes(len(names), width=3.6, height=3.6)
    for axis, data in zip(places, names, strict=True):
        some = [row for row in rows if row["data"] == data]
        factors = [part.rsplit(" ", 1)[0] for part in some[0]["R2"].split("; ")]
        for way, colour in COLOURS.items():
            for row in (row for row in some if row["way"] == way):
                values = [1 - float(part.rsplit(" ", 1)[1]) for part in row["R2"].split("; ")]
                places_of = np.arange(len(factors)) + (0.12 if way == GROWING else -0.12)
                axis.plot(places_of, values, "o", color=colour, label=way, markersize=4)
        axis.axhline(1 - WANTED, color=study.BLACK, linewidth=0.6)
        axis.set_yscale("log")
        axis.set_xticks(range(len(factors)), factors, rotation=60, ha="right")
        axis.set_title(data)
    places[0].set_ylabel("1 - R² (below the line: held)")
    handles = dict(zip(*reversed(places[0].get_legend_handles_labels()), strict=True))
    places[0].legend(handles.values(), handles.keys(), frameon=False)
    return drawn


def publish(rows: Sequence[Row], size: Size) -> None:
    """Write the page."""
    widths = "-".join(map(str, (size.components, *size.hidden)))
    study.publish(
        "known_factors",
        rows,
        figure(rows),
        title="Does a code with as many units as the pictures have factors hold all of them?",
        setting=(
            f"{size.rows} generated pictures of 28 x 28, blurred by a Gaussian of {BLUR} pixels and given as their "
            f"{size.components} principal components (over 99 % of their variance), all divided by one number; a net "
            f"of {widths} and a linear code, silu units, squared error, AdamW with rate {RATE} and batches of {BATCH}. "
            f"Growing: from {size.first:.0%} of the rows, by the factor {size.growth}, at least {size.epochs} epochs "
            f"and {size.least} steps each, then {size.last} epochs of all with a falling rate; all at once: as many "
            "passes over rows, for the first seed alone. The order is that of distances along the graph of "
            f"{NEIGHBOURS} nearest neighbours. "
            f"`unexplained`: the share of the test rows' variance that the reconstruction misses. R2: on "
            f"{TEST_ROWS} other pictures, by a net of 2 x 128 units that reads one code, fitted on the training rows. "
            "The square has its place and size as factors, the arms the angles of their joints. Seconds: of one thread."
        ),
        finding=conclusion(rows),
        shown=study.table(rows, ("data", "way"), ("units", "worst R2", "unexplained", "seconds")),
    )


def main(words: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    arguments = study.parse(__doc__, words, seeds=(0, 1))
    quick = arguments.quick
    size, names, seeds = (QUICK, DATA[:1], arguments.seeds[:1]) if quick else (Size(), DATA, arguments.seeds)
    jobs = [Job(name, GROWING, seed, size) for seed in seeds for name in names]
    # That it fails can be seen from one seed.
    jobs += [Job(name, ALL, seeds[0], size) for name in names]
    rows = study.each(run, jobs, quick=quick)
    print(conclusion(rows))
    if not quick:
        publish(rows, size)


if __name__ == "__main__":
    main()
