import errno

import pytest

from pathnet_rl import durable
from pathnet_rl.durable import append, create_directory, write_file


def test_a_file_is_replaced_and_a_link_of_its_name_is_not_followed(tmp_path):
    file, elsewhere = tmp_path / "a", tmp_path / "b"
    elsewhere.write_bytes(b"precious")
    file.symlink_to(elsewhere)
    write_file(file, b"new")
    assert not file.is_symlink() and file.read_bytes() == b"new"
    assert elsewhere.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_directory_is_there_with_all_of_its_files_or_not_at_all(tmp_path, monkeypatch):
    create_directory(tmp_path / "deep" / "one", {"x": b"1", "y": b"2"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "deep" / "one").iterdir()} == {
        "x": b"1",
        "y": b"2",
    }
    with pytest.raises(OSError, match="not empty"):
        create_directory(tmp_path / "deep" / "one", {"x": b"3"})
    with pytest.raises(FileExistsError):
        create_directory(tmp_path / "two", {"x": b"3", "x/there": b"4"})
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "deep",
        "deep/one",
        "deep/one/x",
        "deep/one/y",
    ]


def test_files_may_lie_deeper_in_a_directory(tmp_path):
    create_directory(tmp_path / "one", {"x": b"1", "a/b/y": b"2"})
    assert (tmp_path / "one" / "a" / "b" / "y").read_bytes() == b"2"


def test_everything_is_synced_before_a_name_appears(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(durable.os, "fsync", lambda _: done.append("sync"))
    rename = durable.Path.rename
    monkeypatch.setattr(durable.Path, "rename", lambda *paths: (done.append("rename"), rename(*paths)))
    create_directory(tmp_path / "one", {"x": b"1", "y": b"2"})
    assert done == ["sync", "sync", "sync", "rename", "sync"]  # two files, their directory, its parent


def test_an_error_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught, open("/dev/full", "ab", buffering=0) as full:
        append(full, b"x")
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == "/dev/full"
