"""The page: safe whatever the names are, complete where there is something to show, silent elsewhere."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import time
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import report_samples as samples

from layerwise.errors import InputError, ResourceError
from layerwise.report import ReportData, write_report
from layerwise.report.blocks import Text
from layerwise.report.page import SECTIONS, render
from layerwise.report.sections import summary
from layerwise.report.words import clean, describe, narrow, number, shorten, width

VOID = {"meta", "link", "img", "br", "hr"}
ANCHORS = [
    "summary",
    "comparison",
    "examples",
    "map",
    "columns",
    "activity",
    "training",
    "recipe",
    "environment",
]


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def drawings(self) -> list[str]:
        """The figures' SVG sources."""
        sources = [value for tag, name, value in self.attributes if (tag, name) == ("img", "src")]
        encoded = [s.removeprefix("data:image/svg+xml;base64,") for s in sources if s.startswith("data:image/svg")]
        return [base64.b64decode(s).decode("utf-8") for s in encoded]


@pytest.fixture(scope="module", params=["pictures", "table"])
def page(request: pytest.FixtureRequest) -> str:
    return render(samples.pictures() if request.param == "pictures" else samples.table())


@pytest.fixture(scope="module")
def table_data() -> ReportData:
    return samples.table(rows=120)


@pytest.fixture(scope="module")
def table_page(table_data: ReportData) -> Reader:
    return Reader(render(table_data))


METRICS = {
    "rows": 1000,
    "held_out": "held-out rows",
    "n_components": 30,
    "features": 784,
    "verdict": "autoencoder",
    "ratio_to_pca": 0.216,
    "ratio_interval": [0.212, 0.219],
    "mean_squared_error": 52.8,
    "pca_squared_error": 13.9,
    "squared_error": 3.0,
}
SMALL = samples.table(rows=40, plain=2)
CODES = ("codes", "errors")


def part(*names: str, **changes: Any) -> ReportData:
    """The named parts of a small table's data alone, and those that are given; the rest is left out."""
    return ReportData("t", "s", **{name: vars(SMALL)[name] for name in names}, **changes)


def test_page_is_well_formed(page: str) -> None:
    reader = Reader(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    targets = [value[1:] for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert targets and set(targets) <= set(reader.ids)
    assert all(value for tag, name, value in reader.attributes if (tag, name) == ("img", "alt"))
    assert [tag for tag in reader.tags if tag == "h1"] == ["h1"]


def test_page_loads_and_runs_nothing(page: str) -> None:
    reader = Reader(page)
    assert "script" not in reader.tags and "iframe" not in reader.tags
    for _, name, value in reader.attributes:
        assert not name.startswith("on") and name != "style"
        if name in ("src", "href", "srcset", "data", "action"):
            assert value.startswith(("data:", "#"))
    assert not re.search(r"url\(|@import|https?:", page)


def test_drawings_are_well_formed_and_load_nothing(page: str) -> None:
    drawings = Reader(page).drawings
    assert len(drawings) >= 6
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        for element in root.iter():
            assert not element.tag.endswith("script")
            for name, value in element.attrib.items():
                assert not name.startswith("on")
                if name.endswith("href"):
                    assert value.startswith(("#", "data:image/png"))


def test_policy_allows_this_style_only(page: str) -> None:
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(v for t, n, v in Reader(page).attributes if (t, n) == ("meta", "content") and "default-src" in v)
    rest = "base-uri 'none'; form-action 'none'"
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; {rest}"
    assert page.index(f'"{policy}"') < page.index("<title>")


@pytest.mark.parametrize("name", samples.HOSTILE)
def test_hostile_names_are_plain_text(table_page: Reader, name: str) -> None:
    everything = table_page.text + " ".join(v for _, n, v in table_page.attributes if n == "title")
    assert clean(name) in everything
    assert "img" in table_page.tags and all("onerror" not in n for _, n, _ in table_page.attributes)


def test_hostile_title_and_source() -> None:
    reader = Reader(render(ReportData("</title><script>alert(1)</script>", "<img src=x onerror=alert(1)>\x00")))
    assert "script" not in reader.tags and "img" not in reader.tags
    assert "<img src=x onerror=alert(1)>\ufffd" in reader.text


def test_dollars_are_not_mathematics(table_page: Reader) -> None:
    words = {node.text for d in table_page.drawings for node in ElementTree.fromstring(d).iter() if node.text}
    assert any(word and word.startswith("$x^2$") for word in words)


def test_every_section_is_there(table_page: Reader) -> None:
    assert [i for i in table_page.ids if not i.endswith("-title")] == ANCHORS


def test_pixels_take_the_place_of_columns() -> None:
    reader = Reader(render(samples.pictures()))
    assert "pixels" in reader.ids and "columns" not in reader.ids
    rasters = [v for t, n, v in reader.attributes if (t, n) == ("img", "src") and v.startswith("data:image/png")]
    assert len(rasters) == 36


@pytest.mark.parametrize(
    ("names", "anchors"),
    [
        (["history"], {"training"}),
        (["recipe"], {"recipe"}),
        (["environment"], {"environment"}),
        (["examples", "columns"], {"examples"}),
        (["codes", "errors"], {"map", "activity"}),
        (["metrics"], {"summary", "comparison", "columns", "activity"}),
    ],
    ids=lambda value: "-".join(sorted(value)),
)
def test_sections_without_content_are_left_out(names: list[str], anchors: set[str]) -> None:
    ids = set(Reader(render(part(*names))).ids)
    assert {anchor for anchor in ANCHORS if anchor in ids} == anchors


def test_nothing_at_all_is_a_page() -> None:
    data = ReportData("Nothing", "nowhere")
    assert all(section(data) is None for section in SECTIONS)
    assert "Nothing" in Reader(render(data)).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "is 0.22 of PCA's (95 % interval 0.21 to 0.22)"),
        ({"verdict": "pca", "ratio_to_pca": 1.5, "ratio_interval": [1.2, 1.8]}, "PCA wins."),
        ({"verdict": "pca", "ratio_to_pca": 1.5, "ratio_interval": [1.2, 1.8]}, "Use PCA here"),
        ({"verdict": "tie", "ratio_to_pca": 1.0, "ratio_interval": [0.9, 1.1]}, "Neither wins."),
        (
            {"verdict": "pca", "ratio_to_pca": None, "ratio_interval": None},
            "PCA reconstructs these rows exactly",
        ),
        ({"held_out": "training rows"}, "error on the rows it was trained on"),
        ({"held_out": "test rows"}, "own test split"),
    ],
)
def test_verdict_in_words(changes: dict[str, Any], words: str) -> None:
    section = summary(ReportData("t", "s", {**METRICS, **changes}))
    assert section is not None
    assert any(isinstance(block, Text) and words in block.words for block in section.blocks)


