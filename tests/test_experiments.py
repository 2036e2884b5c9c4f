"""The quick modes of the experiments: they run, measure, and leave the kept figures alone."""

import numpy as np
import pytest

from experiments import reconstruction_2006
from layerwise.data import Table

pytestmark = pytest.mark.usefixtures("results_are_left_alone")


def pictures(rows: int) -> np.ndarray:
    coarse = np.random.default_rng(rows).random((rows, 4, 4))
    return (coarse.repeat(7, 1).repeat(7, 2) * 255).astype(np.uint8)


def test_reconstruction_2006(monkeypatch, capsys):
    digits = Table.from_array(pictures(300), test=Table.from_array(pictures(200)))
    monkeypatch.setattr(reconstruction_2006, "read", lambda name, data_dir: digits)
    monkeypatch.setattr(reconstruction_2006, "NETS", {"mnist": ((20, 10), 30)})
    reconstruction_2006.main(["--data-dir", "nowhere", "--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[:-3]] == ["train", "machine 1", "machine 2", "machine 3", "fine-tune"]
    names = ["mnist, mean picture", "mnist, without pre-training", "mnist, hinton2006"]
    assert [line.split(":")[0] for line in lines[-3:]] == names
