"""The model folder: one writer and one reader, which loads what was written or refuses it."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import pydantic
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from layerwise import __version__
from layerwise.cards import model_card
from layerwise.data import Schema
from layerwise.errors import ModelFileError
from layerwise.files import atomic_folder
from layerwise.manifest import Kind, read_sealed, seal
from layerwise.models import Config, Detector, Model, Network, PrincipalComponents, SequenceNetwork, model_of

__all__ = [
    "FORMAT",
    "SavedModel",
    "environment",
    "load_model",
    "model_folder",
    "plain",
    "save_model",
    "write_model",
]

FORMAT = 1
BASELINE = ("components", "center", "variances")
TEXT_BYTES = 64 * 1024 * 1024
TENSOR_BYTES = 2**40
HEADER_BYTES = 2**20
KIND = Kind(
    {
        "model.safetensors": TENSOR_BYTES,
        "baseline.safetensors": TENSOR_BYTES,
        "examples.safetensors": TENSOR_BYTES,
        "config.json": TEXT_BYTES // 16,
        "schema.json": TEXT_BYTES,
        "recipe.json": TEXT_BYTES,
        "history.jsonl": TEXT_BYTES,
        "metrics.json": TEXT_BYTES,
        "README.md": TEXT_BYTES // 16,
    },
    format=FORMAT,
    error=ModelFileError,
    remedy="Copy the folder again, or fit the model again.",
)


@final
@dataclass(frozen=True)
class SavedModel:
    """All that a model folder holds.

    Attributes:
        model: the trained autoencoder, predictor or detector.
        schema: how columns become features, and back.
        components: PCA of the training rows, for comparisons; None for the others.
        settings: what the estimator needs beside the model to be itself again, as plain values.
        recipe: the phases, as plain values.
        history: the rows of the run.
        metrics: the comparison on the held-out rows.
        examples: some held-out rows with their codes and reconstructions.
        environment: library versions, processor, threads, date.
    """

    model: Model
    schema: Schema
    components: PrincipalComponents | None
    settings: dict[str, Any] = field(default_factory=dict)
    recipe: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, Tensor] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@final
class _Config(pydantic.BaseModel, extra="forbid", frozen=True):
    format: Literal[1]
    model: Config
    settings: dict[str, Any]
    environment: dict[str, str]


def save_model(folder: str | os.PathLike[str], saved: SavedModel) -> None:
    """Write a model folder: all of it, or nothing.

    Raises:
        ResourceError: when the place cannot be written; what was there stays.
        InputError: when the folder holds anything but a model, or the model an activation that has no name.
    """
    with model_folder(folder) as staging:
        write_model(staging, saved)


def model_folder(folder: str | os.PathLike[str]) -> AbstractContextManager[Path]:
    """An empty folder that takes the place of `folder` at the end; of what is there, only a model is replaced.

    Raises:
        InputError: when `folder` holds anything but a model; found before the work begins.
        ResourceError: when the place cannot be written; what was there stays.
    """
    return atomic_folder(folder, replaces=KIND.names)


def write_model(staging: Path, saved: SavedModel) -> None:
    """Write the files of a model folder into an empty one, as `model_folder` gives it."""
    config = _Config(
        format=1,
        model=saved.model.config(),
        settings=saved.settings,
        environment=saved.environment or environment(),
    )
    components = saved.components
    baseline = {} if components is None else {name: vars(components)[name] for name in BASELINE}
    for name, tensors in [
        ("model.safetensors", saved.model.state_dict()),
        ("baseline.safetensors", baseline),
        ("examples.safetensors", saved.examples),
    ]:
        # Not save_file: that maps the file into memory, where a full disk is a crash and not an error.
        kept = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        (staging / name).write_bytes(safetensors.torch.save(kept))
    for name, value in [
        ("config.json", config.model_dump()),
        ("schema.json", saved.schema.to_json()),
        ("recipe.json", saved.recipe),
        ("metrics.json", saved.metrics),
    ]:
        (staging / name).write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    lines = [json.dumps(row) + "\n" for row in saved.history]
    (staging / "history.jsonl").write_text("".join(lines), encoding="utf-8")
    (staging / "README.md").write_text(model_card(saved.model, saved.metrics, saved.settings), encoding="utf-8")
    seal(staging, KIND)


def load_model(folder: str | os.PathLike[str]) -> SavedModel:
    """Read a model folder: sizes and hashes first, then names, shapes and types, then the tensors.

    Nothing is unpickled, and no name in the folder becomes a path or a class.

    Raises:
        ModelFileError: when the folder or a file of it is missing, cut, changed, or of another format version.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ModelFileError(f"{path} is not a model folder. Make one with: layerwise fit DATA -o {path}")
    content = read_sealed(path, KIND)
    try:
        config = _Config.model_validate_json(content["config.json"])
        schema = Schema.from_json(json.loads(content["schema.json"]))
        model = _model(path, config.model, content["model.safetensors"])
        _check_words(model, schema)
        # What a detector sees may be some rows of a series at once.
        code, features = model.code, model.widths[0] if isinstance(model, Detector) else schema.n_features
        shapes = ((code, features), (features,), (code,)) if isinstance(model, Network) else ()
        baseline = _tensors(content["baseline.safetensors"], dict(zip(BASELINE, shapes, strict=False)))
        components = PrincipalComponents(*(baseline[name] for name in BASELINE)) if baseline else None
        return SavedModel(
            model,
            schema,
            components,
            settings=config.settings,
            recipe=json.loads(content["recipe.json"]),
            history=[json.loads(line) for line in content["history.jsonl"].splitlines()],
            metrics=json.loads(content["metrics.json"]),
            examples=_tensors(content["examples.safetensors"], _example_shapes(code, features), partly=True),
            environment=config.environment,
        )
    except ModelFileError:
        raise
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError, RuntimeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(
            f"{path}: the model folder does not fit together: {reason}. Fit the model again."
        ) from error