def told(data: ReportData) -> str:
    """The words of the section on predictions, which comes first."""
    reader = Reader(render(data))
    assert reader.open == [] and "prediction" in reader.ids
    shown = [anchor for anchor in [*ANCHORS, "prediction"] if anchor in reader.ids]
    assert not {"summary", "comparison", "columns"} & set(shown)
    return reader.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "errs on 10.4 % of them (95 % interval 5.00 % to 20.0 %); logistic regression on the same columns"),
        ({}, "the same columns errs on 25.0 %."),
        ({"linear_error": 0.1}, "too close to tell them apart"),
        ({"linear_error": 0.01}, "Use logistic regression here: it is simpler and better"),
        ({"linear_error": None, "linear_rows": 0}, "errs on 10.4 % of them (95 % interval 5.00 % to 20.0 %)."),
        ({"held_out": "training rows"}, "67 rows it was trained on, as none were held out: they flatter it"),
        ({"held_out": "test rows"}, "own test split"),
        ({"held_out": "given rows"}, "given rows"),
        ({}, "wrong if all were given the most frequent class 65.0 %"),
        ({}, "wrong by logistic regression on 300 rows 25.0 %"),
        ({}, "This net predicts the class of each row. It was judged on 67"),
    ],
    ids=str,
)
def test_classes_in_words(changes: dict[str, Any], words: str) -> None:
    text = told(samples.classes(**changes))
    assert words in text
    assert ("logistic" in text) == (changes.get("linear_error", 1) is not None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "explains 52.0 % of the variance; ridge regression on the same columns explains 47.0 %."),
        ({"linear_r2": 0.6}, "Use ridge regression here: it is simpler and no worse"),
        ({"linear_r2": 0.52}, "Use ridge regression here: it is simpler and no worse"),
        ({"r2": -0.2, "linear_r2": -0.5}, "ridge regression on the same columns explains"),
        ({"linear_r2": None, "linear_rows": 0}, "It explains 52.0 % of the variance."),
        ({}, "root mean squared error 53.1"),
        ({}, "R2 of ridge regression 0.47"),
        ({}, "This net predicts a number for each row. It was judged on 44"),
    ],
    ids=str,
)
def test_numbers_in_words(changes: dict[str, Any], words: str) -> None:
    text = told(samples.numbers(**changes))
    assert words in text
    assert ("ridge" in text) == (changes.get("linear_r2", 1) is not None)


