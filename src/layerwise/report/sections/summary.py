"""The summary in words: what was made of what, and whether it was worth it."""

import math

from layerwise.report.blocks import Block, Section, Text, Tile, Tiles, Tone
from layerwise.report.data import ReportData
from layerwise.report.words import as_float, count, percent, plural, ratio, shorten

__all__ = ["MEASURED", "summary", "unseen"]

MEASURED = {
    "test rows": "rows of the data set's own test split, which it has not seen",
    "held-out rows": "rows that were held out of the training",
    "given rows": "given rows, of which it may have seen some in training",
    "training rows": "rows it was trained on, as there were too few to hold any out: they flatter it",
}
_EXACT = (
    "PCA reconstructs these rows exactly with a code of this size, so an autoencoder has nothing to add. "
    "Use PCA here, or ask for a smaller code."
)
_PCA_ADVICE = (
    "Use PCA here: it is simpler, faster and more faithful. "
    "More rows, longer training or another code size may change this."
)
_TIE_ADVICE = "Where only faithfulness counts, PCA is the simpler choice."


def summary(data: ReportData) -> Section | None:
    """What the model does, its verdict beside PCA in plain words, and the numbers to remember.

    >>> summary(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    metrics = data.metrics
    if not metrics:
        return None
    blocks: list[Block] = [Text(_what(data), "lead"), Text(*_verdict(data)), _tiles(data)]
    constants = [shorten(column.get("name")) for column in data.columns if column.get("kind") == "constant"]
    if constants:
        shown = ", ".join(constants[:5]) + (", …" if len(constants) > 5 else "")
        are = "is constant and was" if len(constants) == 1 else "are constant and were"
        blocks.append(Text(f"{plural(len(constants), 'column')} ({shown}) {are} kept out of the network.", "note"))
    return Section("summary", "Summary", tuple(blocks))


def unseen(data: ReportData) -> str:
    """The rows the numbers were measured on, as part of a sentence.

    >>> unseen(ReportData("", "", metrics={"held_out": "test rows"}))
    'rows it has not seen'
    """
    known = {"training rows": "the rows it was trained on", "given rows": "the given rows"}
    return known.get(str(data.metrics.get("held_out")), "rows it has not seen")


def _what(data: ReportData) -> str:
    metrics = data.metrics
    if data.shape is not None:
        pixels = " × ".join(count(side) for side in data.shape[:2])
        what = f"each picture of {pixels} pixels" + (" in colour" if data.shape[2:] > (1,) else "")
    elif data.columns:
        what = f"each row of {plural(len(data.columns), 'column')}"
    else:
        what = f"each row of {count(metrics.get('features'))} values"
    held_out = str(metrics.get("held_out", ""))
    measured = MEASURED.get(held_out, "rows that were held out of the training")
    size = metrics.get("n_components")
    code = "a single number" if size == 1 else f"a code of {count(size)} numbers"
    return (
        f"This deep autoencoder turns {what} into {code} and back. "
        f"The errors on this page were measured on {count(metrics.get('rows'))} {measured}."
    )


def _verdict(data: ReportData) -> tuple[str, Tone]:
    metrics = data.metrics
    value = as_float(metrics.get("ratio_to_pca"))
    if math.isnan(value):
        if as_float(metrics.get("pca_squared_error")) >= 0:
            return _EXACT, "bad"
        return "No comparison with PCA is stored with this model.", "even"
    interval = metrics.get("ratio_interval")
    around = f" (95 % interval {ratio(interval[0])} to {ratio(interval[1])})" if interval else ""
    measured = f"The autoencoder's error on {unseen(data)} is {ratio(value)} of PCA's{around}"
    verdict = metrics.get("verdict")
    if verdict == "autoencoder":
        less = "over 99\u00a0%" if value < 0.01 else percent(1 - value, 2)
        return f"{measured}. With a code of the same size it loses {less} less.", "good"
    if verdict == "pca":
        return f"PCA wins. {measured}. {_PCA_ADVICE}", "bad"
    return f"Neither wins. {measured}, which is too close to tell them apart. {_TIE_ADVICE}", "even"


def _tiles(data: ReportData) -> Tiles:
    metrics = data.metrics
    mean = as_float(metrics.get("mean_squared_error"))
    tiles = [Tile(ratio(metrics.get("ratio_to_pca")), "of PCA's squared error (below 1 is better than PCA)")]
    if mean > 0:
        kept, by_pca = (1 - as_float(metrics.get(key)) / mean for key in ("squared_error", "pca_squared_error"))
        tiles.append(Tile(percent(kept), f"of the variance kept (PCA: {percent(by_pca)})"))
    tiles.append(
        Tile(
            count(metrics.get("n_components")),
            f"numbers in a code, for {count(metrics.get('features'))} inputs",
        )
    )
    tiles.append(Tile(count(metrics.get("rows")), f"rows measured ({metrics.get('held_out', 'held out')})"))
    return Tiles(tuple(tiles))
