"""The model folder: what was written is read, or refused."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from layerwise import DeepAutoencoder, ModelFileError
from layerwise.manifest import seal
from layerwise.storage import KIND, load_model, plain, save_model


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A small model folder."""
    x = np.random.default_rng(0).normal(size=(60, 4))
    folder = tmp_path_factory.mktemp("storage") / "model"
    DeepAutoencoder(2, hidden_layer_sizes=(8,), max_epochs=2, random_state=0).fit(x).save(folder)
    return folder


@pytest.fixture
def folder(written, tmp_path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(written, tmp_path / "model"))


def test_everything_comes_back(folder):
    saved = load_model(folder)
    save_model(folder.with_name("again"), saved)
    again = load_model(folder.with_name("again"))
    for name, value in saved.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    for name, tensor in saved.examples.items():
        assert torch.equal(tensor, again.examples[name]), name
    for part in ("schema", "settings", "recipe", "history", "metrics", "environment"):
        assert getattr(saved, part) == getattr(again, part), part
    assert torch.equal(saved.components.components, again.components.components)


def test_the_folder_has_what_people_expect(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted([*KIND.files, "manifest.json"])
    assert "PCA" in (folder / "README.md").read_text()
    assert json.loads((folder / "metrics.json").read_text())["n_components"] == 2


@pytest.mark.parametrize("name", [*KIND.files, "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "longer", "one bit", "link", "second name", "pipe", "folder"])
def test_any_damage_is_refused(folder, name, damage):
    path = folder / name
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "longer":
        path.write_bytes(data + b" ")
    elif damage == "one bit":
        place = np.random.default_rng(len(data)).integers(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    else:
        path.unlink()
        if damage == "link":
            path.symlink_to("/etc/hostname")
        elif damage == "second name":
            (folder.parent / "other").write_bytes(data)
            path.hardlink_to(folder.parent / "other")
        elif damage == "pipe":
            os.mkfifo(path)
        elif damage == "folder":
            path.mkdir()
    with pytest.raises(ModelFileError) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_bit_of_the_manifest_counts(folder):
    data = (folder / "manifest.json").read_bytes()
    for place in range(0, len(data), 7):
        (folder / "manifest.json").write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(ModelFileError):
            load_model(folder)


def forged(folder: Path, change) -> None:
    """Change config.json and sign the folder again, as somebody with bad intentions could."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    seal(folder, KIND)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["model"].update(hidden=[10**9]),
        lambda config: config["model"].update(features=10**9),
        lambda config: config["model"].update(code=3),
        lambda config: config["model"].update(activation="os.system"),
        lambda config: config["model"].update(normalization="builtins.eval"),
        lambda config: config["model"].update(embeddings=[[0, 2, 1]]),
        lambda config: config.update(model="torch.nn.Linear"),
        lambda config: config.update(extra=1),
        lambda config: config.pop("model"),
    ],
)
def test_a_forged_description_is_refused_before_anything_is_made(folder, change):
    forged(folder, change)
    with pytest.raises(ModelFileError):
        load_model(folder)


def test_an_honest_forgery_loads(folder):
    forged(folder, lambda config: config["environment"].update(note="signed again"))
    assert load_model(folder).environment["note"] == "signed again"


def test_a_failed_save_leaves_the_old_folder(folder, monkeypatch):
    saved = load_model(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("layerwise.storage.model_card", lambda *parts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(folder, saved)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_values_become_plain():
    assert plain({"a": np.float32(2), "b": [np.nan, np.array([1, 2])], 3: (np.int64(4),)}) == {
        "a": 2.0,
        "b": [None, [1, 2]],
        "3": [4],
    }