def environment() -> dict[str, str]:
    """The versions, the machine and the date of a run, as text."""
    return {
        "layerwise": __version__,
        **{name: version(name) for name in ("torch", "numpy", "scikit-learn", "safetensors")},
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "threads": str(torch.get_num_threads()),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _model(path: Path, config: Config, data: bytes) -> Model:
    # Before anything of the described size is made: the description must fit the file that is there.
    if config.least_bytes() > len(data):
        raise ModelFileError(f"{path}: config.json describes a larger model than model.safetensors holds.")
    tensors = _tensors(data)
    model = model_of(config)
    wanted = {name: (tuple(value.shape), value.dtype) for name, value in model.state_dict().items()}
    found = {name: (tuple(value.shape), value.dtype) for name, value in tensors.items()}
    if wanted != found:
        names = ", ".join(sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name)))[:200]
        raise ModelFileError(f"{path}: model.safetensors does not fit the architecture in config.json: {names}.")
    model.load_state_dict(tensors)
    model.eval()
    return model


def _check_words(model: Model, schema: Schema) -> None:
    """Networks over tokens have a schema of text, with as many tokens; no others have one."""
    reads = isinstance(model, SequenceNetwork)
    if reads != (schema.text is not None) or (reads and model.widths[0] != schema.n_features):
        raise ValueError(f"{type(model).__name__} does not read the columns of schema.json")


def _example_shapes(code: int, features: int) -> dict[str, tuple[int | None, ...]]:
    shapes: dict[str, tuple[int | None, ...]] = {"codes": (None, code), "strange.contributions": (None, None)}
    shapes |= dict.fromkeys(("error", "labels", "rows.error", "strange.row", "strange.score"), (None,))
    shapes |= {f"rows.{name}": (None, features) for name in ("input", "reconstruction", "pca", "observed")}
    shapes |= {"pictures.shown": (None,) * 5, "pictures.size": (None, 2)}
    return shapes | {f"strange.{name}": (None, features) for name in ("input", "expected", "observed")}


def _tensors(
    data: bytes, shapes: Mapping[str, tuple[int | None, ...]] | None = None, *, partly: bool = False
) -> dict[str, Tensor]:
    """The tensors of a file; with `shapes` these and no others, None being any size; `partly` lets some be missing.

    Raises:
        ValueError: for a header too long for any model, or other names or shapes.
    """
    header = int.from_bytes(data[:8], "little")
    if header > HEADER_BYTES:
        raise ValueError(f"a header of {header:,} bytes is longer than any model needs")
    tensors = safetensors.torch.load(data)
    if shapes is None:
        return tensors
    if not tensors.keys() <= shapes.keys() or (not partly and len(tensors) < len(shapes)):
        raise ValueError(f"tensors must be {', '.join(shapes)}; found {', '.join(sorted(tensors))}")
    for name, value in tensors.items():
        wanted = shapes[name]
        if value.dim() != len(wanted) or any(w not in (None, n) for w, n in zip(wanted, value.shape, strict=True)):
            raise ValueError(f"{name} must have the shape {wanted}; found {tuple(value.shape)}")
    return tensors


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NumPy numbers become Python's, NaN and infinities None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
