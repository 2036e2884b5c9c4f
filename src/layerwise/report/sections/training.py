"""How the loss fell: a figure for every phase, a line for every term."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from layerwise.report.blocks import Block, Cell, Details, Drawing, Drawings, Section, Table, Text
from layerwise.report.data import ReportData
from layerwise.report.drawing import CATEGORIES, INK, QUIET, bare, log_worthy, numbers, svg
from layerwise.report.words import as_float, clean, count, duration, narrow, number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["training"]

SHOWN = 6
FEW_EPOCHS = 3
DASHED = (0, (3, 1.6))
Line = tuple[list[float], list[float]]


@final
@dataclass(frozen=True)
class _Stretch:
    name: str
    epochs: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]
    end: dict[str, Any] | None


def training(data: ReportData) -> Section | None:
    """Training and validation terms by epoch, the kept epoch marked, and how each phase ended.

    >>> training(ReportData("Digits", "sklearn:digits")) is None
    True
    """
    stretches = _stretches(data.history)
    if not stretches:
        return None
    drawings = [drawing for stretch in stretches if (drawing := _curves(stretch)) is not None]
    blocks: list[Block] = [
        Text(
            "Each colour is a term of the objective: solid lines show it on validation rows, dashed ones in "
            "training. Training goes through noise and dropout, so it can lie above."
        )
    ]
    if drawings:
        blocks.append(Drawings(tuple(drawings[:SHOWN])))
    blocks.append(_table(stretches))
    if len(drawings) > SHOWN:
        blocks.append(
            Details(f"Curves of the other {len(drawings) - SHOWN} phases", (Drawings(tuple(drawings[SHOWN:])),))
        )
    return Section("training", "Training", tuple(blocks))


def _stretches(history: Iterable[dict[str, Any]]) -> list[_Stretch]:
    found: list[_Stretch] = []
    epochs: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []

    def close(end: dict[str, Any] | None) -> None:
        known = end or next(iter([*epochs, *steps]), None)
        if known is not None:
            found.append(_Stretch(str(known.get("phase", "training")), tuple(epochs), tuple(steps), end))
        epochs.clear()
        steps.clear()

    for row in history:
        kind, open_rows = row.get("event"), [*epochs[-1:], *steps[-1:]]
        if open_rows and open_rows[0].get("phase") != row.get("phase"):
            close(None)
        if kind == "epoch":
            epochs.append(row)
        elif kind == "step":
            steps.append(row)
        elif kind == "phase":
            close(row)
    close(None)
    return found


def _curves(stretch: _Stretch) -> Drawing | None:
    trained = _lines((row.get("epoch"), row.get("terms")) for row in stretch.epochs)
    validated = _lines((row.get("epoch"), row.get("validation")) for row in stretch.epochs)
    per_epoch = next((as_float(row["step"]) / row["epoch"] for row in stretch.epochs if row.get("epoch")), 0.0)
    by_step = sum(bool(row.get("terms")) for row in stretch.epochs) <= FEW_EPOCHS and len(stretch.steps) > FEW_EPOCHS
    if by_step:
        # With so few epochs the steps tell more.
        scale = per_epoch or 1.0
        trained = _lines((as_float(row.get("step")) / scale, row.get("terms")) for row in stretch.steps)
    if not trained and not validated:
        return None
    best = _best(stretch)
    log = log_worthy(*(values for _, values in [*trained.values(), *validated.values()]))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        names = list(dict.fromkeys([*validated, *trained]))
        for place, name in enumerate(names):
            color = CATEGORIES[place % len(CATEGORIES)]
            _line(axes, validated.get(name), color, "-", 2.2)
            _line(axes, trained.get(name), color, DASHED, 1.4)
        if best is not None:
            axes.axvline(best, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
            if next(iter(validated), None) is not None:
                places, values = validated[next(iter(validated))]
                if best in places:
                    axes.plot([best], [values[places.index(best)]], "o", color=INK, markersize=6, zorder=5)
        if log:
            axes.set_yscale("log")
        axes.set_xlabel("step" if by_step and not per_epoch else "epoch")
        numbers(axes.yaxis, log=log)
        numbers(axes.xaxis, whole=not by_step)
        bare(axes, grid="both")
        _legend(figure, names, bool(trained), bool(validated))

    return Drawing(
        svg(paint, 2.9),
        _words(stretch, validated, trained),
        _caption(stretch, log),
        shorten(stretch.name, 40),
    )


def _lines(rows: Iterable[tuple[Any, Any]]) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for place, terms in rows:
        for name, value in (terms or {}).items():
            # A term that stopped being finite ends its line.
            if abs(as_float(value)) < float("inf"):
                places, values = lines.setdefault(str(name), ([], []))
                places.append(as_float(place))
                values.append(as_float(value))
    return lines


def _line(axes: "Axes", line: Line | None, color: str, style: Any, width: float) -> None:
    if line is not None:
        marker = "o" if len(line[0]) < FEW_EPOCHS else None
        axes.plot(*line, color=color, linestyle=style, linewidth=width, marker=marker, markersize=4)


def _legend(figure: "Figure", names: list[str], trained: bool, validated: bool) -> None:
    from matplotlib.lines import Line2D

    handles, labels = [], []
    for place, name in enumerate(names[:8]):
        handles.append(Line2D([], [], color=CATEGORIES[place % len(CATEGORIES)], linewidth=2.2))
        labels.append("\u200a" + narrow(name, 22))
    styles: tuple[tuple[bool, Any, str], ...] = (
        (validated, "-", "validation"),
        (trained, DASHED, "training"),
    )
    for shown, style, label in styles:
        if shown:
            handles.append(Line2D([], [], color=QUIET, linewidth=1.6, linestyle=style))
            labels.append(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=2.4, columnspacing=1.4)


def _best(stretch: _Stretch) -> float | None:
    if stretch.end is not None and stretch.end.get("best_epoch") is not None:
        return as_float(stretch.end["best_epoch"])
    marked = [as_float(row.get("epoch")) for row in stretch.epochs if row.get("best")]
    return marked[-1] if marked else None


def _caption(stretch: _Stretch, log: bool) -> str:
    best = _best(stretch)
    kept = "" if best is None else f"The weights of epoch {count(best)} (dotted line) were kept. "
    start = "Epoch 0 is the model before its first step. " if any(r.get("epoch") == 0 for r in stretch.epochs) else ""
    return (kept + start + ("Logarithmic axis." if log else "")).strip()


def _words(stretch: _Stretch, validated: dict[str, Line], trained: dict[str, Line]) -> str:
    falls = [
        f"{clean(name)} ({where}) from {number(values[0])} to {number(values[-1])}"
        for where, lines in (("validation", validated), ("training", trained))
        for name, (_, values) in lines.items()
    ]
    return f"Loss curves of phase {clean(stretch.name)}: " + ", ".join(falls) + "."


def _table(stretches: list[_Stretch]) -> Table:
    rows = []
    for stretch in stretches:
        end = stretch.end or {}
        best = _best(stretch)
        kept = next((row for row in stretch.epochs if as_float(row.get("epoch")) == best), {})
        terms = kept.get("validation") or kept.get("terms") or {}
        rows.append(
            (
                Cell(shorten(stretch.name, 40), whole=clean(stretch.name)),
                Cell(count(end.get("epochs", len([r for r in stretch.epochs if r.get("epoch")])))),
                Cell(count(best)),
                Cell(", ".join(f"{shorten(name)} {number(value, 4)}" for name, value in terms.items()) or "–"),
                Cell(duration(end.get("seconds"))),
                Cell(clean(end.get("reason", "not ended")), "quiet"),
            )
        )
    head = ("Phase", "Epochs", "Kept epoch", "Terms at the kept epoch", "Time", "Ended by")
    return Table(head, tuple(rows), numeric=(1, 2))
