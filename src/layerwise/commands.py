"""What each verb of the command line does; all of it through the estimator."""

import json
import logging
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from rich.table import Table as RichTable

from layerwise.data import Schema, Table, check_writable, datasets, read, write
from layerwise.errors import InputError
from layerwise.estimators import DeepAutoencoder
from layerwise.files import check_file
from layerwise.penalties import Fidelity, MixedFidelity, clipped_squared_error, cross_entropy
from layerwise.recipes import Setting, default, default_arguments
from layerwise.storage import model_folder, write_model
from layerwise.terminal import visible
from layerwise.training import Checkpoint, History, Recipe, describe

__all__ = [
    "DataOptions",
    "FitOptions",
    "FitResult",
    "as_table",
    "checkpoint_settings",
    "dry_run",
    "evaluate",
    "fit",
    "info",
    "list_datasets",
    "recipe_settings",
    "reconstruct",
    "report",
    "transform",
]

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class DataOptions:
    """Where rows come from."""

    source: str
    data_dir: Path | None = None
    label: str | None = None
    drop: tuple[str, ...] = ()
    member: str | None = None

    def read(self) -> Table:
        """The rows.

        Raises:
            InputError: when they cannot be read.
        """
        return read(self.source, data_dir=self.data_dir, label=self.label, member=self.member, drop=self.drop)


@final
@dataclass(frozen=True)
class FitOptions:
    """The options of `layerwise fit`, under the names of the estimator's arguments."""

    source: DataOptions
    output: Path | None = None
    code: int | None = None
    hidden: str = "auto"
    scaling: str = "auto"
    fidelity: str = "squared_error"
    max_epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    recipe: dict[str, Any] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    codes: Path | None = None
    report: Path | None = None
    progress: bool = True

    def estimator(self) -> DeepAutoencoder:
        """The estimator that these options describe.

        Raises:
            InputError: for widths that are not whole numbers, or an unknown scaling.
        """
        scalings = ("auto", "standard", "minmax", "none")
        if self.scaling not in scalings:
            raise InputError(f"--scaling must be one of {', '.join(scalings)}; got {self.scaling!r}.")
        hidden: Any = "auto"
        if self.hidden != "auto":
            parts = [part for part in self.hidden.split(",") if part.strip()]
            if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
                raise InputError(f"--hidden must be whole numbers like 1000,500,250; got {self.hidden!r}.")
            hidden = tuple(int(part) for part in parts)
        return DeepAutoencoder(
            self.code,
            hidden_layer_sizes=hidden,
            fidelity=self._fidelity(),
            scaling=self.scaling,  # type: ignore[arg-type]
            recipe=self._phases,
            device=self.device,
            precision=self.precision,  # type: ignore[arg-type]
            random_state=self.seed,
            verbose=int(self.progress),
        )

    def _fidelity(self) -> Fidelity | Callable[[Schema], Fidelity]:
        known: dict[str, Fidelity | Callable[[Schema], Fidelity]] = {
            "squared_error": clipped_squared_error,
            "cross_entropy": cross_entropy,
            "mixed": MixedFidelity.of,
        }
        if self.fidelity not in known:
            raise InputError(f"--fidelity must be one of {', '.join(known)}; got {self.fidelity!r}.")
        return known[self.fidelity]

    def _phases(self, setting: Setting) -> Recipe:
        chosen: dict[str, Any] = {"epochs": self.max_epochs, "batch_size": self.batch_size}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        return default(setting, **{**chosen, **self.recipe})


@final
@dataclass(frozen=True)
class FitResult:
    """What `fit` has to tell; `signal` is the number of the one that ended it early, or 0."""

    metrics: dict[str, Any]
    summary: str
    signal: int


def recipe_settings(pairs: Sequence[str], config: Path | None) -> dict[str, Any]:
    """The recipe's arguments from a TOML or JSON file and from NAME=VALUE pairs, which win.

    Raises:
        InputError: for an unknown name, a value that the argument cannot take, or an unreadable file.

    >>> recipe_settings(["lr=0.01", "patience=5"], None)
    {'lr': 0.01, 'patience': 5}
    """
    settings: dict[str, Any] = {}
    if config is not None:
        try:
            text = config.read_text("utf-8")
            settings.update(json.loads(text) if config.suffix == ".json" else tomllib.loads(text))
        except (OSError, ValueError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(
                f"--config {config}: must be a TOML or JSON file of recipe arguments, like lr = 0.001; {reason}."
            ) from error
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set must be NAME=VALUE, like lr=0.001; got {pair!r}.")
        settings[name.strip()] = _number(value.strip(), pair)
    return default_arguments(settings)


def checkpoint_settings(folder: Path | None, every: str, every_steps: int | None, fresh: bool) -> Checkpoint | None:
    """Where and how often the state is kept.

    Raises:
        InputError: for a time like "soon".

    >>> checkpoint_settings(Path("run"), "5m", None, False).every_seconds
    300.0
    """
    if folder is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    unit = units.get(every[-1:].lower())
    try:
        seconds = float(every if unit is None else every[:-1]) * (unit or 1.0)
    except ValueError as error:
        raise InputError(f"--every must be a time like 60s, 5m or 1h; got {every!r}.") from error
    return Checkpoint(folder, seconds, every_steps, fresh)


def _number(text: str, pair: str) -> Any:
    if text.lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"--set {pair}: the value must be a number, or none for the recipe's own choice.") from error
    return int(value) if value.is_integer() and not set(text) & set(".eE") else value


def dry_run(options: FitOptions) -> Any:
    """The recipe that `fit` would run, and nothing else."""
    table = options.source.read()
    estimator = options.estimator()
    schema, model, phases = estimator.plan(table)
    return {
        "rows": len(table),
        "features": schema.n_features,
        "widths": model.widths,
        "recipe": describe(phases),
    }


