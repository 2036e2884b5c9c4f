"""The page: a list of sections, put into the template and written as one file."""

import base64
import hashlib
import importlib
import os
from collections.abc import Callable
from importlib import resources

from layerwise.errors import InputError
from layerwise.files import atomic_file
from layerwise.report.blocks import Section
from layerwise.report.data import ReportData
from layerwise.report.sections import (
    activity,
    anomalies,
    code_map,
    comparison,
    critical,
    curvature,
    diagnosis,
    dynamics,
    environment,
    examples,
    gaps,
    generation,
    hardest,
    landscape,
    pictures,
    prediction,
    recipe,
    sentences,
    signals,
    summary,
    training,
    units,
)
from layerwise.report.words import clean

__all__ = ["SECTIONS", "render", "write_report"]

SECTIONS: tuple[Callable[[ReportData], Section | None], ...] = (
    prediction,
    anomalies,
    gaps,
    pictures,
    sentences,
    summary,
    comparison,
    examples,
    generation,
    code_map,
    hardest,
    activity,
    diagnosis,
    units,
    signals,
    curvature,
    critical,
    landscape,
    dynamics,
    training,
    recipe,
    environment,
)
NEEDED = ("jinja2", "matplotlib", "PIL")


def write_report(data: ReportData, path: str | os.PathLike[str]) -> None:
    """Write the page as one HTML file that loads nothing; the old file stays until the new one is whole.

    Arguments:
        data: what is known; sections with nothing to show are left out.
        path: the file, replaced where it exists.

    Raises:
        InputError: when jinja2, matplotlib or pillow is not installed.
        InputError: where there is a folder of that name.
        ResourceError: when the file cannot be written.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = pathlib.Path(folder) / "report.html"
    ...     write_report(ReportData("Digits", "sklearn:digits"), page)
    ...     page.read_text(encoding="utf-8").splitlines()[0]
    '<!doctype html>'
    """
    page = render(data)
    with atomic_file(path) as temporary:
        temporary.write_bytes(page.encode("utf-8"))


def render(data: ReportData) -> str:
    """The page as text.

    Raises:
        InputError: when jinja2, matplotlib or pillow is not installed.

    >>> "<title>Digits" in render(ReportData("Digits", "sklearn:digits"))
    True
    """
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise InputError(
                f"a report needs the package {'pillow' if name == 'PIL' else name}, which is not installed. "
                'Run: pip install "layerwise[report]"'
            ) from error
    import jinja2

    folder = resources.files("layerwise.report")
    style = "\n" + (folder / "style.css").read_text(encoding="utf-8").replace("\r\n", "\n")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    sections = [section for build in SECTIONS if (section := build(data)) is not None]
    environment_ = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment_.from_string((folder / "template.html").read_text(encoding="utf-8"))
    return template.render(
        title=clean(data.title),
        source=clean(data.source),
        sections=sections,
        style=style,
        style_hash=f"sha256-{digest}",
    )
