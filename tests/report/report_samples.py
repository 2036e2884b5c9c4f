"""Two made-up reports: pictures, and a mixed table with missing cells and names that attack the page."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from layerwise.report import ReportData

HOSTILE = (
    "<script>alert(1)</script>",
    "$x^2$ and $\\frac{1}{",
    "a_very_long_column_name_" * 3 + "of_80_chars",
    "temperature 🌡️ (°C)",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}{% raw %}",
    "_hidden",
    "line\nbreak\x00\x1b\u202eright to left",
    "重さ",
)
ENVIRONMENT = {
    "layerwise": "0.1.0",
    "python": "3.11.7",
    "torch": "2.13.0",
    "numpy": "2.4.0",
    "device": "cpu, float32, 2 threads",
    "platform": "Linux x86_64",
}


def history(epochs: int = 30, *, phase: str = "train", seed: int = 0) -> list[dict[str, Any]]:
    """Rows as a run writes them: falling terms, epoch 0, and the end of the phase."""
    noise = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    best, lowest = 0, np.inf
    for epoch in range(epochs + 1):
        value = 3 + 50 * float(np.exp(-epoch / 5)) + 0.2 * float(noise.random()) + 0.004 * epoch**1.5
        terms = {"squared_error": value * 1.15, "sparsity": 0.4 + 0.3 * float(np.exp(-epoch / 9))} if epoch else {}
        if value < lowest:
            best, lowest = epoch, value
        rows.append(
            {
                "event": "epoch",
                "phase": phase,
                "epoch": epoch,
                "step": 8 * epoch,
                "terms": terms,
                "validation": {"squared_error": value},
                "best": best == epoch,
                "seconds": 0.4 * epoch,
            }
        )
        rows += [
            {
                "event": "step",
                "phase": phase,
                "epoch": epoch + 1,
                "step": 8 * epoch + step,
                "terms": {"squared_error": value},
                "rate": 1e-3,
                "seconds": 0.1,
            }
            for step in range(1, 9)
            if epoch < epochs
        ]
    end = {"reason": "early stopping", "epochs": epochs, "best_epoch": best, "seconds": 0.4 * epochs}
    return [*rows, {"event": "phase", "phase": phase, **end}]


def recipe() -> list[dict[str, Any]]:
    """One phase as plain JSON."""
    return [
        {
            "name": "train",
            "objective": {
                "class": "Objective",
                "fidelity": {"class": "SquaredError"},
                "penalties": {"sparsity": [0.01, {"class": "KLSparsity", "target": 0.05, "layers": "code"}]},
            },
            "optimizer": {
                "class": "FirstOrder",
                "method": "torch.optim.adamw.AdamW",
                "lr": 0.001,
                "clip": None,
                "options": {},
            },
            "epochs": 30,
            "view": {"class": "Whole"},
            "corruption": {"class": "Masking", "level": 0.05},
            "batch_size": 256,
            "schedule": {"class": "OneCycle", "start": 0.04, "peak": 0.3, "end": 4e-6},
            "stop": {"class": "Stop", "patience": 10, "improvement": 0.0},
            "average": 0.0,
        }
    ]


def _fit(x: NDArray[Any], size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    model = PCA(size, random_state=0).fit(x)
    codes = model.transform(x)
    return codes.astype(np.float32), model.inverse_transform(codes).astype(np.float32)


def _metrics(x: NDArray[Any], parts: dict[str, NDArray[Any]], size: int) -> dict[str, Any]:
    rows = {name: np.square(x - part).sum(1) for name, part in parts.items()}
    errors = {name: float(values.mean()) for name, values in rows.items()}
    ratio = errors["autoencoder"] / errors["pca"]
    return {
        "rows": len(x),
        "held_out": "held-out rows",
        "n_components": size,
        "features": x.shape[1],
        "unit": "sum over features, mean over rows, scaled units, observed cells",
        "mean_squared_error": errors["mean"],
        "pca_squared_error": errors["pca"],
        "squared_error": errors["autoencoder"],
        "ratio_to_pca": ratio,
        "ratio_interval": [ratio * 0.97, ratio * 1.03],
        "verdict": "autoencoder",
        "row_quantiles": {
            name: {str(q): float(np.quantile(values, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
            for name, values in rows.items()
        },
        "trustworthiness": {"autoencoder": 0.9912, "pca": 0.9731, "neighbors": 5, "rows": 1000},
    }


def _examples(x: NDArray[Any], ours: NDArray[Any], theirs: NDArray[Any]) -> tuple[dict[str, Any], NDArray[np.intp]]:
    errors = np.square(x - ours).sum(1)
    order = np.argsort(errors)
    half = len(order) // 2
    chosen = np.concatenate([order[:4], order[half - 2 : half + 2], order[-4:]])
    return {
        "rows.input": x[chosen].astype(np.float32),
        "rows.reconstruction": ours[chosen].astype(np.float32),
        "rows.pca": theirs[chosen].astype(np.float32),
        "rows.observed": np.ones_like(x[chosen], np.uint8),
        "rows.error": errors[chosen],
    }, chosen


def _units(codes: NDArray[Any]) -> list[dict[str, Any]]:
    pairs = zip(codes.mean(0), codes.std(0), strict=True)
    return [
        {"unit": i, "mean": float(m), "std": float(s), "dead": False, "saturated": 0.0}
        for i, (m, s) in enumerate(pairs)
    ]


def classes(names: tuple[str, ...] = ("setosa", "versicolor", "virginica"), **changes: Any) -> ReportData:
    """What a classifier tells of itself; the last two classes are taken for each other."""
    count = len(names)
    table = np.diag(np.full(count, 20))
    table[-1, -2], table[-2, -1] = 4, 3
    rows = int(table.sum())
    metrics = {
        "task": "classify",
        "rows": rows,
        "held_out": "held-out rows",
        "classes": list(names),
        "error": 7 / rows,
        "error_interval": [0.05, 0.2],
        "majority_error": 0.65,
        "linear_error": 0.25,
        "linear_rows": 300,
        "confusion": table.tolist(),
        **changes,
    }
    return ReportData("Iris", "held-out rows", prediction=metrics)


def numbers(**changes: Any) -> ReportData:
    """What a regressor tells of itself."""
    metrics = {"task": "regress", "rows": 44, "held_out": "held-out rows", "r2": 0.52, "rmse": 53.1}
    linear = {"linear_r2": 0.47, "linear_rows": 398}
    return ReportData("Diabetes", "held-out rows", prediction={**metrics, **linear, **changes})


def pictures() -> ReportData:
    """Digits, with PCA of 20 components as a pretend autoencoder beside PCA of 8."""
    digits = load_digits()
    x = (digits.data / 16).astype(np.float32)
    codes, ours = _fit(x, 20)
    _, theirs = _fit(x, 8)
    parts = {"autoencoder": ours, "pca": theirs, "mean": np.broadcast_to(x.mean(0), x.shape)}
    metrics = _metrics(x, parts, 20)
    metrics["pixels"] = {k: np.square(x - v).mean(0).reshape(8, 8).tolist() for k, v in parts.items() if k != "mean"}
    hidden = [
        {"layer": 1, "units": 1000, "dead": 3, "saturated": 10},
        {"layer": 2, "units": 250, "dead": 0, "saturated": 0},
    ]
    metrics["units"] = {"code": _units(codes), "hidden": hidden}
    examples, _ = _examples(x, ours, theirs)
    return ReportData(
        "Digits",
        "sklearn:digits",
        metrics,
        [*history(phase="layer 1", seed=1, epochs=12), *history()],
        [{**recipe()[0], "name": "layer 1"}, *recipe()],
        [{"name": "pixels", "kind": "pixels", "shape": [8, 8], "features": 64}],
        (8, 8),
        codes[:1000],
        np.square(x - ours).sum(1)[:1000],
        digits.target[:1000],
        examples,
        ENVIRONMENT,
    )


def table(rows: int = 400, plain: int = 24) -> ReportData:
    """A mixed table with missing cells and hostile names, and `plain` numeric columns beside these."""
    names = [*HOSTILE, *(f"sensor_{i:02d}" for i in range(plain))]
    kinds = ["categorical", "binary", *["numeric"] * (len(names) - 3), "constant"]
    levels = ["red <b>", "green", "$blue$"]
    columns: list[dict[str, Any]] = [{"name": n, "kind": k} for n, k in zip(names, kinds, strict=True)]
    columns[0]["levels"] = levels
    randomness = np.random.default_rng(0)
    factors = randomness.normal(size=(rows, 6))
    features = 4 + len(names) - 2
    x = (factors @ randomness.normal(size=(6, features)) / 2.4 + 0.5 * randomness.normal(size=(rows, features))).astype(
        np.float32
    )
    codes, ours = _fit(x, 9)
    _, theirs = _fit(x, 5)
    parts = {"autoencoder": ours, "pca": theirs, "mean": np.broadcast_to(x.mean(0), x.shape)}
    metrics = _metrics(x, parts, 9)
    owner = np.repeat(np.arange(len(names)), [4, *[1] * (len(names) - 2), 0])
    sums = {k: np.bincount(owner, np.square(x - v).mean(0), minlength=len(names)) for k, v in parts.items()}
    metrics["columns"] = [
        {"name": n, "kind": kinds[i], **{k: float(v[i]) for k, v in sums.items()}} for i, n in enumerate(names)
    ]
    units = _units(codes)
    units[3].update(mean=0.0, std=0.0, dead=True)
    units[5].update(saturated=0.8)
    metrics["units"] = {"code": units, "hidden": [{"layer": 1, "units": 256, "dead": 0, "saturated": 2}]}
    examples, chosen = _examples(x, ours, theirs)
    cells = [[_cells(values, levels) for values in source[chosen]] for source in (x, ours)]
    for row, missing in ((0, 3), (5, 4), (9, 1)):
        cells[0][row][missing] = "nan"
        examples["rows.observed"][row, missing + 3] = 0
    return ReportData(
        "customers <2024>.csv",
        "/data/customers <2024>.csv & friends",
        metrics,
        history(60),
        recipe(),
        columns,
        None,
        codes,
        np.square(x - ours).sum(1),
        None,
        {**examples, "original": cells[0], "reconstructed": cells[1]},
        ENVIRONMENT,
    )


def _cells(values: NDArray[Any], levels: list[str]) -> list[str]:
    level = levels[int(np.argmax(values[:3]))]
    return [level, "yes" if values[4] > 0 else "no", *(f"{v:.4g}" for v in 20 + 5 * values[5:]), "EUR"]