def fit(options: FitOptions) -> FitResult:
    """Train, judge, and write the model folder, and the codes and the page where asked.

    Raises:
        InputError: for a missing output, one that would replace other things, or unusable data.
        ResourceError: when the output cannot be written; found before training starts.
    """
    if options.output is None:
        raise InputError("fit needs a place for the model: -o FOLDER.")
    estimator = options.estimator()
    for path in filter(None, (options.codes, options.report)):
        check_file(path)
    if options.codes is not None:
        check_writable(options.codes)
    with model_folder(options.output) as staging:
        table = options.source.read()
        history = History(staging / "history.jsonl")
        estimator.fit(table, history=history, checkpoint=options.checkpoint)
        estimator.ignored_ = (*options.source.drop, *([options.source.label] if options.source.label else []))
        write_model(staging, estimator.saved())
    if options.codes is not None:
        write(_codes(estimator, table), options.codes)
    if options.report is not None:
        report(options.output, None, output=options.report, device=options.device)
    if history.signal:
        more = "" if options.checkpoint is None else " The same command goes on from here."
        logger.warning("wrote %s with these weights.%s", options.output, more)
    return FitResult(estimator.metrics_, summary(estimator.metrics_), history.signal)


def transform(model: Path, source: DataOptions, *, output: Path, device: str) -> None:
    """Write the code of each row."""
    check_writable(output)
    check_file(output)
    estimator = DeepAutoencoder.load(model, device=device)
    write(_codes(estimator, _matching(estimator, source)), output)


def reconstruct(model: Path, source: DataOptions, *, output: Path, device: str) -> None:
    """Write each row as it comes back from its code."""
    estimator = DeepAutoencoder.load(model, device=device)
    write(estimator.reconstruct_table(_matching(estimator, source)), output)


def evaluate(model: Path, source: DataOptions, *, device: str) -> tuple[dict[str, Any], str]:
    """The comparison with PCA on the given rows, as figures and in words."""
    estimator = DeepAutoencoder.load(model, device=device)
    metrics = estimator.evaluate(_matching(estimator, source))
    return metrics, summary(metrics)


def report(model: Path, source: DataOptions | None, *, output: Path, device: str) -> None:
    """Write the page, on the given rows or on those which `fit` held out."""
    estimator = DeepAutoencoder.load(model, device=device)
    estimator.report(output, None if source is None else _matching(estimator, source), title=model.name)


def info(model: Path) -> dict[str, Any]:
    """What is in a model folder, in short."""
    estimator = DeepAutoencoder.load(model, device="cpu")
    kinds = [column.kind for column in estimator.schema_.columns]
    keys = ("rows", "held_out", "squared_error", "pca_squared_error", "ratio_to_pca", "verdict")
    return {
        "model": str(model),
        "widths": estimator.model_.widths,
        "parameters": sum(parameter.numel() for parameter in estimator.model_.parameters()),
        "columns": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        **{key: estimator.metrics_[key] for key in keys if key in estimator.metrics_},
        "environment": estimator.environment_,
    }


def list_datasets() -> list[dict[str, Any]]:
    """The data sets that go by a name."""
    fields = ("name", "rows", "features", "licence", "origin")
    return [{field: vars(entry)[field] for field in fields} for entry in datasets()]


def summary(metrics: dict[str, Any]) -> str:
    """The comparison in three lines.

    Raises:
        KeyError: for figures that are not those of a comparison.
    """
    size, ratio, interval = metrics["n_components"], metrics["ratio_to_pca"], metrics["ratio_interval"]
    rows = metrics["held_out"].removeprefix("rows ")
    words = {
        "autoencoder": "the autoencoder is better",
        "pca": "PCA is better: use PCA, or train longer or wider",
        "tie": "no difference can be told" if interval else "too few rows to tell",
    }
    between = f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    told = "PCA is exact here" if ratio is None else f"{ratio:.3f}{between}: {words[metrics['verdict']]}"
    trust = metrics["trustworthiness"]
    trusted = f"; trustworthiness {trust['autoencoder']:.3f}, PCA's {trust['pca']:.3f}" if "pca" in trust else ""
    return "\n".join(
        [
            f"squared error on {metrics['rows']} {rows} (sum over {metrics['features']} features, scaled units):",
            f"  column means {metrics['mean_squared_error']:.4g}   PCA-{size} {metrics['pca_squared_error']:.4g}"
            f"   autoencoder-{size} {metrics['squared_error']:.4g}",
            f"  autoencoder / PCA = {told}{trusted}",
        ]
    )


def as_table(value: Any) -> RichTable:
    """A list of rows, or named values, as a table for a terminal."""
    table = RichTable(show_header=isinstance(value, list))
    if isinstance(value, list):
        for name in value[0] if value else []:
            table.add_column(_cell(name))
        for row in value:
            table.add_row(*(_cell(cell) for cell in row.values()))
        return table
    for name, cell in value.items():
        table.add_row(_cell(name), _cell(cell))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{_cell(name)}: {_cell(item)}" for name, item in value.items())
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        return "\n\n".join(_cell(item) for item in value)
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))


def _codes(estimator: DeepAutoencoder, table: Table) -> Table:
    codes = estimator.transform(table)
    return Table.from_array(codes, names=tuple(f"code{i}" for i in range(codes.shape[1])))


def _matching(estimator: DeepAutoencoder, source: DataOptions) -> Table:
    """The rows with the model's columns: what `fit` dropped or took as a label is dropped here too."""
    table = source.read()
    extra = [name for name in estimator.ignored_ if name in table.names]
    return table.drop(tuple(extra)) if extra else table
