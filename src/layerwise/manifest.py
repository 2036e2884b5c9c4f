"""Sealed folders: a manifest with the size and the SHA-256 of every file, and one reader that checks them."""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pydantic

from layerwise.errors import CheckpointError, ModelFileError
from layerwise.files import sha256

__all__ = ["MANIFEST", "Kind", "read_sealed", "seal"]

MANIFEST = "manifest.json"
MANIFEST_BYTES = 64 * 1024


@final
@dataclass(frozen=True)
class Kind:
    """What a folder must hold, and how to speak of it.

    Arguments:
        files: name -> the most bytes that the file may have.
        format: the newest version that can be read.
        error: what a damaged folder raises.
        remedy: what the reader of the error can do.
    """

    files: Mapping[str, int]
    format: int
    error: type[ModelFileError] | type[CheckpointError]
    remedy: str

    @property
    def names(self) -> Collection[str]:
        """The files of such a folder, its manifest among them."""
        return (MANIFEST, *self.files)


@final
class _File(pydantic.BaseModel, extra="forbid", frozen=True):
    bytes: int
    sha256: str


@final
class _Manifest(pydantic.BaseModel, extra="forbid", frozen=True):
    format: int
    files: dict[str, _File]


def seal(folder: Path, kind: Kind) -> None:
    """Write the manifest of a folder whose files are all there."""
    files = {name: _File(bytes=(folder / name).stat().st_size, sha256=sha256(folder / name)) for name in kind.files}
    (folder / MANIFEST).write_bytes(_bytes(_Manifest(format=kind.format, files=files)))


def read_sealed(folder: Path, kind: Kind) -> dict[str, bytes]:
    """The content of every file of a folder, after all of it agreed with the manifest.

    Sizes come first, so that nothing large is read for nothing. Each file is opened once, without following links, and
    what was checked is what is returned.

    Raises:
        ModelFileError, CheckpointError: as `kind` says, when a file is missing, cut, changed, linked, no plain file,
            too large, or of a newer format.
    """
    manifest = _read_manifest(folder, kind)
    if set(manifest.files) != set(kind.files):
        names = ", ".join(sorted(set(manifest.files) ^ set(kind.files)))[:200]
        raise kind.error(f"{folder}: the manifest must list {len(kind.files)} known files; it differs in: {names}.")
    for name, expected in manifest.files.items():
        size = _status(folder / name, kind).st_size
        if size != expected.bytes:
            raise kind.error(f"{folder / name}: has {size} bytes, not {expected.bytes}. {kind.remedy}")
    content = {name: _read(folder / name, kind.files[name], kind) for name in kind.files}
    for name, expected in manifest.files.items():
        if hashlib.sha256(content[name]).hexdigest() != expected.sha256:
            raise kind.error(f"{folder / name}: its content was changed (SHA-256 differs). {kind.remedy}")
    return content


def _read_manifest(folder: Path, kind: Kind) -> _Manifest:
    path = folder / MANIFEST
    data = _read(path, MANIFEST_BYTES, kind)
    try:
        content = json.loads(data)["manifest"]
        newer = isinstance(content["format"], int) and content["format"] > kind.format
        manifest = _Manifest(format=content["format"], files={}) if newer else _Manifest.model_validate(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise kind.error(f"{path}: is damaged. {kind.remedy}") from error
    if newer:
        raise kind.error(
            f"{folder}: format {manifest.format} is newer than {kind.format}, the newest that is known here. "
            "Update layerwise."
        )
    if data != _bytes(manifest):
        raise kind.error(f"{path}: its content was changed. {kind.remedy}")
    return manifest


def _bytes(manifest: _Manifest) -> bytes:
    """The one way to write a manifest, with the digest of its own content, so that any changed bit shows."""
    body = json.dumps(manifest.model_dump(), indent=1, sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return (json.dumps({"manifest": json.loads(body), "sha256": digest}, indent=1, sort_keys=True) + "\n").encode()


def _status(path: Path, kind: Kind) -> os.stat_result:
    try:
        status = path.lstat()
    except OSError as error:
        raise kind.error(f"{path}: cannot be read ({error.strerror}). {kind.remedy}") from error
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise kind.error(f"{path}: must be a plain file with one name, not a link, folder or device. {kind.remedy}")
    return status


def _read(path: Path, most: int, kind: Kind) -> bytes:
    size = _status(path, kind).st_size
    if size > most:
        raise kind.error(f"{path}: {size:,} bytes are more than the {most:,} that it may have; not read.")
    try:
        # Between the look and the opening the file may have become a link or a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise kind.error(f"{path}: must be a plain file. {kind.remedy}")
            return file.read(size + 1)
    except OSError as error:
        raise kind.error(f"{path}: cannot be read ({error.strerror}). {kind.remedy}") from error