def test_which_classes_are_taken_for_which() -> None:
    page = render(samples.classes())
    assert re.findall(r'<td class="[^"]*worst[^"]*">(\d+)</td>', page) == ["4"]
    # Without one wrong row there is nothing to mark, and many classes have no table.
    perfect = samples.classes(confusion=np.diag([20, 20, 20]).tolist(), error=0.0, error_interval=[0.0, 0.05])
    assert not re.search(r'<td class="[^"]*worst', render(perfect))
    assert "true \\ predicted" in told(perfect)
    assert "true \\ predicted" not in told(samples.classes(confusion=None))


def test_hostile_names_of_classes_are_plain_text() -> None:
    page = render(samples.classes(samples.HOSTILE))
    reader = Reader(page)
    assert "script" not in reader.tags
    assert all(not name.startswith("on") for _, name, _ in reader.attributes)
    everything = reader.text + " ".join(value for _, name, value in reader.attributes if name == "title")
    for name in samples.HOSTILE:
        assert clean(name) in everything
    assert "\x1b" not in page and "\u202e" not in page and "<script>alert" not in page


@pytest.mark.parametrize(
    "metrics",
    [{"task": "classify"}, {"task": "regress"}, {"task": "classify", "error": None, "confusion": []}, {"rows": 3}],
    ids=str,
)
def test_figures_that_are_missing(metrics: dict[str, Any]) -> None:
    assert "Predictions" in told(ReportData("t", "s", prediction=metrics))


def test_missing_cells_and_wrong_categories() -> None:
    after = [list(row) for row in SMALL.examples["reconstructed"]]
    after[-1][0] = "another level"
    page = render(part("columns", examples={**SMALL.examples, "reconstructed": after}))
    assert re.search(r'<td class="missing">missing</td>', page)
    assert re.search(r'<td class="worst">another level</td>', page)
    assert "nan" not in Reader(page).text.lower().split()


@pytest.mark.parametrize("size", [1, 2])
def test_small_codes(size: int) -> None:
    assert "map" in Reader(render(part("errors", codes=SMALL.codes[:, :size]))).ids


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_few_rows(rows: int) -> None:
    few = {name: values[:rows] for name, values in SMALL.examples.items()}
    data = part("columns", codes=SMALL.codes[:rows], errors=SMALL.errors[:rows], examples=few)
    assert {"map", "examples"} <= set(Reader(render(data)).ids)


def test_same_row_is_shown_once() -> None:
    same = {name: [values[0]] * 12 for name, values in SMALL.examples.items()}
    assert render(part("columns", examples=same)).count('<div class="card"><h4>Error') == 1


def test_examples_without_cells_are_in_scaled_units() -> None:
    bare = {name: values for name, values in SMALL.examples.items() if name.startswith("rows.")}
    assert "scaled units" in Reader(render(part("columns", examples=bare))).text
    for columns in ([], SMALL.columns[:3]):
        assert "examples" in Reader(render(part(columns=columns, examples=bare))).ids


@pytest.mark.parametrize("factor", [1e-30, 1e30, 0.0])
def test_huge_and_vanishing_values(factor: float) -> None:
    metrics = {k: v * factor if k.endswith("squared_error") else v for k, v in SMALL.metrics.items()}
    spread = {n: {q: v * factor for q, v in given.items()} for n, given in metrics["row_quantiles"].items()}
    metrics = {**metrics, "row_quantiles": spread, "columns": []}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(part(metrics=metrics, codes=SMALL.codes.astype(float) * factor, errors=SMALL.errors * factor))


def test_values_that_are_not_finite() -> None:
    codes, errors = SMALL.codes.copy(), SMALL.errors.copy()
    codes[0, 0], errors[1], errors[2] = np.nan, np.nan, np.inf
    rows = [
        *samples.history(5),
        {**SMALL.history[0], "epoch": 61, "validation": {"squared_error": float("nan")}},
    ]
    metrics = {**SMALL.metrics, "squared_error": float("nan"), "trustworthiness": {"rows": 1, "neighbors": 0}}
    render(part(codes=codes, errors=errors, history=rows, metrics=metrics))


def test_many_labels() -> None:
    labels = np.array([f"label {i % 200}" for i in range(400)])
    randomness = np.random.default_rng(0)
    data = part(codes=randomness.normal(size=(400, 3)), errors=randomness.random(400), labels=labels)
    assert any("other (188 labels)" in drawing for drawing in Reader(render(data)).drawings)


