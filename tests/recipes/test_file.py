"""Recipes as files: what is written comes back, and what is no recipe is refused in one line."""

import json

import pytest

from layerwise.errors import InputError
from layerwise.recipes import RecipeFile, Setting, read_recipe, write_recipe

RECIPE = RecipeFile("default", {"lr": 0.01, "momentum": 0.95}, 5, (8, 4), 0.1, {"trials": 3})


def test_a_recipe_comes_back(tmp_path):
    write_recipe(tmp_path / "r.json", RECIPE)
    found = read_recipe(tmp_path / "r.json")
    assert found == RECIPE
    assert found.options["layer"].dropout == 0.1
    (phase,) = found.options["recipe"](Setting(500))
    assert (phase.optimizer.lr, phase.optimizer.options["betas"]) == (0.01, (0.95, 0.999))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "other"}, "other JSON"),
        ({"version": 2}, "version 1; found 2"),
        ({"recipe": "best"}, "must be one of .*got 'best'"),
        ({"recipe": 3}, "recipe must not be 3"),
        ({"arguments": {"rate": 1}}, "no argument 'rate'"),
        ({"arguments": {"lr": -1}}, "lr must be a number above 0; got -1"),
        ({"arguments": [1]}, "arguments must not be"),
        ({"code": 0}, "code must not be 0"),
        ({"code": None}, "code must not be None"),
        ({"hidden": [8, "x"]}, "hidden must not be"),
        ({"hidden": "8"}, "hidden must not be '8'"),
        ({"dropout": 1}, "dropout must be a share"),
        ({"colour": 1}, "'colour' is unknown or missing"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, change, told):
    path = tmp_path / "r.json"
    write_recipe(path, RECIPE)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), encoding="utf-8")
    with pytest.raises(InputError, match=told) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_what_is_no_recipe_is_refused(tmp_path, content):
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(InputError, match="must be a recipe"):
        read_recipe(tmp_path / "r.json")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_recipe(tmp_path / "none.json")
