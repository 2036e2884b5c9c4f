"""Writing leaves the old state or the new one, and never takes what belongs to somebody else."""

import os

import pytest

from layerwise.errors import InputError, ResourceError
from layerwise.files import atomic_file, atomic_folder, check_file

OURS = ("manifest.json", "weights")


def fill(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return folder


def write(path, text="new"):
    with atomic_folder(path, replaces=OURS) as staging:
        for name in OURS:
            (staging / name).write_text(text)


@pytest.mark.parametrize("before", [None, (), OURS], ids=["missing", "empty", "earlier result"])
def test_a_folder_is_made_or_replaced(tmp_path, before):
    if before is not None:
        fill(tmp_path / "m", before)
    write(tmp_path / "m")
    assert {path.name: path.read_text() for path in (tmp_path / "m").iterdir()} == dict.fromkeys(OURS, "new")
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("present", [("thesis.tex",), (*OURS, "report.html"), ("weights",)], ids=str)
def test_a_folder_with_other_things_is_refused_before_any_work(tmp_path, present):
    fill(tmp_path / "m", present)
    with pytest.raises(InputError, match="must be new or empty, or an earlier result of the same kind; it holds"):
        write(tmp_path / "m")
    assert sorted(os.listdir(tmp_path / "m")) == sorted(present)
    assert os.listdir(tmp_path) == ["m"]


def test_failure_keeps_the_old_folder(tmp_path):
    fill(tmp_path / "m", OURS)

    def fail():
        with atomic_folder(tmp_path / "m", replaces=OURS) as staging:
            (staging / "weights").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "m" / "weights").read_text() == "weights"
    assert os.listdir(tmp_path) == ["m"]


def test_links_are_followed_and_stay(tmp_path):
    fill(tmp_path / "there", OURS)
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "file-link").symlink_to(tmp_path / "file")
    write(tmp_path / "link")
    with atomic_file(tmp_path / "file-link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file-link").is_symlink()
    assert (tmp_path / "there" / "weights").read_text() == (tmp_path / "file").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["file", "file-link", "link", "there"]


@pytest.mark.parametrize("name", ["folder", "pipe"])
def test_only_plain_files_are_written(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="must be a file to write"):
        check_file(tmp_path / name)
    with pytest.raises(InputError, match="must be a file to write"), atomic_file(tmp_path / name):
        pytest.fail("the work began")
    with pytest.raises(InputError, match=r"must be a folder|must be new"), atomic_folder(tmp_path / "pipe"):
        pytest.fail("the work began")
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]


def test_a_place_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot write"):
        check_file(tmp_path / "file" / "new" / "a.txt")
    check_file(tmp_path / "new" / "newer" / "a.txt")
    assert os.listdir(tmp_path) == ["file"]