@pytest.mark.parametrize(
    "labels",
    [
        np.linspace(0, 1, 40),
        np.array([0.0, 1.0, np.nan, 1.0] * 10),
        np.array(["_a", "$b$", None, "<c>"] * 10, dtype=object),
        np.array([True, False] * 20),
        np.zeros(40, int),
    ],
    ids=["continuous", "missing", "objects", "booleans", "one"],
)
def test_kinds_of_labels(labels: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "Coloured by label" in render(part(*CODES, labels=labels))


def test_ten_thousand_columns() -> None:
    data = samples.table(rows=40, plain=10_000)
    start = time.perf_counter()
    page = render(data)
    assert time.perf_counter() - start < 15
    assert len(page) < 1_500_000
    assert "200 hardest columns" in page


@pytest.mark.parametrize("letter", ["W", "重", "\u202e"])
def test_wide_names_leave_room_for_the_drawing(letter: str) -> None:
    names = [f"{letter * 90}{i}" for i in range(20)]
    columns = [{"name": n, "kind": "numeric", "autoencoder": 1.0, "pca": 2.0, "mean": 3.0} for n in names]
    # Where names leave no room, the layout says so in a warning.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(part(*CODES, metrics={**METRICS, "columns": columns}, labels=np.array(names * 2)))


def test_history_without_end_or_with_one_epoch() -> None:
    for rows in (
        samples.history(10)[:-1],
        samples.history(1),
        [r for r in samples.history(3) if r["event"] == "step"],
    ):
        assert "training" in Reader(render(part(history=rows))).ids


def test_many_phases_are_folded() -> None:
    rows = [row for i in range(8) for row in samples.history(3, phase=f"layer {i}")]
    text = Reader(render(part(history=rows))).text
    assert "Curves of the other 2 phases" in text


def test_dead_units_are_named(table_page: Reader) -> None:
    assert "1 unit of 9 in the code is dead" in table_page.text


def test_colour_pictures_and_unknown_range() -> None:
    randomness = np.random.default_rng(0)
    rows = randomness.normal(size=(12, 48)).astype(np.float32)
    examples = {"rows.input": rows, "rows.reconstruction": rows * 0.9, "rows.error": np.arange(12.0)}
    reader = Reader(render(ReportData("t", "s", shape=(4, 4, 3), examples=examples)))
    assert "examples" in reader.ids and reader.tags.count("img") == 24


def test_same_data_same_bytes() -> None:
    assert render(part(*CODES, "history")) == render(part(*CODES, "history"))


def test_global_state_is_left_alone() -> None:
    before, state = dict(matplotlib.rcParams), np.random.get_state()[1].copy()  # type: ignore[index]
    render(part(*CODES))
    assert dict(matplotlib.rcParams) == before
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]


def test_import_is_light() -> None:
    code = "import sys, layerwise.report; print(sorted({'matplotlib', 'jinja2', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match=r"needs the package jinja2.*pip install"):
        render(ReportData("t", "s"))


def test_write_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    write_report(ReportData("first", "s"), target)
    write_report(ReportData("second ü 🌡️", "s"), str(target))
    assert "second ü 🌡️" in target.read_text(encoding="utf-8")
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ResourceError, match=r"report\.html"):
        write_report(ReportData("new", "s"), target)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is a folder of that name"):
        write_report(ReportData("t", "s"), tmp_path)


def test_arrays_that_do_not_go_together() -> None:
    with pytest.raises(InputError, match="errors must hold one value for each of the 3 rows"):
        ReportData("t", "s", codes=np.zeros((3, 2)), errors=np.zeros(2))
    with pytest.raises(InputError, match="two dimensions"):
        ReportData("t", "s", codes=np.zeros(3))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999_999.6, "1 × 10⁶"),
        (0.99996, "1"),
        (1e308, "1 × 10³⁰⁸"),
        (float("nan"), "–"),
        (12345.6, "12,300"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_words() -> None:
    assert shorten("x" * 200, 10) == "xxxxxx…xxx"
    assert narrow("x" * 30, 30) == "x" * 30
    assert width(narrow("重W" * 200, 10)) <= 10
    assert clean("\ud800 \u202e\x07") == "\ufffd \ufffd\ufffd"
    assert (
        describe({"class": "Stop", "patience": 0, "rate": 0.5, "deep": {"a": [1, None]}})
        == "Stop(patience=0, rate=0.5, deep=a=1, none)"
    )


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_report(samples.table(rows=60, plain=4), target)
    arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
    ]
    places = [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1280,3000",
        "--dump-dom",
        target.as_uri(),
    ]
    done = subprocess.run(["chromium", *arguments, *places], capture_output=True, text=True, timeout=120, check=False)
    assert "</html>" in done.stdout
    assert "CONSOLE" not in done.stderr
