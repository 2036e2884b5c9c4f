"""How well classes or numbers are predicted, beside the simplest ways to do it."""

from layerwise.report.blocks import Block, Cell, Section, Table, Text, Tile, Tiles, Tone
from layerwise.report.data import ReportData
from layerwise.report.sections.summary import MEASURED
from layerwise.report.words import as_float, clean, count, number, percent, shorten

__all__ = ["prediction"]

_MEASURED = {**MEASURED, "training rows": "rows it was trained on, as none were held out: they flatter it"}


def prediction(data: ReportData) -> Section | None:
    """The verdict beside a linear model, the numbers to remember, and which classes are taken for which.

    >>> prediction(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    metrics = data.prediction
    if not metrics:
        return None
    measured = _MEASURED.get(str(metrics.get("held_out")), "rows that were held out of the training")
    what = "the class of each row" if metrics.get("task") == "classify" else "a number for each row"
    lead = f"This net predicts {what}. It was judged on {count(metrics.get('rows'))} {measured}."
    blocks: list[Block] = [Text(lead, "lead")]
    if metrics.get("task") == "classify":
        blocks += [Text(*_classes_verdict(data)), _classes_tiles(data), *_confusion(data)]
    else:
        blocks += [Text(*_numbers_verdict(data)), _numbers_tiles(data)]
    return Section("prediction", "Predictions", tuple(blocks))


def _classes_verdict(data: ReportData) -> tuple[str, Tone]:
    metrics = data.prediction
    error, linear = as_float(metrics.get("error")), as_float(metrics.get("linear_error"))
    low, high = (as_float(bound) for bound in metrics.get("error_interval", (None, None)))
    found = f"It errs on {percent(error)} of them (95 % interval {percent(low)} to {percent(high)})"
    if not linear >= 0:
        return f"{found}.", "even"
    beside = f"{found}; logistic regression on the same columns errs on {percent(linear)}"
    if high < linear:
        return f"{beside}.", "good"
    if low > linear:
        return f"{beside}. Use logistic regression here: it is simpler and better.", "bad"
    return f"{beside}, which is too close to tell them apart.", "even"


def _numbers_verdict(data: ReportData) -> tuple[str, Tone]:
    net, linear = (as_float(data.prediction.get(name)) for name in ("r2", "linear_r2"))
    found = f"It explains {percent(net)} of the variance"
    if not abs(linear) >= 0:
        return f"{found}.", "even"
    beside = f"{found}; ridge regression on the same columns explains {percent(linear)}"
    if net > linear:
        return f"{beside}.", "good"
    return f"{beside}. Use ridge regression here: it is simpler and no worse.", "bad"


def _classes_tiles(data: ReportData) -> Tiles:
    metrics = data.prediction
    tiles = [
        Tile(percent(metrics.get("error")), "of the rows predicted wrongly"),
        Tile(percent(metrics.get("majority_error")), "wrong if all were given the most frequent class"),
    ]
    if as_float(metrics.get("linear_error")) >= 0:
        rows = count(metrics.get("linear_rows"))
        tiles.append(Tile(percent(metrics.get("linear_error")), f"wrong by logistic regression on {rows} rows"))
    return Tiles((*tiles, Tile(count(len(metrics.get("classes", ()))), "classes")))


def _numbers_tiles(data: ReportData) -> Tiles:
    metrics = data.prediction
    tiles = [
        Tile(number(metrics.get("r2")), "R2: share of the variance explained"),
        Tile(number(metrics.get("rmse")), "root mean squared error"),
    ]
    if abs(as_float(metrics.get("linear_r2"))) >= 0:
        tiles.append(Tile(number(metrics.get("linear_r2")), "R2 of ridge regression"))
    return Tiles(tuple(tiles))


def _confusion(data: ReportData) -> list[Block]:
    """Rows are the true classes, columns the predicted ones; what is wrong and frequent is marked."""
    table, classes = data.prediction.get("confusion"), [clean(name) for name in data.prediction.get("classes", ())]
    if not table:
        return []
    worst = max((cell for i, row in enumerate(table) for j, cell in enumerate(row) if i != j), default=0)
    rows = tuple(
        (
            Cell(shorten(name), whole=name),
            *(
                Cell(count(cell), "worst" if i != j and cell == worst > 0 else "quiet" if cell == 0 else "")
                for j, cell in enumerate(row)
            ),
        )
        for i, (name, row) in enumerate(zip(classes, table, strict=True))
    )
    head = ("true \\ predicted", *(shorten(name, 12) for name in classes))
    caption = "Rows are the true classes, columns what was predicted; the most frequent confusion is marked."
    return [Table(head, rows, caption, numeric=tuple(range(1, len(head))))]
