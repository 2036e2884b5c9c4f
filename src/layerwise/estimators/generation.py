"""New codes: drawn from a density, and on the way from one code to another."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.stats import norm
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import kneighbors_graph

from layerwise.errors import InputError

__all__ = ["Density", "Route", "density_of", "grid", "mixture", "routes"]

Codes = NDArray[np.float32]
Decoder = Callable[[Codes], NDArray[np.float32]]
Density = Literal["auto", "prior", "mixture"]
Route = Literal["linear", "spherical", "manifold"]

COMPONENTS = (1, 2, 4, 8, 16, 32)
ROWS_EACH = 20
SHRINKAGE = 1e-3
NEIGHBOURS = 10


def density_of(name: str, *, prior: bool) -> Literal["prior", "mixture"]:
    """The density that codes are drawn from.

    Raises:
        InputError: for another name, or the prior of a model that has none.

    >>> density_of("auto", prior=True)
    'prior'
    """
    if name not in get_args(Density):
        raise InputError(f"density must be one of {', '.join(get_args(Density))}; got {name!r}.")
    if name == "prior" and not prior:
        raise InputError("density='prior' is for variational autoencoders; use 'mixture', which is fitted to codes.")
    return "prior" if prior and name != "mixture" else "mixture"


def mixture(codes: Codes, randomness: np.random.RandomState) -> GaussianMixture:
    """A mixture of normal distributions, of as many as Schwarz's criterion wants.

    Arguments:
        codes: shape (rows, code).
        randomness: of the first guess, and of what is drawn from it.

    Raises:
        InputError: for fewer than two codes.

    Source of the criterion: Schwarz 1978, "Estimating the dimension of a model".

    >>> rng = np.random.default_rng(0)
    >>> two = np.concatenate([rng.normal(-4, 1, (200, 1)), rng.normal(4, 1, (200, 1))]).astype(np.float32)
    >>> mixture(two, np.random.RandomState(0)).n_components
    2
    """
    if len(codes) < 2:
        raise InputError(f"a density of codes needs at least 2 of them; found {len(codes)}. Fit to more rows.")
    exact = codes.astype(np.float64)
    shrinkage = max(SHRINKAGE * float(exact.var(0).mean()), 1e-12)
    best: tuple[float, GaussianMixture] | None = None
    for count in COMPONENTS:
        if best is not None and len(codes) < ROWS_EACH * count:
            break
        found = GaussianMixture(count, reg_covar=shrinkage, random_state=randomness).fit(exact)
        value = found.bic(exact)
        if best is not None and value >= best[0]:
            break
        best = value, found
    assert best is not None
    return best[1]


def grid(side: int, codes: NDArray[np.floating]) -> Codes:
    """The codes of a map of two units, from the top left on: equal shares of the distribution lie between them.

    Arguments:
        side: how many in each direction.
        codes: whose quantiles are meant, shape (rows, 2); without rows those of the standard normal distribution.

    Raises:
        InputError: for fewer than two, or codes of another number of units.

    Source: Kingma & Welling 2014, figure 4.

    >>> grid(3, np.empty((0, 2)))[4]
    array([0., 0.], dtype=float32)
    """
    if side < 2:
        raise InputError(f"a map needs at least 2 codes in each direction; got {side}.")
    if codes.shape[1] != 2:
        raise InputError(f"a map needs a code of 2 units; this model has {codes.shape[1]}. Fit one with 2.")
    shares = (np.arange(side) + 0.5) / side
    across, up = np.quantile(codes, shares, axis=0).T if len(codes) else (norm.ppf(shares),) * 2
    return np.array([(x, y) for y in up[::-1] for x in across], np.float32)


def routes(ends: Codes, steps: int, *, along: str, known: Codes, decode: Decoder, center: NDArray[np.float32]) -> Codes:
    """The codes on the way through some codes, in their order.

    Linear: evenly on a straight line. Spherical: on a great circle about the center, with a radius that changes evenly,
    so that the norm is never smaller than that of usual codes. Along the manifold: by the shortest way, as measured
    between the reconstructions, over known codes which are near neighbours; in even steps of that measure.

    Arguments:
        ends: shape (ends, code); at least two.
        steps: codes from one end to the next, both included.
        along: "linear", "spherical" or "manifold".
        known: codes of rows, over which the way may lead.
        decode: gives the reconstructions of codes.
        center: of the sphere.

    Returns:
        The codes; where two legs meet, theirs is there once.

    Raises:
        InputError: for fewer than two ends or steps, or another way.

    Sources: Shoemake 1985 (spherical); Tenenbaum, de Silva & Langford 2000 (along the manifold).

    >>> ends = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    >>> codes = routes(ends, 3, along="spherical", known=ends, decode=lambda z: z, center=np.zeros(2))
    >>> codes.round(3)
    array([[0.   , 1.   ],
           [0.707, 0.707],
           [1.   , 0.   ]], dtype=float32)
    """
    if along not in get_args(Route):
        raise InputError(f"along must be one of {', '.join(get_args(Route))}; got {along!r}.")
    if len(ends) < 2 or steps < 2:
        raise InputError(f"a way needs at least 2 rows and 2 steps; got {len(ends)} and {steps}.")
    shares = np.linspace(0, 1, steps)
    legs: list[NDArray[np.float32]] = []
    for number, (start, end) in enumerate(pairwise(ends)):
        if along == "linear":
            leg = start + shares[:, None] * (end - start)
        elif along == "spherical":
            leg = _arc(start - center, end - center, shares) + center
        else:
            leg = _over(np.concatenate([start[None], known, end[None]]).astype(np.float32), shares, decode)
        legs.append(leg.astype(np.float32)[min(number, 1) :])
    return np.concatenate(legs)


def _arc(start: NDArray[np.float32], end: NDArray[np.float32], shares: NDArray[np.floating]) -> NDArray[np.floating]:
    radii = np.linalg.norm(start), np.linalg.norm(end)
    line = start + shares[:, None] * (end - start)
    if min(radii) == 0:
        return line
    one, other = start / radii[0], end / radii[1]
    angle = np.arccos(np.clip(one @ other, -1, 1))
    # Where there is no angle, or no way is the shortest, the line is as good.
    if not 1e-6 < angle < np.pi - 1e-6:
        return line
    turned = np.outer(np.sin((1 - shares) * angle), one) + np.outer(np.sin(shares * angle), other)
    radius = radii[0] + shares * (radii[1] - radii[0])
    return np.asarray(radius[:, None] * turned / np.sin(angle))


def _over(nodes: Codes, shares: NDArray[np.floating], decode: Decoder) -> NDArray[np.floating]:
    """The way from the first node to the last."""
    graph = csr_array(kneighbors_graph(nodes, min(NEIGHBOURS, len(nodes) - 1), mode="connectivity")).tocoo()
    one, other = graph.row, graph.col
    places, between = decode(nodes), decode((nodes[one] + nodes[other]) / np.float32(2))
    lengths = np.linalg.norm(places[one] - between, axis=1) + np.linalg.norm(between - places[other], axis=1)
    # A length of 0 would be no edge.
    weighted = csr_array((np.maximum(lengths, 1e-12), (one, other)), shape=(len(nodes), len(nodes)))
    distances, before = dijkstra(weighted, directed=False, indices=np.array(0), return_predecessors=True)
    way = [len(nodes) - 1]
    while way[-1] != 0 and before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    if way[-1] != 0:
        # No known codes lie between them.
        return nodes[0] + shares[:, None] * (nodes[-1] - nodes[0])
    way.reverse()
    measured = distances[way]
    wanted = shares * measured[-1]
    found = [np.interp(wanted, measured, nodes[way][:, unit]) for unit in range(nodes.shape[1])]
    return np.stack(found, 1)
