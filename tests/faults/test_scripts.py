"""Names and cells that are scripts: on a report page none runs and none loads anything, and all are shown as they are.

The same strings are also put into a page as they are, without the policy and with it: so that it is known that the
browser would run them, and that the policy alone would stop them.
"""

import base64
import random
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerwise import cli
from layerwise.report.words import clean
from tests.faults.browser import CHROMIUM, Server, dumped, served
from tests.faults.payloads import hostile

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

HTML, SVG = "text/html; charset=utf-8", "image/svg+xml"
# A name that stands in the text of a page, and one so long that the page shortens it and has all of it in a `title`.
SHORT, LONG = "neutral", "neutral" + "x" * 50
# So many rows are trained on in one go.
MANY, ROWS, WIDE = 1200, 12, 8


class Reader(HTMLParser):
    """The elements with their attributes, and all text and all values of attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: set[tuple[str, str]] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.parts |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data):
        self.texts.append(data)


@dataclass(frozen=True)
class Pages:
    """The strings, the pages that hold them, and one without any."""

    strings: list[str]
    columns: Path
    others: dict[int, Path]
    neutral: Path
    labels: list[str]


def layerwise(*words: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["layerwise", *map(str, words)])
        assert cli.execute(verbose=False) == 0, words


def fit(folder: Path, frame: pd.DataFrame, *more: str) -> Path:
    folder.mkdir()
    frame.to_parquet(folder / f"{SHORT}.parquet")
    model = folder / SHORT
    options = ["--code", 2, "--hidden", 4, "--epochs", 1, "--quiet", "-o", model, *more]
    layerwise("fit", folder / f"{SHORT}.parquet", *options)
    return model


def cells(strings: list[str], rows: int) -> dict[str, list[str]]:
    """Columns of categories; any twelve rows, one after the other, hold all sixty strings."""
    return {strings[c]: [strings[(WIDE * (r % ROWS) + c) % len(strings)] for r in range(rows)] for c in range(WIDE)}


def report_on(model: Path, text: str, folder: Path, rows: pd.DataFrame) -> Path:
    """The page of a model and a file which have that name; a slash in the file's name makes folders."""
    text = text.replace("\0", "")
    # An empty folder name would be lost, and browsers take both slashes.
    data, named = folder / (text.replace("//", "\\\\") + ".parquet"), folder / "m" / text.replace("/", "\\")
    data.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(data)
    shutil.copytree(model, named)
    layerwise("report", named, data, "--label", "label", "-o", folder / "page.html")
    page = (folder / "page.html").read_text("utf-8")
    assert {clean(named.name), clean(data)} <= set(map(clean, Reader(page).texts))
    return folder / "page.html"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as here:
        yield here


@pytest.fixture(scope="module")
def pages(tmp_path_factory, faults, server) -> Pages:
    folder, strings = tmp_path_factory.mktemp("pages"), hostile(server.address)
    draw = np.random.default_rng(0)
    columns = pd.DataFrame({text: draw.normal(size=MANY) for text in strings})
    fit(folder / "columns", columns, "--report", str(folder / "columns.html"))
    numbers = {SHORT: draw.normal(size=MANY), LONG: draw.normal(size=MANY)}
    frame = pd.DataFrame({**numbers, "kind": [SHORT, LONG] * (MANY // 2)})
    plain = fit(folder / "plain", frame)
    frame[:2].to_parquet(plain.with_suffix(".parquet"))
    layerwise("report", plain, plain.with_suffix(".parquet"), "-o", folder / "plain.html")
    labels = [strings[r % len(strings)] for r in range(MANY)]
    frame = pd.DataFrame({**cells(strings, MANY), "label": labels})
    model = fit(folder / "cells", frame, "--label", "label")
    chosen = sorted(random.Random(faults.seed).sample(range(len(strings)), faults.number(quick=2, full=len(strings))))
    others = {}
    for n in chosen:
        (folder / str(n)).mkdir()
        some = frame[ROWS * (n % 5) : ROWS * (n % 5 + 1)]
        others[n] = report_on(model, strings[n], folder / str(n), some)
    return Pages(strings, folder / "columns.html", others, folder / "plain.html", labels)


def drawings(page: Path) -> list[bytes]:
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page.read_text("utf-8"))
    assert found
    return [base64.b64decode(text) for text in found]


def test_nothing_in_a_name_runs(tmp_path, faults, server, pages):
    everywhere = [pages.columns, *pages.others.values()]
    opened = [(HTML, page.read_bytes()) for page in everywhere]
    # A reader may open a figure on its own.
    opened += [(SVG, drawing) for page in everywhere[:3] for drawing in drawings(page)]
    seen = server.read(opened, tmp_path / "profile")

    parts = re.split(r"(?=<section)|(?<=</section>)", pages.neutral.read_text("utf-8"))
    neutral = "".join(part for part in parts if SHORT in part or not part.startswith("<section"))
    bare, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", neutral)
    assert count == 1
    controls = []
    for page in (bare, neutral):
        page = re.sub(r'src="data:image/[^"]*"', 'src="data:,"', page)
        raw = [page.replace(LONG, text).replace(SHORT, text) for text in pages.strings]
        raw.append("<pre>" + 100 * "wide ")
        controls.append(server.read([(HTML, text.encode()) for text in raw], tmp_path / "profile"))
    free, policy = controls

    total = len(pages.strings)
    faults.record(
        "Script strings",
        f"{total - len(seen.ran | seen.loaded)} of {total} did not run as columns and categories, {len(pages.others)} "
        f"of them also as names of file and run; without escaping {len(free.ran | free.loaded)} run or load, "
        f"with the policy alone {len(policy.ran)} run and {len(policy.loaded)} load",
    )
    assert not seen.ran
    assert not seen.loaded
    assert not seen.wide & set(range(len(everywhere)))
    assert len(free.ran) >= 35
    assert len(free.ran | free.loaded) >= 45
    assert len(pages.strings) in free.wide
    assert not policy.ran
    # No policy stops a page from sending its reader elsewhere.
    assert all("http-equiv=refresh" in pages.strings[n] for n in policy.loaded)


def test_names_are_shown_as_they_are(pages):
    shown = Reader(pages.columns.read_text("utf-8")).texts
    assert not {clean(text) for text in pages.strings} - set(shown)
    for page in pages.others.values():
        shown = Reader(page.read_text("utf-8")).texts
        assert not {clean(text) for text in pages.strings} - set(shown)


def test_a_page_opened_as_a_file_is_the_same_page(tmp_path, server, pages):
    """The browser sees no element and no attribute that a page with plain names does not have, and logs nothing."""
    known = Reader(pages.neutral.read_text("utf-8")).parts
    assert not {name for _, name in known if name.startswith("on")}
    assert not {tag for tag, _ in known} & {"script", "iframe", "object", "embed", "form", "base"}
    server.asked.clear()
    for page in (pages.columns, *list(pages.others.values())[:2]):
        shown, log = dumped(page.as_uri(), tmp_path / "profile")
        assert not Reader(shown).parts - known - {("tbody", "")}
        assert "CONSOLE" not in log
    assert not server.asked
    control = tmp_path / "control.html"
    control.write_text(f"<p>{pages.strings[0]}</p>")
    assert "CONSOLE" in dumped(control.as_uri(), tmp_path / "profile")[1]
