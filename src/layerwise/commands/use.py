"""The verbs that use a model on rows."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from layerwise.commands.generation import write_pairs
from layerwise.commands.rows import ENCODERS, are_pictures, codes, loaded, matching
from layerwise.data import check_output, read, write
from layerwise.data.gallery import GALLERIES
from layerwise.errors import InputError
from layerwise.estimators import (
    AutoencoderDetector,
    AutoencoderImputer,
    StackedClassifier,
    StackedRegressor,
)
from layerwise.files import atomic_file
from layerwise.options import DataOptions

__all__ = ["impute", "predict", "reconstruct", "score", "transform"]

TOLD = 20


def transform(model: Path, source: DataOptions, *, output: Path, device: str) -> None:
    """Write the code of each row."""
    check_output(output)
    estimator = loaded(
        model, (*ENCODERS, StackedClassifier, StackedRegressor), "has no codes. Fit an autoencoder", device
    )
    write(codes(estimator, matching(estimator, source)), output)


def reconstruct(model: Path, source: DataOptions, *, output: Path, device: str) -> None:
    """Write each row as it comes back from its code."""
    estimator = loaded(model, ENCODERS, "does not give rows back. Fit an autoencoder", device)
    if output.suffix.lower() in GALLERIES:
        write_pairs(output, estimator, table=matching(estimator, source))
    else:
        check_output(output, pictures=are_pictures(estimator))
        table = matching(estimator, source)
        write(estimator.reconstruct_table(table), output)


def predict(model: Path, source: DataOptions, *, output: Path, probabilities: bool, device: str) -> None:
    """Write the class or the number of each row, and the probability of each class where asked.

    Raises:
        InputError: for a model that predicts nothing, or probabilities of numbers.
    """
    check_output(output)
    estimator = loaded(
        model, (StackedClassifier, StackedRegressor), "predicts nothing. Fit one with --task classify", device
    )
    table = matching(estimator, source)
    found = estimator.predict(table)
    columns = {"prediction": found}
    if found.ndim > 1:
        columns = {f"prediction{place}": column for place, column in enumerate(found.T)}
    if probabilities:
        if not isinstance(estimator, StackedClassifier):
            raise InputError("--probabilities are those of classes; this model predicts numbers.")
        shares = estimator.predict_proba(table)
        columns |= {f"p({name})": shares[:, place] for place, name in enumerate(estimator.classes_.tolist())}
    write(read(pa.table(columns)), output)


def score(model: Path, source: DataOptions, *, output: Path, causes: int, device: str) -> None:
    """Write score, probability and flag of each row; of flagged and of the strangest rows the columns that do it.

    The pixels of pictures are no causes.

    Raises:
        InputError: for a model that is no detector.
    """
    check_output(output)
    estimator = loaded(model, (AutoencoderDetector,), "is no detector. Fit one with --task detect", device)
    table = matching(estimator, source)
    scores = estimator.anomaly_score(table)
    flagged = scores > -estimator.offset_
    columns: dict[str, Any] = {
        "score": scores,
        "probability": estimator.null_.probability(scores),
        "flagged": flagged.astype(np.int8),
    }
    told = np.unique([*np.flatnonzero(flagged), *np.argsort(-scores, kind="stable")[:TOLD]]).astype(np.int64)
    causes = 0 if are_pictures(estimator) else causes
    found = estimator.explain(table, causes, rows=told) if causes else []
    texts = np.full((causes, len(scores)), "", dtype=object)
    for row, parts in zip(told.tolist(), found, strict=False):
        for place, (name, value) in enumerate(parts):
            texts[place, row] = f"{name} ({value:.3g})"
    columns |= {f"cause{place + 1}": pa.array(values.tolist(), pa.string()) for place, values in enumerate(texts)}
    write(read(pa.table(columns)), output)


def impute(model: Path, source: DataOptions, *, output: Path, samples: int, device: str) -> None:
    """Write the rows with their gaps filled; several times, at random, where samples are asked for.

    Raises:
        InputError: for a model that is no imputer.
    """
    paths = [output]
    if samples:
        paths = [output.with_name(f"{output.stem}-{number + 1}{output.suffix}") for number in range(samples)]
    estimator = loaded(model, (AutoencoderImputer,), "is no imputer. Fit one with --task impute", device)
    for path in paths:
        check_output(path, pictures=are_pictures(estimator))
    table = matching(estimator, source)
    if not samples:
        write(estimator.complete(table), output)
    with ExitStack() as together:
        for path, sample in zip(paths, estimator.samples(table, samples), strict=False):
            # All files or none; folders one by one.
            write(sample, together.enter_context(atomic_file(path)) if path.suffix else path)
