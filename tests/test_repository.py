"""What the repository promises around the code: commands, versions, pins, and pages that do not lie."""

import inspect
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import layerwise
from layerwise.cli import app
from layerwise.models import Dense
from layerwise.recipes import RECIPES
from tests.architecture import ROOT
from tests.randomness import global_random_state

PAGES_BY_TASK = (
    "anomalies",
    "diagnose",
    "export",
    "features",
    "gaps",
    "generation",
    "optimizers",
    "pictures",
    "search",
    "text",
)
HOW_TO = [f"docs/how-to/{name}.md" for name in PAGES_BY_TASK]
PAGES = ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/recipes.md", *HOW_TO]
EXTRAS = ["report", "images", "search", "postgresql", "export", "track", "features", "text", "peers", "dev", "all"]
# Where somebody's own files lie; the pieces are put together here so that this file does not find itself.
PERSONAL = re.compile(r"(?<![\w.~])/(?:" + "|".join(["home", "root", "Users", "work", "mnt"]) + r")/\w|\b[A-Z]:\\Users")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))["project"]


def tracked() -> list[Path]:
    """The files under version control, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout: {error}")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def commands(page: str) -> list[list[str]]:
    """The lines of a page's code blocks that call `layerwise` or `make`, split as a shell would."""
    blocks = re.findall(r"```\w*\n(.*?)```", page, flags=re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.split(" ")[0] in {"layerwise", "make"}]


def wrong_command(words: list[str], targets: set[str]) -> str:
    """What is wrong with a command of a page, or nothing."""
    program, verb, *rest = [*words, ""] if len(words) == 1 else words
    if program == "make":
        return "" if verb in targets else f"make has no target {verb!r}"
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    if verb not in verbs:
        return f"layerwise has no verb {verb!r}"
    known = {option for parameter in verbs[verb].params for option in parameter.opts}
    unknown = [word for word in rest if word.startswith("-") and word.split("=")[0] not in {*known, "--help"}]
    return f"layerwise {verb} has no {', '.join(unknown)}" if unknown else ""


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), flags=re.MULTILINE))


def pins() -> dict[str, str]:
    """The lock, as a version for each package; anything but an exact pin is an error."""
    lines = [line for line in read("requirements/test.txt").splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line) for line in lines]
    assert all(found), f"not an exact pin: {[line for line, pin in zip(lines, found, strict=True) if not pin]}"
    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}


