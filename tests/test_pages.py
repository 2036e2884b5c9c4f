"""The commands of the pages by task run as they stand, one after the other, on small data of the names they use."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.conftest import Run
from tests.test_repository import HOW_TO, commands, read

# What would take long on any data; the last of two values is taken.
SHORTER = {
    "fit": ("--epochs", "1"),
    "search": ("--trials", "1", "--epochs", "1"),
    "compare": ("--repeats", "1"),
}
# Named data sets, whose files are large.
SMALL = {"mnist": "digits.npy", "eng-fra": "pairs.tsv"}


def table(rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Numbers that hang together, names, and gaps."""
    random = np.random.default_rng(seed)
    found = pd.DataFrame(random.normal(size=(rows, 3)) @ random.normal(size=(3, 6)), columns=list("abcdef"))
    found["kind"] = np.where(found["a"] > 0, "x", "y")
    found.loc[::7, "b"] = np.nan
    return found


def pictures(folder: Path, names: range, *, side: int = 20, colours: bool = False) -> None:
    """Squares of one brightness on another."""
    folder.mkdir()
    for name in names:
        shape = (side, side, 3) if colours else (side, side)
        picture = np.random.default_rng(name).integers(0, 90, shape).astype(np.uint8)
        picture[name % 5 + 3 : 14, 4:12] += 120
        Image.fromarray(picture).save(folder / f"{name}.png")


def masks(folder: Path, names: range) -> None:
    """Where those squares are."""
    folder.mkdir()
    for name in names:
        mask = np.zeros((20, 20), np.uint8)
        mask[name % 5 + 3 : 14, 4:12] = 1
        Image.fromarray(mask).save(folder / f"{name}.png")


def tables(place: Path) -> None:
    for name in ("sensors.csv", "table.csv", "survey.csv"):
        table(80).to_csv(place / name, index=False)
    table(20, seed=1).to_csv(place / "new.csv", index=False)
    for name, rows in (("first-days.csv", 60), ("all-days.csv", 90)):
        table(rows)[list("abc")].to_csv(place / name, index=False)
    table(80).assign(dropout=lambda rows: (rows["c"] > 0).map({True: "yes", False: "no"})).to_csv(
        place / "students.csv", index=False
    )


def images(place: Path) -> None:
    digits = load_digits().images[:40].repeat(4, 1).repeat(4, 2)[:, 2:30, 2:30]
    np.save(place / "digits.npy", (digits * 15).astype(np.uint8))
    np.save(place / "holes.npy", np.where(np.random.default_rng(0).random(digits.shape) < 0.1, np.nan, digits / 16))
    pictures(place / "photos", range(12), colours=True)
    for folder in ("cells", "more-cells", "test-cells", "old-photos"):
        pictures(place / folder, range(12))
    pictures(place / "digits", range(6), side=28)
    for folder in ("masks", "test-masks"):
        masks(place / folder, range(12))
    (place / "photos" / "0.png").rename(place / "noisy.png")


def sentences(place: Path) -> None:
    words = pd.DataFrame({"English": ["I see a cat", "I see a dog", "You see me", "You know me"] * 10})
    words["French"] = ["je vois un chat", "je vois un chien", "tu me vois", "tu me connais"] * 10
    for name in ("pairs.tsv", "other-pairs.tsv"):
        words.to_csv(place / name, index=False, sep="\t")
    words[["English"]].to_csv(place / "new.csv", index=False)
    (place / "sentences.txt").write_text("I see a cat\nYou know me\n", encoding="utf-8")


WRITERS: dict[str, Callable[[Path], None]] = {"pictures": images, "generation": images, "text": sentences}


def blocks(page: str) -> Iterator[list[list[str]]]:
    """The commands of each console block of a page."""
    for block in re.findall(r"```console\n.*?```", page, flags=re.DOTALL):
        yield commands(block)


@pytest.mark.parametrize("page", HOW_TO)
def test_the_commands_of_a_page_run(page: str, run: Run, tmp_path: Path) -> None:
    name = Path(page).stem
    tables(tmp_path)
    if name == "gaps":
        images(tmp_path)
    WRITERS.get(name, lambda place: None)(tmp_path)
    for words in (line for block in blocks(read(page)) for line in block):
        line = [SMALL.get(word, word) for word in words[1:]]
        told = "--recipe-file" in line
        code, _, err = run(*line, *(() if told else SHORTER.get(line[0], ())))
        assert code == 0, f"{' '.join(line)}: {err}"
        written = [after for word, after in pairwise(line) if word in {"-o", "--report"}]
        assert all((tmp_path / file).exists() for file in written)
