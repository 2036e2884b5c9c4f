"""The page of the deep-autoencoder benchmark, from its kept figures: docs/deep-autoencoders.md and its pictures."""

import json
import math
from typing import Any

from matplotlib.figure import Figure

from benchmarks.results import DRAWN, RESULTS

PAGE = DRAWN.parent / "deep-autoencoders.md"
TITLES = {"curves": "CURVES", "mnist": "MNIST", "faces": "FACES"}
# Least training errors in the literature, and where.
PUBLISHED = {
    "curves": "0.058 to 0.16 (Martens 2010, Sutskever et al. 2013)",
    "mnist": "0.57 to 2.1 (the same, and Dauphin et al. 2014)",
    "faces": "no error in the same unit",
}
FIRST = "Adam", "Nesterov", "ConjugateGradient"
SECOND = "HessianFree", "KFAC", "EKFAC"
LONGER = {"long": "of the second order", "long first": "of the first order"}
UNITS = {"updates": "updates", "seconds": "seconds of training", "examples": "rows seen"}
SHADES = {
    "Adam": "#0072b2",
    "Nesterov": "#56b4e9",
    "ConjugateGradient": "#999999",
    "HessianFree": "#e69f00",
    "KFAC": "#009e73",
    "EKFAC": "#d55e00",
}


def publish() -> None:
    """Write the page and its pictures from what is kept; a data set without figures is left out."""
    parts = [
        "# How far do optimizers train deep autoencoders?",
        "Logistic units, a linear code, no pre-training, sparse first weights: the field's own benchmark of "
        "optimizers. The error is the squared error on the training rows, its sum over pixels and mean over pictures. "
        "Each optimizer had the same time on the same machine; `THP_MEM_ALLOC_ENABLE=1 python -m "
        "benchmarks.deep_autoencoders --data-dir DATA` makes this page. Batches grow from epoch to epoch by the factor "
        "that is given. All minimize the cross-entropy, FACES the squared error; KFAC and EKFAC go over to the squared "
        "error once a batch holds all rows, when most that is left of the cross-entropy is that of background pixels, "
        "and after 75 such updates take three tenths of each step.",
    ]
    for name in TITLES:
        found = kept(name)
        if found:
            picture = f"deep-autoencoders-{name}.png"
            DRAWN.mkdir(exist_ok=True)
            drawn(found["figures"]).savefig(DRAWN / picture, dpi=110, bbox_inches="tight", metadata={"Software": None})
            parts += [
                f"## {TITLES[name]}",
                table(found),
                f"![Error over updates, seconds and rows](pictures/{picture})",
            ]
    rectified = kept("relu")
    if rectified:
        figures = rectified["figures"]
        parts += [
            "## MNIST with rectified units",
            f"K-FAC, batches of 1000, weight decay of 1e-5: the best test cross-entropy within {len(figures['curve'])} "
            f"epochs is **{figures['best']:.2f}**, in {figures['seconds']:.0f} s; the best published one of K-FAC is "
            "57.37.",
        ]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def kept(name: str) -> dict[str, Any]:
    """The figures of a data set, or nothing."""
    path = RESULTS / f"deep_autoencoders-{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) | {"name": name} if path.exists() else {}


def table(found: dict[str, Any]) -> str:
    """One line an optimizer, and what it comes to."""
    figures = {key: value for key, value in found["figures"].items() if key not in LONGER}
    lines = [
        "| optimizer | best of its grid | batch | error | updates | seconds | Adam's error: its updates, its seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, value in figures.items():
        last = value["curve"][-1]
        batch = f"{value['batch']}" + (f" x {value['growth']:g}" if value["growth"] != 1 else "")
        as_adam = value.get("as Adam")
        shares = f"{as_adam['updates']:.1%}, {as_adam['seconds']:.0%}" if as_adam else "" if key == "Adam" else "never"
        cells = (key, value["best"], batch, error(last), f"{last['updates']:.0f}", f"{last['seconds']:.0f}")
        lines.append(f"| {' | '.join(cells)} | {shares if key in SECOND else ''} |")
    told = [f"{end(long)}, {LONGER[place]}, in a longer run." for place, long in longer(found)]
    told += reached(found["figures"])
    full = kept(f"{found['name']}-full")
    told += [f"With --full (threads {full['machine']['threads']}): {end(long)}." for _, long in longer(full)]
    told.append(f"Published: {PUBLISHED[found['name']]}.")
    if found.get("decay"):
        first, second = found["decay"]
        told.append(
            f"KFAC and EKFAC had a weight decay of {first:g}, of {second:g} beside the squared error, and none once "
            "their steps were shortened."
        )
    if "cpu_seconds" in found:
        told.append(f"All runs together took {found['cpu_seconds'] / 60:.1f} CPU minutes.")
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    return "\n".join([" ".join(told), "", *lines, "", f"Machine: {machine}."])


def reached(figures: dict[str, Any]) -> list[str]:
    """When the longer run of the second order was as good as that of the first, if both were made and it was."""
    shares, first = figures.get("long", {}).get("as first"), figures.get("long first")
    if not shares:
        return []
    return [
        f"{figures['long']['optimizer']} had the last error of {first['optimizer']}'s longer run after "
        f"{shares['updates']:.1%} of {first['optimizer']}'s updates and {shares['seconds']:.0%} of its time."
    ]


def longer(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The longer runs among the figures."""
    return [(place, found["figures"][place]) for place in LONGER if found and place in found["figures"]]


def end(long: dict[str, Any]) -> str:
    """What a longer run came to."""
    last = long["curve"][-1]
    return f"**{long['optimizer']} came to {error(last)} in {last['seconds']:.0f} s** ({last['updates']:.0f} updates)"


def error(last: dict[str, float]) -> str:
    """A number, or that it diverged."""
    return f"{last['error']:.3g}" if math.isfinite(last["error"]) else "diverged"


def drawn(figures: dict[str, Any]) -> Figure:
    """The error over each of the three units, one line an optimizer; longer runs are dashed."""
    figure = Figure(figsize=(12.6, 3.8), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (unit, label) in zip(axes, UNITS.items(), strict=True):
        for key, value in figures.items():
            owner = value["optimizer"] if key in LONGER else key
            rows = [row for row in value["curve"] if math.isfinite(row["error"])]
            axis.plot(
                [row[unit] for row in rows],
                [row["error"] for row in rows],
                color=SHADES[owner],
                linestyle="--" if key in LONGER else "-",
                label=f"{owner}, longer" if key in LONGER else key,
            )
        axis.set(xscale="log", yscale="log", xlabel=label)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("squared error on the training rows")
    axes[-1].legend(fontsize=7, frameon=False)
    return figure


if __name__ == "__main__":
    publish()