def requirements(*extras: str) -> list[Requirement]:
    """The core's direct dependencies and those of some extras, which may name others of the package's extras."""
    optional = project()["optional-dependencies"]
    found = [Requirement(line) for line in project()["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, optional[extra]):
            found += requirements(*requirement.extras) if requirement.name == "layerwise" else [requirement]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_on_the_page_exist(page: str) -> None:
    wrong = [
        f"{shlex.join(words)}: {fault}"
        for words in commands(read(page))
        if (fault := wrong_command(words, make_targets()))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_readme_shows_commands() -> None:
    found = commands(read("README.md"))
    assert {"make", "layerwise"} <= {words[0] for words in found}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("layerwise fit a.csv --code 5 -o m", ""),
        ("layerwise fit a.csv --kode 5", "no --kode"),
        ("layerwise fly a.csv", "no verb 'fly'"),
        ("make test", ""),
        ("make coffee", "no target 'coffee'"),
    ],
)
def test_a_wrong_command_is_seen(line: str, fault: str) -> None:
    (words,) = commands(f"```console\n$ {line}  # told\n```")
    found = wrong_command(words, {"test"})
    assert (fault in found) if fault else not found


@pytest.mark.parametrize("page", PAGES)
def test_the_links_on_the_page_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", read(page))
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def first_columns(page: str) -> list[str]:
    """The names in the first cells of a page's tables."""
    return [
        name
        for row in re.findall(r"^\| (`[^|]*`) \|", page, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]


def test_every_recipe_and_every_argument_is_on_its_page() -> None:
    known = {name for recipe in RECIPES.values() for name in inspect.signature(recipe).parameters}
    # An object, which no command line can give; a corruption is made of the other two.
    arguments = known - {"setting", "corruption"} | {"noise", "masking"}
    found = first_columns(read("docs/recipes.md"))
    assert sorted(found) == sorted([*RECIPES, *arguments])


def test_the_example_among_the_recipes_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", read("docs/recipes.md"), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # It is a page of ours.
    assert names["encoder"].model_.widths == (4, 16, 2)


@pytest.mark.parametrize("page", HOW_TO)
def test_the_examples_of_a_how_to_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    examples = re.findall(r"```python\n(.*?)```", read(page), flags=re.DOTALL)
    assert examples
    for example in examples:
        exec(example, names)  # It is a page of ours.


def test_the_changelog_has_a_place_for_what_comes() -> None:
    headings = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert headings[:1] == ["Unreleased"]
    assert not headings[1:] or headings[1] == layerwise.__version__


def test_the_version_is_told_once() -> None:
    hatch = tomllib.loads(read("pyproject.toml"))["tool"]["hatch"]["version"]["path"]
    assert "version" in project()["dynamic"]
    assert "version" not in project()
    assert f'__version__ = "{layerwise.__version__}"' in read(hatch)


def test_the_extras_are_those_that_were_promised() -> None:
    optional = project()["optional-dependencies"]
    assert sorted(optional) == sorted(EXTRAS)
    assert {str(item) for item in requirements("all")} >= {str(item) for item in requirements(*EXTRAS[:8])}


def test_every_dependency_has_a_range() -> None:
    ranges = {str(item): {part.operator for part in item.specifier} for item in requirements(*EXTRAS[:8])}
    assert not [name for name, operators in ranges.items() if operators != {">=", "<"}]


def test_the_lock_leaves_torch_to_its_exact_pin() -> None:
    gpu = [name for name in pins() if re.match(r"(torch|triton|nvidia|cuda)", name)]
    assert not gpu
    assert re.search(r"torch==\d+\.\d+\.\d+$", read("Makefile"), flags=re.MULTILINE)


def test_the_lock_pins_every_direct_dependency_within_its_range() -> None:
    locked = pins()
    wanted = [item for item in requirements("dev") if item.name != "torch"]
    assert not [str(item) for item in wanted if canonicalize_name(item.name) not in locked]
    assert not [str(item) for item in wanted if locked[canonicalize_name(item.name)] not in item.specifier]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = []
    for file in tracked():
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{file.relative_to(ROOT)}:{i}: {line.strip()}" for i, line in enumerate(lines, 1) if PERSONAL.search(line)
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("open('" + "/".join(["", "home", "ada", "x.csv"]) + "')", True),
        ("\\".join(["C:", "Users", "ada"]), True),
        ("see docs/home/page.html and ~/notes/x", False),
    ],
)
def test_a_place_on_a_machine_is_seen(text: str, seen: bool) -> None:
    assert bool(PERSONAL.search(text)) is seen


def test_what_ci_runs_is_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("make test")


def test_shapes_are_checked_while_the_tests_run() -> None:
    with pytest.raises(Exception, match="Type-check") as caught:
        Dense(3, code=2).encode(torch.zeros(2, 3, 4, 5).bool())
    assert type(caught.value).__module__.startswith("jaxtyping")


def test_the_guard_of_randomness_sees_a_draw() -> None:
    state, before = torch.get_rng_state(), global_random_state()
    torch.rand(1)
    after = global_random_state()
    torch.set_rng_state(state)
    assert [name for name in after if after[name] != before[name]] == ["torch"]


@pytest.mark.usefixtures("global_random_state_unchanged")
def test_building_a_model_draws_nothing() -> None:
    Dense(5, (4,), code=2)
